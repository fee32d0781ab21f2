/** Connections to `serve` from strangers' pages in browsers, broken clients and slow ones. */
import assert from "node:assert/strict"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { type IncomingHttpHeaders, request } from "node:http"
import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { gzipSync } from "node:zlib"
import { check } from "../support/check.ts"
import { archive, manyTaskRuns } from "../support/hostileArchive.ts"
import { freePort, startServer } from "../support/process.ts"
import { ask, command, serve } from "../support/served.ts"

const statusOf = (port: number, headers: Record<string, string>, body: string | Buffer = `{"query":"{ hello }"}`) =>
  new Promise<number | undefined>((resolve) => {
    const sent = request({ host: "127.0.0.1", port, method: "POST", agent: false, headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    sent.on("error", () => resolve(undefined))
    sent.end(body)
  })

/** A small query with these headers, and what came back. */
const posted = async (port: number, headers: Record<string, string>) => {
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", headers, body: `{"query":"{ hello }"}` })
  return { status: response.status, text: await response.text() }
}

const fetchRaw = (
  port: number,
  path: string,
  { method = "GET", ...headers }: Readonly<Record<string, string>> = {}
) =>
  new Promise<{ readonly status: number | undefined; readonly headers: IncomingHttpHeaders; readonly text: string }>(
    (resolve) => {
      const sent = request({ host: "127.0.0.1", port, path, method, agent: false, headers }, (response) => {
        let text = ""
        response.setEncoding("utf8").on("data", (chunk: string) => text += chunk)
        response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }))
      })
      sent.on("error", () => resolve({ status: undefined, headers: {}, text: "" }))
      sent.end()
    }
  )

await using server = await serve(["--archive", archive("connections", manyTaskRuns(20))])
const { port } = server
const json = { "content-type": "application/json" }
const lives = async () => assert.equal((await ask(port, "{ hello }")).data?.["hello"], "hello")

/** The server's memory once it no longer changes by itself: what was loaded is written to the cache after a while. */
const steadyMemory = async () => {
  let last = server.memory()
  for (let steady = 0, turn = 0; steady < 3 && turn < 60; turn++) {
    await sleep(1_000)
    const now = server.memory()
    steady = Math.abs(now - last) < 5 ? steady + 1 : 0
    last = now
  }
  return last
}

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
  const before = await steadyMemory()
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
await check("methods that nothing here takes are refused, and give a browser of another page no leave", async () => {
  for (const method of ["OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "HEAD"]) {
    const { headers, status } = await fetchRaw(port, "/", { method, origin: "http://evil.example" })
    assert.ok(status !== undefined && status >= 400 && status < 500, `${method} ${status}`)
    assert.ok(!Object.keys(headers).some((name) => name.startsWith("access-control-")), method)
  }
  assert.equal((await fetchRaw(port, "/?query={hello}")).status, 405)
})
await check("a body without end is refused, and not kept", async () => {
  const before = await steadyMemory()
  const socket = connect(port, "127.0.0.1")
  socket.on("error", () => {})
  socket.resume()
  socket.write(
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
  )
  const chunk = `100000\r\n${" ".repeat(1 << 20)}\r\n`
  for (let sent = 0; sent < 200 && socket.writable && !socket.readableEnded; sent++) {
    if (!socket.write(chunk)) {
      await Promise.race([once(socket, "drain"), once(socket, "close"), sleep(200)]).catch(() => {})
    }
  }
  assert.ok(server.memory() - before < 150)
  socket.destroy()
  await lives()
})
await check("bodies that lie about their length leave the server as it was", async () => {
  const head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
  const lies = [
    `${head}Content-Length: 3\r\n\r\n{"query":"{ hello }"}`,
    `${head}Content-Length: -1\r\n\r\n{}`,
    `${head}Content-Length: 99999999999999999999\r\n\r\n{}`,
    `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`,
    `${head}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}`,
    `${head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    `${head}Transfer-Encoding: chunked\r\n\r\n0\r\n${"a: b\r\n".repeat(50_000)}\r\n`
  ]
  for (const text of lies) {
    const socket = connect(port, "127.0.0.1")
    socket.on("error", () => {})
    socket.resume()
    socket.write(text)
    await sleep(100)
    socket.destroy()
    await lives()
  }
})
await check("texts that are no UTF-8, or half a character, are answered as what they are", async () => {
  for (const bytes of [[0xff, 0xfe, 0x7b], [0x22, 0xed, 0xa0, 0x80, 0x22], [0xc3]]) {
    assert.equal(await statusOf(port, json, Buffer.from(bytes)), 400)
  }
})
await check("a thousand idle connections and two hundred slow bodies hold up nobody", async () => {
  const sockets = Array.from({ length: 1_200 }, (_, index) => {
    const socket = connect(port, "127.0.0.1")
    socket.on("error", () => {})
    if (index < 200) {
      socket.write("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
    }
    return socket
  })
  await sleep(1_000)
  for (let turn = 0; turn < 20; turn++) await lives()
  for (const socket of sockets) socket.destroy()
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

{
  const key = "canary-key-of-serve"
  await using locked = await serve(["--archive", archive("locked", manyTaskRuns(1))], {
    EFFECT_PREFECT_SERVE_API_KEY: key
  })
  await check("only the key itself opens a server that has one", async () => {
    const wrong = [
      "",
      "Bearer",
      "Bearer ",
      `Basic ${key}`,
      key,
      `Bearer ${key}x`,
      `Bearer ${key.slice(0, -1)}`,
      `Bearer ${key} ${key}`
    ]
    for (const authorization of [undefined, ...wrong]) {
      const headers = { ...json, ...(authorization === undefined ? {} : { authorization }) }
      const { text } = await posted(locked.port, headers)
      assert.match(text, /UNAUTHENTICATED/, authorization)
      assert.ok(!text.includes(key))
    }
    assert.match((await posted(locked.port, { ...json, authorization: `Bearer ${key}` })).text, /"hello":"hello"/)
  })
  await check("a key of the environment is not in the list of processes", () => {
    assert.ok(!readFileSync(`/proc/${locked.pid}/cmdline`, "utf8").includes(key))
  })
}
{
  const port = await freePort()
  const folder = archive("page", manyTaskRuns(5))
  await using page = await startServer(process.execPath, [command, "ui", "--archive", folder, "--port", String(port)], {
    port,
    env: { NO_COLOR: "1" },
    ready: /The page is at/
  })
  const own = { host: `localhost:${port}` }
  await check("the page answers to its own names alone, and to GET", async () => {
    for (const host of ["evil.example", `evil.example:${port}`, `localhost.evil.example:${port}`, `0.0.0.0:${port}`]) {
      assert.equal((await fetchRaw(port, "/", { host })).status, 421, host)
    }
    for (const method of ["POST", "OPTIONS", "TRACE", "PUT", "DELETE"]) {
      assert.equal((await fetchRaw(port, "/", { ...own, method })).status, 405, method)
    }
    assert.equal((await fetchRaw(port, "/", { ...own, origin: "http://evil.example" })).status, 403)
    assert.equal((await fetchRaw(port, "/", own)).status, 200)
  })
  await check("what the page shows is for those who have its token", async () => {
    for (const authorization of ["", "Bearer x", `Bearer ${"x".repeat(5_000)}`]) {
      const { status, text } = await fetchRaw(port, "/api/flow-runs", { ...own, authorization })
      assert.equal(status, 401, text)
      assert.ok(!text.includes("run"), text)
    }
  })
  await check("no path leads out of the page's files", async () => {
    for (
      const path of [
        "/../package.json",
        "/..%2fpackage.json",
        "/assets/../../package.json",
        "/%2e%2e/package.json",
        "//etc/passwd",
        "/assets/%00",
        `/${"a/".repeat(4_000)}`,
        "/\\..\\package.json"
      ]
    ) {
      const { status, text } = await fetchRaw(port, path, own)
      assert.ok(status !== 200 || text.startsWith("<!doctype html") || text.startsWith("<!DOCTYPE html"), path)
      assert.ok(!text.includes("\"version\"") && !text.includes("root:"), path)
    }
  })
  await check("the page outlives what is not HTTP and connections that send nothing", async () => {
    const sockets = Array.from({ length: 500 }, (_, index) => {
      const socket = connect(port, "127.0.0.1")
      socket.on("error", () => {})
      if (index % 2 === 0) {
        socket.write(index % 4 === 0 ? "\0\x01\r\n\r\n" : `GET / HTTP/1.1\r\nX: ${"y".repeat(100_000)}`)
      }
      return socket
    })
    await sleep(1_000)
    assert.equal((await fetchRaw(port, "/", own)).status, 200)
    for (const socket of sockets) socket.destroy()
    assert.ok(page.pid > 0)
  })
}
