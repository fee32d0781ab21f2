/**
 * The first steps of a new user, in a project that has only the packages. It must type-check as it is: a result that
 * requires services, a layer that needs a cast or an accepted invalid option is an error here.
 */
import { ArchiveApi, GraphQLApi, MemoryApi, Prefect3Api, PrefectApi, type PrefectApiError } from "@effect-prefect/api"
import {
  FlowRun,
  InlineStorage,
  LocalStorage,
  MemoryStorage,
  Prefect3Storage,
  type ResultError,
  ResultOptions,
  ResultSchema,
  ResultStorage,
  TaskRun
} from "@effect-prefect/results"
import { Config, Effect, Layer, Schema, Stream } from "effect"
import assert from "node:assert/strict"
import { inspect } from "node:util"

const flowRunId = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"
const taskRunId = "17938764-72a9-5e1a-a67b-d93a5ba52e6a"
type Wrong = ResultError.ResultError | PrefectApiError.PrefectApiError

// 1. Several storages are one layer, and a layer of both services provides a program, without a cast.
const Storage = ResultStorage.layerMerge([InlineStorage.layer, LocalStorage.layerArchive("fixtures/prefect-1")])
const Prefect = Layer.merge(ArchiveApi.layer("fixtures/prefect-1"), Storage)
const run = <A, E>(program: Effect.Effect<A, E, PrefectApi.PrefectApi | ResultStorage.ResultStorage>): Promise<A> =>
  Effect.runPromise(Effect.provide(program, Prefect))

await run(Effect.gen(function*() {
  // 2. A result by id, by slug, by view; the members of a task run require no services.
  const taskRun = yield* TaskRun.fromTaskRunId(taskRunId)
  const result: Effect.Effect<unknown, Wrong> = taskRun.getResult
  assert.deepEqual(yield* result, { orders: 24, total_cents: 1283888 })
  const bySlug = yield* TaskRun.fromTaskSlug({ taskSlug: "summary-1", flowRunId })
  assert.equal((yield* TaskRun.fromView(bySlug.view)).view.taskRunId, taskRunId)
  const latest: Effect.Effect<TaskRun.TaskRun, PrefectApiError.PrefectApiError> = taskRun.getLatest
  assert.equal((yield* latest).view.state._tag, "Success")

  // 3. Decoded by a schema, also one of a class.
  class Summary extends Schema.Class<Summary>("Summary")({ orders: Schema.Int, total_cents: ResultSchema.Integer }) {}
  const summary: Effect.Effect<Summary, Wrong> = taskRun.getResultAs(Summary)
  assert.equal((yield* summary).total_cents, 1283888n)

  // 4. Printed, in one line.
  assert.match(inspect(taskRun), /^TaskRun\(taskRunId=.*taskSlug=summary-1.*result=<loaded>\)$/)

  // 5. Mapped children, lazily and as data.
  const score = yield* TaskRun.fromTaskSlug({ taskSlug: "score-1", flowRunId })
  const children: Stream.Stream<TaskRun.TaskRun, Wrong> = score.iterMapped
  assert.deepEqual(
    (yield* Stream.runCollect(Stream.take(children, 2))).map(({ view }) => view.mapIndex),
    [0, 1]
  )
  const failed = yield* score.outcomes.pipe(Stream.filter(({ result }) => result._tag === "Failure"), Stream.runCollect)
  assert.deepEqual(failed.map(({ taskRun }) => taskRun.view.mapIndex), [7, 11])

  // 6. One handler for one reason, one for all of both errors.
  const kept = score.getResult.pipe(
    Effect.catchReason("ResultError", "NotPersisted", (reason) => Effect.succeed(reason.state)),
    Effect.catch((error: Wrong) => Effect.succeed(error.reason._tag))
  )
  assert.equal(yield* kept, "Failed")

  // 7. A flow run and its members.
  const flowRun = yield* FlowRun.fromFlowRunId(flowRunId)
  const outcomes: Stream.Stream<TaskRun.Outcome, PrefectApiError.PrefectApiError> = flowRun.results
  assert.ok((yield* Stream.runCollect(outcomes)).length > 90)

  // 8. The backend itself.
  const api = yield* PrefectApi.PrefectApi
  assert.equal((yield* Stream.runCollect(api.flowRuns({ flowName: "orders-etl" }))).length, 1)
}))

// 9. Other backends are other layers of the same service.
const others: ReadonlyArray<Layer.Layer<PrefectApi.PrefectApi, unknown>> = [
  GraphQLApi.layer({ url: "http://localhost:4200" }),
  GraphQLApi.layerConfig({ url: Config.String("URL") }),
  GraphQLApi.layerPrefectConfig,
  Prefect3Api.layer({ url: "http://localhost:4200/api" }),
  Prefect3Api.layerPrefectConfig(),
  MemoryApi.layer({ task_run: [{ id: "r1" }] })
]
const prefect3: Layer.Layer<PrefectApi.PrefectApi | ResultStorage.ResultStorage, unknown> = Layer.provideMerge(
  Prefect3Storage.layer(LocalStorage.layer({ roots: ["/srv/results"] })),
  Prefect3Api.layer({ url: "http://localhost:4200/api" })
)
assert.ok([...others, prefect3].every(Layer.isLayer))

// 10. Mistakes are type errors: an unknown option, a missing one, a reason that no error has, a service that was not
//     provided.
export const wrong = () => {
  const program = Effect.flatMap(TaskRun.fromTaskRunId(taskRunId), (taskRun) => taskRun.getResult)
  return [
    // @ts-expect-error roots
    LocalStorage.layer({ root: ["/srv"] }),
    // @ts-expect-error url
    GraphQLApi.layer({ uri: "http://localhost:4200" }),
    // @ts-expect-error maxBytes
    ResultOptions.layer({ maxByte: 1 }),
    // @ts-expect-error flowRunId is missing
    TaskRun.fromTaskSlug({ taskSlug: "summary-1" }),
    // @ts-expect-error mapIndex
    TaskRun.fromTaskSlug({ taskSlug: "summary-1", flowRunId, index: 3 }),
    // @ts-expect-error bytes, text or a failure
    MemoryStorage.layer({ "/srv/x": 3 }),
    // @ts-expect-error ResultNotFound
    program.pipe(Effect.catchReason("ResultError", "NotFound", () => Effect.void)),
    // @ts-expect-error a layer of another service
    ResultStorage.layerMerge([InlineStorage.layer, GraphQLApi.layer({ url: "http://localhost:4200" })]),
    // @ts-expect-error ResultStorage is missing
    // @effect-diagnostics-next-line missingEffectContext:off
    Effect.runPromise(Effect.provide(program, GraphQLApi.layer({ url: "http://localhost:4200" })))
  ]
}
