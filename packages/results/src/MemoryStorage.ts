/**
 * `MemoryStorage`: results in memory, for tests.
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
import * as Place from "./internal/location.ts"
import { ResultNotFound, ResultTooLarge, type StorageReason } from "./ResultError.ts"
import * as ResultStorage from "./ResultStorage.ts"

/**
 * What a place holds: bytes, text (stored as UTF-8), a failure, or an effect that gives bytes or fails.
 *
 * @category models
 * @since 0.1.0
 */
export type Content = Uint8Array | string | StorageReason | Effect.Effect<Uint8Array, StorageReason>

/**
 * Results by place: `/srv/results/x.prefect`, `s3://bucket/key`, `gs://bucket/key`, `azure://container/key`. A `Map` may
 * change between reads.
 *
 * @category models
 * @since 0.1.0
 */
export type Contents = ReadonlyMap<string, Content> | Readonly<Record<string, Content>>

/**
 * A storage in memory, and the count of its reads.
 *
 * @category models
 * @since 0.1.0
 */
export interface MemoryStorage {
  readonly layer: Layer.Layer<ResultStorage.ResultStorage>
  /** How often a place was read; without one, how often any was. */
  readonly reads: (place?: string) => number
}

const encoder = new TextEncoder()

/**
 * A storage that counts its reads.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  contents: Contents,
  options: { readonly concurrency?: number | undefined } = {}
): MemoryStorage => {
  const counts = new Map<string, number>()
  const contentOf = (place: string) =>
    contents instanceof Map
      ? (contents as ReadonlyMap<string, Content>).get(place)
      : Object.hasOwn(contents, place)
      ? (contents as Readonly<Record<string, Content>>)[place]
      : undefined

  const reader = <D extends ResultDescriptor>(
    type: D["_tag"],
    emptyIsNone: boolean,
    placeOf: (descriptor: D) => Place.Place
  ): ResultStorage.ResultReader<D> => ({
    type,
    concurrency: options.concurrency ?? 16,
    place: (descriptor) => placeOf(descriptor).name,
    allows: () => true,
    allowHint: () => "add it to what MemoryStorage holds",
    read: (descriptor, { maxBytes }) =>
      Effect.suspend((): Effect.Effect<ResultStorage.Stored, StorageReason> => {
        const name = placeOf(descriptor).name
        counts.set(name, (counts.get(name) ?? 0) + 1)
        const content = contentOf(name)
        if (content === undefined) {
          return Effect.fail(new ResultNotFound({ place: name, problem: "MemoryStorage does not hold it" }))
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
  })

  return {
    layer: ResultStorage.layer(Effect.succeed([
      reader<LocalResult>("LocalResult", false, ({ dir, location }) => Place.file(location ?? "", dir)),
      reader<S3Result>("S3Result", true, ({ bucket, location }) => Place.object("s3", bucket ?? "", location ?? "")),
      reader<GCSResult>("GCSResult", true, ({ bucket, location }) => Place.object("gs", bucket ?? "", location ?? "")),
      reader<AzureResult>(
        "AzureResult",
        true,
        ({ container, location }) => Place.object("azure", container ?? "", location ?? "")
      )
    ])),
    reads: (place) => place === undefined ? [...counts.values()].reduce((sum, n) => sum + n, 0) : counts.get(place) ?? 0
  }
}

/**
 * A storage of what is given.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (contents: Contents): Layer.Layer<ResultStorage.ResultStorage> => make(contents).layer
