/** A number of things done at once or again and again: whole, and 1 where what was given would do nothing at all. */
export const atLeastOne = (value: number): number => value >= 1 ? Math.floor(value) : 1
