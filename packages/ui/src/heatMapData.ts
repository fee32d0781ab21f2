/** The states of all mapped children, one byte each, and the positions of their cells: independent of the document. */
import type { ChildStates } from "@effect-prefect/ui-api/Models"
import { familyOf } from "./states.ts"

/** A child that is missing from the backend. */
export const missingCode = 255
/** A child that is not loaded yet. */
export const unknownCode = 254

/** The positions that a map shows: one byte each, and one pixel each. A wrong map index can be far beyond them. */
export const maxCells = 10_000_000

export interface HeatData {
  /** A code for each of the first positions: a position in `names`, or one of the two above. */
  codes: Uint8Array
  /** The children beyond these positions, as runs of one state. */
  readonly beyond: Array<{ readonly from: number; readonly count: number; readonly code: number }>
  /** The positions beyond that are missing. */
  missingBeyond: number
  names: ReadonlyArray<string>
  /** The number of positions, and the number of loaded ones. */
  total: number
  known: number
  problem: string | undefined
}

export const emptyHeat = (expected: number): HeatData => ({
  codes: new Uint8Array(Math.min(expected, maxCells)).fill(unknownCode),
  beyond: [],
  missingBeyond: 0,
  names: [],
  total: expected,
  known: 0,
  problem: undefined
})

/** Adds a part of the run lengths. States beyond 250 names share the last one. */
export const addStates = (data: HeatData, part: ChildStates): HeatData => {
  let at = part.after + 1
  const end = at + part.runs.reduce((sum, [, count]) => sum + count, 0)
  const inside = Math.min(end, maxCells)
  if (inside > data.codes.length) {
    const room = Math.max(inside, Math.min(maxCells, data.codes.length * 2, inside + 100_000))
    const larger = new Uint8Array(room).fill(unknownCode)
    larger.set(data.codes)
    data.codes = larger
  }
  for (const [run, count] of part.runs) {
    const code = run < 0 ? missingCode : Math.min(run, 250)
    data.codes.fill(code, Math.min(at, maxCells), Math.min(at + count, maxCells))
    const over = Math.min(count, at + count - maxCells)
    if (over > 0 && code === missingCode) data.missingBeyond += over
    else if (over > 0) data.beyond.push({ from: at + count - over, count: over, code })
    at += count
  }
  data.known = Math.max(data.known, end)
  data.total = Math.max(data.total, end)
  data.names = part.names
  if (part.problem !== undefined) data.problem = part.problem
  return data
}

export const nameAt = (data: HeatData, index: number): string => {
  const code = index < data.codes.length
    ? data.codes[index]!
    : index < maxCells || index >= data.known
    ? unknownCode
    : data.beyond.find(({ count, from }) => index >= from && index < from + count)?.code ?? missingCode
  return code === missingCode ? "missing" : code === unknownCode ? "not loaded" : data.names[code] ?? "not loaded"
}

/** The map indexes of the children that exist, of those states or of all. */
export const indicesOf = (data: HeatData, states: ReadonlySet<string>): ReadonlyArray<number> => {
  const isWanted = (code: number) => states.size === 0 || states.has(data.names[code] ?? "")
  const out: Array<number> = []
  const inside = Math.min(data.known, maxCells)
  for (let i = 0; i < inside; i++) if (data.codes[i] !== missingCode && isWanted(data.codes[i]!)) out.push(i)
  for (const { code, count, from } of data.beyond) {
    if (isWanted(code)) { for (let i = from; i < from + count; i++) out.push(i) }
  }
  return out
}

/** The number of children in each state; missing ones are counted separately. */
export const countStates = (
  data: HeatData
): { readonly states: ReadonlyMap<string, number>; readonly missing: number } => {
  const counts = new Float64Array(256)
  const inside = Math.min(data.known, maxCells)
  for (let i = 0; i < inside; i++) counts[data.codes[i]!] = counts[data.codes[i]!]! + 1
  for (const { code, count } of data.beyond) counts[code] = counts[code]! + count
  const states = new Map<string, number>()
  data.names.forEach((name, code) => {
    if (counts[code]! > 0) states.set(name, counts[code]!)
  })
  return { states, missing: counts[missingCode]! + data.missingBeyond }
}

/** The next failed child from a position in one direction; undefined when there is none. */
export const nextFailed = (data: HeatData, from: number, step: 1 | -1): number | undefined => {
  const failed = data.names.map((name) => familyOf(name) === "failed")
  for (let i = from + step; i >= 0 && i < Math.min(data.known, maxCells); i += step) {
    if (failed[data.codes[i]!] === true) return i
  }
  return undefined
}

const maxCell = 28
const minCell = 2

/** The columns and the size of a cell, so that all children fit into a box if possible. */
export const fitCells = (
  total: number,
  width: number,
  height: number
): { readonly columns: number; readonly cell: number } => {
  if (total === 0 || width <= 0) return { columns: 1, cell: maxCell }
  for (let cell = maxCell; cell > minCell; cell--) {
    const columns = Math.max(1, Math.floor(width / cell))
    if (Math.ceil(total / columns) * cell <= height) return { columns: Math.min(columns, total), cell }
  }
  return { columns: Math.min(total, Math.max(1, Math.floor(width / minCell))), cell: minCell }
}
