/**
 * A row of which a column has none of Prefect's types is a typed problem, and the others come: from every backend, in
 * every listing, whatever the column holds.
 */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import { Listener, RowProblem } from "@effect-prefect/api/RowProblem"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as PostgresBackend from "../src/internal/postgres/backend.ts"
import { identified, isMalformed } from "../src/internal/prefect3/rows.ts"

type Api = PrefectApi.PrefectApi["Service"]
type Row = Record<string, unknown>
type Listed = Stream.Stream<object, PrefectApiError>

const uuid = (kind: number, at: number) => `0000000${kind}-0000-4000-8000-${String(at).padStart(12, "0")}`
const flowRunId = uuid(1, 1)
const taskId = uuid(2, 1)
const taskRunId = uuid(3, 1)

/** Stands for text that nests deep, which no value of this process could be written as. */
const deep = (levels: number) => `<deep ${levels}>`
const textOf = (rows: unknown) =>
  JSON.stringify(rows).replace(
    /"<deep (\d+)>"/g,
    (_, levels: string) => "[".repeat(Number(levels)) + "]".repeat(Number(levels))
  )

const wrong: Record<string, unknown> = {
  null: null,
  text: "text",
  "an empty text": "",
  number: 7,
  "number with a fraction": 1.5,
  "number that is no integer of this process": 1e300,
  boolean: true,
  list: [],
  object: {},
  "huge JSON": Array.from({ length: 40 }, (_, index) => ({ index })),
  "deep JSON": deep(1_100),
  NaN: "NaN",
  infinity: "infinity",
  "minus infinity": "-infinity",
  "a date before Christ": "0044-03-15T00:00:00+00:00 BC",
  "the last year of Postgres": "294276-12-31T23:59:59.999999+00:00"
}

/** All rows are one page. */
const all = { pageSize: 1_000 }

const time = "2022-03-01T12:00:00+00:00"
const state = { type: "Success", message: "done" }
const json = { a: 1 }

interface Table {
  readonly row: (at: number) => Row
  /** The columns by which GraphQL sorts; a server sorts rows of wrong types somewhere, but the same way each time. */
  readonly order: ReadonlyArray<string>
  readonly listings: Record<string, (api: Api) => Listed>
}

const prefect1: Record<string, Table> = {
  task_run: {
    row: (at) => ({
      id: uuid(3, at),
      name: "name",
      task_id: taskId,
      task: { id: taskId, slug: "slug" },
      map_index: at,
      serialized_state: state,
      flow_run_id: flowRunId,
      state: "Success",
      start_time: time,
      end_time: time
    }),
    order: ["task_id", "map_index", "id"],
    listings: {
      taskRuns: (api) => api.taskRuns({ flowRunId }, all),
      taskRunsOfTask: (api) => api.taskRunsOfTask({ flowRunId, taskId }, all),
      siblings: (api) => Stream.flatMap(Stream.fromEffect(api.taskRun(taskRunId)), (view) => api.siblings(view, all)),
      taskRunSummaries: (api) => api.taskRunSummaries({ flowRunId }, all),
      firstTaskRunOfEachTask: (api) => Stream.fromIterableEffect(api.firstTaskRunOfEachTask(flowRunId))
    }
  },
  flow_run: {
    row: (at) => ({
      id: uuid(1, at),
      flow_id: uuid(4, 1),
      name: "name",
      serialized_state: state,
      labels: ["a"],
      parameters: json,
      context: json,
      run_config: json,
      scheduled_start_time: time,
      start_time: time,
      end_time: time,
      created: time,
      updated: time
    }),
    order: ["created", "id"],
    listings: { flowRuns: (api) => api.flowRuns({}, all) }
  },
  flow: {
    row: (at) => ({
      id: uuid(4, at),
      name: "name",
      version: 1,
      version_group_id: "group",
      flow_group_id: uuid(5, 1),
      project_id: uuid(6, 1),
      archived: false,
      description: "text",
      core_version: "1.4.1",
      parameters: json,
      storage: json,
      run_config: json,
      settings: json,
      serialized_flow: json,
      created: time,
      updated: time
    }),
    order: ["created", "id"],
    listings: { flows: (api) => api.flows(all) }
  },
  log: {
    row: (at) => ({
      id: uuid(7, at),
      flow_run_id: flowRunId,
      task_run_id: taskRunId,
      timestamp: time,
      name: "prefect",
      level: "INFO",
      message: "text"
    }),
    order: ["timestamp", "id"],
    listings: { logs: (api) => api.logs({ flowRunId }, all) }
  },
  task_run_artifact: {
    row: (at) => ({ id: uuid(8, at), task_run_id: taskRunId, kind: "link", data: json, created: time }),
    order: ["created", "id"],
    listings: { artifacts: (api) => api.artifacts({ taskRunId }, all) }
  },
  task_run_state: {
    row: (at) => ({
      id: uuid(9, at),
      task_run_id: taskRunId,
      timestamp: time,
      version: 1,
      serialized_state: state
    }),
    order: ["id"],
    listings: { taskRunStates: (api) => Stream.fromIterableEffect(api.taskRunStates(taskRunId)) }
  }
}

const prefect3: Record<string, Table> = {
  task_runs: {
    row: (at) => ({
      id: uuid(3, at),
      name: "name",
      task_key: "key",
      dynamic_key: "0",
      state: { id: uuid(9, 1), type: "COMPLETED", name: "Completed", timestamp: time },
      flow_run_id: flowRunId,
      start_time: time,
      end_time: time,
      expected_start_time: time,
      task_inputs: {}
    }),
    order: [],
    listings: {
      taskRuns: (api) => api.taskRuns({ flowRunId }, all),
      taskRunSummaries: (api) => api.taskRunSummaries({ flowRunId }, all),
      firstTaskRunOfEachTask: (api) => Stream.fromIterableEffect(api.firstTaskRunOfEachTask(flowRunId))
    }
  },
  flow_runs: {
    row: (at) => ({
      id: uuid(1, at),
      flow_id: uuid(4, 1),
      name: "name",
      state: { id: uuid(9, 1), type: "COMPLETED", name: "Completed", timestamp: time },
      tags: ["a"],
      parameters: json,
      context: json,
      expected_start_time: time,
      start_time: time,
      end_time: time,
      created: time,
      updated: time
    }),
    order: [],
    listings: { flowRuns: (api) => api.flowRuns({}, all) }
  },
  flows: {
    row: (at) => ({ id: uuid(4, at), name: "name", created: time, updated: time }),
    order: [],
    listings: { flows: (api) => api.flows(all) }
  },
  logs: {
    row: (at) => ({
      id: uuid(7, at),
      flow_run_id: flowRunId,
      task_run_id: taskRunId,
      timestamp: time,
      created: time,
      name: "prefect",
      level: 20,
      message: "text"
    }),
    order: [],
    listings: { logs: (api) => api.logs({ flowRunId }, all) }
  },
  artifacts: {
    row: (at) => ({
      id: uuid(8, at),
      flow_run_id: flowRunId,
      task_run_id: taskRunId,
      type: "markdown",
      data: "text",
      created: time
    }),
    order: [],
    listings: { artifacts: (api) => api.artifacts({ taskRunId }, all) }
  }
}

interface Case {
  readonly row: Row
  /** The column that is wrong; undefined for a row that is as it should be. */
  readonly column: string | undefined
}

/** Whether a value of a column has a place in the order of a server of GraphQL that this test can tell. */
const isPlaced = ({ order }: Table, column: string, value: unknown) =>
  !order.includes(column) || value !== 7 && (typeof value !== "string" ||
      /^(NaN|-?infinity)$/.test(value) && /^(created|timestamp)$/.test(column))

/** A row with each wrong value in each column, and good rows between them. */
const casesOf = (
  table: Table,
  isGiven: (column: string, value: unknown) => boolean = () => true
): ReadonlyArray<Case> => {
  const cases: Array<Case> = []
  const add = (column?: string, value?: unknown) => {
    const row = table.row(cases.length + 1)
    cases.push({ row: column === undefined ? row : { ...row, [column]: value }, column })
  }
  const columns = Object.keys(table.row(0))
  for (const column of columns) {
    add()
    for (const value of Object.values(wrong)) if (isGiven(column, value)) add(column, value)
  }
  add()
  add(columns.find((column) => column.endsWith("state")) ?? "name", deep(20_000))
  return cases
}

/** Where a server of GraphQL puts a row: nulls last. */
const rankOf = (order: ReadonlyArray<string>) => ({ column, row }: Case) =>
  column !== undefined && order.includes(column) && row[column] === null ? 1 + order.length - order.indexOf(column) : 0

/** What a listing gave, and the problems that it told of. */
const listed = (api: Api, listing: (api: Api) => Listed) =>
  Effect.suspend(() => {
    const problems: Array<RowProblem> = []
    let told = 0
    const logger = Logger.make(({ message }) => {
      for (const each of Array.isArray(message) ? message : [message]) if (each instanceof RowProblem) told++
    })
    return Effect.map(
      Stream.runCollect(listing(api)).pipe(
        Effect.provideService(Listener, (problem) => problems.push(problem)),
        Effect.provide(Logger.layer([logger]))
      ),
      (items) => {
        // However many rows are wrong: all of them are of a page, or of the rows before it.
        assert.isAtMost(told, 40)
        return { items, problems }
      }
    )
  })

const idOf = (item: object) => {
  const { flowId, flowRunId: run, id, taskRunId: taskRun } = item as Record<string, string>
  return "taskRunId" in item && !("timestamp" in item) && !("kind" in item)
    ? taskRun
    : "state" in item && "flowId" in item
    ? run
    : "flowId" in item && !("flowRunId" in item)
    ? flowId
    : id
}

interface Found {
  readonly items: ReadonlyArray<object>
  readonly problems: ReadonlyArray<RowProblem>
}

const expectGood = (cases: ReadonlyArray<Case>, { items, problems }: Found, name: string) => {
  const given = new Set(items.map(idOf))
  for (const { column, row } of cases) {
    if (column === undefined) assert.isTrue(given.has(row["id"] as string), `${name}: ${String(row["id"])}`)
  }
  // What comes can be shown.
  for (const item of items) JSON.stringify(item)
  for (const problem of problems) assert.notMatch(problem.detail, /\btext\b|infinity|294276|deep>/)
}

/** Each row either comes or is a problem. */
const expectAll = (cases: ReadonlyArray<Case>, found: Found, name: string) => {
  expectGood(cases, found, name)
  assert.strictEqual(found.items.length + found.problems.length, cases.length, name)
  assert.isAbove(found.problems.length, 0)
}

describe("with a column of no type of Prefect's, the row alone is a problem", () => {
  it("no row can say that it is one itself", () => {
    assert.isFalse(isMalformed(identified({ id: taskRunId, _tag: "MalformedRow", detail: 7 })))
  })

  for (const [table, shape] of Object.entries(prefect1)) {
    const cases = casesOf(shape, (column, value) => isPlaced(shape, column, value))
    const isNewestFirst = table.startsWith("flow")
    const rankedBy = (order: ReadonlyArray<string>) =>
      (isNewestFirst ? cases.toReversed() : cases)
        .toSorted((left, right) => rankOf(order)(left) - rankOf(order)(right))
    const ordered = rankedBy(shape.order)
    const body = textOf(ordered.map(({ row }) => row))
    const ofTask = textOf(rankedBy(shape.order.filter((column) => column !== "task_id")).map(({ row }) => row))
    // The first run of each task: each is of a task of its own.
    const firsts = textOf(
      ordered.map(({ column, row }, at) => column === "task_id" ? row : { ...row, task_id: uuid(2, at), task: null })
    )
    // What is nested deep has a text of its own, which nothing can write again.
    const texts = new Map(casesOf(shape).map(({ row }): [Row, string] => [JSON.parse(textOf(row)) as Row, textOf(row)]))
    const rows = [...texts.keys()]
    for (const [name, listing] of Object.entries(shape.listings)) {
      it.effect(`GraphQL: ${name}`, () =>
        Effect.gen(function*() {
          let asked = 0
          const client = HttpClient.make((request) =>
            Effect.sync(() => {
              const { body: sent } = request as unknown as { readonly body: { readonly body: Uint8Array } }
              const query = new TextDecoder().decode(sent.body)
              const isLookup = query.includes("_in: $ids")
              const isOther = query.includes("_is_null\":true")
              const answered = isLookup
                ? name === "siblings" ? `[${JSON.stringify(shape.row(1))}]` : "[]"
                : !isOther && asked++ === 0
                ? name === "firstTaskRunOfEachTask" ? firsts : /OfTask$|siblings/.test(name) ? ofTask : body
                : "[]"
              const answer = new Response(`{"data":{"${table}":${answered}}}`)
              return HttpClientResponse.fromWeb(request, answer)
            })
          )
          const api = yield* Effect.provide(
            PrefectApi.PrefectApi,
            GraphQLApi.layer({ url: "http://localhost:4200" }).pipe(
              Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
            )
          )
          expectAll(cases, yield* listed(api, listing), name)
        }))

      it.effect(`Postgres: ${name}`, () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.make({
            driver: "none",
            acquirer: Effect.die("nothing is sent"),
            compiler: PgClient.makeCompiler(),
            spanAttributes: []
          }).pipe(Effect.provide(Reactivity.layer))
          let asked = 0
          const backend = PostgresBackend.make({
            client: sql,
            run: (operation) =>
              Effect.sync(() =>
                (operation === "taskRun" ? [shape.row(1)] : asked++ === 0 ? rows : []).map((row) => ({
                  ...(name === "taskRunSummaries" ? {} : { row: texts.get(row) ?? textOf(row) }),
                  key: "",
                  id: row["id"],
                  taskRunId: row["id"],
                  taskId: row["task_id"],
                  mapIndex: row["map_index"],
                  state: row["state"],
                  startTime: row["start_time"],
                  endTime: row["end_time"]
                })) as never
              ),
            maxRowBytes: 1_000
          })
          expectAll(casesOf(shape), yield* listed(PrefectApi.make(backend), listing), name)
        }))
    }
  }

  for (const shape of Object.values(prefect3)) {
    // No more than a page of the server.
    const cases = casesOf(shape, (_, value) => value !== "" && value !== true && value !== 1.5 && value !== "NaN")
    const body = textOf(cases.map(({ row }) => row))
    for (const [name, listing] of Object.entries(shape.listings)) {
      it.effect(`Prefect 3: ${name}`, () =>
        Effect.gen(function*() {
          let asked = 0
          const client = HttpClient.make((request) =>
            Effect.sync(() => {
              const answer = request.url.endsWith("/admin/version") ? `"3.1.0"` : asked++ === 0 ? body : "[]"
              return HttpClientResponse.fromWeb(request, new Response(answer))
            })
          )
          const api = yield* Effect.provide(
            PrefectApi.PrefectApi,
            Prefect3Api.layer({ url: "http://localhost:4200/api" }).pipe(
              Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
            )
          )
          expectAll(cases, yield* listed(api, listing), name)
        }))
    }
  }

  const withFolder = <A, E>(use: (folder: string) => Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const folder = mkdtempSync(join(tmpdir(), "odd-rows-"))
        mkdirSync(join(folder, "tables"))
        return folder
      }),
      use,
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    )
  const write = (folder: string, table: string, rows: ReadonlyArray<Row>) =>
    writeFileSync(join(folder, "tables", `${table}.jsonl`), rows.map((row) => `${textOf(row)}\n`).join(""))

  /** The columns by which rows belong to what is listed. */
  const membership = new Set(["flow_run_id", "task_run_id", "task_id", "task"])

  interface Archive {
    readonly tables: Record<string, Table>
    readonly nameOf: (table: string) => string
    readonly others: Record<string, ReadonlyArray<Row>>
    readonly index?: "always"
  }
  const archives = {
    "an archive of Prefect 1": { tables: prefect1, nameOf: (table: string) => table, others: {} },
    "an archive of Prefect 1 by its index": {
      tables: prefect1,
      nameOf: (table: string) => table,
      others: {},
      index: "always" as const
    },
    "an archive of Prefect 3": {
      tables: prefect3,
      nameOf: (table: string) => `prefect3_${table.slice(0, -1)}`,
      others: { prefect3_server: [{ version: "3.1.0" }] }
    }
  }
  const entries: ReadonlyArray<readonly [string, Archive]> = Object.entries(archives)
  for (const [archive, { index, nameOf, others, tables }] of entries) {
    it.effect(archive, () =>
      withFolder((folder) =>
        Effect.gen(function*() {
          for (const [table, rows] of Object.entries(others)) write(folder, table, rows)
          for (const [table, shape] of Object.entries(tables)) {
            write(folder, nameOf(table), casesOf(shape).map(({ row }) => row))
          }
          yield* Effect.gen(function*() {
            const api = yield* PrefectApi.PrefectApi
            const lines = yield* ArchiveApi.problems.pipe(Effect.provide(Logger.layer([])))
            for (const [table, shape] of Object.entries(tables)) {
              const cases = casesOf(shape)
              const without = lines.filter(({ file }) => file === `tables/${nameOf(table)}.jsonl`)
              for (const [name, listing] of Object.entries(shape.listings)) {
                if (name === "firstTaskRunOfEachTask" && tables === prefect1) continue
                const found = yield* listed(api, listing)
                if (name === "siblings") {
                  // All but the one whose siblings they are.
                  expectGood(cases.slice(1), found, name)
                  continue
                }
                expectGood(cases, found, name)
                const seen = new Set([
                  ...found.items.map(idOf),
                  ...found.problems.map(({ id }) => id),
                  ...without.map(({ line }) => cases[line - 1]!.row["id"])
                ])
                for (const { column, row } of cases) {
                  if (column === undefined || membership.has(column) || column === "id") continue
                  assert.isTrue(seen.has(row["id"] as string), `${name}, ${column}: ${String(row["id"])}`)
                }
              }
            }
          }).pipe(
            Effect.provide(ArchiveApi.layer(folder, { index, cache: join(folder, "cache") })),
            Effect.provide(Logger.layer([])),
            Effect.scoped
          )
        })
      ))
  }
})
