/**
 * The content of a page: a flow run of the GraphQL API and one of Prefect 3, and their results through the page's own
 * reader, which fetches them. `probe` returns the same in Node, except for Parquet, which only Node reads.
 */
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as MemoryStorage from "@effect-prefect/results/MemoryStorage"
import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
import { ResultNotFound, StorageUnavailable } from "@effect-prefect/results/ResultError"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
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

export const probe = async (
  origin: string,
  flowRuns: { readonly graphql: string; readonly prefect3: string }
): Promise<{ readonly [name: string]: ReadonlyArray<string> }> => {
  const Graphql = GraphQLApi.layer({ url: `${origin}/graphql` })
  const Prefect3 = Prefect3Api.layer({ url: `${origin}/api`, events: false })
  return {
    graphql: await run(flowRuns.graphql, Layer.merge(Graphql, Fetched(origin))),
    // Nothing is in it: what remains is what Prefect kept itself, and that the rest is not there.
    memory: await run(flowRuns.graphql, Layer.merge(Graphql, MemoryStorage.layer({}))),
    prefect3: await run(flowRuns.prefect3, Layer.provideMerge(Prefect3Storage.layer(Fetched(origin)), Prefect3))
  }
}
