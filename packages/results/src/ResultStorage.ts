/**
 * `ResultStorage`: the bytes of a stored result, from allowed locations only.
 *
 * Each kind of storage is a module with a `layer`; `layerMerge` combines several. Nothing is readable until it is
 * named: the descriptor that a server returns never decides what the reader's credentials open.
 *
 * @since 0.1.0
 */
import type { CustomResult, ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import type { FormatError } from "@effect-prefect/formats/FormatError"
import type { DecodeOptions, Format } from "@effect-prefect/formats/ResultFormat"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import {
  ResultAccessDenied,
  StorageNotProvided,
  type StorageReason,
  StorageUnavailable,
  type UnsupportedResultType
} from "./ResultError.ts"

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
    /** The name of the file or object. An ending such as `.csv` helps when the bytes do not tell the format. */
    readonly name: string
    /** The format, when the storage knows it. */
    readonly format?: Format | undefined
    /** Whether empty bytes are None, as Prefect reads them from S3, GCS and Azure. Default false. */
    readonly emptyIsNone?: boolean | undefined
    /** Decodes the bytes, when Prefect recorded how they were written. Default: the format is detected. */
    readonly decode?:
      | ((
        bytes: Uint8Array,
        options: DecodeOptions
      ) => Effect.Effect<unknown, FormatError | UnsupportedResultType>)
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
  /** A larger result fails with ResultTooLarge, without being read whole. */
  readonly maxBytes: number
}

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
    /** What to change so that the location is allowed. */
    readonly hint: string
  }
  | {
    readonly _tag: "Allowed"
    /** The location as messages show it. */
    readonly location: string
    /** Reads the stored result. */
    readonly read: (options: ReadOptions) => Effect.Effect<StoredResult, StorageReason | StorageNotProvided>
  }

/**
 * A reader of one type of descriptor from one kind of storage.
 *
 * @category models
 * @since 0.1.0
 */
export interface StorageReader<D extends ResultDescriptor = ResultDescriptor> {
  /** The descriptor type that it reads: `LocalResult`, `S3Result`, … or the name of a custom class. */
  readonly type: string
  /** How many reads may run at once. */
  readonly concurrency: number
  /** Finds the descriptor's location, and whether it may be read, without touching the store. */
  readonly resolve: (descriptor: D) => ResolvedLocation
}

/**
 * A reader of any one type of descriptor.
 *
 * @category models
 * @since 0.1.0
 */
export type AnyReader = StorageReader<never>

/**
 * The reader that is responsible for a descriptor, and its answer.
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
   * The first reader of the descriptor's type that allows the location, else the last one of that type. Undefined when
   * no reader takes that type. The store is not touched.
   */
  readonly resolve: (descriptor: ResultDescriptor) => Resolution | undefined
  /** Resolves the descriptor and reads what it names. */
  readonly read: (
    descriptor: ResultDescriptor,
    options: ReadOptions
  ) => Effect.Effect<StoredResult, StorageReason | StorageNotProvided>
}>()("@effect-prefect/results/ResultStorage") {}

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
    : Effect.fail(new ResultAccessDenied({ location: resolved.location, detail: resolved.hint }))
}

/**
 * Makes a `ResultStorage` from readers. If several handle the same type, the first that allows the location is used.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (given: ReadonlyArray<AnyReader>): ResultStorage["Service"] => {
  // A reader is only asked about descriptors of its own type.
  const readers = given as ReadonlyArray<StorageReader>
  const byType = new Map<string, Array<StorageReader>>()
  for (const reader of readers) {
    const list = byType.get(reader.type)
    if (list === undefined) byType.set(reader.type, [reader])
    else list.push(reader)
  }
  const resolve = (descriptor: ResultDescriptor): Resolution | undefined => {
    let resolution: Resolution | undefined
    for (const reader of byType.get(typeOf(descriptor)) ?? []) {
      resolution = { reader, resolved: reader.resolve(descriptor) }
      if (resolution.resolved._tag === "Allowed") break
    }
    return resolution
  }
  return ResultStorage.of({
    readers,
    resolve,
    read: (descriptor, options) => readResolved(resolve(descriptor), descriptor, options)
  })
}

/** A reader whose reads fail once `isClosed`. */
const closable = (reader: StorageReader, isClosed: () => boolean): StorageReader => ({
  ...reader,
  resolve: (descriptor) => {
    const resolved = reader.resolve(descriptor)
    if (resolved._tag === "Denied") return resolved
    const { location, read } = resolved
    return {
      _tag: "Allowed",
      location,
      read: (options) =>
        isClosed()
          ? Effect.fail(
            new StorageUnavailable({ location, detail: "the layer that provided its storage has been closed" })
          )
          : read(options)
    }
  }
})

/**
 * A layer of the readers that an effect acquires. Once the layer has closed, every read fails with StorageUnavailable.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(
  readers: Effect.Effect<ReadonlyArray<AnyReader>, E, R>
): Layer.Layer<ResultStorage, E, Exclude<R, Scope.Scope>> =>
  Layer.effect(
    ResultStorage,
    Effect.gen(function*() {
      let closed = false
      const acquired = (yield* readers) as ReadonlyArray<StorageReader>
      yield* Effect.addFinalizer(() => Effect.sync(() => closed = true))
      return make(acquired.map((reader) => closable(reader, () => closed)))
    })
  )

/**
 * Several storages as one. If several read the same type of descriptor, the first that allows the location is used.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMerge = <const Layers extends ReadonlyArray<Layer.Layer<ResultStorage, unknown, unknown>>>(
  layers: Layers
): Layer.Layer<ResultStorage, Layer.Error<Layers[number]>, Layer.Services<Layers[number]>> =>
  Layer.effect(
    ResultStorage,
    Effect.map(
      Effect.forEach(layers, (storage) => Effect.map(Layer.build(storage), Context.get(ResultStorage))),
      (storages) => make(storages.flatMap((storage) => storage.readers))
    ) as Effect.Effect<
      ResultStorage["Service"],
      Layer.Error<Layers[number]>,
      Layer.Services<Layers[number]> | Scope.Scope
    >
  ) as Layer.Layer<ResultStorage, Layer.Error<Layers[number]>, Layer.Services<Layers[number]>>
