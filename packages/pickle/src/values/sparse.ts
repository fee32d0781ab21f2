/**
 * SciPy's sparse matrices and arrays.
 *
 * @since 0.1.0
 */
import { exceeded, fail } from "../errors.ts"
import { equalityKey } from "./equality.ts"
import { numberOf } from "./integers.ts"
import { type Inspect, inspected, projected } from "./json.ts"
import { NdArray, NpScalar } from "./ndarray.ts"

const listOf = (value: unknown): ReadonlyArray<unknown> =>
  value instanceof NdArray ? value.items() : Array.isArray(value) ? value : []

const scalar = (value: unknown): unknown => value instanceof NpScalar ? value.value : value

const positionsOf = (value: unknown): ReadonlyArray<number> =>
  listOf(value).map((position) => numberOf(scalar(position)))

/**
 * A sparse matrix or array of SciPy, in its stored format.
 *
 * **Details**
 *
 * `parts` has `data` and the positions of its values: `indices` and `indptr` (csr, csc, bsr), `row` and `col` or
 * `coords` (coo, dok), `offsets` (dia), `rows` (lil).
 *
 * @category numpy
 * @since 0.1.0
 */
export class SparseMatrix {
  /** `scipy.sparse._csr.csr_matrix` and the like. */
  readonly className: string
  /** `csr`, `csc`, `bsr`, `coo`, `dia`, `lil` or `dok`. */
  readonly format: string
  readonly shape: ReadonlyArray<number>
  readonly parts: ReadonlyMap<string, unknown>
  constructor(
    className: string,
    format: string,
    shape: ReadonlyArray<number>,
    parts: ReadonlyMap<string, unknown>
  ) {
    this.className = className
    this.format = format
    this.shape = shape
    this.parts = parts
  }
  /**
   * All values by row, including zeros; values at the same position are added.
   *
   * @throws PickleError of reason LimitExceeded when there are more than `maxItems` (default 2^24)
   */
  toDense(maxItems = 0x1000000): ReadonlyArray<ReadonlyArray<unknown>> {
    const [rows, columns] = this.shape.length === 1 ? [1, this.shape[0]!] : [this.shape[0] ?? 0, this.shape[1] ?? 0]
    if (this.shape.length > 2 || !(rows * columns <= maxItems && rows <= maxItems)) {
      exceeded("maxItems", "a sparse matrix that is too large to write out", maxItems)
    }
    const out = Array.from({ length: rows }, () => Array.from({ length: columns }, (): unknown => 0))
    for (const [row, column, value] of this.#entries()) {
      const line = out[row]
      if (line === undefined || !(column >= 0 && column < columns)) {
        return fail("BadValue", "a sparse matrix with a value outside of it", "places within its shape")
      }
      const before = line[column]
      line[column] = typeof before === "number" && typeof value === "number" ? before + value : value
    }
    return out
  }
  *#entries(): IterableIterator<readonly [row: number, column: number, value: unknown]> {
    const { format, parts } = this
    const stored = parts.get("data")
    if (format === "lil") {
      const rows = listOf(parts.get("rows"))
      for (const [row, values] of listOf(stored).entries()) {
        const places = positionsOf(rows[row])
        for (const [i, value] of listOf(values).entries()) yield [row, places[i] ?? -1, scalar(value)]
      }
      return
    }
    if (format === "dia") {
      const data = stored instanceof NdArray ? stored : null
      for (const [i, offset] of positionsOf(parts.get("offsets")).entries()) {
        for (
          let column = Math.max(0, offset);
          column < Math.min(this.shape[1] ?? 0, (this.shape[0] ?? 0) + offset);
          column++
        ) {
          const value = data?.get(i, column)
          if (value !== undefined) yield [column - offset, column, value]
        }
      }
      return
    }
    const [, height = 1, width = 1] = format === "bsr" && stored instanceof NdArray ? stored.shape : []
    const data = listOf(stored)
    if (format === "coo" || format === "dok") {
      const coords = listOf(parts.get("coords"))
      const row = coords.length === 1 ? [] : positionsOf(parts.get("row") ?? coords[0])
      const column = positionsOf(parts.get("col") ?? coords[coords.length - 1])
      for (const [i, value] of data.entries()) yield [row[i] ?? 0, column[i] ?? -1, scalar(value)]
      return
    }
    const starts = positionsOf(parts.get("indptr"))
    const places = positionsOf(parts.get("indices"))
    for (let major = 0; major + 1 < starts.length; major++) {
      for (let i = starts[major]!; i < Math.min(starts[major + 1]!, places.length); i++) {
        const minor = places[i]!
        if (format === "bsr") {
          for (let j = 0; j < height * width; j++) {
            const value = scalar(data[i * height * width + j])
            yield [major * height + Math.floor(j / width), minor * width + (j % width), value]
          }
        } else yield format === "csc" ? [minor, major, scalar(data[i])] : [major, minor, scalar(data[i])]
      }
    }
  }
  toString(): string {
    return `SparseMatrix(${this.format}, ${this.shape.join("x")})`
  }
  toJSON(): unknown {
    return projected(this)
  }
  [Symbol.for("nodejs.util.inspect.custom")](depth: number, options: object, inspect?: Inspect): string {
    return inspected(this.toString(), Object.fromEntries(this.parts), depth, options, inspect)
  }
  [equalityKey](): unknown {
    return fail("Unhashable", "a sparse matrix as a key", "a hashable key")
  }
}
