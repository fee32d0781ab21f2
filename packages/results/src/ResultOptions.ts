/**
 * Limits and concurrency for reading results. All have defaults; change them with `ResultOptions.layer`.
 *
 * @since 0.1.0
 */
import * as ClassRegistry from "@effect-prefect/formats/ClassRegistry"
import type { Format } from "@effect-prefect/formats/ResultFormat"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

/**
 * Limits and concurrency for reading results.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** A stored result larger than this, or one that decompresses to more, is ResultTooLarge. Default 256 MiB. */
  readonly maxBytes: number
  /**
   * The bytes that may be in memory at once: of all results that are being loaded through one storage, stored and decoded
   * together, and of those that a traversal has loaded and not yet emitted. Loads wait for room in their order; one
   * that can never fit is ResultTooLarge. Decoded values are estimated. Default 512 MiB.
   */
  readonly maxMemory: number
  /** `getResult` of a mapped parent with more children than this is ResultTooLarge. Default 100 000. */
  readonly maxChildren: number
  /** How many results are loaded at once. Default: the `concurrency` of each storage. */
  readonly concurrency: number | undefined
  /** The number of children per request. Default: the backend's. */
  readonly pageSize: number | undefined
  /** The format of every result. Default: detected from the bytes. */
  readonly format: Format | undefined
  /** Decoders for the flow's own classes. Default: none, and their instances stay inert data. */
  readonly registry: ClassRegistry.ClassRegistry
}

/**
 * The default options.
 *
 * @category options
 * @since 0.1.0
 */
export const defaults: Options = {
  maxBytes: 256 * 1024 * 1024,
  maxMemory: 512 * 1024 * 1024,
  maxChildren: 100_000,
  concurrency: undefined,
  pageSize: undefined,
  format: undefined,
  registry: ClassRegistry.empty
}

/**
 * The options in force when a `TaskRun` is made.
 *
 * @category services
 * @since 0.1.0
 */
export const ResultOptions = Context.Reference<Options>("@effect-prefect/results/ResultOptions", {
  defaultValue: () => defaults
})

/**
 * Options of which those that differ from the defaults override others.
 *
 * @category options
 * @since 0.1.0
 */
export const override = (options: Options, by: Options): Options => {
  if (by === defaults) return options
  const changed = Object.entries(by).filter(([key, value]) => value !== defaults[key as keyof Options])
  return { ...options, ...Object.fromEntries(changed) }
}

/**
 * Changes some of the defaults.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Partial<Options>): Layer.Layer<never> =>
  Layer.succeed(ResultOptions, { ...defaults, ...options })
