/** The files of an archive's tables. */
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import * as Effect from "effect/Effect"
import type { FileHandle } from "node:fs/promises"
import { open, stat } from "node:fs/promises"
import { join } from "node:path"
import type { PrefectApiError } from "../../PrefectApiError.ts"
import { inTurns } from "../http/pieces.ts"
import { causeOf, codeOf, malformed, unavailable } from "./failure.ts"
import * as JsonLines from "./jsonLines.ts"
import * as Prefect3Names from "./prefect3Names.ts"
import type { ReadRows, Row, Rows, TableName } from "./rowIndex.ts"

/**
 * A line that was skipped, and why. Never contains the line itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Problem {
  /** The file, relative to the archive's folder: `tables/task_run.jsonl`. */
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  readonly detail: string
}

const tableNames: ReadonlyArray<TableName> = [
  "task",
  "task_run",
  "flow",
  "flow_run",
  "task_run_state",
  "flow_run_state",
  "log",
  "task_run_artifact",
  "edge"
]
export type AnyTableName = TableName | Prefect3Names.TableName
const maxProblems = 1000
const maxWarnings = 10

/** Warns of the first lines that were skipped. */
export const warnOf = Effect.fnUntraced(function*(problems: ReadonlyArray<Problem>) {
  for (const { detail, file, line } of problems.slice(0, maxWarnings)) {
    yield* Effect.logWarning(`${file}, line ${line} is left out: ${detail}`)
  }
})

/** A table of an archive: its file and the positions of its rows. */
export interface Table {
  readonly file: string
  readonly handle: FileHandle
  readonly path: string
  places: ReadonlyArray<JsonLines.Extent>
  problems: ReadonlyArray<Problem>
}

const openTable = (directory: string, name: AnyTableName) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async (): Promise<Table | undefined> => {
        const file = ArchiveFormat.tableFile(name)
        const path = join(directory, file)
        const stats = await stat(path).catch((error: unknown) => {
          if (codeOf(error) === "ENOENT") return undefined
          throw error
        })
        if (stats === undefined) return undefined
        // Opening a pipe would block until a writer opens it.
        if (!stats.isFile()) throw Object.assign(new Error(), { code: "not a regular file" })
        return {
          file,
          path,
          handle: await open(path, "r"),
          places: [],
          problems: []
        }
      },
      catch: (error) =>
        unavailable(`${join(directory, ArchiveFormat.tableFile(name))} cannot be read (${causeOf(error)})`)
    }),
    (table) => table === undefined ? Effect.void : Effect.promise(() => table.handle.close().catch(() => {}))
  )

export const readRowsOf = (tables: ReadonlyMap<AnyTableName, Table>): ReadRows<AnyTableName> =>
<A>(
  name: AnyTableName,
  extents: ReadonlyArray<JsonLines.Extent>,
  use: (row: Row, at: number) => A
): Effect.Effect<ReadonlyArray<A>, PrefectApiError> => {
  const table = tables.get(name)
  if (table === undefined || extents.length === 0) return Effect.succeed([])
  return Effect.suspend(() => {
    const out = Array.from<A>({ length: extents.length })
    let isChanged = false
    return Effect.flatMap(
      Effect.tryPromise({
        try: (signal) =>
          JsonLines.readExtents(table.handle, extents, (bytes, at) => {
            const parsed = ArchiveFormat.parseLine(bytes)
            if (typeof parsed === "string") isChanged = true
            else out[at] = use(parsed.row, at)
          }, async (parts, at) => {
            const row = await inTurns(JsonLines.parseSteps(parts), signal)
            if (row === undefined || typeof row === "string") isChanged = true
            else out[at] = use(row, at)
          }, signal),
        catch: (error) =>
          unavailable(
            codeOf(error) === "EBADF"
              ? "the archive was closed: use it inside the scope of its layer"
              : `${table.path} cannot be read (${causeOf(error)})`
          )
      }),
      () =>
        isChanged
          ? Effect.fail(malformed(`${table.path} changed while it was read`))
          : Effect.succeed(out)
    )
  })
}

export const rowsOf = (tables: ReadonlyMap<AnyTableName, Table>): Rows => {
  const scan: Rows["scan"] = Effect.fnUntraced(function*(name, use) {
    const table = tables.get(name)
    if (table === undefined) return
    const places: Array<JsonLines.Extent> = []
    const found: Array<Problem> = []
    let dropped = 0
    yield* Effect.tryPromise({
      try: (signal) =>
        JsonLines.scan(table.path, signal, (line, row) => {
          const problem = typeof row === "string" ? row : use(row, places.length)
          if (problem === undefined) places.push({ offset: line.offset, length: line.length })
          else if (found.length < maxProblems) found.push({ file: table.file, line: line.number, detail: problem })
          else dropped++
        }),
      catch: (error) => unavailable(`${table.path} cannot be read (${causeOf(error)})`)
    })
    table.places = places
    table.problems = found
    yield* warnOf(found)
    const more = found.length + dropped - maxWarnings
    if (more > 0) yield* Effect.logWarning(`${table.file}: ${more} more lines are left out`)
  })
  const readRows = readRowsOf(tables)
  return {
    name: "the archive",
    scan,
    read: (name, places) => readRows(name, places.map((place) => tables.get(name)!.places[place]!), (row) => row)
  }
}

export const sourcesOf = (tables: ReadonlyMap<AnyTableName, Table>) =>
  [...tables].map(([name, { path }]) => ({ name, path }))

export const sizeOf = (tables: ReadonlyMap<AnyTableName, Table>) =>
  Effect.promise(async () => {
    let bytes = 0
    for (const { handle } of tables.values()) bytes += (await handle.stat()).size
    return bytes
  })

const notAnArchive = (directory: string, detail: string) =>
  unavailable(
    `${directory} is not an archive: ${detail}. An archive is a folder with tables/task_run.jsonl, ` +
      "tables/flow_run.jsonl and the other tables of a Prefect 1 server beside them, one row per line"
  )

/** Whether a folder holds tables of Prefect 2 or 3. */
const isPrefect3 = async (root: string): Promise<boolean> => {
  for (const name of Prefect3Names.tableNames) {
    const isThere = await stat(join(root, ArchiveFormat.tableFile(name))).then(() => true, () => false)
    if (isThere) return true
  }
  return false
}

/** Opens the tables in a folder for the lifetime of the scope. Fails with Unavailable when it holds none. */
export const openTables = Effect.fnUntraced(function*(root: string) {
  const isFolder = (path: string) => Effect.promise(() => stat(path).then((stats) => stats.isDirectory(), () => false))
  if (!(yield* isFolder(root))) return yield* notAnArchive(root, "there is no such folder")
  if (!(yield* isFolder(join(root, ArchiveFormat.tablesFolder)))) {
    return yield* notAnArchive(root, "it has no folder tables")
  }
  const tables = new Map<AnyTableName, Table>()
  for (const name of (yield* Effect.promise(() => isPrefect3(root))) ? Prefect3Names.tableNames : tableNames) {
    const table = yield* openTable(root, name)
    if (table !== undefined) tables.set(name, table)
  }
  if (tables.size === 0) return yield* notAnArchive(root, "its folder tables holds none of Prefect's tables")
  return tables
})
