import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import { suite } from "@effect-prefect/api/testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "archive-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)
/** An archive of these files, for as long as the scope lives. */
const archiveOf = (files: Readonly<Record<string, string | Uint8Array>>) =>
  Effect.map(temporary, (folder) => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(folder, name, ".."), { recursive: true })
      writeFileSync(join(folder, name), text)
    }
    return folder
  })
const jsonLines = (rows: ReadonlyArray<object>) => rows.map((row) => `${JSON.stringify(row)}\n`).join("")

suite("ArchiveApi", (tables) =>
  Layer.unwrap(Effect.map(
    archiveOf(Object.fromEntries(
      Object.entries(tables).map(([name, rows]) => [`tables/${name}.jsonl`, jsonLines(rows)])
    )),
    ArchiveApi.layer
  )))

const fixture = (name: string) => fileURLToPath(new URL(`../../../fixtures/${name}`, import.meta.url))
const readFixture = (name: string): ReadonlyArray<Record<string, unknown>> =>
  readFileSync(fixture(name), "utf8").trim().split("\n").map((line) => JSON.parse(line))

describe.each(["prefect-1", "prefect-0.15"])("the archive %s", (name) => {
  it.layer(ArchiveApi.layer(fixture(name)))((it) => {
    it.effect("gives every task run in the order of flow-run results", () =>
      Effect.gen(function*() {
        const api = yield* PrefectApi.PrefectApi
        const expected = readFixture(`${name}/expected.jsonl`)
        for (const flowRun of yield* Stream.runCollect(api.flowRuns())) {
          const lines: Array<object> = []
          for (const { taskId } of yield* api.firstTaskRunOfEachTask(flowRun.flowRunId)) {
            const runs = yield* Stream.runCollect(
              api.taskRunsOfTask({ flowRunId: flowRun.flowRunId, taskId: taskId! }, { pageSize: 10 })
            )
            for (const { mapIndex, state, taskRunId, taskSlug } of runs) {
              lines.push({ task_run_id: taskRunId, task_slug: taskSlug, map_index: mapIndex, state: state._tag })
            }
          }
          assert.deepStrictEqual(
            lines,
            expected.filter((line) => line["flow_run_id"] === flowRun.flowRunId)
              .map(({ map_index, state, task_run_id, task_slug }) => ({ task_run_id, task_slug, map_index, state }))
          )
          assert.isAbove(lines.length, 0)
        }
      }))

    it.effect("gives all task runs in the order of their file", () =>
      Effect.gen(function*() {
        const archive = yield* ArchiveApi.Archive
        assert.deepStrictEqual(
          (yield* Stream.runCollect(archive.taskRuns)).map((view) => view.taskRunId),
          readFixture(`${name}/tables/task_run.jsonl`).map((row) => row["id"] as never)
        )
      }))

    it.effect("has no line that cannot be used", () =>
      Effect.map(ArchiveApi.problems, (problems) => assert.deepStrictEqual(problems, [])))
  })

  it.effect("names the folders of its mounts", () =>
    Effect.gen(function*() {
      const mounts = yield* ArchiveApi.readMounts(fixture(name))
      const [local, bucket] = Object.keys(JSON.parse(readFileSync(fixture(`${name}/mounts.json`), "utf8")))
      assert.deepStrictEqual(mounts, [
        { from: local!, to: fixture(`${name}/results`), within: fixture(name), names: "plain" },
        {
          from: bucket!,
          to: fixture(`${name}/s3/${bucket!.slice("s3://".length)}`),
          within: fixture(name),
          names: "plain"
        }
      ])
    }))
})

describe("an archive with damage", () => {
  const good = (id: string, more: object = {}) => JSON.stringify({ id, flow_run_id: "f", task_id: "t", ...more })

  it.effect("serves what it can, and says which lines it left out and why", () =>
    Effect.gen(function*() {
      const secret = "hunter2"
      const directory = yield* archiveOf({
        "tables/task_run.jsonl": [
          `\ufeff${good("r1", { map_index: 0 })}\r`,
          `{"id": "r2", "password": "${secret}", `,
          "",
          "[1, 2]",
          good("r3", { map_index: "3" }),
          "   ",
          good("", { map_index: 4 }),
          good("r4", { map_index: 4, name: "🦊".repeat(10) }),
          good("r6", { map_index: 6 })
        ].join("\n"),
        "tables/log.jsonl": jsonLines([
          { id: "l1", timestamp: "2022-03-01T12:00:00Z", message: "kept" },
          { id: "l2", timestamp: "yesterday", message: secret }
        ])
      })
      yield* Effect.gen(function*() {
        const api = yield* PrefectApi.PrefectApi
        const children = yield* Stream.runCollect(
          api.mappedChildren({ flowRunId: "f", taskId: "t" }, { pageSize: 1 })
        )
        assert.deepStrictEqual(children.map((view): string => view.taskRunId), ["r1", "r4", "r6"])
        assert.strictEqual(children[1]!.name, "🦊".repeat(10))
        const problems = yield* ArchiveApi.problems
        assert.deepStrictEqual(problems.map(({ file, line }) => `${file}:${line}`), [
          "tables/task_run.jsonl:2",
          "tables/task_run.jsonl:4",
          "tables/task_run.jsonl:5",
          "tables/task_run.jsonl:7",
          "tables/log.jsonl:2"
        ])
        assert.include(problems[2]!.detail, "map_index is not an integer")
        assert.notInclude(JSON.stringify(problems), secret)
        assert.strictEqual((yield* Stream.runCollect(api.logs({}))).length, 1)
        assert.deepStrictEqual(yield* Stream.runCollect(api.flows()), [])
      }).pipe(Effect.provide(ArchiveApi.layer(directory)))
    }))

  it.effect("leaves out a line that is not UTF-8, and keeps what is after it", () =>
    Effect.gen(function*() {
      const directory = yield* archiveOf({
        "tables/task_run.jsonl": Buffer.concat([
          Buffer.from("{\"id\": \"r1\", \"name\": \"caf\u00e9\"}\n", "latin1"),
          Buffer.from("{\"id\": \"r2\", \"name\": \"caf\u00e9\"}\n", "utf8")
        ])
      })
      yield* Effect.gen(function*() {
        const api = yield* PrefectApi.PrefectApi
        assert.strictEqual((yield* api.taskRun("r2")).name, "café")
        const problems = yield* ArchiveApi.problems
        assert.deepStrictEqual(problems.map(({ line }) => line), [1])
      }).pipe(Effect.provide(ArchiveApi.layer(directory)))
    }))

  it.effect("reads rows that span chunks of the file", () =>
    Effect.gen(function*() {
      const name = "x".repeat(300_000)
      const directory = yield* archiveOf({
        "tables/task_run.jsonl": jsonLines(
          Array.from({ length: 12 }, (_, at) => ({ id: `r${at}`, task_id: "t", flow_run_id: "f", map_index: at, name }))
        )
      })
      const children = yield* Effect.flatMap(PrefectApi.PrefectApi, (api) =>
        Stream.runCollect(api.mappedChildren({ flowRunId: "f", taskId: "t" }))).pipe(
          Effect.provide(ArchiveApi.layer(directory))
        )
      assert.strictEqual(children.length, 12)
      for (const child of children) {
        assert.strictEqual(child.name, name)
      }
    }))

  it.effect("says that a table changed while it was read", () =>
    Effect.gen(function*() {
      const directory = yield* archiveOf({ "tables/task_run.jsonl": jsonLines([{ id: "r1" }, { id: "r2" }]) })
      yield* Effect.gen(function*() {
        const api = yield* PrefectApi.PrefectApi
        yield* api.taskRun("r2")
        truncateSync(join(directory, "tables/task_run.jsonl"), 15)
        const error = yield* Effect.flip(api.taskRun("r2"))
        assert.strictEqual(error.reason._tag, "MalformedResponse")
        writeFileSync(join(directory, "tables/task_run.jsonl"), jsonLines([{ id: "r8" }, { id: "r9" }]))
        assert.include((yield* Effect.flip(api.taskRun("r2"))).message, "another one by now")
      }).pipe(Effect.provide(ArchiveApi.layer(directory)))
    }))

  it.effect("fails clearly when it is used after it was closed", () =>
    Effect.gen(function*() {
      const { api } = yield* Effect.scoped(
        Effect.tap(ArchiveApi.make(fixture("prefect-1")), ({ api }) => Stream.runDrain(api.flowRuns()))
      )
      const error = yield* Effect.flip(Stream.runDrain(api.flowRuns()))
      assert.strictEqual(error.reason._tag, "Unavailable")
      assert.include(error.message, "closed")
    }))
})

describe("what is no archive", () => {
  const messageOf = (directory: string) =>
    Effect.map(
      Effect.flip(Effect.scoped(Effect.asVoid(ArchiveApi.make(directory)))),
      (error) => {
        assert.strictEqual(error.reason._tag, "Unavailable")
        return error.message
      }
    )

  it.effect("is refused with what an archive looks like", () =>
    Effect.gen(function*() {
      const looks = "tables/task_run.jsonl"
      const missing = join(yield* temporary, "nothing")
      const noTables = yield* archiveOf({ "expected.jsonl": "" })
      const noneOfPrefects = yield* archiveOf({ "tables/users.jsonl": "{}" })
      for (const directory of [missing, noTables, noneOfPrefects]) {
        const message = yield* messageOf(directory)
        assert.include(message, directory)
        assert.include(message, looks)
      }
    }))

  it.effect("is refused where a table is not a file", () =>
    Effect.gen(function*() {
      const directory = yield* archiveOf({ "tables/task_run.jsonl/oops": "" })
      assert.include(yield* messageOf(directory), "not a regular file")
    }))
})

describe("mounts.json", () => {
  it.effect("may be missing", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* ArchiveApi.readMounts(yield* temporary), [])
    }))

  it.effect("takes folders of the archive that are not there yet", () =>
    Effect.gen(function*() {
      const directory = yield* archiveOf({
        "mounts.json": `{ "C:\\\\flows": "./a/../b", "gs://x": { "folder": ".", "names": "encoded" } }`
      })
      assert.deepStrictEqual(yield* ArchiveApi.readMounts(directory), [
        { from: "C:\\flows", to: join(directory, "b"), within: directory, names: "plain" },
        { from: "gs://x", to: directory, within: directory, names: "encoded" }
      ])
    }))

  it.effect("may be as editors of Windows write it", () =>
    Effect.gen(function*() {
      const directory = yield* archiveOf({ "mounts.json": `\ufeff{\r\n  "/srv": "results"\r\n}\r\n` })
      assert.deepStrictEqual((yield* ArchiveApi.readMounts(directory)).map(({ from }) => from), ["/srv"])
    }))

  it.effect("never leads out of the archive", () =>
    Effect.gen(function*() {
      const outside = yield* temporary
      for (const folder of ["..", "../x", "a/../../x", outside, "link", "link/deeper"]) {
        const directory = yield* archiveOf({ "mounts.json": JSON.stringify({ "/srv": folder }) })
        mkdirSync(join(outside, "deeper"), { recursive: true })
        symlinkSync(outside, join(directory, "link"))
        const error = yield* Effect.flip(ArchiveApi.readMounts(directory))
        assert.include(error.message, "outside the archive", folder)
        assert.include(error.message, "/srv")
      }
    }))

  it.effect("is refused when it is not an object of places and folders", () =>
    Effect.gen(function*() {
      for (const text of ["", "[]", "{", `{ "/srv": 1 }`, `{ "/srv": "" }`, `{ "": "results" }`]) {
        const directory = yield* archiveOf({ "mounts.json": text })
        const error = yield* Effect.flip(ArchiveApi.readMounts(directory))
        assert.include(error.message, "mounts.json", text)
      }
    }))
})

describe("mounts.json with a NUL in a folder", () => {
  it.effect("is a typed error", () =>
    Effect.gen(function*() {
      const folder = mkdtempSync(join(tmpdir(), "nul-"))
      writeFileSync(join(folder, "mounts.json"), JSON.stringify({ "/w": "a\0b" }))
      const error = yield* Effect.flip(ArchiveApi.readMounts(folder))
      assert.strictEqual(error.reason._tag, "Unavailable")
      assert.include(error.message, "NUL")
      rmSync(folder, { recursive: true })
    }))
})

describe("a row that is nested 200 000 deep", () => {
  it.effect("is left out, and the others come", () =>
    Effect.gen(function*() {
      const folder = mkdtempSync(join(tmpdir(), "deep-"))
      mkdirSync(join(folder, "tables"))
      const deep = `{"a":${"[".repeat(200_000)}${"]".repeat(200_000)}}`
      const rows = ["{}", deep, "{}"].map((parameters, index) =>
        `{"id":"c0000000-0000-4000-8000-00000000000${index}","name":"run ${index}","parameters":${parameters}}\n`
      )
      writeFileSync(join(folder, "tables/flow_run.jsonl"), rows.join(""))
      const names = yield* PrefectApi.PrefectApi.pipe(
        Effect.flatMap((api) => Stream.runCollect(Stream.map(api.flowRuns({}), ({ name }) => name))),
        Effect.provide(ArchiveApi.layer(folder))
      )
      assert.deepStrictEqual(names.toSorted(), ["run 0", "run 2"])
      rmSync(folder, { recursive: true })
    }))
})

it.effect("every run of a scan reads the tables from their beginning", () =>
  Effect.gen(function*() {
    const scan = ArchiveApi.scanTaskRuns(fixture("prefect-1"))
    const first = yield* Stream.runCollect(Stream.take(scan, 2))
    const all = yield* Stream.runCollect(scan)
    assert.deepStrictEqual(all.slice(0, 2), first)
    assert.strictEqual(yield* Stream.runCount(scan), all.length)
    assert.isAbove(all.length, 2)
  }))
