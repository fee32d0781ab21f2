/**
 * The index of an archive of Prefect 2 or 3. Its tables hold the server's own rows, in the order in which the server lists
 * them, so a page of the archive is a page of the server.
 */
import type { DatabaseSync } from "node:sqlite"
import { microseconds } from "../timestamps.ts"
import { type Key, keyOf } from "./keys.ts"
import { type TableName, tableNames } from "./prefect3Names.ts"
import type { Row } from "./rowIndex.ts"

export const schema = `
  CREATE TABLE prefect3_server (place INTEGER PRIMARY KEY, offset INT, length INT);
  CREATE TABLE prefect3_flow (place INTEGER PRIMARY KEY, offset INT, length INT, id, name);
  CREATE TABLE prefect3_flow_run (place INTEGER PRIMARY KEY, offset INT, length INT, id, flow, name, type, state);
  CREATE TABLE prefect3_flow_run_state (place INTEGER PRIMARY KEY, offset INT, length INT, run);
  CREATE TABLE prefect3_task_run (place INTEGER PRIMARY KEY, offset INT, length INT, id, run, type, state);
  CREATE TABLE prefect3_task_run_state (place INTEGER PRIMARY KEY, offset INT, length INT, run);
  CREATE TABLE prefect3_log (place INTEGER PRIMARY KEY, offset INT, length INT, time REAL, level REAL, flow_run,
    task_run);
  CREATE TABLE prefect3_artifact (place INTEGER PRIMARY KEY, offset INT, length INT, flow_run, task_run);
  CREATE TABLE prefect3_block_document (place INTEGER PRIMARY KEY, offset INT, length INT, id);
`

export const indexes = `
  CREATE INDEX prefect3_flow_id ON prefect3_flow (id);
  CREATE INDEX prefect3_flow_name ON prefect3_flow (name);
  CREATE INDEX prefect3_flow_run_id ON prefect3_flow_run (id);
  CREATE INDEX prefect3_flow_run_flow ON prefect3_flow_run (flow, place);
  CREATE INDEX prefect3_flow_run_type ON prefect3_flow_run (type, place);
  CREATE INDEX prefect3_flow_run_state_run ON prefect3_flow_run_state (run, place);
  CREATE INDEX prefect3_task_run_id ON prefect3_task_run (id);
  CREATE INDEX prefect3_task_run_run ON prefect3_task_run (run, place);
  CREATE INDEX prefect3_task_run_state_run ON prefect3_task_run_state (run, place);
  CREATE INDEX prefect3_log_flow_run ON prefect3_log (flow_run, time, place) WHERE flow_run IS NOT NULL;
  CREATE INDEX prefect3_log_task_run ON prefect3_log (task_run, time, place) WHERE task_run IS NOT NULL;
  CREATE INDEX prefect3_log_time ON prefect3_log (time, place);
  CREATE INDEX prefect3_artifact_flow_run ON prefect3_artifact (flow_run, place) WHERE flow_run IS NOT NULL;
  CREATE INDEX prefect3_artifact_task_run ON prefect3_artifact (task_run, place) WHERE task_run IS NOT NULL;
  CREATE INDEX prefect3_block_document_id ON prefect3_block_document (id);
`

/** The value of a lookup column; a string is the problem with the row. */
type Column = (row: Row) => { readonly value: Key | number | null } | string

const id = (name: string): Column => (row) => {
  const value = row[name]
  return typeof value === "string" && value !== "" ? { value: keyOf(value) } : `${name} is not a non-empty string`
}
const optionalId = (name: string): Column => (row) => (row[name] ?? null) === null ? { value: null } : id(name)(row)
const text = (name: string): Column => (row) => {
  const value = row[name]
  return { value: typeof value === "string" ? keyOf(value) : null }
}
const ofState = (name: string): Column => (row) => {
  const { state } = row
  const value = typeof state === "object" && state !== null ? (state as Row)[name] : undefined
  return { value: typeof value === "string" ? keyOf(value) : null }
}
const time: Column = (row) => {
  const value = microseconds(row["timestamp"])
  return Number.isNaN(value) ? "timestamp is not a time" : { value }
}
const level: Column = (row) => {
  const value = row["level"]
  return { value: typeof value === "number" ? value : null }
}

const columns: Readonly<Record<TableName, ReadonlyArray<Column>>> = {
  prefect3_server: [],
  prefect3_flow: [id("id"), text("name")],
  prefect3_flow_run: [id("id"), optionalId("flow_id"), text("name"), ofState("type"), ofState("name")],
  prefect3_flow_run_state: [id("flow_run_id")],
  prefect3_task_run: [id("id"), optionalId("flow_run_id"), ofState("type"), ofState("name")],
  prefect3_task_run_state: [id("task_run_id")],
  prefect3_log: [time, level, optionalId("flow_run_id"), optionalId("task_run_id")],
  prefect3_artifact: [optionalId("flow_run_id"), optionalId("task_run_id")],
  prefect3_block_document: [id("id")]
}

/** The inserts into the index for each table: the problem with a row, or undefined. */
export const inserts = (database: DatabaseSync) => {
  const insertOf = (name: TableName) => {
    const own = columns[name]
    const statement = database.prepare(
      `INSERT INTO ${name} VALUES (${Array.from({ length: own.length + 3 }, () => "?").join(", ")})`
    )
    return (row: Row, place: number, offset: number, length: number): string | undefined => {
      const values: Array<Key | number | null> = [place, offset, length]
      for (const column of own) {
        const found = column(row)
        if (typeof found === "string") return found
        values.push(found.value)
      }
      statement.run(...values)
      return undefined
    }
  }
  return Object.fromEntries(tableNames.map((name) => [name, insertOf(name)])) as Record<
    TableName,
    ReturnType<typeof insertOf>
  >
}
