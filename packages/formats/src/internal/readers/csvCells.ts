/** CSV as positions in its bytes, many rows at a time: the text of a cell is made only when it is needed. */
import { latin1Of, utf8Of } from "../bytes.ts"
import { flat } from "../projection/sinks.ts"
import { refuse, tooLarge } from "../refusal.ts"
import { every, type Steps } from "../steps.ts"
import { utf8Text } from "../text.ts"
import { isMissing } from "./csvMissing.ts"
import { hasFraction, hasText, NumberReader, Numbers } from "./csvNumbers.ts"

const comma = 0x2c
const quote = 0x22
const newline = 0x0a
const carriageReturn = 0x0d
const space = 0x20
const tab = 0x09

/** The start of a cell that is missing from its row. */
const absent = 0xffff_ffff
/** The end of a cell whose text is not literally in the bytes; its start is an index in `rewritten`. */
const elsewhere = 0xffff_ffff

/** A cell of that many bytes is read in steps. */
const longCell = 0x80000

/** How many bytes a block may span: its places are 32 bits. */
const maxBlock = 0xffff_0000

const exactly = (bytes: Uint8Array, start: number, end: number): string =>
  utf8Text(bytes.subarray(start, end)) ?? refuse("it is read as text, but its bytes are not UTF-8")

/** The cells of some rows, row by row. */
export class Block {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly width: number
  /** The start and end of each cell, relative to `base`. */
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  readonly numbers: Numbers
  base = 0
  rows = 0
  /** How many cells its rows do not have. */
  absent = 0
  /** Texts of quoted cells that hold quotes, or are followed by more. */
  rewritten: Array<string> = []
  encoding: "ASCII" | "UTF-8" | "surrogatepass" = "ASCII"

  constructor(bytes: Uint8Array, width: number, rows: number) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.width = width
    this.starts = new Uint32Array(width * rows)
    this.ends = new Uint32Array(width * rows)
    this.numbers = new Numbers(width, rows)
  }

  /** Whether a row ended before a cell. */
  isAbsent(cell: number): boolean {
    return this.starts[cell] === absent
  }

  /** Whether the text of a cell that is there is in the bytes as it is. */
  isInBytes(cell: number): boolean {
    return this.ends[cell] !== elsewhere
  }

  /** The text of a cell that is there. */
  text(cell: number): string {
    const [start, end] = [this.starts[cell]!, this.ends[cell]!]
    if (end === elsewhere) return this.rewritten[start]!
    const { base, bytes, encoding } = this
    if (encoding === "ASCII") return latin1Of(bytes, base + start, base + end)
    return encoding === "UTF-8" ? utf8Of(bytes, base + start, base + end) : exactly(bytes, base + start, base + end)
  }
}

/** Memory of a column without its values, in bytes, estimated: its name, and that among those that are taken. */
export const columnWeight = 500

/** The most texts of a column that are cached, a power of two. */
const remembered = 1_024
/** Longer texts are rarely repeated. */
const maxRemembered = 32

/** Texts of fewer bytes are made from one text of many: parts of it that are longer would hold all of it. */
const shortText = 13
/** The bytes of texts that become one text. */
const packedBytes = 0x4000

/**
 * Reads the texts of one column. Most columns of texts have few different ones, which are made once and then found by
 * their bytes: that is faster than making them again, and takes less memory.
 */
export class TextReader {
  readonly block: Block
  private readonly texts: Array<string | undefined> = []
  private readonly cells = new Uint32Array(remembered)
  private found = 0
  private looked = 0
  /** The bytes of texts that are not made yet, where each ends, and their places among the values. */
  private packed: Uint8Array | undefined
  private readonly packedEnds: Array<number> = []
  private readonly packedPlaces: Array<number> = []
  private packedSize = 0

  constructor(block: Block) {
    this.block = block
  }

  /** Reads the texts of some rows, null for those that are missing. */
  readRows(column: number, from: number, to: number, out: Array<string | null>): void {
    const { block } = this
    for (let row = from, cell = from * block.width + column; row < to; row++, cell += block.width) {
      if (block.isAbsent(cell)) out.push(null)
      else if (!this.isWorthwhile() && this.pack(cell, out.length)) out.push(null)
      else {
        const text = this.read(cell)
        out.push(isMissing(text) ? null : text)
      }
      if (this.packedSize > packedBytes - shortText) this.unpack(out)
    }
    this.unpack(out)
  }

  /** Keeps the bytes of a short text. Returns false for others. */
  private pack(cell: number, place: number): boolean {
    const { base, bytes, ends, starts } = this.block
    const start = base + starts[cell]!
    const end = base + ends[cell]!
    if (end - start >= shortText || !this.block.isInBytes(cell)) return false
    const packed = this.packed ??= new Uint8Array(packedBytes)
    let bits = 0
    let size = this.packedSize
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!
      packed[size++] = byte
      bits |= byte
    }
    if (bits > 127) return false
    this.packedSize = size
    this.packedEnds.push(size)
    this.packedPlaces.push(place)
    return true
  }

  /** Makes the texts whose bytes are kept. */
  private unpack(out: Array<string | null>): void {
    const { packed, packedEnds, packedPlaces, packedSize } = this
    if (packed === undefined || packedEnds.length === 0) return
    const all = latin1Of(packed, 0, packedSize)
    let start = 0
    for (let i = 0; i < packedEnds.length; i++) {
      const end = packedEnds[i]!
      const text = all.slice(start, end)
      start = end
      if (!isMissing(text)) out[packedPlaces[i]!] = text
    }
    packedEnds.length = 0
    packedPlaces.length = 0
    this.packedSize = 0
  }

  /** The text of a cell that is there. */
  read(cell: number): string {
    const { block } = this
    const { ends, starts, view } = block
    const start = block.base + starts[cell]!
    const length = ends[cell]! - starts[cell]!
    if (length > maxRemembered || !block.isInBytes(cell) || !this.isWorthwhile()) return block.text(cell)
    let hash = length
    const end = start + length
    if (length < 4) { for (let at = start; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x0100_0193) }
    else {
      for (let at = start; at < end - 4; at += 4) hash = mixed(hash, view.getUint32(at, true))
      hash = mixed(hash, view.getUint32(end - 4, true))
    }
    const place = (hash ^ (hash >>> 15)) & (remembered - 1)
    const known = this.texts[place]
    this.looked++
    if (known !== undefined && this.isSame(this.cells[place]!, start, length)) {
      this.found++
      return known
    }
    while (this.texts.length < place) this.texts.push(undefined)
    this.cells[place] = cell
    return this.texts[place] = block.text(cell)
  }

  /** When few texts are repeated, the cache is no longer used. */
  private isWorthwhile(): boolean {
    return this.looked < 2 * remembered || this.found * 4 > this.looked
  }

  private isSame(cell: number, start: number, length: number): boolean {
    const { base, ends, starts, view } = this.block
    const from = base + starts[cell]!
    if (ends[cell]! - starts[cell]! !== length) return false
    if (length < 4) {
      for (let at = 0; at < length; at++) if (view.getUint8(from + at) !== view.getUint8(start + at)) return false
      return true
    }
    for (let at = 0; at < length - 4; at += 4) if (view.getInt32(from + at) !== view.getInt32(start + at)) return false
    return view.getInt32(from + length - 4) === view.getInt32(start + length - 4)
  }
}

/** A hash of bytes before and four more. */
const mixed = (hash: number, four: number): number => {
  const product = Math.imul(hash ^ four, 0x9e37_79b1)
  return product ^ (product >>> 15)
}

/**
 * Splits CSV into rows of cells. A quote counts only at the start of a cell, two in a quoted cell are one, and blank
 * lines are skipped.
 */
export class Tokenizer {
  private readonly bytes: Uint8Array
  private readonly reader: NumberReader
  private at = 0
  /** Rows before the next one, with the header. */
  private rows = 0
  /** The last cell, and its text where that is not in the bytes as it is. */
  private start = 0
  private end = 0
  private text: string | undefined
  /** Whether the last cell is too long to be read at once: `longCell` reads it. */
  private isLong = false
  /** The column of the last cell, when it is long and not in its block yet. */
  private resumed = -1
  /** All bits of the bytes of cells: at most 127 while all of them are ASCII. */
  private bits = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.reader = new NumberReader(bytes)
  }

  /** The texts of the next row; undefined when there is none. */
  *row(): Steps<Array<string> | undefined> {
    if (!this.toRow()) return undefined
    const texts: Array<string> = []
    do {
      this.cell()
      if (this.isLong) yield* this.longCell()
      texts.push(this.text ?? this.exactly(this.start, this.end))
      if (texts.length % every === 0) yield texts.length * columnWeight
    } while (this.hasMore())
    return texts
  }

  /** How many cells the next row has; 0 when there is none. */
  *nextWidth(): Steps<number> {
    const place = this.place()
    const width = yield* this.skipRow()
    this.goTo(place)
    return width
  }

  /** How many rows follow, and how many cells they have. */
  *rest(): Steps<{ readonly rows: number; readonly cells: number }> {
    const place = this.place()
    let rows = 0
    let cells = 0
    let looked = 0
    for (let width = yield* this.skipRow(); width > 0; width = yield* this.skipRow()) {
      rows++
      cells += width
      if ((looked += width) > every) {
        looked = 0
        yield
      }
    }
    this.goTo(place)
    return { rows, cells }
  }

  /** Reads the next rows into a block, as many as it takes or as there are. */
  *readInto(block: Block): Steps<void> {
    block.rows = 0
    block.absent = 0
    block.rewritten = []
    block.numbers.clear()
    block.base = this.at
    this.bits = 0
    const rowsAtOnce = Math.max(1, Math.floor(every / block.width))
    const capacity = block.starts.length / block.width
    while (block.rows < capacity && this.fillRows(block, Math.min(capacity, block.rows + rowsAtOnce))) {
      yield
      if (this.isLong) yield* this.longCell()
    }
    block.encoding = yield* this.encodingOf(block.base, this.at)
  }

  /** Whether there may be more rows. */
  private fillRows(block: Block, upTo: number): boolean {
    const { base, ends, numbers, starts, width } = block
    const { states, stride, values } = numbers
    const { bytes, reader } = this
    while (block.rows < upTo) {
      let isRead = this.resumed >= 0
      if (!isRead && !this.toRow()) return false
      const row = block.rows
      let column = isRead ? this.resumed : 0
      let cell = row * width + column
      this.resumed = -1
      do {
        if (isRead) isRead = false
        else {
          if (column < width && (states[column]! & hasText) === 0) {
            // Most numbers need no second look at their bytes.
            const end = reader.read(this.at)
            const byte = bytes[end]
            if (end >= 0 && (byte === comma || byte === newline || byte === carriageReturn)) {
              values[stride * column + row] = reader.value
              if (!reader.isInteger) states[column]! |= hasFraction
              starts[cell] = this.at - base
              ends[cell++] = end - base
              column++
              this.at = end
              continue
            }
          }
          this.cell()
          if (this.isLong) {
            this.resumed = column
            return true
          }
        }
        if (column === width) this.refuseRow(width)
        this.put(block, column++, cell++)
      } while (this.hasMore())
      if (this.at - base > maxBlock) tooLarge(maxBlock)
      if (column < width) this.endRow(block, column, cell)
      block.rows++
    }
    return true
  }

  /** Puts the last cell into a block. */
  private put({ base, ends, numbers, rewritten, rows, starts }: Block, column: number, cell: number): void {
    const { end, start, text } = this
    if (text === undefined) {
      starts[cell] = start - base
      ends[cell] = end - base
    } else {
      starts[cell] = rewritten.length
      ends[cell] = elsewhere
      rewritten.push(text)
    }
    if ((numbers.states[column]! & hasText) !== 0) return
    if (text === undefined && start === end) numbers.lack(column, rows)
    else numbers.take(column, rows, text ?? latin1Of(this.bytes, start, end))
  }

  /** Notes that a row has no cells from a column on. */
  private endRow(block: Block, from: number, cell: number): void {
    const { numbers, rows, starts, width } = block
    block.absent += width - from
    starts.fill(absent, cell, cell + width - from)
    for (let column = from; column < width; column++) {
      if ((numbers.states[column]! & hasText) === 0) numbers.lack(column, rows)
    }
  }

  private refuseRow(width: number): never {
    let cells = width + 1
    while (this.hasMore()) {
      this.cell()
      cells++
    }
    return refuse(`the CSV has ${cells} fields in row ${this.rows - 1}, where ${width} are expected`)
  }

  private place(): { readonly at: number; readonly bits: number; readonly rows: number } {
    const { at, bits, rows } = this
    return { at, bits, rows }
  }

  private goTo({ at, bits, rows }: ReturnType<Tokenizer["place"]>): void {
    this.at = at
    this.bits = bits
    this.rows = rows
  }

  /** Skips the next row. Returns its number of cells; 0 when there is none. */
  private *skipRow(): Steps<number> {
    let width = 0
    if (this.toRow()) {
      do {
        this.cell()
        if (this.isLong) yield* this.longCell()
        if (++width % every === 0) yield
      } while (this.hasMore())
    }
    return width
  }

  /** Skips blank lines before the next row. Returns whether there is one. */
  private toRow(): boolean {
    const { bytes } = this
    while (this.at < bytes.length) {
      let blank = this.at
      while (bytes[blank] === space || bytes[blank] === tab) blank++
      if (blank >= bytes.length && blank > this.at) break
      const byte = bytes[blank]
      if (byte !== newline && byte !== carriageReturn) {
        this.rows++
        return true
      }
      this.at = blank + 1
    }
    this.at = bytes.length
    return false
  }

  /** Reads the cell that starts here. */
  private cell(): void {
    const { bytes } = this
    let at = this.at
    let bits = 0
    this.text = undefined
    if (bytes[at] === quote) return this.quoted()
    this.start = at
    const last = Math.min(bytes.length, at + longCell)
    for (; at < last; at++) {
      const byte = bytes[at]!
      // One comparison for nearly all bytes.
      if (byte <= comma && (byte === comma || byte === newline || byte === carriageReturn)) break
      bits |= byte
    }
    this.bits |= bits
    if (at - this.start === longCell) this.isLong = true
    else this.end = this.at = at
  }

  /** Reads a cell of any length that starts here, in steps. */
  private *longCell(): Steps<void> {
    const { bytes } = this
    const parts: Array<string> = []
    this.isLong = false
    let at = this.at
    // Either what is quoted, with one quote for two, or up to the end of the cell.
    let isQuoted = bytes[at] === quote
    if (isQuoted) at++
    for (let from = at;;) {
      const stop = Math.min(bytes.length, from + longCell)
      let hasDoubled = false
      let isEnd = false
      for (; at < stop; at++) {
        const byte = bytes[at]!
        if (!isQuoted) isEnd = byte === comma || byte === newline || byte === carriageReturn
        else if (byte === quote) {
          if (bytes[at + 1] === quote) {
            hasDoubled = true
            at++
          } else isEnd = true
        }
        if (isEnd) break
      }
      isEnd ||= at === bytes.length
      // No part ends within a character.
      for (let back = 0; !isEnd && back < 3 && (bytes[at]! & 0xc0) === 0x80; back++) at--
      const part = this.exactly(from, at)
      parts.push(hasDoubled ? flat(part.replaceAll("\"\"", "\"")) : part)
      yield
      from = at
      if (!isEnd) continue
      if (!isQuoted) break
      if (at === bytes.length) refuse(`the CSV ends inside of a quoted field, in row ${this.rows - 1}`)
      at++
      isQuoted = false
      from = at
    }
    this.text = ""
    for (const part of parts) this.text += part
    this.at = at
  }

  private quoted(): void {
    const { bytes } = this
    let hasDoubled = false
    let at = this.start = this.at + 1
    for (;;) {
      const close = bytes.indexOf(quote, at)
      if (close - this.at >= longCell) {
        this.isLong = true
        return
      }
      if (close < 0) refuse(`the CSV ends inside of a quoted field, in row ${this.rows - 1}`)
      for (let i = at; i < close; i++) this.bits |= bytes[i]!
      this.end = close
      at = close + 1
      if (bytes[at] !== quote) break
      hasDoubled = true
      at++
    }
    // Text after the closing quote belongs to the cell.
    const tail = at
    const last = Math.min(bytes.length, tail + longCell)
    while (at < last && bytes[at] !== comma && bytes[at] !== newline && bytes[at] !== carriageReturn) {
      this.bits |= bytes[at++]!
    }
    if (at - tail === longCell) {
      this.isLong = true
      return
    }
    if (hasDoubled || at > tail) {
      const inside = this.exactly(this.start, this.end)
      this.text = (hasDoubled ? inside.replaceAll("\"\"", "\"") : inside) + this.exactly(tail, at)
    }
    this.at = at
  }

  /** After a cell: whether its row has more. Else goes to the next line. */
  private hasMore(): boolean {
    const { bytes } = this
    const byte = bytes[this.at++]
    if (byte === comma) return true
    if (byte === carriageReturn && bytes[this.at] === newline) this.at++
    return false
  }

  private exactly(start: number, end: number): string {
    return exactly(this.bytes, start, end)
  }

  /** How the bytes between two places, which hold whole characters, become text. */
  private *encodingOf(from: number, to: number): Steps<Block["encoding"]> {
    const { bytes } = this
    if (this.bits < 128) return "ASCII"
    let encoding: Block["encoding"] = "UTF-8"
    for (let start = from; start < to;) {
      let end = Math.min(to, start + longCell)
      for (let back = 0; end < to && back < 3 && (bytes[end]! & 0xc0) === 0x80; back++) end--
      if (utf8Of(bytes, start, end).includes("\ufffd")) {
        this.exactly(start, end)
        encoding = "surrogatepass"
      }
      start = end
      if (start < to) yield
    }
    return encoding
  }
}

/**
 * An instance of each hidden class that is in the compiled code of the loops above. V8 discards such code when a garbage
 * collection finds no living instance, which is usual between two files.
 */
export const shapes: ReadonlyArray<object> = [
  new Tokenizer(new Uint8Array(0)),
  new TextReader(new Block(new Uint8Array(0), 0, 0))
]
