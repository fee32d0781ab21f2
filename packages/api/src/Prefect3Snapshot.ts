/**
 * `Prefect3Snapshot`: the rows of a Prefect 2 or 3 server as its API returns them, streamed, for an archive.
 *
 * The rows are the server's own, column for column, in the order of its listings. Storage blocks are those of stored
 * results, without their secrets.
 *
 * @since 0.1.0
 */
import * as JsonText from "@effect-prefect/core/JsonText"
import * as State from "@effect-prefect/core/State"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import type { Snapshot } from "./ApiSnapshot.ts"
import type { Cursor, Page } from "./Backend.ts"
import { isObject } from "./internal/isObject.ts"
import * as Lines from "./internal/lines.ts"
import * as Block from "./internal/prefect3/block.ts"
import * as Client from "./internal/prefect3/client.ts"
import * as Pages from "./internal/prefect3/pages.ts"
import { Malformed, type Row } from "./internal/prefect3/rows.ts"
import type { TableName } from "./internal/tables/prefect3Names.ts"
import type { Selection, Table } from "./PostgresSnapshot.ts"
import type { Options } from "./Prefect3Config.ts"
import type { PrefectApiError } from "./PrefectApiError.ts"
import type { PrefectConfigError } from "./PrefectConfigError.ts"

const concurrency = 8
const pageSize = 200
/** Flow runs whose rows are requested together. */
const runsAtOnce = 50

/** The row itself, when it has an id. */
const rowOf = (value: unknown): Row | Malformed =>
  isObject(value) && typeof value["id"] === "string" && value["id"] !== ""
    ? value as Row
    : new Malformed("a row without an id")

/** Ids in 16 bytes each: there may be millions. */
class Ids {
  private readonly chunks: Array<Buffer> = []
  private size = 0
  add(id: string): void {
    const at = this.size++ % 4096
    if (at === 0) this.chunks.push(Buffer.alloc(4096 * 16))
    this.chunks.at(-1)!.write(id.replaceAll("-", "").slice(0, 32), at * 16, "hex")
  }
  *[Symbol.iterator](): Generator<string> {
    for (let at = 0; at < this.size; at++) {
      const hex = this.chunks[Math.floor(at / 4096)]!.toString("hex", (at % 4096) * 16, (at % 4096 + 1) * 16)
      yield `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
    }
  }
}

/** The fields that reveal a change of a flow run. */
const stampOf = (row: Row): string => JSON.stringify([row["updated"] ?? null, stateIdOf(row)])

/** The id of a row's state, or the state itself, of which a long one is known by what Prefect changes in it. */
const stateIdOf = (row: Row): string => {
  const state = row["state_id"] ?? row["state"] ?? null
  return JsonText.atOnce(state) ?? JSON.stringify(isObject(state) ? [state["id"], state["timestamp"]] : null)
}

/** A sum over task runs and their states, independent of their order. */
const sumOf = (row: Row): number =>
  createHash("sha256").update(`${String(row["id"])} ${stateIdOf(row)}`).digest().readUIntBE(0, 6)

const isFinished = (row: Row): boolean => State.isFinished(State.fromJson(row["state"] ?? null))

/** The block of a run's stored result. */
const blockIdOf = (row: Row): string | undefined => {
  const descriptor = State.resultDescriptor(State.fromJson(row["state"] ?? null))
  return descriptor?._tag === "Prefect3Result" ? descriptor.storageBlockId ?? undefined : undefined
}

const mask = "********"
// A user and a password before the host in a URL.
const userInfo = /(:\/\/)[^/@\s:]*:[^/@\s]*@/g

const withoutSecrets = (value: unknown): unknown => {
  if (Redacted.isRedacted(value)) return mask
  if (typeof value === "string") return value.replace(userInfo, `$1${mask}@`)
  if (Array.isArray(value)) return value.map(withoutSecrets)
  return isObject(value)
    ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutSecrets(item)]))
    : value
}

/** The part of a block document that an archive keeps: its identity, and its data without secrets. */
const blockRow = (json: unknown): object | undefined => {
  const block = Block.fromJson(json)
  if (block === undefined) return undefined
  const { name = null, created = null, updated = null } = json as Row
  return {
    id: block.id,
    name,
    created,
    updated,
    block_type: { slug: block.type },
    data: withoutSecrets(block.data)
  }
}

/**
 * The rows of the selected flow runs, and of everything that belongs to them. Each table is requested when its rows are
 * pulled, in the order of the list.
 *
 * A task run outside a flow is included when there is no selection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options,
  { flowNames, since, until }: Selection = {}
): Effect.fn.Return<Snapshot, PrefectApiError | PrefectConfigError> {
  const client = yield* Client.make(options)
  const version = yield* client.version
  const pages = Pages.make(client, { keepsAll: true })
  const isWhole = flowNames === undefined && since === undefined && until === undefined
  const omitted: Record<string, number> = {}
  const omit = (table: TableName) => {
    omitted[table] = (omitted[table] ?? 0) + 1
  }

  const paged = (
    page: (cursor: Cursor | undefined) => Effect.Effect<Page<Row>, PrefectApiError>
  ): Stream.Stream<Row, PrefectApiError> =>
    Stream.paginate<Cursor | undefined, Row, PrefectApiError, never>(
      undefined,
      (cursor) =>
        Effect.map(page(cursor), ({ items, next }) => [items, next === undefined ? Option.none() : Option.some(next)])
    )
  const listed = (operation: string, path: string, body: object) =>
    paged((cursor) =>
      pages.byOffset({ operation, path, body: body as Pages.Filter["body"] }, { cursor, limit: pageSize }, rowOf)
    )
  const timed = (order: Pages.TimeOrder) => paged((cursor) => pages.byTime(order, { cursor, limit: pageSize }, rowOf))

  const from = since === undefined ? -Infinity : Date.parse(since)
  const to = until === undefined ? Infinity : Date.parse(until)
  const isSelected = (row: Row) => {
    if (since === undefined && until === undefined) return true
    const time = Date.parse(String(row["created"] ?? ""))
    return time >= from && time < to
  }
  const flowRuns = Stream.filter(
    timed({
      time: "expected_start_time",
      isDescending: true,
      from: (before) => ({
        operation: "flowRuns",
        path: "/flow_runs/filter",
        body: {
          ...(flowNames === undefined ? {} : { flows: { name: { any_: [...new Set(flowNames)] } } }),
          ...(before === undefined ? {} : { flow_runs: { expected_start_time: { before_: before } } }),
          sort: "EXPECTED_START_TIME_DESC"
        }
      })
    }),
    isSelected
  )
  const ofRuns = (ids: ReadonlyArray<string>) =>
    listed("taskRuns", "/task_runs/filter", { flow_runs: { id: { any_: ids } }, sort: "ID_DESC" })
  // In Prefect 2, all task runs belong to flow runs.
  const outside: Stream.Stream<Row, PrefectApiError> = isWhole && version?.startsWith("2.") !== true
    ? listed("taskRuns", "/task_runs/filter", {
      task_runs: { flow_run_id: { is_null_: true } },
      sort: "ID_DESC"
    })
    : Stream.empty
  const logsOf = (column: "flow_run_id" | "task_run_id", ids: ReadonlyArray<string>) =>
    timed({
      time: "timestamp",
      isDescending: false,
      from: (time) => ({
        operation: "logs",
        path: "/logs/filter",
        body: {
          logs: { [column]: { any_: ids }, ...(time === undefined ? {} : { timestamp: { after_: time } }) },
          sort: "TIMESTAMP_ASC"
        }
      })
    })
  const artifactsOf = (artifacts: object) => listed("artifacts", "/artifacts/filter", { artifacts, sort: "ID_DESC" })
  // Early versions of Prefect 2 have none.
  const hasArtifacts = yield* pages.byOffset(
    { operation: "artifacts", path: "/artifacts/filter", body: { sort: "ID_DESC" } },
    { cursor: undefined, limit: 1 },
    rowOf
  ).pipe(
    Effect.as(true),
    Effect.catchIf((error) => error.reason._tag === "UnsupportedByBackend", () => Effect.succeed(false))
  )

  const stamps = new Map<string, string>()
  /** For flow runs that had not finished, the sum over their task runs. */
  const unfinished = new Map<string, number>()
  const flowIds = new Set<unknown>()
  const blockIds = new Set<string>()
  const taskRunIds = new Ids()
  const outsideIds: Array<string> = []

  const see = (row: Row) => {
    const blockId = blockIdOf(row)
    if (blockId !== undefined) blockIds.add(blockId)
  }
  const seeFlowRun = (row: Row) => {
    stamps.set(String(row["id"]), stampOf(row))
    if (!isFinished(row)) unfinished.set(String(row["id"]), 0)
    flowIds.add(row["flow_id"])
    see(row)
  }
  const seeTaskRun = (row: Row) => {
    const run = row["flow_run_id"]
    const sum = typeof run === "string" ? unfinished.get(run) : undefined
    if (sum !== undefined) unfinished.set(run as string, (sum + sumOf(row)) % 2 ** 48)
    taskRunIds.add(String(row["id"]))
    if (typeof run !== "string") outsideIds.push(String(row["id"]))
    see(row)
  }
  const batches = (ids: () => Iterable<string>) =>
    Stream.grouped(Stream.suspend(() => Stream.fromIterable(ids())), runsAtOnce)
  const ofAllRuns = (rows: (ids: ReadonlyArray<string>) => Stream.Stream<Row, PrefectApiError>) =>
    Stream.flatMap(batches(() => stamps.keys()), rows)

  /** The states of a run, which was deleted when there are none. */
  const statesOf = (kind: "task" | "flow") => (id: string) =>
    Effect.map(
      client.get(`${kind}RunStates`, `/${kind}_run_states/?${kind}_run_id=${encodeURIComponent(id)}`),
      (rows) => (Array.isArray(rows) ? rows : []).map((state: unknown) => ({ [`${kind}_run_id`]: id, state }))
    )
  const states = (kind: "task" | "flow", ids: () => Iterable<string>): Stream.Stream<object, PrefectApiError> =>
    Stream.suspend(() => Stream.fromIterable(ids())).pipe(
      Stream.mapEffect(statesOf(kind), { concurrency }),
      Stream.flattenIterable
    )
  const block = (id: string) =>
    Effect.map(
      Effect.result(client.get("storageBlock", `/block_documents/${encodeURIComponent(id)}`, Block.maxBytes)),
      (answer): ReadonlyArray<object> => {
        // A deleted block is missing from the archive too.
        if (Result.isSuccess(answer) && answer.success === undefined) return []
        const row = Result.isSuccess(answer) ? blockRow(answer.success) : undefined
        if (row !== undefined) return [row]
        omit("prefect3_block_document")
        return []
      }
    )

  const table = (name: TableName, rows: Stream.Stream<object, PrefectApiError>): Table => ({
    name,
    estimatedRows: undefined,
    rows: Lines.ofStream(rows)
  })
  const seen = (rows: Stream.Stream<Row, PrefectApiError>, see: (row: Row) => void) =>
    Stream.map(rows, (row) => {
      see(row)
      return row
    })

  return {
    tables: [
      table("prefect3_server", Stream.make({ version: version ?? null })),
      table("prefect3_flow_run", seen(flowRuns, seeFlowRun)),
      table(
        "prefect3_flow",
        Stream.filter(
          listed("flows", "/flows/filter", { sort: "NAME_ASC" }),
          (row) => isWhole || flowIds.has(row["id"])
        )
      ),
      table("prefect3_flow_run_state", states("flow", () => stamps.keys())),
      table("prefect3_task_run", seen(Stream.concat(ofAllRuns(ofRuns), outside), seeTaskRun)),
      table("prefect3_task_run_state", states("task", () => taskRunIds)),
      table(
        "prefect3_log",
        Stream.concat(
          ofAllRuns((ids) => logsOf("flow_run_id", ids)),
          Stream.flatMap(batches(() => outsideIds), (ids) => logsOf("task_run_id", ids))
        )
      ),
      ...(hasArtifacts
        ? [table(
          "prefect3_artifact",
          isWhole ? artifactsOf({}) : ofAllRuns((ids) => artifactsOf({ flow_run_id: { any_: ids } }))
        )]
        : []),
      table(
        "prefect3_block_document",
        Stream.suspend(() => Stream.fromIterable(blockIds)).pipe(
          Stream.mapEffect(block, { concurrency }),
          Stream.flattenIterable
        )
      )
    ],
    omitted: Effect.sync(() => omitted),
    changed: Effect.gen(function*() {
      const sums = new Map<string, number>()
      yield* Stream.runForEach(
        Stream.flatMap(batches(() => unfinished.keys()), ofRuns),
        (row) =>
          Effect.sync(() => {
            const run = String(row["flow_run_id"])
            sums.set(run, ((sums.get(run) ?? 0) + sumOf(row)) % 2 ** 48)
          })
      )
      const changed = new Set([...unfinished].filter(([run, sum]) => (sums.get(run) ?? 0) !== sum).map(([run]) => run))
      const gone = new Set(stamps.keys())
      yield* Stream.runForEach(flowRuns, (row) =>
        Effect.sync(() => {
          const run = String(row["id"])
          gone.delete(run)
          if (stamps.get(run) !== stampOf(row)) changed.add(run)
        }))
      return new Set([...changed, ...gone]).size
    })
  }
})
