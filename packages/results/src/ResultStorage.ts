/**
 * `ResultStorage`: the bytes of a stored result, from places that were allowed.
 *
 * Each kind of storage is a module with a `layer`; `layerMerge` makes several one. Nothing is readable until it is
 * named: the descriptor that a server gives never decides what the reader's credentials open.
 *
 * @since 0.1.0
 */
import type { CustomResult, ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import type { FormatError } from "@effect-prefect/formats/FormatError"
import type { DecodeOptions, FormatHint } from "@effect-prefect/formats/ResultFormat"
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
 * What a storage has for a descriptor: bytes to decode, or a value that needs no decoding.
 *
 * @category models
 * @since 0.1.0
 */
export type Stored =
  | {
    readonly _tag: "Bytes"
    readonly bytes: Uint8Array
    /** What the file or object is called; an ending such as `.csv` helps where the bytes do not tell. */
    readonly name: string
    /** The format, where the storage knows it. */
    readonly format?: FormatHint | undefined
    /** Prefect reads empty bytes of S3, GCS and Azure as None. */
    readonly emptyIsNone?: boolean | undefined
    /** Decodes the bytes, where Prefect recorded how they were written. Default: the bytes tell. */
    readonly decode?:
      | ((
        bytes: Uint8Array,
        options: DecodeOptions
      ) => Effect.Effect<unknown, FormatError | UnsupportedResultType>)
      | undefined
  }
  | { readonly _tag: "Value"; readonly value: unknown }

/**
 * What a reader has to keep to.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReadOptions {
  /** A larger result fails with ResultTooLarge, without being read whole. */
  readonly maxBytes: number
}

/**
 * Reads the results of one type of descriptor from one kind of storage.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResultReader<D extends ResultDescriptor = ResultDescriptor> {
  /** The type of descriptor that it reads: `LocalResult`, `S3Result`, … or the name of a custom class. */
  readonly type: string
  /** How many reads it does at once. */
  readonly concurrency: number
  /** The place that a descriptor names, as messages show it: a path, `s3://bucket/key`, … */
  readonly place: (descriptor: D) => string
  /** Whether that place was allowed. It is asked before anything is touched. */
  readonly allows: (descriptor: D) => boolean
  /** What to do to have that place allowed. */
  readonly allowHint: (descriptor: D) => string
  readonly read: (
    descriptor: D,
    options: ReadOptions
  ) => Effect.Effect<Stored, StorageReason | StorageNotProvided>
}

/**
 * A reader of any one type of descriptor.
 *
 * @category models
 * @since 0.1.0
 */
export type AnyReader = ResultReader<never>

/**
 * The service: a descriptor's bytes, or the reason why there are none.
 *
 * @category services
 * @since 0.1.0
 */
export class ResultStorage extends Context.Service<ResultStorage, {
  readonly readers: ReadonlyArray<ResultReader>
  readonly read: (
    descriptor: ResultDescriptor,
    options: ReadOptions
  ) => Effect.Effect<Stored, StorageReason | StorageNotProvided>
  /** The reader that is asked for a descriptor, which says how many reads it does at once; undefined when none is. */
  readonly reader: (descriptor: ResultDescriptor) => ResultReader | undefined
}>()("@effect-prefect/results/ResultStorage") {}

const typeOf = (descriptor: ResultDescriptor): string =>
  descriptor._tag === "CustomResult" ? (descriptor as CustomResult).type : descriptor._tag

const providers: Record<string, string> = {
  LocalResult: "add LocalStorage.layer({ roots }) or a mount",
  S3Result: "add S3Storage.layer({ buckets }) or a mount",
  GCSResult: "add GCSStorage.layer({ buckets }) or a mount",
  AzureResult: "add AzureStorage.layer({ containers }) or a mount",
  PrefectResult: "add InlineStorage.layer",
  Prefect3Result: "add Prefect3Storage.layer"
}

/**
 * The service that some readers make. Of several for one type, the first that allows a place reads it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (given: ReadonlyArray<AnyReader>): ResultStorage["Service"] => {
  // A reader is only asked about descriptors of its own type.
  const readers = given as ReadonlyArray<ResultReader>
  const byType = new Map<string, Array<ResultReader>>()
  for (const reader of readers) {
    const list = byType.get(reader.type)
    if (list === undefined) byType.set(reader.type, [reader])
    else list.push(reader)
  }
  return ResultStorage.of({
    readers,
    reader: (descriptor) => {
      const candidates = byType.get(typeOf(descriptor))
      return candidates?.length === 1 ? candidates[0] : candidates?.find((_) => _.allows(descriptor))
    },
    read: (descriptor, options) => {
      const type = typeOf(descriptor)
      const candidates = byType.get(type)
      if (candidates === undefined) {
        return Effect.fail(
          new StorageNotProvided({ type, instead: providers[type] ?? "add a reader for it to ResultStorage" })
        )
      }
      const reader = candidates.find((_) => _.allows(descriptor))
      if (reader !== undefined) return reader.read(descriptor, options)
      const last = candidates[candidates.length - 1]!
      return Effect.fail(new ResultAccessDenied({ place: last.place(descriptor), problem: last.allowHint(descriptor) }))
    }
  })
}

/**
 * A layer of the readers that an effect acquires. Once the layer has closed they fail, and say so.
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
      const acquired = (yield* readers) as ReadonlyArray<ResultReader>
      yield* Effect.addFinalizer(() => Effect.sync(() => closed = true))
      return make(acquired.map((reader) => ({
        ...reader,
        read: (descriptor, options) =>
          closed
            ? Effect.fail(
              new StorageUnavailable({
                place: reader.place(descriptor),
                problem: "the layer that provided its storage has been closed"
              })
            )
            : reader.read(descriptor, options)
      })))
    })
  )

/**
 * Several storages as one. Where two read the same type of descriptor, the first that allows a place reads it.
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
