/** Downloads over a store that answers as the test says, without a network; pauses are noted instead of waited. */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { Readable } from "node:stream"
import { download, type Limits, noParts } from "../src/internal/remote/download.ts"
import { denied, unavailable } from "../src/internal/remote/failure.ts"
import * as Limiter from "../src/internal/remote/limiter.ts"
import { type Client, type Failure, NoSuchPart, type Opened, type Part } from "../src/internal/remote/store.ts"
import { ResultTooLarge, type StorageReason } from "../src/ResultError.ts"

const location = "s3://bucket/key"
const text = "0123456789"
const timeout = Duration.hours(1)

/** The bytes of a text, a few at a time; then the end, or the connection breaks. */
const body = (sent: string, isCut = false): Readable =>
  Readable.from(async function*() {
    for (let at = 0; at < sent.length; at += 4) yield new TextEncoder().encode(sent.slice(at, at + 4))
    if (isCut) throw new Error("cut")
  }())

const opened = (over: Partial<Opened> = {}): Opened => ({
  body: body(text),
  offset: 0,
  isPart: false,
  size: text.length,
  tag: "v1",
  checksum: undefined,
  ...over
})

type Step = () => Opened | Failure | Promise<Opened>

/** Downloads from a store that answers each request in turn, the last answer for ever. */
const get = (steps: ReadonlyArray<Step>, limits: Partial<Limits> = {}, limiter = Limiter.make(4)) =>
  Effect.gen(function*() {
    const asked: Array<Part | undefined> = []
    const signals: Array<AbortSignal> = []
    const pauses: Array<number> = []
    const client: Client = {
      open: async (_, part, signal) => {
        const step = steps[Math.min(asked.push(part), steps.length) - 1]!
        signals.push(signal)
        const answer = await step()
        if ("body" in answer) return answer
        throw answer
      },
      failure: (error) => error instanceof Error ? unavailable(location, error.message) : error as Failure,
      close: () => {}
    }
    const clock = yield* Clock.Clock
    const result = yield* download(client, limiter, { bucket: "bucket", key: "key", version: undefined }, location, {
      maxBytes: 1000,
      attempts: 3,
      idle: 600_000,
      timeout,
      ...limits
    }).pipe(
      Effect.provideService(Clock.Clock, {
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
        currentTimeMillis: clock.currentTimeMillis,
        currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
        currentTimeNanos: clock.currentTimeNanos,
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) =>
          // The limit of the whole download.
          Duration.toMillis(duration) > 600_000
            ? Effect.never
            : Effect.sync(() => void pauses.push(Duration.toMillis(duration)))
      }),
      Effect.result
    )
    const found = result._tag === "Success"
      ? { text: new TextDecoder().decode(result.success.bytes), size: result.success.size, tag: result.success.tag }
      : undefined
    const reason: StorageReason | undefined = result._tag === "Failure" ? result.failure : undefined
    const detail = reason !== undefined && "detail" in reason ? reason.detail : undefined
    return { asked, signals, pauses, found, reason, detail }
  })

const later = (after?: number): Step => () => unavailable(location, "busy", "later", after)

describe("the pauses of a download", () => {
  it.live("double up to five seconds, each shorter by up to a half", () =>
    Effect.gen(function*() {
      const { asked, detail, pauses } = yield* get([later()], { attempts: 9 })
      assert.strictEqual(asked.length, 9)
      assert.strictEqual(detail, "busy")
      for (const [index, longest] of [100, 200, 400, 800, 1600, 3200, 5000, 5000].entries()) {
        assert.isAtLeast(pauses[index]!, longest / 2)
        assert.isAtMost(pauses[index]!, longest)
      }
      assert.strictEqual(pauses.length, 8)
    }))

  it.live("are as long as the store asks, up to 30 seconds", () =>
    Effect.gen(function*() {
      const { pauses } = yield* get([later(7000), later(3_600_000)])
      assert.deepStrictEqual(pauses, [7000, 30_000])
    }))

  it.live("are those of a schedule, or longer where the store asks, until the schedule ends", () =>
    Effect.gen(function*() {
      const retrySchedule = Schedule.upTo(Schedule.spaced("2 seconds"), { times: 4 })
      const { asked, detail, pauses } = yield* get([later(), later(1000), later(7000), later(3_600_000)], {
        retrySchedule,
        attempts: 1
      })
      assert.deepStrictEqual(pauses, [2000, 2000, 7000, 30_000])
      assert.strictEqual(asked.length, 5)
      assert.strictEqual(detail, "busy")
    }))

  it.live("are none after what does not pass", () =>
    Effect.gen(function*() {
      const { asked, pauses, reason } = yield* get([() => denied(location, "no")])
      assert.strictEqual(asked.length, 1)
      assert.deepStrictEqual(pauses, [])
      assert.strictEqual(reason?._tag, "ResultAccessDenied")
    }))

  it.live("slow all downloads down when the store has too many requests, and only then", () =>
    Effect.gen(function*() {
      const limiter = Limiter.make(4)
      yield* get([later(), () => opened()], {}, limiter)
      assert.strictEqual(limiter.limit(), 4)
      yield* get([() => unavailable(location, "slow", "slower"), () => denied(location, "no")], {}, limiter)
      assert.strictEqual(limiter.limit(), 2)
      yield* get([() => opened()], {}, limiter)
      assert.strictEqual(limiter.limit(), 2.5)
    }))
})

describe("a download", () => {
  it.live("is the bytes, the size and the tag", () =>
    Effect.gen(function*() {
      const { asked, found } = yield* get([() => opened()])
      assert.deepStrictEqual(found, { text, size: 10, tag: "v1" })
      assert.deepStrictEqual(asked, [undefined])
    }))

  it.live("of unknown size has no more than its bytes", () =>
    Effect.gen(function*() {
      const long = "x".repeat(700)
      const { found } = yield* get([() => opened({ body: body(long), size: undefined, tag: undefined })])
      assert.deepStrictEqual(found, { text: long, size: undefined, tag: undefined })
    }))

  it.live("may be as long as its limit, and no byte longer", () =>
    Effect.gen(function*() {
      for (const size of [text.length, undefined]) {
        const fits = yield* get([() => opened({ size })], { maxBytes: 10 })
        assert.strictEqual(fits.found?.text, text)
        const { asked, reason } = yield* get([() => opened({ size })], { maxBytes: 9 })
        assert.strictEqual(asked.length, 1)
        assert.deepStrictEqual(
          reason,
          new ResultTooLarge({ limit: 9, unit: "bytes", ...(size === undefined ? {} : { size }) })
        )
      }
    }))

  it.live("goes on where it was cut, if that is still the same object", () =>
    Effect.gen(function*() {
      const marks = ["version", "Monday"]
      const rest = () => opened({ body: body("6789"), offset: 6, isPart: true, marks: [undefined, "Monday"] })
      const { asked, found } = yield* get([() => opened({ body: body("012345", true), marks }), rest])
      assert.deepStrictEqual(asked, [undefined, { offset: 6, length: undefined, tag: "v1" }])
      assert.deepStrictEqual(found, { text, size: 10, tag: "v1" })
      for (
        const other of [
          { tag: "v2" },
          { size: 11 },
          { offset: 5 },
          { marks: [undefined, "Tuesday"] },
          { marks: ["other", "Monday"] }
        ]
      ) {
        const again = yield* get([
          () => opened({ body: body("012345", true), marks }),
          () => opened({ ...rest(), ...other }),
          () => opened({ tag: "v3" })
        ])
        assert.deepStrictEqual(again.asked.map((part) => part?.offset), [undefined, 6, undefined])
        assert.deepStrictEqual(again.found, { text, size: 10, tag: "v3" })
      }
    }))

  it.live("begins anew where the store cannot send the rest, or names no version or size", () =>
    Effect.gen(function*() {
      for (const over of [{ tag: undefined }, { size: undefined }]) {
        const { asked, found } = yield* get([() => opened({ ...over, body: body("012345", true) }), () => opened()])
        assert.deepStrictEqual(asked, [undefined, undefined])
        assert.strictEqual(found?.text, text)
      }
      const whole = yield* get([() => opened({ body: body("012345", true) }), () => opened({ tag: "v2" })])
      assert.deepStrictEqual(whole.found, { text, size: 10, tag: "v2" })
    }))

  it.live("says where the connection broke", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [Step, string]> = [
        [() => opened({ body: body("01234") }), "the connection broke at 5 of 10 bytes"],
        [() => opened({ body: body("01234567", true) }), "the connection broke at 8 of 10 bytes"],
        [() => opened({ body: body("01234567", true), size: undefined }), "cut"],
        [() => opened({ body: body(text, true) }), "cut"]
      ]
      for (const [step, detail] of cases) {
        assert.strictEqual((yield* get([step], { attempts: 1 })).detail, detail)
      }
    }))

  it.live("is not more than was announced", () =>
    Effect.gen(function*() {
      const { asked, detail } = yield* get([() => opened({ size: 9 })], { attempts: 2 })
      assert.strictEqual(detail, "it sent more than the announced 9 bytes")
      assert.deepStrictEqual(asked, [undefined, undefined])
    }))

  it.live("has the store's checksum, also when it was put together", () =>
    Effect.gen(function*() {
      // The MD5 of RFC 1321 for "abc".
      const checksum = { algorithm: "md5", base64: "kAFQmDzST7DWlj99KOF/cg==" } as const
      const first = () => opened({ body: body("ab", true), size: 3, checksum })
      const rest = (end: string) => () => opened({ body: body(end), size: 3, offset: 2, isPart: true, checksum })
      assert.strictEqual((yield* get([first, rest("c")])).found?.text, "abc")
      const { asked, detail } = yield* get([first, rest("d")], { attempts: 2 })
      assert.strictEqual(detail, "its bytes do not have the store's md5 checksum")
      assert.strictEqual(asked.length, 2)
      const mended = yield* get([first, rest("d"), () => opened({ body: body("abc"), size: 3, checksum })])
      assert.strictEqual(mended.found?.text, "abc")
      assert.isUndefined(mended.asked[2])
    }))

  it.live("frees the connection of each request that did not end well, and of no other", () =>
    Effect.gen(function*() {
      const broken = opened({ size: 9 })
      const { signals } = yield* get([() => broken, () => opened()])
      assert.deepStrictEqual(signals.map(({ aborted }) => aborted), [true, false])
      assert.isTrue(broken.body.destroyed)
    }))

  it.live("fails after a silence, and says how long it was", () =>
    Effect.gen(function*() {
      const silent = () => opened({ body: new Readable({ read: () => {} }) })
      const { detail, signals } = yield* get([silent], { attempts: 1, idle: 20 })
      assert.strictEqual(detail, "it sent nothing for 0.02 seconds")
      assert.isTrue(signals[0]?.aborted)
    }))

  it.live("lasts as long as bytes come", () =>
    Effect.gen(function*() {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
      yield* Effect.addFinalizer(() => Effect.sync(() => vi.useRealTimers()))
      const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      const slow = new Readable({ read: () => {} })
      const fiber = yield* Effect.forkChild(get([() => opened({ body: slow })], { attempts: 1, idle: 1000 }), {
        startImmediately: true
      })
      for (const part of ["0123", "45", "6789"]) {
        yield* turn
        vi.advanceTimersByTime(800)
        slow.push(part)
        yield* turn
      }
      slow.push(null)
      assert.strictEqual((yield* Fiber.join(fiber)).found?.text, text)
    }))

  it.live("that is over before the store answers frees the connection of the answer", () =>
    Effect.gen(function*() {
      const late = opened({ body: new Readable({ read: () => {} }) })
      let answer = () => {}
      const answered = new Promise<Opened>((resolve) => answer = () => resolve(late))
      const { detail } = yield* get([() => answered], { attempts: 1, idle: 20 })
      assert.strictEqual(detail, "it sent nothing for 0.02 seconds")
      assert.isFalse(late.body.destroyed)
      answer()
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      assert.isTrue(late.body.destroyed)
    }))
})

describe("a part of an object", () => {
  const part = { offset: 4, length: 4, tag: "v1" }
  const answer = (over: Partial<Opened> = {}) => () => opened({ body: body("4567"), offset: 4, isPart: true, ...over })

  it.live("is what was asked for, with the size of the whole", () =>
    Effect.gen(function*() {
      const { asked, found } = yield* get([answer()], { part, maxBytes: 4 })
      assert.deepStrictEqual(asked, [part])
      assert.deepStrictEqual(found, { text: "4567", size: 10, tag: "v1" })
      const last = yield* get([answer({ body: body("89"), offset: 8 })], { part: { ...part, offset: 8 } })
      assert.strictEqual(last.found?.text, "89")
      const ofUnknown = yield* get([answer({ size: undefined })], { part, maxBytes: 4 })
      assert.deepStrictEqual(ofUnknown.found, { text: "4567", size: undefined, tag: "v1" })
    }))

  it.live("goes on where it was cut", () =>
    Effect.gen(function*() {
      const { asked, found } = yield* get(
        [answer({ body: body("45", true) }), answer({ body: body("67"), offset: 6 })],
        { part }
      )
      assert.deepStrictEqual(asked[1], { offset: 6, length: 2, tag: "v1" })
      assert.strictEqual(found?.text, "4567")
    }))

  it.live("of an object that has changed is none of it", () =>
    Effect.gen(function*() {
      for (const over of [{ tag: "v2" }, { offset: 5 }]) {
        const { asked, detail } = yield* get([answer(over)], { part })
        assert.strictEqual(detail, "it was changed while it was read")
        assert.strictEqual(asked.length, 1)
      }
      const { tag: _, ...any } = part
      const untagged = { ...any, tag: undefined }
      assert.strictEqual((yield* get([answer({ tag: "v2" })], { part: untagged })).found?.text, "4567")
      assert.strictEqual((yield* get([answer({ offset: 5 })], { part: untagged })).detail, noParts)
    }))

  it.live("is the object itself, where that is no longer and the store sends the whole", () =>
    Effect.gen(function*() {
      const asked = (offset: number, length: number, size = 10 as number | undefined) =>
        get([() => opened({ size })], { part: { offset, length, tag: "v1" } })
      assert.strictEqual((yield* asked(0, 10)).found?.text, text)
      assert.strictEqual((yield* asked(0, 11)).found?.text, text)
      for (
        const { asked: requests, detail } of [yield* asked(0, 9), yield* asked(1, 10), yield* asked(0, 9, undefined)]
      ) {
        assert.strictEqual(detail, noParts)
        assert.strictEqual(requests.length, 1)
      }
    }))
})

describe("the memory of a download", () => {
  it.live("is asked for before the bytes arrive, and once for all attempts", () =>
    Effect.gen(function*() {
      const needs: Array<number> = []
      const reserve = (bytes: number, then: (refusal: ResultTooLarge | undefined) => void) => {
        needs.push(bytes)
        then(undefined)
        return () => {}
      }
      const { found } = yield* get([() => opened({ body: body("0123"), tag: undefined }), () => opened()], { reserve })
      assert.strictEqual(found?.text, text)
      assert.deepStrictEqual(needs, [10])
      needs.length = 0
      yield* get([() => opened({ size: undefined })], { reserve })
      assert.strictEqual(needs.reduce((sum, one) => sum + one, 0), 16)
    }))

  it.live("is waited for without a request, which then is made again and does not count", () =>
    Effect.gen(function*() {
      let isFull = true
      const needs: Array<number> = []
      const reserve = (bytes: number, then: (refusal: ResultTooLarge | undefined) => void) => {
        needs.push(bytes)
        if (!isFull) then(undefined)
        // The second to ask is the one who waits.
        else if (needs.length === 2) {
          isFull = false
          setImmediate(() => then(undefined))
        }
        return () => {}
      }
      const { asked, found, pauses } = yield* get([() => opened()], { reserve, attempts: 1 })
      assert.strictEqual(found?.text, text)
      assert.strictEqual(asked.length, 2)
      assert.deepStrictEqual(needs, [10, 10])
      assert.deepStrictEqual(pauses, [])
    }))

  it.live("that there will never be is the reason, at once or after waiting", () =>
    Effect.gen(function*() {
      const refusal = new ResultTooLarge({ limit: 5, unit: "bytes", size: 10 })
      for (const answers of [1, 2]) {
        let count = 0
        const { asked, reason } = yield* get([() => opened()], {
          reserve: (_, then) => {
            if (++count === answers) then(refusal)
            return () => {}
          }
        })
        assert.strictEqual(reason, refusal)
        assert.strictEqual(asked.length, 1)
      }
    }))

  it.live("is not waited for any longer after an interruption", () =>
    Effect.gen(function*() {
      let cancelled = 0
      let waits: () => void = () => {}
      const waiting = new Promise<void>((resolve) => waits = resolve)
      let count = 0
      const reserve = () => {
        if (++count === 2) waits()
        return () => void cancelled++
      }
      const exit = yield* Effect.exit(
        Effect.raceFirst(
          get([() => opened()], { reserve }),
          Effect.andThen(Effect.promise(() => waiting), Effect.fail("interrupted"))
        )
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(cancelled, 2)
    }))
})

describe("what a store says of an object", () => {
  it.effect("does not end the process when no memory is that large, or less than none", () =>
    Effect.gen(function*() {
      const wrong = yield* get([() => opened({ size: -1 })])
      assert.match(String(wrong.detail), /"size" is out of range/)
      const { asked, detail } = yield* get([() => {
        throw new NoSuchPart()
      }])
      assert.strictEqual(asked.length, 1)
      assert.strictEqual(detail, "its store says that it sends a part that the object cannot have")
    }))
})
