/** Connections to `serve` from strangers' pages in browsers, broken clients and slow ones. */
import assert from "node:assert/strict"
import { request } from "node:http"
import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { gzipSync } from "node:zlib"
import { check } from "../support/check.ts"
import { archive, manyTaskRuns } from "../support/hostileArchive.ts"
import { ask, serve } from "../support/served.ts"

const statusOf = (port: number, headers: Record<string, string>, body: string | Buffer = `{"query":"{ hello }"}`) =>
  new Promise<number | undefined>((resolve) => {
    const sent = request({ host: "127.0.0.1", port, method: "POST", agent: false, headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    sent.on("error", () => resolve(undefined))
    sent.end(body)
  })

await using server = await serve(["--archive", archive("connections", manyTaskRuns(20))])
const { port } = server
const json = { "content-type": "application/json" }
const lives = async () => assert.equal((await ask(port, "{ hello }")).data?.["hello"], "hello")

await check("names that a stranger's page could resolve to this machine are refused", async () => {
  for (
    const host of [
      "evil.example",
      "127.0.0.1.evil.example",
      "localhost.evil.example",
      "0.0.0.0",
      "localhost@evil.example"
    ]
  ) {
    assert.ok([400, 403].includes((await statusOf(port, { ...json, host })) ?? 0), host)
  }
  for (const host of ["localhost", "LOCALHOST:4200", "127.0.0.1:1"]) {
    assert.equal(await statusOf(port, { ...json, host }), 200)
  }
})
await check("types that a form or a script of another page can send are refused", async () => {
  for (
    const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "text/plain; application/json"
    ]
  ) {
    assert.equal(await statusOf(port, { "content-type": type }), 415, type)
  }
})
await check("a compressed body is not inflated", async () => {
  const before = server.memory()
  const status = await statusOf(port, { ...json, "content-encoding": "gzip" }, gzipSync(Buffer.alloc(1 << 28, 32)))
  assert.equal(status, 400)
  assert.ok(server.memory() - before < 150)
})
await check("what is not HTTP leaves the server as it was", async () => {
  const garbage = [
    "\0\x01\x02\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    `POST / HTTP/1.1\r\nHost: localhost\r\nX: ${"y".repeat(1 << 20)}\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: localhost\r\n${"a: b\r\n".repeat(100_000)}\r\n`
  ]
  for (const text of garbage) {
    const socket = connect(port, "127.0.0.1")
    socket.on("error", () => {})
    socket.resume()
    socket.write(text)
    await sleep(200)
    socket.destroy()
    await lives()
  }
})
await check("connections that send nothing, or a byte a second, are ended by the server", async () => {
  const open = (first: string) =>
    Array.from({ length: 50 }, () => {
      const socket = connect(port, "127.0.0.1")
      socket.on("error", () => {})
      socket.resume()
      socket.write(first)
      return socket
    })
  const head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
  const slow = [...open("POST / HTTP/1.1\r\nHost: local"), ...open(head)]
  const drip = setInterval(() => slow.forEach((socket) => socket.writable && socket.write("h")), 1000)
  await sleep(2_000)
  await lives()
  await sleep(66_000)
  clearInterval(drip)
  const ended = slow.filter((socket) => socket.destroyed || socket.readableEnded).length
  slow.forEach((socket) => socket.destroy())
  assert.ok(ended >= 95, `${ended} of 100 were ended`)
})
