/**
 * The parts of the machine that class decoders may use.
 *
 * @since 0.1.0
 */
import type { EqualityBudget } from "./values/equality.ts"
import type { PyInt } from "./values/numbers.ts"
import type { PyGlobal, PyObject } from "./values/objects.ts"

/** @internal */
export interface Context {
  /**
   * Counts items and bytes that a decoder copies against the limits, so that a small input cannot cause unbounded
   * copying.
   */
  charge(cost: number): void
  readonly equality: EqualityBudget
  /** An integer in the representation that the options select. */
  integer(value: PyInt): PyInt
  /** The result of a call of another class. */
  construct(callable: unknown, args: ReadonlyArray<unknown>, kwargs: unknown): unknown
}

/**
 * Returned by a decoder for arguments that it does not recognize: the object stays inert.
 *
 * @internal
 */
export const inert: unique symbol = Symbol("inert")

/** @internal */
export type Create = (
  context: Context,
  args: ReadonlyArray<unknown>,
  kwargs: unknown,
  cls: PyGlobal | PyObject
) => unknown
