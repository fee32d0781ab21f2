import { CRC32C } from "@google-cloud/storage"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

/** A bucket behind Google's JSON API, as far as a collection needs it. */
export interface FakeGcs {
  readonly url: string
  readonly objects: Map<string, Buffer>
  readonly stop: () => Promise<void>
}

const crc32c = (bytes: Buffer): string => {
  const crc = new CRC32C()
  crc.update(bytes)
  return crc.toString()
}

/** The media of a multipart upload: its second part. */
const mediaOf = (body: Buffer, contentType: string): Buffer => {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)![1]!
  const start = body.indexOf("\r\n\r\n", body.indexOf(`--${boundary}`, 10)) + 4
  return body.subarray(start, body.indexOf(`\r\n--${boundary}--`, start))
}

/** Starts it. `conditions` says whether the store knows `ifGenerationMatch`. */
export const startFakeGcs = async (options: { readonly conditions?: boolean } = {}): Promise<FakeGcs> => {
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
        const media = mediaOf(Buffer.concat(chunks), String(request.headers["content-type"]))
        objects.set(key, media)
        return send(200, { name: key, bucket: "bucket", generation: "1", crc32c: crc32c(media) })
      }
      if (request.method === "DELETE") {
        objects.delete(key)
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
        "x-goog-hash": `crc32c=${crc32c(found)}`
      })
      response.end(found)
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
