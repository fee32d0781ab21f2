/** A long result is made row by row and piece by piece, so that other work has its turns meanwhile. */
import { Column, Table } from "@effect-prefect/formats/Table"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { type ResultFlags, writeResult } from "../src/internal/writeResult.ts"
import { captured } from "./captured.ts"

const flags = (format: "csv" | "jsonl"): ResultFlags => ({
  raw: false,
  json: false,
  format: Option.some(format),
  fields: Option.none(),
  output: Option.none()
})
const table = (rows: number, text: string) =>
  new Table([new Column({ name: "text", kind: "string", length: rows, at: () => text })], rows)
const written = (value: unknown, format: "csv" | "jsonl") => {
  const { layer, out } = captured()
  return Effect.map(
    Effect.provide(
      writeResult(
        { id: "id", name: "name", getResult: Effect.succeed(value), getResultBytes: Effect.never },
        flags(format)
      ),
      layer
    ),
    () => Buffer.concat(out).toString()
  )
}

describe("a long result", () => {
  it.live("as CSV lets others work between its pieces", () =>
    Effect.gen(function*() {
      // Fifteen pieces of some 64 KiB.
      const rows = table(960, "x".repeat(1_000))
      let turns = 0
      const others = yield* Effect.forkChild(
        Effect.forever(Effect.andThen(Effect.sync(() => turns++), Effect.yieldNow)),
        { startImmediately: true }
      )
      const short = table(1, "x")
      yield* written(short, "csv")
      const before = turns
      yield* written(short, "csv")
      const few = turns - before
      const text = yield* written(rows, "csv")
      assert.isAtLeast(turns - before - few, few + 4)
      yield* Fiber.interrupt(others)
      assert.strictEqual(text.split("\r\n").length, 962)
    }))

  it.effect("as JSON Lines has each row made when its turn comes", () =>
    Effect.gen(function*() {
      let made = 0
      let shown = 0
      let most = 0
      const counted = Object.assign(new Table([], 0), {
        *rows() {
          for (let at = 0; at < 20; at++) {
            made++
            most = Math.max(most, made - shown)
            let isShown = false
            yield {
              get at() {
                if (!isShown) shown++
                isShown = true
                return at
              }
            }
          }
        }
      })
      const text = yield* written(counted, "jsonl")
      assert.strictEqual(text, Array.from({ length: 20 }, (_, at) => `{"at":${at}}\n`).join(""))
      assert.strictEqual(most, 1)
    }))
})
