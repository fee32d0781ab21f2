import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import { MalformedResponse, PrefectApiError, type Reason } from "../../PrefectApiError.ts"
import { isOversized } from "../http/client.ts"

interface Lookup<K, A> extends Request.Request<A, PrefectApiError> {
  readonly key: string
  readonly wanted: K
  readonly caller: Caller
}

/** The query that a caller's lookup became a part of; undefined before it was sent. */
interface Caller {
  sent: { waiting: number; readonly abandoned: Deferred.Deferred<void> } | undefined
}

/** What an answer holds: a value with the key it answers to, or what is wrong with a row. */
export type Found<A> = { readonly key: string; readonly value: A } | { readonly problem: string }

/**
 * One lookup made of many: those of concurrent fibers are asked in one query, and each thing once. Nothing is kept, so
 * a failure is not, and the next lookup sees the next state.
 *
 * A query that was sent belongs to no caller. It goes on when one of them is interrupted, and ends with the last.
 */
export const make = <K, A>(options: {
  readonly operation: string
  readonly batchSize: number
  readonly keyOf: (wanted: K) => string
  readonly ask: (wanted: ReadonlyArray<K>) => Effect.Effect<ReadonlyArray<Found<A>>, PrefectApiError>
  readonly notFound: (wanted: K) => Reason
  readonly ambiguous: (wanted: K, found: ReadonlyArray<A>) => Reason
}): (wanted: K) => Effect.Effect<A, PrefectApiError> => {
  const { operation } = options
  const lookup = Request.of<Lookup<K, A>>()

  const answer = (
    wanted: K,
    values: ReadonlyArray<A> | undefined,
    problem: string | undefined
  ): Exit.Exit<A, PrefectApiError> => {
    const [first] = values ?? []
    if (values !== undefined && values.length > 1) {
      return Exit.fail(new PrefectApiError({ operation, reason: options.ambiguous(wanted, values) }))
    }
    if (first !== undefined) return Exit.succeed(first)
    return Exit.fail(
      new PrefectApiError({
        operation,
        // A row that could not be read may be the one that was wanted.
        reason: problem === undefined ? options.notFound(wanted) : new MalformedResponse({ problem })
      })
    )
  }

  /** Rows may be huge: what is too large for one answer is asked for in halves. */
  const ask = (wanted: ReadonlyArray<K>): Effect.Effect<ReadonlyArray<Found<A>>, PrefectApiError> =>
    Effect.catchIf(
      options.ask(wanted),
      (error) => wanted.length > 1 && isOversized(error),
      () => {
        const half = wanted.length >> 1
        return Effect.zipWith(ask(wanted.slice(0, half)), ask(wanted.slice(half)), (left, right) => [...left, ...right])
      }
    )

  const resolver = RequestResolver.make<Lookup<K, A>>(Effect.fnUntraced(function*(entries) {
    const wanted = new Map(entries.map(({ request }) => [request.key, request.wanted]))
    const sent = { waiting: entries.length, abandoned: Deferred.makeUnsafe<void>() }
    for (const { request } of entries) request.caller.sent = sent
    const found = yield* Effect.raceFirst(
      ask([...wanted.values()]),
      Effect.andThen(Deferred.await(sent.abandoned), Effect.interrupt)
    )
    const values = new Map<string, Array<A>>()
    let problem: string | undefined
    for (const one of found) {
      if ("problem" in one) problem ??= one.problem
      else if (!wanted.has(one.key)) problem ??= "it has a row that was not asked for"
      else {
        const same = values.get(one.key)
        if (same === undefined) values.set(one.key, [one.value])
        else same.push(one.value)
      }
    }
    for (const entry of entries) {
      entry.completeUnsafe(answer(entry.request.wanted, values.get(entry.request.key), problem))
    }
  })).pipe(RequestResolver.batchN(options.batchSize))

  return (wanted) =>
    Effect.suspend(() => {
      const caller: Caller = { sent: undefined }
      return Effect.onInterrupt(
        Effect.request(lookup({ key: options.keyOf(wanted), wanted, caller }), resolver),
        () =>
          Effect.sync(() => {
            if (caller.sent !== undefined && --caller.sent.waiting === 0) {
              Deferred.doneUnsafe(caller.sent.abandoned, Exit.void)
            }
          })
      )
    })
}
