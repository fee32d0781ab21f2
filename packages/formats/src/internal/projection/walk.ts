/** Traverses a value for its projection. */
import {
  Column as PandasColumn,
  DataFrame,
  deletedKey,
  Index,
  type JsonContainer,
  Series
} from "@effect-prefect/pickle"
import { Undecodable } from "../../FormatError.ts"
import { Table } from "../../Table.ts"
import { Refusal, refuse } from "../refusal.ts"
import { pathText } from "../schemaIssue.ts"
import type { Steps } from "../steps.ts"
import {
  base64Parts,
  isLargeMap,
  listedEntries,
  mapEntries,
  partLength,
  project,
  textParts,
  WideRow,
  wideRows,
  wideTable
} from "./level.ts"
import { Plain, plainDepth, plainLimit, shortKey } from "./plain.ts"

/**
 * The limits of a projection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The maximum nesting of the projection. Default 1 000. */
  readonly maxDepth?: number | undefined
  /**
   * The maximum size: one for each number, boolean, null and 16 characters of text, eight for each array and object, and
   * one for each digit of an integer of more than 1 024. Keys of up to 64 characters do not count, and the characters of
   * a table's column names of more than 1 024, which each row repeats, have this limit for themselves. A pickle of a few
   * bytes can contain any number of references to the same list. Default 2^26; of `toJson`, fewer in a heap of less than
   * 2 GiB.
   */
  readonly maxValues?: number | undefined
}

/** The target of a projection: a JavaScript value or text. */
export interface Sink {
  scalar(value: null | boolean | number | string): void
  key(key: string): void
  openArray(): void
  openObject(): void
  /** Ends a container and returns what was made of it. */
  close(): unknown
  /** A container of which `made` was made before. Without it, the container is made anew. */
  readonly again?: (made: unknown) => void
  /** Values that are already JSON, as text, one after the other. */
  readonly values?: (text: string) => void
  /** A long text, or key, in parts. */
  long(parts: Iterable<string>, isKey: boolean): Steps<void>
}

/** Makes nothing: for checking, and for measuring. */
export const nowhere: Sink = {
  scalar: () => {},
  key: () => {},
  openArray: () => {},
  openObject: () => {},
  close: () => {},
  again: () => {},
  *long() {}
}

/** The most steps of a path that a message shows. */
const maxSteps = 12

/** The path to a value through the containers above it: `[3].parent.children`. */
const pathOf = (frames: ReadonlyArray<JsonContainer>): string => {
  const steps = frames.map(({ keys, next }) => keys === null ? next - 1 : keys[next - 1] ?? "")
  const text = pathText(steps.slice(0, maxSteps))
  return steps.length > maxSteps ? `${text}…` : text
}

/** Describes where a value contains itself or is nested too deep. */
const refuseDepth = (values: ReadonlyArray<unknown>, frames: ReadonlyArray<JsonContainer>, maxDepth: number): never => {
  const places = new Map<unknown, number>()
  for (const [at, value] of values.entries()) {
    const first = places.get(value)
    if (first !== undefined) {
      const outer = first === 0 ? "the whole value" : pathOf(frames.slice(0, first))
      return refuse(`it contains itself: ${pathOf(frames.slice(0, at))} is ${outer} again`)
    }
    places.set(value, at)
  }
  return refuse(`it is nested more than ${maxDepth} deep, at ${pathOf(frames)}`)
}

/** The refusal of a projection above `maxValues`. */
export class TooManyValues extends Refusal {
  constructor(maxValues: number) {
    super(new Undecodable({ detail: `it holds too much to show: more than ${maxValues} values` }))
  }
}

/** The length of names whose repetition in each row is not bounded by the number of values. */
const longName = 1_024

/**
 * Refuses a table whose rows would repeat more characters of long names of columns than there may be values: a name may be
 * nearly all of a file, and would be written once for each row.
 */
export const checkNames = (table: Table | DataFrame, maxValues: number): void => {
  const numRows = table instanceof Table ? table.numRows : table.length
  if (numRows < 2) return
  let characters = 0
  for (let at = 0; at < table.columns.length; at++) {
    const name: unknown = table instanceof Table ? table.columns[at]!.name : table.columns.at(at)
    if (typeof name === "string" && name.length > longName) characters += name.length
  }
  if (characters * (numRows - 1) > maxValues) {
    throw new Refusal(
      new Undecodable({
        detail:
          `it has too long column names: the rows of its JSON would repeat more than ${maxValues} characters of them; write it as csv, parquet or arrow, which have them once`
      })
    )
  }
}

/** Digits that are cheaper than what this many values take. */
const fewDigits = 1_024

/**
 * The size of text. That of a large integer takes the more time the longer it is, and is made anew wherever it occurs; in
 * a value that is not text, it may be any part.
 */
const textSize = (text: string, isMade: boolean): number =>
  isMade && text.length > fewDigits ? text.length : text.length >> 4

/** Of text that is converted as a whole, 128 characters are a step: some hundred thousand of them are converted at once. */
const stepBits = 7

/** Containers of at least this size are remembered, because a value may contain them again. */
const largeSize = 1_024

/** Whether the values in a container are made while it is iterated: not two of them are the same object. */
const makesItems = (value: unknown): boolean =>
  value instanceof Table || value instanceof WideRow || value instanceof DataFrame || value instanceof Series ||
  value instanceof Index || value instanceof PandasColumn

/** A container of which all values were projected. */
interface Projected {
  readonly made: unknown
  readonly size: number
  /** The number of containers in one another, itself included. */
  readonly height: number
}

/**
 * Traverses a value without recursion, and a large container only once however often it occurs. Yields regularly, so that
 * text can be taken and other work can run. Returns the size of the projection.
 */
export function* walk(root: unknown, sink: Sink, options: Options | undefined): Steps<number> {
  const maxDepth = options?.maxDepth ?? 1_000
  const maxValues = options?.maxValues ?? 2 ** 26
  const stack: Array<JsonContainer> = []
  const parents: Array<unknown> = []
  /** Of each container that is open, the size of what came before it, and its height so far. */
  const sizes: Array<number> = []
  const heights: Array<number> = []
  /** The number of open containers that exist for as long as the root does. */
  let kept = 0
  const large = new Map<unknown, Projected>()
  let isMeasured = false
  let used = 0
  let steps = 0
  let value = root
  const plain = new Plain()
  // Checking values that must be traversed after all costs no more than the traversal.
  let credit = plainLimit
  const isPlain = (value: unknown): boolean => {
    if (credit <= 0) return false
    const before = plain.cost
    if (plain.is(value, Math.min(plainDepth, maxDepth - stack.length))) return true
    credit -= plain.cost - before
    plain.cost = before
    return false
  }
  /** Counts the values that were found to be plain. */
  const count = () => {
    used += plain.cost
    steps += plain.cost
    credit = Math.min(credit + plain.cost, plainLimit)
    plain.cost = 0
    if (used > maxValues) throw new TooManyValues(maxValues)
  }
  for (;;) {
    const isObject = typeof value === "object" && value !== null
    let again = isObject && large.size > 0 ? large.get(value) : undefined
    if (again !== undefined && sink.again === undefined) {
      // Text repeats a container each time it occurs, which may be far too often: so its size is found first.
      if (!isMeasured) yield* walk(root, nowhere, options)
      isMeasured = true
      again = undefined
    }
    // A value that is too deep is traversed so that the error can say where.
    if (again !== undefined && stack.length + again.height > maxDepth) again = undefined
    const before = used
    if (isObject && (value instanceof Table || value instanceof DataFrame)) checkNames(value, maxValues)
    const bytes = isObject && value instanceof Uint8Array && value.length > partLength ? value : undefined
    const projected = bytes !== undefined || again !== undefined
      ? null
      : isObject && value instanceof Map && isLargeMap(value)
      ? yield* mapEntries(value)
      : isObject && value instanceof Table && value.columns.length > wideTable
      ? yield* wideRows(value)
      : value instanceof WideRow
      ? { keys: value.keys, items: null, iterator: value.cells(), next: 0 }
      : plain.listed !== undefined && plain.listed.object === value
      ? listedEntries(plain.listed)
      : project(value)
    if (again !== undefined) {
      used += again.size
      const above = heights.length - 1
      if (above >= 0 && again.height >= heights[above]!) heights[above] = again.height + 1
      if (used <= maxValues) sink.again!(again.made)
    } else if (bytes !== undefined) {
      used += 1 + Math.floor(bytes.length / 12)
      if (used <= maxValues) yield* sink.long(base64Parts(bytes), false)
    } else if (typeof projected !== "object" || projected === null) {
      used += typeof projected === "string"
        ? 1 + textSize(projected, typeof value !== "string" && !(value instanceof Uint8Array))
        : 1
      if (typeof projected === "string") steps += projected.length >> stepBits
      if (typeof projected !== "string" || projected.length <= partLength) sink.scalar(projected)
      else if (used <= maxValues) yield* sink.long(textParts(projected), false)
    } else {
      if (stack.length >= maxDepth) refuseDepth([...parents, value], [...stack], maxDepth)
      stack.push(projected)
      if (kept === parents.length && (kept === 0 || !makesItems(parents[kept - 1]))) kept++
      parents.push(value)
      sizes.push(before)
      heights.push(1)
      if (projected.keys === null) sink.openArray()
      else sink.openObject()
      used += 8
    }
    if (used > maxValues) throw new TooManyValues(maxValues)
    if (credit < plainLimit) credit += 2
    // The digits of a large integer take as long as many values.
    steps += again === undefined ? 1 + (typeof projected === "string" ? used - before : 0) : 1
    for (;;) {
      if (steps >= 2_048) {
        steps = 0
        yield
      }
      const frame = stack[stack.length - 1]
      if (frame === undefined) return used
      if (frame.items !== null) {
        const { items, keys, next } = frame
        if (next < items.length) {
          let end = next
          if (sink.values !== undefined) {
            if (keys === null) { while (end < items.length && isPlain(items[end])) end++ }
            else if (isPlain(items[next])) end++
          }
          if (keys !== null) {
            const key = keys[next]!
            if (key.length > shortKey) {
              used += textSize(key, parents[parents.length - 1] instanceof Map)
              steps += key.length >> stepBits
            }
            if (key.length <= partLength) sink.key(key)
            else yield* sink.long(textParts(key), true)
          }
          if (end === next) {
            value = items[frame.next++]
            break
          }
          count()
          frame.next = end
          sink.values!(
            end - next === 1 ? JSON.stringify(items[next]) : JSON.stringify(items.slice(next, end)).slice(1, -1)
          )
          continue
        }
      } else {
        const next = frame.iterator!.next()
        frame.next++
        if (next.done !== true) {
          value = next.value
          if (value === deletedKey) continue
          if (frame.keys !== null) {
            const key = frame.keys[frame.next - 1]!
            if (key.length > shortKey) {
              used += textSize(key, parents[parents.length - 1] instanceof Map)
              steps += key.length >> stepBits
            }
            if (key.length <= partLength) sink.key(key)
            else yield* sink.long(textParts(key), true)
          }
          if (sink.values === undefined || !isPlain(value)) break
          count()
          sink.values(JSON.stringify(value))
          continue
        }
      }
      stack.pop()
      const container = parents.pop()
      const height = heights.pop()!
      const size = used - sizes.pop()!
      const made = sink.close()
      if (kept > parents.length) {
        kept = parents.length
        if (size >= largeSize) large.set(container, { made, size, height })
      }
      const above = heights.length - 1
      if (above >= 0 && height >= heights[above]!) heights[above] = height + 1
    }
  }
}
