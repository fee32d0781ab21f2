/**
 * `PostgresOutput`: a collection as the rows of a Postgres table.
 *
 * Besides the table T there are `T_parts`, whose primary key makes each part's rows appear exactly once, and `T_files`,
 * which holds the plan, the records and the manifest. A part's rows and its entry in `T_parts` are one transaction.
 *
 * The parts must be JSON Lines without compression, which are converted to rows. Requires the package `@effect/sql-pg`.
 *
 * **Example** (A table)
 *
 * ```ts
 * import * as PostgresOutput from "@effect-prefect/collect/PostgresOutput"
 * import { Redacted } from "effect"
 *
 * export const Output = PostgresOutput.layer({
 *   url: Redacted.make("postgresql://localhost/warehouse"),
 *   table: "prefect.orders"
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { CollectError, OutputUnavailable, Unsupported } from "./CollectError.ts"
import { CollectOutput, digestOf, type Output } from "./CollectOutput.ts"
import type { Column } from "./CollectPlan.ts"
import { planName } from "./CollectPlan.ts"
import { addressText } from "./internal/objectOutput.ts"
import { patience, patienceText, within } from "./internal/patience.ts"

/**
 * The destination of the collection.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** `postgresql://user:password@host:port/database`. */
  readonly url: string | URL | Redacted.Redacted
  /** The table, with its schema when that is not in the search path: letters, digits and `_`. */
  readonly table: string
}

/** Rows per statement. The client has no COPY: one JSON parameter for many rows comes closest to it. */
const batchRows = 1000

const identifier = /^(?:[A-Za-z_][A-Za-z0-9_]{0,62}\.)?[A-Za-z_][A-Za-z0-9_]{0,54}$/

const types: Record<Column["type"], string> = {
  int64: "bigint",
  double: "double precision",
  bool: "boolean",
  string: "text",
  timestamp: "timestamptz"
}

interface Line {
  readonly flow_run_id: string
  readonly task_run_id: string
  readonly task_slug: string | null
  readonly map_index: number
  readonly state: string
  readonly mapped_children?: number
  readonly outcome?: {
    readonly value?: unknown
    readonly error?: { readonly reason: string; readonly message: string }
  }
  readonly [typed: `v.${string}`]: unknown
}

/** Text that Postgres can store: without NUL, and with U+FFFD for half a pair of UTF-16. */
const storable = (text: string): string => text.replaceAll("\0", "").replace(/\p{Surrogate}/gu, "\ufffd")

const orNull = (text: string | null | undefined): string | null =>
  text === null || text === undefined ? null : storable(text)

/** Postgres cuts longer names off, and then takes them for others. */
const maxNameBytes = 63

/**
 * The text of the value in a line, unchanged: parsing it could lose digits. Typed columns follow the outcome, and as
 * many members as there are typed columns are cut off the end.
 */
const valueText = (text: string, line: Line, typed: ReadonlyArray<Column>): string | null => {
  if (line.outcome === undefined || !("value" in line.outcome)) return null
  const mark = `,"outcome":{"value":`
  const tail = typed.map(({ name }) => `,${JSON.stringify(`v.${name}`)}:`).join("").length
  const values = typed.reduce((length, { name, type }) => {
    const value = line[`v.${name}`]
    return length + (type === "int64" && value !== null ? int64Text(text, name) : JSON.stringify(value)).length
  }, 0)
  return text.slice(text.indexOf(mark) + mark.length, text.length - tail - values - 2)
}

/** The digits of an integer column in a line: a number may not represent all of them. */
const int64Text = (text: string, name: string): string => {
  const key = `,${JSON.stringify(`v.${name}`)}:`
  const start = text.lastIndexOf(key) + key.length
  return /^-?\d+/.exec(text.slice(start))?.[0] ?? ""
}

/** A typed column as text that is equal for equal values, whatever the settings of the server. */
const shownTyped = ({ name, type }: Column): string => {
  const column = `"${`v.${name}`.replaceAll(`"`, `""`)}"`
  switch (type) {
    case "timestamp":
      return `(extract(epoch from ${column}) * 1000000)::bigint::text`
    case "double":
      return `encode(float8send(${column}), 'hex')`
    case "int64":
    case "bool":
    case "string":
      return `${column}::text`
  }
}

const make = Effect.fnUntraced(function*(table: string): Effect.fn.Return<Output, CollectError, SqlClient> {
  if (!identifier.test(table)) {
    return yield* new CollectError({
      reason: new Unsupported({ detail: `${JSON.stringify(table)} is not a table name of letters, digits and _` })
    })
  }
  const sql = (yield* SqlClient).withoutTransforms()
  const name = `table ${table}`
  const rowsTable = sql(table)
  const partsTable = sql(`${table}_parts`)
  const filesTable = sql(`${table}_files`)

  const attempt = <A>(verb: string, effect: Effect.Effect<A, SqlError>, bytes = 0): Effect.Effect<A, CollectError> => {
    const fail = (cause: string) =>
      new CollectError({ reason: new OutputUnavailable({ output: name, detail: `cannot ${verb} (${cause})` }) })
    return within(
      Effect.mapError(effect, (error) => fail(error.reason._tag)),
      bytes,
      Effect.suspend(() => Effect.fail(fail(`its database did not answer within ${patienceText}`)))
    )
  }

  /** The database ends the transaction of a process that is frozen or gone, so that others need not wait for its locks. */
  const limited = <A>(transaction: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
    sql.withTransaction(
      Effect.andThen(
        sql`select set_config('idle_in_transaction_session_timeout', ${String(patience)}, true)`,
        transaction
      )
    )

  /** Only one process at a time creates tables: `if not exists` alone fails when two do. */
  const lock = sql`select pg_advisory_xact_lock(hashtext(${`effect-prefect/${table}`}))`

  const createTables = Effect.gen(function*() {
    yield* lock
    yield* sql`create table if not exists ${filesTable} (name text primary key, bytes bytea not null)`
    yield* sql`create table if not exists ${partsTable} (
      name text primary key, bytes bigint not null, sha256 text not null, rows bigint not null, rows_sha256 text)`
  }).pipe(limited)

  /** Whether the tables do not exist yet. */
  const missing = Effect.map(
    attempt("connect", sql<{ readonly there: boolean }>`select to_regclass(${`${table}_files`}) is not null as there`),
    ([row]) => row?.there !== true
  )

  const isPart = (file: string): boolean => file.startsWith("part-")

  const readFile = (file: string) =>
    Effect.map(
      sql<{ readonly hex: string }>`select encode(bytes, 'hex') as hex from ${filesTable} where name = ${file}`,
      ([row]) => row === undefined ? undefined : Buffer.from(row.hex, "hex")
    )

  const columnsOf = (plan: Buffer): ReadonlyArray<Column> =>
    (JSON.parse(plan.toString("utf8")) as { readonly output: { readonly columns: ReadonlyArray<Column> } }).output
      .columns

  const columns = Effect.map(readFile(planName), (bytes) => bytes === undefined ? [] : columnsOf(bytes))

  /** Refuses a plan whose columns the table cannot have, before anything else is written. */
  const checkColumns = (plan: Buffer): Effect.Effect<void, CollectError> => {
    const unsuitable = columnsOf(plan).find(({ name }) =>
      storable(name) !== name || Buffer.byteLength(`v.${name}`) > maxNameBytes
    )
    return unsuitable === undefined ? Effect.void : Effect.fail(
      new CollectError({
        reason: new Unsupported({
          detail: `a column of Postgres cannot be named ${JSON.stringify(`v.${unsuitable.name}`)}: ` +
            `names have at most ${maxNameBytes} bytes and no NUL; choose the columns (--schema), or collect to a folder`
        })
      })
    )
  }

  const literal = (text: string) => sql.literal(`"${text.replaceAll(`"`, `""`)}"`)

  /** The number of a part's rows in the table, and a digest of their contents. */
  const storedRows = (file: string, typed: ReadonlyArray<Column>) => {
    const texts = ["row", "flow_run_id", "task_run_id", "task_slug", "map_index", "state", "mapped_children", "value"]
    const all = [...texts, "error_reason", "error_message", ...typed.map(shownTyped)]
    // An array has at most 100 arguments: a function of Postgres takes no more.
    const arrays = Array.from(
      { length: Math.ceil(all.length / 50) },
      (_, at) => `json_build_array(${all.slice(at * 50, (at + 1) * 50).join(", ")})::text`
    )
    return Effect.map(
      sql<{ readonly rows: number; readonly sha256: string }>`
        select count(*)::float8 as rows, encode(sha256(coalesce(
          string_agg(sha256(convert_to(${sql.literal(arrays.join(" || "))}, 'UTF8')), ''::bytea order by row), ''::bytea
        )), 'hex') as sha256
        from ${rowsTable} where part = ${file}`,
      ([found]) => found!
    )
  }

  const insertPart = (file: string, bytes: Buffer) =>
    Effect.gen(function*() {
      const typed = yield* columns
      const definitions = typed.map((column) => `, "${`v.${column.name}`.replaceAll(`"`, `""`)}" ${types[column.type]}`)
        .join("")
      const [known] = yield* sql<{ readonly there: boolean }>`select to_regclass(${table}) is not null as there`
      if (known?.there !== true) yield* lock
      yield* sql`create table if not exists ${rowsTable} (
        part text not null, row integer not null,
        flow_run_id text not null, task_run_id text not null, task_slug text, map_index integer not null,
        state text not null, mapped_children integer, value text, error_reason text, error_message text
        ${sql.literal(definitions)}, primary key (part, row))`
      const digest = digestOf(bytes)
      const lines = bytes.toString("utf8").split("\n").filter((line) => line !== "")
      const added = yield* sql`
        insert into ${partsTable} (name, bytes, sha256, rows)
        values (${file}, ${digest.bytes}, ${digest.sha256}, ${lines.length})
        on conflict do nothing returning name`
      if (added.length === 0) return false
      const names = typed.map((column) => literal(`v.${column.name}`))
      for (let start = 0; start < lines.length; start += batchRows) {
        const batch = lines.slice(start, start + batchRows).map((text, at) => {
          const line = JSON.parse(text) as Line
          return {
            row: start + at,
            flow_run_id: storable(line.flow_run_id),
            task_run_id: storable(line.task_run_id),
            task_slug: orNull(line.task_slug),
            map_index: line.map_index,
            state: storable(line.state),
            mapped_children: line.mapped_children ?? null,
            value: valueText(text, line, typed),
            error_reason: orNull(line.outcome?.error?.reason),
            error_message: orNull(line.outcome?.error?.message),
            ...Object.fromEntries(typed.map((column) => {
              const value = line[`v.${column.name}`] ?? null
              if (value !== null && column.type === "int64") return [`v.${column.name}`, int64Text(text, column.name)]
              return [`v.${column.name}`, typeof value === "string" ? storable(value) : value]
            }))
          }
        })
        const more = names.length === 0 ? sql.literal("") : sql`, ${sql.csv(names)}`
        yield* sql`
          insert into ${rowsTable} (part, row, flow_run_id, task_run_id, task_slug, map_index, state, mapped_children,
            value, error_reason, error_message ${more})
          select ${file}, row, flow_run_id, task_run_id, task_slug, map_index, state, mapped_children,
            value, error_reason, error_message ${more}
          from json_to_recordset(${JSON.stringify(batch)}::json) as given (
            row integer, flow_run_id text, task_run_id text, task_slug text, map_index integer, state text,
            mapped_children integer, value text, error_reason text, error_message text ${sql.literal(definitions)})`
      }
      const stored = yield* storedRows(file, typed)
      yield* sql`update ${partsTable} set rows_sha256 = ${stored.sha256} where name = ${file}`
      return true
    }).pipe(limited)

  return {
    name,
    prepare: () => attempt("create the tables", createTables),
    create: (file, body) =>
      Effect.flatMap(Stream.runCollect(body), (chunks) => {
        const bytes = Buffer.concat(chunks)
        const isNew = isPart(file)
          ? file.endsWith(".jsonl")
            ? attempt(`write ${file}`, insertPart(file, bytes), bytes.length)
            : Effect.fail(
              new CollectError({
                reason: new Unsupported({ detail: "a Postgres table takes JSON Lines without compression" })
              })
            )
          : Effect.map(
            Effect.andThen(
              file === planName ? checkColumns(bytes) : Effect.void,
              attempt(
                `write ${file}`,
                sql`insert into ${filesTable} (name, bytes) values (${file}, decode(${bytes.toString("hex")}, 'hex'))
                  on conflict do nothing returning name`,
                bytes.length
              )
            ),
            (rows) => rows.length > 0
          )
        return Effect.map(isNew, (isNew) => ({ isNew, ...digestOf(bytes) }))
      }),
    read: (file) =>
      Effect.gen(function*() {
        if (yield* missing) return undefined
        if (!isPart(file)) return yield* attempt(`read ${file}`, readFile(file))
        const rows = yield* attempt(
          `read ${file}`,
          sql<
            {
              readonly map_index: number
              readonly mapped_children: number | null
              readonly error_reason: string | null
            }
          >`
            select map_index, mapped_children, error_reason from ${rowsTable} where part = ${file} order by row`
        )
        // The columns of each line that its totals depend on.
        return Buffer.from(
          rows.map((row) =>
            `${
              JSON.stringify(
                row.mapped_children !== null
                  ? { map_index: row.map_index, mapped_children: row.mapped_children }
                  : row.error_reason === null
                  ? { map_index: row.map_index, outcome: { value: null } }
                  : { map_index: row.map_index, outcome: { error: { reason: row.error_reason } } }
              )
            }\n`
          ).join("")
        )
      }),
    digest: (file) =>
      Effect.gen(function*() {
        if (yield* missing) return undefined
        if (!isPart(file)) {
          const bytes = yield* attempt(`read ${file}`, readFile(file))
          return bytes === undefined ? undefined : digestOf(bytes)
        }
        const [part] = yield* attempt(
          `read ${file}`,
          sql<{
            readonly bytes: number
            readonly sha256: string
            readonly rows: number
            readonly rows_sha256: string | null
          }>`
            select bytes::float8 as bytes, sha256, rows::float8 as rows, rows_sha256
            from ${partsTable} where name = ${file}`
        )
        if (part === undefined) return undefined
        const stored = yield* attempt(
          `read the rows of ${file}`,
          Effect.flatMap(columns, (typed) => storedRows(file, typed))
        )
        return stored.rows === part.rows && stored.sha256 === part.rows_sha256
          ? { bytes: part.bytes, sha256: part.sha256 }
          // Changed rows have no bytes: their own digest stands for them.
          : { bytes: part.bytes, sha256: stored.sha256 }
      }),
    list: (folder) =>
      Stream.unwrap(Effect.gen(function*() {
        if (yield* missing) return Stream.empty
        const rows = yield* attempt(
          "list files",
          sql<{ readonly name: string }>`
            select name from ${filesTable} union all select name from ${partsTable}`
        )
        // Parts that have rows, by one look at the index for each: rows that are not of a published part.
        const [known] = yield* attempt(
          "connect",
          sql<{ readonly there: boolean }>`select to_regclass(${table}) is not null as there`
        )
        const withRows = folder !== "" || known?.there !== true ? [] : yield* attempt(
          "list files",
          sql<{ readonly name: string }>`
            with recursive given as (
              (select part from ${rowsTable} order by part limit 1)
              union all
              select (select part from ${rowsTable} as later where later.part > given.part order by part limit 1)
              from given where given.part is not null
            )
            select part as name from given where part is not null and part not in (select name from ${partsTable})`
        )
        return Stream.fromIterable(
          [...rows, ...withRows].map((row) => row.name).filter((file) =>
            file.startsWith(folder) && !file.slice(folder.length).includes("/")
          )
        )
      })),
    finish: Effect.void
  }
})

/**
 * A collection as the rows of a table. The tables are created when they do not exist.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<CollectOutput, CollectError> => {
  const unavailable = (detail: string) =>
    new CollectError({ reason: new OutputUnavailable({ output: `table ${options.table}`, detail }) })
  const text = addressText(options.url)
  const url = URL.canParse(text) ? new URL(text) : undefined
  // The driver reads any other text as the name of a database on this machine.
  if (url === undefined || !/^postgres(?:ql)?:$/.test(url.protocol)) {
    return Layer.effect(CollectOutput, Effect.fail(unavailable("its address is no postgresql:// URL")))
  }
  const password = process.env["PGPASSWORD"]
  return Layer.effect(CollectOutput, Effect.map(make(options.table), CollectOutput.of)).pipe(
    Layer.provide(Layer.catch(
      PgClient.layer({
        url: Redacted.make(text),
        ...(password === undefined || url.password !== "" ? {} : { password: Redacted.make(password) }),
        maxConnections: 4,
        connectTimeout: "10 seconds",
        applicationName: "effect-prefect collect",
        prepare: false
      }),
      () => Layer.effect(SqlClient, Effect.fail(unavailable("its Postgres does not answer, or refuses")))
    ))
  )
}

/**
 * Like `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<CollectOutput, CollectError | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))
