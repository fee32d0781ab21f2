/** Runs statements in turn, as far as the database and the memory of their answers admit. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { DatabaseError, LongRow, Work } from "../Database.ts"
import { QueryError } from "./queryError.ts"
import type { Account, Room } from "./room.ts"

/** When a statement was planned, and when it began after those of others. */
export interface Queue {
  readonly since: number
  begun: number
}

/**
 * Heavy statements that may run concurrently, which always leaves more than half of a pool's usual ten connections
 * free.
 */
const maxHeavy = 4
/** Other statements that may run concurrently: together they bound what is read before its size is known. */
const maxLight = 8
/** Statements that wait for their turn; further ones are rejected and can be retried. */
const maxWaiting = 1000

const codes: Record<DatabaseError["reason"], string> = {
  Refused: "data-exception",
  TimedOut: "timeout",
  TooLarge: "limit-exceeded",
  Unavailable: "API_ERROR",
  Failed: "unexpected"
}

/** Makes the function that runs a statement in its turn, and counts its answer as held in memory. */
export const make = Effect.fnUntraced(function*(room: Room, clock: Clock.Clock) {
  // Some of a pool's connections are always left to small statements.
  const heavy = yield* Semaphore.make(maxHeavy)
  const light = yield* Semaphore.make(maxLight)
  const busy = new QueryError({
    code: "API_ERROR",
    message: `the server is busy: ${maxWaiting} statements are waiting already, try again later`
  })
  let waiting = 0
  return <Row extends LongRow>(
    statement: () => Effect.Effect<ReadonlyArray<Row>, DatabaseError>,
    work: Work,
    account: Account,
    queue?: Queue
  ): Effect.Effect<ReadonlyArray<Row>, QueryError> => {
    const permits = work.isHeavy ? heavy : light
    let isWaiting = true
    const answer = Effect.suspend((): Effect.Effect<ReadonlyArray<Row> | undefined, QueryError> => {
      // Waiting here would keep others from the permit that one of them needs to make room.
      if (!room.admits(account)) return Effect.undefined
      if (isWaiting) waiting--
      isWaiting = false
      if (queue !== undefined) queue.begun = clock.currentTimeMillisUnsafe()
      return Effect.mapBoth(statement(), {
        onSuccess: (rows) => {
          room.add(account, rows[0]?.["root"]?.length ?? 0)
          return rows
        },
        onFailure: (error) => new QueryError({ code: codes[error.reason], message: error.message })
      })
    })
    const attempt: Effect.Effect<ReadonlyArray<Row>, QueryError> = Effect.flatMap(
      permits.withPermits(1)(answer),
      (rows) => rows === undefined ? Effect.andThen(room.wait, attempt) : Effect.succeed(rows)
    )
    return Effect.suspend(() => {
      if (waiting >= maxWaiting) return Effect.fail(busy)
      waiting++
      return Effect.ensuring(
        attempt,
        Effect.sync(() => {
          if (isWaiting) waiting--
        })
      )
    })
  }
})
