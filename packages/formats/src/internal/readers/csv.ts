/** CSV as `pandas.read_csv` reads it with default options: its C tokenizer, its column names, its order of types. */
import { Column, type ColumnKind, Table } from "../../Table.ts"
import { integerCell } from "../cells.ts"
import { refuse, tooLarge } from "../refusal.ts"
import { every, type Steps } from "../steps.ts"

/** The texts that pandas treats as missing values. */
const missing = new Set([
  "",
  "#N/A",
  "#N/A N/A",
  "#NA",
  "-1.#IND",
  "-1.#QNAN",
  "-NaN",
  "-nan",
  "1.#IND",
  "1.#QNAN",
  "<NA>",
  "N/A",
  "NA",
  "NULL",
  "NaN",
  "None",
  "n/a",
  "nan",
  "null"
])

const comma = 0x2c
const quote = 0x22
const newline = 0x0a
const carriageReturn = 0x0d

/** The fields of consecutive rows; `ends` has the number of fields up to the end of each row. */
interface Cells {
  readonly fields: Array<string>
  readonly ends: Array<number>
}

/**
 * Splits a text into rows of fields. A quote counts only at the start of a field, two in a quoted field are one, and
 * blank lines are skipped.
 */
function* tokenize(text: string): Steps<Cells> {
  const fields: Array<string> = []
  const ends: Array<number> = []
  const { length } = text
  let at = 0
  const isEnd = (code: number) => code === newline || code === carriageReturn
  while (at < length) {
    // At the start of a line.
    let blank = at
    while (blank < length && (text.charCodeAt(blank) === 0x20 || text.charCodeAt(blank) === 0x09)) blank++
    if (blank >= length && blank > at) break
    if (isEnd(text.charCodeAt(blank))) {
      at = blank + 1
      continue
    }
    for (;;) {
      // At the start of a field.
      let field: string
      if (text.charCodeAt(at) === quote) {
        field = ""
        at++
        for (;;) {
          const close = text.indexOf("\"", at)
          if (close < 0) return refuse(`the CSV ends inside of a quoted field, in row ${ends.length}`)
          field += text.slice(at, close)
          at = close + 1
          if (text.charCodeAt(at) !== quote) break
          field += "\""
          at++
        }
        // Text after the closing quote belongs to the field.
        const start = at
        while (at < length && text.charCodeAt(at) !== comma && !isEnd(text.charCodeAt(at))) at++
        field += text.slice(start, at)
      } else {
        const start = at
        while (at < length && text.charCodeAt(at) !== comma && !isEnd(text.charCodeAt(at))) at++
        field = text.slice(start, at)
      }
      fields.push(field)
      if (fields.length % every === 0) yield
      if (text.charCodeAt(at) !== comma) break
      at++
    }
    if (text.charCodeAt(at) === carriageReturn && text.charCodeAt(at + 1) === newline) at++
    at++
    ends.push(fields.length)
  }
  return { fields, ends }
}

/** Column names as in pandas: `Unnamed: 3` for one without a name, `a.1` for the second `a`. */
const columnNames = (header: ReadonlyArray<string>): Array<string> => {
  const names = header.map((name, i) => name === "" ? `Unnamed: ${i}` : name)
  const order = [...names.keys()].filter((i) => header[i] !== "").concat(
    [...names.keys()].filter((i) => header[i] === "")
  )
  const counts = new Map<string, number>()
  const taken = new Set(names)
  for (const i of order) {
    const original = names[i]!
    let name = original
    let count = counts.get(name) ?? 0
    while (count > 0) {
      counts.set(original, count + 1)
      name = `${original}.${count}`
      if (taken.has(name)) count++
      else count = counts.get(name) ?? 0
    }
    names[i] = name
    taken.add(name)
    counts.set(name, count + 1)
  }
  return names
}

const integerForm = /^[ \t]*[+-]?\d+[ \t]*$/
const floatForm = /^[ \t\v\f]*([+-]?)(?:(\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|(inf|infinity|\+inf|-inf))[ \t\v\f]*$/i

const maxInt64 = 2n ** 63n
const maxUint64 = 2n ** 64n

const toFloat = (text: string): number | undefined => {
  const match = floatForm.exec(text)
  if (match === null) return undefined
  if (match[3] !== undefined) return match[1] === "-" || match[3].startsWith("-") ? -Infinity : Infinity
  return Number(text)
}

const booleans: Readonly<Record<string, boolean>> = {
  True: true,
  TRUE: true,
  true: true,
  False: false,
  FALSE: false,
  false: false
}

interface Typed {
  readonly kind: ColumnKind
  readonly values: Array<unknown>
}

/** Converts the texts of a column, or of one chunk of it, to the first type that accepts all of them. */
function* inferChunk(texts: ReadonlyArray<string | undefined>): Steps<Typed> {
  const isMissing = (text: string | undefined): text is undefined => text === undefined || missing.has(text)
  function* all<A>(kind: ColumnKind, convert: (text: string) => A | undefined): Steps<Typed | undefined> {
    const values: Array<unknown> = []
    let looked = 0
    for (const text of texts) {
      if (++looked % every === 0) yield
      if (isMissing(text)) {
        values.push(null)
        continue
      }
      const value = convert(text)
      if (value === undefined) return undefined
      values.push(value)
    }
    return { kind, values }
  }
  if (texts.every(isMissing)) return { kind: texts.length === 0 ? "object" : "float", values: texts.map(() => null) }
  return (yield* inferIntegers(texts, isMissing)) ?? (yield* all("float", toFloat)) ??
    (yield* all("bool", (text) => Object.hasOwn(booleans, text) ? booleans[text] : undefined)) ??
    (yield* all("string", (text) => text))!
}

/** Integers that fit 64 bits, signed or unsigned; with a missing value among them, pandas makes them floats. */
function* inferIntegers(
  texts: ReadonlyArray<string | undefined>,
  isMissing: (text: string | undefined) => text is undefined
): Steps<Typed | undefined> {
  let looked = 0
  const values: Array<unknown> = []
  let hasMissing = false
  let low = 0n
  let high = 0n
  for (const text of texts) {
    if (++looked % every === 0) yield
    if (isMissing(text)) {
      hasMissing = true
      values.push(null)
      continue
    }
    if (!integerForm.test(text)) return undefined
    const value = Number(text)
    if (Number.isSafeInteger(value)) {
      values.push(value === 0 ? 0 : value)
      if (value < 0) low = -1n
      continue
    }
    const exact = BigInt(text.trim().replace("+", ""))
    if (exact < low) low = exact
    if (exact > high) high = exact
    values.push(integerCell(exact))
  }
  // Integers beyond 64 bits stay exact, even with missing values.
  const fits = (low >= -maxInt64 && high < maxInt64) || (low >= 0n && high < maxUint64)
  if (!fits) return { kind: "int", values }
  if (!hasMissing) return { kind: "int", values }
  return { kind: "float", values: values.map((value) => typeof value === "bigint" ? Number(value) : value) }
}

/**
 * The number of rows that pandas reads per chunk for a given number of columns. It infers the types of each chunk
 * separately, so a large column can hold numbers in one and strings in the next.
 */
const chunkRows = (columns: number): number => {
  const heuristic = Math.floor(2 ** 20 / Math.max(columns, 1))
  let rows = 1
  while (rows * 2 < heuristic) rows *= 2
  return rows
}

function* infer(texts: ReadonlyArray<string | undefined>, columns: number): Steps<Typed> {
  const size = chunkRows(columns)
  if (texts.length <= size) return yield* inferChunk(texts)
  const chunks: Array<Typed> = []
  for (let start = 0; start < texts.length; start += size) {
    chunks.push(yield* inferChunk(texts.slice(start, start + size)))
  }
  const kinds = new Set(chunks.map(({ kind }) => kind))
  const values: Array<unknown> = []
  for (const chunk of chunks) {
    for (const value of chunk.values) if (values.push(value) % every === 0) yield
  }
  if (kinds.size === 1) return { kind: chunks[0]!.kind, values }
  if (kinds.size === 2 && kinds.has("int") && kinds.has("float")) {
    return { kind: "float", values: values.map((value) => typeof value === "bigint" ? Number(value) : value) }
  }
  return { kind: "object", values }
}

/**
 * The table of a CSV text. The first row is the header; if rows are longer than it, the first columns are the index.
 */
export function* readCsv(text: string, maxBytes: number): Steps<Table> {
  const { ends, fields } = yield* tokenize(text)
  if (ends.length === 0) return refuse("the CSV is empty: it has no header")
  const header = columnNames(fields.slice(0, ends[0]))
  const first = ends[0]!
  const leading = ends.length > 1 ? Math.max(ends[1]! - first - header.length, 0) : 0
  const width = header.length + leading
  const numRows = ends.length - 1
  // Rows may be shorter than the header; the missing cells are null.
  if (width * numRows > maxBytes) return tooLarge(maxBytes)
  const columns: Array<Array<string | undefined>> = Array.from({ length: width }, () => [])
  for (let row = 0, looked = 0; row < numRows; row++) {
    if ((looked += width) > every) {
      looked = 0
      yield
    }
    const [start, end] = [ends[row]!, ends[row + 1]!]
    if (end - start > width) {
      refuse(`the CSV has ${end - start} fields in row ${row + 1}, where ${width} are expected`)
    }
    for (let column = 0; column < width; column++) {
      columns[column]!.push(start + column < end ? fields[start + column] : undefined)
    }
  }
  const typed: Array<Column> = []
  for (const [i, texts] of columns.entries()) {
    const { kind, values } = yield* infer(texts, width)
    typed.push(
      new Column({
        name: i < leading ? "" : header[i - leading]!,
        kind,
        length: numRows,
        at: (row) => values[row]
      })
    )
  }
  return new Table(typed.slice(leading), numRows, typed.slice(0, leading))
}
