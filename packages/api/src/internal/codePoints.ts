const isHighSurrogate = (unit: number) => unit >= 0xd800 && unit <= 0xdbff
const isLowSurrogate = (unit: number) => unit >= 0xdc00 && unit <= 0xdfff

/**
 * Compares two texts by their Unicode code points, as Python and Postgres' `C` collation do. JavaScript's `<` compares
 * UTF-16 units, which puts U+1F600 before U+FF01; a server's collation is whatever its operator chose.
 */
export const compareCodePoints = (left: string, right: string): number => {
  const length = Math.min(left.length, right.length)
  let at = 0
  while (at < length && left.charCodeAt(at) === right.charCodeAt(at)) at++
  if (at === length) return left.length - right.length
  // The first unit that differs may be the second half of a surrogate pair.
  const isHalf = isLowSurrogate(left.charCodeAt(at)) || isLowSurrogate(right.charCodeAt(at))
  if (isHalf && at > 0 && isHighSurrogate(left.charCodeAt(at - 1))) at--
  return left.codePointAt(at)! - right.codePointAt(at)!
}
