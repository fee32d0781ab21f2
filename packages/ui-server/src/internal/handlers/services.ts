import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import { ResultOptions } from "@effect-prefect/results/ResultOptions"
import { ResultStorage } from "@effect-prefect/results/ResultStorage"
import { BadRequest } from "@effect-prefect/ui-api/Problem"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** Provides the services that a handler group captured when it was made. */
export const take = Effect.gen(function*() {
  const api = yield* PrefectApi
  const storage = yield* ResultStorage
  const options = yield* ResultOptions
  const provide = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(
      Effect.provideService(PrefectApi, api),
      Effect.provideService(ResultStorage, storage),
      Effect.provideService(ResultOptions, options)
    )
  return { api, provide }
})

export const defaultLimit = 100

/** The number of rows that a cursor skips. A cursor is opaque to clients, because its content may change. */
export const skipOf = (cursor: string | undefined): Effect.Effect<number, BadRequest> => {
  if (cursor === undefined || cursor === "") return Effect.succeed(0)
  const match = /^r(\d{1,9})$/.exec(Buffer.from(cursor, "base64url").toString("latin1"))
  return match === null
    ? Effect.fail(
      new BadRequest({ reason: "cursor", message: "cursor is not one that this API gave: leave it out to begin anew" })
    )
    : Effect.succeed(Number(match[1]))
}

const cursorOf = (skip: number): string => Buffer.from(`r${skip}`).toString("base64url")

/** One page of a stream: the rows after those that the cursor skips, and the cursor of the next page. */
export const pageOf = <A, E>(
  stream: Stream.Stream<A, E>,
  skip: number,
  limit: number
): Effect.Effect<{ readonly items: ReadonlyArray<A>; readonly next: string | null }, E> =>
  Effect.map(
    Stream.runCollect(Stream.take(Stream.drop(stream, skip), limit + 1)),
    (rows) => ({ items: rows.slice(0, limit), next: rows.length > limit ? cursorOf(skip + limit) : null })
  )

/** A parameter without its empty text, which forms send for "any". */
export const nonEmpty = (text: string | undefined): string | undefined => text === "" ? undefined : text

/** Whether a task run is the parent of mapped children. */
export const isParent = (view: TaskRunView): boolean => view.mapIndex < 0 && State.isMapped(view.state)
