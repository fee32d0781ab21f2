import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as InlineStorage from "@effect-prefect/results/InlineStorage"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Recorded from "../../api/test/prefect3Server.ts"

const fixtures = fileURLToPath(new URL("../../../fixtures", import.meta.url))

type Expected = Readonly<Record<string, { readonly value?: JsonProjection.Json; readonly reason?: string }>>
const expectedOf = (folder: string): Expected =>
  JSON.parse(readFileSync(`${fixtures}/${folder}/expected.json`, "utf8")) as Expected

const withServer = <A, E>(
  folder: string,
  use: (server: Recorded.Prefect3Server) => Effect.Effect<A, E, PrefectApi | ResultStorage.ResultStorage>,
  reply: (request: Recorded.Received) => Recorded.Reply = Recorded.replay(`${fixtures}/${folder}`)
) =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* Effect.acquireRelease(
      Effect.promise(() => Recorded.start(reply)),
      (server) => Effect.promise(() => server[Symbol.asyncDispose]())
    )
    const files = LocalStorage.layer({ mounts: [{ from: "/srv/prefect2", to: `${fixtures}/${folder}/files` }] })
    const live = Layer.provideMerge(Prefect3Storage.layer(files), Prefect3Api.layer({ url: server.url, events: false }))
    return yield* Effect.provide(use(server), live)
  }))

/** Compares every run that a folder has an expected value of; the number of task runs and flow runs. */
const compareAll = (folder: string) =>
  withServer(folder, () =>
    Effect.gen(function*() {
      const expected = expectedOf(folder)
      const seen = new Set<string>()
      const compare = Effect.fnUntraced(function*<E extends { readonly reason: { readonly _tag: string } }>(
        id: string,
        result: Result.Result<unknown, E>
      ) {
        const due = expected[id]
        if (due === undefined) return
        seen.add(id)
        if (Result.isFailure(result)) return assert.strictEqual(result.failure.reason._tag, due.reason, id)
        assert.deepStrictEqual(yield* JsonProjection.toJson(result.success), due.value, id)
      })
      for (const view of yield* Stream.runCollect((yield* PrefectApi).flowRuns())) {
        const flowRun = yield* FlowRun.fromView(view)
        yield* compare(view.flowRunId, yield* Effect.result(flowRun.getResult))
        for (const { result, taskRun } of yield* Stream.runCollect(flowRun.results)) {
          yield* compare(taskRun.view.taskRunId, result)
        }
      }
      assert.deepStrictEqual([...seen].toSorted(), Object.keys(expected).toSorted())
      return seen.size
    }))

describe("every result of a recorded server, as that version's own client gives it", () => {
  for (
    const [folder, count] of [
      ["prefect-2/2.20.27", 23],
      ["prefect-2/2.4.5", 6],
      ["prefect-3.9/inline-data", 3],
      ["prefect-3.9/flow-result", 3]
    ] as const
  ) {
    it.effect(folder, () => Effect.map(compareAll(folder), (found) => assert.strictEqual(found, count)))
  }
})

describe("plain JSON in a state is the value", () => {
  const folder = "prefect-3.9/inline-data"
  const id = "2e141156-2f60-4dc7-bfb9-6a9712391842"
  const recorded = Recorded.replay(`${fixtures}/${folder}`)
  /** The recorded task run with another value; as text, since JavaScript has no such numbers. */
  const withData = (data: string) => (request: Recorded.Received): Recorded.Reply => {
    const reply = recorded(request)
    if (request.path !== `/task_runs/${id}`) return reply
    const row = reply.body as Recorded.Row
    const text = JSON.stringify({ ...row, state: { ...row["state"] as Recorded.Row, data: "DATA" } })
    return { status: 200, headers: { "content-type": "application/json" }, body: text.replace("\"DATA\"", data) }
  }
  for (
    const [data, value] of [
      ["0", 0],
      ["false", false],
      ["\"\"", ""],
      ["-1.5", -1.5],
      ["[]", []],
      ["{\"type\":\"LocalResult\",\"location\":\"/etc/passwd\"}", { type: "LocalResult", location: "/etc/passwd" }],
      ["12345678901234567890", "12345678901234567890"],
      ["{\"n\": [1, -98765432109876543210, 3]}", { n: [1, "-98765432109876543210", 3] }],
      ["\"2020-01-01\"", "2020-01-01"]
    ] as const
  ) {
    it.effect(data, () =>
      withServer(folder, () =>
        Effect.gen(function*() {
          const taskRun = yield* TaskRun.fromTaskRunId(id)
          assert.deepStrictEqual(yield* JsonProjection.toJson(yield* taskRun.getResult), value as JsonProjection.Json)
        }), withData(data)))
  }
})

describe("a flow run's own result", () => {
  const folder = "prefect-3.9/flow-result"
  const flowRunId = "4ce916e7-f241-4f8c-8b43-6380567e89b4"

  it.effect("is loaded once, decoded by a schema, and had as it was stored", () =>
    withServer(folder, () =>
      Effect.gen(function*() {
        const flowRun = yield* FlowRun.fromFlowRunId(flowRunId)
        const [first, second] = yield* Effect.all([flowRun.getResult, flowRun.getResult], { concurrency: 2 })
        assert.strictEqual(first, second)
        assert.strictEqual(yield* (yield* flowRun.getLatest).getResult, first)
        assert.strictEqual(yield* flowRun.awaitResult(), first)
        assert.deepStrictEqual(yield* flowRun.getResultAs(Schema.Struct({ n: Schema.Finite })), { n: 3 })
        const error = yield* Effect.flip(flowRun.getResultAs(Schema.Struct({ m: Schema.Finite })))
        assert.strictEqual(error.reason._tag, "ResultDecodeError")
        assert.strictEqual(error.flowRunId, flowRunId)
        assert.isNull(error.taskRunId)
        assert.include(error.message, `flow run ${flowRunId}`)
        assert.isAbove((yield* flowRun.getResultBytes).length, 0)
      })))

  it.effect("is NotFinished while it runs, and NotPersisted where none was stored", () =>
    Effect.gen(function*() {
      const reasonOf = (folder: string, id: string) =>
        withServer(folder, () =>
          Effect.map(
            Effect.flip(Effect.flatMap(FlowRun.fromFlowRunId(id), (_) => _.getResult)),
            (error) => error.reason
          ))
      const running = yield* reasonOf("prefect-3.9/inline-data", "93b8a17d-8b45-4888-9f89-9383f8b626a8")
      assert.strictEqual(running._tag, "NotFinished")
      const off = yield* reasonOf("prefect-3.9/failed-words", "d1333855-de92-4fe2-b0a4-1120d09a60a2")
      assert.strictEqual(off._tag, "NotPersisted")
    }))

  it.effect("of Prefect 1 is the descriptor of its final state, which hardly any flow has", () =>
    Effect.gen(function*() {
      const flowRun = yield* FlowRun.fromFlowRunId("d519b032-3289-5454-baee-5690a71c5be6")
      const error = yield* Effect.flip(flowRun.getResult)
      assert.strictEqual(error.reason._tag, "NotPersisted")
      assert.include(error.message, "Prefect 1")
      assert.notInclude(error.message, "persist_result")
    }).pipe(
      Effect.provide(InlineStorage.layer),
      Effect.provide(ArchiveApi.layer(`${fixtures}/prefect-0.10`))
    ))
})

describe("why nothing was stored, in the words of the Prefect that ran it", () => {
  const folder = "prefect-3.9/failed-words"
  const messageOf = (taskSlug: string) =>
    withServer(folder, () =>
      Effect.gen(function*() {
        const flowRunId = "d1333855-de92-4fe2-b0a4-1120d09a60a2"
        const taskRun = yield* TaskRun.fromTaskSlug({ taskSlug, flowRunId })
        const error = yield* Effect.flip(taskRun.getResult)
        assert.strictEqual(error.reason._tag, "NotPersisted")
        return error.message
      }))

  it.effect("a run that failed says what the state says", () =>
    Effect.map(messageOf("bad"), (message) => {
      assert.include(
        message,
        "failed: Task run encountered an exception ConnectionError: could not reach warehouse db-7"
      )
      assert.notInclude(message, "persist_result")
    }))

  it.effect("a run that was not persisted says how to persist it", () =>
    Effect.map(messageOf("good"), (message) => {
      assert.include(message, "persistence was off")
      assert.include(message, "persist_result=True")
      assert.include(message, "PREFECT_RESULTS_PERSIST_BY_DEFAULT")
      assert.notInclude(message, "checkpointing")
    }))
})

it.effect("results of Prefect 0.10 are what their handlers stored", () =>
  Effect.gen(function*() {
    const flowRun = yield* FlowRun.fromFlowRunId("d519b032-3289-5454-baee-5690a71c5be6")
    const outcomes = yield* Stream.runCollect(flowRun.results)
    const found = outcomes.map(({ result, taskRun: { view } }) => [
      `${view.taskSlug}[${view.mapIndex}]`,
      Result.isSuccess(result) ? result.success : result.failure.reason._tag
    ])
    assert.deepStrictEqual(found, [
      ["bare-1[-1]", "bare"],
      ["js-1[-1]", { a: 1 }],
      ["m-1[-1]", [2, 4, 6]],
      ["m-1[0]", 2],
      ["m-1[1]", 4],
      ["m-1[2]", 6],
      ["none-1[-1]", "NotPersisted"],
      ["par-1[-1]", 3],
      ["rows-1[-1]", [1, 2, 3]]
    ])
  }).pipe(
    Effect.provide(ResultStorage.layerMerge([
      InlineStorage.layer,
      LocalStorage.layer({ mounts: [{ from: "/srv/prefect/results", to: `${fixtures}/prefect-0.10/results` }] })
    ])),
    Effect.provide(ArchiveApi.layer(`${fixtures}/prefect-0.10`))
  ))
