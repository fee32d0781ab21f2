/** Storages and options do what they say wherever they stand in a composition of layers. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as MemoryStorage from "@effect-prefect/results/MemoryStorage"
import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as SecretStorage from "@effect-prefect/results/SecretStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { mappedTables, numbers, single, success } from "./support/world.ts"

const reasonOf = (id: string) =>
  Effect.flatMap(TaskRun.fromTaskRunId(id), (taskRun) => Effect.flip(taskRun.getResult)).pipe(
    Effect.map(({ reason }) => reason._tag)
  )

describe("ResultOptions reach what they bound", () => {
  const api = MemoryApi.layer(mappedTables(5))
  const options = ResultOptions.layer({ maxChildren: 2 })
  const storage = numbers().layer
  const compositions: Record<string, Layer.Layer<PrefectApi | ResultStorage.ResultStorage, unknown>> = {
    "beside the storage": Layer.mergeAll(api, storage, options),
    "before the storage": Layer.mergeAll(options, api, storage),
    "under the storage": Layer.mergeAll(api, Layer.provide(storage, options)),
    "merged into the storage": Layer.mergeAll(api, Layer.merge(storage, options)),
    "merged into the storage of Prefect 3": Layer.provideMerge(
      Prefect3Storage.layer(Layer.merge(storage, options)),
      api
    ),
    "under the storage of Prefect 3": Layer.provideMerge(
      Prefect3Storage.layer(Layer.provide(storage, options)),
      api
    ),
    "under Prefect 3's own layer": Layer.provideMerge(Layer.provide(Prefect3Storage.layer(storage), options), api),
    "in a list of storages": Layer.mergeAll(api, ResultStorage.layerMerge([Layer.merge(storage, options)])),
    "under one of a list": Layer.mergeAll(
      api,
      ResultStorage.layerMerge([
        SecretStorage.layer(() => Effect.succeed(Redacted.make(1))),
        Layer.provide(storage, options)
      ])
    )
  }
  for (const [where, layer] of Object.entries(compositions)) {
    it.effect(where, () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* reasonOf("parent"), "ResultTooLarge")
      }).pipe(Effect.provide(layer)))
  }

  it.effect("and each of two that stand in different places", () =>
    Effect.gen(function*() {
      const taskRun = yield* TaskRun.fromTaskRunId("parent")
      const outcomes = yield* Stream.runCollect(taskRun.outcomes)
      assert.strictEqual(yield* reasonOf("parent"), "ResultTooLarge")
      assert.isTrue(outcomes.every(({ result }) => result._tag === "Failure"))
    }).pipe(
      Effect.provide(Layer.mergeAll(
        api,
        Layer.provide(MemoryStorage.layer({ "/srv/0.json": "12345678901" }), options),
        ResultOptions.layer({ maxBytes: 10 })
      ))
    ))

  it.effect("and those of the program override those of the storage", () =>
    Effect.gen(function*() {
      const taskRun = yield* TaskRun.fromTaskRunId("parent")
      assert.deepStrictEqual(yield* taskRun.getResult, [0, 1, 2, 3, 4])
    }).pipe(
      Effect.provide(Layer.mergeAll(api, Layer.provide(storage, options), ResultOptions.layer({ maxChildren: 10 })))
    ))
})

describe("storages that are built together", () => {
  const reader = (type: string, prefix: string, answer: string): ResultStorage.AnyReader => ({
    type,
    concurrency: 1,
    resolve: ({ location }: ResultDescriptor) =>
      String(location).startsWith(prefix)
        ? {
          _tag: "Allowed",
          location: String(location),
          specificity: prefix.length,
          read: () => Effect.succeed({ _tag: "Value", value: answer })
        }
        : { _tag: "Denied", location: String(location), hint: `allow it in ${answer}` }
  })
  const layerOf = (...readers: Array<ResultStorage.AnyReader>) => ResultStorage.layer(Effect.succeed(readers))
  const valueOf = (layer: Layer.Layer<ResultStorage.ResultStorage>, location: string) =>
    Effect.gen(function*() {
      return yield* (yield* TaskRun.fromTaskRunId("run")).getResult
    }).pipe(Effect.provide(Layer.mergeAll(MemoryApi.layer(single(success(location))), layer)))

  it.effect("are one, in whatever order", () =>
    Effect.gen(function*() {
      const wide = layerOf(reader("LocalResult", "/srv/", "wide"))
      const narrow = layerOf(reader("LocalResult", "/srv/a/", "narrow"))
      const secrets = SecretStorage.layer(() => Effect.succeed(Redacted.make(1)))
      for (const layer of [Layer.mergeAll(wide, secrets, narrow), Layer.mergeAll(narrow, wide, secrets)]) {
        assert.strictEqual(yield* valueOf(layer, "/srv/a/x"), "narrow")
        assert.strictEqual(yield* valueOf(layer, "/srv/b/x"), "wide")
      }
    }))

  it.effect("read a place that two allow alike by the one that was written first, however long it takes to build", () =>
    Effect.gen(function*() {
      const slow = ResultStorage.layer(Effect.as(
        Effect.andThen(Effect.yieldNow, Effect.yieldNow),
        [reader("LocalResult", "/srv/", "first")]
      ))
      const quick = layerOf(reader("LocalResult", "/srv/", "second"))
      assert.strictEqual(yield* valueOf(Layer.mergeAll(slow, quick), "/srv/x"), "first")
      assert.strictEqual(yield* valueOf(Layer.mergeAll(quick, slow), "/srv/x"), "first")
    }))

  it.effect("say what the last of them says where none allows", () =>
    Effect.gen(function*() {
      const layer = Layer.mergeAll(
        layerOf(reader("LocalResult", "/a/", "one")),
        layerOf(reader("LocalResult", "/b/", "two"))
      )
      const error = yield* Effect.flip(valueOf(layer, "/srv/x"))
      assert.include(String(error), "allow it in two")
    }))

  it.effect("a nested provide replaces those of the outer one", () =>
    Effect.gen(function*() {
      const inner = layerOf(reader("LocalResult", "/", "inner"))
      assert.strictEqual(yield* valueOf(inner, "/srv/x"), "inner")
      const denied = yield* Effect.flip(valueOf(layerOf(reader("LocalResult", "/other/", "inner")), "/srv/x"))
      assert.include(String(denied), "may not be read")
    }).pipe(Effect.provide(layerOf(reader("LocalResult", "/srv/", "outer")))))

  it.effect("local files and a storage of memory, by mergeAll", () =>
    Effect.gen(function*() {
      const storage = yield* ResultStorage.ResultStorage
      assert.includeMembers(storage.readers.map(({ type }) => type), ["LocalResult", "S3Result", "SecretResult"])
    }).pipe(Effect.provide(Layer.mergeAll(
      LocalStorage.layer({ roots: ["/srv"] }),
      MemoryStorage.layer({ "s3://bucket/key": "1" }),
      SecretStorage.layer(() => Effect.succeed(Redacted.make(1)))
    ))))
})
