/** The checksums that object stores provide, computed over complete bytes. */
import { createHash } from "node:crypto"
import { crc32 } from "node:zlib"

/** A checksum in the stores' form: base64, with numbers in big endian order. */
export interface Checksum {
  readonly algorithm: "crc32" | "crc32c" | "crc64nvme" | "sha1" | "sha256" | "md5"
  readonly base64: string
}

const tableOf = (polynomial: number): Uint32Array =>
  Uint32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte
    for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ polynomial : remainder >>> 1
    return remainder >>> 0
  })

let castagnoli: Uint32Array | undefined

/** CRC-32C (Castagnoli), RFC 3720 appendix B.4. */
const crc32c = (bytes: Uint8Array): number => {
  const table = castagnoli ??= tableOf(0x82f63b78)
  let crc = 0xffffffff
  for (let index = 0; index < bytes.length; index++) crc = (crc >>> 8) ^ table[(crc ^ bytes[index]!) & 255]!
  return (crc ^ 0xffffffff) >>> 0
}

let nvme: { readonly high: Uint32Array; readonly low: Uint32Array } | undefined

const nvmeTables = () => {
  const high = new Uint32Array(256)
  const low = new Uint32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let remainder = BigInt(byte)
    for (let bit = 0; bit < 8; bit++) {
      remainder = remainder & 1n ? (remainder >> 1n) ^ 0x9a6c9329ac4bc9b5n : remainder >> 1n
    }
    high[byte] = Number(remainder >> 32n)
    low[byte] = Number(remainder & 0xffffffffn)
  }
  return { high, low }
}

/** CRC-64/NVME (NVM Express NVM Command Set 1.0, 5.2.1.3.4), in two halves: one BigInt per byte would be far slower. */
const crc64nvme = (bytes: Uint8Array): Buffer => {
  const { high, low } = nvme ??= nvmeTables()
  let h = 0xffffffff
  let l = 0xffffffff
  for (let index = 0; index < bytes.length; index++) {
    const at = (l ^ bytes[index]!) & 255
    l = ((l >>> 8) | (h << 24)) ^ low[at]!
    h = (h >>> 8) ^ high[at]!
  }
  const sum = Buffer.alloc(8)
  sum.writeUInt32BE(~h >>> 0, 0)
  sum.writeUInt32BE(~l >>> 0, 4)
  return sum
}

const bigEndian = (value: number): Buffer => {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(value)
  return sum
}

/** The checksum of `bytes`, in base64. */
export const compute = (algorithm: Checksum["algorithm"], bytes: Uint8Array): string => {
  switch (algorithm) {
    case "crc32":
      return bigEndian(crc32(bytes)).toString("base64")
    case "crc32c":
      return bigEndian(crc32c(bytes)).toString("base64")
    case "crc64nvme":
      return crc64nvme(bytes).toString("base64")
    default:
      return createHash(algorithm).update(bytes).digest("base64")
  }
}

/** Whether the bytes have the checksum. */
export const matches = (checksum: Checksum, bytes: Uint8Array): boolean =>
  compute(checksum.algorithm, bytes) === checksum.base64
