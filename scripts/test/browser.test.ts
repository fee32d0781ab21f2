/**
 * The modules that run in a browser according to docs/bundling.md import no module of Node, and no Buffer without a
 * check.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"

const packages = resolve(import.meta.dirname, "../../packages")
const source = (name: string, module: string) => join(packages, name, "src", `${module}.ts`)
const all = (name: string, without: ReadonlyArray<string> = []) =>
  readdirSync(join(packages, name, "src"))
    .filter((file) => /^[A-Z].*\.ts$/.test(file) && !without.includes(file.replace(".ts", "")))
    .map((file) => join(packages, name, "src", file))

const inBrowsers = [
  ...all("core"),
  source("pickle", "index"),
  // Its Parquet is read by Node only, like all Parquet.
  ...all("formats", ["TableParts"]),
  ...["Backend", "GraphQLApi", "MemoryApi", "Prefect1Config", "Prefect3Api", "Prefect3Config", "PrefectApi"].map((
    name
  ) => source("api", name)),
  ...[
    "ConstantStorage",
    "FlowRun",
    "InlineStorage",
    "MemoryStorage",
    "Prefect3Storage",
    "Progress",
    "ResultError",
    "ResultOptions",
    "ResultStorage",
    "SecretStorage",
    "TaskRun",
    "Watch"
  ].map((name) => source("results", name))
]

/** What a module imports when it runs: types are gone by then. */
const importsOf = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/^(?:import|export) (?!type )[^"'=()]*?from "([^"]+)"|\bimport\("([^"]+)"\)/gm)]
    .map(([, fixed, dynamic]) => fixed ?? dynamic ?? "")

const fileOf = (specifier: string, from: string): string | undefined => {
  if (specifier.startsWith(".")) return join(dirname(from), specifier)
  const [, name = "", module = "index"] = /^@effect-prefect\/([^/]+)(?:\/(.+))?$/.exec(specifier) ?? []
  return name === "" ? undefined : source(name, module)
}

/** Every module that the given ones reach, with the one that led to it. */
const reached = (entries: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  const seen = new Map<string, string>(entries.map((entry) => [entry, "docs/bundling.md"]))
  for (const file of seen.keys()) {
    for (const specifier of importsOf(readFileSync(file, "utf8"))) {
      const next = fileOf(specifier, file)
      if (next !== undefined && existsSync(next) && !seen.has(next)) seen.set(next, file)
    }
  }
  return seen
}

describe("in a browser", () => {
  const modules = [...reached(inBrowsers)]

  it("there are modules to look at", () => assert.isAbove(modules.length, 100))

  it("no module imports one of Node", () => {
    const found = modules.flatMap(([file, from]) =>
      importsOf(readFileSync(file, "utf8"))
        .filter((specifier) => specifier.startsWith("node:"))
        .map((specifier) => `${file} imports ${specifier}; it is reached from ${from}`)
    )
    assert.deepStrictEqual(found, [])
  })

  it("no module takes a Buffer for granted", () => {
    const found = modules.map(([file]) => file).filter((file) => {
      const text = readFileSync(file, "utf8")
      return /\bBuffer\.\w+\(/.test(text) && !/typeof Buffer|Buffer !== undefined/.test(text)
    })
    assert.deepStrictEqual(found, [])
  })
})
