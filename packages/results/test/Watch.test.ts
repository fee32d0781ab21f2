import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { FlowRunView } from "@effect-prefect/core/FlowRunView"
import * as State from "@effect-prefect/core/State"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import type * as Watch from "@effect-prefect/results/Watch"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Live from "./support/liveRun.ts"
import { numbers } from "./support/world.ts"

const provide = (isBad: (request: number) => boolean) => Effect.provide(Layer.merge(Live.layer(isBad), numbers().layer))

const never = () => false

/** Mulberry32: the same numbers for the same seed. */
const makeRandom = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

/** Lets the clock run until an effect has ended. */
const running = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    for (let steps = 0; steps < 2000 && fiber.pollUnsafe() === undefined; steps++) yield* TestClock.adjust("250 millis")
    return yield* Fiber.join(fiber)
  })

interface Seen {
  readonly at: number
  readonly event: Watch.WatchEvent
}

const watched = (options?: Watch.WatchOptions) =>
  running(Effect.gen(function*() {
    const run = yield* FlowRun.fromFlowRunId(Live.flowRunId)
    const events: Array<Seen> = []
    yield* Stream.runForEach(run.watch(options), (event) =>
      Effect.map(Clock.currentTimeMillis, (at) => {
        events.push({ at, event })
      }))
    return { events, ended: yield* Clock.currentTimeMillis }
  }))

const messages = (events: ReadonlyArray<Seen>) =>
  events.flatMap(({ event }) => event._tag === "Log" ? [event.entry.message] : [])
const states = (events: ReadonlyArray<Seen>) =>
  events.flatMap(({ event }) => event._tag === "State" ? [event.record.state._tag] : [])

const expectWhole = ({ ended, events }: { readonly ended: number; readonly events: ReadonlyArray<Seen> }) => {
  assert.deepStrictEqual(states(events), ["Scheduled", "Running", "Failed"])
  assert.sameMembers(messages(events), Live.lines.map(({ message }) => message))
  assert.strictEqual(messages(events).length, Live.lines.length)
  assert.isAtLeast(ended, Live.lastLineAt)
}

describe("watch", () => {
  it.effect("gives every state and line once, those of a poll in order, and ends when the late lines are in", () =>
    Effect.gen(function*() {
      const whole = yield* watched()
      expectWhole(whole)
      const inTime = Live.lines.filter(({ seen, time }) => seen === time).map(({ message }) => message)
      assert.deepStrictEqual(messages(whole.events).filter((message) => inTime.includes(message ?? "")), inTime)
      assert.isAtMost(whole.ended, Live.lastLineAt + 20_000)
    }).pipe(provide(never)))

  it.effect("loses and repeats nothing when every second request fails", () =>
    Effect.map(watched(), expectWhole).pipe(provide((request) => request > 0 && request % 2 === 0)))

  for (const seed of [1, 2, 3, 4, 5]) {
    it.effect(`loses and repeats nothing when requests fail at random (${seed})`, () => {
      const random = makeRandom(seed)
      return Effect.map(watched(), expectWhole).pipe(provide((request) => request > 0 && random() < 0.5))
    })
  }

  it.effect("outlives a backend that is gone for a minute", () =>
    Effect.map(watched({ maxPause: "2 seconds" }), expectWhole).pipe(
      provide((request) => request > 6 && request < 40)
    ))

  it.effect("takes lines from a level up", () =>
    Effect.gen(function*() {
      const { events } = yield* watched({ level: "ERROR" })
      assert.deepStrictEqual(messages(events), ["failing"])
      assert.deepStrictEqual(states(events), ["Scheduled", "Running", "Failed"])
    }).pipe(provide(never)))

  it.effect("never says that a run has ended which has not: it times out", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(watched({ timeout: "15 seconds" }))
      assert.strictEqual(error._tag, "WaitTimeout")
      assert.include(error.message, "15s")
    }).pipe(provide(never)))

  it.effect("of a run that ended long ago it waits for nothing", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("10 minutes")
      const before = yield* Clock.currentTimeMillis
      const { ended, events } = yield* watched()
      assert.strictEqual(ended, before)
      assert.deepStrictEqual(messages(events).toSorted(), Live.lines.map(({ message }) => message).toSorted())
    }).pipe(provide(never)))

  it.effect("what will not get better ends it", () =>
    Effect.gen(function*() {
      const api = yield* PrefectApi
      const { view } = yield* FlowRun.fromFlowRunId(Live.flowRunId)
      const gone = yield* FlowRun.fromView(view).pipe(
        Effect.provideService(PrefectApi, { ...api, flowRun: () => api.flowRun("nowhere") })
      )
      const error = yield* Effect.flip(Stream.runDrain(gone.watch()))
      assert.strictEqual(error._tag === "PrefectApiError" ? error.reason._tag : error._tag, "FlowRunNotFound")
    }).pipe(provide(never)))
})

describe("watch, with hints", () => {
  const finishes = 1_000_000

  /** A run that ends long after anything else happened, on a backend that gives these hints. */
  const late = (hints: Stream.Stream<void>, options?: Watch.WatchOptions) =>
    Effect.gen(function*() {
      const api = yield* PrefectApi
      yield* TestClock.adjust("1 second")
      const running = yield* FlowRun.fromFlowRunId(Live.flowRunId)
      const [scheduled, started] = yield* api.flowRunStates(Live.flowRunId)
      const failed = State.fromJson({ type: "Failed" })
      const isOver = Effect.map(Clock.currentTimeMillis, (now) => now >= finishes)
      const polls: Array<number> = []
      const hinting = {
        ...api,
        flowRunSignals: () => hints,
        logs: () => Stream.empty,
        flowRunStates: () =>
          Effect.map(isOver, (over) => [
            scheduled!,
            started!,
            ...(over ? [{ ...started!, id: "last", state: failed, timestamp: new Date(finishes).toISOString() }] : [])
          ]),
        flowRun: () =>
          Effect.gen(function*() {
            polls.push(yield* Clock.currentTimeMillis)
            return (yield* isOver) ? new FlowRunView({ ...running.view, state: failed }) : running.view
          })
      }
      const run = yield* Effect.provideService(FlowRun.fromView(running.view), PrefectApi, hinting)
      let seen = 0
      const fiber = yield* Effect.forkChild(
        Stream.runForEach(run.watch({ maxPause: "1 hour", ...options }), (event) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            if (event._tag === "State" && event.record.id === "last") {
              seen = now
            }
          })),
        { startImmediately: true }
      )
      while (fiber.pollUnsafe() === undefined) {
        yield* TestClock.adjust("1 second")
      }
      yield* Fiber.join(fiber)
      return { seen, polls }
    }).pipe(Random.withSeed("watch"), provide(never), Effect.provide(TestClock.layer()))

  const atEnd = Stream.concat(Stream.fromEffect(Effect.sleep(finishes - 1000)), Stream.never)

  it.effect("hears of the end at once, which it would have found much later", () =>
    Effect.gen(function*() {
      const hinted = yield* late(atEnd)
      assert.strictEqual(hinted.seen, finishes)
      assert.isAbove((yield* late(Stream.never)).seen, finishes + 5000)
    }))

  it.effect("asks no more often than the shortest pause allows, however many there are", () =>
    Effect.gen(function*() {
      const { polls, seen } = yield* late(Stream.forever(Stream.fromEffect(Effect.sleep("100 millis"))), {
        minPause: "50 seconds"
      })
      assert.isAtMost(seen, finishes + 61_000)
      assert.isAtLeast(polls.length, 15)
      for (const [index, at] of polls.entries()) if (index > 0) assert.isAtLeast(at - polls[index - 1]!, 40_000)
    }))

  it.effect("goes on without them when they end or break", () =>
    Effect.gen(function*() {
      const without = yield* late(Stream.never)
      assert.deepStrictEqual(yield* late(Stream.empty), without)
      assert.deepStrictEqual(yield* late(Stream.die("broken")), without)
    }))

  it.effect("listens only while it watches, and not at all to a run that is over", () =>
    Effect.gen(function*() {
      const api = yield* PrefectApi
      let listeners = 0
      let all = 0
      const changes = () =>
        Stream.unwrap(Effect.as(
          Effect.acquireRelease(
            Effect.sync(() => {
              listeners++
              all++
            }),
            () =>
              Effect.sync(() => {
                listeners--
              })
          ),
          Stream.never
        ))
      const run = yield* FlowRun.fromFlowRunId(Live.flowRunId).pipe(
        Effect.provideService(PrefectApi, { ...api, flowRunSignals: changes })
      )
      const fiber = yield* Effect.forkChild(Stream.runDrain(run.watch()), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(listeners, 1)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(listeners, 0)
      yield* running(Stream.runDrain(run.watch()))
      assert.deepStrictEqual([listeners, all], [0, 2])
      yield* TestClock.adjust("10 minutes")
      yield* Stream.runDrain(run.watch())
      assert.strictEqual(all, 2)
    }).pipe(provide(never)))
})

describe("awaitResult", () => {
  it.effect("waits for a child that is retried, then loads it", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("6 seconds")
      const child = yield* TaskRun.fromTaskRunId(Live.childId(1))
      assert.strictEqual(child.view.state._tag, "Running")
      assert.strictEqual(yield* running(child.awaitResult()), 1)
      assert.isAtLeast(yield* Clock.currentTimeMillis, 14_000)
    }).pipe(provide((request) => request % 3 === 2)))

  it.effect("waits for the children of a mapped parent, and then says which of them failed", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("5 seconds")
      const parent = yield* TaskRun.fromTaskRunId(Live.parentId)
      const error = yield* Effect.flip(running(parent.awaitResult()))
      assert.isAtLeast(yield* Clock.currentTimeMillis, 19_000)
      assert.strictEqual(error._tag === "ResultError" ? error.mapIndex : undefined, 2)
      assert.strictEqual(error._tag === "ResultError" ? error.reason._tag : undefined, "NotPersisted")
    }).pipe(provide(never)))

  it.effect("gives up at its time limit, not later", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("6 seconds")
      const child = yield* TaskRun.fromTaskRunId(Live.childId(1))
      const error = yield* Effect.flip(running(child.awaitResult({ timeout: "4 seconds" })))
      assert.strictEqual(error._tag, "WaitTimeout")
      assert.include(error.message, "4s (state Retrying)")
      assert.isAtMost(yield* Clock.currentTimeMillis, 10_250)
    }).pipe(provide(never)))
})

describe("mappedStateCounts", () => {
  it.effect("counts the children by state against n_map_states", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("5 seconds")
      const parent = yield* TaskRun.fromTaskRunId(Live.parentId)
      assert.deepStrictEqual(yield* parent.mappedStateCounts, { expected: 3, found: 1, states: { Running: 1 } })
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(yield* parent.mappedStateCounts, {
        expected: 3,
        found: 3,
        states: { Success: 1, Retrying: 1, Running: 1 }
      })
      const child = yield* TaskRun.fromTaskRunId(Live.childId(0))
      assert.strictEqual((yield* Effect.flip(child.mappedStateCounts)).reason._tag, "NotMapped")
    }).pipe(provide(never)))
})
