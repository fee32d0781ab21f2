import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import { MalformedResponse, PrefectApiError, type Reason } from "../../PrefectApiError.ts"
import { type HttpFailure, toApiError } from "../http/failure.ts"

interface Lookup<K, A> extends Request.Request<A, PrefectApiError> {
  readonly key: string
  readonly query: K
  readonly caller: Caller
}

/** The query that a caller's lookup was added to; undefined before it is sent. */
interface Caller {
  sent: { waiting: number; readonly abandoned: Deferred.Deferred<void> } | undefined
}

/** A row of a response: a value with its key, or the problem with it. */
export type Found<A> = { readonly key: string; readonly value: A } | { readonly detail: string }

/**
 * Batches lookups: concurrent fibers share one request, in which each key appears once. Nothing is cached, so failures
 * are not kept, and the next lookup sees the current state.
 *
 * A query belongs to no single caller once it is sent. It continues when one of them is interrupted, and is interrupted
 * with the last.
 */
export const make = <K, A>(options: {
  readonly operation: string
  readonly batchSize: number
  readonly keyOf: (query: K) => string
  readonly request: (queries: ReadonlyArray<K>) => Effect.Effect<ReadonlyArray<Found<A>>, HttpFailure>
  readonly notFound: (query: K) => Reason
  readonly ambiguous: (query: K, found: ReadonlyArray<A>) => Reason
}): (query: K) => Effect.Effect<A, PrefectApiError> => {
  const { operation } = options
  const lookup = Request.of<Lookup<K, A>>()

  const answer = (
    query: K,
    values: ReadonlyArray<A> | undefined,
    detail: string | undefined
  ): Exit.Exit<A, PrefectApiError> => {
    const [first] = values ?? []
    if (values !== undefined && values.length > 1) {
      return Exit.fail(new PrefectApiError({ operation, reason: options.ambiguous(query, values) }))
    }
    if (first !== undefined) return Exit.succeed(first)
    return Exit.fail(
      new PrefectApiError({
        operation,
        // An unreadable row may be the requested one.
        reason: detail === undefined ? options.notFound(query) : new MalformedResponse({ detail })
      })
    )
  }

  /** Rows may be huge: when a response is too large, each half is requested separately. */
  const request = (queries: ReadonlyArray<K>): Effect.Effect<ReadonlyArray<Found<A>>, HttpFailure> =>
    Effect.catchIf(
      options.request(queries),
      (failure) => queries.length > 1 && failure.isTooLarge === true,
      () => {
        const half = queries.length >> 1
        return Effect.zipWith(
          request(queries.slice(0, half)),
          request(queries.slice(half)),
          (left, right) => [...left, ...right]
        )
      }
    )

  const resolver = RequestResolver.make<Lookup<K, A>>(Effect.fnUntraced(function*(entries) {
    const queries = new Map(entries.map(({ request }) => [request.key, request.query]))
    const sent = { waiting: entries.length, abandoned: Deferred.makeUnsafe<void>() }
    for (const { request } of entries) request.caller.sent = sent
    const found = yield* Effect.raceFirst(
      Effect.mapError(request([...queries.values()]), toApiError(operation)),
      Effect.andThen(Deferred.await(sent.abandoned), Effect.interrupt)
    )
    const values = new Map<string, Array<A>>()
    let detail: string | undefined
    for (const one of found) {
      if ("detail" in one) detail ??= one.detail
      else if (!queries.has(one.key)) detail ??= "it has a row that was not requested"
      else {
        const same = values.get(one.key)
        if (same === undefined) values.set(one.key, [one.value])
        else same.push(one.value)
      }
    }
    for (const entry of entries) {
      entry.completeUnsafe(answer(entry.request.query, values.get(entry.request.key), detail))
    }
  })).pipe(RequestResolver.batchN(options.batchSize))

  return (query) =>
    Effect.suspend(() => {
      const caller: Caller = { sent: undefined }
      return Effect.onInterrupt(
        Effect.request(lookup({ key: options.keyOf(query), query, caller }), resolver),
        () =>
          Effect.sync(() => {
            if (caller.sent !== undefined && --caller.sent.waiting === 0) {
              Deferred.doneUnsafe(caller.sent.abandoned, Exit.void)
            }
          })
      )
    })
}
