import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ArchiveExport from "@effect-prefect/results/ArchiveExport"
import * as ArchiveVerify from "@effect-prefect/results/ArchiveVerify"
import * as InlineStorage from "@effect-prefect/results/InlineStorage"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { startPglite } from "../../api/test/pglite.ts"
import { onceForFile } from "./support/onceForFile.ts"

const fixture = fileURLToPath(new URL("../../../fixtures/prefect-1", import.meta.url))
const readLines = (path: string): ReadonlyArray<Record<string, unknown>> =>
  readFileSync(path, "utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))
const tables = Object.fromEntries(
  readdirSync(join(fixture, "tables")).map((
    file
  ) => [file.replace(".jsonl", ""), readLines(join(fixture, "tables", file))])
)

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "export-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)
class Database extends Context.Service<Database, ArchiveExport.Options["database"]>()("test/Database") {}
const PgliteLive = Layer.effect(
  Database,
  Effect.map(startPglite(tables), ({ url }) => ({ url: Redacted.make(url) }))
)
const WorkerFiles = LocalStorage.layerArchive(fixture)

const findings = (directory: string) => Stream.runCollect(ArchiveVerify.verify(directory))
const problemsOf = (all: ReadonlyArray<ArchiveVerify.VerificationIssue>) => all.filter(({ _tag }) => _tag !== "Summary")

/** What every task run of an archive gives: a value, or a reason. */
const outcomes = (directory: string) =>
  Effect.scoped(Effect.gen(function*() {
    const { api, archive } = yield* ArchiveApi.make(directory)
    const storage = yield* Layer.build(ResultStorage.layerMerge([
      InlineStorage.layer,
      LocalStorage.layer({ mounts: yield* ArchiveApi.readMounts(directory) })
    ]))
    const services = Context.add(storage, PrefectApi, api)
    const entry = Effect.fnUntraced(function*(view: TaskRunView) {
      const taskRun = yield* Effect.provideContext(TaskRun.fromView(view), services)
      const result = yield* Effect.result(Effect.flatMap(taskRun.getResult, (value) => JsonProjection.toText(value)))
      return [
        view.taskRunId,
        Result.isSuccess(result) ? result.success : "reason" in result.failure ? result.failure.reason._tag : "Json"
      ] as const
    })
    return Object.fromEntries(yield* Stream.runCollect(Stream.mapEffect(archive.taskRuns, entry)))
  }))

const fixtureOutcomes = onceForFile(outcomes(fixture))

it.layer(PgliteLive, { excludeTestServices: true })("exporting a database", (it) => {
  it.effect("gives every row of its tables as it is", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "new")
      const seen: Array<string> = []
      const report = yield* ArchiveExport.exportTables({
        directory,
        database: yield* Database,
        onProgress: (progress) => Effect.sync(() => progress._tag === "Table" && seen.push(progress.table))
      })
      assert.strictEqual(report.results, undefined)
      for (const [name, rows] of Object.entries(tables)) {
        const byId = (left: Record<string, unknown>, right: Record<string, unknown>) =>
          String(left["id"]) < String(right["id"]) ? -1 : 1
        const exported = readLines(join(directory, "tables", `${name}.jsonl`)).toSorted(byId)
        assert.strictEqual(report.tables[name], rows.length)
        // Columns that the rows never had are null in the database.
        const columns = new Set(rows.flatMap((row) => Object.keys(row)))
        assert.deepStrictEqual(
          exported.map((row) => Object.fromEntries(Object.entries(row).filter(([column]) => columns.has(column)))),
          rows.toSorted(byId)
        )
        if (rows.length > 0) assert.include(seen, name)
      }
      assert.deepStrictEqual(readdirSync(directory).toSorted(), ["archive.json", "manifest.jsonl", "tables"])
      assert.isTrue(report.complete)
      const found = yield* findings(directory)
      assert.deepStrictEqual(problemsOf(found), [])
      const [summary] = found
      assert.match(summary?._tag === "Summary" ? summary.unchecked.join() : "", /results were not exported/)
    }))

  it.effect("copies the results too, so that the archive gives what the workers' own files give", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "new")
      const failures: Array<ArchiveExport.Failure> = []
      const report = yield* ArchiveExport.exportAll({
        directory,
        database: yield* Database,
        onFailure: (failure) => Effect.sync(() => failures.push(failure))
      }).pipe(Effect.provide(WorkerFiles))
      assert.deepStrictEqual(yield* outcomes(directory), yield* fixtureOutcomes)
      assert.isFalse(existsSync(join(directory, "export.lock")))
      assert.isAbove(report.results!.files, 50)
      assert.strictEqual(report.results!.failures, failures.length)
      const isResult = ({ _tag }: ArchiveVerify.VerificationIssue) => _tag === "Result"
      const before = problemsOf(yield* findings(fixture)).filter(isResult)
      assert.deepStrictEqual(
        problemsOf(yield* findings(directory)).filter(isResult).map((finding) =>
          finding._tag === "Result" && [finding.taskRunId, finding.reason]
        ).toSorted(),
        before.map((finding) => finding._tag === "Result" && [finding.taskRunId, finding.reason]).toSorted()
      )
    }))

  it.effect("takes the runs of a selection with everything of theirs, and nothing else", () =>
    Effect.gen(function*() {
      const database = yield* Database
      const runs = tables["flow_run"]!
      const created = runs.map((row) => String(row["created"])).toSorted()
      const names = new Map(tables["flow"]!.map((row) => [row["id"], String(row["name"])]))
      const [flowName] = names.values()
      const { api } = yield* ArchiveApi.make(fixture)
      for (
        const [selection, isSelected] of [
          [{ since: created[1] }, (row: Record<string, unknown>) => String(row["created"]) >= created[1]!],
          [{ until: created[1] }, (row: Record<string, unknown>) => String(row["created"]) < created[1]!],
          [
            { flowNames: [flowName!, "none"] },
            (row: Record<string, unknown>) => names.get(row["flow_id"]) === flowName
          ],
          [{ flowNames: ["none"] }, () => false]
        ] as const
      ) {
        const selected = new Set(runs.filter(isSelected).map((row) => row["id"]))
        const taskRuns = tables["task_run"]!.filter((row) => selected.has(row["flow_run_id"]))
        for (const source of [{ database }, { api }]) {
          const directory = join(yield* temporary, "new")
          const report = yield* ArchiveExport.exportTables({ directory, selection, ...source })
          const ids = (table: string) =>
            readLines(join(directory, "tables", `${table}.jsonl`)).map((row) => row["id"]).toSorted()
          assert.deepStrictEqual(ids("flow_run"), [...selected].toSorted())
          assert.deepStrictEqual(ids("task_run"), taskRuns.map((row) => row["id"]).toSorted())
          assert.strictEqual(
            report.tables["task_run_state"],
            tables["task_run_state"]!.filter((row) => taskRuns.some(({ id }) => id === row["task_run_id"])).length
          )
          assert.strictEqual(
            report.tables["flow"],
            new Set(runs.filter(isSelected).map((row) => row["flow_id"])).size
          )
          assert.strictEqual(report.changed, 0)
        }
      }
    }))

  it.effect("takes an API instead of its database, and its archive gives the same results", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "new")
      const { api } = yield* ArchiveApi.make(fixture)
      const report = yield* ArchiveExport.exportAll({ directory, api }).pipe(Effect.provide(WorkerFiles))
      assert.isTrue(report.complete)
      assert.deepStrictEqual(yield* outcomes(directory), yield* fixtureOutcomes)
      for (const table of ["flow", "flow_run", "task_run", "task_run_state", "flow_run_state", "log"]) {
        assert.strictEqual(report.tables[table], tables[table]?.length ?? 0, table)
      }
      const copy = yield* ArchiveApi.make(directory)
      for (const { flowRunId } of yield* Stream.runCollect(api.flowRuns())) {
        for (const each of [api, copy.api]) {
          assert.strictEqual((yield* each.flowRun(flowRunId)).flowRunId, flowRunId)
        }
        assert.deepStrictEqual(
          yield* copy.api.firstTaskRunOfEachTask(flowRunId),
          yield* api.firstTaskRunOfEachTask(flowRunId)
        )
        assert.deepStrictEqual(
          yield* Stream.runCollect(copy.api.logs({ flowRunId })),
          yield* Stream.runCollect(api.logs({ flowRunId }))
        )
      }
      assert.deepStrictEqual(problemsOf(yield* findings(directory)), [])
    }))

  it.effect("says of an API what changed while it was read", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "new")
      const { api } = yield* ArchiveApi.make(fixture)
      let listings = 0
      const changing: typeof api = {
        ...api,
        flowRuns: (query, options) =>
          ++listings === 1 ? Stream.drop(api.flowRuns(query, options), 1) : api.flowRuns(query, options)
      }
      const report = yield* ArchiveExport.exportTables({ directory, api: changing })
      assert.strictEqual(report.changed, 1)
    }))

  it.effect("goes on after it was cut off, without copying again what it has", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "new")
      const database = yield* Database
      const cutOff = (at: (progress: ArchiveExport.Progress) => boolean) =>
        ArchiveExport.exportAll({
          directory,
          database,
          concurrency: 1,
          onProgress: (progress) => at(progress) ? Effect.die("the power failed") : Effect.void
        }).pipe(Effect.provide(WorkerFiles), Effect.exit)
      assert.isTrue(Exit.hasDies(yield* cutOff(({ _tag }) => _tag === "Table")))
      assert.isFalse(existsSync(join(directory, "tables")))
      assert.isTrue(Exit.hasDies(yield* cutOff((progress) => progress._tag === "Results" && progress.done > 20)))
      const [first] = yield* findings(directory)
      assert.strictEqual(first!._tag, "Export")
      assert.include(first!._tag === "Export" && first!.detail, "run it again")
      const [copied] = readdirSync(join(directory, "results"), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
      const path = join(copied!.parentPath, copied!.name)
      const { mtimeMs } = statSync(path)
      const report = yield* ArchiveExport.exportAll({ directory, database }).pipe(Effect.provide(WorkerFiles))
      assert.strictEqual(statSync(path).mtimeMs, mtimeMs)
      assert.deepStrictEqual(yield* outcomes(directory), yield* fixtureOutcomes)
      assert.deepStrictEqual(readdirSync(directory).toSorted(), [
        "archive.json",
        "manifest.jsonl",
        "mounts.json",
        "results",
        "s3",
        "tables"
      ])
      // Another export of the same folder takes everything anew.
      assert.deepStrictEqual(
        yield* ArchiveExport.exportAll({ directory, database }).pipe(Effect.provide(WorkerFiles)),
        report
      )
      assert.isAbove(statSync(path).mtimeMs, mtimeMs)
    }))

  it.effect("tells results that it cannot have, and goes on", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const failures: Array<ArchiveExport.Failure> = []
      const report = yield* ArchiveExport.exportAll({
        directory,
        database: yield* Database,
        onFailure: (failure) => Effect.sync(() => failures.push(failure))
      }).pipe(Effect.provide(LocalStorage.layer({ roots: [directory] })))
      assert.strictEqual(report.results!.files, 0)
      assert.deepStrictEqual(
        new Set(failures.map(({ reason }) => reason)),
        new Set(["ResultAccessDenied", "StorageNotProvided"])
      )
      assert.deepStrictEqual(readFileSync(join(directory, "mounts.json"), "utf8"), "{}\n")
    }))

  it.effect("never writes into an archive that it did not make, nor through a link", () =>
    Effect.gen(function*() {
      const foreign = yield* temporary
      cpSync(fixture, foreign, { recursive: true })
      const database = yield* Database
      const error = yield* Effect.flip(ArchiveExport.exportTables({ directory: foreign, database }))
      assert.strictEqual(error._tag, "ArchiveExportError")
      assert.include(error.message, foreign)
      assert.deepStrictEqual(readdirSync(foreign).toSorted(), readdirSync(fixture).toSorted())

      const directory = yield* temporary
      const outside = yield* temporary
      symlinkSync(outside, join(directory, "results"))
      const failures: Array<ArchiveExport.Failure> = []
      yield* ArchiveExport.exportAll({
        directory,
        database,
        onFailure: (failure) => Effect.sync(() => failures.push(failure))
      }).pipe(Effect.provide(WorkerFiles))
      assert.include(
        failures.map(({ message }) => message).join(),
        "results exists already and is not a folder of its own"
      )
      assert.deepStrictEqual(
        readdirSync(outside, { recursive: true, withFileTypes: true }).filter((_) => _.isFile()),
        []
      )
    }))

  it.effect("says what a folder's name is that is a file", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "file")
      writeFileSync(directory, "")
      const error = yield* Effect.flip(ArchiveExport.exportTables({ directory, database: yield* Database }))
      assert.strictEqual(error._tag, "ArchiveExportError")
      assert.include(error.message, "it is not a folder")
    }))
})

it.live("verifying says which results are missing or unreadable, which lines are damaged, and how many of how many", () =>
  Effect.gen(function*() {
    const directory = yield* temporary
    const success = (location: string | null) => ({
      type: "Success",
      _result: { type: "LocalResult", dir: "/srv/results", location }
    })
    const states: Record<string, object | null> = {
      fine: success("/srv/results/fine"),
      gone: success("/srv/results/gone"),
      broken: success("/srv/results/broken"),
      folder: success("/srv/results/folder"),
      elsewhere: success("/etc/passwd"),
      nothing: success(null),
      inline: { type: "Success", _result: { type: "PrefectResult", location: "24" } },
      custom: { type: "Success", _result: { type: "MyResult", location: "x" } },
      secret: { type: "Success", _result: { type: "SecretResult", location: "KEY", secret_type: "x" } },
      failed: { type: "Failed", _result: { type: "Result", location: null } },
      running: { type: "Running" },
      unknown: null,
      parent: { type: "Mapped", n_map_states: 0 }
    }
    const rows = Object.entries(states).map(([id, serialized_state]) => ({ id, serialized_state }))
    mkdirSync(join(directory, "tables"))
    writeFileSync(
      join(directory, "tables/task_run.jsonl"),
      `${rows.map((row) => JSON.stringify(row)).join("\n")}\n{"id": "half\n`
    )
    writeFileSync(join(directory, "mounts.json"), JSON.stringify({ "/srv/results": "results" }))
    mkdirSync(join(directory, "results/folder"), { recursive: true })
    writeFileSync(join(directory, "results/fine"), `{"a": 1}`)
    writeFileSync(join(directory, "results/broken"), "\x80\x04 this is no pickle")
    const found = yield* findings(directory)
    assert.deepStrictEqual(found.filter(({ _tag }) => _tag === "Line"), [
      { _tag: "Line", file: "tables/task_run.jsonl", line: rows.length + 1, detail: "it is not JSON in UTF-8" }
    ])
    assert.deepStrictEqual(
      Object.fromEntries(
        found.flatMap((finding) => finding._tag === "Result" ? [[finding.taskRunId, finding.reason]] : [])
      ),
      {
        gone: "ResultNotFound",
        broken: "ResultDecodeError",
        folder: "ResultAccessDenied",
        elsewhere: "ResultAccessDenied",
        custom: "UnsupportedResultType"
      }
    )
    const summary = found.at(-1)!
    assert.deepInclude(summary, {
      _tag: "Summary",
      taskRuns: rows.length,
      results: 7,
      failures: 5,
      problems: 6,
      bytes: 0
    })
    assert.match(summary._tag === "Summary" ? summary.unchecked.join() : "", /no record of an export/)
  }))

it.live("verifying says that a table is not what was exported", () =>
  Effect.gen(function*() {
    const directory = yield* temporary
    cpSync(fixture, directory, { recursive: true })
    const record = { format: 1, exported: "2022-03-01T12:00:00Z", results: null, tables: {} }
    const { size } = statSync(join(directory, "tables/edge.jsonl"))
    const table = { rows: 1, bytes: size, sha256: "0".repeat(64) }
    writeFileSync(
      join(directory, "archive.json"),
      JSON.stringify({ ...record, tables: { edge: table, agent: table } })
    )
    const found = (yield* findings(directory)).filter(({ _tag }) => _tag === "Export")
    assert.deepStrictEqual(found, [
      {
        _tag: "Export",
        file: "tables/edge.jsonl",
        detail: "it was changed since it was exported (its SHA-256 differs)"
      },
      { _tag: "Export", file: "tables/agent.jsonl", detail: "it is missing" }
    ])
  }))
