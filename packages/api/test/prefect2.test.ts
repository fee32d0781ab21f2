import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"
import * as Recorded from "./prefect3Server.ts"

const fixtures = fileURLToPath(new URL("../../../fixtures/prefect-2", import.meta.url))

const withServer = <A, E>(version: string, use: (api: PrefectApi["Service"]) => Effect.Effect<A, E>) =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* Effect.acquireRelease(
      Effect.promise(() => Recorded.start(Recorded.replay(`${fixtures}/${version}`))),
      (server) => Effect.promise(() => server[Symbol.asyncDispose]())
    )
    return yield* Effect.flatMap(PrefectApi, use).pipe(Effect.provide(Prefect3Api.layer({ url: server.url })))
  }))

const runs = {
  "2.20.27": { flowRunId: "0b346833-670c-4cae-ae15-0a1c797ae94b", slug: "mapped", key: "mapped-96520d57", count: 6 },
  "2.4.5": { flowRunId: "b2e7e4d4-4d5d-4f13-9a52-83c7b06dab2e", slug: "m", key: "__main__.m", count: 3 }
}

for (const [version, { count, flowRunId, key, slug }] of Object.entries(runs)) {
  describe(`a server of Prefect ${version}`, () => {
    it.effect("is read, and named in messages", () =>
      withServer(version, (api) =>
        Effect.gen(function*() {
          assert.strictEqual((yield* api.flowRun(flowRunId)).flowRunId, flowRunId as never)
          assert.strictEqual(api.backendName, `Prefect ${version}`)
          const error = yield* Effect.flip(api.countMappedChildren({ flowRunId, taskId: "x" }))
          assert.strictEqual(error.reason._tag, "UnsupportedByBackend")
          assert.include(error.message, version)
        })))

    it.effect("numbers the calls of a task: a map index is a place among them", () =>
      withServer(version, (api) =>
        Effect.gen(function*() {
          for (const taskSlug of [slug, key]) {
            for (let mapIndex = 0; mapIndex < count; mapIndex++) {
              const view = yield* api.taskRunBySlug({ taskSlug, flowRunId, mapIndex })
              assert.strictEqual(view.taskSlug, key)
              assert.match(view.name!, new RegExp(`-${mapIndex}$`))
              assert.strictEqual(view.mapIndex, -1)
            }
            const beyond = yield* Effect.flip(api.taskRunBySlug({ taskSlug, flowRunId, mapIndex: count }))
            assert.strictEqual(beyond.reason._tag, "TaskRunNotFound")
            const any = yield* Effect.flip(api.taskRunBySlug({ taskSlug, flowRunId, mapIndex: -1 }))
            assert.strictEqual(any.reason._tag, "AmbiguousTaskRun")
          }
          const part = yield* Effect.flip(api.taskRunBySlug({ taskSlug: "main__", flowRunId, mapIndex: -1 }))
          assert.strictEqual(part.reason._tag, "TaskRunNotFound")
        })))

    it.effect("gives siblings, and every task run, in the order of the calls", () =>
      withServer(version, (api) =>
        Effect.gen(function*() {
          const second = yield* api.taskRunBySlug({ taskSlug: slug, flowRunId, mapIndex: 1 })
          const numberOf = ({ name }: { readonly name: string | null }) => Number(/\d+$/.exec(name!)![0])
          const siblings = yield* Stream.runCollect(api.siblings(second))
          const others = Array.from({ length: count }, (_, index) => index).filter((index) => index !== 1)
          assert.deepStrictEqual(siblings.map(numberOf), others)
          const all = yield* api.firstTaskRunOfEachTask(flowRunId)
          assert.deepStrictEqual(
            all.filter(({ taskSlug }) => taskSlug === key).map(numberOf),
            Array.from({ length: count }, (_, index) => index)
          )
        })))
  })
}

it.effect("what a version does not have is UnsupportedByBackend, with the version", () =>
  withServer("2.4.5", (api) =>
    Effect.gen(function*() {
      const { flowRunId } = runs["2.4.5"]
      const error = yield* Effect.flip(Stream.runCollect(api.artifacts({ flowRunId })))
      assert.strictEqual(error.reason._tag, "UnsupportedByBackend")
      assert.include(error.message, "Prefect 2.4.5 has no artifacts")
    })))
