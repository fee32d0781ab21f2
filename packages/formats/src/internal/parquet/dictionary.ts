/** The dictionaries of a Parquet file: how large the values are that rows may repeat. */
import { FormatError } from "../../FormatError.ts"
import { unlz4Block } from "../compression/lz4.ts"
import { unsnappy } from "../compression/snappy.ts"
import { zlib } from "../node.ts"
import { Refusal } from "../refusal.ts"
import { type Chunk, type Dictionary, dictionaryOf } from "./footer.ts"

/** Smaller dictionaries need not be looked into: a batch of the most rows has room for their largest value. */
const smallDictionary = 2_048

/** Larger ones take too long. Writers end a dictionary at one megabyte or two. */
const largeDictionary = 0x400000

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

/** The largest of some values, each of which follows its length in four bytes; undefined when that is not what they are. */
const largestOf = (content: Uint8Array): number | undefined => {
  const view = new DataView(content.buffer, content.byteOffset, content.length)
  let most = 0
  let at = 0
  while (at + 4 <= content.length) {
    const length = view.getUint32(at, true)
    most = Math.max(most, length)
    at += 4 + length
  }
  return at === content.length ? most : undefined
}

/**
 * The size of the largest value in the dictionary that a column begins with, or a size that none of them exceeds; 0 when it
 * has no dictionary. `bytes` are those of the file from an offset on.
 */
export const largestValue = (chunk: Chunk, bytes: Uint8Array, offset = 0): number => {
  const dictionary = dictionaryOf(chunk, bytes, offset)
  if (dictionary === undefined) return 0
  const { size } = dictionary
  if (chunk.valueSize !== undefined) return chunk.valueSize
  if (size <= smallDictionary || size > largeDictionary) return size
  try {
    const content = contentOf(dictionary)
    return content?.length === size ? largestOf(content) ?? size : size
  } catch (error) {
    // The reader tells what is wrong with it.
    if (error instanceof Refusal || error instanceof FormatError || isOfZlib(error)) return size
    throw error
  }
}

const isOfZlib = (error: unknown): boolean => error instanceof Error && "code" in error
