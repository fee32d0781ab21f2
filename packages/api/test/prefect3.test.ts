import type * as Backend from "@effect-prefect/api/Backend"
import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Recorded from "./prefect3Server.ts"

const withServer = <A, E>(
  body: (server: Recorded.Prefect3Server) => Effect.Effect<A, E, PrefectApi>,
  reply?: Parameters<typeof Recorded.start>[0],
  options: Partial<Prefect3Api.Options> & { readonly maxLimit?: number } = {}
) =>
  Effect.scoped(Effect.gen(function*() {
    const { maxLimit, ...rest } = options
    const server = yield* Effect.acquireRelease(
      Effect.promise(() => Recorded.start(reply, maxLimit === undefined ? {} : { maxLimit })),
      (server) => Effect.promise(() => server[Symbol.asyncDispose]())
    )
    return yield* Effect.provide(body(server), Prefect3Api.layer({ url: server.url, ...rest }))
  }))

const ids = (views: Iterable<TaskRunView>) => [...views].map((view) => view.taskRunId as string).toSorted()

describe("a task run by id", () => {
  const expected: ReadonlyArray<readonly [string, State.StateType, string]> = [
    ["get_Completed_data", "Success", "Completed"],
    ["get_Completed_nodata", "Success", "Completed"],
    ["get_Cached_data", "Cached", "Cached"],
    ["get_AllGood_nodata", "Success", "AllGood"],
    ["get_Failed_data", "Failed", "Failed"],
    ["get_Crashed_nodata", "Failed", "Crashed"],
    ["get_TimedOut_nodata", "TimedOut", "TimedOut"],
    ["get_NotReady_nodata", "Pending", "NotReady"],
    ["get_deferred", "Scheduled", "Scheduled"],
    ["get_no_flow", "Success", "Completed"]
  ]
  for (const [name, tag, stateName] of expected) {
    it.effect(`${name}: ${stateName} is ${tag}`, () =>
      withServer((server) =>
        Effect.gen(function*() {
          const { request, response } = Recorded.exchange(`task_runs/${name}`)
          const row = response as Recorded.Row
          const api = yield* PrefectApi
          const view = yield* api.taskRun(row["id"] as string)
          assert.strictEqual(view.taskRunId, row["id"])
          assert.strictEqual(view.taskSlug, row["task_key"])
          assert.strictEqual(view.flowRunId, row["flow_run_id"])
          assert.strictEqual(view.name, row["name"])
          assert.strictEqual(view.taskId, null)
          assert.strictEqual(view.mapIndex, -1)
          assert.strictEqual(view.state._tag, tag)
          assert.deepStrictEqual(State.toJson(view.state), row["state"])
          assert.strictEqual(State.isCrashed(view.state), stateName === "Crashed")
          assert.deepStrictEqual(
            server.received.map(({ method, path }) => `${method} ${path}`),
            ["GET /admin/version", `${request.method} ${request.path}`]
          )
        })
      ))
  }

  it.effect("by the first digits of its id, and a flow run too", () =>
    withServer(() =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const beginning = (rows: ReadonlyArray<Recorded.Row>, prefix: string) =>
          rows.map((row) => row["id"] as string).filter((id) => id.startsWith(prefix)).toSorted().slice(0, 6)
        for (const row of Recorded.taskRuns.slice(0, 8)) {
          const prefix = String(row["id"]).slice(0, 9)
          const found = yield* api.taskRunsByIdPrefix({ prefix, limit: 6 })
          assert.deepStrictEqual(found.map(({ taskRunId }) => taskRunId), beginning(Recorded.taskRuns, prefix))
        }
        for (const prefix of ["0", "01", "5", "f"]) {
          const found = yield* api.flowRunsByIdPrefix({ prefix, limit: 6 })
          assert.deepStrictEqual(found.map(({ flowRunId }) => flowRunId), beginning(Recorded.flowRuns, prefix))
        }
        assert.deepStrictEqual(yield* api.taskRunsByIdPrefix({ prefix: "nope", limit: 6 }), [])
      })
    ))

  it.effect("TaskRunNotFound for an id that is not there, and for what is no id", () =>
    withServer((server) =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        for (const id of ["00000000-0000-4000-8000-000000000000", "nope", "..", "", "a/b"]) {
          const error = yield* Effect.flip(api.taskRun(id))
          assert.strictEqual(error.reason._tag, "TaskRunNotFound")
        }
        assert.isFalse(server.received.some(({ path }) => path.includes("..")))
      })
    ))

  it.effect("asks for the version once for any number of callers", () =>
    withServer((server) =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const id = (Recorded.exchange("task_runs/get_Completed_data").response as Recorded.Row)["id"] as string
        yield* Effect.all(Array.from({ length: 20 }, () => api.taskRun(id)), { concurrency: "unbounded" })
        assert.lengthOf(server.received.filter(({ path }) => path === "/admin/version"), 1)
      })
    ))
})

describe("a task run by slug", () => {
  const structure = Recorded.runs["structure"]!
  const rows = Recorded.taskRuns.filter((row) => row["flow_run_id"] === structure)
  const byKey = [...new Set(rows.map((row) => row["task_key"] as string))].map((key) =>
    [key, rows.filter((row) => row["task_key"] === key)] as const
  )
  const single = byKey.find(([, rows]) => rows.length === 1)!
  const several = byKey.find(([, rows]) => rows.length > 1)!

  it.effect("by its task key, and by its qualified name", () =>
    withServer(() =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const [taskSlug, [row]] = single
        const exact = yield* api.taskRunBySlug({ taskSlug, flowRunId: structure, mapIndex: -1 })
        assert.strictEqual(exact.taskRunId, row!["id"])
        const name = taskSlug.replace(/-[0-9a-f]{8}$/, "")
        const byName = yield* api.taskRunBySlug({ taskSlug: name, flowRunId: structure, mapIndex: -1 })
        assert.strictEqual(byName.taskRunId, row!["id"])
      })
    ))

  it.effect("AmbiguousTaskRun with the ids of all that match", () =>
    withServer(() =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const [taskSlug, rows] = several
        const { reason } = yield* Effect.flip(api.taskRunBySlug({ taskSlug, flowRunId: structure, mapIndex: -1 }))
        assert(reason._tag === "AmbiguousTaskRun")
        assert.deepStrictEqual(reason.taskRunIds.toSorted(), rows.map((row) => row["id"] as string).toSorted())
      })
    ))

  it.effect("TaskRunNotFound for another slug, and for a part of one", () =>
    withServer(() =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        for (const taskSlug of ["nothing", single[0].slice(0, 3), ""]) {
          const { reason } = yield* Effect.flip(api.taskRunBySlug({ taskSlug, flowRunId: structure, mapIndex: -1 }))
          assert.strictEqual(reason._tag, "TaskRunNotFound")
        }
      })
    ))

  it.effect("UnsupportedByBackend for a map index, and the message names siblings", () =>
    withServer((server) =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const error = yield* Effect.flip(api.taskRunBySlug({ taskSlug: single[0], flowRunId: structure, mapIndex: 0 }))
        assert.strictEqual(error.reason._tag, "UnsupportedByBackend")
        assert.include(error.message, "siblings")
        assert.include(error.message, "Prefect 3.8.0")
        assert.deepStrictEqual(server.received.map(({ path }) => path), ["/admin/version"])
      })
    ))

  it.effect("mapped children are UnsupportedByBackend too", () =>
    withServer(() =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const task = { flowRunId: structure, taskId: "x" }
        for (
          const asked of [
            Stream.runCollect(api.mappedChildren(task)),
            Stream.runCollect(api.taskRunsOfTask(task)),
            api.countMappedChildren(task),
            Stream.runCollect(api.taskRuns({ flowRunId: structure, mapped: true }))
          ]
        ) {
          const error = yield* Effect.flip(asked as Effect.Effect<unknown, Effect.Error<typeof asked>>)
          assert.strictEqual(error.reason._tag, "UnsupportedByBackend")
          assert.include(error.message, "siblings")
        }
      })
    ))
})

describe("listings", () => {
  const map250 = Recorded.runs["map250"]!
  const all = Recorded.taskRuns.filter((row) => row["flow_run_id"] === map250)
  const allIds = all.map((row) => row["id"] as string).toSorted()

  it.effect("250 task runs take two pages of at most 200, asked as they were recorded", () =>
    withServer((server) =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const views = yield* Stream.runCollect(api.taskRuns({ flowRunId: map250 }, { pageSize: 500 }))
        assert.deepStrictEqual(ids(views), allIds)
        const posts = server.received.filter(({ method }) => method === "POST")
        assert.deepStrictEqual(posts.map(({ body }) => body?.["offset"]), [0, 199])
        const recorded = Recorded.exchange("task_runs/filter_map250_p0").request
        for (const { body, headers, path } of posts) {
          assert.strictEqual(path, recorded.path)
          assert.strictEqual(headers["content-type"], "application/json")
          assert.deepStrictEqual(Recorded.shapeOf(body).toSorted(), Recorded.shapeOf(recorded.body).toSorted())
          assert.deepStrictEqual(body?.["flow_runs"], recorded.body?.["flow_runs"])
          assert.strictEqual(body?.["limit"], 200)
        }
      })
    ))

  it.effect("taking a few costs one page", () =>
    withServer((server) =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const views = yield* Stream.runCollect(Stream.take(api.taskRuns({ flowRunId: map250 }), 3))
        assert.lengthOf(views, 3)
        assert.lengthOf(server.received.filter(({ method }) => method === "POST"), 1)
      })
    ))

  for (const maxLimit of [199, 100, 7]) {
    it.effect(`a server whose limit is ${maxLimit} is asked for no more, and every row comes once`, () =>
      withServer(
        (server) =>
          Effect.gen(function*() {
            const api = yield* PrefectApi
            assert.deepStrictEqual(ids(yield* api.firstTaskRunOfEachTask(map250)), allIds)
            const limits = server.received.flatMap(({ body }) => body === null ? [] : [body["limit"]])
            assert.strictEqual(limits[0], 200)
            assert.isTrue(limits.slice(1).every((limit) => Number(limit) <= maxLimit))
          }),
        undefined,
        { maxLimit }
      ))
  }

  it.effect("rows that move to a later page come once", () =>
    withServer(
      () =>
        Effect.gen(function*() {
          const api = yield* PrefectApi
          assert.deepStrictEqual(ids(yield* Stream.runCollect(api.taskRuns({ flowRunId: map250 }))), allIds)
        }),
      (request) => {
        if (request.path !== "/task_runs/filter" || request.body?.["offset"] === 0) return undefined
        // Three new runs came before the second page was asked for.
        const offset = Number(request.body?.["offset"]) - 3
        return Recorded.answer({ ...request, body: { ...request.body, offset } })
      }
    ))

  it.effect("a server that ignores the offset is an error, not a listing without end", () =>
    withServer(
      (server) =>
        Effect.gen(function*() {
          const api = yield* PrefectApi
          const { reason } = yield* Effect.flip(Stream.runCollect(api.taskRuns({ flowRunId: map250 })))
          assert.strictEqual(reason._tag, "MalformedResponse")
          assert.isBelow(server.received.length, 8)
        }),
      (request) =>
        request.path === "/task_runs/filter"
          ? Recorded.answer({ ...request, body: { ...request.body, offset: 0 } })
          : undefined
    ))

  it.effect("firstTaskRuns is every task run by task key, then by its expected start", () =>
    withServer(() =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const flowRunId = Recorded.runs["structure"]!
        const rows = Recorded.taskRuns.filter((row) => row["flow_run_id"] === flowRunId)
        const views = yield* api.firstTaskRunOfEachTask(flowRunId)
        const key = (row: Recorded.Row) => `${row["task_key"]} ${row["expected_start_time"]} ${row["id"]}`
        const sorted = rows.toSorted((left, right) => key(left) < key(right) ? -1 : 1)
        assert.deepStrictEqual(views.map((view) => view.taskRunId as string), sorted.map((row) => row["id"] as string))
        assert.isTrue(views.every((view) => view.mapIndex === -1))
      })
    ))

  it.effect("summaries are of every task run, and a task cannot be asked for", () =>
    withServer(() =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const flowRunId = Recorded.runs["structure"]!
        const rows = Recorded.taskRuns.filter((row) => row["flow_run_id"] === flowRunId)
        const summaries = yield* Stream.runCollect(api.taskRunSummaries({ flowRunId }, { pageSize: 3 }))
        const byId = new Map(summaries.map((summary) => [summary.taskRunId, summary]))
        assert.strictEqual(byId.size, rows.length)
        assert.lengthOf(summaries, rows.length)
        for (const view of yield* api.firstTaskRunOfEachTask(flowRunId)) {
          const row = rows.find(({ id }) => id === view.taskRunId)!
          assert.deepStrictEqual({ ...byId.get(view.taskRunId)! }, {
            taskRunId: view.taskRunId as string,
            taskId: null,
            mapIndex: -1,
            state: State.typeName(view.state),
            startTime: row["start_time"] as string | null,
            endTime: row["end_time"] as string | null
          })
        }
        const { reason } = yield* Effect.flip(
          Stream.runCollect(api.taskRunSummaries({ flowRunId, taskId: "11111111-1111-4111-8111-111111111111" }))
        )
        assert.strictEqual(reason._tag, "UnsupportedByBackend")
      })
    ))

  it.effect("edges are those of the inputs of task runs", () =>
    withServer(() =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const flowRunId = Recorded.runs["structure"]!
        const rows = Recorded.taskRuns.filter((row) => row["flow_run_id"] === flowRunId)
        const ids = new Set(rows.map(({ id }) => id))
        const expected = rows.flatMap((row) =>
          Object.entries(row["task_inputs"] as Record<string, ReadonlyArray<{ id: string; input_type: string }>>)
            .filter(([key]) => !key.startsWith("__"))
            .flatMap(([key, inputs]) =>
              inputs.filter((input) => ids.has(input.id)).map(({ id }) =>
                `${id} ${row["id"] as string} ${key === "wait_for" ? null : key}`
              )
            )
        )
        assert.isAbove(expected.length, 2)
        const edges = yield* api.edges(flowRunId)
        assert.deepStrictEqual(
          edges.map(({ downstreamTaskId, key, upstreamTaskId }) => `${upstreamTaskId} ${downstreamTaskId} ${key}`)
            .toSorted(),
          [...new Set(expected)].toSorted()
        )
        assert.isTrue(edges.every(({ mapped }) => !mapped))
      })
    ))

  it.effect("flow runs are found by a part of their name", () =>
    withServer((server) =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const name = Recorded.flowRuns[0]!["name"] as string
        const part = name.slice(1, -1).toUpperCase()
        const found = yield* Stream.runCollect(api.flowRuns({ nameContains: part }))
        assert.isAbove(found.length, 0)
        assert.isTrue(found.every((view) => view.name!.toUpperCase().includes(part)))
        assert.deepInclude(server.received.at(-1)!.body!["flow_runs"], { name: { like_: part } })
        assert.lengthOf(yield* Stream.runCollect(api.flowRuns({ nameContains: "%" })), 0)
      })
    ))

  it.effect("an empty flow run is empty, one that is not there is FlowRunNotFound", () =>
    withServer(
      () =>
        Effect.gen(function*() {
          const api = yield* PrefectApi
          assert.deepStrictEqual(yield* api.firstTaskRunOfEachTask("11111111-1111-4111-8111-111111111111"), [])
          for (const id of ["00000000-0000-4000-8000-000000000000", "nope"]) {
            const { reason } = yield* Effect.flip(api.firstTaskRunOfEachTask(id))
            assert.strictEqual(reason._tag, "FlowRunNotFound")
          }
        }),
      ({ path }) =>
        path === "/flow_runs/11111111-1111-4111-8111-111111111111"
          ? { status: 200, body: { ...Recorded.flowRuns[0], id: path.slice(11) } }
          : undefined
    ))

  it.effect("by the names of states, of either Prefect", () =>
    withServer((server) =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const flowRunId = Recorded.runs["structure"]!
        const of = (states: ReadonlyArray<string>) =>
          Effect.map(Stream.runCollect(api.taskRuns({ flowRunId, states })), (views) => [...views])
        const rows = Recorded.taskRuns.filter((row) => row["flow_run_id"] === flowRunId)
        const count = (keeps: (type: unknown, name: unknown) => boolean) =>
          rows.filter((row) => {
            const state = row["state"] as Recorded.Row
            return keeps(state["type"], state["name"])
          }).length
        const failed = yield* of(["Failed"])
        assert.strictEqual(failed.length, count((type, name) => type === "CRASHED" || name === "Failed"))
        assert.isTrue(failed.every((view) => view.state._tag === "Failed"))
        assert.strictEqual((yield* of(["CRASHED"])).length, count((type) => type === "CRASHED"))
        assert.strictEqual(
          (yield* of(["AllGood", "TimedOut"])).length,
          count((_, name) => name === "AllGood" || name === "TimedOut")
        )
        const before = server.received.length
        assert.lengthOf(yield* of(["Mapped"]), 0)
        assert.strictEqual(server.received.length, before)
      })
    ))

  it.effect("siblings are the other runs of the same task key", () =>
    withServer(() =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const [first] = yield* Stream.runCollect(Stream.take(api.taskRuns({ flowRunId: map250 }), 1))
        const siblings = yield* Stream.runCollect(api.siblings(first!))
        assert.deepStrictEqual([...ids(siblings), first!.taskRunId as string].toSorted(), allIds)
        const alone = yield* api.taskRun(
          (Recorded.exchange("task_runs/get_no_flow").response as Recorded.Row)["id"] as string
        )
        assert.lengthOf(yield* Stream.runCollect(api.siblings(alone)), 0)
      })
    ))
})

describe("flow runs, flows, logs, artifacts, histories", () => {
  it.effect("a flow run, and FlowRunNotFound", () =>
    withServer(() =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const row = Recorded.exchange("flow_runs/get_structure").response as Recorded.Row
        const view = yield* api.flowRun(row["id"] as string)
        assert.strictEqual(view.name, row["name"])
        assert.strictEqual(view.flowId, row["flow_id"])
        assert.strictEqual(view.startTime, row["start_time"])
        assert.strictEqual(view.scheduledStartTime, row["expected_start_time"])
        assert.strictEqual(view.state._tag, "Success")
        const { reason } = yield* Effect.flip(api.flowRun("00000000-0000-4000-8000-000000000000"))
        assert.strictEqual(reason._tag, "FlowRunNotFound")
      })
    ))

  it.effect("flow runs newest first, page by page, also where times are equal", () =>
    withServer((server) =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const views = yield* Stream.runCollect(api.flowRuns({}, { pageSize: 2 }))
        const times = [...views].map((view) => view.scheduledStartTime ?? "")
        assert.deepStrictEqual(times, times.toSorted().toReversed())
        assert.strictEqual(new Set([...views].map((view) => view.flowRunId)).size, Recorded.flowRuns.length)
        assert.isAbove(server.received.length, 2)
        const byFlow = yield* Stream.runCollect(api.flowRuns({ flowId: String(Recorded.flowRuns[0]!["flow_id"]) }))
        assert.isTrue([...byFlow].every((view) => view.flowId === Recorded.flowRuns[0]!["flow_id"]))
        assert.isAbove(byFlow.length, 0)
      })
    ))

  it.effect("flow runs at the same time, and without one, each once", () => {
    const ids = Array.from({ length: 7 }, (_, index) => `${index}`.repeat(8))
    const rows = ids.map((id, index) => ({
      ...Recorded.flowRuns[0],
      id,
      expected_start_time: index < 2 ? null : "2026-11-23T00:00:00Z"
    }))
    return withServer(() =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const views = yield* Stream.runCollect(api.flowRuns({}, { pageSize: 2 }))
        assert.deepStrictEqual(views.map((view) => view.flowRunId as string), ids)
      }), ({ body, path }) => {
      if (path !== "/flow_runs/filter") return undefined
      const { flow_runs: filter, limit, offset } = body as { readonly [key: string]: unknown }
      const timed = filter === undefined ? rows : rows.slice(2)
      return { status: 200, body: timed.slice(Number(offset), Number(offset) + Number(limit)) }
    })
  })

  it.effect("flows", () =>
    withServer(() =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const views = yield* Stream.runCollect(api.flows())
        assert.lengthOf(views, Recorded.flows.length)
        assert.strictEqual((yield* api.flow(views[0]!.flowId)).name, views[0]!.name)
        const { reason } = yield* Effect.flip(api.flow("00000000-0000-4000-8000-000000000000"))
        assert.strictEqual(reason._tag, "FlowNotFound")
      })
    ))

  const lines = Recorded.logs
    .filter((row) => row["flow_run_id"] === Recorded.runs["structure"])
    .toSorted((left, right) => {
      const key = (row: Recorded.Row) => `${row["timestamp"]} ${row["id"]}`
      return key(left) < key(right) ? -1 : 1
    })

  for (const pageSize of [1, 2, 3, 200]) {
    it.effect(`logs in the order of their timestamps, ${pageSize} at once`, () =>
      withServer(() =>
        Effect.gen(function*() {
          const api = yield* PrefectApi
          const found = yield* Stream.runCollect(api.logs({ flowRunId: Recorded.runs["structure"]! }, { pageSize }))
          assert.deepStrictEqual([...found].map((line) => line.id), lines.map((row) => row["id"] as string))
          assert.isTrue([...found].every((line) => line.level === "INFO"))
        })
      ))
  }

  it.effect("logs of one timestamp in the order in which the server received them", () => {
    const flowRunId = Recorded.runs["structure"]!
    const ids = ["d", "a", "c", "b", "f", "e"]
    const tied = ids.map((id, index) => ({
      ...lines[0]!,
      id,
      timestamp: "2026-11-23T06:19:37.807395Z",
      created: `2026-11-23T06:19:39.85389${index}Z`,
      flow_run_id: flowRunId
    }))
    return withServer(
      () =>
        Effect.gen(function*() {
          const api = yield* PrefectApi
          const idsOf = (query: Backend.LogsQuery, pageSize?: number) =>
            Effect.map(
              Stream.runCollect(api.logs({ flowRunId, ...query }, { pageSize })),
              (found) => found.map(({ id }) => id)
            )
          assert.deepStrictEqual(yield* idsOf({}), ids)
          const { timestamp } = tied[0]!
          assert.deepStrictEqual(yield* idsOf({ after: { timestamp, id: "c" } }), ["b", "f", "e"])
          assert.deepStrictEqual(yield* idsOf({ after: { timestamp, id: "0" } }), ids)
          assert.deepStrictEqual(yield* idsOf({ after: { timestamp, id: "e" } }), [])
        }),
      ({ body, path }) =>
        path === "/logs/filter"
          // The server orders by the timestamp alone.
          ? { status: 200, body: Number(body?.["offset"] ?? 0) > 0 ? [] : [...tied.slice(3), ...tied.slice(0, 3)] }
          : undefined
    )
  })

  it.effect("logs of a level and above, after a line, of a task run", () =>
    withServer((server) =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const flowRunId = Recorded.runs["structure"]!
        assert.lengthOf(yield* Stream.runCollect(api.logs({ flowRunId, level: "INFO" })), lines.length)
        assert.lengthOf(yield* Stream.runCollect(api.logs({ flowRunId, level: "WARNING" })), 0)
        assert.deepStrictEqual(server.received.at(-1)?.body?.["logs"], {
          flow_run_id: { any_: [flowRunId] },
          level: { ge_: 30 }
        })
        const at = { timestamp: lines[4]!["timestamp"] as string, id: lines[4]!["id"] as string }
        const later = yield* Stream.runCollect(api.logs({ flowRunId, after: at }, { pageSize: 3 }))
        assert.deepStrictEqual([...later].map((line) => line.id), lines.slice(5).map((row) => row["id"] as string))
        const taskRunId = Recorded.exchange("logs/filter_task").response as ReadonlyArray<Recorded.Row>
        const ofTask = yield* Stream.runCollect(api.logs({ taskRunId: taskRunId[0]!["task_run_id"] as string }))
        assert.lengthOf(ofTask, taskRunId.length)
        assert.strictEqual(server.received.at(-1)?.body?.["sort"], "TIMESTAMP_ASC")
      })
    ))

  it.effect("artifacts", () =>
    withServer(() =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const found = yield* Stream.runCollect(api.artifacts({ flowRunId: Recorded.runs["structure"]! }))
        assert.deepStrictEqual(
          [...found].map((artifact) => artifact.kind),
          Recorded.artifacts.filter((row) => row["flow_run_id"] === Recorded.runs["structure"])
            .toSorted((left, right) => String(left["id"]) < String(right["id"]) ? 1 : -1)
            .map((row) => row["type"] as string | null)
        )
      })
    ))

  it.effect("every state that a task run had, oldest first", () =>
    withServer(() =>
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const recorded = Recorded.exchange("task_runs/states_flaky")
        const taskRunId = recorded.request.path.split("=")[1]!
        const records = yield* api.taskRunStates(taskRunId)
        const rows = recorded.response as ReadonlyArray<Recorded.Row>
        assert.deepStrictEqual(records.map((record) => record.timestamp), rows.map((row) => row["timestamp"] as string))
        assert.deepStrictEqual(
          records.map((record) => record.state._tag),
          rows.map((row) =>
            ({ PENDING: "Pending", COMPLETED: "Success" })[row["type"] as string] ??
              (row["name"] === "Running" ? "Running" : "Retrying")
          )
        )
        const { reason } = yield* Effect.flip(api.taskRunStates("00000000-0000-4000-8000-000000000000"))
        assert.strictEqual(reason._tag, "TaskRunNotFound")
      })
    ))
})

it.effect("an id that is no UUID is nobody's", () =>
  withServer(() =>
    Effect.gen(function*() {
      const api = yield* PrefectApi
      const asked: ReadonlyArray<readonly [string, Effect.Effect<unknown, PrefectApiError>]> = [
        ["FlowRunNotFound", Stream.runCollect(api.taskRuns({ flowRunId: "nope" }))],
        ["FlowRunNotFound", Stream.runCollect(api.logs({ flowRunId: "nope" }))],
        ["TaskRunNotFound", Stream.runCollect(api.logs({ taskRunId: "nope" }))],
        ["FlowRunNotFound", Stream.runCollect(api.artifacts({ flowRunId: "nope" }))],
        ["TaskRunNotFound", Stream.runCollect(api.artifacts({ taskRunId: "nope" }))],
        ["FlowNotFound", Stream.runCollect(api.flowRuns({ flowId: "nope" }))],
        ["TaskRunNotFound", api.taskRun("nope")],
        ["FlowRunNotFound", api.flowRun("nope")],
        ["FlowNotFound", api.flow("nope")],
        ["StorageBlockNotFound", api.storageBlock("nope")],
        ["FlowRunNotFound", api.flowRunStates("nope")],
        ["TaskRunNotFound", api.taskRunStates("nope")],
        ["FlowRunNotFound", api.taskRunBySlug({ taskSlug: "x", flowRunId: "nope", mapIndex: -1 })]
      ]
      for (const [reason, effect] of asked) assert.strictEqual((yield* Effect.flip(effect)).reason._tag, reason)
    })
  ))

describe("storage blocks", () => {
  const blockId = (name: string) => (Recorded.exchange(`blocks/${name}`).response as Recorded.Row)["id"] as string
  const reveal = (value: unknown): unknown =>
    Redacted.isRedacted(value)
      ? Redacted.value(value)
      : Array.isArray(value)
      ? value.map(reveal)
      : typeof value === "object" && value !== null
      ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, reveal(item)]))
      : value

  for (const name of ["local", "s3", "s3_inline", "s3_minio", "remote", "awscreds"]) {
    it.effect(`${name}: secrets stay masked, what opens something is not printed`, () =>
      withServer((server) =>
        Effect.gen(function*() {
          const api = yield* PrefectApi
          const block = yield* api.storageBlock(blockId(name))
          const { response } = Recorded.exchange(`blocks/${name}`)
          assert.deepStrictEqual(reveal(block.data), (response as Recorded.Row)["data"])
          assert.notMatch(JSON.stringify(block), /AKIA|fake-/)
          assert.isFalse(server.received.some(({ path }) => path.includes("include_secrets")))
        })
      ))
    if (name === "awscreds") continue
    it.effect(`${name}: with secrets on request, each Redacted`, () =>
      withServer(
        () =>
          Effect.gen(function*() {
            const api = yield* PrefectApi
            const block = yield* api.storageBlock(blockId(name))
            const { response } = Recorded.exchange(`blocks/${name}_secrets`)
            assert.deepStrictEqual(reveal(block.data), (response as Recorded.Row)["data"])
            assert.notMatch(JSON.stringify(block), /AKIA|fake|\*\*\*/)
          }),
        undefined,
        { includeSecrets: true }
      ))
  }

  it.effect("of many bytes are not all kept, and one of too many is not read", () => {
    const id = (at: number) => `00000000-0000-4000-8000-${at.toString(16).padStart(12, "0")}`
    const asked: Array<string> = []
    return withServer(
      () =>
        Effect.gen(function*() {
          const api = yield* PrefectApi
          const blocks = 160
          for (let at = 0; at < blocks; at++) yield* api.storageBlock(id(at))
          yield* api.storageBlock(id(blocks - 1))
          assert.lengthOf(asked, blocks)
          yield* api.storageBlock(id(0))
          assert.deepStrictEqual(asked.slice(blocks), [id(0)])
          const error = yield* Effect.flip(api.storageBlock(id(1000)))
          assert.strictEqual(error.reason._tag, "MalformedResponse")
          assert.include(error.message, "262144 bytes")
        }),
      ({ path }) => {
        const asking = /block_documents\/([^?]+)/.exec(path)?.[1]
        if (asking === undefined) return undefined
        asked.push(asking)
        const x = "x".repeat(asking === id(1000) ? 300_000 : 250_000)
        return { status: 200, body: { id: asking, block_type: { slug: "s3" }, data: { x } } }
      }
    )
  })

  it.effect("one fetch for a block, and a failure is not kept", () => {
    let failures = 1
    return withServer(
      (server) =>
        Effect.gen(function*() {
          const api = yield* PrefectApi
          const id = blockId("local")
          const error = yield* Effect.flip(api.storageBlock(id))
          assert.strictEqual(error.reason._tag, "Unavailable")
          yield* Effect.all(Array.from({ length: 10 }, () => api.storageBlock(id)), { concurrency: "unbounded" })
          assert.lengthOf(server.received.filter(({ path }) => path.includes("/block_documents/")), 2)
          const gone = yield* Effect.flip(api.storageBlock("00000000-0000-4000-8000-000000000000"))
          assert.deepInclude(gone.reason, { _tag: "StorageBlockNotFound" })
        }),
      ({ path }) =>
        path.includes("/block_documents/") && failures-- > 0
          ? { status: 500, body: { exception_message: "x" } }
          : undefined
    )
  })
})
