/** A Prefect 3 server that is exported: its archive answers as it does, and holds no secret of its storage blocks. */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import { toRow } from "@effect-prefect/core/TaskRunView"
import * as ArchiveExport from "@effect-prefect/results/ArchiveExport"
import * as ArchiveVerify from "@effect-prefect/results/ArchiveVerify"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Recorded from "../../api/test/prefect3Server.ts"
import { onceForFile } from "./support/onceForFile.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "prefect3-archive-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

const serverOf = (
  reply?: Parameters<typeof Recorded.start>[0],
  options?: Parameters<typeof Recorded.start>[1]
) =>
  Effect.acquireRelease(
    Effect.promise(() => Recorded.start(reply, options)),
    (server) => Effect.promise(() => server[Symbol.asyncDispose]())
  )

const Files = LocalStorage.layer({ mounts: [{ from: "/srv/prefect3", to: join(Recorded.fixtures, "files") }] })

const exportTo = (url: string, directory: string, options: Partial<ArchiveExport.Options> = {}) =>
  Effect.provide(
    ArchiveExport.exportAll({ directory, prefect3: { url }, ...options }),
    Prefect3Storage.layer(Files).pipe(Layer.provide(Prefect3Api.layer({ url })))
  )

/** An archive of all of the server, which is made once: each test has a copy. */
const exported = onceForFile(Effect.gen(function*() {
  const folder = join(yield* temporary, "whole")
  const server = yield* serverOf()
  return { folder, report: yield* exportTo(server.url, folder) }
}))

const copyOfExported = Effect.gen(function*() {
  const directory = join(yield* temporary, "copy")
  const { folder, report } = yield* exported
  fs.cpSync(folder, directory, { recursive: true })
  return { directory, report }
})

const linesOf = (directory: string, table: string): ReadonlyArray<Recorded.Row> =>
  fs.readFileSync(join(directory, "tables", `${table}.jsonl`), "utf8").split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Recorded.Row)

/** A failure as its message, which names the server's version. */
const said = <A, E extends { readonly message: string }>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.result(effect), (result) => Result.isSuccess(result) ? result.success : result.failure.message)
const collect = <A, E extends { readonly message: string }>(stream: Stream.Stream<A, E>) =>
  said(Stream.runCollect(stream))

/** All that a backend says, in the order in which it says it. */
const readAll = Effect.fnUntraced(function*(api: PrefectApi.PrefectApi["Service"]) {
  const flowRuns = yield* Stream.runCollect(api.flowRuns({}, { pageSize: 1 }))
  const flows = yield* Stream.runCollect(api.flows({ pageSize: 2 }))
  const perFlowRun = yield* Effect.forEach(
    flowRuns.map(({ flowRunId }) => flowRunId as string).concat("nope", "00000000-0000-4000-8000-000000000000"),
    Effect.fnUntraced(function*(flowRunId) {
      const taskRuns = yield* Effect.orElseSucceed(
        Stream.runCollect(api.taskRuns({ flowRunId }, { pageSize: 7 })),
        () => []
      )
      const [first] = taskRuns
      const slug = first?.taskSlug ?? ""
      return {
        flowRun: yield* said(api.flowRun(flowRunId)),
        taskRuns: yield* collect(Stream.map(api.taskRuns({ flowRunId }, { pageSize: 7 }), toRow)),
        failed: yield* collect(Stream.map(api.taskRuns({ flowRunId, states: ["Failed", "Cached"] }), toRow)),
        named: yield* collect(Stream.map(api.taskRuns({ flowRunId, states: ["TimedOut", "COMPLETED"] }), toRow)),
        ofSlug: yield* collect(Stream.map(api.taskRuns({ flowRunId, taskSlug: slug }), toRow)),
        mapped: yield* collect(api.taskRuns({ flowRunId, mapped: true })),
        firstOfEach: yield* said(Effect.map(api.firstTaskRunOfEachTask(flowRunId), (views) => views.map(toRow))),
        summaries: yield* collect(api.taskRunSummaries({ flowRunId }, { pageSize: 4 })),
        bySlug: yield* said(Effect.map(api.taskRunBySlug({ flowRunId, taskSlug: slug, mapIndex: -1 }), toRow)),
        byIndex: yield* said(Effect.map(api.taskRunBySlug({ flowRunId, taskSlug: slug, mapIndex: 1 }), toRow)),
        siblings: first === undefined ? [] : yield* collect(Stream.map(api.siblings(first, { pageSize: 3 }), toRow)),
        children: yield* said(api.countMappedChildren({ flowRunId, taskId: "t" })),
        edges: yield* said(api.edges(flowRunId)),
        states: yield* said(api.flowRunStates(flowRunId)),
        taskRunStates: yield* Effect.forEach(taskRuns, ({ taskRunId }) => said(api.taskRunStates(taskRunId))),
        oneByOne: yield* Effect.forEach(taskRuns, ({ taskRunId }) => said(Effect.map(api.taskRun(taskRunId), toRow))),
        logs: yield* collect(api.logs({ flowRunId }, { pageSize: 3 })),
        warnings: yield* collect(api.logs({ flowRunId, level: "WARNING" })),
        artifacts: yield* collect(api.artifacts({ flowRunId }))
      }
    })
  )
  const [run] = flowRuns
  return {
    flows,
    flowRuns,
    ofFlow: yield* collect(api.flowRuns({ flowId: run!.flowId! })),
    ofName: yield* collect(api.flowRuns({ flowName: flows[1]!.name! })),
    failedRuns: yield* collect(api.flowRuns({ states: ["Failed"] })),
    part: yield* collect(api.flowRuns({ nameContains: run!.name!.slice(1, 4).toUpperCase() })),
    byPrefix: yield* Effect.forEach(["", "0", run!.flowRunId.slice(0, 8), "zz"], (prefix) =>
      Effect.all([
        said(api.flowRunsByIdPrefix({ prefix, limit: 3 })),
        said(Effect.map(api.taskRunsByIdPrefix({ prefix, limit: 3 }), (views) => views.map(toRow)))
      ])),
    noFlow: yield* said(api.flow("nope")),
    blocks: yield* Effect.forEach(
      ["00000000-0000-4000-8000-000000000000", "nope"],
      (id) => said(api.storageBlock(id))
    ),
    perFlowRun
  }
})

/** Every result of every flow run, and the flow run's own. */
const resultsOf = Effect.gen(function*() {
  const api = yield* PrefectApi.PrefectApi
  const runs = yield* Stream.runCollect(api.flowRuns())
  return yield* Effect.forEach(
    runs,
    Effect.fnUntraced(function*(view) {
      const run = yield* FlowRun.fromView(view)
      const outcomes = yield* Stream.runCollect(run.results)
      return {
        own: yield* Effect.map(
          Effect.result(run.getResult),
          (result) => Result.isSuccess(result) ? result.success : result.failure.reason._tag
        ),
        outcomes: outcomes.map(({ result, taskRun }) => [
          taskRun.view.taskRunId,
          Result.isSuccess(result) ? result.success : result.failure.reason._tag
        ])
      }
    })
  )
})

describe("an archive of a Prefect 3 server", () => {
  it.live("says what the server says, by an index in memory, beside the tables and in a cache", () =>
    Effect.scoped(Effect.gen(function*() {
      const { directory, report } = yield* copyOfExported
      const server = yield* serverOf()
      assert.strictEqual(report.changed, 0)
      const live = yield* Effect.flatMap(Prefect3Api.make({ url: server.url }), readAll)
      const archived = (options: ArchiveApi.Options) =>
        Effect.scoped(Effect.flatMap(ArchiveApi.make(directory, options), ({ api }) => readAll(api)))
      const cache = yield* temporary
      assert.deepStrictEqual(yield* archived({ index: "never" }), live)
      assert.deepStrictEqual(yield* archived({ index: "always", cache }), live)
      yield* ArchiveExport.index(directory)
      assert.isTrue(fs.existsSync(join(directory, "index.sqlite")))
      assert.deepStrictEqual(yield* archived({ index: "always", cache: "/dev/null/cache" }), live)

      // In one order and whole, whatever the size of a page.
      const { archive } = yield* ArchiveApi.make(directory)
      const ids = (yield* Stream.runCollect(archive.taskRuns)).map(({ taskRunId }) => taskRunId as string)
      assert.deepStrictEqual(ids, linesOf(directory, "prefect3_task_run").map((row) => row["id"]))
      assert.deepStrictEqual(yield* archive.problems, [])
    })))

  it.live("gives the same results, and verify finds what was changed", () =>
    Effect.scoped(Effect.gen(function*() {
      const { directory, report } = yield* copyOfExported
      const server = yield* serverOf()
      const Live = Layer.provideMerge(Prefect3Storage.layer(Files), Prefect3Api.layer({ url: server.url }))
      const Kept = Layer.provideMerge(
        Prefect3Storage.layer(LocalStorage.layerArchive(directory)),
        ArchiveApi.layer(directory)
      )
      const live = yield* Effect.provide(resultsOf, Live)
      assert.isTrue(live.some(({ outcomes }) => outcomes.length > 20))
      assert.deepStrictEqual(yield* Effect.provide(resultsOf, Kept), live)

      // The results that the server claims and that were never written are named, the flow run's own too.
      assert.isFalse(report.complete)
      const incomplete = fs.readFileSync(join(directory, "incomplete.jsonl"), "utf8").trimEnd().split("\n")
        .map((line) => JSON.parse(line) as Recorded.Row)
      assert.strictEqual(incomplete.length, report.results?.failures)
      assert.deepStrictEqual(incomplete.map(({ reason }) => reason), incomplete.map(() => "ResultNotFound"))
      assert.strictEqual(incomplete.filter((line) => typeof line["flow_run_id"] === "string").length, 1)

      const [summary] = (yield* Stream.runCollect(ArchiveVerify.verify(directory))).slice(-1)
      assert.isTrue(summary?._tag === "Summary" && summary.failures === incomplete.length && summary.taskRuns > 40)
      const problems = Effect.map(
        Stream.runCollect(ArchiveVerify.verify(directory)),
        (issues) => issues.filter(({ _tag }) => _tag !== "Summary").length
      )
      assert.strictEqual(yield* problems, incomplete.length)
      for (const table of fs.readdirSync(join(directory, "tables"))) {
        const path = join(directory, "tables", table)
        const content = fs.readFileSync(path)
        fs.appendFileSync(path, "\n")
        assert.strictEqual(yield* problems, incomplete.length + 1, table)
        fs.writeFileSync(path, content)
      }
    })))

  it.live("keeps the blocks of results without their secrets, whatever the server answers", () =>
    Effect.scoped(Effect.gen(function*() {
      const directory = yield* temporary
      // Storage blocks that answer with all that they have, as some servers do.
      const secrets = Recorded.exchange("blocks/s3_minio_secrets").response as Recorded.Row
      const server = yield* serverOf(({ path }) =>
        path.startsWith("/block_documents/")
          ? {
            status: 200,
            body: {
              ...secrets,
              data: {
                ...secrets["data"] as Recorded.Row,
                bucket_name: "results",
                note: "see https://someone:hunter2@store.example/x"
              }
            }
          }
          : undefined
      )
      yield* exportTo(server.url, directory)
      const [block, ...others] = linesOf(directory, "prefect3_block_document")
      assert.strictEqual(others.length, 0)
      const data = block!["data"] as Recorded.Row
      assert.strictEqual(data["bucket_name"], "results")
      assert.strictEqual(data["note"], "see https://********@store.example/x")
      const text = fs.readFileSync(join(directory, "tables/prefect3_block_document.jsonl"), "utf8")
      const stored = JSON.stringify(secrets["data"]).match(/"(?:minio_root_user|minio_root_password)":"[^"]+"/g) ?? []
      assert.isAbove(stored.length, 0)
      for (const pair of stored) assert.notInclude(text, pair)
    })))

  it.live("takes the flow runs that were chosen, and what belongs to them", () =>
    Effect.scoped(Effect.gen(function*() {
      const server = yield* serverOf()
      const flowOf = (row: Recorded.Row) => Recorded.flows.find(({ id }) => id === row["flow_id"])!["name"] as string
      const run = Recorded.flowRuns.find(({ id }) => id === Recorded.runs["structure"])!
      const directory = yield* temporary
      yield* exportTo(server.url, directory, { selection: { flowNames: [flowOf(run)] } })
      const runs = Recorded.flowRuns.filter((row) => flowOf(row) === flowOf(run)).map(({ id }) => id)
      assert.sameMembers(linesOf(directory, "prefect3_flow_run").map(({ id }) => id), runs)
      assert.sameMembers(linesOf(directory, "prefect3_flow").map(({ id }) => id), [run["flow_id"]])
      assert.sameMembers(
        linesOf(directory, "prefect3_task_run").map(({ id }) => id),
        Recorded.taskRuns.filter((row) => runs.includes(row["flow_run_id"]!)).map(({ id }) => id)
      )
      const created = String(run["created"])
      for (
        const [selection, isThere] of [
          [{ since: created }, true],
          [{ until: created }, false]
        ] as const
      ) {
        const other = yield* temporary
        yield* exportTo(server.url, other, { selection })
        assert.strictEqual(linesOf(other, "prefect3_flow_run").some(({ id }) => id === run["id"]), isThere)
      }
    })))

  it.live("says how many flow runs changed meanwhile", () =>
    Effect.scoped(Effect.gen(function*() {
      const [changed, removed] = Recorded.flowRuns
      let listings = 0
      const server = yield* serverOf((request) => {
        const { body, path } = request
        if (path !== "/flow_runs/filter" || body === null) return undefined
        const { body: rows, status } = Recorded.answer(request)
        if (Number(body["offset"] ?? 0) === 0 && !JSON.stringify(body).includes("before_")) listings++
        return listings === 1 ? undefined : {
          status,
          body: (rows as ReadonlyArray<Recorded.Row>)
            .filter(({ id }) => id !== removed!["id"])
            .map((row) => row["id"] === changed!["id"] ? { ...row, updated: "2030-01-01T00:00:00Z" } : row)
        }
      })
      const directory = yield* temporary
      assert.strictEqual((yield* exportTo(server.url, directory)).changed, 2)
    })))

  it.live("is not read as one of Prefect 1 when the row that names the version is gone", () =>
    Effect.scoped(Effect.gen(function*() {
      const { directory } = yield* copyOfExported
      fs.rmSync(join(directory, "tables/prefect3_server.jsonl"))
      const error = yield* Effect.flip(ArchiveApi.make(directory))
      assert.include(error.message, "prefect3_server.jsonl")
    })))

  it.live("has no artifacts where the server has none, and says so as it does", () =>
    Effect.scoped(Effect.gen(function*() {
      const server = yield* serverOf(({ path }) =>
        path === "/artifacts/filter" ? { status: 404, body: { detail: "Not Found" } } : undefined
      )
      const directory = yield* temporary
      const report = yield* exportTo(server.url, directory)
      assert.notProperty(report.tables, "prefect3_artifact")
      const flowRunId = Recorded.runs["structure"]!
      const live = yield* Prefect3Api.make({ url: server.url })
      const { api } = yield* ArchiveApi.make(directory)
      assert.deepStrictEqual(
        yield* collect(api.artifacts({ flowRunId })),
        yield* collect(live.artifacts({ flowRunId }))
      )
    })))
})
