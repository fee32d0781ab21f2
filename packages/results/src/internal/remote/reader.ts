/**
 * A reader for an object store: reads allowed buckets only, with a client that is made at the first read and closed
 * with the layer.
 */
import type { ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ResultNotFound, type StorageReason, StorageUnavailable } from "../../ResultError.ts"
import type { AnyReader, ReadOptions, StorageReader, StoredParts, StoredResult } from "../../ResultStorage.ts"
import * as Location from "../location.ts"
import { download, type Downloaded, type Limits, noParts, within } from "./download.ts"
import * as Limiter from "./limiter.ts"
import { type Bucket, limitsOf, type RemoteOptions, wrongDuration } from "./options.ts"
import type { Client, ObjectName } from "./store.ts"

/** A store whose objects are named by a bucket and a key. */
export interface Store<D extends ResultDescriptor> {
  /** The descriptor type: `S3Result`, … or the name of a custom class. */
  readonly type: string
  /** The URL scheme of its locations: `s3`, `gs`, `https`, … */
  readonly scheme: string
  /** The object that a descriptor names. Its parts are shown in messages. */
  readonly object: (descriptor: D) => ObjectName
  readonly buckets: ReadonlyArray<Bucket>
  /** The option that allows a bucket, as messages name it: `S3Storage.layer({ buckets })`. */
  readonly optionName: string
  /** Whether empty bytes are None, as Prefect reads them from its own object stores. Default false. */
  readonly emptyIsNone?: boolean | undefined
  /** Makes the client. Run at the first read; a failure is not kept. */
  readonly connect: (concurrency: number) => Effect.Effect<Client, StorageReason>
}

/** The number of bytes that are read to open an object. */
const headLength = 64 * 1024

interface Allowed {
  readonly bucket: string
  readonly prefix: string
  readonly location: string
}

const allow = (scheme: string, allowed: Bucket): Allowed => {
  const { bucket, prefix = "" } = typeof allowed === "string" ? { bucket: allowed } : allowed
  const key = Location.withoutEndSlashes(prefix)
  const location = Location.object(scheme, bucket, key).key
  return { bucket, prefix: key, location: key === "" ? `${scheme}://${bucket}` : location }
}

/** Both the key as sent and the key as a server might normalize it must be below the prefix. */
const isBelow = (allowed: Allowed, object: ObjectName, location: Location.Location): boolean =>
  object.bucket === allowed.bucket &&
  (allowed.prefix === "" || object.key === allowed.prefix || object.key.startsWith(`${allowed.prefix}/`)) &&
  Location.below(location, allowed.location) !== undefined

/**
 * Whether an object can have the name. Requests for others would be for the bucket itself, with a list of its objects as
 * the answer: some clients and servers resolve the segments `.` and `..` as in a path.
 */
const isName = (scheme: string, { bucket, key }: ObjectName): boolean =>
  !/\p{Surrogate}/u.test(key) && Location.object(scheme, bucket, key).name !== `${scheme}://${bucket}/`

export const make = <D extends ResultDescriptor>(
  store: Store<D>,
  options: RemoteOptions
): Effect.Effect<ReadonlyArray<AnyReader>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const wrong = wrongDuration(options)
    const { attempts, concurrency, idle, timeout } = limitsOf(
      wrong === undefined ? options : { ...options, idleTimeout: undefined, timeout: undefined }
    )
    const { retrySchedule } = options
    const limiter = Limiter.make(concurrency)
    const allowed = store.buckets.map((bucket) => allow(store.scheme, bucket))
    const emptyIsNone = store.emptyIsNone ?? false

    let client: Client | undefined
    const connect = yield* Effect.cachedWithTTL(
      wrong !== undefined
        ? Effect.fail(
          new StorageUnavailable({ location: store.type, detail: `${wrong} is not a duration, e.g. "30 seconds"` })
        )
        : Effect.tap(store.connect(concurrency), (connected) =>
          Effect.sync(() => {
            client = connected
          })),
      (exit) => exit._tag === "Success" ? Duration.infinity : Duration.zero
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => client?.close()))

    const get = (
      object: ObjectName,
      location: string,
      limits: Omit<Limits, "attempts" | "retrySchedule" | "idle" | "timeout">
    ): Effect.Effect<Downloaded, StorageReason> =>
      isName(store.scheme, object)
        ? Effect.flatMap(
          within(timeout, location, connect),
          (client) => download(client, limiter, object, location, { attempts, idle, retrySchedule, timeout, ...limits })
        )
        : Effect.fail(new ResultNotFound({ location, detail: "no object has such a name" }))

    const read = (object: ObjectName, location: string, options: ReadOptions) =>
      Effect.map(
        get(object, location, options),
        ({ bytes }): StoredResult => ({ _tag: "Bytes", bytes, name: object.key, emptyIsNone })
      )

    /**
     * The beginning of an object, which reveals its size, tag and format, is kept. A store that gives no tag (the
     * gcp-storage-emulator) could not tell that two parts are of different objects: it gives none.
     */
    const open = (object: ObjectName, location: string): Effect.Effect<StoredParts | undefined, StorageReason> => {
      const part = (offset: number, length: number, known?: Pick<Downloaded, "marks" | "size" | "tag">) =>
        get(object, location, {
          maxBytes: length,
          part: { offset, length, tag: known?.tag, size: known?.size, marks: known?.marks }
        })
      return part(0, headLength).pipe(
        Effect.map(({ bytes: head, marks, size, tag }) =>
          size === undefined || tag === undefined ? undefined : {
            size,
            read: (offset: number, length: number) =>
              offset + length <= head.length
                ? Effect.succeed(head.subarray(offset, offset + length))
                : Effect.map(part(offset, length, { marks, size, tag }), ({ bytes }) => bytes)
          }
        ),
        Effect.catchIf(
          (reason) => reason._tag === "StorageUnavailable" && reason.detail === noParts,
          () => Effect.succeed(undefined)
        )
      )
    }

    const reader: StorageReader<D> = {
      type: store.type,
      concurrency,
      resolve: (descriptor) => {
        const object = store.object(descriptor)
        const found = Location.object(store.scheme, object.bucket, object.key)
        const location = Location.shown(found.name)
        let specificity = -1
        for (const one of allowed) {
          if (one.location.length > specificity && isBelow(one, object, found)) specificity = one.location.length
        }
        if (specificity >= 0) {
          return {
            _tag: "Allowed",
            location,
            specificity,
            read: (options) => read(object, location, options),
            open: () => open(object, location)
          }
        }
        const bucket = JSON.stringify(Location.shown(object.bucket))
        return {
          _tag: "Denied",
          location,
          hint: `add ${bucket} to ${store.optionName}`
        }
      }
    }
    return [reader]
  })
