/**
 * Limits and concurrency for reading results. All have defaults; change them with `ResultOptions.layer`.
 *
 * **Example** (Smaller limits)
 *
 * ```ts
 * import { ResultOptions } from "@effect-prefect/results"
 *
 * export const Options = ResultOptions.layer({ maxBytes: 16 * 1024 * 1024, concurrency: 4 })
 * ```
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
  /** A stored result larger than this, or one that decompresses to more, fails with ResultTooLarge. Default 256 MiB. */
  readonly maxBytes: number
  /**
   * The most bytes in memory at once: of all results that are being loaded through one storage, stored and decoded
   * together, and of those that a traversal has loaded but not yet emitted. Loads wait for memory in order; one that
   * can never fit fails with ResultTooLarge. The size of decoded values is estimated. Default 512 MiB, or half of the
   * heap that V8 may use (`--max-old-space-size`) where that is less.
   */
  readonly maxMemory: number
  /** `getResult` of a mapped parent with more children than this fails with ResultTooLarge. Default 100 000. */
  readonly maxChildren: number
  /** The number of results that are loaded concurrently. Default: the `concurrency` of each storage. */
  readonly concurrency: number | undefined
  /** The number of children per request. Default: the backend's. */
  readonly pageSize: number | undefined
  /** The format of every result. Default: detected from the bytes. */
  readonly format: Format | undefined
  /** Decoders for the flow's own classes. Default: none, so their instances stay inert data. */
  readonly registry: ClassRegistry.ClassRegistry
}

/** The bytes that V8 may use for its heap; unknown in a browser. */
const heapLimit = globalThis.process?.getBuiltinModule?.("node:v8").getHeapStatistics().heap_size_limit ?? Infinity

/** The most of it that is for new objects, which hold no result for long. */
const youngGeneration = 192 * 1024 * 1024

/**
 * The default options.
 *
 * @category options
 * @since 0.1.0
 */
export const defaults: Options = {
  maxBytes: 256 * 1024 * 1024,
  maxMemory: Math.min(512 * 1024 * 1024, Math.floor(Math.max(heapLimit / 4, (heapLimit - youngGeneration) / 2))),
  maxChildren: 100_000,
  concurrency: undefined,
  pageSize: undefined,
  format: undefined,
  registry: ClassRegistry.empty
}

/**
 * The options in effect when a `TaskRun` is made.
 *
 * @category services
 * @since 0.1.0
 */
export const ResultOptions = Context.Reference<Options>("@effect-prefect/results/ResultOptions", {
  defaultValue: () => defaults
})

/**
 * Options in which values other than the defaults override others.
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
 * Overrides some of the defaults.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Partial<Options>): Layer.Layer<never> =>
  Layer.succeed(ResultOptions, { ...defaults, ...options })
