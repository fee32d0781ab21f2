/** A decoded result, and the queries of the page about it. It is held in the server's own thread or in the worker. */
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import type { Table } from "@effect-prefect/formats/Table"
import { csvField, csvFieldParts } from "@effect-prefect/formats/TableEncoder"
import * as Tabular from "@effect-prefect/formats/Tabular"
import { cellJson } from "./cells.ts"
import { columnsOf, filterRows, page, sortRows, summarise } from "./tableQuery.ts"
import { glance, levelAt } from "./tree.ts"

/** Texts longer than this, or with several lines, are shown as text rather than in a tree. */
const shortText = 200
const maxText = 1024 * 1024
/** Sort orders that are kept; the oldest is evicted. */
const maxOrders = 4
/** The least characters of a piece of CSV, and the parts of a long text that are looked at before an empty one. */
const pieceLength = 65_536
const looksAtOnce = 16

export interface RowsQuery {
  readonly offset: number
  readonly limit: number
  readonly columns: ReadonlyArray<string> | undefined
  readonly sort: string | undefined
  readonly where: ReadonlyArray<string>
}

export class LoadedValue {
  readonly value: unknown
  readonly table: Table | undefined
  readonly #orders = new Map<string, Uint32Array | undefined>()

  constructor(value: unknown) {
    this.value = value
    this.table = Tabular.fromValueSync(value)
  }

  describe() {
    const { table, value } = this
    if (table !== undefined) {
      return {
        kind: "table" as const,
        rows: table.numRows,
        columns: columnsOf(table).map(({ column, isIndex }) => ({
          name: column.name,
          kind: column.kind,
          unit: column.unit,
          timezone: column.timezone,
          is_index: isIndex
        })),
        as_value: Tabular.isRecords(value)
      }
    }
    const { kind, preview, size } = glance(value)
    const isText = typeof value === "string" && (value.length > shortText || value.includes("\n"))
    return {
      kind: isText ? "text" as const : "value" as const,
      value_kind: kind,
      preview,
      size: typeof value === "string" ? value.length : kind === "object" || kind === "array" ? size : null,
      text: isText ? value.slice(0, maxText) : null
    }
  }

  level(path: string, offset: number, limit: number) {
    return levelAt(this.value, path, offset, limit)
  }

  rows({ columns, limit, offset, sort, where }: RowsQuery) {
    return page(this.requireTable(), this.#order(sort, where), offset, limit, columns)
  }

  column(index: number, where: ReadonlyArray<string>) {
    return summarise(this.requireTable(), index, this.#order(undefined, where))
  }

  requireTable(): Table {
    if (this.table === undefined) throw new NotTabular("its result is no table: ask for its value")
    return this.table
  }

  /** The rows after sorting and filtering; undefined for all rows in their order. */
  #order(sort: string | undefined, where: ReadonlyArray<string>): Uint32Array | undefined {
    if (sort === undefined && where.length === 0) return undefined
    const key = JSON.stringify([sort ?? null, where])
    if (this.#orders.has(key)) return this.#orders.get(key)
    const table = this.requireTable()
    const filtered = filterRows(table, where)
    const order = sort === undefined ? filtered : sortRows(table, sort, filtered)
    this.#orders.set(key, order)
    if (this.#orders.size > maxOrders) this.#orders.delete(this.#orders.keys().next().value!)
    return order
  }

  json(): Generator<string, void> {
    return JsonProjection.toChunks(this.value)
  }

  *csv(): Generator<string, void> {
    const columns = columnsOf(this.requireTable()).map(({ column }) => column)
    const rows = this.requireTable().numRows
    let out = ""
    let taken = 0
    const long = function*(text: string): Generator<string, void> {
      for (const part of csvParts(text)) {
        out += part
        if (out.length < pieceLength && (part !== "" || ++taken % looksAtOnce !== 0)) continue
        yield out
        out = ""
      }
    }
    const field = function*(text: string): Generator<string, void> {
      if (text.length > pieceLength) return yield* long(text)
      out += csvText(text)
      // A row may have any number of columns.
      if (out.length < pieceLength) return
      yield out
      out = ""
    }
    for (let i = 0; i < columns.length; i++) {
      if (i > 0) out += ","
      yield* field(columns[i]!.name)
    }
    out += "\r\n"
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < columns.length; i++) {
        if (i > 0) out += ","
        const json = cellJson(columns[i]!.at(row))
        if (typeof json === "number" || typeof json === "boolean") out += String(json)
        else if (json !== null) yield* field(typeof json === "string" ? json : JSON.stringify(json))
      }
      out += "\r\n"
      if (out.length < pieceLength) continue
      yield out
      out = ""
    }
    yield out
  }
}

/** A query for rows of a value that has none. */
export class NotTabular extends Error {}

/** As `csvText`, in parts. */
function* csvParts(text: string): Generator<string, void> {
  let isDue = isFormula(text)
  for (const part of csvFieldParts(text)) {
    if (!isDue || part === "") yield part
    else {
      isDue = false
      // Putting it before the whole text would copy that; no formula begins with a quotation mark.
      yield part.startsWith("\"") ? `"'${part.slice(1)}` : `'${part}`
    }
  }
}

/** A CSV field. Spreadsheets interpret some texts as formulas; an apostrophe prevents that. */
export const csvText = (text: string): string => csvField(isFormula(text) ? `'${text}` : text)

const isFormula = (text: string): boolean => /^[=+\-@\t\r]/.test(text) && !isNumberText(text)

const isNumberText = (text: string): boolean => /^[+-]?\d{1,400}(?:\.\d{1,400})?(?:e[+-]?\d{1,4})?$/i.test(text)
