/**
 * `MemoryStorage`: results in memory, for tests.
 *
 * **Example** (Contents of a test, and how often they were read)
 *
 * ```ts
 * import { MemoryStorage, ResultError } from "@effect-prefect/results"
 *
 * export const Storage = MemoryStorage.layer({
 *   "/srv/a.json": "[1, 2, 3]",
 *   "s3://results/b": new ResultError.StorageUnavailable({ location: "s3://results/b", detail: "a test" })
 * })
 *
 * export const counted = MemoryStorage.make({ "/srv/a.json": "[1, 2, 3]" })
 * export const reads = () => counted.reads("/srv/a.json")
 * ```
 *
 * @since 0.1.0
 */
import type {
  AzureResult,
  GCSResult,
  LocalResult,
  ResultDescriptor,
  S3Result
} from "@effect-prefect/core/ResultDescriptor"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { countOf } from "./internal/countOf.ts"
import * as Location from "./internal/location.ts"
import { ResultNotFound, ResultTooLarge, type StorageReason } from "./ResultError.ts"
import * as ResultStorage from "./ResultStorage.ts"

/**
 * The content of a location: bytes, text (stored as UTF-8), a failure, or an effect that returns bytes or fails.
 *
 * @category models
 * @since 0.1.0
 */
export type Content = Uint8Array | string | StorageReason | Effect.Effect<Uint8Array, StorageReason>

/**
 * Results by location: `/srv/results/x.prefect`, `s3://bucket/key`, `gs://bucket/key`, `azure://container/key`. A `Map` may
 * change between reads.
 *
 * @category models
 * @since 0.1.0
 */
export type Contents = ReadonlyMap<string, Content> | Readonly<Record<string, Content>>

/**
 * A storage in memory that counts its reads.
 *
 * @category models
 * @since 0.1.0
 */
export interface MemoryStorage {
  readonly layer: Layer.Layer<ResultStorage.ResultStorage>
  /** The number of reads of a location; without an argument, of all locations. */
  readonly reads: (location?: string) => number
}

const encoder = new TextEncoder()

/**
 * Makes a storage that counts its reads.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  contents: Contents,
  options: { readonly concurrency?: number | undefined } = {}
): MemoryStorage => {
  const concurrency = countOf("concurrency", options.concurrency ?? 16)
  const counts = new Map<string, number>()
  const contentOf = (location: string) =>
    contents instanceof Map
      ? (contents as ReadonlyMap<string, Content>).get(location)
      : Object.hasOwn(contents, location)
      ? (contents as Readonly<Record<string, Content>>)[location]
      : undefined

  const read = (name: string, maxBytes: number, emptyIsNone: boolean) =>
    Effect.suspend((): Effect.Effect<ResultStorage.StoredResult, StorageReason> => {
      counts.set(name, (counts.get(name) ?? 0) + 1)
      const content = contentOf(name)
      if (content === undefined) {
        return Effect.fail(new ResultNotFound({ location: name, detail: "MemoryStorage does not hold it" }))
      }
      const bytes = typeof content === "string"
        ? Effect.succeed(encoder.encode(content))
        : content instanceof Uint8Array
        ? Effect.succeed(content)
        : Effect.isEffect(content)
        ? content
        : Effect.fail(content)
      return Effect.flatMap(bytes, (bytes) =>
        bytes.length > maxBytes
          ? Effect.fail(new ResultTooLarge({ limit: maxBytes, unit: "bytes", size: bytes.length }))
          : Effect.succeed({ _tag: "Bytes", bytes, name, emptyIsNone }))
    })

  const reader = <D extends ResultDescriptor>(
    type: D["_tag"],
    emptyIsNone: boolean,
    locationOf: (descriptor: D) => Location.Location
  ): ResultStorage.StorageReader<D> => ({
    type,
    concurrency,
    resolve: (descriptor) => {
      const location = locationOf(descriptor).name
      return { _tag: "Allowed", location, read: ({ maxBytes }) => read(location, maxBytes, emptyIsNone) }
    }
  })

  return {
    layer: ResultStorage.layer(Effect.succeed([
      reader<LocalResult>("LocalResult", false, ({ dir, location }) => Location.file(location ?? "", dir)),
      reader<S3Result>("S3Result", true, ({ bucket, location }) => Location.object("s3", bucket ?? "", location ?? "")),
      reader<GCSResult>(
        "GCSResult",
        true,
        ({ bucket, location }) => Location.object("gs", bucket ?? "", location ?? "")
      ),
      reader<AzureResult>(
        "AzureResult",
        true,
        ({ container, location }) => Location.object("azure", container ?? "", location ?? "")
      )
    ])),
    reads: (location) =>
      location === undefined ? [...counts.values()].reduce((sum, n) => sum + n, 0) : counts.get(location) ?? 0
  }
}

/**
 * A storage backed by the given values.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (contents: Contents): Layer.Layer<ResultStorage.ResultStorage> => make(contents).layer
