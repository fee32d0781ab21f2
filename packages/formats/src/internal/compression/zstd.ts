/**
 * The frames of zstd data. Node's zlib decompresses a frame, and ignores what follows it; zstd itself, Python and Arrow
 * read all frames.
 */
import { refuse } from "../refusal.ts"

const frameMagic = 0xfd2fb528

/** Frames to skip have sixteen magic numbers. */
const isSkipped = (magic: number): boolean => magic >>> 4 === 0x184d2a5

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** The most skippable frames before the first frame with content: `pzstd` writes one. */
const mostSkipped = 1_000

/** Where the first frame with content begins, if the bytes are zstd data. */
export const zstdStart = (bytes: Uint8Array): number | undefined => {
  // Most bytes are not, and need no view.
  if (bytes[2] !== 0x2f && bytes[2] !== 0x4d) return undefined
  const view = viewOf(bytes)
  let at = 0
  for (let skipped = 0; at + 4 < bytes.length && skipped <= mostSkipped; skipped++) {
    const magic = view.getUint32(at, true)
    if (magic === frameMagic) return at
    if (!isSkipped(magic) || at + 8 > bytes.length) return undefined
    at += 8 + view.getUint32(at + 4, true)
  }
  return undefined
}

const hasNoWindow = (descriptor: number): boolean => (descriptor & 0x20) !== 0
const sizeWidth = (descriptor: number): number =>
  descriptor >> 6 === 0 ? hasNoWindow(descriptor) ? 1 : 0 : 1 << (descriptor >> 6)
const sizeOffset = (descriptor: number): number => 5 + (hasNoWindow(descriptor) ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!

/** The size in the header of the first frame, which need not have one. */
export const sizeInZstd = (bytes: Uint8Array): number | undefined => {
  const start = zstdStart(bytes)
  if (start === undefined) return undefined
  const descriptor = bytes[start + 4]!
  const width = sizeWidth(descriptor)
  const at = start + sizeOffset(descriptor)
  if (width === 0 || at + width > bytes.length) return undefined
  let size = width === 2 ? 256 : 0
  for (let i = 0; i < width; i++) size += bytes[at + i]! * 2 ** (8 * i)
  return size
}

/** The checksum of no content, and the largest window that zlib accepts. */
const checksumOfNothing = 0x51d8e999
const largestWindow = 0x88

/** Whether a frame from `at` to `end` is one of no content, as encoders write it. */
const isEmptyFrame = (view: DataView, at: number, end: number): boolean => {
  const descriptor = view.getUint8(at + 4)
  const hasChecksum = (descriptor & 4) !== 0
  return (descriptor & ~0x24) === 0 && end - at === (hasChecksum ? 13 : 9) && end <= view.byteLength &&
    view.getUint8(at + 5) <= (hasNoWindow(descriptor) ? 0 : largestWindow) &&
    view.getUint16(at + 6, true) === 1 && view.getUint8(at + 8) === 0 &&
    (!hasChecksum || view.getUint32(at + 9, true) === checksumOfNothing)
}

const damaged = (what: string): never => refuse(`the zstd stream is damaged: ${what}`)

/** Frames and blocks that are scanned between two steps. */
const stepsAtOnce = 1 << 16

/**
 * The frames of zstd data, without those to skip and, after the first one, empty ones: zlib would take longer for them
 * than for their bytes. Of a truncated frame, the existing part is returned. Yields `undefined` to let others run.
 */
export function* zstdFrames(bytes: Uint8Array): Generator<Uint8Array | undefined, void> {
  const view = viewOf(bytes)
  let steps = 0
  let isFirst = true
  for (let at = 0; at < bytes.length;) {
    if (++steps % stepsAtOnce === 0) yield undefined
    const magic = at + 4 <= bytes.length ? view.getUint32(at, true) : 0
    if (isSkipped(magic)) {
      if (at + 8 > bytes.length) damaged("it ends early")
      at += 8 + view.getUint32(at + 4, true)
      if (at > bytes.length) damaged("it ends early")
      continue
    }
    if (magic !== frameMagic) damaged(isFirst ? "it does not start as a frame" : "bytes that are no frame follow it")
    const start = at
    const descriptor = bytes[at + 4] ?? 0
    at += sizeOffset(descriptor) + sizeWidth(descriptor)
    for (let isLast = false; !isLast;) {
      if (++steps % stepsAtOnce === 0) yield undefined
      if (at + 3 > bytes.length) {
        at = bytes.length
        break
      }
      const head = bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16
      isLast = (head & 1) !== 0
      // A block that repeats one byte has only that.
      at += 3 + ((head >> 1 & 3) === 1 ? 1 : head >> 3)
      if (isLast && (descriptor & 4) !== 0) at += 4
    }
    if (isFirst || !isEmptyFrame(view, start, at)) yield bytes.subarray(start, at)
    isFirst = false
  }
  if (isFirst) damaged("it has no frame")
}
