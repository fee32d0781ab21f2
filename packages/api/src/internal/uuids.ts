const dashed = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const loose = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i

/** Whether a text is a UUID with its dashes. */
export const isUuid = (text: string): boolean => dashed.test(text)

/** Whether a text is a UUID, with or without dashes, as Prefect 2 and 3 accept it. */
export const isUuidLoose = (text: string): boolean => loose.test(text)

const dashes = (hex: string): string =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`

/** A UUID as Postgres writes it; undefined for any other text, which is not the id of any row. */
export const canonicalUuid = (text: string): string | undefined => {
  if (!loose.test(text)) return undefined
  return dashes(text.replaceAll("-", "").toLowerCase())
}

/**
 * The first and the last UUID, as Postgres writes them, with a prefix of digits; undefined for a text that is not a
 * prefix of a UUID.
 */
export const uuidRange = (prefix: string): { readonly first: string; readonly last: string } | undefined => {
  const hex = prefix.replaceAll("-", "").toLowerCase()
  return /^[0-9a-f]{1,32}$/.test(hex)
    ? { first: dashes(hex.padEnd(32, "0")), last: dashes(hex.padEnd(32, "f")) }
    : undefined
}
