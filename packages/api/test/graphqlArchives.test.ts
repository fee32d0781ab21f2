import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import { toRow } from "@effect-prefect/core/TaskRunView"
import * as Server from "@effect-prefect/server/Server"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"
import { serveArchive } from "./support/embedded.ts"

type Api = PrefectApi.PrefectApi["Service"]

const collect = Stream.runCollect

/** Times as instants, since backends write them in notations of their own. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (_, part: unknown) => {
    const time = typeof part === "string" ? /^\d{4}-\d\d-\d\dT[\d:]+(?:\.(\d+))?(?:Z|\+00:00)$/.exec(part) : null
    return time === null ? part : `${time[0].slice(0, 19)}.${(time[1] ?? "").padEnd(6, "0")}`
  })

/** All that a backend says, in the order in which it says it. */
const readAll = Effect.fnUntraced(function*(api: Api) {
  const flows = yield* collect(api.flows({ pageSize: 1 }))
  const flowRuns = yield* collect(api.flowRuns({}, { pageSize: 1 }))
  const perFlowRun = yield* Effect.forEach(
    flowRuns,
    Effect.fnUntraced(function*({ flowRunId }) {
      const first = yield* api.firstTaskRunOfEachTask(flowRunId)
      return {
        first: first.map(toRow),
        children: yield* Effect.forEach(
          first,
          Effect.fnUntraced(function*({ taskId }) {
            if (taskId === null) return []
            const task = { flowRunId, taskId }
            const runs = yield* collect(api.taskRunsOfTask(task, { pageSize: 7 }))
            // The embedded database takes its time for a count. Of tasks without children, one is counted.
            const isCounted = runs.length > 1 || taskId === first.find((view) => view.mapIndex === -1)?.taskId
            return [runs.map(toRow), isCounted ? yield* api.countMappedChildren(task) : undefined]
          })
        ),
        taskRuns: (yield* collect(api.taskRuns({ flowRunId }, { pageSize: 10 }))).map(toRow),
        failed: (yield* collect(api.taskRuns({ flowRunId, states: ["Failed", "Scheduled"] }))).map(toRow),
        mapped: (yield* collect(api.taskRuns({ flowRunId, mapped: true }, { pageSize: 10 }))).map(toRow),
        siblings: yield* Effect.forEach(
          first,
          (view) => Effect.map(collect(api.siblings(view, { pageSize: 5 })), (views) => views.map(toRow))
        ),
        states: yield* api.flowRunStates(flowRunId),
        taskRunStates: yield* Effect.forEach(first, ({ taskRunId }) => api.taskRunStates(taskRunId)),
        logs: yield* collect(api.logs({ flowRunId }, { pageSize: 9 })),
        warnings: yield* collect(api.logs({ flowRunId, level: "WARNING" })),
        artifacts: yield* collect(api.artifacts({ flowRunId }))
      }
    })
  )
  return plain({ flows, flowRuns, perFlowRun })
})

describe("GraphQLApi says of an archive what ArchiveApi says", () => {
  for (const name of ["prefect-1", "prefect-0.15"]) {
    const directory = fileURLToPath(new URL(`../../../fixtures/${name}`, import.meta.url))
    it.layer(serveArchive(directory), { excludeTestServices: true })((it) => {
      it.effect(name, () =>
        Effect.gen(function*() {
          const { url } = yield* Server.Server
          const archive = yield* Layer.build(ArchiveApi.layer(directory))
          const expected = yield* Effect.provide(Effect.flatMap(PrefectApi.PrefectApi, readAll), archive)
          const found = yield* Effect.flatMap(GraphQLApi.make({ url }), readAll)
          assert.deepStrictEqual(found, expected)
        }))
    })
  }
})
