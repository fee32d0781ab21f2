import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** A bucket behind S3's protocol, as far as a collection needs it. */
export interface FakeS3 {
  readonly url: string
  readonly objects: Map<string, Buffer>
  readonly requests: () => number
  readonly stop: () => Promise<void>
}

const xml = (body: string) => `<?xml version="1.0" encoding="UTF-8"?>${body}`

/**
 * Starts it. `loses` says of the number of a request whether it is carried out and its answer lost; `refuses` whether it
 * is not carried out, because the store is busy; `conditions` says whether the store knows `If-None-Match`.
 */
export const startFakeS3 = async (options: {
  readonly loses?: (request: number) => boolean
  readonly refuses?: (request: number) => boolean
  readonly conditions?: boolean
} = {}): Promise<FakeS3> => {
  const objects = new Map<string, Buffer>()
  const uploads = new Map<string, Map<number, Buffer>>()
  let count = 0

  const answer = (
    request: IncomingMessage,
    body: Buffer
  ): { status: number; body?: string | Buffer; etag?: string } => {
    const url = new URL(request.url!, "http://localhost")
    const key = decodeURIComponent(url.pathname.replace(/^\/bucket\/?/, ""))
    const isTaken = () => options.conditions !== false && request.headers["if-none-match"] === "*" && objects.has(key)
    const taken = { status: 412, body: xml("<Error><Code>PreconditionFailed</Code></Error>") }
    const upload = url.searchParams.get("uploadId")
    switch (request.method) {
      case "PUT": {
        if (upload !== null) {
          uploads.get(upload)!.set(Number(url.searchParams.get("partNumber")), body)
          return { status: 200, etag: `"${url.searchParams.get("partNumber")}"` }
        }
        if (isTaken()) return taken
        objects.set(key, body)
        return { status: 200, etag: `"etag"` }
      }
      case "POST": {
        if (upload === null) {
          const id = `upload-${count}`
          uploads.set(id, new Map())
          return {
            status: 200,
            body: xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
          }
        }
        if (isTaken()) return taken
        objects.set(
          key,
          Buffer.concat([...uploads.get(upload)!].sort(([left], [right]) => left - right).map(([, part]) => part))
        )
        return { status: 200, body: xml("<CompleteMultipartUploadResult/>") }
      }
      case "DELETE":
        if (upload === null) objects.delete(key)
        else uploads.delete(upload)
        return { status: 204 }
      case "GET": {
        if (key === "" || url.searchParams.has("list-type")) {
          const prefix = url.searchParams.get("prefix") ?? ""
          const after = url.searchParams.get("continuation-token") ?? ""
          const keys = [...objects.keys()].sort().filter((key) =>
            key.startsWith(prefix) && !key.slice(prefix.length).includes("/") && key > after
          )
          const page = keys.slice(0, 3)
          const isTruncated = keys.length > page.length
          return {
            status: 200,
            body: xml(
              `<ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>${
                isTruncated ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ""
              }${page.map((key) => `<Contents><Key>${key}</Key></Contents>`).join("")}</ListBucketResult>`
            )
          }
        }
        const found = objects.get(key)
        return found === undefined
          ? { status: 404, body: xml("<Error><Code>NoSuchKey</Code></Error>") }
          : { status: 200, body: found }
      }
      default:
        return { status: 405 }
    }
  }

  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const number = count++
      const { body, etag, status } = options.refuses?.(number) === true
        ? { status: 503, body: xml("<Error><Code>SlowDown</Code></Error>"), etag: undefined }
        : answer(request, Buffer.concat(chunks))
      if (options.loses?.(number) === true) return request.socket.destroy()
      response.writeHead(status, { "content-type": "application/xml", ...(etag === undefined ? {} : { etag }) })
      response.end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    requests: () => count,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      })
  }
}
