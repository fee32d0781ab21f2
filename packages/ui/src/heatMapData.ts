/** The states of all mapped children, one byte each, and the positions of their cells: independent of the document. */
import type { ChildStates } from "@effect-prefect/ui-api/Models"
import { familyOf } from "./states.ts"

/** A child that is missing from the backend. */
export const missingCode = 255
/** A child that is not loaded yet. */
export const unknownCode = 254

export interface HeatData {
  /** A code for each child: a position in `names`, or one of the two above. */
  codes: Uint8Array
  names: ReadonlyArray<string>
  /** The number of children, and the number of loaded ones. */
  total: number
  known: number
  problem: string | undefined
}

export const emptyHeat = (expected: number): HeatData => ({
  codes: new Uint8Array(expected).fill(unknownCode),
  names: [],
  total: expected,
  known: 0,
  problem: undefined
})

/** Adds a part of the run lengths. States beyond 250 names share the last one. */
export const addStates = (data: HeatData, part: ChildStates): HeatData => {
  let at = part.after + 1
  const end = at + part.runs.reduce((sum, [, count]) => sum + count, 0)
  if (end > data.codes.length) {
    const larger = new Uint8Array(Math.max(end, Math.min(data.codes.length * 2, end + 100_000))).fill(unknownCode)
    larger.set(data.codes)
    data.codes = larger
  }
  for (const [code, count] of part.runs) {
    data.codes.fill(code < 0 ? missingCode : Math.min(code, 250), at, at + count)
    at += count
  }
  data.known = Math.max(data.known, end)
  data.total = Math.max(data.total, end)
  data.names = part.names
  if (part.problem !== undefined) data.problem = part.problem
  return data
}

export const nameAt = (data: HeatData, index: number): string => {
  const code = index < data.codes.length ? data.codes[index]! : unknownCode
  return code === missingCode ? "missing" : code === unknownCode ? "not loaded" : data.names[code] ?? "not loaded"
}

/** The number of children in each state; missing ones are counted separately. */
export const countStates = (
  data: HeatData
): { readonly states: ReadonlyMap<string, number>; readonly missing: number } => {
  const counts = new Uint32Array(256)
  for (let i = 0; i < data.known; i++) counts[data.codes[i]!] = counts[data.codes[i]!]! + 1
  const states = new Map<string, number>()
  data.names.forEach((name, code) => {
    if (counts[code]! > 0) states.set(name, counts[code]!)
  })
  return { states, missing: counts[missingCode]! }
}

/** The next failed child from a position in one direction; undefined when there is none. */
export const nextFailed = (data: HeatData, from: number, step: 1 | -1): number | undefined => {
  const failed = data.names.map((name) => familyOf(name) === "failed")
  for (let i = from + step; i >= 0 && i < data.known; i += step) if (failed[data.codes[i]!] === true) return i
  return undefined
}

const maxCell = 22
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
