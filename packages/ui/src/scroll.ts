/** The positions of the rows of a long list: plain arithmetic, independent of the document. */

/** Taller elements are cut off, or lose precision, in some browsers. */
export const maxHeight = 8_000_000

export interface Extent {
  readonly rows: number
  readonly rowHeight: number
  /** The height of the visible area. */
  readonly view: number
}

/** The height of the element that is scrolled. */
export const scrollHeight = ({ rowHeight, rows }: Pick<Extent, "rows" | "rowHeight">): number =>
  Math.min(rows * rowHeight, maxHeight)

/** The row at the top, as a fraction, for a scroll position. */
export const rowAt = (extent: Extent, scrollTop: number): number => {
  const total = scrollHeight(extent)
  const lastTop = extent.rows - extent.view / extent.rowHeight
  const room = total - extent.view
  if (room <= 0 || lastTop <= 0) return 0
  const part = Math.min(1, Math.max(0, scrollTop / room))
  return part * lastTop
}

/** The scroll position that puts a row at the top. */
export const topOf = (extent: Extent, row: number): number => {
  const total = scrollHeight(extent)
  const lastTop = extent.rows - extent.view / extent.rowHeight
  const room = total - extent.view
  if (room <= 0 || lastTop <= 0) return 0
  return Math.min(1, Math.max(0, row / lastTop)) * room
}

/** The nearest scroll position at which a row is visible. */
export const reveal = (extent: Extent, scrollTop: number, row: number): number => {
  const first = rowAt(extent, scrollTop)
  const fitting = extent.view / extent.rowHeight
  if (row < first) return topOf(extent, row)
  if (row + 1 > first + fitting) return topOf(extent, row + 1 - fitting)
  return scrollTop
}
