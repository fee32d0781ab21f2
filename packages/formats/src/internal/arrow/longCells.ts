/** Makes the buffers of a column that has long texts or bytes, in steps: flechette would encode each in one call. */
import { concatSteps, utf8Pieces } from "../bytes.ts"
import type { Steps } from "../steps.ts"
import type { Buffers } from "./write.ts"

/** Cells, and pieces of a text, between two steps. */
const cellsAtOnce = 2_048
const piecesAtOnce = 16

/** The buffers of texts or bytes that may be missing. `grew` is called with the length of the values so far. */
export function* longBuffers(cells: ReadonlyArray<unknown>, grew: (length: number) => void): Steps<Buffers> {
  const offsets = new Int32Array(cells.length + 1)
  const validity = new Uint8Array(Math.ceil(cells.length / 8))
  const pieces: Array<Uint8Array> = []
  let nullCount = 0
  let length = 0
  for (let at = 0; at < cells.length; at++) {
    const cell = cells[at]
    if (cell === null) nullCount++
    else {
      validity[at >> 3]! |= 1 << (at & 7)
      for (const piece of typeof cell === "string" ? utf8Pieces(cell) : [cell as Uint8Array]) {
        length += piece.length
        grew(length)
        if (pieces.push(piece) % piecesAtOnce === 0) yield
      }
    }
    offsets[at + 1] = length
    if (at % cellsAtOnce === cellsAtOnce - 1) yield
  }
  const values = yield* concatSteps(pieces)
  return { length: cells.length, nullCount, buffers: [nullCount === 0 ? new Uint8Array(0) : validity, offsets, values] }
}
