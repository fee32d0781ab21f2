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
import * as Effect from "effect/Effect"
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

/** Other runtimes with a `process` may lack the module, or know no limit. */
const v8: { readonly getHeapStatistics?: () => { readonly heap_size_limit: number } } | undefined = globalThis.process
  ?.getBuiltinModule?.("node:v8")

/** The bytes that V8 may use for its heap; unknown in a browser. */
const heapLimit = v8?.getHeapStatistics?.().heap_size_limit || Infinity

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

/** The names of those options that were given, even if they are the defaults. */
const given = new WeakMap<Options, ReadonlySet<string>>()

const namesOf = (options: Options): ReadonlySet<string> =>
  given.get(options) ?? new Set(
    Object.entries(options).filter(([key, value]) => value !== defaults[key as keyof Options]).map(([key]) => key)
  )

const merged = (
  options: Options,
  by: Options,
  choose: (value: unknown, other: unknown, isGiven: boolean) => unknown
): Options => {
  const before = namesOf(options)
  const names = namesOf(by)
  const changed = [...names].map((name) => {
    const key = name as keyof Options
    return [name, choose(options[key], by[key], before.has(name))] as const
  })
  const made: Options = { ...options, ...Object.fromEntries(changed) }
  given.set(made, new Set([...before, ...names]))
  return made
}

/**
 * Options in which those that were given to `layer`, or are not the defaults, override others.
 *
 * @category options
 * @since 0.1.0
 */
export const override = (options: Options, by: Options): Options =>
  by === defaults ? options : merged(options, by, (_, value) => value)

/**
 * The options of several storages that are used together: of two limits, the lower one.
 *
 * @category options
 * @since 0.1.0
 */
export const combine = (options: Options, other: Options): Options =>
  merged(
    options,
    other,
    (before, value, isGiven) =>
      isGiven && typeof before === "number" && typeof value === "number" ? Math.min(before, value) : value ?? before
  )

/**
 * Overrides some of the options that are in effect where it is built: the defaults, or those of a layer below or of a
 * `provide` around it. A value that is undefined overrides nothing. Of two that are merged side by side, the last one
 * replaces the other. A number that cannot be used, such as NaN or a negative one, is a defect when it is built.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Partial<Options>): Layer.Layer<never> =>
  Layer.effect(
    ResultOptions,
    Effect.flatMap(ResultOptions, (around) => {
      const entries = Object.entries(options).filter(([, value]) => value !== undefined)
      const own: Options = { ...defaults, ...Object.fromEntries(entries) }
      given.set(own, new Set(entries.map(([name]) => name)))
      return Effect.as(checked(own), override(around, own))
    })
  )

/** At most as many as there are: with 0, only what is empty. */
const isLimit = (value: unknown): boolean => typeof value === "number" && value >= 0

const isCount = (value: unknown): boolean => value === undefined || Number.isSafeInteger(value) && Number(value) > 0

const rules: ReadonlyArray<
  readonly [name: keyof Options, isFit: (value: unknown) => boolean, wanted: string]
> = [
  ["maxBytes", isLimit, "a number of at least 0"],
  ["maxMemory", isLimit, "a number of at least 0"],
  ["maxChildren", isLimit, "a number of at least 0"],
  ["concurrency", (value) => value === Infinity || isCount(value), "a positive whole number"],
  ["pageSize", isCount, "a positive whole number"]
]

/**
 * The options, unless one of their numbers is none: nothing is above a limit that is NaN, and so that would be no limit.
 * That is a defect.
 *
 * @category options
 * @since 0.1.0
 */
export const checked = (options: Options): Effect.Effect<Options> => {
  const wrong = rules.find(([name, isFit]) => !isFit(options[name]))
  return wrong === undefined
    ? Effect.succeed(options)
    : Effect.die(new TypeError(`${wrong[0]} of ResultOptions is not ${wrong[2]}: give one, or leave it out`))
}
