import type { Column } from "@effect-prefect/pickle"

/** Kinds whose values are numbers of a fixed width, which the name of the dtype ends in: eight bytes where it does not. */
const numeric: ReadonlySet<string> = new Set(["bool", "int", "uint", "float", "complex", "datetime", "timedelta"])

/** Kinds whose values are made of numbers when they are asked for, and the bytes of these. */
const made: Readonly<Record<string, number>> = { period: 8, interval: 16 }

/** Memory in bytes, measured, of the array and the dtype of a column. */
const arrayHeader = 600

/** The memory of a column in bytes, when its values have a fixed width. */
export const byteSizeOf = ({ categories, dtype, kind, length, nulls }: Column): number | undefined => {
  if (categories !== null) return undefined
  const bytes = made[kind] ?? (numeric.has(kind)
    ? kind === "bool" ? 1 : Number(/(8|16|32|64|128)$/.exec(dtype)?.[1] ?? 64) / 8
    : undefined)
  return bytes === undefined ? undefined : arrayHeader + length * bytes + (nulls?.length ?? 0)
}
