/**
 * The filters that may stand before LZMA2 in an xz block: delta, and those that turn the absolute addresses of branches in
 * machine code back into relative ones. Section 5.3 of the xz file format names them.
 *
 * A filter works on all bytes of a block in place and yields regularly.
 */
import { refuse } from "../refusal.ts"

/** Undoes a filter. */
export type Filter = (bytes: Uint8Array) => Generator<void, void>

/** Bytes between two yields. */
const turn = 1 << 20

/** A filter that looks at each place of a multiple of `step`, where `width` bytes must be there. */
const everyStep = (
  step: number,
  width: number,
  undo: (bytes: Uint8Array, view: DataView, at: number) => number
): Filter =>
  function*(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let next = turn
    for (let at = 0; at + width <= bytes.length; at += step) {
      at += undo(bytes, view, at)
      if (at < next) continue
      next = at + turn
      yield
    }
  }

const delta = (distance: number): Filter =>
  function*(bytes) {
    for (let start = distance; start < bytes.length; start += turn) {
      const end = Math.min(start + turn, bytes.length)
      for (let at = start; at < end; at++) bytes[at]! += bytes[at - distance]!
      yield
    }
  }

const arm = (offset: number) =>
  everyStep(4, 4, (bytes, view, at) => {
    // BL, always executed: 24 bits of words, from two instructions on.
    if (bytes[at + 3] !== 0xeb) return 0
    const target = (view.getUint32(at, true) & 0xffffff) << 2
    view.setUint32(at, (((target - (offset + at + 8)) >>> 2) & 0xffffff) | 0xeb000000, true)
    return 0
  })

const armThumb = (offset: number) =>
  everyStep(2, 4, (_, view, at) => {
    // The two halves of a BL, of 11 bits each.
    const [high, low] = [view.getUint16(at, true), view.getUint16(at + 2, true)]
    if ((high & 0xf800) !== 0xf000 || (low & 0xf800) !== 0xf800) return 0
    const target = (((high & 0x7ff) << 11) | (low & 0x7ff)) << 1
    const relative = (target - (offset + at + 4)) >>> 1
    view.setUint16(at, 0xf000 | ((relative >>> 11) & 0x7ff), true)
    view.setUint16(at + 2, 0xf800 | (relative & 0x7ff), true)
    return 2
  })

const arm64 = (offset: number) =>
  everyStep(4, 4, (_, view, at) => {
    const instruction = view.getUint32(at, true)
    if (instruction >>> 26 === 0x25) {
      // BL: 26 bits of words.
      view.setUint32(at, 0x94000000 | ((instruction - ((offset + at) >>> 2)) & 0x3ffffff), true)
    } else if (((instruction & 0x9f000000) >>> 0) === 0x90000000) {
      // ADRP: pages of 4 KiB, up to 512 MiB away.
      const target = ((instruction >>> 29) & 3) | ((instruction >>> 3) & 0x1ffffc)
      if (((target + 0x20000) & 0x1c0000) !== 0) return 0
      const relative = target - ((offset + at) >>> 12)
      view.setUint32(
        at,
        (instruction & 0x9000001f) | ((relative & 3) << 29) | ((relative & 0x3fffc) << 3) |
          (-(relative & 0x20000) & 0xe00000),
        true
      )
    }
    return 0
  })

const powerPc = (offset: number) =>
  everyStep(4, 4, (_, view, at) => {
    // BL with a relative address: 24 bits of words.
    const instruction = view.getUint32(at)
    if (instruction >>> 26 !== 0x12 || (instruction & 3) !== 1) return 0
    view.setUint32(at, 0x48000000 | (((instruction & 0x3fffffc) - (offset + at)) & 0x3fffffc) | 1)
    return 0
  })

const sparc = (offset: number) =>
  everyStep(4, 4, (_, view, at) => {
    // CALL whose 30 bits of words are 22 and their sign.
    const instruction = view.getUint32(at)
    const top = instruction >>> 22
    if (top !== 0x100 && top !== 0x1ff) return 0
    const relative = ((instruction << 2) - (offset + at)) >>> 2
    const sign = ((relative >>> 22) & 1) === 0 ? 0 : 0x3fc00000
    view.setUint32(at, 0x40000000 | sign | (relative & 0x3fffff))
    return 0
  })

/** Which of the three slots of an IA-64 bundle are branches, by its template. */
const branchSlots = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 6, 6, 0, 0, 7, 7, 4, 4, 0, 0, 4, 4, 0, 0]

const ia64 = (offset: number) =>
  everyStep(16, 16, (bytes, view, at) => {
    const slots = branchSlots[bytes[at]! & 0x1f]!
    for (let slot = 0; slot < 3; slot++) {
      if ((slots >> slot & 1) === 0) continue
      // An instruction of 41 bits, in six bytes with what is before and after it.
      const bit = 5 + 41 * slot
      const from = at + (bit >> 3)
      const shift = BigInt(bit & 7)
      const word = BigInt(view.getUint32(from, true)) | (BigInt(view.getUint16(from + 4, true)) << 32n)
      const instruction = word >> shift
      if (((instruction >> 37n) & 0xfn) !== 5n || ((instruction >> 9n) & 7n) !== 0n) continue
      const target = Number((instruction >> 13n) & 0xfffffn) | (Number((instruction >> 36n) & 1n) << 20)
      const relative = BigInt(((target << 4) - (offset + at)) >>> 4)
      const changed = (instruction & ~(0x8fffffn << 13n)) | ((relative & 0xfffffn) << 13n) |
        ((relative & 0x100000n) << 16n)
      const out = (word & ((1n << shift) - 1n)) | (changed << shift)
      view.setUint32(from, Number(out & 0xffffffffn), true)
      view.setUint16(from + 4, Number((out >> 32n) & 0xffffn), true)
    }
    return 0
  })

const isTop = (byte: number): boolean => byte === 0 || byte === 0xff

/** Whether what came in the four bytes before allows a conversion, by three bits of the mask. */
const isAllowed = [true, true, true, false, true, false, false, false]
/** How many bytes of an address what came before has changed. */
const bytesChanged = [0, 1, 2, 2, 3, 3, 3, 3]

/** CALL and JMP of x86, whose addresses may begin anywhere: what looks like one in the bytes before decides. */
const x86 = (offset: number): Filter =>
  function*(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let mask = 0
    let last = -5
    let next = turn
    let at = 0
    while (at + 5 <= bytes.length) {
      if (at >= next) {
        next = at + turn
        yield
      }
      if ((bytes[at]! & 0xfe) !== 0xe8) {
        at++
        continue
      }
      const distance = at - last
      last = at
      mask = distance > 5 ? 0 : shifted(mask, distance)
      const top = bytes[at + 4]!
      if (!isTop(top) || !isAllowed[(mask >> 1) & 7] || mask >> 1 >= 0x10) {
        mask |= isTop(top) ? 0x11 : 1
        at++
        continue
      }
      let target = view.getUint32(at + 1, true)
      let relative: number
      for (;;) {
        relative = (target - (offset + at + 5)) >>> 0
        if (mask === 0) break
        const changed = bytesChanged[mask >> 1]! * 8
        if (!isTop((relative >>> (24 - changed)) & 0xff)) break
        target = (relative ^ (2 ** (32 - changed) - 1)) >>> 0
      }
      view.setUint32(at + 1, (relative & 0xffffff) | ((relative & 0x1000000) === 0 ? 0 : 0xff000000), true)
      at += 5
      mask = 0
    }
  }

const shifted = (mask: number, by: number): number => {
  let out = mask
  for (let i = 0; i < by; i++) out = (out & 0x77) << 1
  return out
}

/** Filters for machine code by their numbers, and the alignment of the offset that each may start from. */
const branches: Readonly<Record<number, { readonly make: (offset: number) => Filter; readonly alignment: number }>> = {
  4: { make: x86, alignment: 1 },
  5: { make: powerPc, alignment: 4 },
  6: { make: ia64, alignment: 16 },
  7: { make: arm, alignment: 4 },
  8: { make: armThumb, alignment: 2 },
  9: { make: sparc, alignment: 4 },
  10: { make: arm64, alignment: 4 }
}

/** The filter of a number with its properties, as a block header names it. */
export const filterOf = (id: number, properties: Uint8Array): Filter => {
  if (id === 3 && properties.length === 1) return delta(properties[0]! + 1)
  const branch = branches[id]
  if (branch === undefined || (properties.length !== 0 && properties.length !== 4)) {
    return refuse(
      `the xz stream uses the filter 0x${id.toString(16)}; LZMA2, delta and those for the machine code of x86, ARM, ` +
        "PowerPC, IA-64 and SPARC are read"
    )
  }
  const offset = properties.length === 0
    ? 0
    : new DataView(properties.buffer, properties.byteOffset, 4).getUint32(0, true)
  if (offset % branch.alignment !== 0) refuse("the xz stream is damaged: the offset of a filter is not aligned")
  return branch.make(offset)
}
