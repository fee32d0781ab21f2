/** Collections come about once, whatever happens to their writers. */
import * as Collect from "@effect-prefect/collect/Collect"
import { CollectError, OutputUnavailable } from "@effect-prefect/collect/CollectError"
import * as CollectOutput from "@effect-prefect/collect/CollectOutput"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { runs } from "../../core/test/seeds.ts"
import {
  inTime,
  json,
  mapped,
  notFound,
  type Options,
  parts,
  rows,
  single,
  storage,
  success,
  tables,
  text,
  unavailable,
  world
} from "./support/world.ts"

type Files = Map<string, Uint8Array>

const data = tables({
  first: [single("first", "a-1"), mapped("first", "b-1", 7), single("first", "c-1")],
  second: [single("second", "a-1")],
  third: [single("third", "a-1"), single("third", "b-1", { type: "Failed" })]
})

const options: Options = { selection: { all: true }, output: { format: "jsonl", partRows: 3 } }

const collect = (files: Files, given: Partial<Options> = {}, parts: Parameters<typeof world>[2] = {}, of = data) =>
  Collect.run({ ...options, ...given }).pipe(Effect.provide(world(of, files, parts)))

const outcomeOf = (row: Record<string, unknown>) => row["outcome"] as { value?: unknown; error?: { reason: string } }

describe("a collection", () => {
  it.effect("is not made without a child whose row cannot be read", () => {
    const deep: unknown = JSON.parse("[".repeat(1_100) + "]".repeat(1_100))
    const of = tables({
      run: [mapped("run", "a-1", 2, {
        nMapStates: null,
        state: (index) => index === 1 ? { type: "Success", deep } : success("/srv/0.json")
      })]
    })
    return Effect.gen(function*() {
      const error = yield* inTime(Effect.flip(collect(new Map(), {}, {}, of)))
      assert(error instanceof CollectError)
      assert.match(error.message, /left out a row of task_run/)
    })
  })

  it.effect("has the rows of every flow run in order, a parent before its children", () =>
    Effect.gen(function*() {
      const files: Files = new Map()
      const { manifest } = yield* collect(files)
      assert.deepStrictEqual(
        rows(files).map((row) => `${row["flow_run_id"]} ${row["task_slug"]} ${row["map_index"]}`),
        [
          "first a-1 -1",
          "first b-1 -1",
          ...[0, 1, 2, 3, 4, 5, 6].map((index) => `first b-1 ${index}`),
          "first c-1 -1",
          "second a-1 -1",
          "third a-1 -1",
          "third b-1 -1"
        ]
      )
      assert.deepStrictEqual(rows(files)[1], {
        flow_run_id: "first",
        task_run_id: "first-b-1",
        task_slug: "b-1",
        map_index: -1,
        state: "Mapped",
        mapped_children: 7
      })
      assert.deepStrictEqual(rows(files)[3]!["outcome"], { value: { at: "/srv/1.json" } })
      assert.deepStrictEqual(manifest.failures, { NotPersisted: 1 })
      assert.strictEqual(manifest.rows, 13)
      assert.strictEqual(manifest.results, 11)
      assert.isTrue(manifest.complete)
      assert.strictEqual(text(files, "_manifest.json").includes(manifest.job), true)
    }))

  it.effect("agrees with the results of its flow runs, and reads each object once", () => {
    const files: Files = new Map()
    const read = storage((location) => location.includes("/3.") ? notFound(location) : json([location, null]))
    return Effect.gen(function*() {
      yield* collect(files, {}, { storage: read.layer })
      const count = read.reads.length
      const due: Array<unknown> = []
      for (const id of ["first", "second", "third"]) {
        for (const { result, taskRun } of yield* Stream.runCollect((yield* FlowRun.fromFlowRunId(id)).results)) {
          if (taskRun.view.taskSlug === "b-1" && taskRun.view.mapIndex < 0 && id === "first") continue
          due.push([
            taskRun.view.taskRunId,
            Result.isSuccess(result) ? result.success : result.failure.reason._tag
          ])
        }
      }
      assert.deepStrictEqual(
        rows(files).filter((row) => row["mapped_children"] === undefined).map((row) => [
          row["task_run_id"],
          outcomeOf(row).error?.reason ?? outcomeOf(row).value
        ]),
        due as Array<Array<unknown>>
      )
      assert.strictEqual(read.reads.length - count, count)
    }).pipe(Effect.provide(world(data, files, { storage: read.layer })))
  })

  it.effect("is the same whatever the rows of a part", () =>
    Effect.gen(function*() {
      const whole: Files = new Map()
      yield* collect(whole, { output: { format: "jsonl" } })
      for (const partRows of [1, 2, 4, 6, 7, 8, 9, 12, 13, 14]) {
        const files: Files = new Map()
        yield* collect(files, { output: { format: "jsonl", partRows } })
        assert.deepStrictEqual(rows(files), rows(whole))
        for (const name of Object.keys(parts(files))) {
          assert.isAtMost(text(files, name).split("\n").length - 1, partRows)
        }
      }
    }))

  it.effect("takes gaps, duplicates, orphans and what its last range does not expect", () =>
    Effect.gen(function*() {
      const odd = tables({
        run: [
          mapped("run", "a-1", 0, { nMapStates: 6, indices: [0, 2, 2, 5, 9] }),
          mapped("run", "b-1", 4, { parent: false }),
          mapped("run", "c-1", 5, { nMapStates: null })
        ]
      })
      for (const partRows of [1, 2, 3, 100]) {
        const files: Files = new Map()
        const { manifest, plan } = yield* collect(files, { output: { format: "jsonl", partRows } }, {}, odd)
        assert.deepStrictEqual(
          rows(files).map((row) => `${row["task_slug"]}${row["map_index"]}${row["mapped_children"] ?? ""}`),
          [
            "a-1-16",
            "a-10",
            "a-12",
            "a-12",
            "a-15",
            "a-19",
            "b-10",
            "b-11",
            "b-12",
            "b-13",
            "c-1-15",
            ...[0, 1, 2, 3, 4]
              .map((index) => `c-1${index}`)
          ]
        )
        assert.strictEqual(plan.expected, null)
        assert.strictEqual(manifest.incomplete.length, 1)
      }
    }))

  it.effect("that is complete is left alone, and reads nothing", () => {
    const read = storage()
    const files: Files = new Map()
    return Effect.gen(function*() {
      const { manifest } = yield* collect(files, {}, { storage: read.layer })
      const before = new Map(files)
      const count = read.reads.length
      assert.deepStrictEqual((yield* collect(files, {}, { storage: read.layer })).manifest, manifest)
      assert.strictEqual(read.reads.length, count)
      assert.deepStrictEqual(files, before)
    })
  })

  it.effect("refuses an output that holds another", () =>
    Effect.gen(function*() {
      const files: Files = new Map()
      yield* collect(files)
      for (
        const given of [
          { selection: { flowRunIds: ["first"] } },
          { output: { format: "parquet", partRows: 3 } },
          { output: { format: "jsonl", partRows: 4 } },
          { output: { format: "jsonl", partRows: 3, compression: "gzip" } }
        ] as Array<Partial<Options>>
      ) {
        const error = yield* Effect.flip(collect(files, given))
        assert.strictEqual(error.reason._tag, "OtherCollection")
      }
      const elsewhere = tables({ other: [single("other", "a-1")] })
      assert.strictEqual((yield* Effect.flip(collect(files, {}, {}, elsewhere))).reason._tag, "OtherCollection")
    }))

  it.effect("refuses a plan that was changed", () =>
    Effect.gen(function*() {
      const files: Files = new Map()
      yield* collect(files)
      files.set("_plan.json", Buffer.from(text(files, "_plan.json").replace(`"rows":3`, `"rows":2`)))
      assert.strictEqual((yield* Effect.flip(collect(files))).reason._tag, "NotACollection")
      files.set("_plan.json", Buffer.from("{"))
      assert.strictEqual((yield* Effect.flip(collect(files))).reason._tag, "NotACollection")
    }))
})

describe("failures", () => {
  it.effect("of results are rows", () =>
    Effect.gen(function*() {
      const files: Files = new Map()
      const odd = tables({
        run: [
          mapped("run", "a-1", 4, {
            state: (index) =>
              [
                { type: "Running" },
                { type: "Success", _result: { type: "SecretResult", location: "TOKEN" } },
                { type: "Success", _result: { type: "LocalResult", location: "/etc/passwd", dir: null } },
                success("/srv/bad.json")
              ][index]
          }),
          single("run", "b-1")
        ]
      })
      const plan = yield* Collect.plan({ ...options }).pipe(Effect.provide(world(odd, files)))
      files.set("_plan.json", Buffer.from(JSON.stringify({ ...plan, needs: ["/srv"] })))
      const { manifest } = yield* collect(files, {}, {
        storage: storage((location) =>
          location.endsWith("bad.json")
            ? Effect.succeed({ _tag: "Bytes", bytes: new Uint8Array([0x80, 99]), name: "bad" })
            : notFound(location)
        ).layer
      }, odd)
      assert.deepStrictEqual(manifest.failures, {
        NotFinished: 1,
        ResultAccessDenied: 1,
        ResultDecodeError: 1,
        ResultNotFound: 1,
        UnsupportedResultType: 1
      })
    }))

  it.effect("of the store fail the part, which is tried again", () =>
    Effect.gen(function*() {
      const files: Files = new Map()
      const quiet: Files = new Map()
      yield* collect(quiet)
      let left = 9
      const failures: Array<number> = []
      yield* inTime(collect(files, {
        observer: { onFailure: (part, _, attempts) => failures.push(part.part * 100 + attempts) }
      }, {
        storage: storage((location) =>
          location.includes("/4.") && left-- > 0 ? unavailable(location) : json({ at: location })
        )
          .layer
      }))
      assert.deepStrictEqual(parts(files), parts(quiet))
      assert.strictEqual(failures.length, 9)
    }))

  it.effect("are told to spans by their reason, not by what the message names", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          const end = span.end.bind(span)
          span.end = (time, exit) => {
            if (Exit.isFailure(exit)) told.push(`${span.name}: ${Cause.pretty(exit.cause)}`)
            end(time, exit)
          }
          return span
        }
      })
      const broken = { storage: storage(unavailable).layer }
      const error = yield* Effect.flip(
        inTime(Effect.withTracer(collect(new Map(), { maxAttempts: 1 }, broken), tracer))
      )
      assert.include(error.message, "/srv/")
      assert.match(told.join("\n"), /^Collect\.run: Error: PartsFailed/m)
      assert.notInclude(told.filter((one) => one.startsWith("Collect")).join("\n"), "/srv/")
    }))

  it.effect("end with what failed, and the same command tries again", () =>
    Effect.gen(function*() {
      const files: Files = new Map()
      const quiet: Files = new Map()
      yield* collect(quiet)
      const broken = {
        storage: storage((location) => location.includes("/4.") ? unavailable(location) : json({ at: location })).layer
      }
      const error = yield* Effect.flip(inTime(collect(files, { maxAttempts: 2 }, broken)))
      assert.strictEqual(error.reason._tag, "PartsFailed")
      assert.match(
        error.message,
        /^1 of \d parts failed: part \d+ \(b-1\[3…5\] of flow run first\): .*it does not answer/
      )
      assert.isFalse(files.has("_manifest.json"))

      const { manifest } = yield* inTime(collect(files, { maxAttempts: 2, allowFailed: true }, broken))
      assert.isFalse(manifest.complete)
      assert.strictEqual(manifest.failed[0]?.attempts, 2)
      const again = yield* inTime(collect(files, { maxAttempts: 1, allowFailed: true }, broken))
      assert.isFalse(again.manifest.complete)

      assert.isTrue((yield* collect(files)).manifest.complete)
      assert.deepStrictEqual(parts(files), parts(quiet))
      assert.isFalse((JSON.parse(text(files, "_manifest.json")) as { complete: boolean }).complete)
      assert.strictEqual(text(files, "_manifest-3.json"), text(quiet, "_manifest.json"))
      assert.deepStrictEqual(
        (yield* collect(files)).manifest,
        again.manifest.complete ? undefined : JSON.parse(text(quiet, "_manifest.json"))
      )
    }))

  it.effect("of permission end the work before it begins, and name the place", () => {
    const read = storage()
    const files: Files = new Map()
    const elsewhere = tables({
      run: [
        single("run", "a-1"),
        single("run", "b-1", {
          type: "Success",
          _result: { type: "LocalResult", location: "/data/x/1.json", dir: "/data" }
        })
      ]
    })
    return Effect.gen(function*() {
      const error = yield* Effect.flip(collect(files, {}, { storage: read.layer }, elsewhere))
      assert.strictEqual(error.reason._tag, "PlaceNotAllowed")
      assert.include(error.message, "--mount /data")
      assert.deepStrictEqual(read.reads, [])
    })
  })
})

describe("a storage that is missing", () => {
  it.effect("ends the work, and is named as a place where it is one", () =>
    Effect.gen(function*() {
      const result = (type: string, more: object) => ({ type: "Success", _result: { type, ...more } })
      for (
        const [state, tag, words] of [
          [result("GCSResult", { location: "a/b", bucket: "bucket" }), "PlaceNotAllowed", "--mount gs://bucket"],
          [result("PrefectResult", { location: "1" }), "Unsupported", "InlineStorage.layer"]
        ] as const
      ) {
        const files: Files = new Map()
        // More than a sample can show: the first children lie elsewhere.
        const odd = tables({
          run: [mapped("run", "a-1", 5, { state: (index) => index === 2 ? state : success(`/srv/${index}.json`) })]
        })
        const error = yield* Effect.flip(inTime(collect(files, {}, {}, odd)))
        assert.strictEqual(error.reason._tag, tag)
        assert.include(error.message, words)
      }
    }))
})

/** How one operation of an output goes. */
type Fault = "ok" | "refused" | "lost answer" | "dead before" | "dead after" | "frozen"

/**
 * An output over files whose operations go as they are told; after `dead` none ever ends, and after `frozen` none until
 * `thaw`.
 */
const faulty = (
  files: Files,
  faults: ReadonlyArray<Fault>,
  onDeath: () => void,
  thaw: Effect.Effect<void>
): CollectOutput.Output => {
  const output = CollectOutput.makeMemory(files)
  let step = 0
  let isDead = false
  let isFrozen = false
  const die = () => {
    isDead = true
    onDeath()
    return Effect.never
  }
  const lost = Effect.fail(
    new CollectError({ reason: new OutputUnavailable({ output: "memory", detail: "no answer" }) })
  )
  const wrap = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | CollectError, R> =>
    Effect.suspend((): Effect.Effect<A, E | CollectError, R> => {
      if (isDead) return Effect.never
      if (isFrozen) return Effect.andThen(thaw, effect)
      switch (faults[step++] ?? "ok") {
        case "ok":
          return effect
        case "refused":
          return lost
        case "lost answer":
          return Effect.andThen(effect, lost)
        case "dead before":
          return die()
        case "dead after":
          return Effect.andThen(effect, Effect.suspend(die))
        case "frozen":
          isFrozen = true
          onDeath()
          return Effect.andThen(thaw, effect)
      }
    })
  return {
    ...output,
    create: (name, body) => wrap(output.create(name, body)),
    read: (name) => wrap(output.read(name)),
    digest: (name) => wrap(output.digest(name))
  }
}

const Faults = Arbitrary.schema(
  Schema.Array(Schema.Literals(["ok", "ok", "ok", "refused", "lost answer", "dead before", "dead after", "frozen"]))
    .check(
      Schema.isMaxLength(30)
    )
)

/** Runs a starter until it ends, dies or is frozen. */
const starter = (files: Files, faults: ReadonlyArray<Fault>, given: Partial<Options>, thaw: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const death = yield* Deferred.make<void>()
    const output = faulty(files, faults, () => Deferred.doneUnsafe(death, Effect.void), thaw)
    const fiber = yield* Effect.forkChild(Effect.exit(collect(files, given, { output })))
    yield* Effect.raceFirst(Deferred.await(death), Fiber.await(fiber))
    return fiber
  })

describe("whatever happens to its writers", () => {
  for (const format of ["jsonl", "parquet"] as const) {
    const given: Partial<Options> = { output: { format, partRows: 2 }, slots: 2 }
    const quiet: Files = new Map()
    it.effect.prop(
      `a collection has the bytes of one quiet run: ${format}`,
      [Faults, Faults, Faults],
      (faults) =>
        Effect.gen(function*() {
          if (quiet.size === 0) yield* collect(quiet, given)
          const files: Files = new Map()
          const [first, second, third] = faults
          const thawed = yield* Deferred.make<void>()
          const thaw = Deferred.await(thawed)
          // Two starters at once, then a third, then one that nothing happens to.
          const fibers = yield* inTime(
            Effect.all([starter(files, first, given, thaw), starter(files, second, given, thaw)], { concurrency: 2 })
          )
          fibers.push(yield* inTime(starter(files, third, given, thaw)))
          const last = yield* Effect.exit(inTime(collect(files, given)))
          assert.isTrue(Exit.isSuccess(last))
          const complete = new Map(files)
          const check = Effect.gen(function*() {
            assert.deepStrictEqual(parts(files), parts(quiet))
            assert.strictEqual(text(files, "_manifest.json"), text(quiet, "_manifest.json"))
            assert.deepStrictEqual([...files.keys()].filter((name) => name.startsWith("_manifest")), ["_manifest.json"])
            const found = yield* Effect.provide(
              Collect.verify,
              CollectOutput.layerMemory(files)
            )
            assert.deepStrictEqual(found.issues, [])
          })
          yield* check
          // Those that were frozen go on where they were, in a collection that others have finished.
          yield* Deferred.succeed(thawed, undefined)
          yield* inTime(Effect.sleep("1 minute"))
          yield* check
          assert.deepStrictEqual([...files.keys()].toSorted(), [...complete.keys()].toSorted())
          yield* Fiber.interruptAll(fibers)
        }),
      { arbitrary: runs(8, 40) }
    )
  }

  it.effect("the part that was first counts, and its record says so when the source has changed", () =>
    Effect.gen(function*() {
      for (const format of ["jsonl", "parquet"] as const) {
        const files: Files = new Map()
        const given: Partial<Options> = {
          output: { format, partRows: 3, compression: format === "jsonl" ? "gzip" : "zstd" }
        }
        yield* collect(files, given)
        const before = parts(files)
        for (const name of files.keys()) {
          if (name.startsWith("_records/") || name.startsWith("_manifest")) files.delete(name)
        }
        const { manifest } = yield* collect(files, given, { storage: storage(notFound).layer })
        assert.deepStrictEqual(parts(files), before)
        assert.strictEqual(manifest.results, 11)
        assert.strictEqual(
          (JSON.parse(text(files, "_records/part-000001.json")) as { differed: boolean }).differed,
          true
        )
      }
    }))
})

describe("verifying and status", () => {
  const layer = (files: Files) => Layer.mergeAll(CollectOutput.layerMemory(files))

  it.effect("finds what is missing, was changed or does not belong", () =>
    Effect.gen(function*() {
      const files: Files = new Map()
      yield* collect(files)
      const issues = (change: (files: Files) => void) => {
        const changed = new Map(files)
        change(changed)
        return Effect.map(
          Effect.provide(Collect.verify, layer(changed)),
          ({ issues }) => issues.map(({ name }) => name)
        )
      }
      assert.deepStrictEqual(yield* issues(() => {}), [])
      assert.deepStrictEqual(yield* issues((files) => files.delete("part-000001.jsonl")), ["part-000001.jsonl"])
      assert.deepStrictEqual(yield* issues((files) => files.set("part-000001.jsonl", Buffer.from("{}\n"))), [
        "part-000001.jsonl"
      ])
      assert.deepStrictEqual(yield* issues((files) => files.set("part-000099.jsonl", Buffer.from("{}\n"))), [
        "part-000099.jsonl"
      ])
      assert.deepStrictEqual(yield* issues((files) => files.delete("_records/part-000000.json")), [
        "_manifest.json",
        "_records/part-000000.json"
      ])
      assert.deepStrictEqual(yield* issues((files) => files.delete("_manifest.json")), ["_manifest.json"])
      // What is damaged is one issue, and the rest is compared too.
      const damages = (name: string, bytes: string) => (files: Files) => {
        files.set(name, Buffer.from(bytes))
        files.delete("part-000001.jsonl")
      }
      for (const bytes of ["", "{", "{}", "\0\xff"]) {
        assert.deepStrictEqual(yield* issues(damages("_manifest.json", bytes)), [
          "_manifest.json",
          "part-000001.jsonl"
        ])
        assert.includeMembers(yield* issues(damages("_records/part-000000.json", bytes)), [
          "_records/part-000000.json",
          "part-000001.jsonl"
        ])
      }
      // A record under the name of another.
      assert.includeMembers(
        yield* issues((files) => files.set("_records/part-000000.json", files.get("_records/part-000001.json")!)),
        ["_records/part-000000.json"]
      )
    }))

  it.effect("counts what is there", () =>
    Effect.gen(function*() {
      const files: Files = new Map()
      yield* collect(files)
      files.delete("_manifest.json")
      files.delete("_records/part-000001.json")
      const status = yield* Effect.provide(Collect.status, layer(files))
      assert.isFalse(status.isComplete)
      assert.strictEqual(status.publishedParts, status.parts - 1)
      assert.strictEqual(status.rows, 10)
      assert.strictEqual(status.expectedRows, 13)
      const error = yield* Effect.flip(Effect.provide(Collect.status, layer(new Map())))
      assert.strictEqual(error.reason._tag, "NotACollection")
    }))
})
