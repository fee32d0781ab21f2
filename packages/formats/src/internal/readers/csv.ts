/** CSV as `pandas.read_csv` reads it with default options: its C tokenizer, its column names, its order of types. */
import { Column, type ColumnKind, Table } from "../../Table.ts"
import { integerCell } from "../cells.ts"
import { rememberShared } from "../internedTexts.ts"
import { Places } from "../places.ts"
import { refuse, tooLarge } from "../refusal.ts"
import { every, type Steps } from "../steps.ts"
import { withoutMark } from "../text.ts"
import { Block, columnWeight, TextReader, Tokenizer } from "./csvCells.ts"
import { isMissing } from "./csvMissing.ts"
import { hasFraction, hasText } from "./csvNumbers.ts"

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

const maxInt64 = 2n ** 63n
const maxUint64 = 2n ** 64n

const booleans: Readonly<Record<string, boolean>> = {
  True: true,
  TRUE: true,
  true: true,
  False: false,
  FALSE: false,
  false: false
}

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

/** Numbers where they are, for a moment. */
const ofPlaces = (kind: "int" | "float", values: Float64Array, start: number, length: number): Typed => ({
  kind,
  length,
  at: (row) => values[start + row],
  byteSize: length * 8
})

const ofValues = (kind: ColumnKind, values: ReadonlyArray<unknown>): Typed => ({
  kind,
  length: values.length,
  at: (row) => values[row],
  byteSize: undefined
})

/**
 * Converts the cells of a column in a block to the first type that accepts all of them. With `isBrief`, the result is
 * valid until the next block.
 */
function* infer(block: Block, column: number, isBrief: boolean): Steps<Typed> {
  return inferNumbers(block, column, isBrief) ?? (yield* inferBooleans(block, column)) ??
    (yield* inferTexts(block, column))
}

/** Integers of any size, or floats; undefined where a cell is neither. */
const inferNumbers = ({ numbers, rows }: Block, column: number, isBrief: boolean): Typed | undefined => {
  const { missing: lacks, states, stride, values } = numbers
  const state = states[column]!
  if ((state & hasText) !== 0) return undefined
  if (rows === 0) return ofValues("object", [])
  const start = stride * column
  const missing = lacks[column]!
  const large = numbers.largeOf(column)
  const isInteger = missing < rows && (state & hasFraction) === 0
  if (isInteger && large !== undefined) {
    const typed = largeIntegers(values.subarray(start, start + rows), large, missing > 0)
    if (typed !== undefined) return typed
  }
  const kind = isInteger && missing === 0 ? "int" : "float"
  const small = kind === "int" && !isBrief ? smallIntegers(values, start, rows) : undefined
  if (small !== undefined) return ofNumbers(kind, small)
  // Minus zero is an integer, and so is zero.
  if (kind === "int") { for (let at = start; at < start + rows; at++) values[at] = values[at]! + 0 }
  return isBrief ? ofPlaces(kind, values, start, rows) : ofNumbers(kind, values.slice(start, start + rows))
}

/** Integers of 32 bits; undefined when one has more. */
const smallIntegers = (values: Float64Array, start: number, length: number): Int32Array | undefined => {
  const small = new Int32Array(length)
  for (let row = 0; row < length; row++) {
    const value = values[start + row]!
    small[row] = value
    if (small[row] !== value) return undefined
  }
  return small
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

function* inferTexts(block: Block, column: number): Steps<Typed> {
  const values: Array<string | null> = []
  const texts = new TextReader(block)
  for (let from = 0; from < block.rows; from += every) {
    if (from > 0) yield
    texts.readRows(column, from, Math.min(block.rows, from + every), values)
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
  const isBrief = size < minChunk
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
      const chunk = yield* infer(block, column, isBrief)
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
