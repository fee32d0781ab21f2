/**
 * `ResultStorage`: reads the bytes of a stored result, from allowed locations only.
 *
 * Each kind of storage is a module with a `layer`; `layerMerge` combines several. Nothing is readable until it is
 * named: the descriptor that a server returns never decides what the reader's credentials access.
 *
 * **Example** (A storage of your own)
 *
 * ```ts
 * import type { LocalResult } from "@effect-prefect/core/ResultDescriptor"
 * import { ResultError, ResultStorage } from "@effect-prefect/results"
 * import { Effect } from "effect"
 *
 * const reader: ResultStorage.StorageReader<LocalResult> = {
 *   type: "LocalResult",
 *   concurrency: 6,
 *   resolve: ({ location }) => ({
 *     _tag: "Allowed",
 *     location: location ?? "",
 *     read: () => Effect.fail(new ResultError.ResultNotFound({ location: location ?? "", detail: "nothing is there" }))
 *   })
 * }
 * export const Empty = ResultStorage.layer(Effect.succeed([reader]))
 * ```
 *
 * @since 0.1.0
 */
import type { CustomResult, ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import type { FormatError } from "@effect-prefect/formats/FormatError"
import type { DecodeOptions, Format } from "@effect-prefect/formats/ResultFormat"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import {
  ResultAccessDenied,
  type ResultTooLarge,
  StorageNotProvided,
  type StorageReason,
  StorageUnavailable,
  type UnsupportedResultType
} from "./ResultError.ts"
import { checked, combine, defaults, type Options, override, ResultOptions } from "./ResultOptions.ts"

/**
 * A stored result: bytes to decode, or a value that needs no decoding.
 *
 * @category models
 * @since 0.1.0
 */
export type StoredResult =
  | {
    readonly _tag: "Bytes"
    readonly bytes: Uint8Array
    /** The name of the file or object. A suffix such as `.csv` helps when the bytes do not identify the format. */
    readonly name: string
    /** The format, when the storage knows it. */
    readonly format?: Format | undefined
    /** Whether empty bytes are None, as Prefect reads them from S3, GCS and Azure. Default false. */
    readonly emptyIsNone?: boolean | undefined
    /** Decodes the bytes, if Prefect recorded how they were written. Default: the format is detected. */
    readonly decode?:
      | ((
        bytes: Uint8Array,
        options: DecodeOptions
      ) => Effect.Effect<unknown, FormatError | UnsupportedResultType>)
      | undefined
    /**
     * Like `decode`, without an Effect, for bytes for which `ResultFormat.isSmall` holds. Undefined when that is not
     * possible: `decode` is then used. Default: never.
     */
    readonly decodeAtOnce?:
      | ((
        bytes: Uint8Array,
        options: DecodeOptions
      ) => Result.Result<unknown, FormatError | UnsupportedResultType> | undefined)
      | undefined
  }
  | { readonly _tag: "Value"; readonly value: unknown }

/**
 * Limits that a reader must respect.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReadOptions {
  /** A larger result fails with ResultTooLarge, without being read completely. */
  readonly maxBytes: number
  /**
   * Requests memory as soon as the size of the result is known, before it is allocated. `then` is called once: without
   * an argument when there is room, possibly at once, or with the reason why there never will be. The returned function
   * cancels the request. For a reader that never calls it, memory is reserved after the read.
   */
  readonly reserve?: Reserve | undefined
}

/**
 * A request for memory, which calls back when there is room.
 *
 * @category models
 * @since 0.1.0
 */
export type Reserve = (bytes: number, then: (refusal: ResultTooLarge | undefined) => void) => () => void

/**
 * The location that a descriptor names, and how to read it if it is allowed.
 *
 * @category models
 * @since 0.1.0
 */
export type ResolvedLocation =
  | {
    readonly _tag: "Denied"
    /** The location as messages show it: a path, `s3://bucket/key`, … Never a credential or a signed URL. */
    readonly location: string
    /** The reason why it is not allowed. Default: `it is not in an allowed place`. */
    readonly detail?: string | undefined
    /** The change in code that allows the location. */
    readonly hint?: string | undefined
  }
  | {
    readonly _tag: "Allowed"
    /** The location as messages show it. */
    readonly location: string
    /**
     * The length of the root, mount or prefix that allows it. If several readers allow a location, the one with the
     * longest is used. Default 0.
     */
    readonly specificity?: number | undefined
    /** Reads the stored result. */
    readonly read: (options: ReadOptions) => Effect.Effect<StoredResult, StorageReason | StorageNotProvided>
    /**
     * Reads a small stored result without an Effect, if that takes only a moment; its memory is reserved afterwards.
     * Gives the reason of a failure where `read` would fail with the same. Undefined when it would wait, or cannot tell:
     * `read` is then used. Default: never.
     */
    readonly readAtOnce?:
      | ((options: Pick<ReadOptions, "maxBytes">) => StoredResult | StorageReason | undefined)
      | undefined
    /**
     * What has to be looked up once for all results of a place before `readAtOnce`, which gave undefined, can read them. Fails where `read`
     * would fail with the same. Undefined when nothing has to be. Default: nothing.
     */
    readonly beforeReadAtOnce?:
      | (() => Effect.Effect<void, StorageReason | StorageNotProvided> | undefined)
      | undefined
    /**
     * Opens the stored bytes for reading parts of them, for the lifetime of the scope; undefined when the store turns
     * out not to support parts. Without it, for example when the bytes are wrapped, the result is read as a whole.
     */
    readonly open?:
      | (() => Effect.Effect<StoredParts | undefined, StorageReason | StorageNotProvided, Scope.Scope>)
      | undefined
  }

/**
 * A stored result whose bytes are read in parts.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoredParts {
  readonly size: number
  /**
   * Reads a number of bytes from an offset, all of which exist. Fails with StorageUnavailable when the result has
   * changed since it was opened.
   */
  readonly read: (offset: number, length: number) => Effect.Effect<Uint8Array, StorageReason>
}

/**
 * A reader for one type of descriptor in one kind of storage.
 *
 * @category models
 * @since 0.1.0
 */
export interface StorageReader<D extends ResultDescriptor = ResultDescriptor> {
  /** The descriptor type that it reads: `LocalResult`, `S3Result`, … or the name of a custom class. */
  readonly type: string
  /** The number of reads that may run concurrently. */
  readonly concurrency: number
  /** Finds the descriptor's location, and whether it may be read, without touching the store. */
  readonly resolve: (descriptor: D) => ResolvedLocation
}

/**
 * A reader for any single type of descriptor.
 *
 * @category models
 * @since 0.1.0
 */
export type AnyReader = StorageReader<never>

/**
 * The reader for a descriptor, and its answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Resolution {
  readonly reader: StorageReader
  readonly resolved: ResolvedLocation
}

/**
 * Service that reads the bytes of a stored result.
 *
 * @category services
 * @since 0.1.0
 */
export class ResultStorage extends Context.Service<ResultStorage, {
  readonly readers: ReadonlyArray<StorageReader>
  /**
   * The options in effect when its layers were built, of several the lower limits; a `TaskRun` uses them for options
   * that its own program did not set.
   */
  readonly options?: Options | undefined
  /**
   * The reader of the descriptor's type that allows the location most specifically, otherwise the last one of that
   * type. Undefined when no reader handles that type. The store is not contacted.
   */
  readonly resolve: (descriptor: ResultDescriptor) => Resolution | undefined
  /** Resolves the descriptor and reads its location. */
  readonly read: (
    descriptor: ResultDescriptor,
    options: ReadOptions
  ) => Effect.Effect<StoredResult, StorageReason | StorageNotProvided>
}>()("@effect-prefect/results/ResultStorage") {}

/**
 * The options in effect for a storage, when the program has these: those of the program, and otherwise those that the
 * storage's layers were built with.
 *
 * @category accessors
 * @since 0.1.0
 */
export const optionsOf = (storage: ResultStorage["Service"], program: Options): Effect.Effect<Options> =>
  checked(override(storage.options ?? defaults, program))

/**
 * The options in effect for this storage: those of the program, and otherwise those that its layers were built with.
 *
 * @category accessors
 * @since 0.1.0
 */
export const resultOptions: Effect.Effect<Options, never, ResultStorage> = Effect.flatMap(
  ResultStorage,
  (storage) => Effect.flatMap(ResultOptions, (program) => optionsOf(storage, program))
)

const typeOf = (descriptor: ResultDescriptor): string =>
  descriptor._tag === "CustomResult" ? (descriptor as CustomResult).type : descriptor._tag

const providers: Record<string, string> = {
  LocalResult: "add LocalStorage.layer({ roots })",
  S3Result: "add S3Storage.layer({ buckets }), or LocalStorage.layer({ mounts }) with a copy of the bucket",
  GCSResult: "add GCSStorage.layer({ buckets }), or LocalStorage.layer({ mounts }) with a copy of the bucket",
  AzureResult: "add AzureStorage.layer({ containers }), or LocalStorage.layer({ mounts }) with a copy of the container",
  PrefectResult: "add InlineStorage.layer",
  Prefect3Result: "add Prefect3Storage.layer"
}

const readResolved = (
  resolution: Resolution | undefined,
  descriptor: ResultDescriptor,
  options: ReadOptions
): Effect.Effect<StoredResult, StorageReason | StorageNotProvided> => {
  if (resolution === undefined) {
    const type = typeOf(descriptor)
    return Effect.fail(
      new StorageNotProvided({ type, hint: providers[type] ?? "add a reader for it to ResultStorage" })
    )
  }
  const { resolved } = resolution
  return resolved._tag === "Allowed"
    ? resolved.read(options)
    : Effect.fail(
      new ResultAccessDenied({
        location: resolved.location,
        detail: resolved.detail ?? "it is not in an allowed place",
        ...(resolved.hint === undefined ? {} : { hint: resolved.hint })
      })
    )
}

/**
 * Makes a `ResultStorage` from readers. If several handle the same type, the one that allows the location most
 * specifically is used, and among equals the first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (given: ReadonlyArray<AnyReader>): ResultStorage["Service"] => {
  // A reader only receives descriptors of its own type.
  const readers = given as ReadonlyArray<StorageReader>
  const byType = new Map<string, Array<StorageReader>>()
  for (const reader of readers) {
    const list = byType.get(reader.type)
    if (list === undefined) byType.set(reader.type, [reader])
    else list.push(reader)
  }
  const resolve = (descriptor: ResultDescriptor): Resolution | undefined => {
    const candidates = byType.get(typeOf(descriptor))
    if (candidates === undefined) return undefined
    let best: Resolution | undefined
    let most = -1
    for (const reader of candidates) {
      const resolved = reader.resolve(descriptor)
      const specificity = resolved._tag === "Denied" ? -1 : resolved.specificity ?? 0
      if (best !== undefined && specificity <= most && most >= 0) continue
      best = { reader, resolved }
      most = specificity
    }
    return best
  }
  return ResultStorage.of({
    readers,
    resolve,
    read: (descriptor, options) => readResolved(resolve(descriptor), descriptor, options)
  })
}

/** A reader whose reads fail once `isClosed` is true. */
const closable = (reader: StorageReader, isClosed: () => boolean): StorageReader => ({
  ...reader,
  resolve: (descriptor) => {
    const resolved = reader.resolve(descriptor)
    if (resolved._tag === "Denied") return resolved
    const { beforeReadAtOnce, location, open, read, readAtOnce, specificity } = resolved
    const whenOpen = <A, E, R>(use: () => Effect.Effect<A, E, R>): Effect.Effect<A, E | StorageUnavailable, R> =>
      isClosed()
        ? Effect.fail(
          new StorageUnavailable({ location, detail: "the layer that provided its storage has been closed" })
        )
        : use()
    return {
      _tag: "Allowed",
      location,
      specificity,
      read: (options) => whenOpen(() => read(options)),
      readAtOnce: readAtOnce && ((options) => isClosed() ? undefined : readAtOnce(options)),
      beforeReadAtOnce: beforeReadAtOnce && (() => isClosed() ? undefined : beforeReadAtOnce()),
      open: open === undefined ?
        undefined :
        () =>
          Effect.map(
            whenOpen(open),
            (parts) => parts && { ...parts, read: (offset, length) => whenOpen(() => parts.read(offset, length)) }
          )
    }
  }
})

/** The readers of all storage layers that are built together, of which each layer's service is a view. */
class Registry {
  private readonly entries = new Set<
    { readonly order: number; readonly readers: ReadonlyArray<StorageReader>; readonly options: Options | undefined }
  >()
  private current: ResultStorage["Service"] = make([])
  readonly view: ResultStorage["Service"]

  constructor() {
    const current = () => this.current
    this.view = {
      get readers() {
        return current().readers
      },
      get options() {
        return current().options
      },
      resolve: (descriptor) => this.current.resolve(descriptor),
      read: (descriptor, options) => this.current.read(descriptor, options)
    }
  }

  /** Adds readers, in the order in which their layers were written, for the lifetime of the scope. */
  add(
    order: number,
    readers: ReadonlyArray<StorageReader>,
    options: Options | undefined
  ): Effect.Effect<void, never, Scope.Scope> {
    const entry = { order, readers, options }
    return Effect.acquireRelease(
      Effect.sync(() => {
        this.entries.add(entry)
        this.update()
      }),
      () =>
        Effect.sync(() => {
          // The last ones remain, closed, and fail with that message.
          if (this.entries.size === 1) return
          this.entries.delete(entry)
          this.update()
        })
    )
  }

  private update(): void {
    const entries = [...this.entries].toSorted((left, right) => left.order - right.order)
    let options: Options | undefined
    for (const entry of entries) {
      if (entry.options !== undefined) {
        options = options === undefined ? entry.options : combine(options, entry.options)
      }
    }
    this.current = { ...make(entries.flatMap(({ readers }) => readers)), options }
  }
}

/**
 * Grouped by the memo map that their layers share: those of another program, or of a nested `Effect.provide`, are
 * separate.
 */
const registries = new WeakMap<Layer.MemoMap, Registry>()

const registryOf = (memoMap: Layer.MemoMap | undefined): Registry => {
  const known = memoMap === undefined ? undefined : registries.get(memoMap)
  if (known !== undefined) return known
  const registry = new Registry()
  if (memoMap !== undefined) registries.set(memoMap, registry)
  return registry
}

let layers = 0

/**
 * A layer from the readers that an effect acquires. After the layer is closed, every read fails with
 * StorageUnavailable.
 *
 * Storages that are built together, as with `Layer.mergeAll`, are one: each of their layers provides a `ResultStorage`
 * with the readers of all of them. The most specific root, mount or bucket that allows a location is used.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(
  readers: Effect.Effect<ReadonlyArray<AnyReader>, E, R>
): Layer.Layer<ResultStorage, E, Exclude<R, Scope.Scope>> => {
  const order = layers++
  return Layer.effect(
    ResultStorage,
    Effect.gen(function*() {
      let closed = false
      const memoMap = Context.getOrUndefined(yield* Effect.context<never>(), Layer.CurrentMemoMap)
      const options = yield* ResultOptions
      const acquired = (yield* readers) as ReadonlyArray<StorageReader>
      yield* Effect.addFinalizer(() => Effect.sync(() => closed = true))
      const registry = registryOf(memoMap)
      yield* registry.add(
        order,
        acquired.map((reader) => closable(reader, () => closed)),
        options === defaults ? undefined : options
      )
      return registry.view
    })
  )
}

/**
 * Combines several storages, like `Layer.mergeAll`, for a list of any length.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMerge = <const Layers extends ReadonlyArray<Layer.Layer<ResultStorage, unknown, unknown>>>(
  layers: Layers
): Layer.Layer<ResultStorage, Layer.Error<Layers[number]>, Layer.Services<Layers[number]>> => {
  const [first, ...rest] = layers as ReadonlyArray<
    Layer.Layer<ResultStorage, Layer.Error<Layers[number]>, Layer.Services<Layers[number]>>
  >
  return first === undefined ? layer(Effect.succeed([])) : Layer.mergeAll(first, ...rest)
}
