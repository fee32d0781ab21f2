/** Copying many results of a made-up API into an archive: together, shared by task runs, and where one cannot be written. */
import * as ApiMemory from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as ArchiveExport from "@effect-prefect/results/ArchiveExport"
import * as ArchiveVerify from "@effect-prefect/results/ArchiveVerify"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** More than wait for the disk together. */
const count = 700

const world = Effect.acquireRelease(
  Effect.sync(() => {
    const root = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "archive-copying-")))
    const store = join(root, "store")
    fs.mkdirSync(store)
    for (let n = 0; n < count; n++) fs.writeFileSync(join(store, String(n)), `result ${n}`)
    return { root, store, archive: join(root, "archive") }
  }),
  ({ root }) => Effect.sync(() => fs.rmSync(root, { recursive: true, force: true }))
)

/** Task runs whose results are these files. */
const rowsOf = (store: string, files: ReadonlyArray<number>) =>
  files.map((file, n) => ({
    id: `r${n}`,
    flow_run_id: "f",
    task_id: "t",
    map_index: n,
    serialized_state: {
      type: "Success",
      _result: { type: "LocalResult", dir: store, location: join(store, `${file}`) }
    }
  }))

const exportTo = (directory: string, store: string, files: ReadonlyArray<number>) =>
  Effect.gen(function*() {
    const api = yield* PrefectApi
    const failures: Array<ArchiveExport.Failure> = []
    const onFailure = (failure: ArchiveExport.Failure) => Effect.sync(() => void failures.push(failure))
    const report = yield* ArchiveExport.exportAll({ directory, api, onFailure, directories: [store] })
    return { results: report.results!, failures, foreign: report.foreign }
  }).pipe(
    Effect.provide(ApiMemory.layer({ flow_run: [{ id: "f" }], task_run: rowsOf(store, files) })),
    Effect.provide(LocalStorage.layer({ roots: [store] }))
  )

const manifestOf = (archive: string) =>
  fs.readFileSync(join(archive, "manifest.jsonl"), "utf8").trim().split("\n").map((line) =>
    JSON.parse(line).file as string
  )

it.live("copies each result once that task runs share, near to each other and far apart", () =>
  Effect.gen(function*() {
    const { archive, store } = yield* world
    const files = Array.from({ length: count }, (_, n) => n)
    const shared = [...files.flatMap((n) => [n, n % 10]), ...files.slice(0, 20)]
    const { failures, foreign, results } = yield* exportTo(archive, store, shared)
    assert.deepStrictEqual([failures, foreign, results], [[], 0, { files: count, failures: 0, kept: 0 }])
    const manifest = manifestOf(archive)
    assert.lengthOf(manifest, count)
    assert.lengthOf(new Set(manifest), count)
    assert.deepStrictEqual(
      manifest.map((file) => fs.readFileSync(join(archive, file), "utf8")).toSorted(),
      files.map((n) => `result ${n}`).toSorted()
    )
    assert.isFalse(fs.existsSync(join(archive, "partial")))
    const issues = yield* Stream.runCollect(ArchiveVerify.verify(archive))
    assert.deepStrictEqual(issues.map(({ _tag }) => _tag), ["Summary"])
  }), 60_000)

it.live(
  "goes on where a result cannot have its name, and says so of each task run that shares it",
  () =>
    Effect.gen(function*() {
      const { archive, store } = yield* world
      yield* exportTo(archive, store, [0, 1, 2])
      const place = join(archive, manifestOf(archive).find((file) => file.endsWith("/1"))!)
      fs.rmSync(place)
      fs.mkdirSync(place)
      const { failures, foreign, results } = yield* exportTo(archive, store, [1, 0, 1, 2, 1])
      assert.deepStrictEqual([foreign, results], [0, { files: 2, failures: 3, kept: 0 }])
      assert.deepStrictEqual(failures.map(({ reason, view }): ReadonlyArray<unknown> => [reason, view?.taskRunId]), [
        ["Unwritable", "r0"],
        ["Unwritable", "r2"],
        ["Unwritable", "r4"]
      ])
      for (const { message, view } of failures) {
        assert.match(message, new RegExp(`^task run ${view?.taskRunId}: results/.*/1 cannot be written \\(EISDIR\\)$`))
      }
      assert.deepStrictEqual(manifestOf(archive).map((file) => file.slice(-2)), ["/0", "/2"])
    }),
  60_000
)

it.live(
  "tells files that were added, whatever else was done so that there are as many as before",
  () =>
    Effect.gen(function*() {
      const { archive, root, store } = yield* world
      yield* exportTo(archive, store, [0, 1])
      const [first, second] = manifestOf(archive)
      const folder = join(archive, first!, "..")
      const problems = Effect.map(
        Stream.runCollect(ArchiveVerify.verify(archive)),
        (issues) => issues.flatMap((issue) => issue._tag === "File" ? [[issue.file, issue.detail]] : []).toSorted()
      )
      assert.deepStrictEqual(yield* problems, [])
      const added = `${first}-added`
      fs.writeFileSync(join(archive, added), "result 0")
      assert.deepStrictEqual(yield* problems, [[added, "it was added since the export"]])
      // One for another.
      fs.renameSync(join(archive, second!), join(root, "second"))
      assert.deepStrictEqual(
        yield* problems,
        [[added, "it was added since the export"], [second, "it is missing"]].toSorted()
      )
      fs.renameSync(join(root, "second"), join(archive, second!))
      fs.rmSync(join(archive, added))
      // The files are read through the link, which is one entry instead of two.
      fs.renameSync(folder, join(root, "moved"))
      fs.symlinkSync(join(root, "moved"), folder)
      fs.writeFileSync(join(archive, "results", "added"), "")
      const below = first!.slice(0, first!.lastIndexOf("/"))
      assert.deepStrictEqual(
        yield* problems,
        [[below, "it was added since the export"], ["results/added", "it was added since the export"]].toSorted()
      )
    }),
  60_000
)
