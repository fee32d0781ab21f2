/**
 * Writes a column of a row group that has long texts or bytes, in steps: the library would encode and compress it in one
 * call.
 */
import { concatBytes, utf8Pieces } from "../bytes.ts"
import type { Steps } from "../steps.ts"
import { integer, type Replacement, struct, ThriftStruct, thriftTypes } from "./thrift.ts"

/** The bytes of a column, and their size when they are decompressed. */
export interface LongColumn {
  readonly pieces: ReadonlyArray<Uint8Array>
  readonly uncompressed: number
}

/** Bytes that are compressed in one step, and cells between two steps. */
const blockLength = 0x40000
const cellsAtOnce = 2_048

/** The fields of PageHeader and DataPageHeaderV2, and its type. */
const headerFields = { type: 1, uncompressed: 2, compressed: 3, dataPageV2: 8 } as const
const pageFields = { values: 1, nulls: 2, rows: 3, encoding: 4, definitions: 5, repetitions: 6 } as const
const dataPageV2 = 3
const plain = 0

const i32 = (value: number): Replacement => ({ ...integer(value), type: thriftTypes.i32 })

const newStruct = (fields: ReadonlyArray<readonly [id: number, value: Replacement]>): Uint8Array =>
  new ThriftStruct(Uint8Array.of(0), 0).encode(new Map(fields))

const varint = (value: number): Uint8Array => {
  const out: Array<number> = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out.push((rest % 0x80) | 0x80)
  return Uint8Array.from([...out, rest])
}

/** Which values are there, as runs. */
const definitionsOf = (values: ReadonlyArray<unknown>): Uint8Array => {
  const runs: Array<Uint8Array> = []
  for (let start = 0; start < values.length;) {
    const isNull = values[start] === null
    let end = start + 1
    while (end < values.length && (values[end] === null) === isNull) end++
    runs.push(varint(2 * (end - start)), Uint8Array.of(isNull ? 0 : 1))
    start = end
  }
  return concatBytes(runs)
}

/** Snappy of blocks, each of which refers only to itself: what is compressed of them follows one length. */
class Compressed {
  length = 0
  readonly pieces: Array<Uint8Array> = []
  readonly #compress: (bytes: Uint8Array) => Uint8Array
  readonly #block = new Uint8Array(blockLength)
  #used = 0

  constructor(compress: (bytes: Uint8Array) => Uint8Array) {
    this.#compress = compress
  }

  *add(bytes: Uint8Array): Steps<void> {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + blockLength - this.#used)
      this.#block.set(part, this.#used)
      this.#used += part.length
      at += part.length
      if (this.#used < blockLength) continue
      this.flush()
      yield
    }
  }

  flush(): void {
    if (this.#used === 0) return
    this.length += this.#used
    const piece = this.#compress(this.#block.subarray(0, this.#used))
    let first = 0
    while (piece[first]! >= 0x80) first++
    this.pieces.push(piece.slice(first + 1))
    this.#used = 0
  }
}

/** A page of plain texts or bytes that may be missing. `grew` is called with its compressed length so far. */
export function* longColumn(
  values: ReadonlyArray<unknown>,
  compress: (bytes: Uint8Array) => Uint8Array,
  grew: (length: number) => void
): Steps<LongColumn> {
  const out = new Compressed(compress)
  let nulls = 0
  let compressed = 0
  let counted = 0
  const add = function*(bytes: Uint8Array): Steps<void> {
    yield* out.add(bytes)
    for (; counted < out.pieces.length; counted++) compressed += out.pieces[counted]!.length
    grew(compressed)
  }
  for (let at = 0; at < values.length; at++) {
    if (at % cellsAtOnce === cellsAtOnce - 1) yield
    const value = values[at]
    if (value === null) {
      nulls++
      continue
    }
    const pieces: Array<Uint8Array> = []
    if (typeof value !== "string") pieces.push(value as Uint8Array)
    else {
      for (const piece of utf8Pieces(value)) {
        pieces.push(piece)
        if (pieces.length % 16 === 0) yield
      }
    }
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, pieces.reduce((sum, { length }) => sum + length, 0), true)
    yield* add(length)
    for (const piece of pieces) yield* add(piece)
  }
  out.flush()
  const definitions = definitionsOf(values)
  const body = [definitions, varint(out.length), ...out.pieces]
  const bodyLength = body.reduce((sum, { length }) => sum + length, 0)
  const header = newStruct([
    [headerFields.type, i32(dataPageV2)],
    [headerFields.uncompressed, i32(definitions.length + out.length)],
    [headerFields.compressed, i32(bodyLength)],
    [
      headerFields.dataPageV2,
      struct(newStruct([
        [pageFields.values, i32(values.length)],
        [pageFields.nulls, i32(nulls)],
        [pageFields.rows, i32(values.length)],
        [pageFields.encoding, i32(plain)],
        [pageFields.definitions, i32(definitions.length)],
        [pageFields.repetitions, i32(0)]
      ]))
    ]
  ])
  return { pieces: [header, ...body], uncompressed: header.length + definitions.length + out.length }
}
