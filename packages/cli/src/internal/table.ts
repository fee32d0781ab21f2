import * as CliOutput from "effect/cli/CliOutput"

/** One cell: its text, and its style, which is applied once its width is known. */
export interface Cell {
  readonly text: string
  readonly paint?: ((text: string) => string) | undefined
  /** Shown whole or not at all: half a time, a duration or an id is of no use. */
  readonly whole?: boolean | undefined
  /** The first to go where columns do not fit. */
  readonly optional?: boolean | undefined
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

/** A column as it would be without a limit. */
export interface Column {
  /** The width of its title and its cells. */
  readonly wanted: number
  /** The width below which it is not shown. */
  readonly least: number
  readonly optional: boolean
}

/**
 * The widths that fit into a number of columns; undefined for a column that is left out. Columns go only when none of
 * them can be narrower: optional ones first, then from the right. The first two stay, and the first, an id to copy, is
 * the last one to be cut.
 */
export const fit = (all: ReadonlyArray<Column>, columns: number): Array<number | undefined> => {
  const kept = all.map((_, at) => at)
  const sum = (widths: ReadonlyArray<number>) => widths.reduce((sum, width) => sum + width + gap, -gap)
  while (kept.length > 2 && sum(kept.map((at) => all[at]!.least)) > columns) {
    const optional = kept.findLastIndex((at) => at >= 2 && all[at]!.optional)
    kept.splice(optional < 0 ? kept.length - 1 : optional, 1)
  }
  const widths = new Map(kept.map((at) => [at, all[at]!.wanted]))
  const shrink = (leastOf: (at: number) => number) => {
    for (let over = sum([...widths.values()]) - columns; over > 0; over--) {
      const wide = [...widths].filter(([at, width]) => width > leastOf(at))
      if (wide.length === 0) return
      // The first column gives way last.
      const candidates = wide.length > 1 ? wide.filter(([at]) => at > 0) : wide
      const [at, width] = candidates.reduce((widest, other) => other[1] > widest[1] ? other : widest)
      widths.set(at, width - 1)
    }
  }
  shrink((at) => at === 0 ? all[at]!.wanted : all[at]!.least)
  shrink((at) => at === 0 ? all[at]!.least : Math.min(narrowest, all[at]!.least))
  shrink((at) => Math.min(narrowest, all[at]!.least))
  return all.map((_, at) => widths.get(at))
}

/**
 * Rows as lines of aligned columns, streamed: the header and the first rows determine the widths, so that they fit the
 * terminal; the last column takes the remaining width, and in a pipe all of its text.
 */
export const makeTable = (header: ReadonlyArray<string>, columns: number | undefined) => {
  let widths: ReadonlyArray<number | undefined> | undefined
  const settle = (rows: ReadonlyArray<ReadonlyArray<Cell>>): ReadonlyArray<number | undefined> => {
    const all = header.map((title, index): Column => {
      const content = rows.reduce(
        (widest, row) => Math.max(widest, Math.min(60, width(stripControls(row[index]?.text ?? "")))),
        0
      )
      const wanted = Math.max(width(title), content)
      const isWhole = index === 0 || rows.some((row) => row[index]?.whole === true)
      const least = isWhole ? content : Math.min(narrowest, wanted)
      return { wanted, least, optional: rows.some((row) => row[index]?.optional === true) }
    })
    return columns === undefined ? all.map(({ wanted }) => wanted) : fit(all, columns)
  }
  const line = (cells: ReadonlyArray<Cell>, widths: ReadonlyArray<number | undefined>): string => {
    let used = 0
    const last = widths.findLastIndex((width) => width !== undefined)
    return cells.map((cell, index) => {
      const own = widths[index]
      if (own === undefined) return ""
      const isLast = index === last
      const room = !isLast ? own : columns === undefined ? Infinity : Math.max(Math.min(narrowest, own), columns - used)
      const text = cut(stripControls(cell.text), room)
      used += own + gap
      const padding = isLast ? "" : " ".repeat(Math.max(0, own - width(text)) + gap)
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
