/** Sockets that read into one buffer of their own: whose pieces share it, and whose are kept. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as http from "node:http"
import type { Socket } from "node:net"
import { setImmediate } from "node:timers/promises"
import { listening } from "../../api/test/support/network.ts"
import { reuseBuffers, takeAtOnce } from "../src/internal/remote/sockets.ts"

/** Each byte says where it is, so that one in the wrong place is noticed. */
const bytes = Buffer.from(Uint32Array.from({ length: 400_000 }, (_, at) => at).buffer)

/** A server of these bytes, and requests on one socket, whose memories are told. */
const world = Effect.gen(function*() {
  const port = yield* listening(http.createServer((_request, response) => {
    response.writeHead(200, { "content-length": bytes.length })
    response.end(bytes)
  }))
  const agent = yield* Effect.acquireRelease(
    Effect.sync(() => new http.Agent({ keepAlive: true, maxSockets: 1 })),
    (agent) => Effect.sync(() => agent.destroy())
  )
  reuseBuffers(agent)
  const sockets = new Set<Socket>()
  /** A response, and the memory of the pieces that its socket receives from then on. */
  const get = Effect.promise(() =>
    new Promise<{ readonly response: http.IncomingMessage; readonly memory: Set<ArrayBufferLike> }>((resolve) => {
      http.get({ host: "127.0.0.1", port, agent }, (response) => {
        const memory = new Set<ArrayBufferLike>()
        response.socket.on("data", (piece: Buffer) => memory.add(piece.buffer))
        sockets.add(response.socket)
        resolve({ response, memory })
      })
    })
  )
  return { get, sockets }
})

/** The pieces of a body, which are not copied. */
const piecesOf = (response: http.IncomingMessage, onPiece: (piece: Buffer) => void = () => {}) =>
  Effect.promise(() =>
    new Promise<ReadonlyArray<Buffer>>((resolve, reject) => {
      const pieces: Array<Buffer> = []
      response.on("data", (piece: Buffer) => {
        pieces.push(piece)
        onPiece(piece)
      }).on("end", () => resolve(pieces)).on("error", reject)
    })
  )

describe("sockets with buffers of their own", () => {
  it.live("read into the same memory for a body that is taken at once, on one connection after another", () =>
    Effect.gen(function*() {
      const { get, sockets } = yield* world
      for (let request = 0; request < 3; request++) {
        const { memory, response } = yield* get
        takeAtOnce(response)
        const whole = Buffer.alloc(bytes.length)
        let filled = 0
        yield* piecesOf(response, (piece) => {
          filled += piece.copy(whole, filled)
        })
        assert.isTrue(whole.equals(bytes))
        // What came before somebody listened was a piece of its own.
        assert.isAtMost(memory.size, 4)
      }
      assert.strictEqual(sockets.size, 1)
    }))

  it.live("give pieces of their own to whoever does not say so", () =>
    Effect.gen(function*() {
      const { get } = yield* world
      const first = yield* get
      takeAtOnce(first.response)
      yield* piecesOf(first.response)
      const { memory, response } = yield* get
      yield* Effect.promise(() => setImmediate())
      const pieces = yield* piecesOf(response)
      assert.isTrue(Buffer.concat(pieces).equals(bytes))
      assert.isAbove(memory.size, bytes.length / 65_536 - 4)
    }))

  it.live("keep what waits in a body that pauses", () =>
    Effect.gen(function*() {
      const { get } = yield* world
      const { response } = yield* get
      takeAtOnce(response)
      let paused = 0
      const pieces = yield* piecesOf(response, () => {
        if (++paused > 5) return
        response.pause()
        setTimeout(() => response.resume(), 5)
      })
      assert.isTrue(Buffer.concat(pieces).equals(bytes))
    }))
})
