/** A Postgres like that of a Prefect 1 server, filled from an archive folder. */
import * as Tables from "@effect-prefect/core/Tables"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { Postgres } from "./postgres.ts"

/** Creates Prefect's tables with the rows of the archive, and a role `reader` with only SELECT on them. */
export const fillFromArchive = async (postgres: Postgres, archive: string): Promise<void> => {
  const statements = [...Tables.createTables]
  for (const table of Tables.tables) {
    const path = join(archive, "tables", `${table.name}.jsonl`)
    const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").filter((line) => line !== "") : []
    const columns = table.columns.map(({ name, type }) => `"${name}" ${type}`).join(", ")
    const names = table.columns.map(({ name }) => `"${name}"`).join(", ")
    statements.push(
      `INSERT INTO "${table.name}" (${names}) SELECT ${names} FROM ` +
        `json_to_recordset($json$[${lines.join(",")}]$json$) AS r(${columns})`
    )
  }
  statements.push(
    ...Tables.createIndexes,
    "CREATE ROLE reader LOGIN",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    "ANALYZE"
  )
  await postgres.psql(statements.join(";\n"))
}

/** The URL for that role. */
export const readerUrl = (postgres: Postgres): string =>
  `postgres://reader@127.0.0.1:${postgres.port}/postgres?sslmode=disable`
