import * as Tables from "@effect-prefect/core/Tables"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const fixtures = fileURLToPath(new URL("../../../../fixtures", import.meta.url))

export type Row = Readonly<Record<string, unknown>>

/** An archive of the fixtures, its rows read without the server: what every answer is compared with. */
export interface Archive {
  readonly name: string
  readonly directory: string
  readonly rows: (table: string) => ReadonlyArray<Row>
  readonly find: (table: string, id: unknown) => Row | undefined
}

export const archive = (name: "prefect-1" | "prefect-0.15"): Archive => {
  const directory = join(fixtures, name)
  const tables = new Map(Tables.tables.map((table) => {
    const path = join(directory, "tables", `${table.name}.jsonl`)
    const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").filter((line) => line !== "") : []
    const empty = Object.fromEntries(table.columns.map((column) => [column.name, null]))
    return [table.name, lines.map((line): Row => ({ ...empty, ...JSON.parse(line) }))]
  }))
  const rows = (table: string) => tables.get(table) ?? []
  return { name, directory, rows, find: (table, id) => rows(table).find((row) => row["id"] === id) }
}

export const archives = [archive("prefect-1"), archive("prefect-0.15")]

export const ids = (rows: ReadonlyArray<Row>): ReadonlyArray<unknown> => rows.map((row) => row["id"])

/** Sorted as Postgres sorts: by each key in turn, null after everything unless `nullsFirst`. */
export const sortBy = (
  rows: ReadonlyArray<Row>,
  ...keys: ReadonlyArray<
    {
      readonly of: (row: Row) => unknown
      readonly descending?: boolean | undefined
      readonly nullsFirst?: boolean | undefined
    }
  >
): ReadonlyArray<Row> =>
  rows.toSorted((a, b) => {
    for (const { descending = false, nullsFirst = descending, of } of keys) {
      const [x, y] = [of(a) ?? null, of(b) ?? null]
      if (x === y) continue
      if (x === null || y === null) return (x === null) === nullsFirst ? -1 : 1
      return ((x as string) < (y as string) ? -1 : 1) * (descending ? -1 : 1)
    }
    return 0
  })

export const byId = { of: (row: Row) => row["id"] }
