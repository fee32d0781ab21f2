/** Loads without an Effect: the same results as with one, in turns, and only where nobody could tell the difference. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { Table } from "@effect-prefect/formats/Table"
import * as Progress from "@effect-prefect/results/Progress"
import { ResultNotFound } from "@effect-prefect/results/ResultError"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as fs from "node:fs"
import { join } from "node:path"
import { findFolder, type Folder, readFile, readFileAtOnce } from "../src/internal/local/readFile.ts"
import { temporaryFolder } from "./support/temporaryFolder.ts"
import { mappedTables, numberOf } from "./support/world.ts"

const linux = process.platform === "linux"

/** The clock that decides on turns and slow calls, a number of milliseconds later at each look. */
const clock = (step: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let now = performance.now()
      return vi.spyOn(performance, "now").mockImplementation(() => now += step)
    }),
    (spy) => Effect.sync(() => spy.mockRestore())
  )

/** Results that hold their number, which can be read at once; the text of one that is not its number is not JSON. */
const world = (
  count: number,
  broken = -1,
  other?: (number: number, location: string) => ResultStorage.StoredResult | ResultNotFound,
  lookUp?: Effect.Effect<void, ResultNotFound>
) => {
  const asked = { atOnce: 0, read: 0 }
  const resolved: Array<string> = []
  let isKnown = lookUp === undefined
  const stored = (location: string): ResultStorage.StoredResult | ResultNotFound => {
    const number = numberOf(location)
    if (other !== undefined) return other(number, location)
    const bytes = new TextEncoder().encode(number === broken ? "[1," : `[${number}]`)
    return { _tag: "Bytes", bytes, name: location, format: "json" }
  }
  const storage = ResultStorage.layer(Effect.succeed([{
    type: "LocalResult",
    concurrency: 8,
    resolve: ({ location }): ResultStorage.ResolvedLocation => {
      resolved.push(String(location))
      return {
        _tag: "Allowed",
        location: String(location),
        readAtOnce: () => {
          asked.atOnce++
          return isKnown ? stored(String(location)) : undefined
        },
        beforeReadAtOnce: () =>
          isKnown || lookUp === undefined ? undefined : Effect.tap(lookUp, () => Effect.sync(() => isKnown = true)),
        read: () =>
          Effect.suspend(() => {
            asked.read++
            const found = stored(String(location))
            return found instanceof ResultNotFound ? Effect.fail(found) : Effect.succeed(found)
          })
      }
    }
  }]))
  return { asked, resolved, layer: Layer.merge(MemoryApi.layer(mappedTables(count)), storage) }
}

const child = (index: number) => TaskRun.fromTaskRunId(`child-${index}`)

describe("a result that can be read at once", () => {
  it.effect("is, once, and counted like others", () => {
    const { asked, layer } = world(3)
    return Effect.gen(function*() {
      const progress = yield* Progress.make
      const run = yield* child(1)
      assert.include(run.toString(), "not loaded")
      const values = yield* Effect.all([run.getResult, run.getResult], { concurrency: 2 }).pipe(
        Effect.provideService(Progress.Current, progress)
      )
      assert.deepStrictEqual(values, [[1], [1]])
      assert.strictEqual(values[0], values[1])
      assert.notInclude(run.toString(), "not loaded")
      assert.deepStrictEqual(asked, { atOnce: 1, read: 0 })
      assert.deepInclude(yield* progress.snapshot, { done: 1, failed: 0, bytes: 3 })
      const outcomes = yield* Stream.runCollect((yield* TaskRun.fromTaskRunId("parent")).outcomes)
      assert.deepStrictEqual(outcomes.map(({ result }) => Result.getOrThrow(result)), [[0], [1], [2]])
      assert.strictEqual(asked.read, 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect("fails as it would otherwise without another read, and may be tried again", () => {
    const { asked, layer } = world(2, 1)
    return Effect.gen(function*() {
      const run = yield* child(1)
      for (const times of [1, 2]) {
        const error = yield* Effect.flip(run.getResult)
        assert.strictEqual((error as { readonly reason?: { readonly _tag: string } }).reason?._tag, "ResultDecodeError")
        assert.deepStrictEqual(asked, { atOnce: 1, read: times - 1 })
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("is read once where it takes steps to decode, or is missing", () => {
    const { asked, layer } = world(3, -1, (number, location) =>
      number === 1
        ? { _tag: "Bytes", bytes: new TextEncoder().encode("a,b\n1,2\n"), name: location, format: "csv" }
        : new ResultNotFound({ location, detail: "gone" }))
    return Effect.gen(function*() {
      const table = yield* (yield* child(1)).getResult
      assert.instanceOf(table, Table)
      assert.deepStrictEqual(asked, { atOnce: 1, read: 0 })
      const missing = yield* child(2)
      const failures = yield* Effect.all([Effect.flip(missing.getResult), Effect.flip(missing.getResultBytes)])
      assert.include(String(failures[0]), "gone")
      assert.deepStrictEqual(asked, { atOnce: 2, read: 1 })
      const outcomes = yield* Stream.runCollect((yield* TaskRun.fromTaskRunId("parent")).outcomes)
      assert.deepStrictEqual(outcomes.map(({ result }) => Result.isSuccess(result)), [false, true, false])
      assert.deepStrictEqual(asked, { atOnce: 5, read: 1 })
    }).pipe(Effect.provide(layer))
  })

  for (
    const [name, load] of [
      ["getResult", () =>
        Effect.flatMap(
          Effect.forEach([0, 1, 2, 3], child),
          Effect.forEach((run) => Effect.result(run.getResult), { concurrency: 4 })
        )],
      [
        "outcomes",
        () =>
          Effect.flatMap(
            TaskRun.fromTaskRunId("parent"),
            ({ outcomes }) => Effect.map(Stream.runCollect(outcomes), (found) => found.map(({ result }) => result))
          )
      ]
    ] as const
  ) {
    it.effect(`waits for what must be looked up first, and not in a read of its own: ${name}`, () => {
      let lookUps = 0
      const { asked, layer } = world(4, -1, undefined, Effect.andThen(Effect.yieldNow, Effect.sync(() => lookUps++)))
      return Effect.gen(function*() {
        assert.deepStrictEqual((yield* load()).map(Result.getOrThrow), [[0], [1], [2], [3]])
        assert.strictEqual(lookUps, 4, "a storage decides what its lookups share")
        assert.strictEqual(asked.read, 0)
        yield* load()
        assert.strictEqual(lookUps, 4)
      }).pipe(Effect.provide(layer))
    })

    it.live(`waits for it in another turn too: ${name}`, () => {
      const { asked, layer } = world(4, -1, undefined, Effect.sleep("20 millis"))
      return Effect.gen(function*() {
        yield* Effect.yieldNow
        yield* clock(11)
        assert.deepStrictEqual((yield* load()).map(Result.getOrThrow), [[0], [1], [2], [3]])
        assert.strictEqual(asked.read, 0)
      }).pipe(Effect.provide(layer), Effect.scoped)
    })

    it.effect(`fails with what looking up fails with, and looks up again the next time: ${name}`, () => {
      let lookUps = 0
      const gone = new ResultNotFound({ location: "block", detail: "gone" })
      const { asked, layer } = world(
        4,
        -1,
        undefined,
        Effect.suspend(() => lookUps++ < 4 ? Effect.fail(gone) : Effect.void)
      )
      return Effect.gen(function*() {
        const progress = yield* Progress.make
        const failed = yield* Effect.provideService(load(), Progress.Current, progress)
        assert.deepStrictEqual(
          failed.map((result) => Result.isFailure(result) && (result.failure as { readonly reason?: unknown }).reason),
          [gone, gone, gone, gone]
        )
        assert.deepInclude(yield* progress.snapshot, { done: 4, failed: 4 })
        assert.deepStrictEqual((yield* load()).map(Result.getOrThrow), [[0], [1], [2], [3]])
        assert.strictEqual(asked.read, 0)
      }).pipe(Effect.provide(layer))
    })
  }

  it.live("resolves its location once, even if it waits for another turn", () => {
    const { asked, layer, resolved } = world(9)
    return Effect.gen(function*() {
      const runs = yield* Effect.forEach(Array.from({ length: 9 }, (_, index) => index), child)
      yield* clock(20)
      const values = yield* Effect.forEach(runs, (run) => run.getResult, { concurrency: "unbounded" })
      assert.deepStrictEqual(values, runs.map((_, index) => [index]))
      assert.deepStrictEqual(asked, { atOnce: 9, read: 0 })
      assert.strictEqual(new Set(resolved).size, 9)
      assert.strictEqual(resolved.length, 9)
      // A limit of its own makes a traversal resolve late.
      const parent = yield* TaskRun.fromTaskRunId("parent").pipe(
        Effect.provideService(ResultOptions.ResultOptions, { ...ResultOptions.defaults, concurrency: 4 })
      )
      assert.strictEqual(yield* Stream.runCount(parent.outcomes), 9)
      assert.strictEqual(resolved.length, 18)
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.live("never waits in vain for another turn", () => {
    const { layer } = world(2)
    return Effect.gen(function*() {
      const [first, second] = yield* Effect.all([child(0), child(1)])
      yield* Effect.yieldNow
      yield* clock(11)
      yield* first.getResult
      // What runs an Effect in one turn is refused, as where a result is read with an Effect.
      assert.isTrue(Exit.isFailure(Effect.runSyncExit(second.getResult)))
      assert.deepStrictEqual(yield* second.getResult, [1])
    }).pipe(Effect.provide(layer), Effect.scoped)
  })

  it.effect("has its spans where a tracer receives them", () => {
    const { asked, layer } = world(2)
    const names: Array<string> = []
    const tracer = Tracer.make({
      span: (options) => {
        names.push(options.name)
        return new Tracer.NativeSpan(options)
      }
    })
    return Effect.gen(function*() {
      const run = yield* child(1)
      names.length = 0
      yield* run.getResult
      assert.deepStrictEqual(names, ["TaskRun.getResult", "ResultStorage.read", "ResultFormat.decode"])
      assert.strictEqual(asked.atOnce, 0)
    }).pipe(Effect.provide(Layer.merge(layer, Layer.succeed(Tracer.Tracer, tracer))))
  })

  it.live("leaves turns to others while many are", () => {
    const { asked, layer } = world(60)
    return Effect.gen(function*() {
      const runs = yield* Effect.forEach(Array.from({ length: 60 }, (_, index) => index), child)
      const parent = yield* TaskRun.fromTaskRunId("parent")
      yield* clock(4)
      for (
        const load of [
          Effect.forEach(runs, (run) => run.getResult, { concurrency: 16 }),
          Stream.runCollect(parent.outcomes)
        ]
      ) {
        let turns = 0
        let immediate: NodeJS.Immediate
        const count = () => {
          turns++
          immediate = setImmediate(count)
        }
        immediate = setImmediate(count)
        assert.lengthOf(yield* load as Effect.Effect<ReadonlyArray<unknown>, unknown>, 60)
        clearImmediate(immediate)
        assert.isAbove(turns, 10)
      }
      assert.strictEqual(asked.read, 0)
    }).pipe(Effect.provide(layer), Effect.scoped)
  })
})

describe("a file at once", () => {
  it.live("waits for the real path of its folder, which is looked up once, or cannot be", () =>
    Effect.gen(function*() {
      const path = yield* temporaryFolder
      fs.writeFileSync(join(path, "good"), "good")
      const folder: Folder = { path }
      const lookUp = vi.spyOn(fs.realpath, "native")
      yield* Effect.addFinalizer(() => Effect.sync(() => lookUp.mockRestore()))
      yield* Effect.forEach([1, 2, 3], () => findFolder(folder) ?? Effect.void, { concurrency: 3 })
      assert.isUndefined(findFolder(folder))
      assert.strictEqual(lookUp.mock.calls.length, linux ? 1 : 0)
      for (const gone of [{ path: join(path, "gone") }, { path, within: join(path, "gone") }] as Array<Folder>) {
        yield* findFolder(gone) ?? Effect.void
        assert.strictEqual(findFolder(gone) === undefined, !linux)
        assert.isUndefined(readFileAtOnce(gone, "good", "place", 100, "remedy"))
      }
    }).pipe(Effect.scoped))

  it.live("is the one that is asked for, small and in its folder, or left to the Effect", () =>
    Effect.gen(function*() {
      const path = yield* temporaryFolder
      const outside = yield* temporaryFolder
      const folder: Folder = { path }
      fs.writeFileSync(join(outside, "other"), "other")
      fs.writeFileSync(join(path, "good"), "good")
      fs.writeFileSync(join(path, "empty"), "")
      fs.writeFileSync(join(path, "large"), new Uint8Array(32_769))
      fs.symlinkSync("good", join(path, "link"))
      fs.symlinkSync(outside, join(path, "leads-out"))
      fs.mkdirSync(join(path, "folder"))
      const atOnce = (name: string, maxBytes = 1_000_000) => readFileAtOnce(folder, name, "place", maxBytes, "remedy")
      assert.isUndefined(atOnce("good"), "the folder has not been looked up")
      // A clock that stands: no call is slow, and those of earlier tests are forgotten after some reads.
      yield* clock(0)
      for (let reads = 0; reads < 200; reads++) {
        yield* readFile(folder, "good", "place", { maxBytes: 100 }, "remedy")
      }
      const found = atOnce("good")
      if (linux) assert.strictEqual(found instanceof Uint8Array && new TextDecoder().decode(found), "good")
      else assert.isUndefined(found)
      if (linux) {
        for (const name of ["missing", "good/below", "../good"]) {
          assert.deepStrictEqual(
            atOnce(name),
            yield* Effect.flip(readFile(folder, name, "place", { maxBytes: 100 }, "remedy")) as Effect.Effect<
              ResultNotFound
            >
          )
        }
        // A single file may be mounted.
        const single: Folder = { path: join(path, "good") }
        yield* readFile(single, "", "place", { maxBytes: 100 }, "remedy")
        assert.isUndefined(readFileAtOnce(single, "", "place", 100, "remedy"))
      }
      for (const name of ["empty", "large", "link", "leads-out/other", "folder", "a\0b"]) {
        assert.isUndefined(atOnce(name), name)
      }
      assert.isUndefined(atOnce("good", 3), "too large")
      if (linux) {
        const open = fs.readdirSync("/proc/self/fd").flatMap((fd) => {
          try {
            return [fs.readlinkSync(`/proc/self/fd/${fd}`)]
          } catch {
            return []
          }
        })
        assert.isFalse(open.some((place) => place.startsWith(path) || place.startsWith(outside)))
      }
    }).pipe(Effect.scoped))
})
