/** How deep the JSON of a row may nest: what is deeper ends the process when it is printed or compared. */
export const maxDepth = 1_000

/** Whether a value of JSON nests deeper than rows may. */
export const isTooDeep = (value: unknown, left = maxDepth): boolean => {
  if (typeof value !== "object" || value === null) return false
  if (left === 0) return true
  if (Array.isArray(value)) return value.some((item) => typeof item === "object" && isTooDeep(item, left - 1))
  for (const key in value) {
    const item = (value as { readonly [key: string]: unknown })[key]
    if (typeof item === "object" && isTooDeep(item, left - 1)) return true
  }
  return false
}

/** What is wrong with such a row. */
export const tooDeep = `its JSON is nested more than ${maxDepth} deep`
