import * as Tables from "@effect-prefect/core/Tables"
import * as Effect from "effect/Effect"
import { listen, scopedTables } from "../../server/test/support/pglite.ts"

export type TableRows = Readonly<Record<string, ReadonlyArray<object>>>

type Statement = readonly [sql: string, parameter?: string]

/** What inserts these rows into Prefect's tables: statements, each with its parameter. */
const insertsOf = (rows: TableRows): ReadonlyArray<Statement> =>
  Object.entries(rows).filter(([, all]) => all.length > 0).map(([name, all]) => [
    `insert into public.${name} select * from jsonb_populate_recordset(null::public.${name}, $1::text::jsonb)`,
    JSON.stringify(all)
  ])

/** What creates Prefect's tables with these rows in them: statements, each with its parameter. */
export const statementsOf = (rows: TableRows): ReadonlyArray<Statement> => [
  ...Tables.createTables.map((sql) => [sql] as const),
  ...insertsOf(rows),
  ...Tables.createIndexes.map((sql) => [sql] as const)
]

/** An embedded Postgres with Prefect's tables, on a port of 127.0.0.1, for as long as the scope lives. */
export const startPglite = Effect.fnUntraced(function*(rows: TableRows) {
  const database = yield* scopedTables
  for (const [sql, parameter] of insertsOf(rows)) {
    yield* Effect.promise(() => database.query(sql, parameter === undefined ? [] : [parameter]))
  }
  return { database, url: `postgresql://postgres@${yield* listen(database)}/postgres` }
})
