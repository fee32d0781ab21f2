// Builds the page into dist/: scripts, style and worker under content-hashed names, index.html, the licences of the
// bundled packages, and a manifest of the files. Prints their sizes.
import { build as bundle } from "esbuild"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { gzipSync } from "node:zlib"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, "dist")

/** @param {string} name @param {string} ending @param {Uint8Array} contents */
const hashed = (name, ending, contents) =>
  `assets/${name}-${createHash("sha256").update(contents).digest("hex").slice(0, 10)}.${ending}`

/** The licences of the packages whose sources are in the bundles. @param {ReadonlyArray<string>} inputs */
const licences = (inputs) => {
  const names = new Set(
    inputs.flatMap((input) => {
      const match = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)
      return match === null ? [] : [match[1] ?? ""]
    })
  )
  const workspace = join(root, "..", "..")
  return [...names].toSorted().map((name) => {
    const folder = join(workspace, "node_modules", name)
    const file = ["LICENSE", "LICENSE.md", "license"].map((one) => join(folder, one)).find(existsSync)
    return `${name}\n\n${file === undefined ? "" : readFileSync(file, "utf8").trim()}\n`
  }).join("\n----\n\n")
}

/** Makes dist/ and returns the compressed size of each file. */
export const build = async () => {
  /** @satisfies {import("esbuild").BuildOptions} */
  const common = {
    bundle: true,
    write: /** @type {const} */ (false),
    metafile: /** @type {const} */ (true),
    minify: true,
    platform: /** @type {const} */ ("browser"),
    format: /** @type {const} */ ("esm"),
    target: "es2022",
    conditions: ["@effect-prefect/source"],
    absWorkingDir: root,
    jsx: /** @type {const} */ ("automatic"),
    jsxImportSource: "preact",
    legalComments: /** @type {const} */ ("none"),
    logLevel: /** @type {const} */ ("silent"),
    define: { "process.env.NODE_ENV": "\"production\"" }
  }
  const worker = await bundle({ ...common, entryPoints: ["src/worker.ts"], outdir: "dist" })
  const workerCode = worker.outputFiles[0]?.contents ?? new Uint8Array()
  const workerName = hashed("worker", "js", workerCode)
  const main = await bundle({
    ...common,
    entryPoints: ["src/main.tsx"],
    outdir: "dist",
    define: { ...common.define, WORKER_FILE: JSON.stringify(workerName) }
  })
  /** @type {Map<string, Uint8Array>} */
  const files = new Map([[workerName, workerCode]])
  let script = ""
  let style = ""
  for (const { contents, path } of main.outputFiles) {
    const ending = path.endsWith(".css") ? "css" : "js"
    const name = hashed("main", ending, contents)
    files.set(name, contents)
    if (ending === "css") style = name
    else script = name
  }
  const page = readFileSync(join(root, "src", "index.html"), "utf8")
    .replace("%SCRIPT%", `%BASE%/${script}`).replace("%STYLE%", `%BASE%/${style}`)
  files.set("index.html", Buffer.from(page))
  files.set("icon.svg", readFileSync(join(root, "src", "icon.svg")))
  const inputs = [...Object.keys(main.metafile.inputs), ...Object.keys(worker.metafile.inputs)]
  files.set("LICENSES.txt", Buffer.from(licences(inputs)))
  const sizes = Object.fromEntries(
    [...files].map(([name, contents]) => [name, gzipSync(contents, { level: 9 }).length])
  )
  mkdirSync(join(dist, "assets"), { recursive: true })
  /** @param {string} name @param {string | Uint8Array} contents */
  const put = (name, contents) => {
    // A server that reads the page meanwhile sees a complete file, either the old or the new one.
    const partial = join(dist, `${name}.${process.pid}.tmp`)
    writeFileSync(partial, contents)
    renameSync(partial, join(dist, name))
  }
  for (const [name, contents] of files) put(name, contents)
  put("manifest.json", `${JSON.stringify({ files: [...files.keys()] }, null, 2)}\n`)
  for (const name of readdirSync(join(dist, "assets"))) {
    if (!files.has(`assets/${name}`) && !name.endsWith(".tmp")) rmSync(join(dist, "assets", name), { force: true })
  }
  return sizes
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const sizes = await build()
  for (const [name, bytes] of Object.entries(sizes)) console.log(`${(bytes / 1000).toFixed(1).padStart(8)} kB  ${name}`)
}
