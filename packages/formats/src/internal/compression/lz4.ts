// Measured: bench/formats.bench.ts
/** LZ4: the block format, and the frame format around it that Arrow writes. */
import { refuse } from "../refusal.ts"
import { type Steps, toEnd } from "../steps.ts"

const damaged = (what: string): never => refuse(`LZ4 data is damaged: ${what}`)

/**
 * Up to this number of bytes a loop is faster than a call into the engine: most copies of numbers have 4 to 20. Eight bytes
 * at once, of which too many are overwritten by what follows, cost no branch for each byte.
 */
const shortCopy = 64

/**
 * Bytes that are decompressed in one call. V8 compiles a function that is called rarely in the middle of its loop, and
 * discards that code at the next full garbage collection.
 */
const callBytes = 0x4000

/** Longer copies are made in several steps. */
const longCopy = 0x100000

/** Bytes that are read and written between two steps. */
const stepBytes = 0x40000

/**
 * Where the next call goes on. The object stays, because V8 discards the compiled code of `unlz4Part` when a garbage
 * collection finds no object of its shape.
 */
const place = {
  input: 0,
  output: 0,
  /** The token of a sequence whose literals were copied; -1 between two sequences. */
  token: -1,
  /** The bytes of a long copy, of literals or of a match, that is left to the caller. */
  literals: 0,
  match: 0,
  distance: 0
}

/**
 * Decompresses one block into `out` from `at` on and returns its end. Matches may refer to earlier content of `out`, as
 * the blocks of a frame allow.
 */
export const unlz4Block = (input: Uint8Array, out: Uint8Array, at: number): number =>
  toEnd(unlz4BlockSteps(input, out, at))

/** Like `unlz4Block`, in steps. */
function* unlz4BlockSteps(input: Uint8Array, out: Uint8Array, at: number): Steps<number> {
  let token = -1
  let p = 0
  let o = at
  let next = at + stepBytes
  while (p < input.length) {
    place.input = p
    place.output = o
    place.token = token
    unlz4Part(input, out)
    p = place.input
    o = place.output
    token = place.token
    let { literals, match } = place
    const { distance } = place
    for (; literals > 0; yield) {
      const count = Math.min(literals, longCopy)
      out.set(input.subarray(p, p + count), o)
      p += count
      o += count
      literals -= count
    }
    for (; match > 0; yield) {
      const count = Math.min(match, longCopy)
      copyMatch(out, o, distance, o + count)
      o += count
      match -= count
    }
    if (p + o < next) continue
    next = p + o + stepBytes
    yield
  }
  return o
}

/** Copied bytes can be copied again, so a short distance doubles. */
const copyMatch = (out: Uint8Array, at: number, distance: number, end: number): void => {
  const from = at - distance
  for (let o = at; o < end;) {
    const count = Math.min(o - from, end - o)
    out.copyWithin(o, from, from + count)
    o += count
  }
}

/** Goes on for at least `callBytes`, to a long copy or to the end of the block. */
const unlz4Part = (input: Uint8Array, out: Uint8Array): void => {
  const source = new DataView(input.buffer, input.byteOffset, input.length)
  const target = new DataView(out.buffer, out.byteOffset, out.length)
  // Up to here the eight or sixteen bytes that are copied at once are within both, whether they are needed or not.
  const lastInput = input.length - 16
  const lastOutput = out.length - 16
  let p = place.input
  let o = place.output
  const stop = o + callBytes
  let kept = place.token
  place.token = -1
  place.literals = 0
  place.match = 0
  while (p < input.length && o < stop) {
    const token = kept < 0 ? input[p++]! : kept
    kept = -1
    let literals = token >> 4
    if (literals === 15) {
      for (let byte = 255; byte === 255;) {
        if (p >= input.length) damaged("it ends early")
        byte = input[p++]!
        literals += byte
        if (literals > out.length) damaged("it is longer than it says")
      }
    }
    if (p + literals > input.length) damaged("it ends early")
    if (o + literals > out.length) damaged("it is longer than it says")
    if (literals <= 16 && p <= lastInput && o <= lastOutput) {
      target.setBigUint64(o, source.getBigUint64(p, true), true)
      if (literals > 8) target.setBigUint64(o + 8, source.getBigUint64(p + 8, true), true)
      p += literals
      o += literals
    } else if (literals <= shortCopy) {
      for (const end = p + literals; p < end;) out[o++] = input[p++]!
    } else if (literals > longCopy) {
      place.literals = literals
      place.token = token & 15
      break
    } else {
      out.set(input.subarray(p, p + literals), o)
      p += literals
      o += literals
    }
    if (p >= input.length) break
    if (p + 2 > input.length) damaged("it ends early")
    const distance = input[p]! | (input[p + 1]! << 8)
    p += 2
    if (distance === 0 || distance > o) damaged("a match goes back too far")
    let length = token & 15
    if (length === 15) {
      for (let byte = 255; byte === 255;) {
        if (p >= input.length) damaged("it ends early")
        byte = input[p++]!
        length += byte
        if (length > out.length) damaged("it is longer than it says")
      }
    }
    length += 4
    const end = o + length
    if (end > out.length) damaged("it is longer than it says")
    if (distance >= 8 && length <= shortCopy && end <= lastOutput) {
      for (let from = o - distance; o < end; from += 8, o += 8) {
        target.setBigUint64(o, target.getBigUint64(from, true), true)
      }
      o = end
    } else if (length <= shortCopy) {
      for (let from = o - distance; o < end;) out[o++] = out[from++]!
    } else if (length > longCopy) {
      place.match = length
      place.distance = distance
      break
    } else {
      copyMatch(out, o, distance, end)
      o = end
    }
  }
  place.input = p
  place.output = o
}

const frameMagic = 0x184d2204

/** Whether a frame starts here. */
const isLz4Frame = (input: Uint8Array): boolean =>
  input.length >= 7 && new DataView(input.buffer, input.byteOffset, input.length).getUint32(0, true) === frameMagic

/** Decompresses a frame to exactly `length` bytes. */
export const unlz4Frame = (input: Uint8Array, length: number): Uint8Array => toEnd(unlz4FrameSteps(input, length))

/** Like `unlz4Frame`, in steps. */
export function* unlz4FrameSteps(input: Uint8Array, length: number): Steps<Uint8Array> {
  if (!isLz4Frame(input)) damaged("it does not start as a frame")
  const view = new DataView(input.buffer, input.byteOffset, input.length)
  const flags = input[4]!
  if (flags >> 6 !== 1) damaged("its version is unknown")
  const hasBlockChecksums = (flags & 0x10) !== 0
  let p = 6 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4) + 1
  const out = new Uint8Array(length)
  let o = 0
  let next = stepBytes
  for (;;) {
    if (p + 4 > input.length) damaged("it ends early")
    const header = view.getUint32(p, true)
    p += 4
    if (header === 0) break
    const size = header & 0x7fffffff
    if (p + size > input.length) damaged("it ends early")
    const block = input.subarray(p, p + size)
    if (header >>> 31 === 1) {
      if (o + size > length) damaged("it is longer than it says")
      for (let at = 0; at < size; at += longCopy) {
        if (at > 0) yield
        out.set(block.subarray(at, at + longCopy), o + at)
      }
      o += size
    } else o = yield* unlz4BlockSteps(block, out, o)
    p += size + (hasBlockChecksums ? 4 : 0)
    if (p + o < next) continue
    next = p + o + stepBytes
    yield
  }
  return o === length ? out : damaged("it is shorter than it says")
}
