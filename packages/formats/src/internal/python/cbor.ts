/** The subset of CBOR (RFC 8949) in which polars before 0.20 pickles a Series. */
import { refuse } from "../refusal.ts"

const maxDepth = 200

const damaged = (): never => refuse("a polars Series in it is damaged")

/** The value of CBOR data: maps are Maps, integers beyond ±(2^53-1) bigints, byte strings Uint8Array. */
export const readCbor = (bytes: Uint8Array): unknown => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  let at = 0
  const take = (size: number): number => {
    const start = at
    if (!(size >= 0 && start + size <= bytes.length)) damaged()
    at = start + size
    return start
  }
  const argument = (info: number): number | bigint => {
    if (info < 24) return info
    if (info === 24) return view.getUint8(take(1))
    if (info === 25) return view.getUint16(take(2))
    if (info === 26) return view.getUint32(take(4))
    if (info !== 27) return damaged()
    const value = view.getBigUint64(take(8))
    return value <= 9007199254740991n ? Number(value) : value
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
  const read = (depth: number): unknown => {
    if (depth > maxDepth) damaged()
    const head = view.getUint8(take(1))
    const [major, info] = [head >> 5, head & 31]
    if (major === 7) {
      switch (info) {
        case 20:
          return false
        case 21:
          return true
        case 22:
        case 23:
          return null
        case 25:
          return half(view.getUint16(take(2)))
        case 26:
          return view.getFloat32(take(4))
        case 27:
          return view.getFloat64(take(8))
        default:
          return damaged()
      }
    }
    const isOpen = info === 31
    const count = isOpen ? Infinity : argument(info)
    switch (major) {
      case 0:
        return count
      case 1:
        return typeof count === "bigint" ? -1n - count : -1 - count
      case 2:
      case 3: {
        const start = take(Number(count))
        const part = bytes.subarray(start, at)
        return major === 2 ? part : decoder.decode(part)
      }
      case 4: {
        const out: Array<unknown> = []
        // Each item takes at least one byte.
        if (!isOpen && Number(count) > bytes.length - at) damaged()
        for (let i = 0; i < count; i++) {
          if (isOpen && bytes[at] === 0xff) {
            at++
            break
          }
          out.push(read(depth + 1))
        }
        return out
      }
      case 5: {
        const out = new Map<unknown, unknown>()
        for (let i = 0; i < count; i++) {
          if (isOpen && bytes[at] === 0xff) {
            at++
            break
          }
          const key = read(depth + 1)
          out.set(key, read(depth + 1))
        }
        return out
      }
      default:
        return read(depth + 1)
    }
  }
  return read(0)
}
