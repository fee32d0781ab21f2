/** An archive is held to what a backup is held to: each object its own, complete or said so, every change seen. */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import type { S3Result } from "@effect-prefect/core/ResultDescriptor"
import * as ArchiveExport from "@effect-prefect/results/ArchiveExport"
import * as ArchiveVerify from "@effect-prefect/results/ArchiveVerify"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import { ResultNotFound } from "@effect-prefect/results/ResultError"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startPglite } from "../../api/test/pglite.ts"
import { seeds } from "../../core/test/seeds.ts"
import * as Lock from "../src/internal/archive/lock.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "kept-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

const Segment = Schema.Union([
  Schema.String,
  Schema.Literals(["", ".", "..", "a", "A", "b", "é", "e\u0301", "a ", "con", "%41", "a+", "x".repeat(300)])
])
/** Keys that a file system would take for one another, and generated ones. Postgres keeps neither NUL nor half a pair. */
const keys = [
  ...new Set([
    ..."a//b a/./b a/c/../b /a/b a/b a A a/ a/b/ ./a ../a a/.. // a+ a+/b %41 con aux. a%v1".split(" "),
    ...Effect.runSync(
      Arbitrary.sampleEffect(Arbitrary.schema(Schema.Array(Segment)), { count: seeds(60, 300), seed: 17 })
    )
      .map((parts) => parts.join("/"))
  ])
].filter((key) => key !== "" && !/\0|\p{Surrogate}/u.test(key))

const id = (n: number) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`
const s3 = (key: string, more: object = {}) => ({ type: "S3Result", bucket: "b", location: key, ...more })
const flowRunId = id(0xffffff)
const taskRun = (n: number, result: object) => ({
  id: id(n),
  flow_run_id: flowRunId,
  map_index: -1,
  serialized_state: { type: "Success", _result: result }
})

/** A store whose every object says which one it is. */
const store = (lost: (key: string) => boolean = () => false, reads: Array<string> = []) =>
  ResultStorage.layer(Effect.succeed([
    {
      type: "S3Result",
      concurrency: 16,
      resolve: ({ extra, location }: S3Result): ResultStorage.ResolvedLocation => ({
        _tag: "Allowed",
        location: location ?? "",
        read: () => {
          reads.push(location ?? "")
          return lost(location ?? "")
            ? Effect.fail(new ResultNotFound({ location: location ?? "", detail: "it is gone" }))
            : Effect.succeed({
              _tag: "Bytes",
              bytes: Buffer.from(JSON.stringify([location, extra?.["version_id"] ?? null])),
              name: location ?? ""
            })
        }
      })
    } satisfies ResultStorage.StorageReader<S3Result>
  ]))

class Database extends Context.Service<Database, Redacted.Redacted>()("test/KeptDatabase") {}
const versions = [
  taskRun(keys.length, s3("a", { version_id: "1" })),
  taskRun(keys.length + 1, s3("a", { version_id: "2" }))
]
const allRows = [...keys.map((key, n) => taskRun(n, s3(key))), ...versions]
/** Keys of each kind: what is not about the keys reads the whole archive again and again. */
const rows = [...allRows.slice(0, Math.min(60, keys.length)), ...versions]
const layerOf = (rows: ReadonlyArray<object>) =>
  Layer.effect(Database, Effect.map(startPglite({ task_run: rows }), ({ url }) => Redacted.make(url)))

/** What is about the files of an archive, and not about where its rows came from, asks no database. */
const exportRows = (directory: string, rows: ReadonlyArray<ReturnType<typeof taskRun>>) =>
  PrefectApi.PrefectApi.pipe(
    Effect.flatMap((api) => ArchiveExport.exportAll({ directory, api })),
    Effect.provide(MemoryApi.layer({ flow_run: [{ id: flowRunId, name: "kept" }], task_run: rows }))
  )

const exportTo = (
  directory: string,
  more: Partial<ArchiveExport.Options & ArchiveExport.ResultsOptions> = {}
) => Effect.flatMap(Database, (url) => ArchiveExport.exportAll({ directory, database: { url }, ...more }))

const issues = (directory: string) =>
  Effect.map(Stream.runCollect(ArchiveVerify.verify(directory)), (all) => all.filter(({ _tag }) => _tag !== "Summary"))

const filesOf = (directory: string) =>
  fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()

// Before the others, which then have its embedded database: another one takes a second to start.
describe("an archive", () => {
  it.live("has each object for itself, whatever its key and version", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "new")
      const report = yield* Effect.provide(exportTo(directory), store())
      assert.deepStrictEqual(report.results, { files: allRows.length, failures: 0, kept: 0 })
      assert.isTrue(report.complete)
      assert.deepStrictEqual(yield* issues(directory), [])
      const storage = Context.get(
        yield* Layer.build(LocalStorage.layerArchive(directory)),
        ResultStorage.ResultStorage
      )
      let read = 0
      yield* ArchiveApi.scanTaskRuns(directory).pipe(Stream.runForEach(Effect.fnUntraced(function*(view) {
        if (!("state" in view) || !("result" in view.state)) return assert.fail("a row is no task run")
        const descriptor = view.state.result as S3Result
        const stored = yield* storage.read(descriptor, { maxBytes: 10_000 })
        assert.deepStrictEqual(
          stored._tag === "Bytes" && JSON.parse(Buffer.from(stored.bytes).toString()),
          [descriptor.location, descriptor.extra?.["version_id"] ?? null]
        )
        read++
      })))
      assert.strictEqual(read, allRows.length)
    }).pipe(Effect.provide(layerOf(allRows))))
})

it.layer(layerOf(rows), { excludeTestServices: true })("an archive", (it) => {
  it.effect("that lacks something says so, by task run", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "new")
      const failures: Array<ArchiveExport.Failure> = []
      const report = yield* Effect.provide(
        exportTo(directory, { onFailure: (failure) => Effect.sync(() => failures.push(failure)) }),
        store((key) => key.startsWith("a"))
      )
      const lost = rows.filter(({ serialized_state }) =>
        (serialized_state._result as { readonly location: string }).location.startsWith("a")
      )
      assert.isFalse(report.complete)
      assert.strictEqual(report.results?.failures, lost.length)
      assert.deepStrictEqual(
        new Set(failures.map(({ view }) => view?.taskRunId as string | undefined)),
        new Set<string | undefined>(lost.map((row) => row.id))
      )
      const record = JSON.parse(fs.readFileSync(join(directory, "archive.json"), "utf8"))
      assert.isFalse(record.complete)
      assert.deepStrictEqual(
        (yield* issues(directory)).map((issue) => issue._tag === "Result" ? issue.taskRunId : issue._tag).toSorted(),
        lost.map((row) => row.id).toSorted()
      )
    }))

  it.effect("keeps what only an earlier export could copy", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "new")
      yield* Effect.provide(exportTo(directory), store())
      const before = filesOf(directory).map((
        file
      ) => [file, file.endsWith("archive.json") || fs.readFileSync(file, "hex")])
      const report = yield* Effect.provide(exportTo(directory), store(() => true))
      assert.deepStrictEqual(report.results, { files: rows.length, failures: 0, kept: rows.length })
      assert.deepStrictEqual(
        filesOf(directory).map((file) => [file, file.endsWith("archive.json") || fs.readFileSync(file, "hex")]),
        before
      )
      assert.deepStrictEqual(yield* issues(directory), [])
    }))

  it.effect("is exported by one process at a time, and goes on where it was cut off", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "new")
      fs.mkdirSync(directory)
      const lock = yield* Effect.promise(() => Lock.take(join(directory, "export.lock")))
      if (lock._tag !== "Held") return assert.fail(lock._tag)
      const error = yield* Effect.flip(Effect.provide(exportTo(directory), store()))
      assert.include(error.message, "another export is writing to it")
      assert.deepStrictEqual(fs.readdirSync(directory), ["export.lock"])
      lock.release()

      const whole = join(yield* temporary, "whole")
      yield* Effect.provide(exportTo(whole), store())
      const reads: Array<string> = []
      for (const at of [1, 10, 25, 50]) {
        const cutOff = exportTo(directory, {
          concurrency: 3,
          onProgress: (progress) =>
            progress._tag === "Results" && progress.done > at ? Effect.die("killed") : Effect.void
        })
        yield* Effect.exit(Effect.provide(cutOff, store(undefined, reads)))
        assert.isFalse(fs.existsSync(join(directory, "archive.json")))
        assert.isNotEmpty(yield* issues(directory))
      }
      yield* Effect.provide(exportTo(directory), store(undefined, reads))
      // Each object was read once; what was under way when it was cut off may have been read again.
      assert.isBelow(reads.length, rows.length + 4 * 4)
      const content = (root: string) =>
        filesOf(root).filter((file) => !file.endsWith("archive.json"))
          .map((file) => [file.slice(root.length), fs.readFileSync(file, "hex")])
      assert.deepStrictEqual(content(directory), content(whole))
      assert.deepStrictEqual(yield* issues(directory), [])
    }))

  it.effect("whose disk is full says so at once, and goes on where it was", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "new", "folder")
      const some = rows.slice(0, 20)
      const exported = Effect.provide(exportRows(directory, some), store())
      const probe = join(yield* temporary, "probe")
      const handle = yield* Effect.promise(() => fs.promises.open(probe, "wx"))
      const prototype = Object.getPrototypeOf(handle) as Record<string, (...args: Array<unknown>) => unknown>
      yield* Effect.promise(() => handle.close())
      const write = prototype["writeFile"]!
      const system = (fs as unknown as { readonly default: typeof fs }).default
      const writeAtOnce = system.writeFileSync
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          prototype["writeFile"] = write
          system.writeFileSync = writeAtOnce
          syncBuiltinESMExports()
        })
      )
      let last = Infinity
      let writes = 0
      const full = () => Object.assign(new Error(), { code: "ENOSPC" })
      prototype["writeFile"] = function(...args) {
        return ++writes > last ? Promise.reject(full()) : write.apply(this, args)
      }
      system.writeFileSync = (...args) => {
        if (++writes > last) throw full()
        writeAtOnce(...args)
      }
      syncBuiltinESMExports()
      const other = join(yield* temporary, "other")
      yield* Effect.provide(exportRows(other, some), store())
      const whole = writes
      // The export of the same rows, cut off a few writes later each time, keeps what it has.
      let cuts = 0
      for (last = 0; last < whole; last += 7) {
        writes = 0
        const ended = yield* Effect.result(exported)
        if (Result.isSuccess(ended)) break
        cuts++
        const { message } = ended.failure
        assert.include(message, "(ENOSPC: the disk is full); once that is corrected, run the same command again")
        // The results that are copied at once.
        if (writes > last + 16) assert.fail(`it went on for ${writes - last} writes`)
      }
      assert.isAbove(cuts, 2)
      last = Infinity
      assert.isTrue((yield* exported).complete)
      assert.deepStrictEqual(yield* issues(directory), [])
      assert.strictEqual(
        fs.readFileSync(join(directory, "manifest.jsonl"), "utf8"),
        fs.readFileSync(join(other, "manifest.jsonl"), "utf8")
      )
      assert.isFalse(fs.existsSync(join(directory, "partial")))
    }))

  it.effect("is not made where a link or a file is in the place of its folder", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      fs.symlinkSync("/nowhere", join(folder, "link"))
      fs.writeFileSync(join(folder, "file"), "")
      for (const directory of ["link", "file", "link/below"]) {
        const error = yield* Effect.flip(Effect.provide(exportRows(join(folder, directory), rows.slice(0, 2)), store()))
        assert.include(error.message, "not a folder")
      }
    }))

  it.effect("takes nothing for a result that was in its folder before", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "new")
      fs.mkdirSync(join(directory, "s3/b"), { recursive: true })
      const future = new Date("2030-01-01")
      for (const name of ["a", "foreign"]) {
        fs.writeFileSync(join(directory, "s3/b", name), "\"FORGED\"")
        fs.utimesSync(join(directory, "s3/b", name), future, future)
      }
      fs.symlinkSync("/etc/passwd", join(directory, "s3/b/con+"))
      const report = yield* Effect.provide(exportTo(directory), store())
      assert.strictEqual(fs.readFileSync(join(directory, "s3/b/a"), "utf8"), `["a",null]`)
      assert.strictEqual(report.foreign, 2)
      assert.deepStrictEqual(
        (yield* issues(directory)).map((issue) => issue._tag === "File" && [issue.file, issue.detail]).toSorted(),
        ["s3/b/con+", "s3/b/foreign"].map((file) => [file, "it was added since the export"])
      )
    }))
})

describe("an archive", () => {
  it.live("that was changed is found to be, whatever the change is", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "new")
      // Each change reads the whole archive again: a small one has files of each kind too.
      yield* Effect.provide(exportRows(directory, rows.slice(0, 8)), store((key) => key === "a//b"))
      yield* ArchiveExport.index(directory)
      const expected = yield* issues(directory)
      assert.strictEqual(expected.length, 1)
      const files = filesOf(directory).filter((file, at) => !file.includes("/s3/") || at % 4 === 0)
      assert.includeMembers(
        files.map((file) => file.slice(directory.length + 1)),
        [
          "archive.json",
          "incomplete.jsonl",
          "index.json",
          "index.sqlite",
          "manifest.jsonl",
          "mounts.json",
          "tables/task_run.jsonl"
        ]
      )
      for (const file of files) {
        const whole = fs.readFileSync(file)
        const changes: Record<string, () => void> = {
          removed: () => fs.rmSync(file),
          emptied: () => whole.length > 0 ? fs.writeFileSync(file, "") : fs.rmSync(file),
          "cut short": () => whole.length > 0 ? fs.writeFileSync(file, whole.subarray(0, -1)) : fs.rmSync(file),
          "a link": () => {
            fs.rmSync(file)
            fs.symlinkSync("/etc/passwd", file)
          }
        }
        for (let step = 0; step < 6; step++) {
          const at = Math.floor(whole.length * step / 6)
          changes[`flipped at ${at}`] = () =>
            fs.writeFileSync(file, whole.length === 0 ? "x" : Buffer.from(whole).fill(whole[at]! ^ 1, at, at + 1))
        }
        for (const [name, change] of Object.entries(changes)) {
          change()
          assert.notDeepEqual(yield* issues(directory), expected, `${file} ${name}`)
          fs.rmSync(file, { force: true })
          fs.writeFileSync(file, whole)
        }
      }
      const [one, two] = filesOf(join(directory, "s3")).map((path) => ({ path, bytes: fs.readFileSync(path) }))
      fs.writeFileSync(one!.path, two!.bytes)
      fs.writeFileSync(two!.path, one!.bytes)
      assert.strictEqual((yield* issues(directory)).length, expected.length + 2)
      fs.writeFileSync(one!.path, one!.bytes)
      fs.writeFileSync(two!.path, two!.bytes)
      // Every file is as it was, but mounts outside of the archive are rejected.
      fs.renameSync(join(directory, "s3"), join(directory, "../s3"))
      fs.symlinkSync("../s3", join(directory, "s3"))
      assert.strictEqual((yield* issues(directory)).length, expected.length + 1)
      fs.rmSync(join(directory, "s3"))
      fs.renameSync(join(directory, "../s3"), join(directory, "s3"))
      fs.writeFileSync(join(directory, "s3/b/added"), "")
      fs.writeFileSync(join(directory, "tables/added.jsonl"), "")
      assert.strictEqual((yield* issues(directory)).length, expected.length + 2)
    }))

  it.live("with something else in the place of one of its files is verified to its end, and exported again", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "new")
      const exported = Effect.provide(exportRows(directory, rows.slice(0, 3)), store())
      const fifo = join(directory, "../fifo")
      execFileSync("mkfifo", [fifo])
      const kinds: Record<string, (path: string) => void> = {
        "a FIFO": (path) => fs.linkSync(fifo, path),
        "a link": (path) => fs.symlinkSync("/dev/zero", path),
        "a folder": (path) => fs.mkdirSync(path)
      }
      yield* exported
      for (
        const file of [
          "archive.json",
          "export.json",
          "incomplete.jsonl",
          "index.json",
          "index.sqlite",
          "manifest.jsonl",
          "mounts.json",
          "tables/task_run.jsonl"
        ]
      ) {
        for (const [kind, put] of Object.entries(kinds)) {
          const name = `${kind} as ${file}`
          const path = join(directory, file)
          const whole = fs.existsSync(path) ? fs.readFileSync(path) : undefined
          fs.rmSync(path, { force: true })
          put(path)
          assert.isNotEmpty(yield* issues(directory), name)
          if (kind === "a folder" && !file.startsWith("tables/")) {
            const error = yield* Effect.flip(exported)
            assert.include(error.message, `${file} is a folder`)
            fs.rmdirSync(path)
            if (whole !== undefined) fs.writeFileSync(path, whole)
          }
          yield* exported
          assert.deepStrictEqual(yield* issues(directory), [], name)
        }
      }
    }))
})
