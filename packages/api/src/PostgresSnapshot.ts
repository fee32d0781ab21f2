/**
 * `PostgresSnapshot`: every row of a Prefect 1 server's tables as of one instant, streamed. It needs the package
 * `@effect/sql-pg`.
 *
 * @since 0.1.0
 */
import * as Tables from "@effect-prefect/core/Tables"
import * as Turn from "@effect-prefect/core/Turn"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { connect, type Connection, reasonOf } from "./internal/postgres/connection.ts"
import type { Options } from "./PostgresApi.ts"
import { MalformedResponse, PrefectApiError } from "./PrefectApiError.ts"
import type { PrefectConfigError } from "./PrefectConfigError.ts"

/**
 * A row of a table: one JSON object on one line of text. The text of a long row is in parts, which are never joined, so
 * that other work has its turns while it is written.
 *
 * @category models
 * @since 0.1.0
 */
export type Line = string | ReadonlyArray<string>

/**
 * A table of the snapshot.
 *
 * @category models
 * @since 0.1.0
 */
export interface Table {
  readonly name: string
  /** The database's estimate of its number of rows, for a progress bar; undefined when it has none. */
  readonly estimatedRows: number | undefined
  /**
   * Its rows: timestamps in UTC with microseconds, jsonb unchanged. They arrive a few megabytes at a time, in the order in
   * which the database stores them.
   */
  readonly rows: Stream.Stream<Line, PrefectApiError>
}

/**
 * The flow runs to include, with everything that belongs to them. Omitted conditions match everything.
 *
 * @category options
 * @since 0.1.0
 */
export interface Selection {
  /** Names of flows. */
  readonly flowNames?: ReadonlyArray<string> | undefined
  /** Only flow runs that were created at or after this time, ISO 8601. */
  readonly since?: string | undefined
  /** Only flow runs that were created before this time, ISO 8601. */
  readonly until?: string | undefined
}

const toApiError = (error: SqlError) => new PrefectApiError({ operation: "snapshot", reason: reasonOf(error) })

const bytesAtOnce = 2 * 1024 * 1024
const rowsAtOnce = 5000

/** The rows of a table that belong to the flow runs of a selection. */
const whereOf = (sql: Connection["client"], name: string, { flowNames, since, until }: Selection) => {
  if (flowNames === undefined && since === undefined && until === undefined) return sql`true`
  const named = flowNames === undefined
    ? sql`true`
    : sql`r.flow_id in (select f.id from public.flow f where f.name in ${sql.in(flowNames)})`
  const from = since === undefined ? sql`true` : sql`r.created >= ${since}::timestamptz`
  const to = until === undefined ? sql`true` : sql`r.created < ${until}::timestamptz`
  const runs = sql`select r.id from public.flow_run r where ${named} and ${from} and ${to}`
  const flows = sql`select r.flow_id from public.flow_run r where ${named} and ${from} and ${to}`
  switch (name) {
    case "flow_run":
      return sql`t.id in (${runs})`
    case "flow_run_state":
    case "task_run":
    case "log":
      return sql`t.flow_run_id in (${runs})`
    case "task_run_state":
    case "task_run_artifact":
      return sql`t.task_run_id in (select k.id from public.task_run k where k.flow_run_id in (${runs}))`
    case "flow":
      return sql`t.id in (${flows})`
    case "task":
    case "edge":
      return sql`t.flow_id in (${flows})`
    default:
      return sql`true`
  }
}

/** The bytes of a row that the driver reads in one step, and those of a piece of a longer one. */
const longRow = 0x80000
const pieceBytes = 0x40000

/** A short row, or a piece of a long one. */
interface Sent {
  readonly line: string | null
  readonly bytes: Uint8Array | null
  readonly is_last: boolean | null
}

/**
 * The rows of a table through a cursor, which needs no sort in the database and no memory on either side. The text of each
 * is made once: `offset 0` keeps a subquery from being merged into the one around it.
 */
const rowsOf = (
  { client: sql, within }: Connection,
  name: string,
  selection: Selection
): Stream.Stream<Line, PrefectApiError> =>
  Stream.fromPull(Effect.gen(function*() {
    const cursor = sql.literal(`export_${name}`)
    const long = sql.literal(String(longRow))
    const piece = sql.literal(String(pieceBytes))
    const declared = sql`declare ${cursor} no scroll cursor for
      select sent.line, substring(sent.bytes from part.piece * ${piece} + 1 for ${piece}) as bytes,
        part.piece = (octet_length(sent.bytes) - 1) / ${piece} as is_last
      from (select case when octet_length(made.text) <= ${long} then made.text end as line,
          case when octet_length(made.text) > ${long} then convert_to(made.text, 'UTF8') end as bytes
        from (select to_jsonb(t)::text as text from ${sql.literal(`public."${name}"`)} t
          where ${whereOf(sql, name, selection)} offset 0) made offset 0) sent
      left join lateral generate_series(0, (octet_length(sent.bytes) - 1) / ${piece}) part(piece) on true`
    yield* Effect.mapError(within(declared), toApiError)
    let count = 100
    let parts: Array<string> = []
    let decoder = new TextDecoder()
    return Effect.gen(function*() {
      for (;;) {
        const found = yield* Effect.mapError(
          within(sql<Sent>`fetch forward ${sql.literal(String(count))} from ${cursor}`),
          toApiError
        )
        if (found.length === 0) {
          yield* Effect.mapError(within(sql`close ${cursor}`), toApiError)
          return yield* Cause.done()
        }
        const lines: Array<Line> = []
        let bytes = 0
        for (const sent of found) {
          if (sent.line !== null) {
            bytes += sent.line.length
            lines.push(sent.line)
            continue
          }
          if (Turn.isLong()) yield* Turn.next
          bytes += sent.bytes!.length
          parts.push(decoder.decode(sent.bytes!, { stream: sent.is_last !== true }))
          if (sent.is_last !== true) continue
          lines.push(parts)
          parts = []
          decoder = new TextDecoder()
        }
        count = Math.min(rowsAtOnce, Math.max(1, Math.round(bytesAtOnce / (bytes / found.length))))
        if (lines.length > 0) return lines as unknown as NonEmptyReadonlyArray<Line>
      }
    })
  }))

/**
 * Runs an effect on one consistent snapshot of the database: a read-only transaction (REPEATABLE READ), which changes
 * by a running server do not affect. Read one table after the other, because they share a connection.
 *
 * With a `selection`, only the rows of some flow runs are returned: the runs, their flows and tasks, and everything
 * that belongs to their task runs.
 *
 * Fails with MalformedResponse when the tables of Prefect do not exist. The default time limit of a statement is 10
 * minutes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const withSnapshot = <A, E, R>(
  options: Options,
  use: (tables: ReadonlyArray<Table>) => Effect.Effect<A, E, R>,
  selection: Selection = {}
): Effect.Effect<A, E | PrefectApiError | PrefectConfigError, R> =>
  Effect.scoped(Effect.gen(function*() {
    const connection = yield* connect({ statementTimeout: "10 minutes", ...options, maxConnections: 1 })
    const { around, client: sql, settings, within } = connection
    const begin = Effect.gen(function*() {
      // The level must be set before the first read.
      yield* sql`set transaction isolation level repeatable read, read only`
      yield* sql`select set_config('statement_timeout', ${settings.statement_timeout}, true),
        set_config('timezone', 'UTC', true)`
      return yield* sql<{ readonly name: string; readonly estimate: number }>`
        select c.relname as name, c.reltuples::float8 as estimate from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'public' and c.relkind in ('r', 'p', 'v', 'm')
          and c.relname in ${sql.in(Tables.tables.map(({ name }) => name))}`
    })
    const body = Effect.gen(function*() {
      const found = new Map(
        (yield* Effect.mapError(within(begin), toApiError)).map(({ estimate, name }) => [name, estimate])
      )
      if (!found.has("task_run")) {
        return yield* new PrefectApiError({
          operation: "snapshot",
          reason: new MalformedResponse({
            detail: "the database has no table task_run in its schema public; " +
              "check that the URL names the database of a Prefect 1 server"
          })
        })
      }
      return yield* use(
        Tables.tables.filter(({ name }) => found.has(name)).map(({ name }): Table => {
          const estimate = found.get(name) ?? -1
          return { name, estimatedRows: estimate < 0 ? undefined : estimate, rows: rowsOf(connection, name, selection) }
        })
      )
    })
    return yield* Effect.mapError(
      around((body) => sql.withTransaction(body), body),
      (error): E | PrefectApiError => isSqlError(error) ? toApiError(error as SqlError) : error as E | PrefectApiError
    )
  }))
