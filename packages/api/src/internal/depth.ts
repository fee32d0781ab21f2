import { manyKeys } from "@effect-prefect/core/ObjectKeys"
import { isObject } from "./isObject.ts"

/** The maximum nesting of a row's JSON: printing or comparing deeper values would crash the process. */
export const maxDepth = 1_000

/** Whether long rows, which were parsed in steps, nest deeper than rows may. */
const knownDepths = new WeakMap<object, boolean>()

/** Remembers the depth of a row, so that it is not traversed again in one step. */
export const rememberDepth = (row: object, isDeep: boolean): void => void knownDepths.set(row, isDeep)

/** Remembers that a row has the JSON of another. Returns it. */
const asDeepAs = <A extends object>(row: A, other: object): A => {
  const known = knownDepths.get(other)
  if (known !== undefined) knownDepths.set(row, known)
  return row
}

/** Whether a JSON value nests deeper than rows may. */
export const isTooDeep = (value: unknown, left = maxDepth): boolean => {
  if (typeof value !== "object" || value === null) return false
  if (left === maxDepth) {
    const known = knownDepths.get(value)
    if (known !== undefined) return known
  }
  if (left === 0) return true
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      const item: unknown = value[at]
      if (typeof item === "object" && isTooDeep(item, left - 1)) return true
    }
    return false
  }
  for (const key in value) {
    const item = (value as { readonly [key: string]: unknown })[key]
    if (typeof item === "object" && isTooDeep(item, left - 1)) return true
  }
  return false
}

/** Values that are looked at in a step. */
const stepLength = 4_096

/** Values that may still be looked at. */
let left = 0

/** Whether a value nests too deep; true, too, when it has more values than may be looked at, of which `left` tells. */
const isDeepOrLong = (value: object, depth: number): boolean => {
  if (depth > maxDepth) return true
  if (Array.isArray(value)) {
    left -= 1 + value.length
    for (let at = 0; at < value.length && left >= 0; at++) {
      const item: unknown = value[at]
      if (typeof item === "object" && item !== null && isDeepOrLong(item, depth + 1)) return true
    }
    return left < 0
  }
  left--
  for (const key in value) {
    if (--left < 0) return true
    const item = (value as { readonly [key: string]: unknown })[key]
    if (typeof item === "object" && item !== null && isDeepOrLong(item, depth + 1)) return true
  }
  return left < 0
}

/** Whether a row that may have any number of values nests deeper than rows may, in steps. */
export function* isTooDeepSteps(row: object): Generator<undefined, boolean> {
  /** The containers that have many values, each within the one before it. */
  const open = [{ value: row as { readonly [key: string]: unknown }, keys: keysOf(row), next: 0 }]
  let steps = 0
  for (let frame = open.at(-1); frame !== undefined; frame = open.at(-1)) {
    const { keys, value } = frame
    if (frame.next >= (keys ?? (value as unknown as ReadonlyArray<unknown>)).length) {
      open.pop()
      continue
    }
    const item = value[keys === undefined ? frame.next : keys[frame.next]!]
    frame.next++
    steps++
    if (typeof item === "object" && item !== null) {
      left = stepLength
      const isFound = isDeepOrLong(item, open.length + 1)
      steps += stepLength - Math.max(left, 0)
      if (isFound && left >= 0) return true
      if (isFound) open.push({ value: item as typeof value, keys: keysOf(item), next: 0 })
    }
    if (steps < stepLength) continue
    steps = 0
    yield
  }
  return false
}

const keysOf = (value: object): ReadonlyArray<string> | undefined =>
  Array.isArray(value) ? undefined : Object.keys(value)

/** The same for a row of which one column alone may hold JSON. */
export const isColumnTooDeep = (row: unknown, column: string): boolean =>
  isObject(row) && (knownDepths.get(row) ?? isTooDeep(row[column], maxDepth - 1))

/** The most keys of a state: V8 takes 30 ms to list 100 000. */
export const maxKeys = 100_000

/** Objects with more keys, as far as they were parsed in steps: no other text is long enough. */
const wide = new WeakSet<object>()

/** Remembers that an object has more keys than a state may. */
export const rememberWide = (object: object): void => void wide.add(object)

const isWide = (value: unknown): boolean => typeof value === "object" && value !== null && wide.has(value)

/** Rows with more columns than any table has, as far as they were parsed in steps: a copy of one takes V8 a long step. */
const wideRows = new WeakSet<object>()

/** The most columns of a row, which can be given others. */
const maxColumns = manyKeys

/** Remembers the number of a row's columns. */
export const rememberColumns = (row: object, count: number): void => {
  if (count > maxColumns) wideRows.add(row)
}

/** Whether a row has more columns than any table has. */
export const isRowTooWide = (row: unknown): boolean => typeof row === "object" && row !== null && wideRows.has(row)

/** A row with other columns in the place of its own. A row that is too wide stays as it is. */
export const withColumns = <A extends object>(row: A, columns: object): A =>
  isRowTooWide(row) ? row : asDeepAs({ ...row, ...columns }, row)

/** The problem with such a row. */
export const rowTooWide = `it has more than ${maxColumns} columns`

/** Whether an object of a row's state whose keys are listed when it is decoded has too many. */
export const isStateTooWide = (row: unknown): boolean => {
  if (!isObject(row)) return false
  for (let state = row["serialized_state"] ?? row["state"], depth = 0; isObject(state) && depth < 32; depth++) {
    if ([state, state["_result"], state["cached_inputs"], state["state_details"], state["data"]].some(isWide)) {
      return true
    }
    state = state["state"]
  }
  return false
}

/** The problem with such a row. */
export const tooWide = `its state has more than ${maxKeys} keys`

/** The problem with a row that is nested deeper. */
export const tooDeep = `its JSON is nested more than ${maxDepth} deep`
