import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as PostgresApi from "@effect-prefect/api/PostgresApi"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as State from "@effect-prefect/core/State"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as Server from "@effect-prefect/server/Server"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { startPglite } from "../../api/test/pglite.ts"
import { serveArchive } from "../../api/test/support/embedded.ts"

const archive = fileURLToPath(new URL("../../../fixtures/prefect-1", import.meta.url))
const flowRunId = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"

type Row = { readonly id: string; readonly [column: string]: unknown }

const table = (name: string): ReadonlyArray<Row> =>
  readFileSync(join(archive, `tables/${name}.jsonl`), "utf8").trim().split("\n").filter((line) => line !== "").map(
    (line) => JSON.parse(line) as Row
  )

const names = ["flow", "flow_run", "flow_run_state", "task", "task_run", "task_run_state", "log"] as const
const tables = Object.fromEntries(names.map((name) => [name, table(name)])) as Record<
  (typeof names)[number],
  ReadonlyArray<Row>
>

const own = (name: (typeof names)[number]) => tables[name].filter((row) => row["flow_run_id"] === flowRunId)
const instant = (row: Row) => Date.parse(row["timestamp"] as string)
const byTime = (left: Row, right: Row) => instant(left) - instant(right) || (left.id < right.id ? -1 : 1)
const lines = own("log").toSorted(byTime)

/** What users of a flow run see, whichever backend it is from. */
const suite = <E>(name: string, api: Layer.Layer<PrefectApi, E>) =>
  it.layer(
    Layer.merge(
      api,
      Layer.unwrap(Effect.map(ArchiveApi.readMounts(archive), (mounts) => LocalStorage.layer({ mounts })))
    ),
    { excludeTestServices: true }
  )(name, (it) => {
    it.effect("its states with their times, its flow and parameters", () =>
      Effect.gen(function*() {
        const run = yield* FlowRun.fromFlowRunId(flowRunId)
        assert.deepStrictEqual(run.parameters, { n: 24 })
        assert.strictEqual((yield* run.flow).name, "orders-etl")
        const expected = own("flow_run_state").toSorted(byTime)
        const states = yield* run.states
        assert.deepStrictEqual(
          states.map(({ state, timestamp }) => [State.typeName(state), Date.parse(timestamp ?? "")]),
          expected.map((row) => [row["state"], instant(row)])
        )
      }))

    it.effect("its log, complete and in order, from a level up", () =>
      Effect.gen(function*() {
        const run = yield* FlowRun.fromFlowRunId(flowRunId)
        const all = yield* Stream.runCollect(run.logs())
        assert.deepStrictEqual(all.map(({ id }) => id), lines.map(({ id }) => id))
        const errors = yield* Stream.runCollect(run.logs({ level: "ERROR" }))
        assert.deepStrictEqual(
          errors.map(({ id }) => id),
          lines.filter((row) => row["level"] === "ERROR" || row["level"] === "CRITICAL").map(({ id }) => id)
        )
      }))

    it.effect("its task runs, filtered, and one by slug, by id, by both", () =>
      Effect.gen(function*() {
        const run = yield* FlowRun.fromFlowRunId(flowRunId)
        const rows = own("task_run")
        const ids = (filter?: Parameters<typeof run.taskRuns>[0]) =>
          Effect.map(Stream.runCollect(run.taskRuns(filter)), (all) => all.map(({ view }) => String(view.taskRunId)))
        assert.sameMembers(yield* ids(), rows.map(({ id }) => id))
        assert.sameMembers(
          yield* ids({ mapped: true }),
          rows.filter((row) => Number(row["map_index"]) >= 0).map(({ id }) => id)
        )
        assert.sameMembers(
          yield* ids({ states: ["Failed", "TriggerFailed"] }),
          rows.filter((row) => row["state"] === "Failed" || row["state"] === "TriggerFailed").map(({ id }) => id)
        )
        const bySlug = yield* run.getTaskRun({ taskSlug: "score-1", mapIndex: 7 })
        const taskRunId = bySlug.view.taskRunId
        assert.strictEqual(yield* run.getTaskRun({ taskRunId, taskSlug: "score-1", mapIndex: 7 }), bySlug)
        const error = yield* Effect.flip(run.getTaskRun({ taskRunId, taskSlug: "extract-1" }))
        assert.include(error.message, "its slug is score-1")
      }))

    it.effect("its progress: mapped children counted by state", () =>
      Effect.gen(function*() {
        const run = yield* FlowRun.fromFlowRunId(flowRunId)
        const progress = yield* (yield* run.getTaskRun({ taskSlug: "score-1" })).mappedStateCounts
        assert.deepStrictEqual(progress, { expected: 24, found: 24, states: { Failed: 1, Skipped: 1, Success: 22 } })
      }))

    it.effect("its outcomes, one of every task run", () =>
      Effect.gen(function*() {
        const outcomes = yield* Stream.runCollect((yield* FlowRun.fromFlowRunId(flowRunId)).results)
        assert.strictEqual(outcomes.length, own("task_run").length)
        const summary = outcomes.find(({ taskRun }) => taskRun.view.taskSlug === "summary-1")?.result
        assert.deepStrictEqual(summary === undefined ? undefined : Result.getOrThrow(summary), {
          orders: 24,
          total_cents: 1283888
        })
      }))

    // It ended long before now, so the watch waits for nothing.
    it.effect("a watch of it gives every state and line once, and ends", () =>
      Effect.gen(function*() {
        const events = yield* Stream.runCollect((yield* FlowRun.fromFlowRunId(flowRunId)).watch())
        const given = events.map((event) => event._tag === "Log" ? event.entry.id : State.typeName(event.record.state))
        assert.sameMembers(given, [
          ...lines.map(({ id }) => id),
          ...own("flow_run_state").map((row) => row["state"] as string)
        ])
      }))
  })

suite("memory", MemoryApi.layer(tables as unknown as MemoryApi.Tables))

suite("an archive", ArchiveApi.layer(archive))

suite(
  "GraphQL over the embedded server",
  Layer.unwrap(Effect.map(Server.Server, ({ url }) => GraphQLApi.layer({ url }))).pipe(
    Layer.provide(serveArchive(archive))
  )
)

suite(
  "Postgres",
  Layer.unwrap(Effect.map(
    startPglite(tables),
    ({ url }) => PostgresApi.layer({ url: Redacted.make(url), maxConnections: 1 })
  ))
)
