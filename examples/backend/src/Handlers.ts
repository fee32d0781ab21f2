/** The implementation of the API. It requires `PrefectApi` and `ResultStorage`, whatever their layers are. */
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import { fromFormatError, ResultError } from "@effect-prefect/results/ResultError"
import { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { Api, Child } from "./Api.ts"
import { fromError, orProblem } from "./Problem.ts"

/** A value without a JSON projection fails like a value that cannot be decoded. */
const toJson = (taskRun: TaskRun.TaskRun, value: unknown) =>
  Effect.mapError(JsonProjection.toJson(value), (error) => {
    const { mapIndex, taskRunId, taskSlug } = taskRun.view
    return new ResultError({ mapIndex, taskRunId, taskSlug, reason: fromFormatError(error) })
  })

const child = ({ result, taskRun }: TaskRun.Outcome): Effect.Effect<Child> => {
  const { mapIndex, taskRunId } = taskRun.view
  return Effect.fromResult(result).pipe(
    Effect.flatMap((value) => toJson(taskRun, value)),
    Effect.result,
    Effect.map((outcome) =>
      new Child({
        taskRunId,
        mapIndex,
        outcome: Result.match(outcome, {
          onSuccess: (value) => ({ value }),
          onFailure: ({ message, reason }) => ({ error: { reason: reason._tag, message } })
        })
      })
    )
  )
}

export const PrefectHandlers = HttpApiBuilder.group(
  Api,
  "prefect",
  Effect.fnUntraced(function*(handlers) {
    const api = yield* PrefectApi
    const storage = yield* ResultStorage
    const find = (id: string) =>
      TaskRun.fromTaskRunId(id).pipe(
        Effect.provideService(PrefectApi, api),
        Effect.provideService(ResultStorage, storage)
      )
    return handlers.handleAll({
      flowRun: ({ params }) => orProblem(api.flowRun(params.id)),
      taskRun: ({ params }) => orProblem(api.taskRun(params.id)),
      result: ({ params }) =>
        orProblem(Effect.gen(function*() {
          const taskRun = yield* find(params.id)
          return yield* toJson(taskRun, yield* taskRun.getResult)
        })),
      // The client pulls the traversal, which stops when the client does. A failure before the first child is a
      // response of its own; a later one breaks off the stream.
      children: ({ params, query }) =>
        orProblem(Effect.gen(function*() {
          const taskRun = yield* find(params.id)
          yield* Stream.runDrain(Stream.take(taskRun.iterMapped, 1))
          return taskRun.outcomesAfter(query.after ?? -1).pipe(Stream.mapEffect(child), Stream.mapError(fromError))
        }))
    })
  })
)

export const SystemHandlers = HttpApiBuilder.group(
  Api,
  "system",
  Effect.fnUntraced(function*(handlers) {
    return handlers.handleAll({ healthz: () => Effect.void })
  })
)
