/** CRC-32, of PNG, ZIP and xz. */
import { zlib } from "./node.ts"

let table: Uint32Array | undefined

const tableOf = (): Uint32Array =>
  Uint32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte
    for (let bit = 0; bit < 8; bit++) {
      remainder = (remainder & 1) === 1
        ? 0xedb88320 ^ (remainder >>> 1)
        : remainder >>> 1
    }
    return remainder
  })

const crc32Here = (bytes: Uint8Array, before = 0): number => {
  const known = table ??= tableOf()
  let remainder = before ^ 0xffffffff
  for (let at = 0; at < bytes.length; at++) remainder = known[(remainder ^ bytes[at]!) & 255]! ^ (remainder >>> 8)
  return (remainder ^ 0xffffffff) >>> 0
}

/** The checksum of bytes, after those of another. By zlib when it has crc32: from Node.js 22.2. */
export const crc32: (bytes: Uint8Array, before?: number) => number = zlib?.crc32 ?? crc32Here
