/** A concurrency or repetition count: a whole number, and 1 for values that would do nothing at all. */
export const atLeastOne = (value: number): number => value >= 1 ? Math.floor(value) : 1
