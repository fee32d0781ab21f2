// npm run check [-- STEP …]: all checks of the tree that do not run it, one step per core at a time; the output of a
// step is shown when it fails. The last line is "N passed, N failed".
import { rmSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { packages } from "./packages.mjs"
import { run } from "./run.mjs"
import { links } from "./snippets.mjs"
import { examples, install, judge, pack, smoke } from "./tarballs.mjs"

/**
 * A value that several steps need: the first one makes it, and reports when that fails.
 * @template A
 * @param {() => Promise<A>} make
 * @param {string} otherwise what the later ones say
 */
const shared = (make, otherwise) => {
  /** @type {Promise<A> | undefined} */
  let value
  const get = () => {
    if (value === undefined) return value = make()
    return value.catch(() => {
      throw new Error(otherwise)
    })
  }
  return { get, made: () => value }
}
const packed = shared(pack, "nothing was packed")
const project = shared(async () => {
  const { folder, tarballs } = await packed.get()
  return install(folder, tarballs)
}, "nothing was installed")

/**
 * A step can return a message as text. It starts when the step named by `after` has ended, if that one is run too.
 * @type {Array<{ name: string, body: () => Promise<unknown>, tells?: boolean, after?: string }>}
 */
const steps = [
  {
    name: "types of packages",
    body: () => {
      // Output of deleted files must not be packed below.
      for (const { path } of packages) rmSync(join(path, "dist"), { recursive: true, force: true })
      return run("tsc", ["-b", "tsconfig.packages.json"])
    }
  },
  { name: "pack", after: "types of packages", body: packed.get },
  { name: "install", after: "pack", body: project.get },
  { name: "examples", after: "install", body: async () => examples(await project.get()), tells: true },
  { name: "types of tests", after: "types of packages", body: () => run("tsc", ["-p", "tsconfig.tests.json"]) },
  { name: "lock file", body: () => run(process.execPath, ["scripts/lockfile.mjs"]) },
  { name: "lint", body: () => run("oxlint", ["--deny-warnings"]) },
  { name: "format", body: () => run("dprint", ["check"]) },
  { name: "indexes", body: () => run(process.execPath, ["scripts/indexes.mjs", "--check"]) },
  { name: "imports", body: () => run(process.execPath, ["scripts/imports.mjs", "--check"]) },
  {
    name: "docstrings",
    after: "types of packages",
    body: () => run(process.execPath, ["scripts/reference.mjs", "--check"])
  },
  { name: "links", body: async () => links() },
  // The packages are one program: that of each one would check all those that it imports again.
  ...[["packages", "tsconfig.effect.json"], ["tests", "tsconfig.tests.json"]].map(([name = "", project = ""]) => ({
    name: `effect ${name}`,
    after: "types of packages",
    body: () =>
      run("effect-tsgo", [
        "diagnostics",
        "--strict",
        "--severity",
        "error,warning",
        "--format",
        "text",
        "--project",
        project
      ])
  })),
  ...packages.map((one) => ({
    name: `publish ${one.folder}`,
    after: "pack",
    body: async () => judge(one, (await packed.get()).tarballs.get(one) ?? "")
  })),
  { name: "entry points", after: "install", body: async () => smoke(await project.get()) }
]

const wanted = process.argv.slice(2)
const chosen = steps.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
if (chosen.length === 0) {
  console.error(`no such step; there are ${steps.map(({ name }) => name).join(", ")}`)
  process.exit(2)
}

let passed = 0
let failed = 0
const take = async (/** @type {(typeof steps)[number]} */ { body, name, tells }) => {
  const start = performance.now()
  const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`
  try {
    const told = await body()
    passed++
    console.log(`pass  ${name} (${seconds()})${tells ? `: ${told}` : ""}`)
  } catch (error) {
    failed++
    console.log(
      `FAIL  ${name} (${seconds()})\n${
        (error instanceof Error ? error.message : String(error)).replace(/^/gm, "      ")
      }`
    )
  }
}

/** @type {Map<(typeof steps)[number], Promise<void>>} */
const running = new Map()
const waiting = [...chosen]
const isFree = (/** @type {(typeof steps)[number]} */ { after }) =>
  ![...waiting, ...running.keys()].some(({ name }) => name === after)
while (waiting.length > 0 || running.size > 0) {
  // The first of those that wait for no other step: the others wait for it longest.
  const next = running.size < availableParallelism() ? waiting.findIndex(isFree) : -1
  if (next === -1) {
    await Promise.race(running.values())
    continue
  }
  for (const step of waiting.splice(next, 1)) running.set(step, take(step).finally(() => running.delete(step)))
}
await packed.made()?.then(({ remove }) => remove(), () => {})
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
