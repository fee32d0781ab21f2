import type { Table } from "../Table.ts"

/** Tables whose equal texts in a column are one object, which only their reader knows. */
const tables = new WeakSet<Table>()

/** Remembers that the equal texts in a column of a table are one object; returns the table. */
export const rememberShared = (table: Table): Table => {
  tables.add(table)
  return table
}

export const hasSharedTexts = (table: Table): boolean => tables.has(table)
