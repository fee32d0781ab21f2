/**
 * The cost of the spans and metrics of a traversal, without a tracer and with one that keeps every span: compared with
 * the same traversal over HTTP with tracing off. Pages of 100 children, twenty times smaller than the default, so that there are twenty times as many
 * spans. The figures are processor time of this process, which depends less on other programs than elapsed time.
 */
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import type { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { pickleFolder, stubApi } from "./support/mappedWorld.ts"
import type { Contender, Row } from "./support/row.ts"
import { parentId } from "./support/stubApi.ts"

const count = 10_000

let runtime: ManagedRuntime.ManagedRuntime<PrefectApi | ResultStorage, unknown> | undefined
let closing: Array<() => unknown> = []

const lifecycle: Pick<Contender, "open" | "close"> = {
  open: async () => {
    const folder = pickleFolder(count)
    const api = await stubApi({ count, delay: 0, root: folder.root })
    runtime = ManagedRuntime.make(Layer.mergeAll(
      GraphQLApi.layer({ url: api.url }),
      LocalStorage.layer({ roots: [folder.root] }),
      ResultOptions.layer({ pageSize: 100 })
    ))
    closing = [() => runtime?.dispose(), api.close, folder.close]
  },
  close: async () => {
    for (const close of closing) await close()
  }
}

/** Keeps the spans, as an exporter does until it sends them. */
const keeping = () => {
  const spans: Array<Tracer.Span> = []
  return Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
}

const walk = (name: string, tracing: boolean, tracer?: () => Tracer.Tracer): Contender => ({
  name,
  ...(tracing ? lifecycle : {}),
  run: async () => {
    const before = process.cpuUsage()
    const outcomes = Effect.flatMap(
      TaskRun.fromTaskRunId(parentId),
      (taskRun) => Stream.runCount(taskRun.outcomes)
    )
    const seen = await runtime!.runPromise(
      Effect.withTracerEnabled(tracer === undefined ? outcomes : Effect.withTracer(outcomes, tracer()), tracing)
    )
    if (seen !== count) throw new Error(`${seen} children instead of ${count}`)
    const { system, user } = process.cpuUsage(before)
    return { measured: (user + system) / 1000 }
  }
})

const row = (ours: Contender): Row => ({
  work: `outcomes of ${count} local pickles, pages of 100, with spans, ${ours.name}`,
  count,
  show: "ms",
  ours,
  limit: walk("tracing off", false),
  target: { limit: 0.95 },
  runs: 9
})

export const rows: ReadonlyArray<Row> = [
  row(walk("no tracer", true)),
  row(walk("a tracer that keeps every span", true, keeping))
]
