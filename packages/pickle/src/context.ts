/**
 * The parts of the machine that decoders of classes may use.
 *
 * @since 0.1.0
 */
import type { EqualityBudget } from "./values/equality.ts"
import type { PyInt } from "./values/numbers.ts"
import type { PyGlobal, PyObject } from "./values/objects.ts"

/** @internal */
export interface Context {
  /** Accounts for items and bytes that a decoder copies, so that a few bytes cannot make it copy without end. */
  charge(cost: number): void
  readonly equality: EqualityBudget
  /** An integer as the options want it. */
  integer(value: PyInt): PyInt
  /** What a call of another class stands for. */
  construct(callable: unknown, args: ReadonlyArray<unknown>, kwargs: unknown): unknown
}

/**
 * Returned by a decoder for arguments that it does not know: the object stays inert.
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
