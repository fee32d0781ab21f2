/** A table with any number of rows: paged, sorted and filtered by the server, with one plot for the selected column. */
import type { Column as ColumnModel, ColumnSummary, Rows } from "@effect-prefect/ui-api/Models"
import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import { client, type Failure, run } from "./api.ts"
import { useQuery } from "./data.ts"
import { type Column, Grid } from "./grid.tsx"
import { Alert, PassedOver, Stop, Stopped } from "./parts.tsx"
import { setQuery, useAddress } from "./router.ts"
import { cellText, plural, short, visible } from "./text.ts"

const pageSize = 100
const maxPages = 60

const numbers = new Set(["int", "float", "decimal", "timedelta"])

const kindText = ({ kind, timezone, unit }: ColumnModel): string =>
  [kind, ...(unit === null ? [] : [unit]), ...(timezone === null ? [] : [timezone])].join(" · ")

const nameOf = ({ is_index, name }: ColumnModel): string =>
  name === "" ? is_index ? "index" : "(no name)" : visible(name)

const numberText = (value: unknown): string =>
  typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(6))) : cellText(value)

/** Describes the plot in words. */
const summaryText = (name: string, summary: ColumnSummary): string => {
  const missing = summary.nulls === 0 ? "" : `, ${summary.nulls} missing`
  if ("bins" in summary) {
    return summary.min === null
      ? `Histogram of ${name}: no values${missing}`
      : `Histogram of ${name}: ${numberText(summary.min)} to ${numberText(summary.max)}${missing}`
  }
  const top = summary.top.map(([value, count]) => `${short(cellText(value), 60)} ${count}`).join(", ")
  return `Values of ${name}: ${top === "" ? "none" : top}${
    summary.distinct > summary.top.length ? ", …" : ""
  }${missing}`
}

const Plot = ({ column, id, index, where }: {
  readonly id: string
  readonly column: ColumnModel
  readonly index: number
  readonly where: ReadonlyArray<string>
}) => {
  const { data, failure, isStopped, reload, stop } = useQuery(
    `column ${id} ${index} ${where.join("\n")}`,
    () => client.results.column({ params: { id, index }, query: { where } })
  )
  if (failure !== undefined) return <Alert failure={failure} onRetry={reload} />
  if (isStopped) return <Stopped label="The summary of this column was stopped." onStart={reload} />
  if (data === undefined) {
    return (
      <div class="plot plot-empty" role="status">
        <Stop key={index} onStop={stop} />
      </div>
    )
  }
  const text = summaryText(nameOf(column), data)
  if ("bins" in data) {
    const most = Math.max(1, ...data.bins)
    return (
      <figure class="plot">
        <svg role="img" aria-label={text} viewBox="0 0 640 100" preserveAspectRatio="none" width="100%" height="100">
          {data.bins.map((count, i) => {
            const height = count === 0 ? 0 : Math.max(1.5, count / most * 96)
            return <rect key={i} x={i * 10 + 0.5} y={100 - height} width="9" height={height} class="plot-bar" />
          })}
        </svg>
        <figcaption>
          <span class="number">{numberText(data.min)}</span>
          <span>
            {short(nameOf(column), 120)}
            {data.mean === null ? "" : ` · mean ${numberText(data.mean)}`}
            {data.nulls === 0 ? "" : ` · ${data.nulls.toLocaleString("en")} missing`}
          </span>
          <span class="number">{numberText(data.max)}</span>
        </figcaption>
      </figure>
    )
  }
  const most = Math.max(1, ...data.top.map(([, count]) => count))
  return (
    <figure class="plot">
      <div role="img" aria-label={text} class="plot-values">
        {data.top.map(([value, count], i) => (
          <div key={i} class="plot-value">
            <span class="plot-name">{short(cellText(value), 60)}</span>
            <svg viewBox="0 0 100 10" preserveAspectRatio="none" width="100%" height="10">
              <rect width={Math.max(0.5, count / most * 100)} height="10" class="plot-bar" />
            </svg>
            <span class="number">{count.toLocaleString("en")}</span>
          </div>
        ))}
      </div>
      <figcaption>
        <span>
          {short(nameOf(column), 120)} · {plural(data.distinct, "distinct value")}
          {data.nulls === 0 ? "" : ` · ${data.nulls.toLocaleString("en")} missing`}
        </span>
      </figcaption>
    </figure>
  )
}

export const DataTable = ({ columns, id, rows, visibleRows = 16 }: {
  readonly id: string
  readonly rows: number
  readonly columns: ReadonlyArray<ColumnModel>
  readonly visibleRows?: number
}) => {
  const { query } = useAddress()
  const sort = query.get("sort") ?? ""
  const where = query.getAll("where").filter((text) => text !== "")
  const filterKey = JSON.stringify([sort, where])
  const pages = useRef(new Map<number, Rows>())
  const asked = useRef(new Map<number, AbortController>())
  const [total, setTotal] = useState(rows)
  const [failure, fail] = useState<Failure | undefined>(undefined)
  const [isStopped, setStopped] = useState(false)
  /** The parameters of the address that the table does not understand. */
  const [passed, setPassed] = useState<ReadonlyMap<string, string>>(new Map())
  const [, redraw] = useState(0)
  const [text, setText] = useState("")
  const given = query.get("row")
  const wanted = Number(given ?? "0")
  const isGiven = given !== null && Number.isInteger(wanted) && wanted >= 0 && wanted < total
  const active = given === null
    ? undefined
    : isGiven
    ? wanted
    : Number.isFinite(wanted) && wanted >= total
    ? Math.max(0, total - 1)
    : 0
  const columnName = query.get("column")
  const chosen = columnName === null ? undefined : columns.findIndex((column) => column.name === columnName)
  const plotted = chosen !== undefined && chosen >= 0 ? chosen : columns.findIndex(({ is_index }) => !is_index)

  const abort = () => {
    for (const controller of asked.current.values()) controller.abort()
    asked.current = new Map()
  }
  const begin = (without = passed) => {
    fail(undefined)
    setStopped(false)
    ask(Math.floor((active ?? 0) / pageSize) * pageSize, without)
  }
  useEffect(() => {
    pages.current = new Map()
    abort()
    const none = new Map<string, string>()
    setPassed(none)
    begin(none)
    return abort
  }, [id, filterKey])
  const ask = (offset: number, without = passed) => {
    if (pages.current.has(offset) || asked.current.has(offset)) return
    const controller = new AbortController()
    asked.current.set(offset, controller)
    redraw((n) => n + 1)
    run(
      client.results.rows({
        params: { id },
        query: {
          offset,
          limit: pageSize,
          ...(sort === "" || without.has("sort") ? {} : { sort }),
          ...(where.length === 0 || without.has("where") ? {} : { where })
        }
      }),
      controller.signal,
      (page) => {
        asked.current.delete(offset)
        pages.current.set(offset, page)
        if (pages.current.size > maxPages) pages.current.delete(pages.current.keys().next().value!)
        fail(undefined)
        setTotal(page.total)
        redraw((n) => n + 1)
      },
      (problem) => {
        asked.current.delete(offset)
        const { message, reason } = problem
        if ((reason === "sort" || reason === "where") && !without.has(reason)) {
          const more = new Map(without).set(reason, message)
          setPassed(more)
          ask(offset, more)
        } else fail(problem)
      }
    )
  }
  const isCut = [...pages.current.values()].some(({ cut }) => (cut ?? 0) > 0)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const onRange = (first: number, last: number) => {
    clearTimeout(timer.current)
    // Rows that are only scrolled past are not requested.
    timer.current = setTimeout(() => {
      for (let offset = Math.floor(first / pageSize) * pageSize; offset < last; offset += pageSize) ask(offset)
    }, 60)
  }
  const row = (index: number): ReadonlyArray<unknown> | undefined => {
    const offset = Math.floor(index / pageSize) * pageSize
    const page = pages.current.get(offset)
    return page === undefined ? undefined : page.columns.map((cells) => cells[index - offset])
  }
  const widths = useMemo(
    () =>
      columns.map((column) =>
        Math.min(320, Math.max(110, nameOf(column).length * 8 + 48, column.kind === "datetime" ? 210 : 0))
      ),
    [columns]
  )
  const gridColumns = columns.map((column, i): Column<ReadonlyArray<unknown>> => ({
    key: String(i),
    title: nameOf(column),
    width: widths[i]!,
    isNumber: numbers.has(column.kind),
    sort: sort === column.name ? "ascending" : sort === `-${column.name}` ? "descending" : "none",
    onSort: () =>
      setQuery({
        sort: sort === column.name ? `-${column.name}` : sort === `-${column.name}` ? null : column.name,
        row: null,
        column: column.name
      }, {}),
    detail: <span class="kind">{kindText(column)}</span>,
    render: (row) => {
      const value = row[i]
      const shown = value === undefined ? "" : cellText(value)
      return (
        <span class={value === null ? "none" : ""} title={shown.length > 20 ? short(shown, 2000) : undefined}>
          {short(shown, 300)}
        </span>
      )
    }
  }))
  const addFilter = (event: Event) => {
    event.preventDefault()
    if (text.trim() === "") return
    setQuery({ where: [...where, text.trim()], row: null }, {})
    setText("")
  }
  return (
    <div class="data-table">
      {given !== null && !isGiven && !(Number.isInteger(wanted) && wanted >= total)
        ? <PassedOver name="row" value={given}>is no row: the first one is shown.</PassedOver>
        : null}
      {columnName !== null && chosen === -1
        ? <PassedOver name="column" value={columnName}>is not there.</PassedOver>
        : null}
      {[...passed].map(([name, message]) => (
        <p key={name} class="note" role="status">
          {name === "sort" ? "Sorting" : "The filter"} was passed over: {visible(short(message, 400))}
        </p>
      ))}
      <form class="filters" onSubmit={addFilter}>
        <input
          type="search"
          aria-label="Filter rows"
          placeholder={`Filter rows, e.g. ${
            short(columns.find(({ kind }) => numbers.has(kind))?.name ?? columns[0]?.name ?? "score", 40)
          }>100`}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit">Filter</button>
        {where.map((one) => (
          <button
            key={one}
            type="button"
            class="chip"
            aria-label={`Remove filter ${visible(one)}`}
            onClick={() => setQuery({ where: where.filter((other) => other !== one), row: null }, {})}
          >
            {visible(one)} ×
          </button>
        ))}
        <span class="dim">
          {plural(total, "row")}
          {total === rows ? "" : ` of ${rows.toLocaleString("en")}`} · {plural(columns.length, "column")}
          {isCut ? " · long cells are cut: the CSV has them whole" : ""}
        </span>
      </form>
      {failure === undefined ? null : (
        <Alert
          failure={failure}
          onRetry={() => begin()}
        />
      )}
      {isStopped
        ? <Stopped label="Loading rows was stopped." onStart={() => begin()} />
        : asked.current.size > 0
        ? (
          <div class="table-stop">
            <Stop
              key={filterKey}
              onStop={() => {
                abort()
                setStopped(true)
              }}
            />
          </div>
        )
        : null}
      <Grid
        label="Table"
        wide
        columns={gridColumns}
        rowCount={failure !== undefined && pages.current.size === 0 ? 0 : total}
        row={row}
        rowHeight={28}
        visibleRows={visibleRows}
        onRange={onRange}
        isBusy={asked.current.size > 0}
        active={active}
        onActive={(index) => setQuery({ row: index })}
        onColumn={(index) => setQuery({ column: columns[index]?.name ?? null })}
        selectedColumn={plotted}
      />
      {failure === undefined && total === 0 && asked.current.size === 0
        ? (
          <p class="note" role="status">
            {columns.length === 0
              ? "The table has no rows and no columns."
              : rows === 0
              ? "The table has no rows."
              : "No row fits these filters."}
          </p>
        )
        : null}
      {plotted >= 0 && rows > 0 && failure === undefined && pages.current.size > 0
        ? <Plot id={id} column={columns[plotted]!} index={plotted} where={passed.has("where") ? [] : where} />
        : null}
    </div>
  )
}
