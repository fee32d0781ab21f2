// Runs in the thread of the embedded database: imports nothing of this workspace by package name.
import type { Table } from "@effect-prefect/core/Tables"
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import { join } from "node:path"

/** Something of an archive that was not loaded: a line of a file (counted from 1), or a whole column or file. */
export interface LoadReport {
  readonly file: string
  readonly line: number | undefined
  readonly message: string
}

/** Runs one statement. */
export interface Loader {
  readonly query: (sql: string, parameters: Array<string>) => Promise<unknown>
}

interface Line {
  readonly number: number
  readonly text: string
}

const maxLineBytes = 256 * 1024 * 1024
const maxBatchLines = 500
const maxBatchCharacters = 1 << 20
const maxReportsPerFile = 100

/** The lines of a file, split at line feeds alone: JSON may hold every other separator as it is. */
const linesOf = async function*(path: string): AsyncGenerator<Line | { readonly number: number; readonly text: null }> {
  let parts: Array<Buffer> = []
  let size = 0
  let number = 0
  const take = () => {
    const line = size > maxLineBytes ? null : Buffer.concat(parts).toString("utf8")
    parts = []
    size = 0
    return line
  }
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
    const bytes = chunk as Buffer
    let start = 0
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      size += end - start
      if (size <= maxLineBytes) parts.push(bytes.subarray(start, end))
      start = end + 1
      yield { number: ++number, text: take() }
    }
    size += bytes.length - start
    if (size <= maxLineBytes) parts.push(bytes.subarray(start))
  }
  if (size > 0) yield { number: ++number, text: take() }
}

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : "it was refused").replace(/: "[\s\S]*$/, "").replace(/"[^"]*"/g, "…")

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
  const unknown = new Set<string>()
  let skipped = 0
  const skip = (line: number, reason: string) => {
    skipped++
    if (skipped <= maxReportsPerFile) {
      report({ file, line, message: `${file}, line ${line}: not loaded, ${reason}` })
    }
  }

  /** Inserts lines together; when Postgres refuses one, by halves, until the refused ones are alone. */
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

  let batch: Array<Line> = []
  let characters = 0
  for await (const { number, text } of linesOf(path)) {
    if (text === null) {
      skip(number, `it is longer than ${maxLineBytes} bytes`)
      continue
    }
    const source = text.startsWith("\uFEFF") ? text.slice(1) : text
    if (source.trim() === "") continue
    let row: unknown
    try {
      row = JSON.parse(source)
    } catch {
      skip(number, "it is not JSON")
      continue
    }
    if (typeof row !== "object" || row === null || Array.isArray(row)) {
      skip(number, "it is not a JSON object")
      continue
    }
    for (const key in row) {
      if (names.has(key) || unknown.has(key)) continue
      unknown.add(key)
      report({
        file,
        line: number,
        message: `${file}, line ${number}: table ${table.name} has no column "${key}": ignored`
      })
    }
    batch.push({ number, text: source })
    characters += source.length
    if (batch.length >= maxBatchLines || characters >= maxBatchCharacters) {
      await insert(batch)
      batch = []
      characters = 0
    }
  }
  await insert(batch)
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
}

/** The files `tables/<table>.jsonl` of an archive folder, in the order of the tables. Fails when there is none. */
export const findTables = async (
  tables: ReadonlyArray<Table>,
  directory: string
): Promise<ReadonlyArray<TableFile>> => {
  const found: Array<TableFile> = []
  for (const table of tables) {
    const file = `tables/${table.name}.jsonl`
    const path = join(directory, file)
    const status = await stat(path).catch(() => undefined)
    if (status?.isFile() === true) found.push({ table, path, file })
  }
  if (found.length === 0) throw new Error(`${directory} is no archive: it has no tables/*.jsonl of Prefect's tables`)
  return found
}

/** Loads files of an archive. What cannot be loaded is reported; the rest is loaded. */
export const loadArchive = async (
  database: Loader,
  files: ReadonlyArray<TableFile>,
  report: (report: LoadReport) => void
): Promise<void> => {
  for (const { file, path, table } of files) await loadTable(database, table, path, file, report)
}
