/**
 * An S3 server in its own process that returns every object after a few milliseconds: a text, or with `--bytes N` a pickle
 * of that many bytes. Prints its URL.
 */
import { createServer } from "node:http"
import { parseArgs } from "node:util"

const { positionals: [delay = "5", body = "7"], values } = parseArgs({
  allowPositionals: true,
  options: { bytes: { type: "string" } }
})

/** Protocol 3: BINBYTES, the length, the bytes, STOP. */
const pickleOfBytes = (length: number): Buffer => {
  const pickle = Buffer.alloc(2 + 5 + length + 1, 7)
  pickle.set([0x80, 3, 0x42])
  pickle.writeUInt32LE(length, 3)
  pickle[pickle.length - 1] = 0x2e
  return pickle
}

const bytes = values.bytes === undefined ? Buffer.from(body) : pickleOfBytes(Number(values.bytes))

const server = createServer((request, response) => {
  setTimeout(() => {
    request.resume()
    response.writeHead(200, {
      "content-length": bytes.length,
      "content-type": "application/octet-stream",
      etag: "\"8f14e45fceea167a5a36dedd4bea2543\"",
      "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT"
    })
    response.end(bytes)
  }, Number(delay))
})
server.keepAliveTimeout = 60_000
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no TCP address")
  console.log(`http://127.0.0.1:${address.port}`)
})
