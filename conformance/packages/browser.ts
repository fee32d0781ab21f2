/**
 * The content of a page: a flow run of the GraphQL API and one of Prefect 3, and their results through the page's own
 * reader, which fetches them. `probe` returns the same in Node, except for Parquet, which only Node reads.
 */
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as MemoryStorage from "@effect-prefect/results/MemoryStorage"
import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
import { ResultNotFound, StorageUnavailable } from "@effect-prefect/results/ResultError"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

/** A reader of the files that workers stored under `/srv/prefect`, which the page's server has under `/srv/prefect` too. */
const Fetched = (origin: string) => {
  const reader = (type: "LocalResult" | "S3Result"): ResultStorage.AnyReader => ({
    type,
    concurrency: 6,
    resolve: ({ dir, location: key }: { readonly dir?: string | null; readonly location: string | null }) => {
      const path = type === "S3Result" || key === null || key.startsWith("/") ? key ?? "" : `${dir ?? ""}/${key}`
      const location = path.replace(/^\/srv\/prefect3?\//, "")
      return {
        _tag: "Allowed",
        location,
        read: () =>
          Effect.gen(function*() {
            const response = yield* Effect.tryPromise({
              try: (signal) => fetch(`${origin}/stored/${location}`, { signal }),
              catch: () => new StorageUnavailable({ location, detail: "it cannot be fetched" })
            })
            if (!response.ok) return yield* new ResultNotFound({ location, detail: "the server does not have it" })
            const bytes = new Uint8Array(yield* Effect.promise(() => response.arrayBuffer()))
            return { _tag: "Bytes", bytes, name: location } as const
          })
      }
    }
  })
  return ResultStorage.layer(Effect.succeed([reader("LocalResult"), reader("S3Result")]))
}

const outcomes = (flowRunId: string) =>
  Effect.gen(function*() {
    const flowRun = yield* FlowRun.fromFlowRunId(flowRunId)
    return yield* flowRun.results.pipe(
      Stream.mapEffect(({ result, taskRun }) =>
        Effect.map(
          result._tag === "Failure"
            ? Effect.succeed(result.failure.reason._tag)
            : JsonProjection.toText(result.success),
          (text) => `${taskRun.view.taskSlug} ${taskRun.view.mapIndex}: ${text}`
        )
      ),
      Stream.runCollect
    )
  })

const run = <E>(
  flowRunId: string,
  layer: Layer.Layer<PrefectApi | ResultStorage.ResultStorage, E>
): Promise<ReadonlyArray<string>> => Effect.runPromise(Effect.provide(outcomes(flowRunId), layer))

/** A pickled list of so many ones, which takes long enough to decode that others get a turn in between. */
const large = async (length: number): Promise<number> => {
  const pickled = new Uint8Array(4 + 2 * length + 2).fill(1)
  pickled.set([0x80, 2, 0x5d, 0x28])
  for (let at = 4; at < pickled.length; at += 2) pickled[at] = 0x4b
  pickled.set([0x65, 0x2e], pickled.length - 2)
  const serialized_state = { type: "Success", _result: { type: "LocalResult", location: "/large" } }
  const value = await Effect.runPromise(
    Effect.flatMap(TaskRun.fromTaskRunId("large"), (taskRun) => taskRun.getResult).pipe(
      Effect.provide(Layer.merge(
        MemoryApi.layer({ task_run: [{ id: "large", serialized_state }] }),
        MemoryStorage.layer({ "/large": pickled })
      ))
    )
  )
  return Array.isArray(value) ? value.length : 0
}

export const probe = async (
  origin: string,
  flowRuns: { readonly graphql: string; readonly prefect3: string }
): Promise<{ readonly [name: string]: ReadonlyArray<string> }> => {
  const length = await large(3_000_000)
  const Graphql = GraphQLApi.layer({ url: `${origin}/graphql` })
  const Prefect3 = Prefect3Api.layer({ url: `${origin}/api`, events: false })
  return {
    large: Array.from({ length: 4 }, () => `${length}`),
    graphql: await run(flowRuns.graphql, Layer.merge(Graphql, Fetched(origin))),
    // Nothing is in it: what remains is what Prefect kept itself, and that the rest is not there.
    memory: await run(flowRuns.graphql, Layer.merge(Graphql, MemoryStorage.layer({}))),
    prefect3: await run(flowRuns.prefect3, Layer.provideMerge(Prefect3Storage.layer(Fetched(origin)), Prefect3))
  }
}
