import * as Listener from "@effect-prefect/server/Listener"
import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import type { IncomingMessage, ServerResponse } from "node:http"
import { type AddressInfo, connect, type Socket } from "node:net"

const turn = () => new Promise((resolve) => setImmediate(resolve))

const listen = async (
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  options: Listener.Options = {}
) => {
  const server = Listener.make(options)
  server.on("request", answer)
  // What handles requests for other protocols is not asked.
  server.on("upgrade", (_request, socket) => socket.destroy())
  await once(server.listen({ port: 0, host: "127.0.0.1" }), "listening")
  const { port } = server.address() as AddressInfo
  const sockets: Array<Socket> = []
  return {
    server,
    open: (text = "", address = "127.0.0.1") => {
      const socket = connect({ port, host: "127.0.0.1", localAddress: address }).on("error", () => {})
      sockets.push(socket)
      if (text !== "") socket.write(text)
      return socket
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

const get = (path: string, headers = "") => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`

/** What came on a connection until it ended, or a text came. */
const received = (socket: Socket, until: string) =>
  new Promise<string>((resolve) => {
    let text = ""
    socket.setEncoding("utf8").on("data", (part: string) => {
      text += part
      if (text.includes(until)) resolve(text)
    })
    socket.once("close", () => resolve(text))
  })

describe("Listener", () => {
  it("does not begin requests whose clients have gone, and accepts others in between", async () => {
    const begun: Array<string> = []
    await using listener = await listen(({ url }, response) => {
      begun.push(url ?? "")
      // Work that cannot be divided.
      for (const end = performance.now() + 6; performance.now() < end;);
      response.end("done")
    })
    for (let i = 0; i < 300; i++) {
      const socket = listener.open()
      socket.write(get("/gone"), () => socket.destroy())
    }
    const text = await received(listener.open(get("/here")), "done")
    assert.include(text, "200 OK")
    assert.isAtMost(begun.length, 150)
    await turn()
    assert.isAtMost(begun.length, 150)
  })

  it("begins requests of clients that it knows before those of a flood of new ones", async () => {
    let begun = 0
    await using listener = await listen((request, response) => {
      begun++
      if (request.url === "/known") return void response.end("done")
      for (const end = performance.now() + 6; performance.now() < end;);
      response.end("done")
    })
    const known = listener.open(get("/known"))
    await received(known, "done")
    for (let i = 0; i < 200; i++) listener.open(get("/new"))
    while (begun < 3) await turn()
    const before = begun
    known.write(get("/known"))
    await received(known, "done")
    assert.isAtMost(begun - before, 40)
  })

  it("does not begin what a client has asked for before it closed its half of the connection", async () => {
    let begun = 0
    await using listener = await listen((_request, response) => {
      begun++
      for (const end = performance.now() + 6; performance.now() < end;);
      response.end("done")
    })
    for (let i = 0; i < 100; i++) listener.open().end(get("/"))
    assert.include(await received(listener.open(get("/")), "done"), "200 OK")
    assert.isAtMost(begun, 60)
  })

  it("ends a connection whose body comes byte by byte, and none whose chunks are few or large", async () => {
    await using listener = await listen((request, response) => {
      let size = 0
      request.on("data", (chunk: Buffer) => size += chunk.length).on("end", () => response.end(`received ${size}`))
    })
    const head = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    const chunks = (count: number, length: number) =>
      `${head}${`${length.toString(16)}\r\n${"x".repeat(length)}\r\n`.repeat(count)}0\r\n\r\n`
    assert.include(await received(listener.open(chunks(900, 1)), "received"), "received 900")
    assert.include(await received(listener.open(chunks(5_000, 32)), "received"), "received 160000")
    assert.strictEqual(await received(listener.open(chunks(1_100, 1)), "received"), "")
    // The body of a request that is not read either.
    await using other = await listen(() => {})
    assert.strictEqual(await received(other.open(chunks(1_100, 1)), "received"), "")
  })

  it("calls nothing for the chunks that came with those for which it ends a connection", async () => {
    let calls = 0
    await using listener = await listen((request, response) => {
      const push = request.push.bind(request)
      request.push = (...given) => {
        calls++
        return push(...given)
      }
      let size = 0
      request.on("data", (chunk: Buffer) => size += chunk.length).on("end", () => response.end(`received ${size}`))
    })
    const head = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    const small = `${head}${"1\r\nx\r\n".repeat(9_000)}`
    await Promise.all(Array.from({ length: 5 }, () => received(listener.open(small), "received")))
    assert.isBelow(calls, 5 * 1_300)
    // The parsers of those connections read those of others.
    await turn()
    for (let i = 0; i < 5; i++) {
      const text = await received(listener.open(`${head}5\r\nhello\r\n0\r\n\r\n`), "received")
      assert.include(text, "received 5")
    }
  })

  it("ends the connection that has been idle for longest when there are too many, and none that is answered", async () => {
    const responses: Array<ServerResponse> = []
    await using listener = await listen((_request, response) => void responses.push(response), { maxConnections: 4 })
    const ended: Array<string> = []
    const open = async (name: string, text = "") => {
      const socket = listener.open(text)
      socket.on("close", () => ended.push(name)).resume()
      await once(listener.server, "connection")
      return socket
    }
    const answered = await open("answered", get("/"))
    while (responses.length < 1) await turn()
    await open("silent")
    const slow = await open("slow", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345")
    while (responses.length < 2) await turn()
    const idle = await open("idle")
    await open("first")
    while (ended.length < 1) await turn()
    assert.deepStrictEqual(ended, ["silent"])
    await open("second")
    while (ended.length < 2) await turn()
    assert.deepStrictEqual(ended, ["silent", "slow"])
    idle.write(get("/"))
    while (responses.length < 3) await turn()
    await open("third")
    while (ended.length < 3) await turn()
    assert.deepStrictEqual(ended, ["silent", "slow", "first"])
    const text = received(answered, "done")
    responses[0]!.end("done")
    assert.include(await text, "200 OK")
    assert.isTrue(slow.destroyed)
  })

  it("ends connections of the address that has most, and refuses requests of one that leaves none to others", async () => {
    const responses: Array<ServerResponse> = []
    await using listener = await listen((_request, response) => void responses.push(response), { maxConnections: 4 })
    const ended: Array<string> = []
    const open = async (name: string, address: string, text = "") => {
      const socket = listener.open(text, address)
      socket.on("close", () => ended.push(name)).resume()
      await once(listener.server, "connection")
      return socket
    }
    const other = "127.0.0.2"
    const quiet = await open("quiet", other)
    for (let i = 0; i < 4; i++) await open(`silent ${i}`, "127.0.0.1")
    while (ended.length < 1) await turn()
    for (let i = 0; i < 3; i++) await open(`answered ${i}`, "127.0.0.1", get("/"))
    while (responses.length < 3) await turn()
    while (ended.length < 4) await turn()
    assert.deepStrictEqual(ended, ["silent 0", "silent 1", "silent 2", "silent 3"])
    const refused = await received(listener.open(get("/"), "127.0.0.1"), "nothing")
    assert.match(refused, /^HTTP\/1\.1 503 [^]*\r\nretry-after: 1\r\n[^]*busy/i)
    const text = received(quiet, "done")
    quiet.write(get("/"))
    while (responses.length < 4) await turn()
    responses.at(-1)!.end("done")
    assert.include(await text, "200 OK")
    assert.isFalse(ended.some((name) => name !== "quiet" && !name.startsWith("silent")))
  })

  it("ends idle connections of others before it refuses the request of an address with few", async () => {
    const responses: Array<ServerResponse> = []
    await using listener = await listen((_request, response) => void responses.push(response), { maxConnections: 6 })
    const ended: Array<string> = []
    const open = async (name: string, address: string, text = "") => {
      const socket = listener.open(text, address)
      socket.on("close", () => ended.push(name)).resume()
      await once(listener.server, "connection")
      return socket
    }
    await open("first", "127.0.0.1", get("/"))
    await open("second", "127.0.0.1", get("/"))
    while (responses.length < 2) await turn()
    // Each address has one connection, on which nothing is asked for.
    for (let i = 2; i < 8; i++) await open(`idle ${i}`, `127.0.0.${i}`)
    while (ended.length < 2) await turn()
    assert.deepStrictEqual(ended, ["idle 2", "idle 3"])
    const third = await open("third", "127.0.0.1", get("/"))
    const text = received(third, "done")
    while (responses.length < 3 && !third.destroyed) await turn()
    responses.at(-1)!.end("done")
    assert.include(await text, "200 OK")
    assert.deepStrictEqual(ended, ["idle 2", "idle 3", "idle 4"])
  })

  it("keeps the connections of a browser that opens several while another address uses all there are", async () => {
    const held: Array<ServerResponse> = []
    await using listener = await listen((request, response) => {
      if (request.url === "/held") held.push(response)
      else response.end("done")
    }, { maxConnections: 12 })
    const open = async (address: string, text = "") => {
      const socket = listener.open(text, address)
      await once(listener.server, "connection")
      return socket
    }
    for (let i = 0; i < 12; i++) await open("127.0.0.1", get("/held"))
    while (held.length < 12) await turn()
    const browser = [await open("127.0.0.2"), await open("127.0.0.2"), await open("127.0.0.2")]
    for (const socket of browser) {
      const text = received(socket, "done")
      socket.write(get("/"))
      assert.include(await text, "200 OK")
    }
    // Not any number of them.
    const ended = once(browser[0]!, "close")
    await open("127.0.0.2")
    await ended
  })

  it("refuses requests of which too many wait, those of others not", async () => {
    let begun = 0
    await using listener = await listen((_request, response) => {
      begun++
      for (const end = performance.now() + 6; performance.now() < end;);
      response.end("done")
    })
    const flood = Array.from({ length: 1_100 }, () => received(listener.open(get("/")), "busy"))
    await Promise.race(flood)
    const before = begun
    assert.include(await received(listener.open(get("/"), "127.0.0.2"), "done"), "200 OK")
    assert.isAtMost(begun - before, 200)
  })

  it("answers requests for another protocol in its own", async () => {
    await using listener = await listen((_request, response) => void response.end("done"))
    const upgrades = [
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    ]
    for (const headers of upgrades) {
      assert.include(await received(listener.open(get("/", headers)), "done"), "200 OK")
    }
  })
})
