/** One level of a projection: the values inside a container, and large ones in parts. */
import { type JsonContainer, jsonForm, pythonStr, valuesOf } from "@effect-prefect/pickle"
import { type Column, Table } from "../../Table.ts"
import { Places } from "../places.ts"
import { every, type Steps } from "../steps.ts"
import type { Listed } from "./plain.ts"

/** One level of a value: its JSON when it is not a container, otherwise the values inside it. */
export const project = (value: unknown): null | boolean | number | string | JsonContainer =>
  typeof value === "object" && value !== null && !Array.isArray(value) && value instanceof Table
    ? { keys: null, items: null, iterator: value.rows(), next: 0 }
    : jsonForm(value)

/** The columns of a table whose rows are not made as objects: V8 sets and lists the keys of large objects slowly. */
export const wideTable = 1_024

/** The cells of a row of a wide table. */
export class WideRow {
  readonly keys: ReadonlyArray<string>
  readonly columns: ReadonlyArray<Column>
  readonly row: number

  constructor(keys: ReadonlyArray<string>, columns: ReadonlyArray<Column>, row: number) {
    this.keys = keys
    this.columns = columns
    this.row = row
  }

  *cells(): IterableIterator<unknown> {
    for (let at = 0; at < this.columns.length; at++) yield this.columns[at]!.at(this.row)
  }
}

function* wideRowsOf(
  keys: ReadonlyArray<string>,
  columns: ReadonlyArray<Column>,
  numRows: number
): IterableIterator<WideRow> {
  for (let row = 0; row < numRows; row++) yield new WideRow(keys, columns, row)
}

/** The rows of a wide table; among columns with the same name, the last one in the place of the first. */
export function* wideRows(table: Table): Steps<JsonContainer> {
  const places = new Places()
  const keys: Array<string> = []
  const columns: Array<Column> = []
  let looked = 0
  for (const column of table.columns) {
    if (++looked % every === 0) yield
    const { name } = column
    const known = places.of(name)
    const at = known.get(name)
    if (at === undefined) {
      known.set(name, keys.length)
      keys.push(name)
      columns.push(column)
    } else columns[at] = column
  }
  return { keys: null, items: null, iterator: wideRowsOf(keys, columns, table.numRows), next: 0 }
}

/** The characters of a text, or bytes in base64, that are converted at once. A multiple of three. */
export const partLength = 0x30000

/** A Map of more entries is converted in steps. */
const manyEntries = 8_192

/** So few keys are made into text in a moment, whatever they are. */
const fewEntries = 16

/** Whether a Map is converted in steps: the text of one key may have many thousand digits. */
export const isLargeMap = (map: ReadonlyMap<unknown, unknown>): boolean => {
  if (map.size > manyEntries) return true
  if (map.size <= fewEntries) return false
  for (const key of map.keys()) if (typeof key === "bigint" || (typeof key === "object" && key !== null)) return true
  return false
}

/** A long text in parts, none of which ends within a surrogate pair. */
export function* textParts(text: string): Iterable<string> {
  for (let at = 0; at < text.length;) {
    let end = Math.min(text.length, at + partLength)
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--
    yield text.slice(at, end)
    at = end
  }
}

/** The base64 of bytes in parts. */
export function* base64Parts(bytes: Uint8Array): Iterable<string> {
  for (let at = 0; at < bytes.length; at += partLength) {
    yield jsonForm(bytes.subarray(at, Math.min(bytes.length, at + partLength))) as string
  }
}

/** As `jsonForm` of a Map, in steps. */
export function* mapEntries(map: ReadonlyMap<unknown, unknown>): Steps<JsonContainer> {
  const keys: Array<string> = []
  const items: Array<unknown> = []
  /** The places of the keys, once two of them may have the same text. */
  let places: Places | undefined
  let first: string | undefined
  let looked = 0
  for (const [key, value] of map) {
    const text = pythonStr(key)
    looked += 1 + (text.length >> 3)
    if (looked >= every) {
      looked = 0
      yield
    }
    const kind = typeof key
    first ??= kind
    if (places === undefined && (kind !== first || (kind !== "string" && kind !== "number"))) {
      places = new Places()
      for (let at = 0; at < keys.length; at++) {
        places.of(keys[at]!).set(keys[at]!, at)
        if (at % every === 0) yield
      }
    }
    if (places !== undefined) {
      const known = places.of(text)
      const at = known.get(text)
      if (at !== undefined) {
        items[at] = value
        continue
      }
      known.set(text, keys.length)
    }
    keys.push(text)
    items.push(value)
  }
  return { keys, items, iterator: null, next: 0 }
}

/** As `jsonForm` of an object whose keys were listed. */
export const listedEntries = ({ keys, object }: Listed): JsonContainer => ({
  keys,
  items: null,
  iterator: valuesOf(object, keys),
  next: 0
})
