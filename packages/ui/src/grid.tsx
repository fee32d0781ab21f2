/**
 * The grid that every table uses: with a name and a row count, and only the visible rows in the document. It is a
 * single tab stop with arrows, Home, End, Page keys and Enter.
 */
import type { ComponentChildren } from "preact"
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks"
import { useWidth } from "./parts.tsx"
import { reveal, rowAt, scrollHeight } from "./scroll.ts"

export interface Column<Row> {
  readonly key: string
  readonly title: string
  /** A share of the remaining width (`2fr`), or a fixed width in pixels. */
  readonly width: string | number
  /** The width of the grid below which the column is hidden. */
  readonly from?: number
  readonly isNumber?: boolean
  readonly sort?: "ascending" | "descending" | "none" | undefined
  readonly onSort?: (() => void) | undefined
  readonly detail?: ComponentChildren
  readonly render: (row: Row, index: number) => ComponentChildren
}

export interface GridProps<Row> {
  readonly label: string
  readonly columns: ReadonlyArray<Column<Row>>
  readonly rowCount: number
  /** The row at a position; undefined while it is not loaded. */
  readonly row: (index: number) => Row | undefined
  /** Called with the range of visible rows. */
  readonly onRange?: ((first: number, last: number) => void) | undefined
  readonly rowHeight?: number
  /** The most rows that are visible at once. */
  readonly visibleRows?: number
  /** Opens a row, on Enter or a double click. */
  readonly onOpen?: ((row: Row, index: number) => void) | undefined
  readonly onColumn?: ((index: number) => void) | undefined
  readonly selectedColumn?: number | undefined
  readonly active?: number | undefined
  readonly onActive?: ((index: number) => void) | undefined
  readonly isBusy?: boolean
  /** Columns of fixed width, scrolled sideways, of which only the visible ones are in the document. */
  readonly wide?: boolean
  /** A second line of each row, with what the hidden columns would show, below a width of the grid. */
  readonly narrow?: {
    readonly below: number
    readonly render: (row: Row, index: number) => ComponentChildren
  }
}

const headHeight = 34
const borders = 2
const overscan = 3
/** The height of the second line of a row. */
const secondLine = 24

export function Grid<Row>(props: GridProps<Row>) {
  const { columns, label, onActive, onColumn, onOpen, onRange, row, rowCount, wide = false } = props
  const id = useId()
  const [box, width] = useWidth<HTMLDivElement>()
  const narrow = props.narrow !== undefined && width > 0 && width < props.narrow.below ? props.narrow : undefined
  const oneLine = props.rowHeight ?? 38
  const rowHeight = oneLine + (narrow === undefined ? 0 : secondLine)
  const [scroll, setScroll] = useState({ top: 0, left: 0 })
  const [cell, setCell] = useState({ row: props.active ?? 0, column: 0 })
  const headTall = columns.some(({ detail }) => detail !== undefined) ? headHeight + 18 : headHeight
  const mostRows = Math.max(1, Math.floor((props.visibleRows ?? 20) * oneLine / rowHeight))
  const view = Math.min(rowCount, mostRows) * rowHeight
  const extent = { rows: rowCount, rowHeight, view }
  const shown = wide ? columns : columns.filter(({ from }) => from === undefined || width === 0 || width >= from)

  const widths = wide ? columns.map(({ width }) => typeof width === "number" ? width : 140) : []
  const totalWidth = widths.reduce((sum, one) => sum + one, 0)
  let firstColumn = 0
  let lastColumn = shown.length
  let leftPad = 0
  if (wide) {
    let x = 0
    while (firstColumn < widths.length - 1 && x + widths[firstColumn]! < scroll.left - 300) x += widths[firstColumn++]!
    leftPad = x
    lastColumn = firstColumn
    while (lastColumn < widths.length && x < scroll.left + Math.max(width, 320) + 300) x += widths[lastColumn++]!
  }
  const inSight = shown.slice(firstColumn, lastColumn)
  const template = wide
    ? widths.slice(firstColumn, lastColumn).map((one) => `${one}px`).join(" ")
    : inSight.map(({ width }) => typeof width === "number" ? `${width}px` : `minmax(0, ${width})`).join(" ")

  const top = rowAt(extent, scroll.top)
  // A short list is completely in the document, so that the browser's search finds it.
  const isShort = rowCount * Math.max(4, inSight.length) <= 400
  const first = isShort ? 0 : Math.max(0, Math.floor(top) - overscan)
  const last = isShort ? rowCount : Math.min(rowCount, Math.ceil(top + view / rowHeight) + overscan)
  const rangeKey = `${first} ${last} ${rowCount}`
  const range = useRef(onRange)
  range.current = onRange
  useEffect(() => range.current?.(first, last), [rangeKey])

  const activeRow = Math.min(props.active ?? cell.row, Math.max(0, rowCount - 1))
  const activeColumn = Math.min(cell.column, shown.length - 1)
  const bring = (index: number) => {
    const element = box.current
    if (element !== null) element.scrollTop = reveal(extent, element.scrollTop, index)
  }
  // A row in the address is scrolled into view once.
  const brought = useRef<number | undefined>(undefined)
  useLayoutEffect(() => {
    if (props.active === undefined || props.active === brought.current || rowCount === 0) return
    brought.current = props.active
    bring(props.active)
  }, [props.active, rowCount])

  const move = (rowTo: number, columnTo: number) => {
    const to = {
      row: Math.max(0, Math.min(rowCount - 1, rowTo)),
      column: Math.max(0, Math.min(shown.length - 1, columnTo))
    }
    setCell(to)
    bring(to.row)
    if (wide && box.current !== null) {
      const x = widths.slice(0, to.column).reduce((sum, one) => sum + one, 0)
      const end = x + widths[to.column]!
      if (x < box.current.scrollLeft) box.current.scrollLeft = x
      else if (end > box.current.scrollLeft + box.current.clientWidth) {
        box.current.scrollLeft = end - box.current.clientWidth
      }
    }
    if (to.row !== activeRow) {
      brought.current = to.row
      onActive?.(to.row)
    }
    if (to.column !== activeColumn) onColumn?.(to.column)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget || event.altKey || event.metaKey) return
    const page = Math.max(1, Math.floor(view / rowHeight) - 1)
    const ends = event.ctrlKey
    switch (event.key) {
      case "ArrowDown":
        move(activeRow + 1, activeColumn)
        break
      case "ArrowUp":
        move(activeRow - 1, activeColumn)
        break
      case "ArrowRight":
        move(activeRow, activeColumn + 1)
        break
      case "ArrowLeft":
        move(activeRow, activeColumn - 1)
        break
      case "PageDown":
        move(activeRow + page, activeColumn)
        break
      case "PageUp":
        move(activeRow - page, activeColumn)
        break
      case "Home":
        move(ends ? 0 : activeRow, 0)
        break
      case "End":
        move(ends ? rowCount - 1 : activeRow, shown.length - 1)
        break
      case "Enter": {
        const item = row(activeRow)
        if (item !== undefined) onOpen?.(item, activeRow)
        break
      }
      default:
        return
    }
    event.preventDefault()
  }
  const cellId = (rowAt: number, columnAt: number) => `${id}-${rowAt}-${columnAt}`
  const isActiveSeen = rowCount > 0 && activeRow >= first && activeRow < last &&
    activeColumn >= firstColumn && activeColumn < lastColumn
  const innerWidth = wide ? Math.max(totalWidth, 0) : undefined
  // A scroll bar takes room from the rows on some systems, and none on others.
  const bars = box.current === null
    ? { across: 0, down: 0 }
    : {
      across: box.current.offsetWidth - box.current.clientWidth - borders,
      down: box.current.offsetHeight - box.current.clientHeight - borders
    }
  return (
    <div
      ref={box}
      class={`grid${wide ? " grid-wide" : ""}`}
      role="grid"
      aria-label={label}
      aria-rowcount={rowCount + 1}
      aria-colcount={columns.length}
      aria-busy={props.isBusy === true ? "true" : undefined}
      aria-activedescendant={isActiveSeen ? cellId(activeRow, activeColumn) : undefined}
      tabIndex={0}
      style={{
        maxHeight: `${view + headTall + borders + bars.down}px`,
        maxWidth: wide && totalWidth > 0 ? `${totalWidth + borders + bars.across}px` : undefined
      }}
      onKeyDown={onKeyDown}
      onScroll={(event) => {
        const { scrollLeft, scrollTop } = event.currentTarget
        setScroll({ top: scrollTop, left: scrollLeft })
      }}
    >
      <div
        class="grid-spacer"
        role="presentation"
        style={{
          height: `${scrollHeight(extent) + headTall}px`,
          width: innerWidth === undefined ? undefined : `${innerWidth}px`
        }}
      >
        <div
          class="grid-window"
          role="presentation"
          style={{ height: `${view + headTall}px`, width: innerWidth === undefined ? undefined : `${innerWidth}px` }}
        >
          <div
            class="grid-head"
            role="row"
            aria-rowindex={1}
            style={{
              gridTemplateColumns: template,
              paddingLeft: leftPad > 0 ? `${leftPad}px` : undefined,
              height: `${headTall}px`
            }}
          >
            {inSight.map((column, i) => (
              <div
                key={column.key}
                role="columnheader"
                class={`${column.isNumber === true ? "number-cell" : ""}${
                  props.selectedColumn === firstColumn + i ? " selected" : ""
                }`}
                aria-colindex={columns.indexOf(column) + 1}
                aria-sort={column.sort === undefined ? undefined : column.sort}
                aria-label={column.onSort === undefined ? undefined : column.title}
              >
                {column.onSort === undefined
                  ? column.title
                  : (
                    <button
                      type="button"
                      class="sort"
                      tabIndex={-1}
                      aria-label={`Sort by ${column.title}`}
                      onClick={column.onSort}
                    >
                      {column.title}
                      <span aria-hidden="true" class="arrow">
                        {column.sort === "ascending" ? " ▲" : column.sort === "descending" ? " ▼" : ""}
                      </span>
                    </button>
                  )}
                {column.detail}
              </div>
            ))}
          </div>
          <div class="grid-body" role="rowgroup" style={{ height: `${view}px` }}>
            {Array.from({ length: last - first }, (_, i) => {
              const index = first + i
              const item = row(index)
              return (
                <div
                  key={index}
                  role="row"
                  aria-rowindex={index + 2}
                  class={`grid-row${index === activeRow ? " active" : ""}${narrow === undefined ? "" : " two-lines"}`}
                  style={{
                    gridTemplateColumns: template,
                    gridTemplateRows: narrow === undefined ? undefined : `${oneLine}px ${secondLine}px`,
                    height: `${rowHeight}px`,
                    transform: `translateY(${(index - top) * rowHeight}px)`,
                    paddingLeft: leftPad > 0 ? `${leftPad}px` : undefined
                  }}
                  onDblClick={() => item !== undefined && onOpen?.(item, index)}
                >
                  {inSight.map((column, j) => {
                    const at = firstColumn + j
                    const isActive = index === activeRow && at === activeColumn
                    return (
                      <div
                        key={column.key}
                        id={cellId(index, at)}
                        role="gridcell"
                        aria-colindex={columns.indexOf(column) + 1}
                        class={`${column.isNumber === true ? "number-cell" : ""}${isActive ? " active-cell" : ""}`}
                        onClick={(event) => {
                          if ((event.target as Element).closest("a, button") === null) move(index, at)
                        }}
                      >
                        {item === undefined ? <span class="skeleton" /> : column.render(item, index)}
                      </div>
                    )
                  })}
                  {narrow === undefined ? null : (
                    <div
                      role="gridcell"
                      class="second-line"
                      aria-colindex={Math.min(columns.length, inSight.length + 1)}
                    >
                      {item === undefined ? null : narrow.render(item, index)}
                    </div>
                  )}
                </div>
              )
            })}
          </div>
        </div>
      </div>
    </div>
  )
}
