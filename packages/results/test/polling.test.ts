import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { awaitSettled, pause, type PollOptions } from "../src/internal/run/polling.ts"

/** A run that is settled at its version `end`, and how often its latest version was asked for. */
const runUntil = (end: number) => {
  let asked = 0
  return {
    asked: () => asked,
    getLatest: (latest: number) =>
      Effect.sync(() => {
        asked++
        return latest + 1
      }),
    isSettled: (latest: number) => Effect.succeed(latest >= end),
    timedOut: (latest: number) => `timed out at ${latest}`
  }
}

describe("waiting for a run", () => {
  it.effect("asks nothing of one that has ended", () =>
    Effect.gen(function*() {
      const run = runUntil(3)
      assert.strictEqual(yield* awaitSettled(3, run, undefined), 3)
      assert.strictEqual(run.asked(), 0)
    }))

  it.effect("without a time limit pauses between all questions, ever longer, up to ten seconds", () =>
    Effect.gen(function*() {
      const run = runUntil(1_000)
      const fiber = yield* Effect.forkChild(awaitSettled(0, run, undefined))
      yield* TestClock.adjust("700 millis")
      assert.strictEqual(run.asked(), 0)
      yield* TestClock.adjust("9 seconds")
      assert.isAtLeast(run.asked(), 2)
      assert.isAtMost(run.asked(), 6)
      yield* TestClock.adjust("10 minutes")
      const before = run.asked()
      yield* TestClock.adjust("2 minutes")
      assert.isAtLeast(run.asked() - before, 9)
      assert.isAtMost(run.asked() - before, 16)
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("gives up at its time limit", () =>
    Effect.gen(function*() {
      const run = runUntil(1_000)
      const fiber = yield* Effect.forkChild(Effect.flip(awaitSettled(0, run, { timeout: "5 seconds" })))
      yield* TestClock.adjust("1 minute")
      assert.match(String(yield* Fiber.join(fiber)), /^timed out at [2-6]$/)
    }))
})

describe("a pause", () => {
  /** The milliseconds of a pause. */
  const lengthOf = (options: PollOptions | undefined, quiet: number, left?: number, woken?: Effect.Effect<void>) =>
    Effect.gen(function*() {
      const start = yield* Clock.currentTimeMillis
      const fiber = yield* Effect.forkChild(
        Effect.andThen(pause(options, quiet, left, woken), Clock.currentTimeMillis)
      )
      for (let step = 0; step < 60; step++) yield* TestClock.adjust("250 millis")
      return (yield* Fiber.join(fiber)) - start
    })
  const within = (millis: number, middle: number) => {
    assert.isAtLeast(millis, middle * 0.8 - 1)
    assert.isAtMost(millis, middle * 1.2 + 1)
  }

  it.effect("grows from the shortest by a half up to the longest, spread by a fifth", () =>
    Effect.gen(function*() {
      within(yield* lengthOf(undefined, 0), 1_000)
      within(yield* lengthOf(undefined, 2), 2_250)
      within(yield* lengthOf(undefined, 50), 10_000)
      within(yield* lengthOf({ minPause: "2 seconds" }, 0), 2_000)
      within(yield* lengthOf({ minPause: "2 seconds", maxPause: "3 seconds" }, 5), 3_000)
      within(yield* lengthOf({ minPause: "2 seconds", maxPause: "1 second" }, 5), 2_000)
    }))

  it.effect("is no longer than the time that is left", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* lengthOf(undefined, 10, 300), 300)
      assert.strictEqual(yield* lengthOf(undefined, 10, -5), 0)
    }))

  it.effect("ends early for a signal, but not before the shortest is over", () =>
    Effect.gen(function*() {
      within(yield* lengthOf(undefined, 10, Infinity, Effect.void), 1_000)
    }))
})
