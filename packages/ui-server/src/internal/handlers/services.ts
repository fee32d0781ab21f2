import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
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

/**
 * Looks for a run of which a backend has nothing: fails if there is no such run. Other failures are those of what else is
 * shown of the run.
 */
const assertExists = (run: Effect.Effect<unknown, PrefectApiError>): Effect.Effect<void, PrefectApiError> =>
  run.pipe(
    Effect.catchIf(
      ({ reason }) => reason._tag !== "FlowRunNotFound" && reason._tag !== "TaskRunNotFound",
      () => Effect.void
    ),
    Effect.asVoid
  )

/** What a run has, if it has anything or exists. */
export const ofExisting = <A>(
  run: Effect.Effect<unknown, PrefectApiError>,
  rows: Stream.Stream<A, PrefectApiError>
): Stream.Stream<A, PrefectApiError> =>
  Stream.orElseIfEmpty(rows, () => Stream.drain(Stream.fromEffect(assertExists(run))))

/** All rows of a run, if there are any or it exists. */
export const allOfExisting = <A>(
  run: Effect.Effect<unknown, PrefectApiError>,
  rows: Effect.Effect<ReadonlyArray<A>, PrefectApiError>
): Effect.Effect<ReadonlyArray<A>, PrefectApiError> =>
  Effect.tap(rows, (found) => found.length === 0 ? assertExists(run) : Effect.void)
