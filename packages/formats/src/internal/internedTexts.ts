/** Columns whose equal texts are one object, which only their reader knows. */
const columns = new WeakSet<object>()

/** Remembers that the equal texts of a column are one object; returns the column. */
export const rememberShared = <A extends object>(column: A): A => {
  columns.add(column)
  return column
}

export const hasSharedTexts = (column: object): boolean => columns.has(column)
