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

/** The most characters of a stored text that are shown. */
const longestText = 0x4000

/**
 * The beginning of a text that is too long to be shown, and the number of the characters that are left out. It comes before
 * all other work with the text, which would take seconds for millions of characters.
 */
export const beginning = (text: string, longest = longestText): string => {
  if (text.length <= longest) return text
  const end = (text.charCodeAt(longest - 1) & 0xfc00) === 0xd800 ? longest - 1 : longest
  return `${text.slice(0, end)}… (${text.length - end} more characters: --json shows them)`
}

/**
 * A text to be shown, no longer than `beginning` makes it. Control characters would move the cursor, or worse, and stored text
 * may contain any.
 */
export const stripControls = (text: string, longest?: number): string =>
  beginning(text, longest).replace(/[\p{Cc}\p{Cf}]+/gu, " ")

/** Characters of one column each, and no part of the one before them: ASCII, and the letters of Latin and Cyrillic. */
const simple = /^[ -~\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0410-\u044f]*$/

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** Characters that are divided into graphemes at a time: the division of a text takes the square of its length. */
const windowLength = 128

const known = new Map<string, number>()
const maxKnown = 4096

const widthOf = (grapheme: string): number => {
  let width = known.get(grapheme)
  if (width === undefined) {
    width = CliOutput.displayWidth(grapheme)
    if (grapheme.length <= 2 && known.size < maxKnown) known.set(grapheme, width)
  }
  return width
}

/**
 * The longest part of a text, from a position on, that fits into this number of columns of a terminal: its end, and its
 * width. Reads little more of the text than that.
 */
export const fitting = (
  text: string,
  columns: number,
  from = 0
): { readonly end: number; readonly width: number } => {
  let end = from
  let width = 0
  while (end < text.length) {
    const part = text.slice(end, end + windowLength)
    const isLast = end + part.length >= text.length
    if (simple.test(part)) {
      // The next character may belong to the last one.
      const fits = Math.min(isLast ? part.length : part.length - 1, columns - width)
      if (fits <= 0) return { end, width }
      end += fits
      width += fits
      continue
    }
    for (const { index, segment } of graphemes.segment(part)) {
      // Its rest may follow.
      if (!isLast && index > 0 && index + segment.length === part.length) break
      const more = widthOf(segment)
      if (width + more > columns) return { end, width }
      end += segment.length
      width += more
    }
  }
  return { end, width }
}

/** The columns that a text takes on a terminal. */
export const width = (text: string): number => fitting(text, Infinity).width

/** The text, or as much of it as fits into a number of columns. */
export const cut = (text: string, columns: number): string =>
  columns === Infinity || fitting(text, columns).end === text.length
    ? text
    : `${text.slice(0, fitting(text, columns - 1).end)}…`

const gap = 2
const narrowest = 8
const widestCell = 60

/** The characters of a cell that may fit into a number of columns: some take no column. A pipe takes all of them. */
const charactersFor = (columns: number): number =>
  columns === Infinity ? Infinity : Math.min(longestText, 64 + 16 * columns)

/** The least characters of a piece of a table but the last. */
const pieceLength = 0x8000

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
 * Rows as lines of aligned columns, streamed, in pieces that are made on demand: the header and the first rows determine
 * the widths, so that they fit the terminal; the last column takes the remaining width, and in a pipe all of its text.
 */
export const makeTable = (header: ReadonlyArray<string>, columns: number | undefined) => {
  let widths: ReadonlyArray<number | undefined> | undefined
  const settle = (rows: ReadonlyArray<ReadonlyArray<Cell>>): ReadonlyArray<number | undefined> => {
    const all = header.map((title, index): Column => {
      const content = rows.reduce(
        (widest, row) =>
          Math.max(widest, fitting(stripControls(row[index]?.text ?? "", charactersFor(widestCell)), widestCell).width),
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
      const text = cut(stripControls(cell.text, charactersFor(room)), room)
      used += own + gap
      const padding = isLast ? "" : " ".repeat(Math.max(0, own - width(text)) + gap)
      return (cell.paint === undefined ? text : cell.paint(text)) + padding
    }).join("").trimEnd() + "\n"
  }
  return function*(
    rows: ReadonlyArray<ReadonlyArray<Cell>>,
    paintHeader: (text: string) => string
  ): Generator<string, void> {
    let out = ""
    if (widths === undefined) {
      widths = settle(rows)
      out = line(header.map((text) => ({ text, paint: paintHeader })), widths)
    }
    for (const row of rows) {
      out += line(row, widths)
      if (out.length < pieceLength) continue
      yield out
      out = ""
    }
    yield out
  }
}
