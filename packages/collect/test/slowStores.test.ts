/** Stores that do not answer, or not to the end: each request of a collection has a limit, and ends with its caller. */
import { sharedPrograms } from "@effect-prefect/api/Network"
import * as AzureOutput from "@effect-prefect/collect/AzureOutput"
import { CollectOutput } from "@effect-prefect/collect/CollectOutput"
import * as GCSOutput from "@effect-prefect/collect/GCSOutput"
import * as PostgresOutput from "@effect-prefect/collect/PostgresOutput"
import * as S3Output from "@effect-prefect/collect/S3Output"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { exec } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type RequestListener } from "node:http"
import { type AddressInfo, connect, createServer as createProxy } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { make, type ObjectStore } from "../src/internal/objectOutput.ts"
import { startDatabase } from "./support/database.ts"

const operations = {
  read: (output: CollectOutput["Service"]) => Effect.asVoid(output.read("_plan.json")),
  digest: (output: CollectOutput["Service"]) => Effect.asVoid(output.digest("part-000000.parquet")),
  create: (output: CollectOutput["Service"]) => Effect.asVoid(output.create("part", Stream.make(new Uint8Array(9)))),
  list: (output: CollectOutput["Service"]) => Stream.runDrain(output.list("")),
  finish: (output: CollectOutput["Service"]) => output.finish
}

/** Never resolves, but records that its signal was aborted. */
const silent = (ended: Array<string>, name: string) => (signal: AbortSignal) =>
  new Promise<never>(() => signal.addEventListener("abort", () => ended.push(name)))

const silentStore = (ended: Array<string>): ObjectStore => ({
  name: "s3://data",
  conditionHint: "",
  create: (_key, _bytes, signal) => silent(ended, "create")(signal),
  read: async function*(_key, signal) {
    yield new Uint8Array(10)
    await silent(ended, "read")(signal)
  },
  isMissing: () => false,
  list: async function*(_prefix, signal) {
    yield ["_probe-1"]
    await silent(ended, "list")(signal)
  },
  remove: (_key, signal) => silent(ended, "remove")(signal)
})

/** Moves the clock on in steps until a fiber ends. Files, digests and requests take real time between them. */
const joinWith = Effect.fnUntraced(function*<A, E>(fiber: Fiber.Fiber<A, E>, step: Duration.Input) {
  while (fiber.pollUnsafe() === undefined) {
    yield* TestClock.adjust(step)
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
  }
  return yield* Fiber.join(fiber)
})

describe("a program that gives the credentials of several requests", () => {
  it.live("goes on for the others when one of them is interrupted", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "credentials-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      )
      const [begun, end] = [join(folder, "begun"), join(folder, "end")]
      let runs = 0
      let key: string | undefined
      const output = make({
        ...silentStore([]),
        credentials: sharedPrograms(async () => {
          runs++
          const { stdout } = await promisify(exec)(`touch ${begun}; until [ -e ${end} ]; do sleep 0.01; done; echo key`)
          key = stdout
        }),
        create: async () => key === "key\n"
      }, "")
      const first = yield* Effect.forkChild(output.create("a", Stream.make(new Uint8Array(1))))
      while (!existsSync(begun)) yield* Effect.sleep(5)
      const second = yield* Effect.forkChild(output.create("b", Stream.make(new Uint8Array(1))))
      yield* Effect.sleep(20)
      yield* Fiber.interrupt(first)
      writeFileSync(end, "")
      yield* Fiber.join(second)
      assert.deepStrictEqual([runs, key], [1, "key\n"])
    }))
})

describe("a store that never ends its answer", () => {
  for (const [name, operation] of Object.entries(operations)) {
    it.effect(`is left after two minutes, and then asked again: ${name}`, () =>
      Effect.gen(function*() {
        const ended: Array<string> = []
        const fiber = yield* Effect.forkChild(Effect.flip(operation(make(silentStore(ended), ""))))
        const error = yield* joinWith(fiber, "1 minute")
        assert.strictEqual(error.reason._tag, "OutputUnavailable")
        assert.include(error.message, "longer than 2 minutes")
        assert.strictEqual(ended.length, 5)
      }))
  }

  it.effect("is not left while the bytes of a large object may still be on their way", () =>
    Effect.gen(function*() {
      const ended: Array<string> = []
      const body = Stream.make(new Uint8Array(6_000_000))
      yield* Effect.forkChild(make(silentStore(ended), "").create("part", body))
      yield* TestClock.adjust("179 seconds")
      assert.strictEqual(ended.length, 0)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(ended.length, 1)
    }))
})

const key = Redacted.make("secret")
const stores = {
  Google: (endpoint: string) => GCSOutput.layer({ endpoint, bucket: "bucket" }),
  S3: (endpoint: string) =>
    S3Output.layer({ endpoint, bucket: "bucket", credentials: { accessKeyId: "id", secretAccessKey: key } }),
  Azure: (url: string) =>
    AzureOutput.layer({
      container: "bucket",
      connectionString: Redacted.make(
        `DefaultEndpointsProtocol=http;AccountName=account;AccountKey=${btoa("key")};BlobEndpoint=${url}/account;`
      )
    })
}

/** A server, while the scope is open. */
const serverOf = (listener?: RequestListener) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer(listener)
      await once(server.listen(0, "127.0.0.1"), "listening")
      return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
    }),
    ({ server }) => Effect.sync(() => server.close().closeAllConnections())
  )

/** Sends a text, and then spaces, of which it counts the bytes, up to many. */
const flood =
  (status: number, begin: string, most: number, onEnd: (sent: number) => void): RequestListener =>
  (request, response) => {
    const space = Buffer.alloc(2 ** 20, " ")
    let sent = 0
    request.resume()
    response.on("error", () => {}).on("close", () => onEnd(sent))
    response.writeHead(status, { "content-type": "application/xml" })
    response.write(begin)
    const write = () => {
      while (!response.destroyed && sent < most && response.write(space)) sent += space.length
      if (sent >= most) response.end()
      else if (!response.destroyed) response.once("drain", write)
    }
    write()
  }

describe("an overloaded store of Google", () => {
  for (const [name, operation] of Object.entries(operations)) {
    it.effect(`is asked again, and then one error: ${name}`, () =>
      Effect.scoped(Effect.gen(function*() {
        const statuses = [503, 429, 403, 500, 408]
        let asked = 0
        const { url } = yield* serverOf((request, response) => {
          request.resume().on("end", () => {
            response.writeHead(statuses[asked++] ?? 404, { "content-type": "application/json" })
            response.end(JSON.stringify({ error: { errors: [{ reason: "rateLimitExceeded" }] } }))
          })
        })
        const unhandled: Array<unknown> = []
        const onUnhandled = (error: unknown) => unhandled.push(error)
        process.on("unhandledRejection", onUnhandled)
        yield* Effect.addFinalizer(() => Effect.sync(() => process.off("unhandledRejection", onUnhandled)))
        const fiber = yield* Effect.flatMap(CollectOutput, operation).pipe(
          Effect.provide(stores.Google(url)),
          Effect.flip,
          Effect.forkChild
        )
        const error = yield* joinWith(fiber, "1 second")
        assert.strictEqual(error.reason._tag, "OutputUnavailable")
        assert.include(error.message, "(408)")
        assert.strictEqual(asked, statuses.length)
        assert.deepStrictEqual(unhandled, [])
      })))
  }
})

for (const [store, layer] of Object.entries(stores)) {
  describe(`an answer of ${store} that is longer than it can be`, () => {
    const ended = (status: number, begin: string, most: number, operation: keyof typeof operations) =>
      Effect.scoped(Effect.gen(function*() {
        let end: (sent: number) => void = () => {}
        const sent = new Promise<number>((resolve) => end = resolve)
        const { url } = yield* serverOf(flood(status, begin, most, end))
        const error = yield* Effect.flip(Effect.flatMap(CollectOutput, operations[operation])).pipe(
          Effect.provide(layer(url))
        )
        return { message: error.message, sent: yield* Effect.promise(() => sent) }
      }))

    for (const name of ["read", "create", "list"] as const) {
      it.live(`is an error by its status alone: ${name}`, () =>
        Effect.gen(function*() {
          const { message, sent } = yield* ended(403, "<Error><Code>AccessDenied</Code>", 2 ** 24, name)
          assert.include(message, "403")
          assert.isBelow(sent, 2 ** 24)
        }))
    }

    // The SDK of Azure reads a listing itself.
    if (store !== "Azure") {
      it.live("is no listing", () =>
        Effect.map(ended(200, "<ListBucketResult>", 2 ** 27, "list"), ({ message, sent }) => {
          assert.include(message, "an answer of more than")
          assert.isBelow(sent, 2 ** 27)
        }))
    }
  })

  describe(`a request to ${store}`, () => {
    for (const [name, operation] of Object.entries(operations)) {
      it.live(`ends when its caller is interrupted: ${name}`, () =>
        Effect.scoped(Effect.gen(function*() {
          const { server, url } = yield* serverOf()
          const requested = once(server, "request")
          yield* Effect.gen(function*() {
            const fiber = yield* Effect.forkChild(operation(yield* CollectOutput))
            const [, response] = (yield* Effect.promise(() => requested)) as ReadonlyArray<NodeJS.EventEmitter>
            const closed = once(response!, "close")
            yield* Fiber.interrupt(fiber)
            yield* Effect.promise(() => closed)
          }).pipe(Effect.provide(layer(url)))
        })))
    }
  })
}

describe("a database that falls silent", () => {
  const table = Effect.gen(function*() {
    const { url } = yield* startDatabase
    const { hostname, port } = new URL(Redacted.value(url))
    const state = { isSilent: false, idleLimits: 0 }
    const proxy = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const proxy = createProxy((socket) => {
          const behind = connect(Number(port), hostname)
          for (const one of [socket, behind]) one.on("error", () => {})
          socket.on("close", () => behind.destroy())
          socket.on("data", (part) => {
            if (part.includes("idle_in_transaction_session_timeout")) state.idleLimits++
            if (!state.isSilent) behind.write(part)
          })
          behind.pipe(socket)
        }).listen(0, "127.0.0.1")
        await once(proxy, "listening")
        return proxy
      }),
      (proxy) => Effect.sync(() => proxy.close())
    )
    const address = Redacted.make(`postgresql://postgres@127.0.0.1:${(proxy.address() as AddressInfo).port}/postgres`)
    const services = yield* Layer.build(PostgresOutput.layer({ url: address, table: "results" }))
    return { state, output: Context.get(services, CollectOutput) }
  })

  for (const [name, operation] of Object.entries(operations).filter(([name]) => name !== "finish")) {
    it.effect(`is left after two minutes, and at once by whoever is interrupted: ${name}`, () =>
      Effect.gen(function*() {
        const { output, state } = yield* table
        yield* output.prepare("job")
        assert.strictEqual(state.idleLimits, 1, "whoever waits for a lock of a frozen process waits as long, too")
        state.isSilent = true
        const waiting = yield* Effect.forkChild(Effect.flip(operation(output)), { startImmediately: true })
        const interrupted = yield* Effect.forkChild(operation(output), { startImmediately: true })
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
        yield* Fiber.interrupt(interrupted)
        yield* TestClock.adjust("119 seconds")
        assert.isUndefined(waiting.pollUnsafe())
        const error = yield* joinWith(waiting, "1 second")
        assert.include(error.message, "its database did not answer within 2 minutes")
      }))
  }
})
