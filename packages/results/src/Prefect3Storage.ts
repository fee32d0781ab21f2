/**
 * `Prefect3Storage`: results of Prefect 2 and 3, wherever their storage blocks keep them.
 *
 * A record of Prefect 2 or 3 refers to a file of the worker, or to a key in a storage block of the server. Both are
 * read through another storage: its roots, buckets and mounts decide what may be opened, and its credentials are used.
 *
 * @since 0.1.0
 */
import type { StorageBlock } from "@effect-prefect/api/Backend"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { Prefect3Result } from "@effect-prefect/core/ResultDescriptor"
import type { FormatError } from "@effect-prefect/formats/FormatError"
import type { DecodeOptions } from "@effect-prefect/formats/ResultFormat"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as InlineStorage from "./InlineStorage.ts"
import * as Location from "./internal/location.ts"
import * as BlockStorages from "./internal/prefect3/blockStorages.ts"
import * as Prefect3Location from "./internal/prefect3/location.ts"
import * as Prefect3Record from "./internal/prefect3/record.ts"
import {
  ResultAccessDenied,
  ResultNotFound,
  ResultTooLarge,
  type StorageNotProvided,
  type StorageReason,
  StorageUnavailable,
  UnsupportedResultType
} from "./ResultError.ts"
import * as ResultOptions from "./ResultOptions.ts"
import * as ResultStorage from "./ResultStorage.ts"

/**
 * Options besides the storage.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * A storage for the keys of one block; undefined for the given storage. `Prefect3S3.forBlock` makes one with the
   * credentials in the block. It is kept for the next results, with those of up to 63 other blocks, and made anew when
   * the block has changed.
   */
  readonly forBlock?: ((block: StorageBlock) => Layer.Layer<ResultStorage.ResultStorage> | undefined) | undefined
}

/**
 * Decodes what Prefect 2 or 3 stored: a record with its serializer, or the bare output of a serializer. `serializer` is
 * the one in the state, for bytes without a record. The readers of this module do the same; use this in a worker
 * thread, which cannot receive a function.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode: (
  bytes: Uint8Array,
  descriptor: Pick<Prefect3Result, "serializer">,
  options: DecodeOptions
) => Effect.Effect<unknown, FormatError | UnsupportedResultType> = Prefect3Record.decode

/**
 * Adds results of Prefect 2 and 3 to a storage: `LocalStorage.layer({ mounts })`, `S3Storage.layer({ buckets })`, or
 * several with `Layer.mergeAll`. A storage block is requested once an hour; together with the key it determines the
 * file or object to read there. A change of the block is noticed a minute after that hour at the latest.
 *
 * | block | read as |
 * |---|---|
 * | none: an absolute path on the worker | LocalResult |
 * | LocalFileSystem | LocalResult, inside its `basepath` |
 * | S3Bucket | S3Result |
 * | GcsBucket | GCSResult |
 * | AzureBlobStorageContainer | AzureResult |
 * | RemoteFileSystem on `s3://`, `gs://`, `az://`, `abfs://`, `file://` | the same |
 *
 * **Example** (Reading results that a worker on another machine stored)
 *
 * ```ts
 * import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
 * import * as LocalStorage from "@effect-prefect/results/LocalStorage"
 * import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
 * import * as Layer from "effect/Layer"
 *
 * const Files = LocalStorage.layer({ mounts: [{ from: "/home/worker/.prefect/storage", to: "./storage" }] })
 * export const Live = Layer.provideMerge(
 *   Prefect3Storage.layer(Files),
 *   Prefect3Api.layer({ url: "http://127.0.0.1:4200/api" })
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(
  storage: Layer.Layer<ResultStorage.ResultStorage, E, R>,
  options: Options = {}
): Layer.Layer<ResultStorage.ResultStorage, E, R | PrefectApi> =>
  Layer.unwrap(
    Effect.gen(function*(): Effect.fn.Return<
      Layer.Layer<ResultStorage.ResultStorage>,
      E,
      R | PrefectApi | Scope.Scope
    > {
      const api = yield* PrefectApi
      const built = yield* Layer.build(storage)
      const inner = Context.get(built, ResultStorage.ResultStorage)
      const scope = yield* Effect.scope
      // Values may be in the state itself, whatever else the storage reads.
      const inline = inner.readers.some(({ type }) => type === "PrefectResult")
        ? []
        : Context.get(yield* Layer.build(InlineStorage.layer), ResultStorage.ResultStorage).readers
      // Options that were merged into the storage apply to its results.
      const limits = ResultOptions.override(
        inner.options ?? ResultOptions.defaults,
        Context.get(built, ResultOptions.ResultOptions)
      )
      return Layer.provide(
        ResultStorage.layer(
          Effect.succeed([...inner.readers, ...inline, makeReader(api, inner, options.forBlock, scope)])
        ),
        Layer.succeed(ResultOptions.ResultOptions, limits)
      )
    })
  )

/** A block and the storage of its keys, which hold for a while. */
interface Known {
  readonly block: StorageBlock
  readonly storage: ResultStorage.ResultStorage["Service"]
  /** By `performance.now()`. */
  readonly until: number
}

/** Milliseconds. The backend keeps blocks too, and decides whether it asks its server again. */
const keptFor = 60_000
const maxKnown = 1_000

const decodersOf = (
  serializer: Prefect3Result["serializer"]
): Pick<Extract<ResultStorage.StoredResult, { readonly _tag: "Bytes" }>, "decode" | "decodeAtOnce"> => {
  const recorded = { serializer: serializer ?? null }
  return {
    decode: (bytes, options) => Prefect3Record.decode(bytes, recorded, options),
    decodeAtOnce: (bytes, options) => Prefect3Record.decodeAtOnce(bytes, recorded, options)
  }
}

const makeReader = (
  api: PrefectApi["Service"],
  inner: ResultStorage.ResultStorage["Service"],
  forBlock: Options["forBlock"],
  scope: Scope.Scope
): ResultStorage.StorageReader<Prefect3Result> => {
  /** The blocks that were needed lately, which are not looked up again for each result. */
  const known = new Map<string, Known>()
  const storages = BlockStorages.make(inner, forBlock, scope, (id) => known.delete(id))
  const knownAt = (id: string): Known | undefined => {
    const found = known.get(id)
    return found === undefined || performance.now() < found.until ? found : undefined
  }
  /** Continues with a block and its storage, which stays open until then. */
  const withBlock = <A, E>(
    id: string,
    then: (found: Known) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | StorageReason> =>
    Effect.flatMap(
      Effect.mapError(api.storageBlock(id), (error) => blockReason(id, error)),
      (block: StorageBlock) =>
        storages.use(id, block, (storage) => {
          const found = { block, storage, until: performance.now() + keptFor }
          if (known.size >= maxKnown) known.clear()
          known.set(id, found)
          return then(found)
        })
    )
  const read = (
    { payload, serializer, storageBlockId, storageKey }: Prefect3Result,
    options: ResultStorage.ReadOptions
  ): Effect.Effect<ResultStorage.StoredResult, StorageReason | StorageNotProvided> => {
    const decoders = decodersOf(serializer)
    if (storageKey === null && typeof payload === "string") {
      const bytes = new TextEncoder().encode(payload)
      return bytes.length > options.maxBytes
        ? Effect.fail(new ResultTooLarge({ limit: options.maxBytes, unit: "bytes", size: bytes.length }))
        : Effect.succeed({ _tag: "Bytes", bytes, name: "the state itself", ...decoders })
    }
    const key = storageKey ?? ""
    const stored = (
      descriptor: Prefect3Location.Resolved,
      storage: ResultStorage.ResultStorage["Service"]
    ): Effect.Effect<ResultStorage.StoredResult, StorageReason | StorageNotProvided> => {
      if (descriptor instanceof ResultAccessDenied || descriptor instanceof UnsupportedResultType) {
        return Effect.fail(descriptor)
      }
      // The storage of a block may have its own limits.
      const maxBytes = Math.min(options.maxBytes, storage.options?.maxBytes ?? Infinity)
      return Effect.map(
        storage.read(descriptor, { ...options, maxBytes }),
        (stored) => stored._tag === "Value" ? stored : { ...stored, emptyIsNone: false, ...decoders }
      )
    }
    if (storageBlockId === null || storageBlockId === undefined) {
      const found = stored(Prefect3Location.ofKey(key), inner)
      return Prefect3Location.isWithoutStorage(key)
        ? Effect.mapError(found, (reason) => reason instanceof ResultAccessDenied ? withoutStorage(key) : reason)
        : found
    }
    return withBlock(
      storageBlockId,
      ({ block, storage }) => stored(Prefect3Location.inBlock(block, key), storage)
    )
  }
  /** The place of a key in a block that is known, or without one. */
  const placeOf = (key: string, at: Known | undefined) => {
    const descriptor = at === undefined ? Prefect3Location.ofKey(key) : Prefect3Location.inBlock(at.block, key)
    if (descriptor instanceof ResultAccessDenied || descriptor instanceof UnsupportedResultType) return undefined
    const storage = at?.storage ?? inner
    const resolved = storage.resolve(descriptor)?.resolved
    return resolved?._tag === "Allowed" ? { resolved, limit: storage.options?.maxBytes ?? Infinity } : undefined
  }
  const readAtOnce = (
    { serializer, storageBlockId, storageKey }: Prefect3Result,
    { maxBytes }: Pick<ResultStorage.ReadOptions, "maxBytes">
  ): ResultStorage.StoredResult | StorageReason | undefined => {
    if (storageKey === null || storageKey === undefined) return undefined
    const hasBlock = storageBlockId !== null && storageBlockId !== undefined
    const at = hasBlock ? knownAt(storageBlockId) : undefined
    if (hasBlock && at === undefined) return undefined
    const place = placeOf(storageKey, at)
    const stored = place?.resolved.readAtOnce?.({ maxBytes: Math.min(maxBytes, place.limit) })
    return stored?._tag === "Bytes" ? { ...stored, emptyIsNone: false, ...decodersOf(serializer) } : stored
  }
  const beforeReadAtOnce = (
    { storageBlockId, storageKey }: Prefect3Result
  ): Effect.Effect<void, StorageReason | StorageNotProvided> | undefined => {
    if (storageKey === null || storageKey === undefined) return undefined
    const before = (at: Known | undefined) => placeOf(storageKey, at)?.resolved.beforeReadAtOnce?.()
    if (storageBlockId === null || storageBlockId === undefined) return before(undefined)
    const at = knownAt(storageBlockId)
    return at === undefined
      ? withBlock(storageBlockId, (found) => before(found) ?? Effect.void)
      : before(at)
  }
  return {
    type: "Prefect3Result",
    concurrency: Math.max(1, ...inner.readers.map((reader) => reader.concurrency)),
    // The file or object depends on the block: the inner storage decides whether it may be read, before it is opened.
    resolve: (descriptor) => ({
      _tag: "Allowed",
      location: locationOf(descriptor),
      read: (options) => read(descriptor, options),
      readAtOnce: (options) => readAtOnce(descriptor, options),
      beforeReadAtOnce: () => beforeReadAtOnce(descriptor)
    })
  }
}

const withoutStorage = (key: string) =>
  new ResultAccessDenied({
    location: Location.shown(key),
    detail: "Prefect recorded a key without its storage: the block that the flow used was not saved",
    hint: "mount a copy of that storage, or of the folder that the worker ran in, from \".\""
  })

const locationOf = ({ payload, storageBlockId, storageKey }: Prefect3Result): string =>
  storageKey === null && typeof payload === "string"
    ? "the state itself"
    : storageBlockId === null || storageBlockId === undefined
    ? Location.shown(storageKey ?? "")
    : `${Location.shown(storageKey ?? "")} of storage block ${storageBlockId}`

const blockReason = (id: string, { reason }: PrefectApiError): StorageReason => {
  const location = `storage block ${id}`
  switch (reason._tag) {
    case "Unauthorized":
      return new ResultAccessDenied({ location, detail: reason.message })
    case "UnsupportedByBackend":
      return new UnsupportedResultType({ type: "in a storage block of Prefect 2 or 3", detail: reason.message })
    case "StorageBlockNotFound":
      return new ResultNotFound({ location, detail: "the server does not have it" })
    default:
      return new StorageUnavailable({ location, detail: reason.message })
  }
}
