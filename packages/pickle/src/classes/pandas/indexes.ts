/**
 * The indexes of pandas: ranges, labels, times, intervals and multiple levels.
 *
 * @since 0.1.0
 */
import { type Context, type Create, inert } from "../../context.ts"
import { exceeded, fail } from "../../errors.ts"
import { Tuple } from "../../values/containers.ts"
import { Column, type ColumnParts, Index, NaT, zoneName } from "../../values/dataframe.ts"
import { NdArray } from "../../values/ndarray.ts"
import { Range } from "../../values/numbers.ts"
import { PyGlobal } from "../../values/objects.ts"
import { anyColumn, entry, instantGetter, intervalColumn, nameOf, resize, unreadLabels } from "./columns.ts"

/** The most labels of a RangeIndex that are made at once. */
const maxLabels = 0x4000000

/** The labels of a RangeIndex one by one: a few bytes may claim very many. */
class RangeColumn extends Column {
  private readonly start: number
  private readonly step: number

  constructor(parts: ColumnParts, start: number, step: number) {
    super(parts)
    this.start = start
    this.step = step
  }
  override at(i: number): unknown {
    return i >= 0 && i < this.length ? this.start + i * this.step : undefined
  }
}

const rangeIndex = (dict: unknown): Index => {
  const number = (key: string, fallback: number): number => {
    const value = entry(dict, key)
    return typeof value === "number" || typeof value === "bigint" ? Number(value) : fallback
  }
  const [start, stop, step] = [number("start", 0), number("stop", 0), number("step", 1)]
  const range = new Range(start, stop, step)
  if (step === 0) return fail("BadValue", "a RangeIndex with step 0", "a step")
  const length = Number(range.length)
  const index = new Index(
    "RangeIndex",
    entry(dict, "name") ?? null,
    new RangeColumn(
      {
        dtype: "int64",
        kind: "int",
        length,
        values: () => {
          if (length > maxLabels) return exceeded("values", "a RangeIndex of too many labels", maxLabels)
          const labels = new Float64Array(length)
          for (let i = 0; i < length; i++) labels[i] = start + i * step
          return labels
        }
      },
      start,
      step
    )
  )
  index.range = { start, stop, step }
  return index
}

const multiIndex = (context: Context, dict: unknown): Index | null => {
  const levels = entry(dict, "levels")
  const codes = entry(dict, "codes", "labels")
  const names = entry(dict, "names")
  if (!Array.isArray(levels) || !Array.isArray(codes) || levels.length !== codes.length) return null
  context.charge(levels.length)
  const realLevels: Array<Index> = []
  const realCodes: Array<ArrayLike<number>> = []
  for (let i = 0; i < levels.length; i++) {
    const level: unknown = levels[i]
    const code: unknown = codes[i]
    const column = anyColumn(level, null)
    if (level instanceof Index) realLevels.push(level)
    else if (column !== null) realLevels.push(new Index("Index", null, column))
    else return null
    if (code instanceof NdArray && code.values !== null) {
      const { values } = code
      realCodes.push(
        values instanceof BigInt64Array || values instanceof BigUint64Array ? Array.from(values, Number) : values
      )
    } else if (Array.isArray(code)) realCodes.push(code as ReadonlyArray<number>)
    else return null
  }
  realLevels.forEach((level, i) => {
    let last = -1
    for (let j = 0; j < realCodes[i]!.length; j++) last = Math.max(last, realCodes[i]![j]!)
    resize(level, Math.min(last + 1, 0x1000000))
  })
  const length = realCodes[0]?.length ?? 0
  const labels: ReadonlyArray<unknown> = Array.isArray(names) ? names : realLevels.map((level) => level.name)
  const index = new Index(
    "MultiIndex",
    null,
    new Column({
      dtype: "object",
      kind: "object",
      length,
      values: () =>
        Array.from({ length }, (_, i) => {
          const tuple = new Tuple()
          realLevels.forEach((level, j) => {
            const code = realCodes[j]![i]!
            const { kind } = level.column
            tuple.push(
              code >= 0 && code < level.length
                ? level.at(code)
                : kind === "datetime" || kind === "timedelta"
                ? NaT
                : NaN
            )
          })
          return tuple
        })
    })
  )
  index.levels = realLevels
  index.codes = realCodes
  index.names = labels
  return index
}

/** Before pandas 1.0, the data of a DatetimeIndex is an array of instants with the zone beside it. */
const zoned = (column: Column, tzinfo: unknown): Column => {
  if (tzinfo === null || tzinfo === undefined || column.tzinfo !== null || column.kind !== "datetime") return column
  const unit = column.unit ?? "ns"
  return new Column({
    dtype: `datetime64[${unit}, ${zoneName(tzinfo)}]`,
    kind: "datetime",
    length: column.length,
    values: () => column.values,
    unit,
    tzinfo,
    get: instantGetter(unit, tzinfo)
  })
}

/**
 * `_new_Index(cls, {data, name, …})` and the corresponding functions for other kinds.
 *
 * @internal
 */
export const newIndex: Create = (context, args) => {
  const [cls, dict] = args
  const kind = nameOf(cls)
  if (!(cls instanceof PyGlobal)) return inert
  if (kind === "RangeIndex" && entry(dict, "data") === undefined) return rangeIndex(dict)
  if (kind === "MultiIndex") return multiIndex(context, dict) ?? inert
  let column = anyColumn(entry(dict, "data", "values", "ordinal"), null)
  if (column === null && kind === "IntervalIndex") {
    const [left, right] = [anyColumn(entry(dict, "left"), null), anyColumn(entry(dict, "right"), null)]
    if (left !== null && right !== null) column = intervalColumn(left, right, entry(dict, "closed") ?? "right")
  }
  column ??= unreadLabels(entry(dict, "data"))
  if (column === null) return inert
  const name = entry(dict, "name") ?? null
  const index = new Index(kind, name, zoned(column, entry(dict, "tz")))
  return index
}
