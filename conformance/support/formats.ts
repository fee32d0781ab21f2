/** Compares our values with those of pandas. */

/**
 * Versions of pandas whose result differs from the newest, which is ours: floats of CSV that were rounded wrongly or
 * left as text, integers beyond 64 bits that were left as text, names of columns that were made unique in another way,
 * and texts that were not treated as missing.
 */
const differences: ReadonlyArray<readonly [file: string, before: number]> = [
  ["floats.csv", 3],
  ["decimals.csv", 1],
  ["decimals.columns.json", 3],
  ["text_digits.csv", 3],
  ["text_floats.csv", 3],
  ["text_bigger.csv", 3],
  ["text_names.csv", 2],
  ["text_missing.csv", 1]
]

/** Whether that pandas is known to read a file of `formats_make.py` differently. */
export const differs = (file: string, pandas: string): boolean =>
  differences.some(([name, before]) => name === file && Number.parseFloat(pandas) < before)

/** A value in a form in which equal values are deeply equal: without trailing zeros of seconds, and without -0. */
export const normal = (value: unknown): unknown => {
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value)) {
    return value.replace(/(\.\d*?)0+(?=$|[+-])/, "$1").replace(/\.(?=$|[+-])/, "")
  }
  if (Array.isArray(value)) return value.map(normal)
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, normal(item)]))
  }
  return Object.is(value, -0) ? 0 : value
}
