/**
 * Backends whose server takes connections and says nothing: whoever waits for them can stop. Their own limits are so long
 * that a test which waits for one of those does not end in time.
 */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as PostgresApi from "@effect-prefect/api/PostgresApi"
import * as PostgresSession from "@effect-prefect/api/PostgresSession"
import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { withEnvironment } from "./support/network.ts"

/** A server of TCP that never answers, and when it was asked. */
const silent = Effect.gen(function*() {
  const asked = yield* Deferred.make<void>()
  const sockets = new Set<Socket>()
  const port = yield* Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        socket.once("data", () => Deferred.doneUnsafe(asked, Exit.void))
      })
      server.listen(0, "127.0.0.1", () => {
        const close = () => {
          for (const socket of sockets) socket.destroy()
          server.close()
        }
        resume(Effect.succeed({ port: (server.address() as AddressInfo).port, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )
  return { asked: Deferred.await(asked), port: port.port }
})

const id = "00000000-0000-4000-8000-000000000001"
const long = "10 minutes" as const
const lookup = Effect.flatMap(PrefectApi, (api) => api.taskRun(id))

const waiting: Readonly<Record<string, (port: number) => Effect.Effect<unknown, unknown>>> = {
  "a Prefect 1 API": (port) =>
    Effect.provide(lookup, GraphQLApi.layer({ url: `http://127.0.0.1:${port}`, requestTimeout: long })),
  "a Prefect 3 API": (port) =>
    Effect.provide(lookup, Prefect3Api.layer({ url: `http://127.0.0.1:${port}/api`, requestTimeout: long })),
  "an API over TLS": (port) =>
    Effect.provide(lookup, GraphQLApi.layer({ url: `https://127.0.0.1:${port}`, requestTimeout: long })),
  "a Postgres": (port) =>
    Effect.provide(
      lookup,
      PostgresApi.layer({ url: Redacted.make(`postgresql://u:p@127.0.0.1:${port}/d`), connectTimeout: long })
    ),
  "a session of Postgres": (port) =>
    Effect.scoped(
      PostgresSession.make({ url: Redacted.make(`postgresql://u:p@127.0.0.1:${port}/d`), connectTimeout: long })
    )
}

describe("whoever waits can stop, for", () => {
  for (const [name, effect] of Object.entries(waiting)) {
    it.live(name, () =>
      Effect.gen(function*() {
        yield* withEnvironment({})
        const { asked, port } = yield* silent
        const fiber = yield* Effect.forkChild(effect(port))
        yield* asked
        yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause), `${exit}`)
      }))
  }

  it.live("a proxy", () =>
    Effect.gen(function*() {
      const { asked, port } = yield* silent
      yield* withEnvironment({ HTTPS_PROXY: `http://127.0.0.1:${port}` })
      const url = "https://prefect.corp.invalid"
      const fiber = yield* Effect.forkChild(Effect.provide(lookup, GraphQLApi.layer({ url, requestTimeout: long })))
      yield* asked
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause), `${exit}`)
    }))

  it.live("the index of an archive, of which nothing stays", () =>
    Effect.gen(function*() {
      const root = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "interrupted-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      )
      const tables = join(root, "tables")
      yield* Effect.promise(() => mkdir(tables))
      const [before, after] = JSON.stringify({ id: "|", state: "Success", padding: "x".repeat(200) }).split("|")
      const row = (index: number) => `${before}${id.slice(0, 24)}${String(index).padStart(12, "0")}${after}`
      writeFileSync(join(tables, "task_run.jsonl"), Array.from({ length: 80_000 }, (_, index) => row(index)).join("\n"))
      const cache = join(root, "cache")
      const load = Effect.provide(
        Effect.andThen(PrefectApi, Effect.void),
        ArchiveApi.layer(root, { index: "auto", cache })
      )
      const interrupted = yield* Effect.forkChild(load, { startImmediately: true })
      const made = () =>
        readdirSync(cache, { recursive: true }).map(String).filter((name) => /index\.sqlite/.test(name))
      // As soon as there is something of it.
      while (!existsSync(cache) || made().length === 0) yield* Effect.sleep("10 millis")
      yield* Fiber.interrupt(interrupted)
      assert.deepStrictEqual(made(), [])
      yield* load
      assert.strictEqual(made().length, 1)
    }))
})
