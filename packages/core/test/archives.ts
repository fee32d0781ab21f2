import { readFileSync } from "node:fs"

export type Row = Readonly<Record<string, unknown>>

/** The archives of real servers that every row is tried on. */
export const archives = ["prefect-1", "prefect-0.15"] as const

/** The rows of a table of an archive, as its server kept them. */
export const readTable = (archive: string, table: string): ReadonlyArray<Row> =>
  readFileSync(new URL(`../../../fixtures/${archive}/tables/${table}.jsonl`, import.meta.url), "utf8")
    .split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Row)

/** Every row of a table of both archives, with a name for messages. */
export const everyRow = (table: string): ReadonlyArray<readonly [name: string, row: Row]> =>
  archives.flatMap((archive) =>
    readTable(archive, table).map((row) => [`${archive} ${table} ${String(row["id"])}`, row] as const)
  )
