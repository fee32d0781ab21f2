/**
 * `ClassRegistry`: the caller's own types for the Python classes that occur in pickles.
 *
 * A pickle records only the class of an object and its content. Without a registry such an object is an inert
 * `PyObject`. Python classes are never imported or run; a registry only adds the given functions.
 *
 * **Example** (Decoding an order)
 *
 * ```ts
 * import * as ClassRegistry from "@effect-prefect/formats/ClassRegistry"
 * import * as Schema from "effect/Schema"
 *
 * class Order extends Schema.Class<Order>("Order")({ id: Schema.Int, customer: Schema.String }) {}
 *
 * export const registry = ClassRegistry.make({
 *   "mypkg.Order": ClassRegistry.schema(Order),
 *   "mypkg.Money": ({ args }) => `${args[0]} ${args[1]}`
 * })
 * ```
 *
 * @since 0.1.0
 */
import { PyEnum, PyObject } from "@effect-prefect/pickle"
import type * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { FormatError, undecodable } from "./FormatError.ts"
import { rewrite } from "./internal/python/rewrite.ts"
import { formatError } from "./internal/refusal.ts"
import { describeIssue } from "./internal/schemaIssue.ts"
import { giveWay, type Steps } from "./internal/steps.ts"

/**
 * An instance of a Python class found in a pickle. Its attributes are already decoded.
 *
 * @category models
 * @since 0.1.0
 */
export interface Instance {
  /** `module.Name` of the class. */
  readonly className: string
  /** The arguments of the constructor, if the pickle has any. */
  readonly args: ReadonlyArray<unknown>
  /** The attributes by name. */
  readonly attributes: Readonly<Record<string, unknown>>
  /** The items of a subclass of list. */
  readonly items: ReadonlyArray<unknown>
  /** The entries of a subclass of dict. */
  readonly pairs: ReadonlyArray<readonly [unknown, unknown]>
  /** The argument of `__setstate__`; `undefined` when there is none. */
  readonly state: unknown
}

/**
 * Converts an object to a value. An exception becomes a FormatError that names the class.
 *
 * @category models
 * @since 0.1.0
 */
export type Decoder = (instance: Instance) => unknown

/**
 * Decoders by `module.Name` of the Python class.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClassRegistry {
  readonly decoders: ReadonlyMap<string, Decoder>
}

/**
 * Creates a registry from decoders by `module.Name` of the Python class.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (decoders: Readonly<Record<string, Decoder>>): ClassRegistry => ({
  decoders: new Map(Object.entries(decoders))
})

/**
 * An empty registry.
 *
 * @category constructors
 * @since 0.1.0
 */
export const empty: ClassRegistry = make({})

/**
 * Combines registries. For a class in several of them, the last decoder is used.
 *
 * @category combinators
 * @since 0.1.0
 */
export const merge = (...registries: ReadonlyArray<ClassRegistry>): ClassRegistry => ({
  decoders: new Map(registries.flatMap((registry) => [...registry.decoders]))
})

/**
 * Makes a decoder that decodes the attributes of an object with a schema. The schema must be synchronous and require no
 * services.
 *
 * @category constructors
 * @since 0.1.0
 */
export const schema = <S extends Schema.ConstraintDecoder<unknown>>(self: S): Decoder => {
  const decode = Schema.decodeUnknownResult(self)
  return ({ attributes, className }) => {
    const result = decode(attributes)
    if (Result.isSuccess(result)) return result.success
    throw undecodable(`the schema for ${className} rejected an object of it: ${describeIssue(result.failure.issue)}`)
  }
}

/**
 * A decoder for an Enum that the pickle refers to only by name: returns the member's value.
 *
 * @category constructors
 * @since 0.1.0
 */
export const enumValue: Decoder = ({ args, className }) => new PyEnum(className, null, args[0])

const instanceOf = (value: PyObject): Instance => ({
  className: value.className,
  args: value.args,
  attributes: Object.fromEntries(value.attributes()),
  items: value.items,
  pairs: value.pairs,
  state: value.state
})

/**
 * Replaces the objects inside a decoded value with the registry's values, yielding to other fibers meanwhile.
 *
 * @internal
 */
export const resolve = (root: unknown, registry: ClassRegistry): Effect.Effect<unknown, FormatError> =>
  giveWay(() => resolveSteps(root, registry), formatError)

/**
 * Replaces objects and lists inside a value by the result of a function, in place and from the inside out, yielding to
 * other fibers meanwhile. `large` returns the steps of a result that takes long.
 *
 * @internal
 */
export const replaceAll = (
  root: unknown,
  replace: (value: object) => unknown,
  large: (value: object) => Generator<undefined, unknown> | undefined = () => undefined
): Effect.Effect<unknown, FormatError> => giveWay(() => rewrite(root, replace, { large }), formatError)

/**
 * As `resolve`, in steps.
 *
 * @internal
 */
export const resolveSteps = (root: unknown, { decoders }: ClassRegistry): Steps<unknown> =>
  rewrite(root, (value) => {
    if (!(value instanceof PyObject)) return value
    const decoder = decoders.get(value.className)
    if (decoder === undefined) return value
    try {
      return decoder(instanceOf(value))
    } catch (error) {
      if (error instanceof FormatError) throw error
      throw undecodable(`the registry's decoder of ${value.className} failed`)
    }
  })
