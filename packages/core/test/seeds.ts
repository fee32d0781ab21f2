/**
 * How far the searches of tests go: `npm test` takes few seeds, the same each time; `npm run conformance -- fuzz` takes
 * all of them, in every test file that imports this module.
 */

/** The value of `SEEDS` for all of them. */
export const full = "full"

const isFull = process.env["SEEDS"] === full

/** The number of seeds of a search. */
export const seeds = (few: number, all: number): number => isFull ? all : few

/** The `arbitrary` options of a property: of all runs the first is another one each time. */
export const runs = (few: number, all: number): { readonly runs: number; readonly seed?: number } =>
  isFull ? { runs: all } : { runs: few, seed: 1 }
