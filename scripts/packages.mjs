// The packages of the workspace, in the order of their imports.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { rooms } from "./rooms.mjs"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** @param {string} folder */
const read = (folder) => {
  const path = join(root, "packages", folder)
  const manifest = JSON.parse(readFileSync(join(path, "package.json"), "utf8"))
  // A file in PascalCase is a module that users import; others are programs (main.ts) or the index.
  const modules = readdirSync(join(path, "src"))
    .filter((name) => name.endsWith(".ts") && name !== "index.ts")
    .map((name) => name.slice(0, -".ts".length))
    .toSorted()
  const { index = "namespaces", ownEntryPoints = [], reexports = {} } = manifest["effect-prefect"] ?? {}
  return {
    folder,
    path,
    manifest,
    /** The package's name on npm. */
    name: /** @type {string} */ (manifest.name),
    /** All modules of src, without their extension. */
    modules,
    /** The modules that are not in an index of namespaces, because they require an optional peer. */
    ownEntryPoints: /** @type {Array<string>} */ (ownEntryPoints),
    /** Modules of other packages that the index re-exports, by package. */
    reexports: /** @type {Record<string, Array<string>>} */ (reexports),
    /** "namespaces", "flat" for a hand-written index, or "built" for a package of files without modules. */
    index: /** @type {string} */ (index)
  }
}

export const packages = rooms.map(({ name }) => name)
  .filter((name) => existsSync(join(root, "packages", name, "package.json")))
  .map(read)
