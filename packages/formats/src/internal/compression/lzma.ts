// Measured: bench/formats.bench.ts
/** Legacy `.lzma` files, which Python calls `FORMAT_ALONE`. */
import { decoderOf } from "./lzmaInWasm.ts"
import { damaged, type Decoder } from "./lzmaStream.ts"
import type { Output } from "./output.ts"

/**
 * Whether `bytes` are a legacy `.lzma` file (Python's `FORMAT_ALONE`). It has no magic number, so the properties, the
 * size of the dictionary and the size of the data must all be values that encoders write.
 */
export const isLzmaAlone = (bytes: Uint8Array): boolean => {
  if (bytes.length < 18 || bytes[0]! >= 225 || bytes[13] !== 0) return false
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const dictionary = view.getUint32(1, true)
  // Python's reader takes no more context than this, and neither do writers.
  if (bytes[0]! % 9 + Math.floor(bytes[0]! / 9) % 5 > 4) return false
  const isPowerOfTwo = (n: number) => n > 0 && (n & (n - 1)) === 0
  if (dictionary !== 0xffffffff && !isPowerOfTwo(dictionary) && !isPowerOfTwo(dictionary / 3 * 2)) return false
  return (view.getUint32(5, true) === 0xffffffff && view.getUint32(9, true) === 0xffffffff) ||
    view.getUint32(9, true) < 64
}

/** Decompresses a legacy `.lzma` file into `output`. Yields after each MiB. */
export function* unlzmaAlone(bytes: Uint8Array, output: Output): Generator<void, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  // The SDK allocates 4 KiB even for a smaller dictionary.
  const decoder = decoderOf(output, Math.max(view.getUint32(1, true), 4_096))
  try {
    yield* readData(bytes, view, decoder, output)
  } finally {
    decoder.close()
  }
  return output.result()
}

function* readData(bytes: Uint8Array, view: DataView, decoder: Decoder, output: Output): Generator<void, void> {
  decoder.setProperties(bytes[0]!)
  decoder.startRange(bytes, 13, bytes.length)
  const low = view.getUint32(5, true)
  const high = view.getUint32(9, true)
  const isSizeKnown = low !== 0xffffffff || high !== 0xffffffff
  const size = isSizeKnown ? high * 0x100000000 + low : Infinity
  while (output.length < size) {
    if (decoder.decode(Math.min(1 << 18, size - output.length), size - output.length > 1 << 18)) {
      if (isSizeKnown) damaged("it is shorter than it says")
      if (!decoder.isFinished) damaged("its end is not where it says")
      break
    }
    yield
  }
  // After a size that is known there is nothing, or an end marker.
  if (isSizeKnown && !decoder.isFinished) {
    if (!decoder.decode(1, true) || !decoder.isFinished) damaged("it is longer than it says")
  }
}
