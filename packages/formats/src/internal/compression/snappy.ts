/** Snappy: one block, as in the pages of Parquet. */
import { refuse } from "../refusal.ts"

const damaged = (what: string): never => refuse(`Snappy data is damaged: ${what}`)

/** Decompresses a block into `length` bytes. */
export const unsnappy = (input: Uint8Array, length: number): Uint8Array => {
  const out = new Uint8Array(length)
  let p = 0
  let announced = 0
  for (let shift = 0;; shift += 7) {
    const byte = input[p++] ?? damaged("it ends early")
    announced += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
    if (shift === 28) damaged("it has no length")
  }
  if (announced !== length) damaged("it has another length than expected")
  let o = 0
  while (p < input.length) {
    const tag = input[p++]!
    const kind = tag & 3
    if (kind === 0) {
      let size = tag >> 2
      if (size >= 60) {
        const width = size - 59
        size = 0
        for (let i = 0; i < width; i++) size += (input[p + i] ?? damaged("it ends early")) * 2 ** (8 * i)
        p += width
      }
      size++
      if (p + size > input.length) damaged("it ends early")
      if (o + size > length) damaged("it is longer than it says")
      for (const end = p + size; p < end;) out[o++] = input[p++]!
      continue
    }
    const width = kind === 1 ? 1 : kind === 2 ? 2 : 4
    if (p + width > input.length) damaged("it ends early")
    let distance = kind === 1 ? (tag >> 5) << 8 : 0
    for (let i = 0; i < width; i++) distance += input[p + i]! * 2 ** (8 * i)
    p += width
    const end = o + (kind === 1 ? 4 + ((tag >> 2) & 7) : 1 + (tag >> 2))
    if (distance === 0 || distance > o) damaged("a copy goes back too far")
    if (end > length) damaged("it is longer than it says")
    for (let from = o - distance; o < end;) out[o++] = out[from++]!
  }
  return o === length ? out : damaged("it is shorter than it says")
}
