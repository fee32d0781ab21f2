// The packages as users get them: packed, checked by publint and are-the-types-wrong, and installed into an empty
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
import { documents, snippets, sources } from "./snippets.mjs"

/** @typedef {(typeof packages)[number]} Package */

/** @typedef {{ readonly folder: string, readonly tarballs: Map<Package, string> }} Packed */

/**
 * The entry points of a package: the package and, if it exports them, its modules; main.ts and the like are programs.
 */
const entryPoints = (/** @type {Package} */ { index, manifest, modules, name }) =>
  index === "built" ? [] : [
    name,
    ...modules
      .filter((module) => `./${module}` in manifest.exports || ("./*" in manifest.exports && /^[A-Z]/.test(module)))
      .map((module) => `${name}/${module}`)
  ]

const optionalPeers = (/** @type {Package} */ { manifest }) =>
  Object.keys(manifest.peerDependencies ?? {}).filter((peer) => manifest.peerDependenciesMeta?.[peer]?.optional)

/**
 * Builds and packs every package into a new temporary folder; `remove` deletes it.
 * @returns {Promise<{ folder: string, tarballs: Map<Package, string>, remove: () => void }>}
 */
export const pack = async () => {
  await run("tsc", ["-b", "tsconfig.packages.json"])
  await run(process.execPath, ["packages/ui/scripts/build.mjs"])
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "effect-prefect-")))
  const tarballs = new Map()
  for (const one of packages) {
    const output = await npm(["pack", "--json", "--loglevel=error", "--pack-destination", folder], one.path)
    // npm 12 returns an object by package name, older versions a list.
    /** @type {{ filename: string, files: Array<{ path: string }> }} */
    const packed = Object.values(JSON.parse(output.slice(output.search(/^[[{]/m))))[0]
    const packs = (/** @type {string} */ file) => packed.files.some(({ path }) => path === file)
    const unexpected = packed.files.map(({ path }) => path).filter((path) =>
      /tsbuildinfo|(^|\/)(test|fixtures)\//.test(path)
    )
    if (unexpected.length > 0) throw new Error(`${one.name} packs ${unexpected.join(", ")}`)
    const contents = one.index === "built"
      ? ["dist/manifest.json", "dist/index.html", "dist/LICENSES.txt"]
      : ["dist/index.js", "dist/index.d.ts"]
    for (const needed of ["LICENSE", "README.md", ...contents]) {
      if (!packs(needed)) throw new Error(`${one.name} does not pack ${needed}`)
    }
    const stale = one.index === "built" ?
      [] :
      packed.files.map(({ path }) => /^dist\/(.+)\.js$/.exec(path)?.[1]).filter((name) =>
        name && !packs(`src/${name}.ts`)
      )
    if (stale.length > 0) throw new Error(`${one.name} packs modules that have no source: ${stale.join(", ")}`)
    tarballs.set(one, join(folder, packed.filename))
  }
  return { folder, tarballs, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** @param {Package} one @param {string} tarball */
export const judge = async (one, tarball) => {
  await run("publint", [tarball, "--strict"])
  if (one.index === "built") return
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

/** The modules that contain only types, and so export nothing at run time. */
const typesOnly = packages.flatMap(({ modules, name, path }) =>
  modules
    .filter((module) => {
      const file = join(path, "src", `${module}.ts`)
      return existsSync(file) && !/^export (?!type |interface )/m.test(readFileSync(file, "utf8"))
    })
    .map((module) => `${name}/${module}`)
)

/** Imports each entry point in one process and throws the problems of those that failed or printed something. */
const importAll = async (/** @type {string} */ project, /** @type {ReadonlyArray<string>} */ names) => {
  writeFileSync(
    join(project, "import.mjs"),
    `const failed = []
for (const name of ${JSON.stringify(names)}) {
  try {
    if (Object.keys(await import(name)).length === 0 && !${
      JSON.stringify(typesOnly)
    }.includes(name)) failed.push(name + ": exports nothing")
  } catch (error) {
    failed.push(name + ": " + error.message)
  }
}
if (failed.length > 0) throw failed.join("\\n")
`
  )
  // NODE_OPTIONS could select the source condition.
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

/**
 * A new project with only the tarballs and effect installed; returns its folder.
 * @param {string} folder
 * @param {Map<Package, string>} tarballs
 * @param {ReadonlyArray<string>} [others] what else to install, as npm names it
 */
export const install = async (folder, tarballs, others = []) => {
  const project = mkdtempSync(join(folder, "project-"))
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }))
  const effect = JSON.parse(readFileSync(join(root, "node_modules/effect/package.json"), "utf8")).version
  const flags = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]
  await npm(["install", ...flags, ...tarballs.values(), `effect@${effect}`, ...others], project)
  return project
}

/** Adds the peers of the own entry points, so that all of them can be imported. */
const linkOptionalPeers = (/** @type {string} */ project) => {
  for (const peer of packages.flatMap(optionalPeers)) link(project, peer)
}

/**
 * Type-checks files of the project with strict settings, including the declarations of the packages.
 * @param {string} project
 * @param {ReadonlyArray<string>} files
 */
export const typeCheck = async (project, files) => {
  link(project, "@types/node")
  const compilerOptions = {
    module: "NodeNext",
    target: "ES2023",
    lib: ["ES2023", "DOM", "DOM.AsyncIterable", "ESNext.Disposable"],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    allowImportingTsExtensions: true,
    noEmit: true,
    types: ["node"]
  }
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files }))
  await run("tsc", ["-p", "."], { cwd: project })
}

/**
 * Imports and type-checks every entry point, and starts the command.
 * @param {string} project
 */
export const smoke = async (project) => {
  // As installed, only the own entry points may be missing a package.
  await importAll(
    project,
    packages.flatMap((one) =>
      entryPoints(one).filter((name) => !one.ownEntryPoints.some((own) => name === `${one.name}/${own}`))
    )
  )
  linkOptionalPeers(project)
  const names = packages.flatMap(entryPoints)
  await importAll(project, names)

  writeFileSync(
    join(project, "entries.ts"),
    names.map((name, index) => `export * as m${index} from "${name}"\n`).join("")
  )
  await typeCheck(project, ["entries.ts"])

  const bin = join(project, "node_modules", ".bin", "effect-prefect")
  const version = await run(bin, ["--version"], { cwd: project })
  const wanted = packages.find(({ folder }) => folder === "cli")?.manifest.version
  if (!version.includes(wanted)) throw new Error(`effect-prefect --version printed ${version}`)
}

/**
 * Type-checks every example of the documents and the docstrings in the project, and runs those of the documents on the
 * fixtures of the repository; returns their number.
 * @param {string} project
 */
export const examples = async (project) => {
  linkOptionalPeers(project)
  symlinkSync(join(root, "fixtures"), join(project, "fixtures"), "junction")
  const all = [...documents(), ...sources()].flatMap(snippets).map((snippet) => ({
    ...snippet,
    file: `${snippet.document.replaceAll(/[^\w]/g, "-")}-${snippet.line}.ts`
  }))
  for (const { code, file } of all) writeFileSync(join(project, file), code)
  /** @type {Array<string>} */
  const failed = []
  if (all.length > 0) await typeCheck(project, all.map(({ file }) => file)).catch(({ message }) => failed.push(message))
  for (const { document, file, line } of all.filter(({ runs }) => runs)) {
    await run(process.execPath, [file], { cwd: project, env: { ...process.env, NODE_OPTIONS: "" } }).catch(
      ({ message }) => failed.push(`${document}:${line} does not run\n${message}`)
    )
  }
  if (failed.length > 0) throw new Error(failed.join("\n"))
  if (!all.some(({ document }) => document === "README.md")) throw new Error("README.md has no example")
  return `${all.length} type-checked, ${all.filter(({ runs }) => runs).length} run`
}
