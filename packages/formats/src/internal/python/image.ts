/** Converts Pillow images to their size, mode and PNG. */
import { type PyObject } from "@effect-prefect/pickle"
import { concatBytes } from "../bytes.ts"
import { crc32 } from "../checksum.ts"
import { zlib } from "../node.ts"

/** The PNG form of a Pillow mode: the colour type, bits per sample, samples per pixel. */
const modes: Readonly<Record<string, readonly [colour: number, bits: number, samples: number]>> = {
  "1": [0, 1, 1],
  L: [0, 8, 1],
  P: [3, 8, 1],
  LA: [4, 8, 2],
  RGB: [2, 8, 3],
  RGBA: [6, 8, 4],
  "I;16": [0, 16, 1],
  "I;16L": [0, 16, 1],
  "I;16B": [0, 16, 1]
}

const chunk = (type: string, content: Uint8Array): Uint8Array => {
  const out = new Uint8Array(12 + content.length)
  const view = new DataView(out.buffer)
  view.setUint32(0, content.length)
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i)
  out.set(content, 8)
  const tagged = out.subarray(4, 8 + content.length)
  view.setUint32(8 + content.length, crc32(tagged))
  return out
}

/** A larger image is stored uncompressed, because compression would take long. */
const maxCompressed = 0x100000

/** The longest block of DEFLATE that is stored as it is. */
const maxStored = 0xffff

/** A zlib stream (RFC 1950) of stored blocks (RFC 1951, 3.2.4). */
const uncompressed = (bytes: Uint8Array): Uint8Array => {
  const parts: Array<Uint8Array> = [Uint8Array.of(0x78, 0x01)]
  let [low, high] = [1, 0]
  for (let at = 0; at < bytes.length || at === 0; at += maxStored) {
    const block = bytes.subarray(at, at + maxStored)
    const { length } = block
    const isLast = at + maxStored >= bytes.length
    parts.push(Uint8Array.of(isLast ? 1 : 0, length, length >> 8, ~length, ~length >> 8), block)
    for (const byte of block) {
      low = (low + byte) % 65521
      high = (high + low) % 65521
    }
  }
  parts.push(Uint8Array.of(high >> 8, high, low >> 8, low))
  return concatBytes(parts)
}

const png = (
  width: number,
  height: number,
  [colour, bits, samples]: readonly [number, number, number],
  pixels: Uint8Array,
  palette: Uint8Array | null
): Uint8Array => {
  const header = new Uint8Array(13)
  const view = new DataView(header.buffer)
  view.setUint32(0, width)
  view.setUint32(4, height)
  header.set([bits, colour, 0, 0, 0], 8)
  const row = Math.ceil(width * bits * samples / 8)
  const lines = new Uint8Array((row + 1) * height)
  for (let y = 0; y < height; y++) lines.set(pixels.subarray(y * row, (y + 1) * row), y * (row + 1) + 1)
  const data = zlib === undefined
    ? uncompressed(lines)
    : zlib.deflateSync(lines, { level: lines.length > maxCompressed ? 0 : 6 })
  return concatBytes([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    ...(palette === null ? [] : [chunk("PLTE", palette)]),
    chunk("IDAT", data),
    chunk("IEND", new Uint8Array(0))
  ])
}

const swapped = (pixels: Uint8Array): Uint8Array => {
  const out = pixels.slice()
  for (let i = 0; i + 1 < out.length; i += 2) [out[i], out[i + 1]] = [out[i + 1]!, out[i]!]
  return out
}

const isSize = (value: unknown): value is readonly [number, number] =>
  Array.isArray(value) && value.length === 2 &&
  value.every((n) => Number.isSafeInteger(n) && (n as number) >= 0 && (n as number) < 0x80000000)

/**
 * A Pillow image as `{ mode, size, png }`, or with the raw `data` for a mode that PNG does not have; `undefined` for a
 * state that is not an image.
 */
export const pillowImage = (object: PyObject): Record<string, unknown> | undefined => {
  const { state } = object
  if (!Array.isArray(state) || state.length < 5) return undefined
  const [, mode, size, colours, data] = state as ReadonlyArray<unknown>
  if (typeof mode !== "string" || !isSize(size) || !(data instanceof Uint8Array)) return undefined
  const [width, height] = size
  const known = Object.hasOwn(modes, mode) ? modes[mode]! : undefined
  const isWhole = known !== undefined && width > 0 && height > 0 &&
    data.length === Math.ceil(width * known[1] * known[2] / 8) * height
  const palette = mode === "P" && Array.isArray(colours) && colours.length % 3 === 0 && colours.length <= 768 &&
      colours.length > 0
    ? Uint8Array.from(colours as ReadonlyArray<number>)
    : null
  if (!isWhole || (mode === "P" && palette === null)) return { mode, size, data }
  const pixels = mode === "I;16" || mode === "I;16L" ? swapped(data) : data
  return { mode, size, png: png(width, height, known, pixels, palette) }
}
