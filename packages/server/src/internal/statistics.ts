import type { Row } from "../Database.ts"

/** The number of rows of the tables, according to the database's own statistics. */
export interface Statistics {
  /** The rows of a table. */
  readonly rows: (table: string) => number
  /** The most rows of a table that have the same value in a column: 1 for a key. */
  readonly perValue: (table: string, column: string) => number
}

/** The assumed size of a table that was never analyzed, so that an unknown database is neither trusted nor rejected. */
const unknownRows = 10_000
const unknownPerValue = 100

/**
 * The statement that returns the statistics of the tables in schema `public`, for the columns that relations use. They
 * are estimates from a sample, as of the last ANALYZE.
 */
export const statisticsStatement =
  `SELECT c.relname::text AS "table", NULL::text AS "column", c.reltuples::float8::text AS "value"
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'm') AND (c.reltuples > 0 OR c.relpages > 0 OR c.reltuples = 0)
UNION ALL
SELECT s.tablename::text, s.attname::text, greatest(
  coalesce((s.most_common_freqs)[1], 0)::float8,
  CASE WHEN s.n_distinct > 0 THEN 1 / s.n_distinct::float8 ELSE 0 END
)::text
FROM pg_catalog.pg_stats s
WHERE s.schemaname = 'public' AND s.n_distinct <> 0 AND (s.attname::text = 'id' OR s.attname::text LIKE '%\\_id')`

/** The statistics of the rows of {@link statisticsStatement}. */
export const fromRows = (rows: ReadonlyArray<Row>): Statistics => {
  const counts = new Map<string, number>()
  const shares = new Map<string, number>()
  for (const { column, table, value } of rows) {
    const number = Number(value)
    if (table === null || table === undefined || !Number.isFinite(number) || number < 0) continue
    if (column === null || column === undefined) counts.set(table, number)
    else shares.set(`${table}.${column}`, number)
  }
  return {
    rows: (table) => counts.get(table) ?? unknownRows,
    perValue: (table, column) => {
      if (column === "id") return 1
      const count = counts.get(table)
      if (count === undefined) return unknownPerValue
      const share = shares.get(`${table}.${column}`)
      // A column without a share is unique when there are statistics, and unknown when there are none.
      return share === undefined ? Math.min(count, unknownPerValue) : Math.max(1, Math.ceil(share * count))
    }
  }
}

/** The statistics of a database that has none. */
export const unknown: Statistics = fromRows([])
