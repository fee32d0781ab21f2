/** CSV as `pandas.read_csv` reads it with default options: its C tokenizer, its column names, its order of types. */
import { Column, type ColumnKind, Table } from "../../Table.ts"
import { integerCell } from "../cells.ts"
import { rememberShared } from "../internedTexts.ts"
import { Places } from "../places.ts"
import { refuse, tooLarge } from "../refusal.ts"
import { every, type Steps } from "../steps.ts"
import { withoutMark } from "../text.ts"
import { Block, columnWeight, TextReader, Tokenizer } from "./csvCells.ts"
import { NumberReader } from "./csvNumbers.ts"

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

/** Column names as in pandas: `Unnamed: 3` for one without a name, `a.1` for the second `a`. */
function* columnNames(header: ReadonlyArray<string>): Steps<Array<string>> {
  const names: Array<string> = []
  // Names of the header's own come first.
  const order: Array<number> = []
  const unnamed: Array<number> = []
  for (let i = 0; i < header.length; i++) {
    const isNamed = header[i] !== ""
    names.push(isNamed ? header[i]! : `Unnamed: ${i}`)
    ;(isNamed ? order : unnamed).push(i)
    if (i % every === every - 1) yield
  }
  for (const i of unnamed) order.push(i)
  /** Of each name that is taken, how many columns have it. */
  const counts = new Places()
  let isUnique = true
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!
    const known = counts.of(name)
    if (known.has(name)) isUnique = false
    else known.set(name, 0)
    if (i % every === every - 1) yield
  }
  if (isUnique) return names
  let looked = 0
  for (const i of order) {
    if (++looked % every === 0) yield
    const original = names[i]!
    const known = counts.of(original)
    let name = original
    let count = known.get(name) ?? 0
    while (count > 0) {
      known.set(original, count + 1)
      name = `${original}.${count}`
      count = counts.of(name).has(name) ? count + 1 : 0
    }
    names[i] = name
    counts.of(name).set(name, count + 1)
  }
  return names
}

/** Longer texts are no numbers. */
const maxNumber = 0x80000

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

/** The first letters of the texts that represent missing values: they already rule out nearly all others. */
const missingStarts = new Set(Array.from(missing, (text) => text.charCodeAt(0)))

const isMissing = (text: string): boolean =>
  text.length === 0 || (text.length <= 9 && missingStarts.has(text.charCodeAt(0)) && missing.has(text))

/** The values of some rows of one column. */
interface Typed {
  readonly kind: ColumnKind
  readonly length: number
  readonly at: (row: number) => unknown
  /** Bytes of memory, when known. */
  readonly byteSize: number | undefined
}

const ofNumbers = (kind: "int" | "float", values: Float64Array | Int32Array): Typed => ({
  kind,
  length: values.length,
  at: (row) => values[row],
  byteSize: values.byteLength
})

const ofValues = (kind: ColumnKind, values: ReadonlyArray<unknown>): Typed => ({
  kind,
  length: values.length,
  at: (row) => values[row],
  byteSize: undefined
})

/**
 * Converts the cells of a column in a block to the first type that accepts all of them. With `numbers`, what it gives is
 * valid until the next column.
 */
function* infer(block: Block, column: number, numbers: Numbers | undefined): Steps<Typed> {
  return (yield* inferNumbers(block, column, numbers)) ?? (yield* inferBooleans(block, column)) ??
    (yield* inferTexts(block, column))
}

/** The numbers of a column in a block. */
class Numbers {
  values: Float64Array
  /** Integers that a number cannot represent. */
  readonly large = new Map<number, bigint>()
  isInteger = true
  missing = 0
  private readonly block: Block
  private column = 0
  private readonly reader: NumberReader

  constructor(block: Block) {
    this.block = block
    this.reader = new NumberReader(block.bytes)
    this.values = new Float64Array(block.rows)
  }

  /** Prepares for the cells of a column. */
  start(column: number): void {
    this.column = column
    this.isInteger = true
    this.missing = 0
    if (this.large.size > 0) this.large.clear()
    if (this.values.length !== this.block.rows) this.values = new Float64Array(this.block.rows)
  }

  /** Reads some rows. Returns false when one of them is not a number, and none is missing. */
  read(from: number, to: number): boolean {
    const { block, column, reader, values } = this
    const { base, ends, starts, width } = block
    let { isInteger } = this
    let missing = 0
    for (let row = from, cell = from * width + column; row < to; row++, cell += width) {
      const start = starts[cell]!
      const end = ends[cell]!
      if (start < end && block.isInBytes(cell) && reader.read(base + start, base + end)) {
        values[row] = reader.value
        isInteger = isInteger && reader.isInteger
        continue
      }
      const value = start === end || block.isAbsent(cell) ? Number.NaN : this.other(block.text(cell), row)
      if (value === undefined) return false
      isInteger = isInteger && this.isInteger
      values[row] = value
      if (value !== value) missing++
    }
    this.isInteger = isInteger
    this.missing += missing
    return true
  }

  /** The number of a text without one of the common forms; NaN when it is missing, undefined when it is no number. */
  private other(text: string, row: number): number | undefined {
    if (isMissing(text)) return Number.NaN
    if (text.length > maxNumber) return undefined
    if (!integerForm.test(text)) {
      this.isInteger = false
      return toFloat(text)
    }
    const value = Number(text)
    if (!Number.isSafeInteger(value)) this.large.set(row, BigInt(text.trim().replace("+", "")))
    return value
  }
}

/** Integers of any size, or floats; undefined where a cell is neither. */
function* inferNumbers(block: Block, column: number, used: Numbers | undefined): Steps<Typed | undefined> {
  const { rows } = block
  const numbers = used ?? new Numbers(block)
  numbers.start(column)
  for (let from = 0; from < rows; from += every) {
    if (!numbers.read(from, Math.min(rows, from + every))) return undefined
    if (from > 0) yield
  }
  const { isInteger, large, missing, values } = numbers
  if (rows === 0) return ofValues("object", [])
  if (missing === rows || !isInteger) return ofNumbers("float", values)
  if (large.size > 0) {
    const typed = largeIntegers(values, large, missing > 0)
    if (typed !== undefined) return typed
  }
  if (missing > 0) return ofNumbers("float", values)
  // Minus zero is an integer, and so is zero.
  if (used === undefined) {
    const small = new Int32Array(values)
    if (isSame(small, values)) return ofNumbers("int", small)
  }
  for (let row = 0; row < rows; row++) values[row] = values[row]! + 0
  return ofNumbers("int", values)
}

const isSame = (small: Int32Array, values: Float64Array): boolean => {
  for (let row = 0; row < values.length; row++) if (small[row] !== values[row]) return false
  return true
}

/** Integers of which some are beyond 2^53; undefined when pandas makes floats of them, as it does when one is missing. */
const largeIntegers = (
  values: Float64Array,
  large: ReadonlyMap<number, bigint>,
  hasMissing: boolean
): Typed | undefined => {
  let low = values.some((value) => value < 0) ? -1n : 0n
  let high = 0n
  for (const value of large.values()) {
    if (value < low) low = value
    if (value > high) high = value
  }
  const fits = (low >= -maxInt64 && high < maxInt64) || (low >= 0n && high < maxUint64)
  if (fits && hasMissing) return undefined
  // Integers beyond 64 bits stay exact, even with missing values.
  const exact = Array.from(values, (value): number | bigint | null => Number.isNaN(value) ? null : value + 0)
  for (const [row, value] of large) exact[row] = integerCell(value)
  return ofValues("int", exact)
}

function* inferBooleans(block: Block, column: number): Steps<Typed | undefined> {
  const values: Array<boolean | null> = []
  const texts = new TextReader(block)
  for (let row = 0, cell = column; row < block.rows; row++, cell += block.width) {
    if (row % every === every - 1) yield
    const text = block.isAbsent(cell) ? "" : texts.read(cell)
    if (isMissing(text)) values.push(null)
    else if (text.length <= 5 && Object.hasOwn(booleans, text)) values.push(booleans[text]!)
    else return undefined
  }
  return ofValues("bool", values)
}

const readTexts = (texts: TextReader, column: number, from: number, to: number, out: Array<string | null>): void => {
  const { block } = texts
  for (let row = from, cell = from * block.width + column; row < to; row++, cell += block.width) {
    const text = block.isAbsent(cell) ? "" : texts.read(cell)
    out.push(isMissing(text) ? null : text)
  }
}

function* inferTexts(block: Block, column: number): Steps<Typed> {
  const values: Array<string | null> = []
  const texts = new TextReader(block)
  for (let from = 0; from < block.rows; from += every) {
    if (from > 0) yield
    readTexts(texts, column, from, Math.min(block.rows, from + every), values)
  }
  return ofValues("string", values)
}

/**
 * The number of rows that pandas reads per chunk for a given number of columns, a power of two. It infers the types of
 * each chunk separately, so a large column can hold numbers in one and strings in the next.
 */
const chunkRows = (columns: number): number => {
  const heuristic = Math.floor(2 ** 20 / Math.max(columns, 1))
  let rows = 1
  while (rows * 2 < heuristic) rows *= 2
  return rows
}

/** Memory of a text and its place, in bytes, estimated. */
const textWeight = 40

/** Shorter chunks, which very many columns have, are put together: each has a price of its own. */
const minChunk = 1_024

/** A column as its chunks come. */
class ColumnBuilder {
  private readonly chunks: Array<Typed> = []
  private together: Array<unknown> = []
  private readonly size: number
  /** The kind of its first chunk, and those of later ones that differ. */
  private first: ColumnKind | undefined
  private others: Set<ColumnKind> | undefined

  constructor(size: number) {
    this.size = size
  }

  add(chunk: Typed): void {
    if (this.first === undefined) this.first = chunk.kind
    else if (this.first !== chunk.kind) (this.others ??= new Set()).add(chunk.kind)
    if (this.size >= minChunk) this.chunks.push(chunk)
    else if (this.together.length === 0) this.together = Array.from({ length: chunk.length }, (_, row) => chunk.at(row))
    else for (let row = 0; row < chunk.length; row++) this.together.push(chunk.at(row))
  }

  build(name: string, length: number): Column {
    const { chunks, first = "object", others, size, together } = this
    const isFloat = others?.size === 1 &&
      (first === "int" ? others.has("float") : first === "float" && others.has("int"))
    const kind = isFloat ? "float" : others === undefined ? first : "object"
    const [only] = chunks
    const shift = Math.log2(size)
    const at = size < minChunk
      ? (row: number) => together[row]
      : only !== undefined && chunks.length === 1
      ? only.at
      : (row: number) => chunks[row >>> shift]?.at(row & (size - 1))
    let byteSize: number | undefined = size < minChunk ? undefined : 0
    for (const chunk of chunks) byteSize = byteSize === undefined ? undefined : addSizes(byteSize, chunk.byteSize)
    return new Column({ name, kind, length, at: isFloat ? (row) => floatOf(at(row)) : at, byteSize })
  }
}

const addSizes = (sum: number, size: number | undefined): number | undefined =>
  size === undefined ? undefined : sum + size

const floatOf = (value: unknown): unknown => typeof value === "bigint" ? Number(value) : value

/** The table of CSV. The first row is the header; if rows are longer than it, the first columns are the index. */
export function* readCsv(stored: Uint8Array, maxBytes: number): Steps<Table> {
  const bytes = withoutMark(stored)
  const tokenizer = new Tokenizer(bytes)
  const header = yield* tokenizer.row()
  if (header === undefined) return refuse("the CSV is empty: it has no header")
  const names = yield* columnNames(header)
  const leading = Math.max((yield* tokenizer.nextWidth()) - header.length, 0)
  const width = header.length + leading
  const size = chunkRows(width)
  const builders: Array<ColumnBuilder> = []
  while (builders.length < width) {
    builders.push(new ColumnBuilder(size))
    if (builders.length % every === 0) yield builders.length * columnWeight
  }
  // A row has a byte at least.
  const block = new Block(bytes, width, Math.min(size, bytes.length))
  // Arrays for each of very many columns are most of the garbage.
  const numbers = size < minChunk ? new Numbers(block) : undefined
  let numRows = 0
  let absent = 0
  let isCounted = false
  let weight = width * columnWeight
  do {
    yield* tokenizer.readInto(block)
    numRows += block.rows
    // Rows may be shorter than the header, which makes cells of no bytes; each takes eight in memory.
    absent += block.absent
    let expected = absent
    if (block.absent * 2 > block.rows * width && !isCounted) {
      isCounted = true
      const rest = yield* tokenizer.rest()
      expected += rest.rows * width - rest.cells
    }
    if (expected * 8 > maxBytes) return tooLarge(maxBytes)
    if (block.rows === 0 && numRows > 0) break
    for (let column = 0, looked = 0; column < width; column++) {
      const chunk = yield* infer(block, column, numbers)
      builders[column]!.add(chunk)
      weight += chunk.byteSize ?? textWeight * block.rows
      if ((looked += block.rows) > every) {
        looked = 0
        yield
      }
    }
    yield weight
  } while (block.rows === size)
  const columns: Array<Column> = []
  for (const [i, builder] of builders.entries()) {
    columns.push(builder.build(i < leading ? "" : names[i - leading]!, numRows))
    if (i % every === every - 1) yield
  }
  return rememberShared(new Table(columns.slice(leading), numRows, columns.slice(0, leading)))
}
