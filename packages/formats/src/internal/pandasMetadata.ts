/** The metadata that pandas writes into Parquet and Feather files, which identifies the columns of the index. */
import { Column, type ColumnParts, Table } from "../Table.ts"
import { jsonSteps } from "./jsonPieces.ts"
import type { Steps } from "./steps.ts"

interface PandasColumn {
  /** The name of the column in the file. */
  readonly field: string
  readonly name: string | null
  readonly numpyType: string
  readonly timezone: string | null
}

interface RangeIndex {
  readonly name: string | null
  readonly start: number
  readonly stop: number
  readonly step: number
}

export interface PandasMetadata {
  readonly index: ReadonlyArray<string | RangeIndex>
  readonly columns: ReadonlyMap<string, PandasColumn>
}

const none: PandasMetadata = { index: [], columns: new Map() }

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? value as Readonly<Record<string, unknown>> : {}

const text = (value: unknown): string | null => typeof value === "string" ? value : null

const list = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

/** Reads the value of the key `pandas`. When it is missing or damaged, every column is an ordinary one. */
export function* readPandasMetadata(json: string | null | undefined): Steps<PandasMetadata> {
  if (json === null || json === undefined) return none
  const result = yield* jsonSteps(json)
  if (!("value" in result)) return none
  const parsed = record(result.value)
  const columns = new Map<string, PandasColumn>()
  for (const item of list(parsed["columns"])) {
    yield
    const column = record(item)
    const name = text(column["name"])
    const field = text(column["field_name"]) ?? name
    if (field === null) continue
    columns.set(field, {
      field,
      name,
      numpyType: text(column["numpy_type"]) ?? "",
      timezone: text(record(column["metadata"])["timezone"])
    })
  }
  const index: Array<string | RangeIndex> = []
  for (const item of list(parsed["index_columns"])) {
    yield
    if (typeof item === "string") index.push(item)
    else {
      const range = record(item)
      const [start, stop, step] = [range["start"], range["stop"], range["step"]].map(Number) as [number, number, number]
      if (
        range["kind"] === "range" && Number.isSafeInteger(start) && Number.isSafeInteger(stop) &&
        Number.isSafeInteger(step)
      ) {
        index.push({ name: text(range["name"]), start, stop, step })
      }
    }
  }
  return { index, columns }
}

/** The unit of a NumPy dtype in which pandas kept times; `null` for other dtypes. */
export const timedeltaUnit = (numpyType: string | undefined): "s" | "ms" | "us" | "ns" | null =>
  (/^timedelta64\[(s|ms|us|ns)\]$/.exec(numpyType ?? "")?.[1] ?? null) as "s" | "ms" | "us" | "ns" | null

/** A table of a file's columns starting at a row, with the index separated. */
export function* arrange(
  parts: ReadonlyArray<ColumnParts>,
  numRows: number,
  metadata: PandasMetadata,
  firstRow = 0
): Steps<Table> {
  const index: Array<Column> = []
  const used = new Set<string>()
  const wanted = new Map<string, ColumnParts | undefined>()
  for (const entry of metadata.index) {
    if (typeof entry === "string") wanted.set(entry, undefined)
    yield
  }
  for (const part of parts) {
    if (wanted.has(part.name) && wanted.get(part.name) === undefined) wanted.set(part.name, part)
    yield
  }
  for (const entry of metadata.index) {
    yield
    if (typeof entry === "string") {
      const part = wanted.get(entry)
      if (part === undefined) continue
      used.add(entry)
      index.push(new Column({ ...part, name: indexName(entry, metadata) }))
    } else if (entry.start !== 0 || entry.step !== 1 || entry.name !== null) {
      index.push(
        new Column({
          name: entry.name ?? "",
          kind: "int",
          length: numRows,
          at: (row) => entry.start + (firstRow + row) * entry.step
        })
      )
    }
  }
  const columns: Array<Column> = []
  for (const part of parts) {
    if (!used.has(part.name)) columns.push(new Column(part))
    yield
  }
  return new Table(columns, numRows, index)
}

const indexName = (field: string, metadata: PandasMetadata): string =>
  metadata.columns.get(field)?.name ?? (/^__index_level_\d+__$/.test(field) ? "" : field)
