import * as Progress from "@effect-prefect/results/Progress"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Sink } from "../src/internal/output.ts"
import { details, drawProgress } from "../src/internal/progress.ts"
import { visible } from "../src/internal/terminal.ts"

const sinkOf = (isTerminal: boolean) => {
  const written: Array<string> = []
  const write = (text: string | Uint8Array) => Effect.sync(() => void written.push(visible(String(text))))
  return { sink: { isTerminal, write } as unknown as Sink, written }
}

/** Four results of which one fails, told as a walk tells them. */
const results = Stream.unwrap(Effect.map(Progress.Current, (callbacks) => {
  callbacks?.onStart(4)
  return Stream.mapEffect(Stream.make(1, 2, 3, 4), (value) =>
    Effect.sync(() => {
      callbacks?.onSettled(value === 2, 1_000_000)
      return value
    }))
}))

const snapshot: Progress.Snapshot = {
  done: 10,
  failed: 0,
  bytes: 0,
  expected: null,
  elapsed: 0,
  rate: 0,
  byteRate: 0
}

describe("progress", () => {
  it.effect("draws how many of how many, what failed and what was read, and takes the line away", () =>
    Effect.gen(function*() {
      const { sink, written } = sinkOf(true)
      assert.deepStrictEqual(yield* Stream.runCollect(drawProgress(sink, "score-1")(results)), [1, 2, 3, 4])
      assert.match(written[0]!, /score-1 [█░]{24} [1-4]\/4 \(/)
      assert.strictEqual(written.at(-1), "\r\u001b[2K")
    }))

  it.effect("draws nothing in a pipe", () =>
    Effect.gen(function*() {
      const { sink, written } = sinkOf(false)
      assert.deepStrictEqual(yield* Stream.runCollect(drawProgress(sink, "score-1")(results)), [1, 2, 3, 4])
      assert.deepStrictEqual(written, [])
    }))

  it("says only what there is to say", () => {
    assert.strictEqual(details(snapshot), "")
    assert.strictEqual(details({ ...snapshot, failed: 3 }), "3 failed")
    assert.strictEqual(details({ ...snapshot, bytes: 999, rate: 2.345 }), "999 B, 2.3/s")
    assert.strictEqual(details({ ...snapshot, bytes: 1_250_000, failed: 1, rate: 840.4 }), "1 failed, 1.3 MB, 840/s")
    assert.strictEqual(details({ ...snapshot, bytes: 999_600 }), "1.0 MB")
    assert.strictEqual(details({ ...snapshot, bytes: 5e15 }), "5000 TB")
  })
})
