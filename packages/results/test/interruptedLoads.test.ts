/** A load that is interrupted stops within a few steps, whatever it reads, and gives back all that it held. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { budgetOf } from "../src/internal/run/memory.ts"
import { mappedTables, storageOf } from "./support/world.ts"

const bytesOf = (...parts: ReadonlyArray<string | Uint8Array>): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => typeof part === "string" ? Buffer.from(part, "latin1") : part)))

const filled = (before: string, unit: string, after: string): Uint8Array =>
  bytesOf(before, Buffer.alloc(4_000_000, unit, "latin1"), after)

/** Bytes that gzip and zstd do not shrink, and that are a text. */
const noise = filled("[", "", "")
for (let at = 1, seed = 1; at < noise.length; at++) {
  seed = Math.imul(seed, 1_103_515_245) + 12_345 >>> 0
  noise[at] = at % 8 === 0 ? 0x2c : 0x31 + (seed >>> 16) % 8
}

const inputs: Record<string, readonly [bytes: Uint8Array, name?: string]> = {
  JSON: [filled("[1", ",{\"a\":1.5}", "]")],
  "JSON in UTF-16": [new Uint8Array(Buffer.from(Buffer.from(filled("[1", ",22", "]")).toString("latin1"), "utf16le"))],
  "JSON of one text": [filled("\"", "abcdefgh", "\"")],
  CSV: [filled("id,name\n", "12345,row 1\n", ""), "x.csv"],
  "CSV of one cell": [filled("a\n", "abcdefgh", "\n"), "x.csv"],
  pickle: [filled("\x80\x02](", "K\x01K\x02", "e.")],
  "pickle of one text": [filled("\x80\x02X\x00\x09\x3d\x00", "abcdefgh", ".")],
  "pickle in base64": [bytesOf(Buffer.from(filled("\x80\x02](", "K\x01K\x02", "e.")).toString("base64"))],
  gzip: [new Uint8Array(gzipSync(noise, { level: 1 }))],
  zstd: [new Uint8Array(zstdCompressSync(noise))]
}

const walk = Effect.gen(function*() {
  const parent = yield* TaskRun.fromTaskRunId("parent")
  return yield* Stream.runCount(parent.outcomes)
})

/** Other work has some turns. */
const turns = (count: number): Effect.Effect<void> =>
  Effect.forEach(
    Array.from({ length: count }),
    () => Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void))),
    { discard: true }
  )

const maxMemory = 2 ** 28

const provided = <A, E>(
  bytes: Uint8Array,
  name: string,
  effect: Effect.Effect<A, E, ResultStorage | Layer.Success<ReturnType<typeof MemoryApi.layer>>>
) => {
  const storage = storageOf(() => Effect.succeed({ _tag: "Bytes" as const, bytes, name }))
  return Effect.provide(
    effect,
    Layer.mergeAll(MemoryApi.layer(mappedTables(1)), storage.layer, ResultOptions.layer({ maxMemory }))
  )
}

describe("a load that is interrupted", () => {
  for (const [kind, [bytes, name = "x"]] of Object.entries(inputs)) {
    it.live(`of ${kind} stops, and frees its memory`, () =>
      provided(
        bytes,
        name,
        Effect.gen(function*() {
          const budget = budgetOf(yield* ResultStorage, maxMemory)
          let steps = 0
          // Each step seems to take longer than a turn may.
          const clock = vi.spyOn(performance, "now").mockImplementation(() => ++steps * 100)
          yield* Effect.ensuring(
            Effect.gen(function*() {
              const fiber = yield* Effect.forkChild(walk, { startImmediately: true })
              while (budget.held === 0) yield* turns(1)
              yield* turns(2)
              assert.isUndefined(fiber.pollUnsafe(), "it is not done yet")
              yield* Fiber.interrupt(fiber)
              assert.strictEqual(budget.held, 0)
              const before = steps
              yield* turns(10)
              assert.strictEqual(steps, before)
            }),
            Effect.sync(() => clock.mockRestore())
          )
        })
      ))
  }

  it.live("of Parquet ends its thread, and frees its memory", () =>
    provided(
      readFileSync(join(import.meta.dirname, "../../../fixtures/formats/pandas-1.3/mixed.snappy.parquet")),
      "x.parquet",
      Effect.gen(function*() {
        const budget = budgetOf(yield* ResultStorage, maxMemory)
        const ended = vi.spyOn(Worker.prototype, "terminate")
        const asked = vi.spyOn(Worker.prototype, "postMessage")
        yield* Effect.ensuring(
          Effect.gen(function*() {
            const fiber = yield* Effect.forkChild(walk, { startImmediately: true })
            while (asked.mock.calls.length === 0) yield* turns(1)
            assert.isAbove(budget.held, 0)
            assert.isUndefined(fiber.pollUnsafe(), "it is not done yet")
            yield* Fiber.interrupt(fiber)
            assert.strictEqual(budget.held, 0)
            assert.strictEqual(ended.mock.calls.length, 1)
          }),
          Effect.sync(() => {
            ended.mockRestore()
            asked.mockRestore()
          })
        )
      })
    ))
})
