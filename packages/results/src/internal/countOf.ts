/**
 * A number of things that are done at once or in turn: a whole number, or Infinity. Another is a defect: NaN would start
 * nothing, and wait for ever.
 */
export const countOf = (name: string, value: number): number => {
  if (value === Infinity || Number.isSafeInteger(value) && value > 0) return value
  throw new TypeError(`${name} is not a positive whole number: give one, or leave it out`)
}
