/**
 * A server of recorded Prefect 3.8.0 exchanges (fixtures/prefect-3/http), for tests.
 *
 * A GET is answered as it was recorded. A `POST …/filter` is answered from every row that was recorded anywhere, filtered
 * and sorted as the real server does it, because what a client asks page by page was not recorded word for word; what a
 * request may contain is what some recorded request contained.
 */
import { readdirSync, readFileSync } from "node:fs"
import { createServer, type IncomingMessage, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const fixtures = fileURLToPath(new URL("../../../fixtures/prefect-3", import.meta.url))

export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }
export type Row = { readonly [key: string]: Json }

export interface Exchange {
  readonly request: {
    readonly method: string
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    readonly body: Row | null
  }
  readonly status: number
  readonly response_headers: Readonly<Record<string, string>>
  readonly response: Json
}

/** A recorded exchange, by its path under `http` without `.json`: `task_runs/err_404`. */
export const exchange = (name: string): Exchange =>
  JSON.parse(readFileSync(join(fixtures, "http", `${name}.json`), "utf8")) as Exchange

const names = readdirSync(join(fixtures, "http"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.replace(/\.json$/, ""))
  .toSorted()

export const exchanges: ReadonlyMap<string, Exchange> = new Map(names.map((name) => [name, exchange(name)]))

export const runs = JSON.parse(readFileSync(join(fixtures, "runs.json"), "utf8")) as {
  readonly [name: string]: string
}

const isRow = (value: Json | undefined): value is Row =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const rowsUnder = (folder: string): ReadonlyArray<Row> => {
  const rows = new Map<string, Row>()
  for (const [name, { response, status }] of exchanges) {
    if (!name.startsWith(`${folder}/`) || status !== 200 || name.includes("graph") || name.includes("states")) continue
    const list = Array.isArray(response) ? response : isRow(response) ? response["results"] ?? [response] : []
    for (const row of list as ReadonlyArray<Json>) {
      if (!isRow(row) || typeof row["id"] !== "string") continue
      // A page of /paginate has fewer fields than a page of /filter.
      const known = rows.get(row["id"])
      if (known === undefined || Object.keys(known).length < Object.keys(row).length) rows.set(row["id"], row)
    }
  }
  return [...rows.values()]
}

export const taskRuns = rowsUnder("task_runs")
export const flowRuns = rowsUnder("flow_runs")
export const logs = rowsUnder("logs")
export const artifacts = rowsUnder("artifacts")

/** The flows were not recorded; these are the ids that the flow runs name. */
export const flows: ReadonlyArray<Row> = [...new Set(flowRuns.map((row) => row["flow_id"] as string))].map((
  id,
  index
) => ({ id, name: `flow-${index}`, created: "2026-11-23T06:19:37.000000Z", updated: null, tags: [], labels: {} }))

/** Every place in a body that holds a value: `task_runs.state.type.any_`. */
export const shapeOf = (body: Json | undefined, prefix = ""): ReadonlyArray<string> =>
  isRow(body)
    ? Object.entries(body).flatMap(([key, value]) => shapeOf(value, prefix === "" ? key : `${prefix}.${key}`))
    : [prefix]

/** The places that were in no recorded body, and that Prefect 3.8.0's own schema has; a real server checks them. */
const unrecorded: Readonly<Record<string, ReadonlyArray<string>>> = {
  "/flow_runs/filter": [
    "flows.id.any_",
    "flows.name.any_",
    "flow_runs.name.like_",
    "flow_runs.state.type.any_",
    "flow_runs.state.name.any_",
    "flow_runs.expected_start_time.before_",
    "sort",
    "limit",
    "offset"
  ],
  "/flows/filter": ["sort", "limit", "offset"],
  "/task_runs/filter": ["task_runs.state.operator", "task_runs.flow_run_id.is_null_"],
  "/logs/filter": ["logs.timestamp.after_"],
  "/artifacts/filter": ["artifacts.task_run_id.any_", "limit", "offset"]
}

const shapes = new Map<string, Set<string>>(Object.entries(unrecorded).map(([path, places]) => [path, new Set(places)]))
for (const { request, status } of exchanges.values()) {
  if (request.method !== "POST" || status !== 200) continue
  const places = shapes.get(request.path) ?? new Set()
  for (const place of shapeOf(request.body)) places.add(place)
  shapes.set(request.path, places)
}

/** What of a body was in no recorded one; undefined for a path that is not known. */
export const unknownPlaces = (path: string, body: Row): ReadonlyArray<string> | undefined => {
  const known = shapes.get(path)
  return known === undefined ? undefined : shapeOf(body).filter((place) => !known.has(place))
}

const at = (row: Json | undefined, ...path: ReadonlyArray<string>): Json | undefined =>
  path.reduce<Json | undefined>((value, key) => isRow(value) ? value[key] : undefined, row)

const any = (filter: Json | undefined, value: Json | undefined): boolean => {
  const list = at(filter, "any_")
  return !Array.isArray(list) || list.includes(value ?? null)
}

const stateMatches = (filter: Json | undefined, row: Row): boolean => {
  const type = [at(filter, "type"), at(row, "state", "type")] as const
  const name = [at(filter, "name"), at(row, "state", "name")] as const
  return at(filter, "operator") === "or_" ? any(...type) || any(...name) : any(...type) && any(...name)
}

interface Table {
  readonly rows: ReadonlyArray<Row>
  readonly keeps: (body: Row, row: Row) => boolean
  readonly defaultSort: string
}

const tables: Readonly<Record<string, Table>> = {
  "/task_runs/filter": {
    rows: taskRuns,
    defaultSort: "ID_DESC",
    keeps: (body, row) =>
      any(at(body, "flow_runs", "id"), row["flow_run_id"]) && stateMatches(at(body, "task_runs", "state"), row) &&
      (at(body, "task_runs", "flow_run_id", "is_null_") !== true || row["flow_run_id"] === null)
  },
  "/flow_runs/filter": {
    rows: flowRuns,
    defaultSort: "ID_DESC",
    keeps: (body, row) => {
      const before = at(body, "flow_runs", "expected_start_time", "before_")
      const flow = flows.find((flow) => flow["id"] === row["flow_id"])
      // A pattern of SQL's ILIKE.
      const like = at(body, "flow_runs", "name", "like_")
      const pattern = typeof like === "string"
        ? new RegExp(like.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("%", ".*").replaceAll("_", "."), "i")
        : /(?:)/
      return pattern.test(String(row["name"])) && stateMatches(at(body, "flow_runs", "state"), row) &&
        any(at(body, "flows", "id"), row["flow_id"]) && any(at(body, "flows", "name"), flow?.["name"]) &&
        (typeof before !== "string" || String(row["expected_start_time"]) <= before)
    }
  },
  "/flows/filter": { rows: flows, defaultSort: "CREATED_DESC", keeps: () => true },
  "/logs/filter": {
    rows: logs,
    defaultSort: "TIMESTAMP_ASC",
    keeps: (body, row) => {
      const after = at(body, "logs", "timestamp", "after_")
      const level = at(body, "logs", "level", "ge_")
      return any(at(body, "logs", "flow_run_id"), row["flow_run_id"]) &&
        any(at(body, "logs", "task_run_id"), row["task_run_id"]) &&
        (typeof after !== "string" || String(row["timestamp"]) >= after) &&
        (typeof level !== "number" || Number(row["level"]) >= level)
    }
  },
  "/artifacts/filter": {
    rows: artifacts,
    defaultSort: "ID_DESC",
    keeps: (body, row) =>
      any(at(body, "artifacts", "flow_run_id"), row["flow_run_id"]) &&
      any(at(body, "artifacts", "task_run_id"), row["task_run_id"])
  }
}

const columns: Readonly<Record<string, string>> = {
  ID: "id",
  NAME: "name",
  TIMESTAMP: "timestamp",
  CREATED: "created",
  EXPECTED_START_TIME: "expected_start_time"
}

const sorted = (rows: ReadonlyArray<Row>, sort: string): ReadonlyArray<Row> => {
  const [, column, direction] = /^(.*)_(ASC|DESC)$/.exec(sort) ?? []
  const key = columns[column ?? ""] ?? "id"
  const sign = direction === "DESC" ? -1 : 1
  return rows.toSorted((left, right) => {
    const [a, b] = [String(left[key]), String(right[key])]
    return a === b ? 0 : a < b ? -sign : sign
  })
}

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly body: Row | null
}

export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** JSON unless it is text, which is sent as it is. */
  readonly body: Json
}

/** The recorded answer, or the one that the recorded rows give. */
export const answer = ({ body, method, path }: Received, maxLimit = 200): Reply => {
  if (method === "GET") {
    const found = [...exchanges].find(([name, { request }]) =>
      request.method === "GET" && request.path === path && !name.startsWith("auth/")
    )
    if (found !== undefined) return { status: found[1].status, body: found[1].response }
    const [, kind, id] = /^\/(task_runs|flow_runs|flows)\/([^/?]+)$/.exec(path) ?? []
    const row = { task_runs: taskRuns, flow_runs: flowRuns, flows }[kind ?? ""]?.find((row) => row["id"] === id)
    if (row !== undefined) return { status: 200, body: row }
    // As Prefect 2.6 answers.
    if (path.endsWith("/nope")) return { status: 422, body: { exception_message: "Invalid request received." } }
    if (/^\/(task|flow)_run_states\//.test(path)) {
      return path.endsWith("=nope")
        ? { status: 422, body: { exception_message: "Invalid request received." } }
        : { status: 200, body: [] }
    }
    return { status: 404, body: { detail: "Not Found" } }
  }
  const table = tables[path]
  if (method !== "POST" || table === undefined || body === null) return { status: 404, body: { detail: "Not Found" } }
  const unknown = unknownPlaces(path, body) ?? []
  if (unknown.length > 0) {
    return {
      status: 422,
      body: {
        exception_message: "Invalid request received.",
        exception_detail: unknown.map((place) => ({ type: "extra_forbidden", loc: ["body", ...place.split(".")] }))
      }
    }
  }
  const ids = JSON.stringify(body).match(/(?<="(?:id|flow_run_id|task_run_id)":\{"any_":\[")[^"]*/g) ?? []
  if (!ids.every((id) => /^[0-9a-f-]{36}$/.test(id))) {
    const problem = { type: "uuid_parsing", msg: "Input should be a valid UUID, invalid length" }
    return { status: 422, body: { exception_message: "Invalid request received.", exception_detail: [problem] } }
  }
  const { limit = maxLimit, offset = 0, sort = table.defaultSort } = body
  if (Number(limit) > maxLimit) {
    return { status: 422, body: { detail: `Invalid limit: must be less than or equal to ${maxLimit}.` } }
  }
  const rows = sorted(table.rows.filter((row) => table.keeps(body, row)), String(sort))
  return { status: 200, body: rows.slice(Number(offset), Number(offset) + Number(limit)) }
}

/**
 * Answers with the exchanges that were recorded in a folder, and with 404 to anything else. Lists were recorded whole.
 */
export const replay = (folder: string) => {
  interface Recording {
    readonly request: { readonly method: string; readonly path: string; readonly body: Row | null }
    readonly status: number
    readonly response: Json
  }
  const recordings = readdirSync(join(folder, "http")).map((name) =>
    JSON.parse(readFileSync(join(folder, "http", name), "utf8")) as Recording
  )
  const subject = (body: Row | null) =>
    JSON.stringify([at(body, "flow_runs", "id"), at(body, "logs", "flow_run_id"), at(body, "artifacts", "flow_run_id")])
  return ({ body, method, path }: Received): Reply => {
    const found = recordings.find(({ request }) =>
      request.method === method && request.path === `/api${path.replace("?include_secrets=true", "")}` &&
      subject(request.body) === subject(body)
    )
    if (found === undefined) return { status: 404, body: { detail: "Not Found" } }
    const isLater = Number(body?.["offset"] ?? 0) > 0
    return { status: found.status, body: Array.isArray(found.response) && isLater ? [] : found.response }
  }
}

export interface Prefect3Server extends AsyncDisposable {
  /** Ends in `/api`. */
  readonly url: string
  /** What was asked so far, paths without `/api`. */
  readonly received: Array<Received>
}

/** Serves; `reply` may answer instead of the recordings. */
export const start = async (
  reply: (request: Received, count: number) => Reply | undefined = () => undefined,
  options: { readonly maxLimit?: number } = {}
): Promise<Prefect3Server> => {
  const received: Array<Received> = []
  const server: Server = createServer(async (request, response) => {
    let text = ""
    for await (const chunk of request.setEncoding("utf8")) text += chunk as string
    const asked: Received = {
      method: request.method ?? "",
      path: (request.url ?? "").replace(/^\/api/, ""),
      headers: request.headers,
      body: text === "" ? null : JSON.parse(text) as Row
    }
    received.push(asked)
    const outside = !(request.url ?? "").startsWith("/api")
    const { body, headers, status } = reply(asked, received.length) ??
      (outside ? { status: 404, body: "<html></html>", headers: undefined } : answer(asked, options.maxLimit))
    const isText = typeof body === "string" && headers?.["content-type"] !== undefined || outside
    response.writeHead(status, { "content-type": "application/json", ...headers })
    response.end(isText ? String(body) : JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/api`,
    received,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      })
  }
}
