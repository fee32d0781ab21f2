import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { hurriedClock } from "../../core/test/hurriedClock.ts"
import * as EventServer from "./support/eventServer.ts"

const flowRunId = "00000000-0000-4000-8000-00000000000f"

/** Waits until something is so. */
const until = (isSo: () => boolean) =>
  Effect.gen(function*() {
    while (!isSo()) yield* Effect.sleep("5 millis")
  })

/** Listens in the background, and counts what it hears. */
const listening = (url: string, options: Partial<Prefect3Api.Options> = {}, id = flowRunId) =>
  Effect.gen(function*() {
    const api = yield* Prefect3Api.make({ url, ...options })
    const heard = { count: 0 }
    const fiber = yield* Effect.forkChild(Stream.runForEach(api.flowRunSignals(id), () =>
      Effect.sync(() => {
        heard.count++
      })))
    return { heard, fiber }
  })

const subscribed = (server: EventServer.EventServer) => () => server.clients.at(-1)?.received.length === 2

/** A message that lets a client in, as one frame. */
const letIn = "\x81\x17{\"type\":\"auth_success\"}"
/** A frame of some bytes. */
const frame = (first: number, length: number) =>
  Buffer.concat([
    Buffer.from(length < 126 ? [first, length] : [first, 126, length >> 8, length & 255]),
    Buffer.alloc(length)
  ])

/** A server that takes every connection, and does with it what a real one never does. */
const bareServer = (use: (socket: Socket, headers: IncomingHttpHeaders) => void, extension = "") =>
  Effect.gen(function*() {
    const sockets: Array<Socket> = []
    const state = { url: "", ended: 0 }
    const server = createServer((_request, response) => void response.end("\"3.8.0\""))
    server.on("upgrade", ({ headers }, socket: Socket) => {
      const accept = createHash("sha1").update(`${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      sockets.push(socket)
      // Destroyed at its end: a connection that was upgraded may be half open.
      socket.once("end", () => socket.destroy()).once("close", () => state.ended++).on("error", () => {}).resume()
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + extension +
          `Sec-WebSocket-Accept: ${accept.digest("base64")}\r\nSec-WebSocket-Protocol: prefect\r\n\r\n`
      )
      use(socket, headers)
    })
    yield* Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening"))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        server.close()
      })
    )
    state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`
    return state
  })

// Side by side: some wait until a client connects again.
describe.concurrent("the events of Prefect 3", () => {
  it.live("are those of one flow run, from now on, and the connection ends with the Stream", () =>
    Effect.gen(function*() {
      const server = yield* EventServer.make()
      const before = Date.now()
      const { fiber, heard } = yield* listening(server.url, {}, flowRunId.replaceAll("-", "").toUpperCase())
      yield* until(subscribed(server))
      const [client] = server.clients
      assert.strictEqual(client!.path, "/api/events/out")
      assert.strictEqual(client!.protocol, "prefect")
      const [auth, filter] = client!.received
      assert.deepStrictEqual(auth, { type: "auth", token: null })
      assert.strictEqual(filter!["type"], "filter")
      assert.strictEqual(filter!["backfill"], false)
      const { any_resource, occurred } = filter!["filter"] as Record<string, Record<string, unknown>>
      assert.deepStrictEqual(any_resource, { id: [`prefect.flow-run.${flowRunId}`] })
      assert.isAtMost(Date.parse(occurred!["since"] as string), before)
      assert.isAbove(Date.parse(occurred!["until"] as string), before + 86_400_000)

      yield* until(() => heard.count === 1)
      client!.socket.send(EventServer.event(flowRunId))
      yield* until(() => heard.count === 2)
      assert.isFalse(client!.isClosed)
      yield* Fiber.interrupt(fiber)
      yield* until(() => client!.isClosed)
      assert.strictEqual(server.clients.length, 1)
    }).pipe(Effect.scoped))

  for (
    const [what, options, token] of [
      ["an auth string", { authString: Redacted.make("admin:pässword") }, "admin:pässword"],
      ["a key", { apiKey: Redacted.make("pnu_hidden") }, "pnu_hidden"],
      ["an auth string, before a key", { authString: Redacted.make("a:b"), apiKey: Redacted.make("pnu_hidden") }, "a:b"]
    ] as const
  ) {
    it.live(`are asked for with ${what}`, () =>
      Effect.gen(function*() {
        const server = yield* EventServer.make()
        server.token = token
        const { heard } = yield* listening(server.url, options)
        yield* until(() => heard.count === 1)
        assert.deepStrictEqual(server.clients[0]!.received[0], { type: "auth", token })
      }).pipe(Effect.scoped))
  }

  it.live("are asked for with the credentials of the URL", () =>
    Effect.gen(function*() {
      const server = yield* EventServer.make()
      server.token = "me:p@ss"
      const { heard } = yield* listening(server.url.replace("//", "//me:p%40ss@"))
      yield* until(() => heard.count === 1)
      assert.deepStrictEqual(server.clients[0]!.received[0], { type: "auth", token: "me:p@ss" })
    }).pipe(Effect.scoped))

  it.live("come again after a connection that broke, and after one that was refused", () =>
    Effect.gen(function*() {
      const server = yield* EventServer.make()
      server.upgrade = 403
      const { heard } = yield* listening(server.url)
      yield* until(() => server.refused === 1)
      server.upgrade = 101
      yield* until(() => heard.count === 1)
      server.clients[0]!.socket.terminate()
      yield* until(() => heard.count === 2)
      assert.isTrue(server.clients[0]!.isClosed)
      server.clients[1]!.socket.send(EventServer.event(flowRunId))
      yield* until(() => heard.count === 3)
    }).pipe(Effect.scoped, Effect.provideService(Clock.Clock, hurriedClock)))

  it.live("end with the Stream, though the server never answers a close", () =>
    Effect.gen(function*() {
      const server = yield* bareServer((socket) => void socket.write(letIn, "latin1"))
      const { fiber, heard } = yield* listening(server.url)
      yield* until(() => heard.count === 1)
      yield* Fiber.interrupt(fiber)
      yield* until(() => server.ended === 1)
    }).pipe(Effect.scoped))

  for (
    const [what, first, piece, extension] of [
      ["a message of frames without end", "\x01\0", frame(0, 50_000)],
      ["a frame without end", "\x81\x7f\0\0\0\0\x7f\xff\xff\xff", Buffer.alloc(50_000)],
      ["pings without end", "", Buffer.concat(Array<Buffer>(400).fill(frame(0x89, 125)))],
      ["compressed messages", "", frame(0xc1, 125), "Sec-WebSocket-Extensions: permessage-deflate\r\n"]
    ] as const
  ) {
    it.live(`are not waited for in ${what}`, () =>
      Effect.gen(function*() {
        let offered: string | undefined
        const server = yield* bareServer((socket, headers) => {
          offered = headers["sec-websocket-extensions"]
          socket.write(letIn + first, "latin1")
          socket.write(Buffer.concat(Array<Buffer>(120).fill(piece)))
        }, extension)
        yield* listening(server.url)
        yield* until(() => server.ended === 1)
        assert.isUndefined(offered)
      }).pipe(Effect.scoped))
  }

  it.live("are none before the server lets a client in, in what is garbled, and in what is too long", () =>
    Effect.gen(function*() {
      const server = yield* EventServer.make()
      server.answers = false
      const { heard } = yield* listening(server.url)
      yield* until(() => server.clients[0]?.received.length === 1)
      const { socket } = server.clients[0]!
      socket.send(EventServer.event(flowRunId))
      socket.send(JSON.stringify({ type: "auth_success" }))
      yield* until(subscribed(server))
      yield* until(() => heard.count === 1)
      for (
        const text of ["", "{", "null", "[]", "7", "{\"type\":[]}", "{\"type\":\"pong\"}", "\u0000", "[".repeat(50_000)]
      ) {
        socket.send(text)
      }
      socket.send(Buffer.from(EventServer.event(flowRunId)))
      socket.send(EventServer.event("x".repeat(1024 * 1024)))
      const answered = new Promise((resolve) => socket.once("pong", resolve))
      socket.ping()
      yield* Effect.promise(() => answered)
      assert.strictEqual(heard.count, 1)
      socket.send(EventServer.event(flowRunId))
      yield* until(() => heard.count === 2)
      assert.strictEqual(server.clients.length, 1)
    }).pipe(Effect.scoped))

  it.live("are never asked of another server that this one names", () =>
    Effect.gen(function*() {
      const [server, other] = [yield* EventServer.make(), yield* EventServer.make()]
      server.upgrade = 302
      server.location = `${other.url}/events/out`
      const { heard } = yield* listening(server.url, { apiKey: Redacted.make("pnu_hidden") })
      yield* until(() => server.refused === 2)
      assert.deepStrictEqual([heard.count, other.clients.length], [0, 0])
    }).pipe(Effect.scoped, Effect.provideService(Clock.Clock, hurriedClock)))

  it.live("say nothing of a credential, and nothing at all above the debug level", () =>
    Effect.gen(function*() {
      const lines: Array<{ readonly level: string; readonly text: string }> = []
      const logger = Logger.make(({ logLevel, message }) => {
        lines.push({ level: logLevel, text: JSON.stringify(message) })
      })
      const server = yield* EventServer.make()
      yield* Effect.gen(function*() {
        yield* listening(server.url, { authString: Redacted.make("admin:hidden") })
        yield* until(() => lines.length === 1)
      }).pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "All")
      )
      assert.strictEqual(lines[0]!.level, "Debug")
      assert.include(lines[0]!.text, "1008")
      assert.notInclude(lines[0]!.text, "hidden")
    }).pipe(Effect.scoped))

  it.live("are not asked for where they are not wanted, nor of what is no flow run's id", () =>
    Effect.gen(function*() {
      const server = yield* EventServer.make()
      yield* listening(server.url, { events: false })
      yield* listening(server.url, {}, "../x")
      const { heard } = yield* listening(server.url)
      yield* until(() => heard.count === 1)
      assert.strictEqual(server.clients.length, 1)
    }).pipe(Effect.scoped))
})
