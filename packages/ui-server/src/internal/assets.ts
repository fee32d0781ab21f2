/** The built page: the files of its manifest, held in memory. */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import { existsSync, readdirSync, statSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { gzipSync } from "node:zlib"

/**
 * The page's files are missing, or do not match its manifest.
 *
 * @category errors
 * @since 0.1.0
 */
export class AssetsError
  extends Schema.TaggedError<AssetsError>("@effect-prefect/ui-server/AssetsError")("AssetsError", {
    detail: Schema.String
  })
{
  override get message(): string {
    return this.detail
  }
}

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  txt: "text/plain; charset=utf-8",
  json: "application/json"
}

interface Asset {
  readonly body: Uint8Array
  readonly zipped: Uint8Array
  readonly type: string
}

/** The placeholder in index.html for the path prefix of the page. */
const basePlaceholder = "%BASE%"

const newest = (folder: string): number => {
  let latest = 0
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) latest = Math.max(latest, statSync(join(entry.parentPath, entry.name)).mtimeMs)
  }
  return latest
}

/** In the repository the page is built when it is missing, or older than its sources. A package ships it. */
const buildIfStale = async (root: string): Promise<void> => {
  const script = join(root, "scripts", "build.mjs")
  if (!existsSync(script)) return
  const manifest = join(root, "dist", "manifest.json")
  const sources = ["../ui/src", "../ui-api/src", "../core/src", "../ui/scripts"].map((path) => join(root, path))
  const built = existsSync(manifest) ? statSync(manifest).mtimeMs : 0
  if (sources.every((folder) => newest(folder) <= built)) return
  const { build } = await import(pathToFileURL(script).href) as { readonly build: () => Promise<void> }
  await build()
}

/** The folder of the package that contains the page. */
const packageRoot = (): string => dirname(fileURLToPath(import.meta.resolve("@effect-prefect/ui/package.json")))

const Manifest = Schema.fromJsonString(Schema.Struct({ files: Schema.Array(Schema.String) }))

const read = async (prefix: string): Promise<ReadonlyMap<string, Asset>> => {
  const root = packageRoot()
  await buildIfStale(root)
  const dist = join(root, "dist")
  const { files } = Schema.decodeUnknownSync(Manifest)(await readFile(join(dist, "manifest.json"), "utf8"))
  const assets = new Map<string, Asset>()
  for (const file of files) {
    const raw = await readFile(join(dist, file))
    const body = file === "index.html" ? Buffer.from(raw.toString("utf8").replaceAll(basePlaceholder, prefix)) : raw
    const type = types[file.slice(file.lastIndexOf(".") + 1)] ?? "application/octet-stream"
    assets.set(file, { body, zipped: gzipSync(body, { level: 9 }), type })
  }
  return assets
}

/** The address of a task run by its slug, which can contain anything. */
const isSlugAddress = (path: string): boolean =>
  path.length <= 16_000 && /^\/flow-runs\/[^/\\%]+\/tasks\/[^/\\]+(?:\/[^/\\]+)?$/.test(path) &&
  !/\/(?:\.|%2e){1,2}(?:\/|$)|%00/i.test(path)

/** A path that may be an address of the page: plain names, without a file extension and without `..`. */
const isAddress = (path: string): boolean =>
  isSlugAddress(path) || path.length <= 2_000 && !/(?:^|\/)\.{1,2}(?:\/|$)|%2e|%2f|%5c|%00|\\|\/\//i.test(path) &&
    !/\.[a-z0-9]{1,5}$/i.test(path)

/** Reads the page's files; resolves a path below the prefix, without its query. */
export const make = (prefix: string) =>
  Effect.map(
    Effect.tryPromise({
      try: () => read(prefix),
      catch: () =>
        new AssetsError({ detail: "the page's files are not there: install @effect-prefect/ui again, or npm run ui" })
    }),
    (assets) => (path: string, acceptsGzip: boolean): HttpServerResponse.HttpServerResponse => {
      const send = (asset: Asset, cacheControl: string) =>
        HttpServerResponse.uint8Array(acceptsGzip ? asset.zipped : asset.body, {
          contentType: asset.type,
          headers: {
            "cache-control": cacheControl,
            vary: "accept-encoding",
            ...(acceptsGzip ? { "content-encoding": "gzip" } : {})
          }
        })
      const file = path.slice(1)
      const asset = file === "index.html" ? undefined : assets.get(file)
      if (asset !== undefined) {
        return send(asset, file.startsWith("assets/") ? "public, max-age=31536000, immutable" : "no-cache")
      }
      const page = assets.get("index.html")
      return page !== undefined && isAddress(path)
        ? send(page, "no-cache")
        : HttpServerResponse.text("Not found\n", { status: 404 })
    }
  )
