/** The subset of CBOR (RFC 8949) in which polars before 0.20 pickles a Series. */
import { blockLength, Blocks, type List } from "../blocks.ts"
import { refuse } from "../refusal.ts"

const maxDepth = 200

/** Values between two steps. */
const every = 16_384

/** A text of more bytes is decoded in steps, and the bytes of each. */
const pieceBytes = 0x40000

const damaged = (): never => refuse("a polars Series in it is damaged")

/** An array or a map that is being read. */
interface Frame {
  items: List | undefined
  readonly map: Map<unknown, unknown> | undefined
  readonly isOpen: boolean
  /** Whether an array becomes Blocks when it is long: those in a cell are what a user sees. */
  readonly isDivided: boolean
  /** Beside those around it, the tags before it count. */
  readonly depth: number
  /** The number of items or pairs that are missing; Infinity where a mark ends them. */
  left: number
  /** The key whose value comes next. */
  key: unknown
  hasKey: boolean
}

const divideLong = (frame: Frame): void => {
  const { items } = frame
  if (frame.isDivided && Array.isArray(items) && items.length >= blockLength) frame.items = new Blocks(items)
}

class Reader {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  readonly frames: Array<Frame> = []
  at = 0
  /** Tags before the next value. */
  tags = 0
  root: unknown
  /** The bytes of a long text that comes next. */
  text: Uint8Array | undefined

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  private take(size: number): number {
    const start = this.at
    if (!(size >= 0 && start + size <= this.bytes.length)) damaged()
    this.at = start + size
    return start
  }

  private argument(info: number): number | bigint {
    if (info < 24) return info
    if (info === 24) return this.view.getUint8(this.take(1))
    if (info === 25) return this.view.getUint16(this.take(2))
    if (info === 26) return this.view.getUint32(this.take(4))
    if (info === 31) return Infinity
    if (info !== 27) return damaged()
    const value = this.view.getBigUint64(this.take(8))
    return value <= 9007199254740991n ? Number(value) : value
  }

  private simple(info: number): unknown {
    switch (info) {
      case 20:
        return false
      case 21:
        return true
      case 22:
      case 23:
        return null
      case 25:
        return half(this.view.getUint16(this.take(2)))
      case 26:
        return this.view.getFloat32(this.take(4))
      case 27:
        return this.view.getFloat64(this.take(8))
      default:
        return damaged()
    }
  }

  /** Adds a value to the innermost container. */
  put(value: unknown): void {
    const frame = this.frames[this.frames.length - 1]
    if (frame === undefined) this.root = value
    else if (frame.items !== undefined) {
      frame.items.push(value)
      frame.left--
      divideLong(frame)
    } else if (frame.hasKey) {
      frame.map!.set(frame.key, value)
      frame.key = undefined
      frame.hasKey = false
      frame.left--
    } else {
      frame.key = value
      frame.hasKey = true
    }
  }

  /** Reads the many numbers that an array has one after the other; the number of them. */
  private numbers(frame: Frame, list: List): number {
    const { bytes, view } = this
    const items = Array.isArray(list) ? list : list.open()
    // Each of them has at most nine bytes.
    const room = frame.isDivided ? blockLength - items.length : every
    const most = Math.min(frame.left, every, room, Math.floor((bytes.length - this.at) / 9))
    let { at } = this
    let count = 0
    for (; count < most; count++) {
      const head = bytes[at]!
      if (head < 0x18) items.push(head)
      else if (head === 0x18) items.push(bytes[++at])
      else if (head === 0x19) {
        items.push(bytes[at + 1]! << 8 | bytes[at + 2]!)
        at += 2
      } else if (head === 0x1a) {
        items.push((bytes[at + 1]! << 24 | bytes[at + 2]! << 16 | bytes[at + 3]! << 8 | bytes[at + 4]!) >>> 0)
        at += 4
      } else if (head === 0xfb) {
        items.push(view.getFloat64(at + 1))
        at += 8
      } else if (head === 0xf6) items.push(null)
      else break
      at++
    }
    this.at = at
    frame.left -= count
    divideLong(frame)
    return count
  }

  /** Reads some values; true when that was all. A long text is left to the caller. */
  run(): boolean {
    const { bytes, frames } = this
    for (let count = 0; count < every; count++) {
      const frame = frames[frames.length - 1]
      if (frame !== undefined && this.tags === 0) {
        if (frame.items !== undefined) count += this.numbers(frame, frame.items)
        if (frame.left === 0 || (frame.isOpen && !frame.hasKey && bytes[this.at] === 0xff)) {
          if (frame.isOpen) this.at++
          frames.pop()
          this.put(frame.items ?? frame.map)
          if (frames.length === 0) return true
          continue
        }
        if (count >= every) break
      }
      const depth = (frame === undefined ? 0 : frame.depth + 1) + this.tags
      if (depth > maxDepth) damaged()
      const head = this.view.getUint8(this.take(1))
      const [major, info] = [head >> 5, head & 31]
      if (major === 6) {
        this.argument(info)
        this.tags++
        continue
      }
      this.tags = 0
      if (major === 7) this.put(this.simple(info))
      else {
        const argument = this.argument(info)
        if (major === 0) this.put(argument)
        else if (major === 1) this.put(typeof argument === "bigint" ? -1n - argument : -1 - argument)
        else if (major < 4) {
          const start = this.take(Number(argument))
          const part = bytes.subarray(start, this.at)
          if (major === 2) this.put(part)
          else if (part.length > pieceBytes) {
            this.text = part
            return false
          } else this.put(this.decoder.decode(part))
        } else {
          const isOpen = info === 31
          const left = Number(argument)
          // Each item takes at least one byte.
          if (major === 4 && !isOpen && left > bytes.length - this.at) damaged()
          frames.push({
            items: major === 4 ? [] : undefined,
            map: major === 4 ? undefined : new Map<unknown, unknown>(),
            isOpen,
            isDivided: frames.length === 1,
            depth,
            left,
            key: undefined,
            hasKey: false
          })
          continue
        }
      }
      if (frames.length === 0) return true
    }
    return false
  }
}

const half = (bits: number): number => {
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1_023
  const size = exponent === 31
    ? fraction === 0 ? Infinity : NaN
    : exponent === 0
    ? fraction * 2 ** -24
    : (1 + fraction / 1_024) * 2 ** (exponent - 15)
  return (bits & 0x8000) === 0 ? size : -size
}

/**
 * The value of CBOR data: maps are Maps, integers beyond ±(2^53-1) bigints, byte strings Uint8Array, and long arrays in
 * the outermost map or array, as the values of a Series are, Blocks.
 */
export function* readCbor(bytes: Uint8Array): Generator<undefined, unknown> {
  const reader = new Reader(bytes)
  while (!reader.run()) {
    yield
    const long = reader.text
    if (long === undefined) continue
    let text = ""
    for (let at = 0; at < long.length; at += pieceBytes) {
      const part = long.subarray(at, at + pieceBytes)
      text += reader.decoder.decode(part, { stream: at + pieceBytes < long.length })
      yield
    }
    reader.text = undefined
    reader.put(text)
    if (reader.frames.length === 0) break
  }
  return reader.root
}
