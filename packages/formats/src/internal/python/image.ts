/** Converts Pillow images to their size, mode and PNG. */
import type { PyObject } from "@effect-prefect/pickle"
import { concatSteps } from "../bytes.ts"
import { crc32 } from "../checksum.ts"
import { zlib } from "../node.ts"
import type { Steps } from "../steps.ts"

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

/** A smaller one is compressed at once. */
const fewBytes = 0x4000

/** The longest block of DEFLATE that is stored as it is. */
const maxStored = 0xffff

/** Bytes that are copied between two steps. */
const every = 0x40000

/** A zlib stream (RFC 1950) of stored blocks (RFC 1951, 3.2.4). */
function* uncompressed(bytes: Uint8Array): Steps<Uint8Array> {
  const blocks = Math.max(1, Math.ceil(bytes.length / maxStored))
  const out = new Uint8Array(2 + 5 * blocks + bytes.length + 4)
  out.set([0x78, 0x01])
  let [low, high, to] = [1, 0, 2]
  for (let at = 0; at < bytes.length || at === 0; at += maxStored) {
    const block = bytes.subarray(at, at + maxStored)
    const { length } = block
    const isLast = at + maxStored >= bytes.length
    out.set([isLast ? 1 : 0, length, length >> 8, ~length, ~length >> 8], to)
    out.set(block, to + 5)
    to += 5 + length
    for (let i = 0; i < length; i++) {
      low += block[i]!
      high += low
      // Before either is no integer of 32 bits.
      if ((i & 0x3ff) === 0x3ff) [low, high] = [low % 65521, high % 65521]
    }
    ;[low, high] = [low % 65521, high % 65521]
    yield
  }
  out.set([high >> 8, high, low >> 8, low], to)
  return out
}

/** The rows of an image, each after the byte of its filter, of samples of two bytes in the other order if `isSwapped`. */
function* linesOf(pixels: Uint8Array, row: number, height: number, isSwapped: boolean): Steps<Uint8Array> {
  const lines = new Uint8Array((row + 1) * height)
  const swap = isSwapped ? 1 : 0
  let [from, to, copied] = [0, 0, 0]
  for (let y = 0; y < height; y++) {
    to++
    copied++
    for (let at = 0; at < row; at += every) {
      const end = Math.min(row, at + every)
      if (row > 64 && !isSwapped) lines.set(pixels.subarray(from + at, from + end), to + at)
      else for (let i = at; i < end; i++) lines[to + i] = pixels[from + (i ^ swap)]!
      if ((copied += end - at) < every) continue
      copied = 0
      yield
    }
    from += row
    to += row
  }
  return lines
}

/** Compresses in a thread of zlib's. */
const deflate = (bytes: Uint8Array): Promise<Uint8Array> =>
  new Promise((resolve, reject) =>
    zlib!.deflate(bytes, { level: 6 }, (error, out) => error === null ? resolve(out) : reject(error))
  )

function* png(
  width: number,
  height: number,
  [colour, bits, samples]: readonly [number, number, number],
  pixels: Uint8Array,
  palette: Uint8Array | null,
  isSwapped: boolean
): Steps<Uint8Array> {
  const header = new Uint8Array(13)
  const view = new DataView(header.buffer)
  view.setUint32(0, width)
  view.setUint32(4, height)
  header.set([bits, colour, 0, 0, 0], 8)
  const row = Math.ceil(width * bits * samples / 8)
  const size = (row + 1) * height
  // Its rows, and what is made of them.
  yield 2 * size
  const lines = yield* linesOf(pixels, row, height, isSwapped)
  const data = zlib === undefined || size > maxCompressed
    ? yield* uncompressed(lines)
    : size <= fewBytes
    ? zlib.deflateSync(lines, { level: 6 })
    : (yield deflate(lines)) as Uint8Array
  const parts = [
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    ...(palette === null ? [] : [chunk("PLTE", palette)])
  ]
  const start = new Uint8Array(8)
  new DataView(start.buffer).setUint32(0, data.length)
  start.set([0x49, 0x44, 0x41, 0x54], 4)
  let checksum = crc32(start.subarray(4))
  parts.push(start)
  for (let at = 0; at < data.length; at += every) {
    const part = data.subarray(at, at + every)
    parts.push(part)
    checksum = crc32(part, checksum)
    yield
  }
  const end = new Uint8Array(4)
  new DataView(end.buffer).setUint32(0, checksum)
  parts.push(end, chunk("IEND", new Uint8Array(0)))
  return yield* concatSteps(parts)
}

const isSize = (value: unknown): value is readonly [number, number] =>
  Array.isArray(value) && value.length === 2 &&
  value.every((n) => Number.isSafeInteger(n) && (n as number) >= 0 && (n as number) < 0x80000000)

/** The images of states, to which any number of objects may refer. */
const made = new WeakMap<object, Record<string, unknown> | undefined>()

/**
 * The steps of a Pillow image as `{ mode, size, png }`, or with the raw `data` for a mode that PNG does not have; it is
 * `undefined` for a state that is not an image.
 */
export function* pillowImage({ state }: PyObject): Steps<Record<string, unknown> | undefined> {
  if (!Array.isArray(state) || state.length < 5) return undefined
  if (!made.has(state)) made.set(state, yield* imageOf(state))
  return made.get(state)
}

function* imageOf(state: ReadonlyArray<unknown>): Steps<Record<string, unknown> | undefined> {
  const [, mode, size, colours, data] = state
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
  return {
    mode,
    size,
    png: yield* png(width, height, known, data, palette, mode === "I;16" || mode === "I;16L")
  }
}
