import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Pages from "../src/internal/pages.ts"
import { pagesOf } from "./pagesOf.ts"

const task = { flowRunId: "f", taskId: "t" }

describe("pages of a listing", () => {
  it.effect("may begin with another number of rows than the later ones have", () =>
    Effect.gen(function*() {
      const limits: Array<number> = []
      const rows = Pages.stream(({ cursor, limit }) =>
        Effect.sync(() => {
          limits.push(limit)
          const from = cursor === undefined ? 0 : Number(cursor)
          const items = Array.from({ length: Math.min(limit, 12 - from) }, (_, at) => from + at)
          return { items, next: from + limit < 12 ? from + limit : undefined }
        }), { first: 2, next: 5 })
      assert.deepStrictEqual(yield* Stream.runCollect(rows), Array.from({ length: 12 }, (_, at) => at))
      assert.deepStrictEqual(limits, [2, 5, 5])
    }))
})

describe("listings of PrefectApi", () => {
  it.effect("ask for nothing before they are pulled", () =>
    Effect.gen(function*() {
      const { api, requests } = yield* pagesOf(1000)
      const children = api.mappedChildren(task)
      assert.deepStrictEqual(requests, [])
      yield* Stream.runDrain(Stream.take(children, 0))
      assert.isAtMost(requests.length, 1)
    }))

  it.effect("cost one page when a few of a thousand are taken", () =>
    Effect.gen(function*() {
      const { api, requests } = yield* pagesOf(1000)
      const taken = yield* Stream.runCollect(Stream.take(api.mappedChildren(task, { pageSize: 100 }), 3))
      assert.deepStrictEqual(taken.map((view) => view.mapIndex), [0, 1, 2])
      assert.deepStrictEqual(requests, [{ cursor: undefined, limit: 100 }])
    }))

  it.effect("ask for each page once, with the cursor of the one before", () =>
    Effect.gen(function*() {
      const { api, requests } = yield* pagesOf(25)
      const all = yield* Stream.runCollect(api.mappedChildren(task, { pageSize: 10 }))
      assert.deepStrictEqual(all.map((view) => view.mapIndex), Array.from({ length: 25 }, (_, at) => at))
      assert.deepStrictEqual(requests.map(({ cursor }) => cursor), [undefined, 10, 20])
    }))

  it.effect("have the next page under way while this one is used", () =>
    Effect.gen(function*() {
      const { api, requests } = yield* pagesOf(30)
      const halfway = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(Stream.runForEach(
        api.mappedChildren(task, { pageSize: 10 }),
        (view) =>
          view.mapIndex === 5 ? Effect.andThen(Deferred.succeed(halfway, undefined), Deferred.await(go)) : Effect.void
      ))
      yield* Deferred.await(halfway)
      assert.strictEqual(requests.length, 2)
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(fiber)
      assert.strictEqual(requests.length, 3)
    }))

  it.effect("go on over pages that are empty, and end only where the backend says so", () =>
    Effect.gen(function*() {
      const { api } = yield* pagesOf(30, { keep: (at) => at >= 25 })
      const all = yield* Stream.runCollect(api.mappedChildren(task, { pageSize: 5 }))
      assert.deepStrictEqual(all.map((view) => view.mapIndex), [25, 26, 27, 28, 29])
    }))

  it.effect("fail when a backend sends them in circles", () =>
    Effect.gen(function*() {
      const { api, requests } = yield* pagesOf(30, { next: () => 7 })
      const error = yield* Effect.flip(Stream.runDrain(api.mappedChildren(task, { pageSize: 5 })))
      assert.strictEqual(error.reason._tag, "MalformedResponse")
      assert.strictEqual(requests.length, 2)
    }))

  it.effect("give the rows before a failing page, then fail", () =>
    Effect.gen(function*() {
      const { api } = yield* pagesOf(30, { failAt: 10 })
      const seen: Array<number> = []
      const error = yield* Effect.flip(Stream.runForEach(
        api.mappedChildren(task, { pageSize: 5 }),
        (view) => Effect.sync(() => seen.push(view.mapIndex))
      ))
      assert.strictEqual(error.reason._tag, "Unavailable")
      assert.deepStrictEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    }))

  it.effect("never ask for a page of nothing", () =>
    Effect.gen(function*() {
      for (const pageSize of [0, -3, Number.NaN, 0.5]) {
        const { api, requests } = yield* pagesOf(3)
        yield* Stream.runDrain(api.mappedChildren(task, { pageSize }))
        for (const { limit } of requests) assert.isAtLeast(limit, 1)
      }
    }))
})

describe("rows of another owner than was asked for", () => {
  const id = (at: number) => `00000000-0000-4000-8000-00000000000${at}`
  const [asked, other] = [id(1), id(2)]
  const task = { flowRunId: asked, taskId: asked }
  const view = (flowRunId: string | null, taskId: string) =>
    TaskRunView.fromRow({
      id: id(3),
      name: null,
      task: { id: taskId, slug: "t-1" },
      task_id: taskId,
      map_index: 0,
      serialized_state: null,
      flow_run_id: flowRunId
    }) as TaskRunView.TaskRunView
  const views = (flowRunId: string | null, taskId: string) =>
    Effect.succeed({ items: [view(flowRunId, taskId)], next: undefined })
  /** A server that gives the rows of these owners, whatever it is asked. */
  const served = Effect.fnUntraced(function*(flowRunId: string | null, taskId: string) {
    const nothing = yield* MemoryApi.make({})
    const page = <A>(item: A) => Effect.succeed({ items: [item], next: undefined })
    const row = { id: id(4), flow_id: taskId, name: "f", taskRunId: taskId, flowRunId, timestamp: "", message: "" }
    return PrefectApi.make({
      ...nothing,
      name: "a test",
      taskRunBySlug: () => Effect.succeed(view(flowRunId, taskId)),
      firstTaskRunOfEachTask: () => Effect.succeed([view(flowRunId, taskId)]),
      taskRunsOfTaskPage: () => views(flowRunId, taskId),
      taskRunsPage: () => views(flowRunId, taskId),
      siblingsPage: () => views(flowRunId, taskId),
      taskRunSummariesPage: () =>
        page({ taskRunId: id(3), taskId, mapIndex: 0, state: "Success", startTime: null, endTime: null }),
      flowRunsPage: () => page({ ...row, flowId: taskId } as never),
      flowsPage: () => Effect.die("not asked for"),
      logsPage: () => page(row as never),
      artifactsPage: () => page({ id: id(4), taskRunId: taskId, kind: "link", data: null } as never)
    })
  })
  type Api = PrefectApi.PrefectApi["Service"]
  const listings: Readonly<Record<string, (api: Api) => Stream.Stream<unknown, PrefectApiError>>> = {
    mappedChildren: (api) => api.mappedChildren(task),
    "mappedChildren of a range": (api) => api.mappedChildren(task, { until: 5 }),
    taskRunsOfTask: (api) => api.taskRunsOfTask(task),
    taskRuns: (api) => api.taskRuns({ flowRunId: asked }),
    taskRunSummaries: (api) => api.taskRunSummaries(task),
    siblings: (api) => api.siblings(view(asked, asked)),
    flowRuns: (api) => api.flowRuns({ flowId: asked }),
    logs: (api) => api.logs(task),
    "logs of a task run": (api) => api.logs({ taskRunId: asked }),
    artifacts: (api) => api.artifacts({ taskRunId: asked }),
    firstTaskRunOfEachTask: (api) => Stream.fromIterableEffect(api.firstTaskRunOfEachTask(asked)),
    taskRunBySlug: (api) => Stream.fromEffect(api.taskRunBySlug({ flowRunId: asked, taskSlug: "t-1", mapIndex: 0 }))
  }

  for (const [name, listing] of Object.entries(listings)) {
    it.effect(`are MalformedResponse: ${name}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Stream.runDrain(listing(yield* served(other, other))))
        assert.strictEqual(error.reason._tag, "MalformedResponse")
        assert.notInclude(error.message, other)
        for (const same of [asked, asked.toUpperCase(), asked.replaceAll("-", "")]) {
          const found = yield* Stream.runCollect(listing(yield* served(same, same)))
          assert.strictEqual(found.length, 1, same)
        }
      }))
  }

  it.effect("are those of another task, too, but not those that name no owner", () =>
    Effect.gen(function*() {
      const ofTask = (api: Api) => Stream.runCollect(api.taskRunsOfTask(task))
      const error = yield* Effect.flip(ofTask(yield* served(asked, other)))
      assert.strictEqual(error.reason._tag, "MalformedResponse")
      assert.strictEqual((yield* ofTask(yield* served(null, asked))).length, 1)
      assert.strictEqual((yield* ofTask(yield* served("no id", asked))).length, 1)
    }))

  it.effect("are those before the children that were asked for, too", () =>
    Effect.gen(function*() {
      const api = yield* served(asked, asked)
      for (const range of [{ after: 0 }, { after: 0, until: 3 }]) {
        const error = yield* Effect.flip(Stream.runDrain(api.mappedChildren(task, range)))
        assert.include(error.message, "a row before those that were asked for")
      }
    }))
})

describe("a service", () => {
  it.effect("says what its backend is called", () =>
    Effect.gen(function*() {
      const api = yield* PrefectApi.PrefectApi
      assert.strictEqual(api.backendName, "the memory")
    }).pipe(Effect.provide(MemoryApi.layer({}))))
})
