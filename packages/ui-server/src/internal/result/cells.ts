/** Single values of a table: as JSON, as the text of a cell, and as a number for sorting and counting. */
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import {
  Decimal,
  NpScalar,
  NpTime,
  PyDate,
  PyDateTime,
  PyFloat,
  PyTimedelta,
  Timedelta,
  Timestamp
} from "@effect-prefect/pickle"
import { QueryError } from "./queryError.ts"

/** The JSON projection of a cell. A cell without one is null, so the other cells stay readable. */
export const cellJson = (value: unknown): JsonProjection.Json => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value
    case "number":
      return Number.isFinite(value) ? value : null
    case "undefined":
      return null
  }
  if (value === null) return null
  const level = JsonProjection.level(value)
  if (level._tag === "Scalar") return level.value
  try {
    return JsonProjection.toJsonSync(value, { maxValues: 2 ** 18 })
  } catch {
    return null
  }
}

/** The number of characters of a value's JSON; once above `limit`, some number above it. */
export const sizeOf = (json: JsonProjection.Json, limit: number): number => {
  let size = 0
  const left: Array<JsonProjection.Json> = []
  const add = (value: JsonProjection.Json) => {
    if (typeof value === "string") size += value.length + 2
    else if (typeof value !== "object" || value === null) size += 8
    else left.push(value)
  }
  add(json)
  while (left.length > 0 && size <= limit) {
    const value = left.pop()
    if (Array.isArray(value)) {
      size += value.length + 2
      for (const item of value) add(item)
    } else {
      size += 2
      for (const [key, item] of Object.entries(value as object)) {
        size += key.length + 4
        add(item as JsonProjection.Json)
      }
    }
  }
  return size
}

/**
 * The most characters of lists and objects that one query compares. References make a value's JSON any number of times
 * larger than its stored bytes.
 */
const maxNestedText = 2 ** 26

/** Counts the text of nested cells of one query, which fails when there is too much of it. */
export class CellTexts {
  readonly #parameter: string
  #left = maxNestedText

  constructor(parameter: string) {
    this.#parameter = parameter
  }

  /** The text of a cell: its JSON, with strings unquoted. */
  of(value: unknown): string {
    const json = cellJson(value)
    if (typeof json === "string") return json
    if (typeof json === "object" && json !== null) {
      this.#left -= sizeOf(json, this.#left)
      if (this.#left < 0) {
        throw new QueryError(
          this.#parameter,
          `${this.#parameter} compares lists or objects whose JSON has more than ${maxNestedText} characters in total`
        )
      }
    }
    return JSON.stringify(json)
  }
}

/** Milliseconds since 1970 of an ISO text; a time without an offset counts as UTC. */
const millisOf = (iso: string): number => {
  const cut = iso.replace(/(\.\d{3})\d+/, "$1")
  return Date.parse(/(?:[zZ]|[+-]\d\d:?\d\d)$/.test(cut) || !cut.includes("T") ? cut : `${cut}Z`)
}

/** A number to sort a value by; NaN for values that have none. Times are milliseconds since 1970, durations seconds. */
export const toNumber = (value: unknown): number => {
  switch (typeof value) {
    case "number":
      return value
    case "bigint":
      return Number(value)
    case "boolean":
      return value ? 1 : 0
    case "object":
      break
    default:
      return NaN
  }
  if (value instanceof Timestamp) return Number(value.ns) / 1e6
  if (value instanceof PyFloat) return value.value
  if (value instanceof PyTimedelta || value instanceof Timedelta) return value.totalSeconds
  if (value instanceof Decimal) return Number(value.value)
  if (value instanceof NpScalar) return toNumber(value.value)
  if (value instanceof NpTime) {
    const { nanoseconds } = value
    return nanoseconds === null ? NaN : Number(nanoseconds) / (value.kind === "datetime64" ? 1e6 : 1e9)
  }
  if (value instanceof PyDate || value instanceof PyDateTime) return millisOf(value.toString())
  return NaN
}

/** The number for the text of a comparison, in the same unit as `toNumber` of the column's values. */
export const parseOperand = (text: string, isTime: boolean): number =>
  isTime ? millisOf(text.trim()) : text.trim() === "" ? NaN : Number(text)

/** A number of `toNumber` in the JSON form of the column's own values. */
export const fromNumber = (value: number, isTime: boolean): JsonProjection.Json =>
  !Number.isFinite(value) ? null : isTime ? isoOf(value) : value

const isoOf = (millis: number): string | null => {
  const date = new Date(millis)
  return Number.isNaN(date.getTime()) ? null : date.toISOString().replace("Z", "")
}
