import * as CliOutput from "effect/cli/CliOutput"

/** One cell: its text, and its style, which is applied once its width is known. */
export interface Cell {
  readonly text: string
  readonly paint?: ((text: string) => string) | undefined
}

/** Control characters would move the cursor, or worse, and stored text may contain any. */
export const stripControls = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]+/gu, " ")

const ascii = /^[ -~]*$/

/** The columns that a text takes on a terminal. Most texts are plain ASCII, where measuring each character is slow. */
export const width = (text: string): number => ascii.test(text) ? text.length : CliOutput.displayWidth(text)

/** The text, or as much of it as fits into a number of columns. */
export const cut = (text: string, columns: number): string => {
  if (width(text) <= columns) return text
  let out = ""
  for (const character of text) {
    if (width(out + character) > columns - 1) break
    out += character
  }
  return `${out}…`
}

const gap = 2
const narrowest = 8

/**
 * Widths that fit into a number of columns: the widest shrink first, the first one (an id, for copying) last, and when
 * all are at their minimum, the rightmost columns are dropped.
 */
export const fit = (widths: ReadonlyArray<number>, columns: number): Array<number> => {
  const fitted = [...widths]
  const excess = () => fitted.reduce((sum, width) => sum + width + gap, -gap) - columns
  const shrink = (candidates: ReadonlyArray<number>) => {
    for (let over = excess(); over > 0; over = excess()) {
      const widest = Math.max(...candidates.map((at) => fitted[at]!))
      if (widest <= narrowest) return
      for (const at of candidates) {
        if (fitted[at] === widest && excess() > 0) fitted[at] = widest - 1
      }
    }
  }
  do shrink(fitted.map((_, at) => at).slice(1))
  while (excess() > 0 && fitted.length > 2 && fitted.pop() !== undefined)
  shrink([0])
  return fitted
}

/**
 * Rows as lines of aligned columns, streamed: the header and the first rows determine the widths, so that they fit the
 * terminal; the last column takes the remaining width, and in a pipe all of its text.
 */
export const makeTable = (header: ReadonlyArray<string>, columns: number | undefined) => {
  let widths: Array<number> | undefined
  const settle = (rows: ReadonlyArray<ReadonlyArray<Cell>>): Array<number> => {
    const wanted = header.map((title, index) =>
      Math.max(width(title), ...rows.map((row) => Math.min(60, width(stripControls(row[index]?.text ?? "")))))
    )
    return columns === undefined ? wanted : fit(wanted, columns)
  }
  const line = (cells: ReadonlyArray<Cell>, widths: ReadonlyArray<number>): string => {
    let used = 0
    return cells.slice(0, widths.length).map((cell, index) => {
      const isLast = index === widths.length - 1
      const room = !isLast ? widths[index]! : columns === undefined ? Infinity : Math.max(narrowest, columns - used)
      const text = cut(stripControls(cell.text), room)
      used += widths[index]! + gap
      const padding = isLast ? "" : " ".repeat(Math.max(0, widths[index]! - width(text)) + gap)
      return (cell.paint === undefined ? text : cell.paint(text)) + padding
    }).join("").trimEnd() + "\n"
  }
  return (rows: ReadonlyArray<ReadonlyArray<Cell>>, paintHeader: (text: string) => string): string => {
    let out = ""
    if (widths === undefined) {
      widths = settle(rows)
      out = line(header.map((text) => ({ text, paint: paintHeader })), widths)
    }
    for (const row of rows) out += line(row, widths)
    return out
  }
}
