// The packages as strangers get them: packed, judged by publint and are-the-types-wrong, and installed into an empty
// project where every entry point is imported and type-checked from dist.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { packages, root } from "./packages.mjs"
import { npm, run } from "./run.mjs"

/** @typedef {(typeof packages)[number]} Package */

/** What a user can import: the package, and its modules; main.ts and its like are programs, not entry points. */
const entryPoints = (/** @type {Package} */ { index, modules, name }) => [
  name,
  ...modules.filter((module) => index === "flat" || /^[A-Z]/.test(module)).map((module) => `${name}/${module}`)
]

const optionalPeers = (/** @type {Package} */ { manifest }) =>
  Object.keys(manifest.peerDependencies ?? {}).filter((peer) => manifest.peerDependenciesMeta?.[peer]?.optional)

/**
 * Packs every package into a new temporary folder; `remove` deletes it.
 * @returns {Promise<{ folder: string, tarballs: Map<Package, string>, remove: () => void }>}
 */
export const pack = async () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "effect-prefect-")))
  const tarballs = new Map()
  for (const one of packages) {
    const output = await npm(["pack", "--json", "--loglevel=error", "--pack-destination", folder], one.path)
    // npm 12 gives an object by package name, older ones a list.
    /** @type {{ filename: string, files: Array<{ path: string }> }} */
    const packed = Object.values(JSON.parse(output.slice(output.search(/^[[{]/m))))[0]
    const unexpected = packed.files.map(({ path }) => path).filter((path) =>
      /tsbuildinfo|(^|\/)(test|fixtures)\//.test(path)
    )
    if (unexpected.length > 0) throw new Error(`${one.name} packs ${unexpected.join(", ")}`)
    for (const needed of ["LICENSE", "README.md", "dist/index.js", "dist/index.d.ts"]) {
      if (!packed.files.some(({ path }) => path === needed)) throw new Error(`${one.name} does not pack ${needed}`)
    }
    tarballs.set(one, join(folder, packed.filename))
  }
  return { folder, tarballs, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** @param {Package} one @param {string} tarball */
export const judge = async (one, tarball) => {
  await run("publint", [tarball, "--strict"])
  const names = entryPoints(one).map((name) => name.slice(one.name.length).replace(/^\//, "") || ".")
  await run("attw", [
    tarball,
    "--profile",
    "esm-only",
    "--format",
    "ascii",
    "--no-emoji",
    "--no-color",
    "--entrypoints",
    ...names
  ])
}

/** Imports each entry point in one process and throws what happened to those that failed or printed something. */
const importAll = async (/** @type {string} */ project, /** @type {ReadonlyArray<string>} */ names) => {
  writeFileSync(
    join(project, "import.mjs"),
    `const failed = []
for (const name of ${JSON.stringify(names)}) {
  try {
    if (Object.keys(await import(name)).length === 0) failed.push(name + ": exports nothing")
  } catch (error) {
    failed.push(name + ": " + error.message)
  }
}
if (failed.length > 0) throw failed.join("\\n")
`
  )
  // NODE_OPTIONS could name the source condition.
  const output = await run(process.execPath, ["import.mjs"], {
    cwd: project,
    env: { ...process.env, NODE_OPTIONS: "" }
  })
  if (output.trim() !== "") throw new Error(`importing printed ${output}`)
}

/** Makes a package of the workspace importable in the project, without the network. */
const link = (/** @type {string} */ project, /** @type {string} */ name) => {
  const target = join(project, "node_modules", name)
  if (existsSync(target)) return
  mkdirSync(dirname(target), { recursive: true })
  symlinkSync(realpathSync(join(root, "node_modules", name)), target, "junction")
}

/** @param {string} folder @param {Map<Package, string>} tarballs */
export const smoke = async (folder, tarballs) => {
  const project = join(folder, "project")
  mkdirSync(project)
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }))
  const effect = JSON.parse(readFileSync(join(root, "node_modules/effect/package.json"), "utf8")).version
  const flags = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]
  await npm(["install", ...flags, ...tarballs.values(), `effect@${effect}`], project)

  // As installed only the own entry points may miss something.
  await importAll(
    project,
    packages.flatMap((one) =>
      entryPoints(one).filter((name) => !one.ownEntryPoints.some((own) => name === `${one.name}/${own}`))
    )
  )
  for (const peer of packages.flatMap(optionalPeers)) link(project, peer)
  const names = packages.flatMap(entryPoints)
  await importAll(project, names)

  for (const name of ["@types/node"]) link(project, name)
  writeFileSync(
    join(project, "entries.ts"),
    names.map((name, index) => `export * as m${index} from "${name}"\n`).join("")
  )
  const compilerOptions = {
    module: "NodeNext",
    target: "ES2023",
    lib: ["ES2023", "DOM", "DOM.AsyncIterable", "ESNext.Disposable"],
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    types: ["node"]
  }
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["entries.ts"] }))
  await run("tsc", ["-p", "."], { cwd: project })

  const bin = join(project, "node_modules", ".bin", "effect-prefect")
  const version = await run(bin, ["--version"], { cwd: project })
  const wanted = packages.find(({ folder }) => folder === "cli")?.manifest.version
  if (!version.includes(wanted)) throw new Error(`effect-prefect --version printed ${version}`)
}
