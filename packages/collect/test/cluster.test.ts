/** A cluster's workers, which a Postgres hands the parts to: here PGlite, over its socket. */
import * as Collect from "@effect-prefect/collect/Collect"
import * as CollectCluster from "@effect-prefect/collect/CollectCluster"
import { CollectError, OutputUnavailable } from "@effect-prefect/collect/CollectError"
import * as CollectOutput from "@effect-prefect/collect/CollectOutput"
import * as CollectWorkflow from "@effect-prefect/collect/CollectWorkflow"
import type { ResultStorage } from "@effect-prefect/results/ResultStorage"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import { ClusterDatabase } from "./support/database.ts"
import { json, mapped, parts, places, single, storage, tables, text, unavailable, world } from "./support/world.ts"

type Files = Map<string, Uint8Array>

const data = tables({
  first: [single("first", "a-1"), mapped("first", "b-1", 9)],
  second: [single("second", "a-1")]
})

const options: Collect.PlanOptions = { selection: { all: true }, output: { format: "jsonl", partRows: 3 } }

interface World {
  readonly participant: () => Layer.Layer<CollectCluster.Services, SqlError>
  readonly files: Files
  readonly storage?: Layer.Layer<ResultStorage> | undefined
}

const services = ({ files, participant, storage }: World) =>
  Layer.merge(places(data, files, storage === undefined ? {} : { storage }), participant())

const pollInterval = 20

const start = (world: World, given: Partial<Parameters<typeof CollectCluster.start>[0]> = {}) =>
  CollectCluster.start({ ...options, place: "memory", pollInterval, ...given }).pipe(
    Effect.provide(services(world)),
    Effect.scoped
  )

const work = (world: World, given: Partial<CollectCluster.WorkerOptions> = {}) =>
  CollectCluster.work({
    open: () => CollectOutput.layerMemory(world.files),
    untilDone: true,
    pollInterval,
    ...given
  }).pipe(Effect.scoped, Effect.provide(services(world)))

const quiet = Effect.gen(function*() {
  const files: Files = new Map()
  yield* Effect.provide(Collect.run(options), world(data, files))
  return files
})

layer(ClusterDatabase.layer, { excludeTestServices: true })("on one Postgres", (it) => {
  describe("a cluster", () => {
    it.effect("gives the bytes of one quiet run, and says how far it has come", () =>
      Effect.gen(function*() {
        const participant = yield* (yield* ClusterDatabase).empty
        const files: Files = new Map()
        const seen: Array<CollectCluster.Progress> = []
        const [collection] = yield* Effect.all([
          // One that begins when the other has ended has no progress to tell.
          start({ participant, files }, { onProgress: (progress) => seen.push(progress) }),
          start({ participant, files }, { onProgress: (progress) => seen.push(progress) }),
          work({ participant, files }),
          work({ participant, files }, { slots: 1 })
        ], { concurrency: "unbounded" })
        const due = yield* quiet
        assert.isTrue(collection.manifest.complete)
        assert.deepStrictEqual(parts(files), parts(due))
        assert.strictEqual(text(files, "_manifest.json"), text(due, "_manifest.json"))
        assert.strictEqual(seen.at(-1)?.parts, 5)
        const [job] = yield* Effect.provide(CollectCluster.status, participant())
        assert.deepInclude(job, {
          place: "memory",
          isFinished: true,
          failedParts: 0,
          parts: 5,
          publishedParts: 5,
          rows: 12
        })
        // Both starters offered every part, and each was enqueued once.
        const rows = yield* Effect.provide(
          Effect.flatMap(SqlClient, (sql) => sql<{ readonly state: string }>`select state from effect_prefect_queue`),
          participant()
        )
        assert.deepStrictEqual(rows.map(({ state }) => state), Array.from({ length: 5 }, () => "completed"))
      }).pipe(Effect.scoped))

    it.effect("ends with the parts that failed, and the next start tries them again", () =>
      Effect.gen(function*() {
        const participant = yield* (yield* ClusterDatabase).empty
        const files: Files = new Map()
        const broken = storage((location) => location.includes("/4.") ? unavailable(location) : json({ at: location }))
        const failing = { participant, files, storage: broken.layer }
        const [error] = yield* Effect.all([
          Effect.flip(start(failing, { maxAttempts: 2 })),
          work(failing)
        ], { concurrency: "unbounded" })
        assert.strictEqual(error.reason._tag, "PartsFailed")
        assert.match(
          error.message,
          /^1 of 5 parts failed: part \d \(b-1\[3…5\] of flow run first\): .*it does not answer/
        )
        assert.isFalse(files.has("_manifest.json"))
        const [collection] = yield* Effect.all([start({ participant, files }), work({ participant, files })], {
          concurrency: "unbounded"
        })
        assert.isTrue(collection.manifest.complete)
        assert.deepStrictEqual(parts(files), parts(yield* quiet))
      }).pipe(Effect.scoped))

    it.effect("with allowFailed ends with a manifest that lists them", () =>
      Effect.gen(function*() {
        const participant = yield* (yield* ClusterDatabase).empty
        const files: Files = new Map()
        const broken = storage((location) => location.includes("/4.") ? unavailable(location) : json({ at: location }))
        const failing = { participant, files, storage: broken.layer }
        const [collection] = yield* Effect.all([
          start(failing, { maxAttempts: 1, allowFailed: true }),
          work(failing)
        ], { concurrency: "unbounded" })
        assert.isFalse(collection.manifest.complete)
        assert.deepStrictEqual(collection.manifest.failed.map(({ attempts }) => attempts), [1])
      }).pipe(Effect.scoped))

    it.effect("a worker that may not read what the plan needs takes no part", () =>
      Effect.gen(function*() {
        const participant = yield* (yield* ClusterDatabase).empty
        const files: Files = new Map()
        const starter = yield* Effect.forkScoped(start({ participant, files }))
        const denied = storage()
        const error = yield* Effect.flip(
          work({
            participant,
            files,
            storage: Layer.effect(
              (yield* Effect.promise(() => import("@effect-prefect/results/ResultStorage"))).ResultStorage,
              Effect.sync(() => ({ readers: [], resolve: () => undefined, read: () => Effect.die("not to be read") }))
            )
          })
        )
        assert.strictEqual((error as CollectError).reason._tag, "PlaceNotAllowed")
        assert.deepStrictEqual(denied.reads, [])
        yield* work({ participant, files })
        assert.isTrue((yield* Fiber.join(starter)).manifest.complete)
      }).pipe(Effect.scoped))

    it.effect("a job whose output is not there is left out, and others are served", () =>
      Effect.gen(function*() {
        const participant = yield* (yield* ClusterDatabase).empty
        const gone: Files = new Map()
        const files: Files = new Map()
        const abandoned = yield* Effect.forkScoped(start({ participant, files: gone }, { place: "gone" }))
        const enqueued = Effect.map(
          Effect.provide(CollectCluster.status, participant()),
          (jobs) => jobs.some(({ place }) => place === "gone")
        )
        while (!(yield* Effect.orElseSucceed(enqueued, () => false))) yield* Effect.sleep("20 millis")
        yield* Fiber.interrupt(abandoned)
        const said: Array<string> = []
        const [collection] = yield* Effect.all([
          start({ participant, files }, { place: "here" }),
          work({ participant, files }, {
            open: (place) => CollectOutput.layerMemory(place === "gone" ? new Map() : files),
            onMessage: (message) => said.push(message)
          })
        ], { concurrency: "unbounded" })
        assert.isTrue(collection.manifest.complete)
        assert.strictEqual(said.filter((message) => message.includes("gone holds no plan")).length, 1)
      }).pipe(Effect.scoped))
  })

  describe("the workflow", () => {
    it.effect("enqueues, waits for the workers, and ends with the manifest", () =>
      Effect.gen(function*() {
        const participant = yield* (yield* ClusterDatabase).empty
        const files: Files = new Map()
        const { plan } = yield* Collect.start(options).pipe(Effect.provide(services({ files, participant })))
        const payload = { job: plan.job, place: "memory" }
        const workflow = CollectWorkflow.layer({
          open: (place) => CollectOutput.layerMemory(place === "memory" ? files : new Map()),
          pollInterval
        }).pipe(
          Layer.provideMerge(Layer.merge(WorkflowEngine.layerMemory, participant()))
        )
        const [first, second] = yield* Effect.all([
          CollectWorkflow.Collect.execute(payload),
          CollectWorkflow.Collect.execute(payload),
          work({ participant, files })
        ], { concurrency: "unbounded" }).pipe(Effect.provide(workflow))
        assert.deepInclude(first, { complete: true, parts: 5, rows: 12, results: 11, failedParts: 0 })
        assert.deepStrictEqual(second, first)
        assert.deepStrictEqual(parts(files), parts(yield* quiet))

        const error = yield* Effect.flip(
          Effect.provide(CollectWorkflow.Collect.execute({ job: "other", place: "memory" }), workflow)
        )
        assert.strictEqual(error.reason._tag, "OtherCollection")
        // The same results in another place are another collection.
        const elsewhere = yield* Effect.flip(
          Effect.provide(CollectWorkflow.Collect.execute({ job: plan.job, place: "elsewhere" }), workflow)
        )
        assert.strictEqual(elsewhere.reason._tag, "NotACollection")
      }).pipe(Effect.scoped))
  })
})

describe("outlive", () => {
  it.effect("says once that a server is away, and tries again; other errors pass", () =>
    Effect.gen(function*() {
      const said: Array<string> = []
      let left = 3
      const away = new CollectError({ reason: new OutputUnavailable({ output: "s3://b", detail: "no answer" }) })
      const { inTime } = yield* Effect.promise(() => import("./support/world.ts"))
      const value = yield* inTime(CollectCluster.outlive(
        Effect.suspend(() => left-- > 0 ? Effect.fail(away) : Effect.succeed("there")),
        (problem) => said.push(problem)
      ))
      assert.strictEqual(value, "there")
      assert.deepStrictEqual(said, ["s3://b: no answer; trying again"])
      assert.strictEqual(yield* Effect.flip(CollectCluster.outlive(Effect.fail("other"), () => {})), "other")
    }))
})
