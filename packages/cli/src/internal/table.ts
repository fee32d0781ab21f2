import * as CliOutput from "effect/cli/CliOutput"

/**
 * One cell: its text, and how it is painted once its width is settled.
 */
export interface Cell {
  readonly text: string
  readonly paint?: ((text: string) => string) | undefined
}

/** Control characters would move the cursor, or worse: what was stored may hold any. */
export const clean = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]+/gu, " ")

const width = (text: string): number => CliOutput.displayWidth(text)

const cut = (text: string, columns: number): string => {
  if (width(text) <= columns) return text
  let out = ""
  for (const character of text) {
    if (width(out + character) > columns - 1) break
    out += character
  }
  return `${out}…`
}

/**
 * Rows as lines of aligned columns, streamed: the widths are settled by the header and the first rows, and the last
 * column takes what the terminal has left.
 */
export const makeTable = (header: ReadonlyArray<string>, columns: number | undefined) => {
  let widths: Array<number> | undefined
  const settle = (rows: ReadonlyArray<ReadonlyArray<Cell>>): Array<number> =>
    header.map((title, index) =>
      Math.max(width(title), ...rows.map((row) => Math.min(60, width(clean(row[index]?.text ?? "")))))
    )
  const line = (cells: ReadonlyArray<Cell>, widths: ReadonlyArray<number>): string => {
    let used = 0
    return cells.map((cell, index) => {
      const isLast = index === cells.length - 1
      const room = isLast ? (columns === undefined ? undefined : Math.max(8, columns - used)) : widths[index]!
      const text = room === undefined ? clean(cell.text) : cut(clean(cell.text), room)
      used += widths[index]! + 2
      const padding = isLast ? "" : " ".repeat(Math.max(0, widths[index]! - width(text)) + 2)
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
