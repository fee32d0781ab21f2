/**
 * Statements that end in time. The limit of a session is kept by the database: one that falls silent, or whose
 * connection was lost on the way, would hold a statement for ever, and an interruption of it for seconds, in which the
 * driver asks it to stop.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { ConnectionError, SqlError } from "effect/sql/SqlError"

/** The errors of statements that were given up. */
const given = new WeakSet<SqlError>()

/** Whether a statement was given up because the database had not answered in time. */
export const isGivenUp = (error: SqlError): boolean => given.has(error)

const giveUp = (): SqlError => {
  const error = new SqlError({
    reason: new ConnectionError({
      cause: new Error("the database fell silent"),
      message: "the statement timed out",
      operation: "query"
    })
  })
  given.add(error)
  return error
}

/** The time that an end waits for connections that are being closed. */
const atEnd = Duration.millis(50)

/** Waits a moment in a fiber of its own: this one may have been interrupted, and would then not wait at all. */
const aMomentFor = (fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<void> =>
  Effect.flatMap(
    Effect.forkDetach(Effect.interruptible(Effect.raceFirst(Fiber.await(fiber), Effect.sleep(atEnd)))),
    (waiting) => Effect.asVoid(Fiber.await(waiting))
  )

/**
 * A scope that ends with the one around it, which does not wait for what takes longer than a moment: the driver waits
 * seconds for a silent database before it closes a connection.
 */
export const scope: Effect.Effect<Scope.Scope, never, Scope.Scope> = Effect.gen(function*() {
  const inner = yield* Scope.make()
  yield* Effect.addFinalizer((exit) =>
    Effect.gen(function*() {
      // At once: idle connections say goodbye though the process may end before others are done.
      const closing = yield* Effect.forkDetach(Scope.close(inner, exit), { startImmediately: true })
      yield* aMomentFor(closing)
    })
  )
  return inner
})

/**
 * `within` runs statements for no longer than `limit`, which does not count what they wait for one of the connections.
 * Whoever is interrupted does not wait for the database: the connection is given back, or closed, afterwards.
 */
export const make = (connections: number, limit: Duration.Duration) => {
  const free = Semaphore.makeUnsafe(connections)
  /** Whether a statement was given up: what ends its transaction is not answered either. */
  let isSilent = false
  const joined = <A>(fiber: Fiber.Fiber<A, SqlError>): Effect.Effect<A, SqlError> =>
    Duration.isFinite(limit)
      ? Effect.timeoutOrElse(Fiber.join(fiber), {
        duration: limit,
        orElse: () => {
          isSilent = true
          return Effect.fail(giveUp())
        }
      })
      : Fiber.join(fiber)
  const within = <A>(statements: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const begun = Deferred.makeUnsafe<void>()
        // The fiber takes the permit itself: one that is interrupted before its first step would not give it back.
        const fiber = yield* Effect.forkDetach(free.withPermit(Effect.suspend(() => {
          Deferred.doneUnsafe(begun, Exit.void)
          return statements
        })))
        return yield* Effect.ensuring(
          restore(Effect.andThen(Deferred.await(begun), joined(fiber))),
          Effect.sync(() => fiber.interruptUnsafe())
        )
      })
    )
  /**
   * A transaction whose begin and end are in time, however long its body takes. The driver lets neither be interrupted, so
   * it has a fiber of its own. Whoever is interrupted waits for the end of the body, and for no more than a moment longer.
   */
  const around = <A, E, R>(
    transaction: (body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>,
    body: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | SqlError, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const begun = Deferred.makeUnsafe<void>()
        const ended = Deferred.makeUnsafe<void>()
        let bodyExit: Exit.Exit<A, E> | undefined
        const watched = Effect.onExit(
          Effect.suspend(() => {
            Deferred.doneUnsafe(begun, Exit.void)
            return body
          }),
          (exit) =>
            Effect.sync(() => {
              bodyExit = exit
              Deferred.doneUnsafe(ended, Exit.void)
            })
        )
        const fiber = yield* Effect.forkDetach(transaction(watched))
        const silence: Effect.Effect<A, E | SqlError> = Effect.gen(function*() {
          yield* Effect.raceFirst(Deferred.await(begun), Effect.sleep(limit))
          if (Deferred.isDoneUnsafe(begun)) {
            yield* Deferred.await(ended)
            yield* Effect.sleep(isSilent ? atEnd : limit)
          }
          return yield* bodyExit !== undefined && Exit.isFailure(bodyExit) ? bodyExit : Effect.fail(giveUp())
        })
        const joined = Fiber.join(fiber)
        return yield* Effect.onExit(
          restore(Duration.isFinite(limit) ? Effect.raceFirst(joined, silence) : joined),
          () =>
            Effect.gen(function*() {
              if (fiber.pollUnsafe() !== undefined) return
              fiber.interruptUnsafe()
              if (Deferred.isDoneUnsafe(begun)) yield* Deferred.await(ended)
              yield* aMomentFor(fiber)
            })
        )
      })
    )
  return { within, around }
}
