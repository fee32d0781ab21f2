/**
 * The rows of Prefect's tables as views and back, without looking through their JSON. A schema of JSON looks at each value
 * in it, in one step: columns of many megabytes would keep other work waiting.
 */
import type { MalformedRow } from "../TaskRunView.ts"
import { isNullableString, isObject } from "./json.ts"

/** One field of a view and the column that it is stored in. */
export interface Column {
  readonly field: string
  readonly column: string
  readonly accepts: (value: unknown) => boolean
  readonly isOptional: boolean
  readonly read?: (value: never) => unknown
  readonly write?: (value: never) => unknown
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== ""
const isNullable = (accepts: (value: unknown) => boolean) => (value: unknown) => value === null || accepts(value)

/** What columns hold. Values came from a parser of JSON, so that all of them are JSON. */
export const accepts = {
  id: isText,
  nullableId: isNullable(isText),
  text: (value: unknown) => typeof value === "string",
  nullableText: isNullableString,
  nullableTexts: isNullable((value) => Array.isArray(value) && value.every((item) => typeof item === "string")),
  nullableInteger: isNullable(Number.isSafeInteger),
  nullableBoolean: isNullable((value) => typeof value === "boolean"),
  nullableObject: isNullable(isObject),
  json: () => true
} as const

/** A column that each row has. */
export const column = (
  field: string,
  column: string,
  accepts: Column["accepts"],
  codec: Pick<Column, "read" | "write"> = {}
): Column => ({ field, column, accepts, isOptional: false, ...codec })

/** A column that a row may lack. */
export const optional = (field: string, column: string, accepts: Column["accepts"]): Column => ({
  field,
  column,
  accepts,
  isOptional: true
})

const malformed = (detail: string): MalformedRow => ({ _tag: "MalformedRow", detail })

/** The view of a row, or the problem with it, which names the column and never its value. */
export const makeFromRow =
  <A extends object>(prototype: A, columns: ReadonlyArray<Column>) => (row: unknown): A | MalformedRow => {
    if (!isObject(row)) return malformed("a row is not one of Prefect's")
    const view = Object.create(prototype) as Record<string, unknown>
    for (const { accepts, column, field, isOptional, read } of columns) {
      const value = row[column]
      if (value === undefined ? isOptional : accepts(value)) {
        if (value !== undefined) view[field] = read === undefined ? value : read(value as never)
      } else return malformed(`the column ${column} is not of Prefect's type`)
    }
    return view as A
  }

/** The row of a view. */
export const makeToRow = <Row>(columns: ReadonlyArray<Column>) => (view: object): Row => {
  const row: Record<string, unknown> = {}
  for (const { column, field, write } of columns) {
    const value = (view as Record<string, unknown>)[field]
    if (value !== undefined) row[column] = write === undefined ? value : write(value as never)
  }
  return row as Row
}
