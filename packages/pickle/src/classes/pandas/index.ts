/**
 * The module paths of pandas' classes across its versions, and the decoder of each.
 *
 * @since 0.1.0
 */
import type { Create } from "../../context.ts"
import { backedArray, dataFrame, series } from "./blocks.ts"
import { newIndex } from "./indexes.ts"
import { interval, notATimeValue, period, timedelta, timestamp } from "./scalars.ts"

/** The module paths of a class across versions. */
const everywhere = (
  modules: ReadonlyArray<string>,
  name: string,
  create: Create
): ReadonlyArray<readonly [string, Create]> => modules.map((module) => [`${module}.${name}`, create] as const)

/** @internal */
export const pandas: Readonly<Record<string, Create>> = Object.fromEntries([
  ...everywhere(["pandas", "pandas.core.frame"], "DataFrame", dataFrame),
  ...everywhere(["pandas", "pandas.core.series"], "Series", series),
  ...everywhere(["pandas.core.indexes.base", "pandas.indexes.base", "pandas.core.index"], "_new_Index", newIndex),
  ...everywhere(["pandas.core.indexes.datetimes", "pandas.tseries.index"], "_new_DatetimeIndex", newIndex),
  ...everywhere(["pandas.core.indexes.period", "pandas.tseries.period"], "_new_PeriodIndex", newIndex),
  ...everywhere(["pandas.core.indexes.interval"], "_new_IntervalIndex", newIndex),
  ...everywhere(["pandas.core.indexes.timedeltas"], "_new_TimedeltaIndex", newIndex),
  ...everywhere(["pandas._libs.tslibs.timestamps"], "_unpickle_timestamp", timestamp),
  ...everywhere(
    ["pandas._libs.tslibs.timestamps", "pandas._libs.tslib", "pandas.tslib", "pandas"],
    "Timestamp",
    timestamp
  ),
  ...everywhere(["pandas._libs.tslibs.timedeltas"], "_timedelta_unpickle", timedelta),
  ...everywhere(
    ["pandas._libs.tslibs.timedeltas", "pandas._libs.tslib", "pandas.tslib", "pandas"],
    "Timedelta",
    timedelta
  ),
  ...everywhere(["pandas", "pandas._libs.tslibs.period", "pandas._libs.period", "pandas._period"], "Period", period),
  ...everywhere(["pandas", "pandas._libs.interval"], "Interval", interval),
  ...everywhere(["pandas._libs.tslibs.nattype", "pandas._libs.tslib", "pandas.tslib"], "_nat_unpickle", notATimeValue),
  ...everywhere(["pandas._libs.tslibs.nattype", "pandas._libs.tslib", "pandas.tslib"], "__nat_unpickle", notATimeValue),
  ...everywhere(["pandas._libs.arrays"], "__pyx_unpickle_NDArrayBacked", backedArray)
])
