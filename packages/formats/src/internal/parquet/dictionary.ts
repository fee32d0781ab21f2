/** The dictionaries of a Parquet file: how large the values are that rows may repeat. */
import { FormatError } from "../../FormatError.ts"
import { unlz4Block } from "../compression/lz4.ts"
import { unsnappy } from "../compression/snappy.ts"
import { zlib } from "../node.ts"
import { Refusal } from "../refusal.ts"
import { type Chunk, type Dictionary, dictionaryOf } from "./footer.ts"

/** Smaller dictionaries need not be read: a batch of the most rows has room for their largest value. */
const smallDictionary = 2_048

/** Larger ones take too long. Writers end a dictionary at one megabyte or two. */
const largeDictionary = 0x400000

/** The factor by which a column is believed to grow from its bytes in the file, because its counts may be wrong. */
const maxGrowth = 16

/** The bytes of dictionaries that are read of a file, besides as many times its own as they may grow. */
const freeBytes = 0x4000000

/** How much of dictionaries is still read: columns may have the same bytes as theirs. */
export interface DictionaryBudget {
  bytes: number
}

export const dictionaryBudgetOf = (fileBytes: number): DictionaryBudget => ({
  bytes: freeBytes + maxGrowth * fileBytes
})

/** The decompressed content, by the CompressionCodec of parquet.thrift; undefined for one that is not known here. */
const contentOf = ({ bytes, codec, size }: Dictionary): Uint8Array | undefined => {
  switch (codec) {
    case 0:
      return bytes
    case 1:
      return unsnappy(bytes, size)
    case 2:
      return zlib?.gunzipSync(bytes, { maxOutputLength: size })
    case 4:
      return zlib?.brotliDecompressSync(bytes, { maxOutputLength: size })
    case 6:
      return zlib?.zstdDecompressSync?.(bytes, { maxOutputLength: size })
    case 7: {
      const out = new Uint8Array(size)
      return unlz4Block(bytes, out, 0) === size ? out : undefined
    }
    default:
      return undefined
  }
}

/** The sizes of values in bytes. */
export interface Sizes {
  /** That of the largest, or a size that none of them exceeds; 0 when rows repeat none. */
  readonly largest: number
  /** On average; 0 when it is not known. */
  readonly mean: number
}

/** The sizes of some values, each of which follows its length in four bytes; undefined when that is not what they are. */
const sizesOf = (content: Uint8Array): Sizes | undefined => {
  const view = new DataView(content.buffer, content.byteOffset, content.length)
  let largest = 0
  let count = 0
  let at = 0
  while (at + 4 <= content.length) {
    const length = view.getUint32(at, true)
    largest = Math.max(largest, length)
    at += 4 + length
    count++
  }
  return at === content.length && count > 0 ? { largest, mean: content.length / count - 4 } : undefined
}

/**
 * The sizes of the values in the dictionary that a column begins with. `bytes` are those of the file from an offset on.
 */
export const dictionarySizes = (
  chunk: Chunk,
  bytes: Uint8Array,
  budget: DictionaryBudget,
  offset = 0
): Sizes => {
  const dictionary = dictionaryOf(chunk, bytes, offset)
  if (dictionary === undefined) return { largest: 0, mean: 0 }
  const { size } = dictionary
  const { valueSize } = chunk
  if (valueSize !== undefined) return { largest: valueSize, mean: valueSize }
  const unknown = { largest: size, mean: 0 }
  if (size <= smallDictionary || size > largeDictionary || dictionary.bytes.length > largeDictionary) return unknown
  if ((budget.bytes -= size + dictionary.bytes.length) < 0) return unknown
  try {
    const content = contentOf(dictionary)
    return content?.length === size ? sizesOf(content) ?? unknown : unknown
  } catch (error) {
    // The reader tells what is wrong with it.
    if (error instanceof Refusal || error instanceof FormatError || isOfZlib(error)) return unknown
    throw error
  }
}

/** The bytes of values in memory, by their type in parquet.thrift: INT32, INT64, INT96, FLOAT and DOUBLE. */
const widths: Readonly<Record<number, number>> = { 1: 4, 2: 8, 3: 8, 4: 4, 5: 8 }
/** Where a text begins. */
const placeSize = 4

/** The memory that the values of a column are expected to take, in bytes: what rows repeat is in the file only once. */
export const expectedMemory = ({ cost, numValues, type, valueSize }: Chunk, { mean }: Sizes): number => {
  const size = widths[type] ?? valueSize ?? (mean === 0 ? 0 : mean + placeSize)
  return Math.min(Math.max(cost, numValues * size), maxGrowth * cost)
}

const isOfZlib = (error: unknown): boolean => error instanceof Error && "code" in error
