/**
 * The database that the server reads: one function, which runs a read-only statement with text parameters. There is a
 * layer for an archive folder, which is loaded into an embedded Postgres, and a constructor for a real Postgres.
 *
 * @since 0.1.0
 */
import * as Tables from "@effect-prefect/core/Tables"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { findTables, type LoadReport } from "./internal/archive.ts"
import { inPieces, joinPieces } from "./internal/longText.ts"
import { AbandonedAfter, EmptyData, PgliteFailure, startPglite } from "./internal/pglite.ts"

/**
 * A part of an archive that is not served: a line of a file (counted from 1), or a whole column or file.
 *
 * @category models
 * @since 0.1.0
 */
export type { LoadReport }

/**
 * A statement that failed. `reason`: `Refused` when Postgres rejects a value of the request (a text that is not a UUID,
 * …), `TimedOut` when the statement exceeded its time limit, `TooLarge` when its result is too large, `Unavailable`
 * when the database cannot be reached, `Failed` for anything else. `sqlState` is Postgres's own code, when it sent one.
 *
 * @category errors
 * @since 0.1.0
 */
export class DatabaseError extends Schema.TaggedError<DatabaseError>("@effect-prefect/server/DatabaseError")(
  "DatabaseError",
  {
    reason: Schema.Literals(["Refused", "TimedOut", "TooLarge", "Unavailable", "Failed"]),
    detail: Schema.String,
    sqlState: Schema.optional(Schema.String)
  }
) {
  override get message(): string {
    return this.detail
  }
}

/**
 * A row: its columns by name, all as text.
 *
 * @category models
 * @since 0.1.0
 */
export type Row = Readonly<Record<string, string | null>>

/**
 * A row whose long texts may be their bytes in UTF-8.
 *
 * @category models
 * @since 0.1.0
 */
export type LongRow = Readonly<Record<string, string | Uint8Array | null>>

/**
 * The weight of a statement: a heavy one can take seconds, and must not delay others.
 *
 * @category models
 * @since 0.1.0
 */
export interface Work {
  readonly isHeavy: boolean
}

/**
 * Runs statements, each in its own snapshot, with parameters bound as text.
 *
 * @category services
 * @since 0.1.0
 */
export class Database extends Context.Service<Database, {
  readonly query: (
    sql: string,
    parameters: ReadonlyArray<string>,
    work?: Work
  ) => Effect.Effect<ReadonlyArray<Row>, DatabaseError>
  /**
   * The same for a statement of one row with the columns `root` and `rows`, where a long `root` is its bytes: they come
   * from another thread without being copied, and are sent as they are. Default: `query`.
   */
  readonly queryBytes?:
    | ((
      sql: string,
      parameters: ReadonlyArray<string>,
      work?: Work
    ) => Effect.Effect<ReadonlyArray<LongRow>, DatabaseError>)
    | undefined
  /** Whether statements currently wait for the database to be loaded. Default: never. */
  readonly isLoading?: Effect.Effect<boolean> | undefined
}>()("@effect-prefect/server/Database") {}

/** Postgres's own message, wherever a driver's error contains it. */
const postgresError = (error: unknown): { readonly sqlState: string; readonly message: string } | undefined => {
  let current = error
  for (let depth = 0; depth < 8 && typeof current === "object" && current !== null; depth++) {
    if ("code" in current && typeof current.code === "string" && /^[0-9A-Z]{5}$/.test(current.code)) {
      return { sqlState: current.code, message: "message" in current ? String(current.message) : "" }
    }
    current = "reason" in current && typeof current.reason === "object"
      ? current.reason
      : "cause" in current
      ? current.cause
      : undefined
  }
  return undefined
}

/** Postgres quotes the rejected value at the end of the message: the part before it is enough. */
const withoutValue = (message: string): string => message.replace(/: "[\s\S]*$/, "").replace(/"[^"]*"/g, "…")

const fromSqlState = (sqlState: string, message: string): DatabaseError =>
  new DatabaseError({
    reason: sqlState.startsWith("22")
      ? "Refused"
      : sqlState === "57014"
      ? "TimedOut"
      : sqlState === "54000" || sqlState === "08P01"
      ? "TooLarge"
      : /^(08|57|53)/.test(sqlState)
      ? "Unavailable"
      : "Failed",
    detail: sqlState.startsWith("22")
      ? withoutValue(message)
      : sqlState === "57014"
      ? "the statement took longer than the server allows"
      // Postgres's code for a message that it cannot accept: more parameters than it can count.
      : sqlState === "08P01"
      ? "the query has more values than the database takes in one statement"
      : sqlState === "42501"
      ? "the server's role may not read that table"
      : `the database rejected the statement (SQLSTATE ${sqlState})`,
    sqlState
  })

/** Classifies the error of a Postgres driver; its message is not passed on, because it may quote a value or the URL. */
const fromDriverError = (error: unknown): DatabaseError => {
  const refusal = postgresError(error)
  if (refusal !== undefined) return fromSqlState(refusal.sqlState, refusal.message)
  const text = error instanceof Error ? error.message : ""
  if (/message/i.test(text) && /size|large|exceed/i.test(text)) {
    return new DatabaseError({ reason: "TooLarge", detail: "the answer is larger than the server allows" })
  }
  const tag = typeof error === "object" && error !== null && "reason" in error && typeof error.reason === "object" &&
      error.reason !== null && "_tag" in error.reason
    ? error.reason._tag
    : undefined
  return tag === "ConnectionError" || tag === "AuthenticationError"
    ? new DatabaseError({ reason: "Unavailable", detail: "the database cannot be reached" })
    : new DatabaseError({ reason: "Failed", detail: "the database driver failed" })
}

/**
 * A Postgres, given as a function that runs one statement in a read-only session whose time zone is UTC. Its errors are
 * classified by their SQLSTATE, when they have one. A value of the type bytea may be a `Uint8Array` or Postgres's text
 * of one: long texts are requested as such pieces, because a driver reads each value in one step.
 *
 * **Example** (A Postgres over the connections of `@effect-prefect/api`)
 *
 * ```ts no-run
 * import * as PostgresSession from "@effect-prefect/api/PostgresSession"
 * import * as Database from "@effect-prefect/server/Database"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * const url = Redacted.make("postgresql://reader@db/prefect_server?sslmode=verify-full")
 *
 * export const layer = Layer.effect(
 *   Database.Database,
 *   Effect.map(PostgresSession.make({ url }), ({ query }) => Database.fromQuery(query))
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromQuery = (
  query: (sql: string, parameters: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<LongRow>, unknown>
): Database["Service"] =>
  Database.of({
    // A statement of columns of text has no bytes.
    query: (sql, parameters) =>
      Effect.mapError(query(sql, parameters) as Effect.Effect<ReadonlyArray<Row>, unknown>, fromDriverError),
    queryBytes: (sql, parameters) =>
      Effect.flatMap(Effect.mapError(query(inPieces(sql), parameters), fromDriverError), joinPieces)
  })

const fromPgliteFailure = (failure: unknown): DatabaseError => {
  if (!(failure instanceof PgliteFailure)) {
    return new DatabaseError({ reason: "Failed", detail: "the embedded database failed" })
  }
  return failure.sqlState === undefined
    ? new DatabaseError({ reason: failure.kind === "Refused" ? "Failed" : failure.kind, detail: failure.message })
    : fromSqlState(failure.sqlState, failure.message)
}

/**
 * Options of {@link layerArchive}.
 *
 * @category options
 * @since 0.1.0
 */
export interface ArchiveOptions {
  /** How long a statement may run before its thread is terminated. Default 30 seconds. */
  readonly statementTimeout?: Duration.Input | undefined
  /** Called for each line, column or file of the archive that is not served. Default: a warning is logged. */
  readonly onReport?: ((report: LoadReport) => Effect.Effect<void>) | undefined
  /**
   * Caches the loaded data for the next start: the data of the embedded database, and what was reported. `read` returns
   * the cached data for the folder in its current state, if any.
   */
  readonly cache?: ArchiveCache | undefined
}

/**
 * A cache for the data that a folder was loaded into. `readEmpty` and `writeEmpty` cache the data of an empty database,
 * which is the same for all folders: without it, making one takes most of the time in which a small folder is loaded.
 *
 * @category models
 * @since 0.1.0
 */
export interface ArchiveCache {
  readonly read: () => Promise<{ readonly snapshot: Blob; readonly reports: ReadonlyArray<LoadReport> } | undefined>
  readonly write: (snapshot: Blob, reports: ReadonlyArray<LoadReport>) => Promise<void>
  readonly readEmpty?: (() => Promise<Blob | undefined>) | undefined
  readonly writeEmpty?: ((empty: Blob) => Promise<void>) | undefined
}

/**
 * An archive folder: `tables/<table>.jsonl`, one row per line, loaded into an embedded Postgres (PGlite, in its own
 * threads) when the layer is built; statements wait until it is loaded. A line that is not a row of its table is
 * reported with its number and skipped; all others are served. Fails when the folder has no table.
 *
 * **Details**
 *
 * The rows are held in memory, twice after the first heavy statement: heavy statements have their own thread, so that
 * they only delay each other. A statement that exceeds the time limit ends its thread, which is restarted from the
 * other's data.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerArchive = (directory: string, options: ArchiveOptions = {}): Layer.Layer<Database, DatabaseError> =>
  Layer.effect(
    Database,
    Effect.gen(function*() {
      const timeout = Duration.toMillis(Duration.fromInputUnsafe(options.statementTimeout ?? "30 seconds"))
      const failed = (error: unknown) =>
        new DatabaseError({
          reason: "Unavailable",
          detail: error instanceof Error ? error.message : "the archive could not be loaded"
        })
      // A folder that is not an archive fails at once.
      yield* Effect.tryPromise({ try: () => findTables(Tables.tables, directory), catch: failed })
      const abandonedAfter = yield* AbandonedAfter
      const emptyData = yield* EmptyData
      const host = yield* Effect.acquireRelease(
        Effect.sync(() => startPglite(directory, timeout, abandonedAfter, options.cache, emptyData)),
        (host) => Effect.promise(() => host.close())
      )
      const onReport = options.onReport ?? ((report: LoadReport) => Effect.logWarning(report.message))
      yield* Effect.tryPromise({ try: () => host.loaded, catch: failed }).pipe(
        Effect.flatMap((reports) => Effect.forEach(reports, onReport, { discard: true })),
        // Statements fail with the same error.
        Effect.ignore,
        Effect.forkScoped
      )
      const query = (asBytes: boolean) =>
      (sql: string, parameters: ReadonlyArray<string>, work?: Work): Effect.Effect<
        ReadonlyArray<LongRow>,
        DatabaseError
      > =>
        Effect.callback((resume) => {
          const { cancel, rows } = host.query({ sql, parameters, asBytes }, work?.isHeavy ?? false)
          rows.then(
            (rows) => resume(Effect.succeed(rows)),
            (failure: unknown) => resume(Effect.fail(fromPgliteFailure(failure)))
          )
          return Effect.sync(cancel)
        })
      return Database.of({
        isLoading: Effect.sync(host.isLoading),
        query: query(false) as Database["Service"]["query"],
        queryBytes: query(true)
      })
    })
  )
