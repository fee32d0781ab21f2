/**
 * The options of `loads` and its limits.
 *
 * @since 0.1.0
 */
import { maxIntegerBytes } from "./values/integers.ts"
import type { PyGlobal } from "./values/objects.ts"

/**
 * Limits on the cost of one pickle. All of them apply by default. A pickle over a limit fails with `LimitExceeded` and
 * the name of the limit. `Infinity` disables a limit.
 *
 * @category options
 * @since 0.1.0
 */
export interface Limits {
  /** Bytes of input. Default 2^31 - 1. */
  readonly bytes: number
  /** Instructions in one pickle, and therefore values. Default 2^30. */
  readonly values: number
  /** How deeply values may be nested. Default 100 000. */
  readonly depth: number
  /** Estimated memory of the values, in bytes. Default 1 GiB, and 8 times the input where that is more. */
  readonly memory: number
  /** Entries in the memo. Default 2^26. */
  readonly memo: number
  /** Bytes of one integer; its digits in text are limited accordingly. Default 2^16. */
  readonly integerBytes: number
  /**
   * Characters and bytes fetched from the memo more than once, plus items that decoders copy. It prevents a few bytes
   * from expanding to gigabytes. Default 16 MiB, or 32 times the input if that is more.
   */
  readonly repetition: number
  /**
   * Values and characters visited to compare keys that are tuples, frozensets, bytes and the like. Default 2 000 000,
   * or 32 times the input if that is more.
   */
  readonly equalityWork: number
}

/**
 * Decodes a class that pickles refer to. Its functions receive data that is already decoded.
 *
 * **Details**
 *
 * A pickle makes an object first and fills it in later, because the object may contain itself. `create` receives the
 * arguments of the constructor; `setState`, `append` and `setItem` receive what the pickle applies to the object
 * afterwards.
 *
 * @category options
 * @since 0.1.0
 */
export interface ClassDecoder<A = unknown> {
  create(args: ReadonlyArray<unknown>, kwargs: unknown, cls: PyGlobal): A
  // Declared as methods, so that a decoder of one class is assignable where decoders of any class are accepted.
  setState?(value: A, state: unknown): void
  append?(value: A, item: unknown): void
  setItem?(value: A, key: unknown, item: unknown): void
}

/**
 * Options of `loads`.
 *
 * @category options
 * @since 0.1.0
 */
export interface LoadsOptions {
  /**
   * How the 8-bit strings of Python 2 are read, as in Python's `pickle.loads(encoding=)`: text in that encoding, or
   * `bytes` for Uint8Array. Default `ASCII`, which rejects other bytes; NumPy and datetime pickles of Python 2 need
   * `latin1`. Other names are passed to the runtime's TextDecoder.
   */
  readonly encoding?: "ASCII" | "latin1" | "utf-8" | "bytes" | (string & Record<never, never>)
  /** How bytes that `encoding` cannot decode are handled, as in Python. Default `strict`. */
  readonly errors?: "strict" | "ignore" | "replace" | "surrogateescape"
  /** Renames Python 2's modules to Python 3's in protocols 0 to 2 (`__builtin__` → `builtins`). Default true. */
  readonly fixImports?: boolean
  /** `number` when exact and bigint beyond ±(2^53-1), or always `bigint`. Default `number`. */
  readonly integers?: "number" | "bigint"
  /** `number`, or `typed`: every float is a `PyFloat`, which distinguishes `1.0` from `1`. Default `number`. */
  readonly floats?: "number" | "typed"
  /**
   * `object` when all keys are strings in an order that an object keeps, otherwise a `PyDict`; or always `map`. Default
   * `object`.
   */
  readonly dicts?: "object" | "map"
  /** Whether `bytes` are views of the input or `copy`: a view keeps the whole input in memory. Default `view`. */
  readonly bytes?: "view" | "copy"
  /**
   * Whether text may share memory with neighbouring input (`shared`, faster: a string of 13 characters or more may keep
   * up to 64 KiB of text around it in memory) or is `separate`. Default `shared`.
   */
  readonly strings?: "shared" | "separate"
  /** How unknown classes are handled: as an inert `PyObject`, or by rejecting the pickle. Default `inert`. */
  readonly unknown?: "inert" | "refuse"
  /** Decoders by the class's qualified name, `module.Name`. They take precedence over the package's own. */
  readonly classes?: Readonly<Record<string, ClassDecoder>> | ReadonlyMap<string, ClassDecoder>
  /** Called with each class or function that the pickle names, once per name, before it is used. */
  readonly onGlobal?: (global: PyGlobal) => void
  /**
   * Called for each dict that is a Map, because a key of it is not text, unless a class or function of `onGlobal` makes it.
   * Where neither is called, all keys are texts.
   */
  readonly onMap?: () => void
  /** Called when a value is referred to again for the first time. Where it is not called, each value has one place. */
  readonly onShared?: () => void
  /** Resolves a persistent id. Without this option a pickle with persistent ids is rejected, as in Python. */
  readonly persistentLoad?: (id: unknown) => unknown
  /** The extension registry (`copyreg.add_extension`): `module.Name` by code. */
  readonly extensions?: Readonly<Record<number, string>> | ReadonlyMap<number, string>
  /** The out-of-band buffers of protocol 5, in order. */
  readonly buffers?: Iterable<Uint8Array>
  readonly limits?: Partial<Limits>
}

/** @internal */
export const limitsFor = (length: number, given: Partial<Limits> | undefined): Limits =>
  given === undefined && length < 0x10000 ? smallLimits : computedLimits(length, given)

const computedLimits = (length: number, given: Partial<Limits> | undefined): Limits => {
  const proportional = 32 * length
  return {
    bytes: given?.bytes ?? 0x7fffffff,
    values: given?.values ?? 0x40000000,
    depth: given?.depth ?? 100_000,
    memory: given?.memory ?? Math.max(0x40000000, 8 * length),
    memo: given?.memo ?? 0x4000000,
    integerBytes: given?.integerBytes ?? maxIntegerBytes,
    repetition: given?.repetition ?? Math.max(0x1000000, proportional),
    equalityWork: given?.equalityWork ?? Math.max(2_000_000, proportional)
  }
}

/** The limits of every pickle below 64 KiB, for which the proportional ones do not apply. */
const smallLimits: Limits = computedLimits(0, undefined)
