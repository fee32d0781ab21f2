import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { MixedScheduler, Scheduler } from "effect/Scheduler"
import { TestClock } from "effect/testing"
import { Readable } from "node:stream"
import { download } from "../src/internal/remote/download.ts"
import { retryAfter, unavailable } from "../src/internal/remote/failure.ts"
import * as Limiter from "../src/internal/remote/limiter.ts"
import { checksumOf } from "./support/checksumOf.ts"

describe("the limiter of a store", () => {
  it.effect("runs no more at once than it may, and all in the end", () =>
    Effect.gen(function*() {
      const limiter = Limiter.make(3)
      let running = 0
      let most = 0
      const work = limiter.run(Effect.gen(function*() {
        most = Math.max(most, ++running)
        yield* Effect.yieldNow
        running--
      }))
      yield* Effect.forEach(Array.from({ length: 50 }), () => work, { concurrency: "unbounded" })
      assert.strictEqual(most, 3)
      assert.strictEqual(running, 0)
    }))

  it.effect("halves once for all that were under way, and grows back slowly", () =>
    Effect.sync(() => {
      const limiter = Limiter.make(16)
      const started = limiter.epoch()
      for (let refusal = 0; refusal < 16; refusal++) limiter.throttled(started)
      assert.strictEqual(limiter.limit(), 8)
      limiter.throttled(limiter.epoch())
      assert.strictEqual(limiter.limit(), 4)
      for (let success = 0; success < 5; success++) limiter.succeeded()
      assert.isAbove(limiter.limit(), 5)
      assert.isBelow(limiter.limit(), 6)
      for (let success = 0; success < 1000; success++) limiter.succeeded()
      assert.strictEqual(limiter.limit(), 16)
      for (let time = 0; time < 100; time++) limiter.throttled(limiter.epoch())
      assert.strictEqual(limiter.limit(), 1)
    }))

  it.effect("gives the place of one that was interrupted to the next", () =>
    Effect.gen(function*() {
      const limiter = Limiter.make(1)
      const gate = yield* Deferred.make<void>()
      const first = yield* Effect.forkChild(limiter.run(Deferred.await(gate)), { startImmediately: true })
      const second = yield* Effect.forkChild(limiter.run(Effect.succeed("second")), { startImmediately: true })
      const third = yield* Effect.forkChild(limiter.run(Effect.succeed("third")), { startImmediately: true })
      yield* Fiber.interrupt(second)
      yield* Fiber.interrupt(first)
      assert.strictEqual(yield* Fiber.join(third), "third")
      assert.strictEqual(yield* limiter.run(Effect.succeed("fourth")), "fourth")
    }))

  it.effect("has no place more when one that waits is interrupted", () =>
    Effect.gen(function*() {
      const limiter = Limiter.make(1)
      const gate = yield* Deferred.make<void>()
      yield* Effect.forkChild(limiter.run(Deferred.await(gate)), { startImmediately: true })
      const second = yield* Effect.forkChild(limiter.run(Effect.void), { startImmediately: true })
      yield* Fiber.interrupt(second)
      let hasBegun = false
      const third = yield* Effect.forkChild(limiter.run(Effect.sync(() => hasBegun = true)), { startImmediately: true })
      for (let turn = 0; turn < 10; turn++) yield* Effect.yieldNow
      assert.isFalse(hasBegun)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(third)
      assert.isTrue(hasBegun)
    }))

  it.effect("gives back the place of one that is interrupted before it goes on with it", () =>
    Effect.gen(function*() {
      const limiter = Limiter.make(1)
      const first = yield* Effect.forkChild(limiter.run(Effect.never), { startImmediately: true })
      let hasBegun = false
      let isDue = false
      // A scheduler may let a fiber give way before the first thing that it does once it is resumed.
      class Giving extends MixedScheduler {
        override shouldYield() {
          const isFirst = isDue
          isDue = false
          return isFirst
        }
      }
      const second = yield* Effect.forkChild(
        Effect.provideService(limiter.run(Effect.sync(() => hasBegun = true)), Scheduler, new Giving()),
        { startImmediately: true }
      )
      isDue = true
      yield* Fiber.interrupt(first)
      assert.isFalse(isDue)
      yield* Fiber.interrupt(second)
      assert.isFalse(hasBegun)
      const third = yield* Effect.forkChild(limiter.run(Effect.void), { startImmediately: true })
      assert.isDefined(third.pollUnsafe())
    }))

  it.effect("gives back the place of one that failed or died", () =>
    Effect.gen(function*() {
      const limiter = Limiter.make(1)
      yield* Effect.exit(limiter.run(Effect.fail("no")))
      yield* Effect.exit(limiter.run(Effect.die("no")))
      assert.strictEqual(yield* limiter.run(Effect.succeed("yes")), "yes")
    }))
})

describe("checksums", () => {
  // The check values of the CRC catalogue, and RFC 3720 B.4 for 32 zeros.
  it("are those of the specifications", () => {
    const digits = new TextEncoder().encode("123456789")
    const hex = (algorithm: Parameters<typeof checksumOf>[0], bytes: Uint8Array) =>
      Buffer.from(checksumOf(algorithm, bytes), "base64").toString("hex")
    assert.strictEqual(hex("crc32", digits), "cbf43926")
    assert.strictEqual(hex("crc32c", digits), "e3069283")
    assert.strictEqual(hex("crc64nvme", digits), "ae8b14860a799888")
    assert.strictEqual(hex("crc32c", new Uint8Array(32)), "8a9136aa")
    assert.strictEqual(hex("md5", digits), "25f9e794323b453885f5181f1b624d0b")
    assert.strictEqual(hex("crc64nvme", new Uint8Array(0)), "0000000000000000")
  })
})

describe("Retry-After", () => {
  it("is seconds or a date", () => {
    assert.strictEqual(retryAfter("2"), 2000)
    assert.strictEqual(retryAfter("0"), 0)
    assert.strictEqual(retryAfter("-5"), 0)
    assert.isAbove(retryAfter(new Date(Date.now() + 60_000).toUTCString()) ?? 0, 50_000)
    assert.strictEqual(retryAfter("Wed, 21 Oct 2015 07:28:00 GMT"), 0)
    for (const value of [undefined, "soon", null, {}, ["1"]]) assert.isUndefined(retryAfter(value))
  })
})

describe("a download that waits for memory", () => {
  const bytes = new Uint8Array(1_000).fill(7)
  const object = { bucket: "data", key: "a", version: undefined }
  const client = {
    open: () =>
      Promise.resolve({
        body: Readable.from([bytes]),
        offset: 0,
        isPart: false,
        size: bytes.length,
        tag: "1",
        checksum: undefined
      }),
    failure: (error: unknown) => unavailable("s3://data/a", String(error)),
    close: () => {}
  }

  it.effect("may wait for longer than a download may take, and no longer once it goes on", () =>
    Effect.gen(function*() {
      for (const isSilent of [false, true]) {
        const asked = yield* Deferred.make<() => void>()
        let opened = 0
        let requests = 0
        const fiber = yield* Effect.forkChild(Effect.result(download(
          { ...client, open: () => opened++ > 0 && isSilent ? new Promise<never>(() => {}) : client.open() },
          Limiter.make(1),
          object,
          "s3://data/a",
          {
            maxBytes: 10_000,
            attempts: 1,
            idle: 1_000_000,
            timeout: Duration.minutes(1),
            reserve: (_, then) => {
              // The first request asks whether there is room at once, and the second one waits.
              if (requests++ > 0) Deferred.doneUnsafe(asked, Effect.succeed(() => then(undefined)))
              return () => {}
            }
          }
        )))
        const grant = yield* Deferred.await(asked)
        yield* Effect.promise(() => new Promise(setImmediate))
        yield* TestClock.adjust("1 hour")
        grant()
        yield* Effect.promise(() => new Promise(setImmediate))
        yield* TestClock.adjust("1 hour")
        const result = yield* Fiber.join(fiber)
        assert.strictEqual(result._tag, isSilent ? "Failure" : "Success")
        assert.strictEqual(opened, 2)
      }
    }))
})
