import { createHash } from "node:crypto"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

/** A bucket behind Google's JSON API, as far as a collection needs it. */
export interface FakeGcs {
  readonly url: string
  readonly objects: Map<string, Buffer>
  readonly stop: () => Promise<void>
}

const md5 = (bytes: Buffer): string => createHash("md5").update(bytes).digest("base64")

/** What a multipart upload says about its media, and the media: its two parts. */
const partsOf = (
  body: Buffer,
  contentType: string
): { readonly metadata: { md5Hash?: string }; readonly media: Buffer } => {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)![1]!
  const first = body.indexOf("\r\n\r\n") + 4
  const second = body.indexOf(`\r\n--${boundary}`, first)
  const start = body.indexOf("\r\n\r\n", second) + 4
  return {
    metadata: JSON.parse(body.subarray(first, second).toString()),
    media: body.subarray(start, body.indexOf(`\r\n--${boundary}--`, start))
  }
}

/** Starts it. `conditions` says whether the store knows `ifGenerationMatch`, `damage` what a network does to objects. */
export const startFakeGcs = async (
  options: { readonly conditions?: boolean; readonly damage?: (bytes: Buffer) => Buffer } = {}
): Promise<FakeGcs> => {
  const { damage = (bytes) => bytes } = options
  const objects = new Map<string, Buffer>()
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const url = new URL(request.url!, "http://localhost")
      const send = (status: number, body: unknown) => {
        response.writeHead(status, { "content-type": "application/json" })
        response.end(JSON.stringify(body))
      }
      const key = decodeURIComponent(/\/o\/(.+)$/.exec(url.pathname)?.[1] ?? url.searchParams.get("name") ?? "")
      if (request.method === "POST") {
        if (options.conditions !== false && url.searchParams.get("ifGenerationMatch") === "0" && objects.has(key)) {
          return send(412, { error: { code: 412, message: "conditionNotMet" } })
        }
        const { media, metadata } = partsOf(Buffer.concat(chunks), String(request.headers["content-type"]))
        if (metadata.md5Hash !== md5(media)) return send(400, { error: { code: 400, message: "invalid" } })
        objects.set(key, media)
        return send(200, { name: key, bucket: "bucket", generation: "1", md5Hash: md5(media) })
      }
      if (request.method === "DELETE") {
        if (!objects.delete(key)) return send(404, { error: { code: 404, message: "No such object" } })
        response.writeHead(204)
        return response.end()
      }
      if (key === "") {
        const prefix = url.searchParams.get("prefix") ?? ""
        const after = url.searchParams.get("pageToken") ?? ""
        const names = [...objects.keys()].sort().filter((name) =>
          name.startsWith(prefix) && !name.slice(prefix.length).includes("/") && name > after
        )
        const page = names.slice(0, 3)
        return send(200, {
          items: page.map((name) => ({ name, bucket: "bucket" })),
          ...(names.length > page.length ? { nextPageToken: page.at(-1) } : {})
        })
      }
      const found = objects.get(key)
      if (found === undefined) return send(404, { error: { code: 404, message: "No such object" } })
      response.writeHead(200, {
        "content-type": "application/octet-stream",
        "x-goog-hash": `crc32c=AAAAAA==,md5=${md5(found)}`
      })
      response.end(damage(found))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      })
  }
}
