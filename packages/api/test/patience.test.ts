/** Databases that fall silent: what waits for them ends, whatever they do. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { ConnectionError, SqlError, UnknownError } from "effect/sql/SqlError"
import * as TestClock from "effect/testing/TestClock"
import { reasonOf } from "../src/internal/postgres/connection.ts"
import * as Patience from "../src/internal/postgres/patience.ts"

/** A statement of a driver that waits for the database even after an interruption. */
const silent = Effect.uninterruptible(Effect.never)
const limit = Duration.seconds(10)

const isGivenUp = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) =>
    reason._tag === "Fail" && reason.error instanceof SqlError && Patience.isGivenUp(reason.error)
  )

describe("a statement of a database that falls silent", () => {
  it.effect("is given up after its limit, and not before, as Unavailable", () =>
    Effect.gen(function*() {
      const { within } = Patience.make(1, limit)
      const fiber = yield* Effect.forkChild(within(silent))
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.isTrue(Patience.isGivenUp(error))
      assert.deepInclude(reasonOf(error), { _tag: "Unavailable", detail: "the database did not respond in time" })
    }))

  it.effect("is not waited for by whoever is interrupted, nor by the end of the pool", () =>
    Effect.gen(function*() {
      const { within } = Patience.make(1, limit)
      const fiber = yield* Effect.forkChild(within(silent), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      const outer = yield* Scope.make()
      yield* Effect.flatMap(Patience.scope, (inner) => Scope.addFinalizer(inner, silent)).pipe(
        Effect.provideService(Scope.Scope, outer)
      )
      let isIdleClosed = false
      yield* Effect.flatMap(
        Patience.scope,
        (inner) => Scope.addFinalizer(inner, Effect.sync(() => isIdleClosed = true))
      ).pipe(
        Effect.provideService(Scope.Scope, outer)
      )
      const closing = yield* Effect.forkChild(Scope.close(outer, Exit.void), { startImmediately: true })
      assert.isTrue(isIdleClosed)
      yield* TestClock.adjust("50 millis")
      yield* Fiber.join(closing)
    }))

  it.effect("does not count what it waits for a connection, and gives that back once it ends", () =>
    Effect.gen(function*() {
      const { within } = Patience.make(1, limit)
      let ended = false
      const slow = Effect.sleep("8 seconds")
      const first = yield* Effect.forkChild(within(slow), { startImmediately: true })
      const second = yield* Effect.forkChild(within(Effect.andThen(slow, Effect.succeed("second"))))
      const third = yield* Effect.forkChild(within(Effect.sync(() => ended = true)))
      yield* TestClock.adjust("8 seconds")
      yield* Fiber.join(first)
      assert.isFalse(ended)
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(yield* Fiber.join(second), "second")
      yield* Fiber.join(third)
      assert.isTrue(ended)
    }))

  it.effect("gives its connection back where it is interrupted before it begins", () =>
    Effect.gen(function*() {
      const { within } = Patience.make(1, limit)
      let begun = 0
      const interrupted = yield* Effect.forkChild(within(Effect.sync(() => begun++)), { startImmediately: true })
      yield* Fiber.interrupt(interrupted)
      const holding = yield* Effect.forkChild(within(Effect.sleep("1 second")), { startImmediately: true })
      const waiting = yield* Effect.forkChild(within(Effect.sync(() => begun++)), { startImmediately: true })
      yield* Fiber.interrupt(waiting)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(holding)
      assert.strictEqual(begun, 0)
      const next = yield* Effect.forkChild(within(Effect.succeed("next")))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(next.pollUnsafe(), Exit.succeed("next"))
    }))

  it.effect("fails as the database says where that answers, and waits without limit where there is none", () =>
    Effect.gen(function*() {
      const error = new SqlError({ reason: new UnknownError({ cause: 1, message: "no", operation: "query" }) })
      assert.strictEqual(yield* Effect.flip(Patience.make(1, limit).within(Effect.fail(error))), error)
      assert.isFalse(Patience.isGivenUp(error))
      const endless = yield* Effect.forkChild(Patience.make(1, Duration.infinity).within(silent))
      yield* TestClock.adjust("1000 days")
      assert.isUndefined(endless.pollUnsafe())
      yield* Fiber.interrupt(endless)
    }))
})

/** Time that passes, and then the moment that an end waits. */
const passed = (time: Duration.Input) => Effect.andThen(TestClock.adjust(time), TestClock.adjust("50 millis"))

describe("a transaction with a database that falls silent", () => {
  const { around } = Patience.make(1, limit)
  const body = Effect.as(Effect.sleep("1 hour"), "rows")

  it.effect("is given up where its begin or its end is not answered", () =>
    Effect.gen(function*() {
      const begin = yield* Effect.forkChild(around((body) => Effect.andThen(Effect.never, body), body))
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(isGivenUp(yield* Fiber.await(begin)))
      const end = yield* Effect.forkChild(around((body) => Effect.andThen(body, Effect.never), body))
      yield* TestClock.adjust("1 hour")
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(end.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.isTrue(isGivenUp(yield* Fiber.await(end)))
    }))

  it.effect("is given up where the driver lets neither its begin nor its end be interrupted", () =>
    Effect.gen(function*() {
      const { around, within } = Patience.make(1, limit)
      const begin = yield* Effect.forkChild(around((body) => Effect.andThen(silent, body), body))
      yield* passed("10 seconds")
      assert.isTrue(isGivenUp(begin.pollUnsafe()!))
      const end = yield* Effect.forkChild(around((body) => Effect.andThen(body, silent), body))
      yield* TestClock.adjust("1 hour")
      yield* passed("10 seconds")
      assert.isTrue(isGivenUp(end.pollUnsafe()!))
      // A body that failed by itself says why, and a statement that was given up is not followed by another such wait.
      const failing = yield* Effect.forkChild(around((body) => Effect.ensuring(body, silent), Effect.fail("why")))
      yield* passed("10 seconds")
      assert.deepStrictEqual(failing.pollUnsafe(), Exit.fail("why"))
      const statement = yield* Effect.forkChild(around((body) => Effect.ensuring(body, silent), within(silent)))
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("10 seconds")
      yield* passed("1 second")
      yield* passed("1 second")
      assert.isTrue(isGivenUp(statement.pollUnsafe()!))
    }))

  it.effect("is not waited for by whoever is interrupted, once its body has ended", () =>
    Effect.gen(function*() {
      for (const limit of [Duration.seconds(10), Duration.infinity]) {
        const { around } = Patience.make(1, limit)
        const cleaned = Effect.onInterrupt(Effect.never, () => Effect.sleep("1 minute"))
        const fiber = yield* Effect.forkChild(around((body) => Effect.ensuring(body, silent), cleaned))
        yield* TestClock.adjust("1 second")
        yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
        yield* TestClock.adjust("59 seconds")
        assert.isUndefined(fiber.pollUnsafe())
        yield* passed("1 second")
        assert.isDefined(fiber.pollUnsafe())
      }
    }))

  it.effect("may take as long as its body", () =>
    Effect.gen(function*() {
      const whole = yield* Effect.forkChild(around((body) => body, body))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* Fiber.join(whole), "rows")
    }))
})

describe("a certificate of a database that is refused", () => {
  it("is told by its code, and its authority is named only as a remedy for a private one", () => {
    for (const code of ["SELF_SIGNED_CERT_IN_CHAIN", "CERT_HAS_EXPIRED", "ERR_TLS_CERT_ALTNAME_INVALID"]) {
      const cause = Object.assign(new Error("secret"), { code })
      const error = new SqlError({ reason: new ConnectionError({ cause, message: "secret", operation: "connect" }) })
      assert.deepInclude(reasonOf(error), {
        _tag: "Unavailable",
        detail:
          `the database's certificate is not trusted (${code}); for a private authority name it by the URL's sslrootcert`
      })
    }
  })
})
