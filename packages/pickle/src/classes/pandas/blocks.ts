/**
 * DataFrames and Series of pandas, from the block managers of 0.25 to 3.
 *
 * @since 0.1.0
 */
import { type Context, type Create, inert } from "../../context.ts"
import { exceeded, fail } from "../../errors.ts"
import { type Column, DataFrame, Index, Series } from "../../values/dataframe.ts"
import { numberOf } from "../../values/integers.ts"
import { NdArray } from "../../values/ndarray.ts"
import { Range, Slice } from "../../values/numbers.ts"
import { type PyGlobal, PyObject } from "../../values/objects.ts"
import { anyColumn, emptyIndex, entry, extensionColumn, ndarrayIn, resize, unreadColumn } from "./columns.ts"

/** The positions of a block's rows among the columns. */
const placesOf = (context: Context, placement: unknown, count: number): ReadonlyArray<number> | null => {
  if (placement instanceof Slice) {
    const start = numberOf(placement.start ?? 0)
    const stop = numberOf(placement.stop ?? count)
    const step = numberOf(placement.step ?? 1)
    const out: Array<number> = []
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(stop) || !Number.isSafeInteger(step) || step === 0) {
      return null
    }
    for (let at = start; step > 0 ? at < stop : at > stop; at += step) {
      if (at < 0 || at >= count) return null
      out.push(at)
    }
    context.charge(out.length)
    return out
  }
  const values: ReadonlyArray<unknown> | null = placement instanceof NdArray
    ? placement.items()
    : Array.isArray(placement)
    ? placement
    : typeof placement === "number"
    ? [placement]
    : null
  if (values === null) return null
  context.charge(values.length)
  const out = values.map(numberOf)
  return out.every((at) => Number.isSafeInteger(at) && at >= 0 && at < count) ? out : null
}

interface Block {
  readonly values: unknown
  readonly placement: unknown
}

const blockOf = (value: unknown): Block | null => {
  if (value instanceof PyObject) {
    // `_unpickle_block(values, placement, ndim)`, `partial(new_block, ndim=2)(values, placement)`, or a Block class.
    const [values, placement] = value.args
    return value.args.length >= 2 ? { values, placement } : null
  }
  const values = entry(value, "values")
  return values === undefined ? null : { values, placement: entry(value, "mgr_locs") }
}

interface Manager {
  readonly axes: ReadonlyArray<Index>
  readonly blocks: ReadonlyArray<Block>
}

const managerOf = (value: unknown): Manager | null => {
  if (!(value instanceof PyObject)) return null
  let blocks: unknown
  let axes: unknown
  if (value.args.length >= 2) [blocks, axes] = value.args
  const state = value.state
  if (Array.isArray(state)) {
    const extra = entry(state[3], "0.14.1")
    axes = entry(extra, "axes") ?? state[0]
    blocks = entry(extra, "blocks") ?? (Array.isArray(state[1]) ? state[1].map((values) => ({ values })) : undefined)
  }
  const axisList = axes instanceof Index ? [axes] : axes
  const blockList: unknown = Array.isArray(blocks) ? blocks : [blocks]
  if (!Array.isArray(axisList) || !Array.isArray(blockList) || !axisList.every((axis) => axis instanceof Index)) {
    return null
  }
  const out: Array<Block> = []
  for (const block of blockList) {
    const parsed = blockOf(block)
    if (parsed === null) return null
    out.push(parsed)
  }
  return { axes: axisList as ReadonlyArray<Index>, blocks: out }
}

const missingState = () =>
  fail("BadValue", "a DataFrame or Series with a state that pandas does not write", "a block manager")

/** A column that cannot be read does not affect the others. */
const unread = (values: unknown, length: number): Column =>
  values instanceof PyObject
    ? unreadColumn(values, length)
    : fail("BadValue", `a column of pandas' that is a ${typeof values}`, "an array that pandas 0.25 to 3 has")

/** The number of columns of a block, from its placement. */
const placeCount = (placement: unknown): number =>
  placement instanceof Slice
    ? Math.max(
      0,
      Math.min(
        maxColumns,
        Number(
          new Range(
            numberOf(placement.start ?? 0),
            numberOf(placement.stop ?? 0),
            numberOf(placement.step ?? 1) || 1
          ).length
        )
      )
    )
    : placement instanceof NdArray
    ? placement.size
    : Array.isArray(placement)
    ? placement.length
    : 1

const maxColumns = 0x1000000

const fillFrame = (context: Context, frame: DataFrame, state: unknown): boolean => {
  const manager = managerOf(entry(state, "_mgr", "_data"))
  const [columns, index] = manager?.axes ?? []
  if (manager === null || columns === undefined || index === undefined) return false
  resize(columns, manager.blocks.reduce((sum, { placement }) => sum + placeCount(placement), 0))
  const { length } = columns
  context.charge(length)
  if (length > maxColumns) exceeded("values", "a DataFrame of too many columns", maxColumns)
  const data: Array<Column | undefined> = []
  let filled = 0
  for (const block of manager.blocks) {
    const places = placesOf(context, block.placement, length)
    if (places === null) return false
    for (let row = 0; row < places.length; row++) {
      const read = anyColumn(block.values, row)
      if (read !== null) resize(index, read.length)
      const column = read ?? unread(block.values, index.length)
      if (column.length !== index.length) {
        return fail("BadValue", `a column of ${column.length} values`, `${index.length} values, as the index has`)
      }
      const place = places[row]!
      if (data[place] === undefined) filled++
      data[place] = column
    }
  }
  if (filled !== length) {
    return fail("BadValue", `a DataFrame with ${filled} of its ${length} columns`, "every column once")
  }
  frame.columns = columns
  frame.index = index
  frame.data = data as Array<Column>
  frame.attrs = entry(state, "attrs") ?? null
  return true
}

const fillSeries = (context: Context, series: Series, state: unknown): boolean => {
  const manager = managerOf(entry(state, "_mgr", "_data"))
  const index = manager?.axes[0]
  const block = manager?.blocks[0]
  if (index === undefined || block === undefined) return false
  context.charge(1)
  const values = block.values
  // A Series of old pandas may keep a block of one row.
  const row = values instanceof NdArray && values.shape.length === 2 ? 0 : null
  const read = anyColumn(values, row)
  if (read !== null) resize(index, read.length)
  const column = read ?? unread(values, index.length)
  if (column.length !== index.length) {
    return fail("BadValue", `a Series of ${column.length} values`, `${index.length} values, as the index has`)
  }
  series.index = index
  series.column = column
  series.name = entry(state, "_name", "name") ?? null
  series.attrs = entry(state, "attrs") ?? null
  return true
}

/** @internal */
export const setDataFrameState = (context: Context, frame: DataFrame, state: unknown): void => {
  if (!fillFrame(context, frame, state)) missingState()
}

/** @internal */
export const setSeriesState = (context: Context, series: Series, state: unknown): void => {
  if (!fillSeries(context, series, state)) missingState()
}

/**
 * An instance of a user-defined subclass of DataFrame or Series.
 *
 * @internal
 */
export const finishFrame = (context: Context, object: PyObject): unknown => {
  const { state } = object
  const type = entry(state, "_typ")
  if (type === "dataframe") {
    const frame = newFrame(object.className)
    return fillFrame(context, frame, state) ? frame : inert
  }
  if (type === "series") {
    const series = newSeries(object.className)
    return fillSeries(context, series, state) ? series : inert
  }
  return inert
}

/**
 * An extension array, resolved once its state is known; those of a block of several rows wait for the block.
 *
 * @internal
 */
export const finishExtensionArray = (context: Context, object: PyObject): unknown => {
  const framed = finishFrame(context, object)
  if (framed !== inert) return framed
  const array = ndarrayIn(object)
  if (array !== null && array.shape.length > 1) return inert
  return extensionColumn(object, null) ?? inert
}

const newFrame = (className: string): DataFrame => {
  const frame = new DataFrame(emptyIndex(), emptyIndex(), [])
  frame.className = className
  return frame
}

const newSeries = (className: string): Series => {
  const index = emptyIndex()
  const series = new Series(null, index, index.column)
  series.className = className
  return series
}

/** @internal */
export const dataFrame: Create = (_context, args, _kwargs, cls) =>
  args.length > 0 ? inert : newFrame((cls as PyGlobal).qualifiedName)

/** @internal */
export const series: Create = (_context, args, _kwargs, cls) =>
  args.length > 0 ? inert : newSeries((cls as PyGlobal).qualifiedName)

/**
 * `__pyx_unpickle_NDArrayBacked(cls, checksum, state)`: the state follows in BUILD, or is given at once.
 *
 * @internal
 */
export const backedArray: Create = (_context, args, kwargs, cls) => {
  const object = new PyObject(cls, args, kwargs)
  const state = args[2]
  if (state === null || state === undefined) return object
  object.states = [state]
  const array = ndarrayIn(object)
  return array !== null && array.shape.length === 1 ? extensionColumn(object, null) ?? object : object
}
