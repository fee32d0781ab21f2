import { microseconds } from "../timestamps.ts"

/** A column that a listing is sorted by. Nulls are last in either direction. */
export interface Column {
  readonly name: string
  readonly kind: "uuid" | "time" | "int"
  readonly direction: "asc" | "desc"
  readonly nullable: boolean
}

const column = (
  name: string,
  kind: Column["kind"],
  direction: Column["direction"] = "asc",
  nullable = false
): Column => ({ name, kind, direction, nullable })

/** Every order ends in `id`, which makes it total. */
export type Order = ReadonlyArray<Column>

export const byTaskAndMapIndex: Order = [
  column("task_id", "uuid", "asc", true),
  column("map_index", "int"),
  column("id", "uuid")
]
export const byMapIndex: Order = [column("map_index", "int"), column("id", "uuid")]
export const newestFirst: Order = [column("created", "time", "desc", true), column("id", "uuid", "desc")]
export const oldestFirst: Order = [column("created", "time", "asc", true), column("id", "uuid")]
export const byTimestamp: Order = [column("timestamp", "time"), column("id", "uuid")]
export const byId: Order = [column("id", "uuid")]

export const orderBy = (order: Order): string =>
  `[${
    order.map(({ direction, name, nullable }) =>
      `{ ${name}: ${direction}${nullable && direction === "desc" ? "_nulls_last" : ""} }`
    ).join(", ")
  }]`

export type Condition = { readonly [name: string]: unknown }

/** A row's values in the columns of an order, after which the next page begins. */
export type Position = ReadonlyArray<string | number | null>

/**
 * The rows after a position.
 */
export const after = (order: Order, position: Position): Condition => {
  const at = order.length - 1
  const last = order[at]!
  return order.slice(0, at).reduceRight<Condition>(
    (rest, current, index) => {
      const value = position[index] ?? null
      if (value === null) return { _and: [{ [current.name]: { _is_null: true } }, rest] }
      const beyond: ReadonlyArray<Condition> = [
        { [current.name]: { [current.direction === "asc" ? "_gt" : "_lt"]: value } },
        { _and: [{ [current.name]: { _eq: value } }, rest] }
      ]
      if (current.nullable) return { _or: [...beyond, { [current.name]: { _is_null: true } }] }
      // The outer bound is redundant, but an index can use it.
      return { [current.name]: { [current.direction === "asc" ? "_gte" : "_lte"]: value }, _or: beyond }
    },
    { [last.name]: { [last.direction === "asc" ? "_gt" : "_lt"]: position[at] } }
  )
}

/** The position of a row; undefined when a column has an unexpected type. */
export const positionOf = (order: Order, row: { readonly [column: string]: unknown }): Position | undefined => {
  const position: Array<string | number | null> = []
  for (const { kind, name, nullable } of order) {
    const value = row[name] ?? null
    if (value === null ? !nullable : kind === "int" ? !Number.isSafeInteger(value) : typeof value !== "string") {
      return undefined
    }
    position.push(value as string | number | null)
  }
  return position
}

const comparable = (kind: Column["kind"], value: string | number) => kind === "time" ? microseconds(value) : value

/** Whether one position is before another. Unreadable times are not compared. */
export const isBefore = (order: Order, left: Position, right: Position): boolean => {
  for (const [index, { direction, kind }] of order.entries()) {
    const leftValue = left[index] ?? null
    const rightValue = right[index] ?? null
    if (leftValue === null || rightValue === null) {
      if (leftValue === rightValue) continue
      return rightValue === null
    }
    const a = comparable(kind, leftValue)
    const b = comparable(kind, rightValue)
    if (a === b) continue
    if (Number.isNaN(a) || Number.isNaN(b)) return true
    return direction === "asc" ? a < b : a > b
  }
  return false
}
