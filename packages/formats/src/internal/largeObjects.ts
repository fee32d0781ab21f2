/**
 * The sizes of objects with very many keys, as their decoders counted them: `Object.keys` of a million keys takes half
 * a second, in which nothing else runs.
 */

/** An object with very many keys. */
export interface LargeObject {
  /** The number of keys, equal ones counted again. */
  readonly count: number
  /** Some of the keys. */
  readonly sample: ReadonlyArray<string>
}

/** Objects of fewer keys are counted when that is needed. */
export const manyKeys = 0x8000

const known = new WeakMap<object, LargeObject>()
let isAnyKnown = false

/** Remembers the size of an object for as long as the object exists. */
export const rememberLarge = (object: object, large: LargeObject): void => {
  isAnyKnown = true
  known.set(object, large)
}

/** The size of an object if its decoder remembered it. */
export const largeOf = (object: object): LargeObject | undefined => isAnyKnown ? known.get(object) : undefined
