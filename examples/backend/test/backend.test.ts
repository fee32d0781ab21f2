import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as MemoryStorage from "@effect-prefect/results/MemoryStorage"
import type { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as Server from "@effect-prefect/server/Server"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"
import { layerFixture } from "../../../packages/server/test/support/pglite.ts"
import { Api } from "../src/Api.ts"
import { Routes } from "../src/Http.ts"

const count = 300
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
const success = (location: string | null) => ({
  type: "Success",
  _result: { type: "LocalResult", location, dir: "/srv" }
})

/** A mapped task with a child that stored nothing, one that runs, and one whose file is missing. */
const TestApi = MemoryApi.layer({
  flow_run: [{ id: "flow-run", name: "nightly", serialized_state: { type: "Success" } }],
  task: [{ id: "score", slug: "score-1" }, { id: "slow", slug: "slow-1" }, { id: "gone", slug: "gone-1" }],
  task_run: [
    {
      id: "parent",
      task_id: "score",
      flow_run_id: "flow-run",
      serialized_state: { type: "Mapped", n_map_states: count }
    },
    ...Array.from({ length: count }, (_, index) => ({
      id: `child-${index}`,
      task_id: "score",
      flow_run_id: "flow-run",
      map_index: index,
      serialized_state: success(index === 7 ? null : `/srv/${index}.json`)
    })),
    { id: "slow", task_id: "slow", flow_run_id: "flow-run", serialized_state: { type: "Running" } },
    { id: "gone", task_id: "gone", flow_run_id: "flow-run", serialized_state: success("/srv/gone.json") }
  ]
})

const files = Object.fromEntries(
  Array.from({ length: count }, (_, index) => [`/srv/${index}.json`, json({ id: index })])
)

const serving = <E1, E2>(prefect: Layer.Layer<PrefectApi, E1>, storage: Layer.Layer<ResultStorage, E2>) =>
  Effect.provide(
    HttpRouter.serve(Routes, { disableListenLog: true, disableLogger: true }).pipe(
      Layer.provide(Layer.merge(prefect, storage)),
      Layer.provideMerge(NodeHttpServer.layerTest)
    )
  )

const client = HttpApiClient.make(Api)
const get = (path: string) => Effect.flatMap(HttpClient.HttpClient, (http) => http.get(path))

describe("on swapped-in layers", () => {
  const provide = serving(TestApi, MemoryStorage.layer(files))

  it.effect("answers with views and results", () =>
    Effect.gen(function*() {
      const { healthz, prefect } = yield* client
      yield* healthz()
      const view = yield* prefect.taskRun({ params: { id: "child-3" } })
      assert.strictEqual(view.mapIndex, 3)
      assert.strictEqual(view.state._tag, "Success")
      assert.strictEqual((yield* prefect.flowRun({ params: { id: "flow-run" } })).name, "nightly")
      assert.deepStrictEqual(yield* prefect.result({ params: { id: "child-3" } }), { id: 3 })
    }).pipe(provide))

  const statuses: ReadonlyArray<readonly [path: string, status: number, reason: string]> = [
    ["/task-runs/nobody", 404, "TaskRunNotFound"],
    ["/flow-runs/nobody", 404, "FlowRunNotFound"],
    ["/task-runs/slow/result", 409, "NotFinished"],
    ["/task-runs/child-7/result", 404, "NotPersisted"],
    ["/task-runs/parent/result", 404, "NotPersisted"],
    ["/task-runs/child-1/children", 422, "NotMapped"],
    ["/task-runs/gone/result", 404, "ResultNotFound"]
  ]
  for (const [path, status, reason] of statuses) {
    it.effect(`${path} is ${status}: ${reason}`, () =>
      Effect.gen(function*() {
        const response = yield* get(path)
        assert.strictEqual(response.status, status)
        assert.strictEqual(((yield* response.json) as { readonly reason: string }).reason, reason)
      }).pipe(provide))
  }

  it.effect("streams children as they come, a failure as data", () =>
    Effect.gen(function*() {
      const { prefect } = yield* client
      const children = yield* Stream.runCollect(
        yield* prefect.children({ params: { id: "parent" }, query: { after: 4 } })
      )
      assert.strictEqual(children.length, count - 5)
      assert.deepStrictEqual(children[0]?.outcome, { value: { id: 5 } })
      const failed = children.find((child) => child.mapIndex === 7)?.outcome
      assert.strictEqual(failed !== undefined && "error" in failed ? failed.error.reason : undefined, "NotPersisted")
    }).pipe(provide))

  it.effect("describes itself", () =>
    Effect.gen(function*() {
      const document = (yield* (yield* get("/openapi.json")).json) as { readonly paths: Record<string, unknown> }
      assert.includeMembers(Object.keys(document.paths), ["/task-runs/{id}", "/task-runs/{id}/children", "/healthz"])
    }).pipe(provide))
})

describe("when the client goes", () => {
  it.live("nothing more is read", () => {
    let reads = 0
    const endless = MemoryStorage.layer(
      Object.fromEntries(
        Object.keys(files).map((place) => [
          place,
          Effect.suspend(() => {
            reads++
            return Effect.as(Effect.sleep("5 millis"), json({ place }))
          })
        ])
      )
    )
    return Effect.gen(function*() {
      const { prefect } = yield* client
      const children = yield* prefect.children({ params: { id: "parent" }, query: {} })
      yield* Stream.runDrain(Stream.take(children, 3))
      yield* Effect.sleep("100 millis")
      const then = reads
      yield* Effect.sleep("200 millis")
      assert.strictEqual(reads, then)
      assert.isBelow(reads, count)
    }).pipe(serving(TestApi, endless))
  })
})

describe("on the embedded server", () => {
  const archive = fileURLToPath(new URL("../../../fixtures/prefect-1", import.meta.url))
  const Prefect = Layer.unwrap(Effect.map(Server.Server, ({ url }) => GraphQLApi.layer({ url }))).pipe(
    // Not the test's client, whose requests all go to the API under test.
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(Server.layer({ port: 0, logRequests: false })),
    Layer.provide(layerFixture(archive))
  )
  const Storage = Layer.unwrap(
    Effect.map(ArchiveApi.readMounts(archive), (mounts) => LocalStorage.layer({ mounts }))
  )

  it.live("reads what a real Prefect recorded", () =>
    Effect.gen(function*() {
      const { prefect } = yield* client
      const flowRun = yield* prefect.flowRun({ params: { id: "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3" } })
      assert.strictEqual(flowRun.state._tag, "Failed")
      const summary = yield* prefect.result({ params: { id: "17938764-72a9-5e1a-a67b-d93a5ba52e6a" } })
      assert.deepStrictEqual(summary, { orders: 24, total_cents: 1283888 })
      const parent = { id: "9e660003-7e8c-53f4-bd50-60a839a87860" }
      const children = yield* Stream.runCollect(yield* prefect.children({ params: parent, query: {} }))
      assert.strictEqual(children.length, 24)
    }).pipe(serving(Prefect, Storage)))
})
