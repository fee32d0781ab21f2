/** An S3 server in its own process that returns every object after a few milliseconds. Prints its URL. */
import { createServer } from "node:http"

const [delay = "5", body = "7"] = process.argv.slice(2)
const bytes = Buffer.from(body)

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
