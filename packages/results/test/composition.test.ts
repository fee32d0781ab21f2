/** Storages and options do what they say wherever they stand in a composition of layers. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as ArchiveVerify from "@effect-prefect/results/ArchiveVerify"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as MemoryStorage from "@effect-prefect/results/MemoryStorage"
import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import * as SecretStorage from "@effect-prefect/results/SecretStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"
import { mappedTables, numbers, single, success } from "./support/world.ts"

const reasonOf = (id: string) =>
  Effect.flatMap(TaskRun.fromTaskRunId(id), (taskRun) => Effect.flip(taskRun.getResult)).pipe(
    Effect.map(({ reason }) => reason._tag)
  )

const archive = fileURLToPath(new URL("../../../fixtures/prefect-1", import.meta.url))

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
    ),
    "under a storage that is built anew": Layer.mergeAll(api, Layer.fresh(Layer.provide(storage, options))),
    "around all": Layer.provideMerge(Layer.mergeAll(api, storage), options),
    "above all": Layer.provideMerge(options, Layer.mergeAll(api, storage)),
    "beside a storage that allows more": Layer.mergeAll(
      api,
      Layer.provide(storage, options),
      Layer.provide(MemoryStorage.layer({}), ResultOptions.layer({ maxChildren: 10 }))
    ),
    "beside a storage that allows more, in the other order": Layer.mergeAll(
      api,
      Layer.provide(MemoryStorage.layer({}), ResultOptions.layer({ maxChildren: 10 })),
      Layer.provide(storage, options)
    ),
    "below other options": Layer.mergeAll(
      api,
      storage,
      Layer.provide(ResultOptions.layer({ concurrency: 1 }), options)
    ),
    "beside one that gives none": Layer.mergeAll(
      api,
      Layer.provide(storage, options),
      // Without exactOptionalPropertyTypes this is what an option is that was left out.
      ResultOptions.layer({ concurrency: 1, ...JSON.parse("{}") as { maxChildren?: number } })
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

  it.effect("and those of a provide around another", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* reasonOf("parent"), "ResultTooLarge")
    }).pipe(
      Effect.provide(ResultOptions.layer({ concurrency: 1 })),
      Effect.provide(Layer.mergeAll(api, storage, options))
    ))

  it.effect("in a runtime, and those of a service for one effect", () =>
    Effect.promise(async () => {
      const runtime = ManagedRuntime.make(Layer.mergeAll(api, Layer.provide(storage, options)))
      assert.strictEqual(await runtime.runPromise(reasonOf("parent")), "ResultTooLarge")
      const few = { ...ResultOptions.defaults, maxBytes: 0, maxChildren: 5 }
      const taskRun = TaskRun.fromTaskRunId("parent").pipe(Effect.provideService(ResultOptions.ResultOptions, few))
      const outcomes = Effect.flatMap(taskRun, ({ outcomes }) => Stream.runCollect(outcomes))
      const all = await runtime.runPromise(outcomes)
      assert.isTrue(all.every(({ result }) => result._tag === "Failure"))
      await runtime.dispose()
    }))

  it.effect("and the program's, even where it gives the default", () =>
    Effect.gen(function*() {
      const taskRun = yield* TaskRun.fromTaskRunId("parent")
      assert.deepStrictEqual(yield* taskRun.getResult, [0, 1, 2, 3, 4])
    }).pipe(
      Effect.provide(Layer.mergeAll(
        api,
        Layer.provide(storage, options),
        ResultOptions.layer({ maxChildren: ResultOptions.defaults.maxChildren })
      ))
    ))

  it.effect("also where a reader ignores them", () =>
    Effect.gen(function*() {
      const taskRun = yield* TaskRun.fromTaskRunId("child-1")
      const errors = [
        yield* Effect.flip(taskRun.getResult),
        yield* Effect.flip(taskRun.getResultBytes),
        yield* Effect.flip(Stream.runDrain(taskRun.getTable()))
      ]
      assert.deepStrictEqual(errors.map(({ reason }) => reason._tag), Array(3).fill("ResultTooLarge"))
    }).pipe(Effect.provide(Layer.mergeAll(api, storage, ResultOptions.layer({ maxBytes: 0 })))))

  it.effect("a value that is undefined is the one that is in effect", () =>
    Effect.gen(function*() {
      const given = JSON.parse("{}") as { maxBytes: number }
      const { maxBytes, maxChildren } = yield* ResultStorage.resultOptions.pipe(
        Effect.provide(ResultOptions.layer({ maxBytes: given.maxBytes }))
      )
      assert.deepStrictEqual([maxBytes, maxChildren], [10, 2])
    }).pipe(
      Effect.provide(Layer.mergeAll(ResultOptions.layer({ maxBytes: 10 }), Layer.provide(storage, options)))
    ))

  it.effect("a number that is none is a defect when its layer is built, and no limit that nothing is above", () =>
    Effect.gen(function*() {
      const odd = [NaN, -1, -Infinity, "5", 5n, null]
      const counts = [...odd, 0, 1.5]
      const cases = {
        maxBytes: [odd, "a number of at least 0"],
        maxMemory: [odd, "a number of at least 0"],
        maxChildren: [odd, "a number of at least 0"],
        concurrency: [counts, "a positive whole number"],
        pageSize: [[...counts, Infinity], "a positive whole number"]
      } as const
      for (const [name, [values, wanted]] of Object.entries(cases)) {
        for (const value of values) {
          const message = `${name} of ResultOptions is not ${wanted}: give one, or leave it out`
          const given = { [name]: value } as Partial<ResultOptions.Options>
          assert.include(String(yield* Effect.exit(Effect.provide(Effect.void, ResultOptions.layer(given)))), message)
          const own = Effect.provideService(
            TaskRun.fromTaskRunId("parent"),
            ResultOptions.ResultOptions,
            { ...ResultOptions.defaults, ...given }
          )
          assert.include(String(yield* Effect.exit(Effect.provide(own, Layer.mergeAll(api, storage)))), message)
        }
      }
      yield* Effect.provide(
        Effect.void,
        ResultOptions.layer({ maxBytes: 0, maxMemory: Infinity, concurrency: Infinity })
      )
    }))

  it.effect("as is one of a storage, a verification or an export", () =>
    Effect.gen(function*() {
      for (const value of [NaN, -1, 0, 1.5]) {
        const built = (build: () => Layer.Layer<ResultStorage.ResultStorage, unknown>) =>
          Effect.exit(Effect.provide(ResultStorage.ResultStorage, Layer.suspend(build)))
        for (
          const exit of [
            yield* built(() => LocalStorage.layer({ roots: ["/"], concurrency: value })),
            yield* built(() => S3Storage.layer({ buckets: ["b"], concurrency: value })),
            yield* built(() => S3Storage.layer({ buckets: ["b"], attempts: value })),
            yield* built(() => MemoryStorage.make({}, { concurrency: value }).layer),
            yield* Effect.exit(
              Stream.runDrain(ArchiveVerify.verify(archive, { concurrency: value })).pipe(Effect.provide(storage))
            )
          ]
        ) assert.include(String(exit), " is not a positive whole number: give one, or leave it out")
      }
    }))

  it.effect("an object without all of the options is completed in one way", () =>
    Effect.gen(function*() {
      const some = { maxBytes: 7 } as ResultOptions.Options
      const options = yield* Effect.provideService(ResultStorage.resultOptions, ResultOptions.ResultOptions, some)
      assert.deepStrictEqual(options, { ...ResultOptions.defaults, maxBytes: 7 })
      const run = yield* Effect.provideService(
        TaskRun.fromTaskRunId("parent"),
        ResultOptions.ResultOptions,
        { maxChildren: 5 } as ResultOptions.Options
      )
      assert.deepStrictEqual(yield* run.getResult, [0, 1, 2, 3, 4])
    }).pipe(Effect.provide(Layer.mergeAll(api, storage))))

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
