import * as Equal from "effect/Equal"

/** What an object itself says of another: `Equal.equals` asks it only when the hashes of the two are equal. */
export const equalByFields = (left: object, right: object): boolean =>
  (left as Equal.Equal)[Equal.symbol](right as Equal.Equal)
