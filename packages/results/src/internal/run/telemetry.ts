/** Spans and metrics of loading results. Neither contains a value, a key of a bucket or a credential. */
import * as State from "@effect-prefect/core/State"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Span } from "effect/Tracer"
import * as Tracer from "effect/Tracer"

interface Series {
  readonly loads: Metric.Counter<number>
  readonly durations: Metric.Histogram<number>
  readonly bytes: Metric.Counter<number>
}

/** The attributes belong to the metrics: `withAttributes` would merge them anew with each update. */
const makeSeries = (storage: string, outcome: string): Series => ({
  loads: Metric.counter("prefect.results.loads", {
    description: "Results that were loaded or failed to load",
    incremental: true,
    attributes: { storage, outcome }
  }),
  durations: Metric.histogram("prefect.results.load.duration", {
    description: "Seconds to read and decode a result",
    boundaries: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    attributes: { storage, outcome }
  }),
  bytes: Metric.counter("prefect.results.bytes", {
    description: "Stored bytes that were read",
    incremental: true,
    attributes: { storage }
  })
})

/** By the type of the descriptor and the outcome, of which there are few. */
const byStorage = new Map<string, Map<string, Series>>()

const seriesOf = (storage: string, outcome: string): Series => {
  let byOutcome = byStorage.get(storage)
  if (byOutcome === undefined) byStorage.set(storage, byOutcome = new Map())
  let found = byOutcome.get(outcome)
  if (found === undefined) byOutcome.set(outcome, found = makeSeries(storage, outcome))
  return found
}

/** The kind of storage of a state's result: the type of its descriptor. */
export const storageOf = (state: State.State): string => State.resultDescriptor(state)?._tag ?? "none"

/** What a state's result is stored in: the type of its descriptor, and the bucket or container without the key. */
export const placeOf = (state: State.State): Readonly<Record<string, unknown>> => {
  const descriptor = State.resultDescriptor(state)
  const bucket = descriptor?._tag === "S3Result" || descriptor?._tag === "GCSResult"
    ? descriptor.bucket
    : descriptor?._tag === "AzureResult"
    ? descriptor.container
    : null
  return {
    "prefect.result.storage": descriptor?._tag ?? "none",
    ...(bucket === null ? {} : { "prefect.result.bucket": bucket })
  }
}

/** Counts a completed load. */
export const record = (
  context: Context.Context<never>,
  storage: string,
  outcome: string,
  bytes: number,
  millis: number
): void => {
  const found = seriesOf(storage, outcome)
  found.loads.updateUnsafe(1, context)
  found.durations.updateUnsafe(millis / 1000, context)
  if (bytes > 0) found.bytes.updateUnsafe(bytes, context)
}

/** The tag of an error's reason, which has no stored text in it. */
const typeOf = (error: unknown): string => {
  const { _tag, reason } = error as { readonly _tag?: string; readonly reason?: { readonly _tag?: string } }
  return reason?._tag ?? _tag ?? "error"
}

/** What a span records of a failure. Messages name keys of buckets and quote what a run's state says. */
const withoutTexts = <E>(span: Span, cause: Cause.Cause<E>): Cause.Cause<Error> =>
  Cause.map(cause, (error) => {
    const type = typeOf(error)
    span.attribute("error.type", type)
    const told = new Error(type)
    told.name = "ResultError"
    return told
  })

/** Whether somebody receives the spans of a fiber: the tracer that Effect has without another keeps none. */
export const isObserved = (fiber: Fiber.Fiber<unknown, unknown>): boolean =>
  fiber.getRef(Tracer.Tracer) !== Tracer.nativeTracer && fiber.getRef(References.TracerEnabled)

/** Runs an effect in a span that receives neither its value nor its error, because a tracer could export them. */
export const spanned = <A, E, R>(
  name: string,
  attributes: Readonly<Record<string, unknown>>,
  effect: Effect.Effect<A, E, R>,
  onSuccess?: (span: Span, value: A) => void
): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    const isTimed = fiber.getRef(References.TracerTimingEnabled)
    return Effect.useSpan(name, { attributes }, (span) => {
      // A span that has ended does not receive the exit any more.
      const end = (exit: Exit.Exit<void, Error>) => {
        if (span.status._tag !== "Ended") span.end(isTimed ? clock.currentTimeNanosUnsafe() : 0n, exit)
        return Effect.void
      }
      // Without a stack for each result, whose only frames would be those of this module.
      return Effect.onExit(Effect.withParentSpan(effect, span, { captureStackTrace: false }), (exit) => {
        if (Exit.isFailure(exit)) return end(Exit.failCause(withoutTexts(span, exit.cause)))
        onSuccess?.(span, exit.value)
        return end(Exit.void)
      })
    })
  }) as Effect.Effect<A, E, R>

/** Runs a stream in a span that does not receive its error. */
export const spannedStream = <A, E, R>(
  name: string,
  attributes: Readonly<Record<string, unknown>>,
  stream: (span: Span | undefined) => Stream.Stream<A, E, R>
): Stream.Stream<A, E, R> =>
  Stream.suspend(() => {
    let failure: Cause.Cause<E> | undefined
    const traced = Stream.withSpan(
      Stream.unwrap(Effect.map(Effect.option(Effect.currentSpan), (current): Stream.Stream<A, E | Error, R> => {
        if (Option.isNone(current)) return stream(undefined)
        return Stream.catchCause(stream(current.value), (cause) => {
          failure = cause
          return Stream.failCause(withoutTexts(current.value, cause))
        })
      })),
      name,
      { attributes }
    )
    return Stream.catchCause(traced, (cause) => Stream.failCause(failure ?? (cause as Cause.Cause<never>)))
  }) as Stream.Stream<A, E, R>

/** A traversal in a span: an event for each page, and the numbers of children and failures at its end. */
export const walk = <A extends { readonly result: Result.Result<unknown, unknown> }, E, R>(
  name: string,
  attributes: Readonly<Record<string, unknown>>,
  stream: Stream.Stream<A, E, R>
): Stream.Stream<A, E, R> =>
  spannedStream(name, attributes, (span) => {
    if (span === undefined) return stream
    let children = 0
    let failures = 0
    return Stream.ensuring(
      Stream.mapArray(stream, (outcomes) => {
        children += outcomes.length
        for (const { result } of outcomes) if (Result.isFailure(result)) failures++
        return outcomes
      }),
      Effect.sync(() => {
        span.attribute("prefect.children", children)
        span.attribute("prefect.failures", failures)
      })
    )
  })

/** Records a page of rows on the span of a traversal, if there is one. */
export const page = (rows: number): Effect.Effect<void> =>
  Effect.flatMap(Effect.option(Effect.currentSpan), (current) =>
    Option.isNone(current)
      ? Effect.void
      : Effect.clockWith((clock) =>
        Effect.sync(() => current.value.event("page", clock.currentTimeNanosUnsafe(), { rows }))
      ))
