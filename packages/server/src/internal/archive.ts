// Runs in the thread of the embedded database.
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import type { ColumnType, Table } from "@effect-prefect/core/Tables"
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import { join } from "node:path"

/** A part of an archive that was not loaded: a line of a file (counted from 1), or a whole column or file. */
export interface LoadReport {
  readonly file: string
  readonly line: number | undefined
  readonly message: string
}

/** Runs one statement. */
export interface Loader {
  readonly query: (sql: string, parameters: Array<string | null>) => Promise<unknown>
}

interface ReadLine {
  readonly number: number
  readonly parsed: ArchiveFormat.Row | string
}

interface Line {
  readonly number: number
  readonly text: string
}

const maxBatchLines = 500
const maxBatchCharacters = 1 << 20
const maxReportsPerFile = 100
/** The least characters of a line that is inserted by itself. */
const longLine = 1 << 18

/** The lines of a file, in batches of one read each. */
const linesOf = async function*(path: string): AsyncGenerator<ReadonlyArray<ReadLine>> {
  let found: Array<ReadLine> = []
  const lines = ArchiveFormat.splitLines(({ bytes, number }) => {
    found.push({ number, parsed: bytes === undefined ? ArchiveFormat.tooLong : ArchiveFormat.parseLine(bytes) })
  })
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
    lines.push(chunk as Buffer)
    yield found
    found = []
  }
  lines.end()
  yield found
}

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : "it was refused").replace(/: "[\s\S]*$/, "").replace(/"[^"]*"/g, "…")

/** The text of each member of a JSON object, whose text is known to be JSON. The last one of a name counts. */
const membersOf = (text: string): ReadonlyMap<string, string> => {
  const members = new Map<string, string>()
  let depth = 0
  let key: string | undefined
  let start = 0
  const close = (end: number) => {
    if (key !== undefined) members.set(key, text.slice(start, end).trim())
    key = undefined
  }
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22: { // "
        const from = at
        for (at++; text.charCodeAt(at) !== 0x22; at++) if (text.charCodeAt(at) === 0x5c) at++
        if (depth === 1 && key === undefined) {
          key = JSON.parse(text.slice(from, at + 1)) as string
          start = text.indexOf(":", at) + 1
        }
        break
      }
      case 0x7b: // {
      case 0x5b: // [
        depth++
        break
      case 0x7d: // }
      case 0x5d: // ]
        if (--depth === 0) close(at)
        break
      case 0x2c: // ,
        if (depth === 1) close(at)
    }
  }
  return members
}

/** What Postgres makes a column's value of: the text of JSON, or what a JSON text says. */
const inputOf = (type: ColumnType, member: string | undefined): string | null => {
  if (member === undefined || member === "null") return null
  return type !== "jsonb" && member.startsWith("\"") ? JSON.parse(member) as string : member
}

const loadTable = async (
  database: Loader,
  table: Table,
  path: string,
  file: string,
  report: (report: LoadReport) => void
): Promise<void> => {
  const names = new Set(table.columns.map(({ name }) => name))
  const list = table.columns.map(({ name }) => `"${name}"`).join(", ")
  const record = table.columns.map(({ name, type }) => `"${name}" ${type}`).join(", ")
  const sql = `INSERT INTO "public"."${table.name}" (${list}) SELECT ${list} ` +
    `FROM json_to_recordset($1::text::json) AS r(${record})`
  // One value at a time takes a third less time and memory than a record of them all, which holds each once more.
  const values = table.columns.map(({ type }, at) =>
    type === "jsonb" ? `$${at + 1}::jsonb` : `$${at + 1}::text::${type}`
  )
  const longSql = `INSERT INTO "public"."${table.name}" (${list}) VALUES (${values.join(", ")})`
  const unknown = new Set<string>()
  let skipped = 0
  const skip = (line: number, reason: string) => {
    skipped++
    if (skipped <= maxReportsPerFile) {
      report({ file, line, message: `${file}, line ${line}: not loaded, ${reason}` })
    }
  }

  /** Inserts lines together; when Postgres rejects a batch, by halves, until the rejected lines are isolated. */
  const insert = async (lines: ReadonlyArray<Line>): Promise<void> => {
    if (lines.length === 0) return
    try {
      await database.query(sql, [`[${lines.map(({ text }) => text).join(",")}]`])
    } catch (error) {
      const [only] = lines
      if (only !== undefined && lines.length === 1) return skip(only.number, reasonOf(error))
      const middle = lines.length >> 1
      await insert(lines.slice(0, middle))
      await insert(lines.slice(middle))
    }
  }

  /** A long line has an insert of its own: among others it would be sent once more for each half that is rejected. */
  const insertLong = async ({ number, text }: Line): Promise<void> => {
    const members = membersOf(text)
    try {
      await database.query(longSql, table.columns.map(({ name, type }) => inputOf(type, members.get(name))))
    } catch (error) {
      skip(number, reasonOf(error))
    }
  }

  let batch: Array<Line> = []
  let characters = 0
  const flush = async (): Promise<void> => {
    const lines = batch
    batch = []
    characters = 0
    await insert(lines)
  }
  const add = async ({ number, parsed }: ReadLine): Promise<void> => {
    if (typeof parsed === "string") return skip(number, parsed)
    for (const key in parsed.row) {
      if (names.has(key) || unknown.has(key)) continue
      unknown.add(key)
      report({
        file,
        line: number,
        message: `${file}, line ${number}: table ${table.name} has no column "${key}": ignored`
      })
    }
    const line = { number, text: parsed.text }
    if (line.text.length >= longLine) {
      await flush()
      return insertLong(line)
    }
    batch.push(line)
    characters += line.text.length
    if (batch.length >= maxBatchLines || characters >= maxBatchCharacters) await flush()
  }
  for await (const lines of linesOf(path)) {
    for (const line of lines) await add(line)
  }
  await flush()
  if (skipped > maxReportsPerFile) {
    report({ file, line: undefined, message: `${file}: ${skipped} lines in all were not loaded` })
  }
}

/** A table of an archive folder, and the file that holds its rows. */
export interface TableFile {
  readonly table: Table
  readonly path: string
  /** Its path inside the folder. */
  readonly file: string
  /** In bytes. */
  readonly size: number
}

/** The files `tables/<table>.jsonl` of an archive folder, in the order of the tables. Fails when there are none. */
export const findTables = async (
  tables: ReadonlyArray<Table>,
  directory: string
): Promise<ReadonlyArray<TableFile>> => {
  const found: Array<TableFile> = []
  for (const table of tables) {
    const file = ArchiveFormat.tableFile(table.name)
    const path = join(directory, file)
    const status = await stat(path).catch(() => undefined)
    if (status?.isFile() === true) found.push({ table, path, file, size: status.size })
  }
  if (found.length === 0) throw new Error(`${directory} is no archive: it has no tables/*.jsonl of Prefect's tables`)
  return found
}

/** Takes the statistics of these tables. Those of Postgres's own take ten times as long, and no query needs them. */
export const analyze = (tables: ReadonlyArray<Table>): string =>
  `ANALYZE ${tables.map(({ name }) => `"public"."${name}"`).join(", ")}`

/** Loads the files of an archive. Lines that cannot be loaded are reported; the others are loaded. */
export const loadArchive = async (
  database: Loader,
  files: ReadonlyArray<TableFile>,
  report: (report: LoadReport) => void
): Promise<void> => {
  for (const { file, path, table } of files) await loadTable(database, table, path, file, report)
}
