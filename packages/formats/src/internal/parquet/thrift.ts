/**
 * The subset of Thrift's compact protocol that the footer of a Parquet file needs: structs whose fields are found by
 * number, and rewritten with some of them replaced.
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 *
 * References outside the bytes throw a RangeError.
 */
import { concatBytes, utf8Of } from "../bytes.ts"
import type { Steps } from "../steps.ts"

/** The types of the protocol. */
export const thriftTypes = { true: 1, false: 2, i32: 5, i64: 6, binary: 8, list: 9, struct: 12 } as const

const maxDepth = 32

const past = (): never => {
  throw new RangeError("a field lies outside of the footer")
}

/** A number of up to 64 bits, seven bits per byte, and its end. */
const varint = (bytes: Uint8Array, start: number): readonly [value: number, end: number] => {
  let value = 0
  for (let i = 0; i < 10; i++) {
    const byte = bytes[start + i]
    if (byte === undefined) return past()
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return [value, start + i + 1]
  }
  return past()
}

/** A signed number: those beyond ±2^53 are not exact. */
const zigzag = (bytes: Uint8Array, start: number): readonly [value: number, end: number] => {
  const [value, end] = varint(bytes, start)
  return [value % 2 === 0 ? value / 2 : -(value + 1) / 2, end]
}

const checked = (bytes: Uint8Array, end: number): number => end <= bytes.length ? end : past()

/** The position, type and number of a list's items. */
const listHeader = (bytes: Uint8Array, start: number) => {
  const header = bytes[start] ?? past()
  const type = header & 0x0f
  const [length, first] = header >> 4 === 15 ? varint(bytes, start + 1) : [header >> 4, start + 1]
  // An item takes at least one byte.
  checked(bytes, first + length)
  return { type, length, first }
}

/** The end of a value of a type. Booleans in a list take one byte. */
const skip = (bytes: Uint8Array, type: number, start: number, depth: number, isItem: boolean): number => {
  if (depth > maxDepth) return past()
  switch (type) {
    case 1:
    case 2:
      return checked(bytes, isItem ? start + 1 : start)
    case 3:
      return checked(bytes, start + 1)
    case 4:
    case 5:
    case 6:
      return varint(bytes, start)[1]
    case 7:
      return checked(bytes, start + 8)
    case 8: {
      const [length, first] = varint(bytes, start)
      return checked(bytes, first + length)
    }
    case 9:
    case 10: {
      const { first, length, type } = listHeader(bytes, start)
      let at = first
      for (let i = 0; i < length; i++) at = skip(bytes, type, at, depth + 1, true)
      return at
    }
    case 11: {
      const [length, first] = varint(bytes, start)
      if (length === 0) return first
      const types = bytes[first] ?? past()
      let at = first + 1
      for (let i = 0; i < length; i++) {
        at = skip(bytes, types >> 4, at, depth + 1, true)
        at = skip(bytes, types & 0x0f, at, depth + 1, true)
      }
      return at
    }
    case 12:
      return fieldsOf(bytes, start, depth + 1, undefined)
    default:
      return past()
  }
}

interface Field {
  readonly type: number
  readonly start: number
  readonly end: number
}

/** Visits the fields of a struct, and returns its end. */
const fieldsOf = (bytes: Uint8Array, start: number, depth: number, out: Map<number, Field> | undefined): number => {
  let id = 0
  let at = start
  for (;;) {
    const header = bytes[at++] ?? past()
    if (header === 0) return at
    const type = header & 0x0f
    if (header >> 4 === 0) [id, at] = zigzag(bytes, at)
    else id += header >> 4
    const end = skip(bytes, type, at, depth, false)
    out?.set(id, { type, start: at, end })
    at = end
  }
}

/** Items of a list between two steps. */
const itemsAtOnce = 256

/** The most items of a list within which there are steps too. */
const fewItems = 1_024

/** As `fieldsOf`, in steps within long lists. */
function* fieldsSteps(bytes: Uint8Array, start: number, depth: number, out: Map<number, Field>): Steps<number> {
  let id = 0
  let at = start
  for (;;) {
    const header = bytes[at++] ?? past()
    if (header === 0) return at
    const type = header & 0x0f
    if (header >> 4 === 0) [id, at] = zigzag(bytes, at)
    else id += header >> 4
    const end = type === thriftTypes.list ? yield* listSteps(bytes, at, depth) : skip(bytes, type, at, depth, false)
    out.set(id, { type, start: at, end })
    at = end
  }
}

function* listSteps(bytes: Uint8Array, start: number, depth: number): Steps<number> {
  if (depth > maxDepth) return past()
  const { first, length, type } = listHeader(bytes, start)
  const isDivided = type === thriftTypes.struct && length <= fewItems && depth < 2
  let at = first
  for (let i = 0; i < length; i++) {
    at = isDivided
      ? yield* fieldsSteps(bytes, at, depth + 2, new Map())
      : skip(bytes, type, at, depth + 1, true)
    if (i % itemsAtOnce === itemsAtOnce - 1) yield
  }
  return at
}

/** The memory of a struct in a list, and of what its readers make of it: a column and its name. */
const itemMemory = 1_024

/** A part of some bytes. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A struct whose fields are read on demand. */
export class ThriftStruct {
  readonly bytes: Uint8Array
  readonly end: number
  readonly #fields: Map<number, Field>

  constructor(bytes: Uint8Array, start: number, fields = new Map<number, Field>(), end = -1) {
    this.bytes = bytes
    this.#fields = fields
    this.end = end >= 0 ? end : fieldsOf(bytes, start, 0, fields)
  }

  /** As the constructor, in steps: of a footer, or of a row group, which have long lists. */
  static *steps(bytes: Uint8Array, start: number): Steps<ThriftStruct> {
    const fields = new Map<number, Field>()
    return new ThriftStruct(bytes, start, fields, yield* fieldsSteps(bytes, start, 0, fields))
  }

  has(id: number): boolean {
    return this.#fields.has(id)
  }

  /** The numbers of the existing fields; of a union, the only one. */
  ids(): Array<number> {
    return [...this.#fields.keys()]
  }

  /** Whether a boolean exists and is false. */
  isFalse(id: number): boolean {
    return this.#fields.get(id)?.type === thriftTypes.false
  }

  /** An integer, if it exists. */
  integer(id: number): number | undefined {
    const field = this.#fields.get(id)
    return field === undefined || field.type < 4 || field.type > 6 ? undefined : zigzag(this.bytes, field.start)[0]
  }

  binary(id: number): Uint8Array | undefined {
    const field = this.#fields.get(id)
    if (field?.type !== thriftTypes.binary) return undefined
    const [length, first] = varint(this.bytes, field.start)
    return this.bytes.subarray(first, first + length)
  }

  text(id: number): string | undefined {
    const found = this.binary(id)
    return found === undefined ? undefined : utf8Of(found)
  }

  struct(id: number): ThriftStruct | undefined {
    const field = this.#fields.get(id)
    return field?.type === thriftTypes.struct ? new ThriftStruct(this.bytes, field.start) : undefined
  }

  /** The positions of the items of a list of structs, one after the other on demand. */
  *spans(id: number): Generator<Span, void> {
    const field = this.#fields.get(id)
    if (field?.type !== thriftTypes.list) return
    const { first, length, type } = listHeader(this.bytes, field.start)
    if (type !== thriftTypes.struct) return
    let at = first
    for (let i = 0; i < length; i++) {
      const start = at
      at = fieldsOf(this.bytes, start, 1, undefined)
      yield { start, end: at }
    }
  }

  /** The items of a list of structs. */
  structs(id: number): Array<ThriftStruct> {
    return Array.from(this.spans(id), ({ start }) => new ThriftStruct(this.bytes, start))
  }

  /** The items of a list of texts. */
  texts(id: number): Array<string> {
    const field = this.#fields.get(id)
    if (field?.type !== thriftTypes.list) return []
    const { first, length, type } = listHeader(this.bytes, field.start)
    if (type !== thriftTypes.binary) return []
    const out: Array<string> = []
    let at = first
    for (let i = 0; i < length; i++) {
      const [size, from] = varint(this.bytes, at)
      at = checked(this.bytes, from + size)
      out.push(utf8Of(this.bytes, from, from + size))
    }
    return out
  }

  /** As `structs`, in steps. */
  *structsSteps(id: number): Steps<Array<ThriftStruct>> {
    const out: Array<ThriftStruct> = []
    for (const { start } of this.spans(id)) {
      if (out.push(new ThriftStruct(this.bytes, start)) % itemsAtOnce === 0) yield out.length * itemMemory
    }
    return out
  }

  /** The struct with some of its fields replaced, added, or removed (null). */
  encode(replaced: ReadonlyMap<number, Replacement | null>): Uint8Array {
    const parts: Array<Uint8Array> = []
    let last = 0
    const ids = new Set([...this.#fields.keys(), ...replaced.keys()])
    for (const id of [...ids].toSorted((left, right) => left - right)) {
      const replacement = replaced.get(id)
      if (replacement === null) continue
      const field = this.#fields.get(id)
      const { bytes, type } = replacement ??
        { type: field!.type, bytes: this.bytes.subarray(field!.start, field!.end) }
      const delta = id - last
      parts.push(
        delta > 0 && delta <= 15 ? Uint8Array.from([(delta << 4) | type]) : Uint8Array.from([type, ...zigzagBytes(id)])
      )
      parts.push(bytes)
      last = id
    }
    parts.push(Uint8Array.from([0]))
    return concatBytes(parts)
  }
}

/** The encoded form of a field. */
export interface Replacement {
  readonly type: number
  readonly bytes: Uint8Array
}

const varintBytes = (value: number): Array<number> => {
  const out: Array<number> = []
  let rest = value
  while (rest >= 0x80) {
    out.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  out.push(rest)
  return out
}

const zigzagBytes = (value: number): Array<number> => varintBytes(value < 0 ? -value * 2 - 1 : value * 2)

export const integer = (value: number): Replacement => ({
  type: thriftTypes.i64,
  bytes: Uint8Array.from(zigzagBytes(value))
})

export const struct = (bytes: Uint8Array): Replacement => ({ type: thriftTypes.struct, bytes })

export const binary = (bytes: Uint8Array): Replacement => ({
  type: thriftTypes.binary,
  bytes: concatBytes([Uint8Array.from(varintBytes(bytes.length)), bytes])
})

/** A list of structs. */
export const list = (items: ReadonlyArray<Uint8Array>): Replacement => ({
  type: thriftTypes.list,
  bytes: concatBytes([
    Uint8Array.from(
      items.length < 15
        ? [(items.length << 4) | thriftTypes.struct]
        : [0xf0 | thriftTypes.struct, ...varintBytes(items.length)]
    ),
    ...items
  ])
})
