/**
 * The responses of a Prefect 2 or 3 server at the time of its archive, from the rows and their index: the same pages,
 * in the same order.
 */
import * as Effect from "effect/Effect"
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"
import type { Page, PageRequest } from "../../Backend.ts"
import {
  MalformedResponse,
  PrefectApiError,
  type Reason,
  Unavailable,
  UnsupportedByBackend
} from "../../PrefectApiError.ts"
import { isObject } from "../isObject.ts"
import { nameContains } from "../nameContains.ts"
import type { Server } from "../prefect3/backend.ts"
import type { Filter, Pages } from "../prefect3/pages.ts"
import { identified, type Malformed, resultOf, type Row } from "../prefect3/rows.ts"
import { decodeAll } from "../rows.ts"
import { microseconds } from "../timestamps.ts"
import { canonicalUuid } from "../uuids.ts"
import type { Extent } from "./jsonLines.ts"
import { idOf, type Key, keyOf } from "./keys.ts"
import type { TableName } from "./prefect3Names.ts"
import type { ReadRows } from "./rowIndex.ts"

interface Found extends Extent {
  readonly place: number
  readonly time?: number
  readonly name?: Key | null
}

interface Query {
  readonly table: TableName
  readonly where: ReadonlyArray<string>
  readonly parameters: ReadonlyArray<SQLInputValue>
  /** A substring of the names of matching rows. */
  readonly part?: string | undefined
}

const fail = (operation: string, reason: Reason) => Effect.fail(new PrefectApiError({ operation, reason }))

const at = (value: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce((found, key) => isObject(found) ? found[key] : undefined, value)

const listAt = (value: unknown, ...path: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
  const list = at(value, ...path, "any_")
  return Array.isArray(list) ? list.map(String) : undefined
}

const oneOf = (column: string, values: ReadonlyArray<string>) => `${column} IN (${values.map(() => "?").join(", ")})`

/** Conditions and their parameters. */
class Conditions {
  readonly where: Array<string> = []
  readonly parameters: Array<SQLInputValue> = []
  add(condition: string, ...parameters: ReadonlyArray<SQLInputValue>): void {
    this.where.push(condition)
    this.parameters.push(...parameters)
  }
  /** The rows with one of these ids. The server rejects a text that is not a UUID. */
  ids(column: string, ids: ReadonlyArray<string> | undefined): boolean {
    if (ids === undefined) return true
    const known = ids.map((id) => canonicalUuid(id))
    if (known.includes(undefined)) return false
    this.add(oneOf(column, ids), ...known.map((id) => keyOf(id!)))
    return true
  }
  state(filter: unknown): void {
    const [types, names] = [listAt(filter, "type"), listAt(filter, "name")]
    const conditions = [
      ...(types === undefined ? [] : [oneOf("type", types)]),
      ...(names === undefined ? [] : [oneOf("state", names)])
    ]
    if (conditions.length === 0) return
    this.add(
      `(${conditions.join(at(filter, "operator") === "or_" ? " OR " : " AND ")})`,
      ...[...types ?? [], ...names ?? []].map(keyOf)
    )
  }
}

/** The query for a request to the server; undefined when the server would reject it. */
const queryOf = ({ body, path }: Filter): Query | undefined => {
  const found = new Conditions()
  let part: string | undefined
  let isValid = true
  let table: TableName
  switch (path) {
    case "/task_runs/filter":
      table = "prefect3_task_run"
      isValid = found.ids("run", listAt(body, "flow_runs", "id"))
      found.state(at(body, "task_runs", "state"))
      break
    case "/flow_runs/filter": {
      table = "prefect3_flow_run"
      isValid = found.ids("flow", listAt(body, "flows", "id"))
      const names = listAt(body, "flows", "name")
      if (names !== undefined) {
        found.add(`flow IN (SELECT id FROM prefect3_flow WHERE ${oneOf("name", names)})`, ...names.map(keyOf))
      }
      found.state(at(body, "flow_runs", "state"))
      const like = at(body, "flow_runs", "name", "like_")
      part = typeof like === "string" ? like : undefined
      break
    }
    case "/flows/filter":
      table = "prefect3_flow"
      break
    case "/logs/filter": {
      table = "prefect3_log"
      isValid = found.ids("flow_run", listAt(body, "logs", "flow_run_id")) &&
        found.ids("task_run", listAt(body, "logs", "task_run_id"))
      const level = at(body, "logs", "level", "ge_")
      if (typeof level === "number") found.add("level >= ?", level)
      break
    }
    case "/artifacts/filter":
      table = "prefect3_artifact"
      isValid = found.ids("flow_run", listAt(body, "artifacts", "flow_run_id")) &&
        found.ids("task_run", listAt(body, "artifacts", "task_run_id"))
      break
    default:
      return undefined
  }
  return isValid ? { table, where: found.where, parameters: found.parameters, part } : undefined
}

const decode = <A>({ path }: Filter, rows: ReadonlyArray<Row>, make: (row: unknown) => A | Malformed) =>
  decodeAll(path.split("/")[1]!, resultOf(make), rows)

/** The requests for one row, and for the states of a run. */
const single = /^\/(task_runs|flow_runs|flows|block_documents)\/([^/?]+)/
const statesOf = /^\/(task|flow)_run_states\/\?(?:task|flow)_run_id=(.*)$/s
const tableOf: { readonly [path: string]: TableName } = {
  task_runs: "prefect3_task_run",
  flow_runs: "prefect3_flow_run",
  flows: "prefect3_flow",
  block_documents: "prefect3_block_document"
}

const decodePart = (part: string): string | undefined => {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

const namesAtOnce = 1000

export const make = Effect.fnUntraced(function*(
  database: DatabaseSync,
  read: ReadRows<TableName>,
  tables: ReadonlySet<string>
) {
  const statements = new Map<string, StatementSync>()
  const all = <A>(sql: string, ...parameters: ReadonlyArray<SQLInputValue>): ReadonlyArray<A> => {
    let statement = statements.get(sql)
    if (statement === undefined) statements.set(sql, statement = database.prepare(sql))
    return statement.all(...parameters) as unknown as ReadonlyArray<A>
  }
  /** Queries wait only for the disk. */
  const query = <A>(operation: string, body: () => A): Effect.Effect<A, PrefectApiError> =>
    Effect.try({
      try: body,
      catch: () =>
        new PrefectApiError({
          operation,
          reason: new Unavailable({
            detail: database.isOpen
              ? "the index of the archive is damaged; make it anew with archive index"
              : "the archive was closed: use it inside the scope of its layer"
          })
        })
    })

  const first = yield* Effect.flatMap(
    query("archive", () => all<Found>("SELECT place, offset, length FROM prefect3_server ORDER BY place LIMIT 1")),
    (found) => read("prefect3_server", found, (row) => row)
  )
  if (first.length === 0) {
    return yield* fail(
      "archive",
      new Unavailable({
        detail: "the archive is of Prefect 2 or 3, but tables/prefect3_server.jsonl, which says of which version, is " +
          "not there or has no row"
      })
    )
  }
  const version = typeof first[0]!["version"] === "string" ? first[0]!["version"] : undefined
  const name = version === undefined ? "Prefect Cloud" : `Prefect ${version}`

  const rowsOf = (table: TableName, found: ReadonlyArray<Found>) => read(table, found, (row) => row as Row)

  /** Entries of a query after a position, in the order of the server. */
  const select = (
    { parameters, part, table, where }: Query,
    after: number | undefined,
    limit: number
  ): ReadonlyArray<Found> => {
    const list = (from: number | undefined, count: number) =>
      all<Found>(
        `SELECT place, offset, length${part === undefined ? "" : ", name"} FROM ${table}
          ${where.length === 0 && from === undefined ? "" : "WHERE"}
          ${[...where, ...(from === undefined ? [] : ["place > ?"])].join(" AND ")} ORDER BY place LIMIT ?`,
        ...parameters,
        ...(from === undefined ? [] : [from]),
        count
      )
    if (part === undefined) return list(after, limit)
    const found: Array<Found> = []
    for (let from = after;;) {
      const some = list(from, namesAtOnce)
      for (const entry of some) {
        const { name = null } = entry
        if (nameContains(name === null ? null : idOf(name), part)) found.push(entry)
      }
      if (found.length >= limit || some.length < namesAtOnce) return found.slice(0, limit)
      from = some.at(-1)!.place
    }
  }

  /** The query for a filter, rejected as the server would reject it. */
  const parse = (filter: Filter): Effect.Effect<Query, PrefectApiError> => {
    const found = queryOf(filter)
    if (found === undefined) {
      return fail(filter.operation, new MalformedResponse({ detail: `it refuses ${filter.path}` }))
    }
    return tables.has(found.table) ? Effect.succeed(found) : fail(
      filter.operation,
      new UnsupportedByBackend({
        feature: filter.operation,
        backend: name,
        hint: `it answers ${filter.path} with 404; a later version may have it`
      })
    )
  }

  const inPlace = (filter: Filter, { cursor, limit }: PageRequest) =>
    Effect.gen(function*() {
      const found = yield* parse(filter)
      const entries = yield* query(
        filter.operation,
        () => select(found, typeof cursor === "number" ? cursor : undefined, limit + 1)
      )
      const page = entries.slice(0, limit)
      return {
        rows: yield* rowsOf(found.table, page),
        next: entries.length > limit ? page.at(-1)!.place : undefined
      }
    })

  /** Lines with the same time are all on one page, as the reader of a log requires. */
  const inTime = (filter: Filter, start: string | undefined, { cursor, limit }: PageRequest) =>
    Effect.gen(function*() {
      const { parameters, table, where } = yield* parse(filter)
      const from = microseconds(start)
      const conditions = [
        ...where,
        ...(typeof cursor === "number" ? ["time > ?"] : Number.isNaN(from) ? [] : ["time >= ?"])
      ]
      const own: ReadonlyArray<SQLInputValue> = [
        ...parameters,
        ...(typeof cursor === "number" ? [cursor] : Number.isNaN(from) ? [] : [from])
      ]
      const entries = yield* query(filter.operation, () => {
        const some = all<Found>(
          `SELECT place, offset, length, time FROM ${table} ${conditions.length === 0 ? "" : "WHERE"}
            ${conditions.join(" AND ")} ORDER BY time, place LIMIT ?`,
          ...own,
          limit
        )
        const last = some.at(-1)
        if (last === undefined || some.length < limit) return some
        const others = all<Found>(
          `SELECT place, offset, length, time FROM ${table} WHERE ${[...where, "time = ?", "place > ?"].join(" AND ")}
            ORDER BY place`,
          ...parameters,
          last.time!,
          last.place
        )
        return [...some, ...others]
      })
      return {
        rows: yield* rowsOf(table, entries),
        next: entries.length < limit ? undefined : entries.at(-1)?.time
      }
    })

  const pages: Pages = {
    byOffset: (filter, request, make) =>
      Effect.flatMap(
        inPlace(filter, request),
        ({ next, rows }) => Effect.map(decode(filter, rows, make), (items) => ({ items, next }))
      ),
    byTime: ({ from, start }, request, make) => {
      const filter = from(undefined)
      return Effect.flatMap(
        filter.path === "/logs/filter" ? inTime(filter, start, request) : inPlace(filter, request),
        ({ next, rows }) => Effect.map(decode(filter, rows, make), (items) => ({ items, next }))
      )
    },
    byIdRange: (filter, { first, last }, limit, make) =>
      Effect.gen(function*() {
        const { table } = yield* parse(filter)
        const found = yield* query(
          filter.operation,
          () =>
            all<Found>(
              `SELECT place, offset, length FROM ${table} WHERE id BETWEEN ? AND ? ORDER BY id, place LIMIT ?`,
              keyOf(first),
              keyOf(last),
              limit
            )
        )
        return yield* decode(filter, yield* rowsOf(table, found), make)
      }),
    all: (filter) =>
      Effect.flatMap(
        inPlace(filter, { cursor: undefined, limit: Number.MAX_SAFE_INTEGER }),
        ({ rows }) => decode(filter, rows, identified)
      )
  }

  const server: Server = {
    name: () => name,
    version: Effect.succeed(version),
    get: Effect.fnUntraced(function*(operation: string, path: string) {
      const [, kind, states = ""] = statesOf.exec(path) ?? []
      if (kind !== undefined) {
        const id = canonicalUuid(decodePart(states) ?? "")
        if (id === undefined) return yield* fail(operation, new MalformedResponse({ detail: `it refuses ${path}` }))
        const table: TableName = kind === "task" ? "prefect3_task_run_state" : "prefect3_flow_run_state"
        const found = yield* query(
          operation,
          () => all<Found>(`SELECT place, offset, length FROM ${table} WHERE run = ? ORDER BY place`, keyOf(id))
        )
        return (yield* rowsOf(table, found)).map(({ state }) => state)
      }
      const [, where = "", part = ""] = single.exec(path) ?? []
      const [table, id] = [tableOf[where], canonicalUuid(decodePart(part) ?? "")]
      if (table === undefined || id === undefined) return undefined
      const found = yield* query(
        operation,
        () => all<Found>(`SELECT place, offset, length FROM ${table} WHERE id = ? ORDER BY place LIMIT 1`, keyOf(id))
      )
      const [row] = yield* rowsOf(table, found)
      return row
    })
  }

  return {
    server,
    pages,
    problems: query(
      "archive",
      () =>
        all<{ readonly table: string; readonly line: number; readonly detail: string }>(
          "SELECT tbl AS 'table', line, detail FROM problem ORDER BY rowid"
        )
    ),
    /** Every task run, in the order of the table. */
    allTaskRuns: <A>(
      make: (row: unknown) => A | Malformed,
      request: PageRequest
    ): Effect.Effect<Page<A>, PrefectApiError> =>
      pages.byOffset({ operation: "allTaskRuns", path: "/task_runs/filter", body: {} }, request, make)
  }
})
