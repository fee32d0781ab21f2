/**
 * LZMA: the range-coded Lempel–Ziv of the LZMA SDK's specification, inside the legacy `.lzma` container and the LZMA2
 * chunks of xz. What its decoders have in common.
 */
import { refuse } from "../refusal.ts"

export const damaged = (what: string): never => refuse(`the LZMA stream is damaged: ${what}`)

/** A decoder, whose state persists across the chunks of LZMA2. It writes to the output that it was made for. */
export interface Decoder {
  /** Forgets what was written: no later match may copy of it. */
  readonly resetDictionary: () => void
  /** Sets the properties byte, and resets the state. */
  readonly setProperties: (byte: number) => void
  readonly resetState: () => void
  /** Starts the range coder on the bytes from `start` to `end`. */
  readonly startRange: (bytes: Uint8Array, start: number, end: number) => void
  /** The position of the range coder. */
  readonly position: number
  /** Whether all coded data has been decoded. */
  readonly isFinished: boolean
  /** Decodes `count` more bytes, or up to one match more when `isStep`. Returns whether the end marker was found. */
  readonly decode: (count: number, isStep: boolean) => boolean
  /** Writes bytes that are not compressed. */
  readonly append: (bytes: Uint8Array) => void
  /** After the last call of the others. */
  readonly close: () => void
}

/** What a properties byte says (`(pb * 5 + lp) * 9 + lc`). */
export const propertiesOf = (byte: number): { readonly lc: number; readonly lp: number; readonly pb: number } => {
  const lc = byte % 9
  const rest = Math.floor(byte / 9)
  const lp = rest % 5
  // No writer takes more context than this, and neither do Python's readers.
  if (byte >= 225 || lc + lp > 4) damaged("its properties are out of range")
  return { lc, lp, pb: Math.floor(rest / 5) }
}

/** The first number of the range coder. */
export const startCode = (bytes: Uint8Array, start: number, end: number): number => {
  if (end - start < 5) damaged("it ends early")
  if (bytes[start] !== 0) damaged("it starts with the wrong byte")
  const code = (bytes[start + 1]! << 24) | (bytes[start + 2]! << 16) | (bytes[start + 3]! << 8) | bytes[start + 4]!
  // The code is always less than the range, which starts as all ones.
  return code === -1 ? damaged("it starts with the wrong bytes") : code
}
