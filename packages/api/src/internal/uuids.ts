const pattern = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i

/**
 * A UUID as Postgres writes it; undefined for text that it would refuse, which therefore no row can have.
 */
export const canonicalUuid = (text: string): string | undefined => {
  if (!pattern.test(text)) return undefined
  const hex = text.replaceAll("-", "").toLowerCase()
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
