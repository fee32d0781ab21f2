import * as Tables from "@effect-prefect/core/Tables"
import * as Catalog from "../../src/internal/catalog.ts"

/** The catalog of a database that has exactly the columns of `Tables.tables`. */
export const completeCatalog: Catalog.Catalog = Catalog.fromColumns(
  Tables.tables.flatMap((table) =>
    table.columns.map((column) => ({ table: table.name, column: column.name, type: column.type }))
  )
)
