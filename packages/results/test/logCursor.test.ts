import type * as Backend from "@effect-prefect/api/Backend"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { LogEntry } from "@effect-prefect/core/LogEntry"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { LogCursor } from "../src/internal/run/logCursor.ts"

const at = (seconds: number) => new Date(seconds * 1_000).toISOString()
const line = (id: string, timestamp: string) => ({ id, timestamp }) as LogEntry

/** A log that grows, and the cursor of each question. */
const growing = () => {
  const lines: Array<LogEntry> = []
  const asked: Array<unknown> = []
  const api = {
    logs: ({ after }: Backend.LogsQuery) => {
      asked.push(after)
      const from = after === undefined ? "" : after.timestamp
      return Stream.fromIterable(
        lines.filter(({ timestamp }) => timestamp >= from).toSorted((a, b) => a.timestamp < b.timestamp ? -1 : 1)
      )
    }
  } as unknown as PrefectApi["Service"]
  const cursor = new LogCursor(api, {} as Backend.LogsQuery, 10_000)
  const next = (limit = 100) => Effect.map(cursor.next(limit), (found) => found.map(({ id }) => id))
  return { asked, lines, next }
}

describe("a growing log", () => {
  it.effect("gives each line once, and late ones, as far back as it looks", () =>
    Effect.gen(function*() {
      const { asked, lines, next } = growing()
      assert.deepStrictEqual(yield* next(), [])
      lines.push(line("a", at(85)), line("b", at(100)))
      assert.deepStrictEqual(yield* next(), ["a", "b"])
      lines.push(line("late", at(91)), line("lost", at(89)), line("edge", at(90)))
      assert.deepStrictEqual(yield* next(), ["edge", "late"])
      // A late line does not send it back to what it has forgotten.
      assert.deepStrictEqual(yield* next(), [])
      lines.push(line("c", at(111)))
      assert.deepStrictEqual(yield* next(), ["c"])
      assert.deepStrictEqual(yield* next(), [])
      assert.deepStrictEqual(asked, [
        undefined,
        undefined,
        ...[90, 90, 90, 101].map((seconds) => ({ timestamp: at(seconds), id: "00000000-0000-0000-0000-000000000000" }))
      ])
    }))

  it.effect("gives up to a limit, and the others next time", () =>
    Effect.gen(function*() {
      const { lines, next } = growing()
      for (const second of [1, 2, 3, 4, 5]) lines.push(line(`${second}`, at(second)))
      assert.deepStrictEqual(yield* next(2), ["1", "2"])
      assert.deepStrictEqual(yield* next(2), ["3", "4"])
      assert.deepStrictEqual(yield* next(2), ["5"])
      assert.deepStrictEqual(yield* next(2), [])
    }))

  it.effect("gives lines whose time is none once, too", () =>
    Effect.gen(function*() {
      const { lines, next } = growing()
      lines.push(line("a", "yesterday"))
      assert.deepStrictEqual(yield* next(), ["a"])
      assert.deepStrictEqual(yield* next(), [])
    }))
})
