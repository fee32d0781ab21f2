/**
 * The optional peers at the lowest version that package.json allows and at the newest one: the suites of the storages and
 * of the encoders run on copies of the sources, beside which these versions are installed.
 */
import * as assert from "node:assert/strict"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { packages } from "../../scripts/packages.mjs"
import { against } from "../support/against.ts"
import { check } from "../support/check.ts"
import { folder, root } from "../support/folder.ts"
import { run } from "../support/process.ts"

const suites = {
  "@aws-sdk/client-s3": ["results/test/S3Storage.test.ts"],
  "@google-cloud/storage": ["results/test/GCSStorage.test.ts"],
  "@azure/storage-blob": ["results/test/AzureStorage.test.ts"],
  "@azure/identity": ["results/test/AzureStorage.test.ts"],
  "parquet-wasm": ["formats/test/parquet.test.ts"],
  "@uwdata/flechette": ["formats/test/TableEncoder.test.ts"],
  "hyparquet-writer": ["formats/test/TableEncoder.test.ts"],
  hyparquet: ["collect/test/format.test.ts"]
}

/** The range that the packages declare for a peer; it is the same for all of them. */
const rangeOf = (name: string): string => {
  const ranges = new Set(packages.flatMap(({ manifest }) => manifest.peerDependencies?.[name] ?? []))
  assert.equal(ranges.size, 1, `${name} has the ranges ${[...ranges].join(", ")}`)
  return [...ranges][0] ?? ""
}

/** `^7.0.0 || ^8.0.0` begins at 7.0.0. */
const floorOf = (name: string): string => /\d+\.\d+\.\d+/.exec(rangeOf(name))?.[0] ?? ""

const newestOf = async (name: string): Promise<string> => {
  const { stdout } = await run("npm", ["view", `${name}@${rangeOf(name)}`, "version", "--json"])
  const versions = JSON.parse(stdout) as string | ReadonlyArray<string>
  return typeof versions === "string" ? versions : versions[versions.length - 1] ?? ""
}

/** A folder with copies of the sources and the peers in these versions; all else is the repository's own. */
const prepare = async (name: string, versions: ReadonlyMap<string, string>): Promise<string> => {
  const path = folder(name)
  const wanted = [...versions].map(([peer, version]) => `${peer}@${version}`)
  const stamp = join(path, "versions.json")
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== JSON.stringify(wanted)) {
    console.error(`making .conformance/${name}: ${wanted.join(" ")}`)
    rmSync(path, { recursive: true, force: true })
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, "package.json"), JSON.stringify({ private: true, type: "module" }))
    await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...wanted], { cwd: path })
    symlinkSync(join(root, "fixtures"), join(path, "fixtures"), "junction")
    writeFileSync(stamp, JSON.stringify(wanted))
  }
  rmSync(join(path, "packages"), { recursive: true, force: true })
  for (const one of ["results", "formats", "collect"]) {
    for (const part of ["src", "test", "package.json"]) {
      cpSync(join(root, "packages", one, part), join(path, "packages", one, part), { recursive: true })
    }
  }
  // What tests of every package import.
  const shared = join("packages", "core", "test")
  for (const name of readdirSync(join(root, shared))) {
    if (name.endsWith(".ts") && !name.endsWith(".test.ts")) cpSync(join(root, shared, name), join(path, shared, name))
  }
  return path
}

const runSuites = async (path: string, tests: ReadonlyArray<string>): Promise<void> => {
  const { code, stdout } = await run(
    process.execPath,
    [
      join(root, "node_modules/vitest/vitest.mjs"),
      "run",
      "--config",
      join(import.meta.dirname, "peers.vitest.config.ts")
    ],
    {
      cwd: root,
      env: { PEERS_FOLDER: path, PEERS_TESTS: JSON.stringify(tests.map((test) => `packages/${test}`)), NO_COLOR: "1" },
      allowFailure: true
    }
  )
  assert.equal(code, 0, stdout.slice(Math.max(0, stdout.indexOf("Failed Tests"))).slice(0, 3000))
  console.log(`        ${/Tests +(.*)/.exec(stdout)?.[1] ?? ""}`)
}

export const peers = async (): Promise<void> => {
  const names = Object.keys(suites) as Array<keyof typeof suites>
  const floors = new Map(names.map((name) => [name as string, floorOf(name)]))
  const newest = new Map<string, string>()
  for (const name of names) newest.set(name, await newestOf(name))
  for (const [which, versions] of [["floor", floors], ["newest", newest]] as const) {
    const path = await prepare(`peers-${which}`, versions)
    for (const name of names) against(`${name} ${versions.get(name)}`)
    for (const tests of new Set(Object.values(suites).map((tests) => tests.join(" ")))) {
      await check(`the peers at their ${which}: ${tests}`, () => runSuites(path, tests.split(" ")))
    }
  }
}
