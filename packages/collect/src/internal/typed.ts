/** Typed columns: members of values in their JSON projection, converted to the type of their column. */
import type { Column } from "../CollectPlan.ts"

const minInt64 = -(2n ** 63n)
const maxInt64 = 2n ** 63n - 1n

/** The projection represents integers beyond 2^53 as strings. */
const largeInteger = /^-?[1-9]\d{15,18}$/

const time = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:Z|([+-])(\d\d):(\d\d)(?::(\d\d))?)$/

/** Microseconds since 1970 of an ISO 8601 time with an offset. */
const microseconds = (text: string): bigint | null => {
  if (text.length > 40) return null
  const found = time.exec(text)
  if (found === null) return null
  const [, year, month, day, hour, minute, second, fraction = "", sign, offsetHours, offsetMinutes, offsetSeconds] =
    found
  const date = new Date(0)
  // setUTCFullYear, because Date.UTC maps the years 0 to 99 to the 20th century.
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  date.setUTCHours(Number(hour), Number(minute), Number(second))
  if (date.getUTCDate() !== Number(day) || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return null
  const offset = (Number(offsetHours ?? 0) * 3600 + Number(offsetMinutes ?? 0) * 60 + Number(offsetSeconds ?? 0)) *
    (sign === "-" ? -1 : 1)
  return BigInt(date.getTime() - offset * 1000) * 1000n + BigInt(fraction.padEnd(6, "0"))
}

const isLargeInteger = (value: unknown): value is string => {
  if (typeof value !== "string" || !largeInteger.test(value)) return false
  const integer = BigInt(value)
  return integer >= minInt64 && integer <= maxInt64 && !Number.isSafeInteger(Number(value))
}

/** A member in the type of its column; null when it is missing or does not fit. */
const convert = (value: unknown, type: Column["type"]): bigint | number | boolean | string | null => {
  switch (type) {
    case "int64":
      return Number.isSafeInteger(value) ? BigInt(value as number) : isLargeInteger(value) ? BigInt(value) : null
    case "double":
      return typeof value === "number" ? value : null
    case "bool":
      return typeof value === "boolean" ? value : null
    case "string":
      return typeof value === "string" ? value : null
    case "timestamp":
      return typeof value === "string" ? microseconds(value) : null
  }
}

const members = (json: string): ReadonlyMap<string, unknown> | undefined => {
  if (!json.startsWith("{")) return undefined
  return new Map(Object.entries(JSON.parse(json) as object))
}

/** The typed columns of a value's JSON text, in the order of the columns. */
export const typedValues = (
  json: string,
  columns: ReadonlyArray<Column>
): ReadonlyArray<bigint | number | boolean | string | null> => {
  const found = members(json)
  return columns.map(({ name, type }) => found === undefined ? null : convert(found.get(name), type))
}

/** The same as members of a JSON object, each after a comma. */
export const typedMembers = (json: string, columns: ReadonlyArray<Column>): string => {
  const found = members(json)
  return columns.map(({ name, type }) => {
    const value = found === undefined ? null : convert(found.get(name), type)
    // A time stays as it is in the value, because JSON has no type for it.
    const shown = value === null ? null : type === "timestamp" ? found!.get(name) : value
    return `,${JSON.stringify(`v.${name}`)}:${typeof shown === "bigint" ? String(shown) : JSON.stringify(shown)}`
  }).join("")
}

/** The types that fit a member, the narrowest first. */
const typesOf = (value: unknown): ReadonlyArray<Column["type"]> => {
  if (typeof value === "boolean") return ["bool"]
  if (typeof value === "number") return Number.isSafeInteger(value) ? ["int64", "double"] : ["double"]
  if (isLargeInteger(value)) return ["int64", "string"]
  if (typeof value === "string") return microseconds(value) === null ? ["string"] : ["timestamp", "string"]
  return []
}

/** The columns that every one of some values has, and whose values all fit one type; null fits any type. */
export const inferColumns = (values: Iterable<string>): ReadonlyArray<Column> => {
  let shared: Map<string, ReadonlyArray<Column["type"]> | undefined> | undefined
  for (const json of values) {
    const found = members(json)
    if (found === undefined) return []
    if (shared === undefined) shared = new Map([...found.keys()].map((name) => [name, undefined]))
    for (const [name, types] of shared) {
      if (!found.has(name) || name === "") {
        shared.delete(name)
        continue
      }
      const value = found.get(name)
      if (value === null) continue
      const fitting = typesOf(value)
      const left = types === undefined ? fitting : types.filter((type) => fitting.includes(type))
      if (left.length === 0) shared.delete(name)
      else shared.set(name, left)
    }
  }
  return [...shared ?? []].flatMap(([name, types]) => types === undefined ? [] : [{ name, type: types[0]! }])
    .sort((left, right) => left.name < right.name ? -1 : 1)
}
