/**
 * The options of `loads` and its limits.
 *
 * @since 0.1.0
 */
import type { PyGlobal } from "./values/objects.ts"

/**
 * Limits on the cost of one pickle. All of them apply by default. A pickle over a limit fails with `LimitExceeded` and the
 * name of the limit. `Infinity` removes one.
 *
 * @category options
 * @since 0.1.0
 */
export interface Limits {
  /** Bytes of input. Default 2^31 - 1. */
  readonly bytes: number
  /** Instructions in one pickle, and so values. Default 2^30. */
  readonly values: number
  /** How deep values may be nested in one another. Default 100 000. */
  readonly depth: number
  /** Entries in the memo. Default 2^26. */
  readonly memo: number
  /** Bytes of one integer; digits of one in text are limited alike. Default 2^20. */
  readonly integerBytes: number
  /**
   * Characters and bytes fetched from the memo more than once, plus items that decoders copy. It stops a few bytes from
   * standing for gigabytes. Default 16 MiB, and 32 times the input where that is more.
   */
  readonly repetition: number
  /** Values and characters visited to compare keys that are tuples, frozensets, bytes and the like. Default 2 000 000, and 32 times the input where that is more. */
  readonly equalityWork: number
}

/**
 * Decodes a class that pickles name. Its functions receive data that is already decoded.
 *
 * **Details**
 *
 * A pickle makes an object first and fills it later, as it may contain itself. `create` gets the arguments of the
 * constructor; `setState`, `append` and `setItem` get what the pickle does to the object afterwards.
 *
 * @category options
 * @since 0.1.0
 */
export interface ClassDecoder<A = unknown> {
  create(args: ReadonlyArray<unknown>, kwargs: unknown, cls: PyGlobal): A
  // Methods, so that a decoder of one class fits where decoders of any class are taken.
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
   * `bytes` for Uint8Array. Default `ASCII`, which refuses other bytes; NumPy and datetime pickles of Python 2 need
   * `latin1`. Others than those named here are what the runtime's TextDecoder knows.
   */
  readonly encoding?: "ASCII" | "latin1" | "utf-8" | "bytes" | (string & Record<never, never>)
  /** What to do with bytes that `encoding` does not take, as in Python. Default `strict`. */
  readonly errors?: "strict" | "ignore" | "replace" | "surrogateescape"
  /** Renames Python 2's modules to Python 3's in protocols 0 to 2 (`__builtin__` → `builtins`). Default true. */
  readonly fixImports?: boolean
  /** `number` where that is exact and bigint beyond ±(2^53-1), or always `bigint`. Default `number`. */
  readonly integers?: "number" | "bigint"
  /** `number`, or `typed`: every float is a `PyFloat`, so that `1.0` differs from `1`. Default `number`. */
  readonly floats?: "number" | "typed"
  /** `object` where all keys are strings in an order that an object keeps, else a `PyDict`; or always `map`. Default `object`. */
  readonly dicts?: "object" | "map"
  /** Whether `bytes` are views of the input or `copy`: a view keeps the whole input in memory. Default `view`. */
  readonly bytes?: "view" | "copy"
  /**
   * Whether text may share memory with its neighbours in the input (`shared`, faster: a string of 13 characters or
   * more may keep up to 64 KiB of text around it in memory) or is `separate`. Default `shared`.
   */
  readonly strings?: "shared" | "separate"
  /** What to do with a class that is not known: an inert `PyObject`, or refuse the pickle. Default `inert`. */
  readonly unknown?: "inert" | "refuse"
  /** Decoders by the class's qualified name, `module.Name`. They come before the package's own. */
  readonly classes?: Readonly<Record<string, ClassDecoder>> | ReadonlyMap<string, ClassDecoder>
  /** Called with each class or function that the pickle names, once for each name, before anything is made of it. */
  readonly onGlobal?: (global: PyGlobal) => void
  /** Resolves a persistent id. Without it, a pickle with persistent ids is refused, as in Python. */
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
    memo: given?.memo ?? 0x4000000,
    integerBytes: given?.integerBytes ?? 0x100000,
    repetition: given?.repetition ?? Math.max(0x1000000, proportional),
    equalityWork: given?.equalityWork ?? Math.max(2_000_000, proportional)
  }
}

/** Those of every pickle below 64 KiB: the proportional ones do not come into play. */
const smallLimits: Limits = computedLimits(0, undefined)
