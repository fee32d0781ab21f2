/**
 * Everything that an effect shows of itself: its logs, spans and metrics, and its error in every rendering.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"

const everything = { depth: 30, showHidden: true, getters: true, maxArrayLength: null, maxStringLength: null } as const

const renderingsOf = (error: unknown): ReadonlyArray<string> => [
  String(error),
  inspect(error, everything),
  JSON.stringify(error) ?? "",
  error instanceof Error ? `${error.message}\n${error.stack}\n${inspect(error.cause, everything)}` : ""
]

export interface Observed<A, E> {
  readonly exit: Exit.Exit<A, E>
  readonly logs: ReadonlyArray<string>
  readonly spans: ReadonlyArray<Tracer.NativeSpan>
  readonly metrics: ReadonlyArray<Metric.Metric.Snapshot>
  /** All of it as text, the value of a success left out. */
  readonly text: string
}

export const observe = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const logs: Array<string> = []
  const spans: Array<Tracer.NativeSpan> = []
  const logger = Logger.make(({ cause, fiber, logLevel, message }) => {
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    logs.push(`${logLevel} ${inspect(message, everything)} ${inspect(annotations, everything)} ${Cause.pretty(cause)}`)
  })
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const [exit, metrics] = yield* Effect.exit(effect).pipe(
    Effect.flatMap((exit) => Effect.map(Metric.snapshot, (metrics) => [exit, metrics] as const)),
    Effect.provide(Logger.layer([logger])),
    Effect.provide(Layer.succeed(References.MinimumLogLevel, "All")),
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.withTracer(tracer)
  )
  const text = [
    ...logs,
    ...spans.map((span) =>
      inspect({ name: span.name, attributes: span.attributes, events: span.events, status: span.status }, everything)
    ),
    inspect(metrics, everything),
    ...(Exit.isFailure(exit)
      ? [
        Cause.pretty(exit.cause),
        ...exit.cause.reasons.flatMap((reason) =>
          renderingsOf(reason._tag === "Fail" ? reason.error : reason._tag === "Die" ? reason.defect : reason)
        )
      ]
      : [])
  ].join("\n")
  return { exit, logs, spans, metrics, text } satisfies Observed<A, E>
})
