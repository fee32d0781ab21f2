/** A reader of a store of objects: only allowed buckets, the SDK loaded at the first read, one client until it closes. */
import type { ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ResultAccessDenied, type StorageReason, StorageUnavailable } from "../../ResultError.ts"
import type { AnyReader, ResultReader, Stored } from "../../ResultStorage.ts"
import { atLeastOne } from "../atLeastOne.ts"
import * as Place from "../location.ts"
import { download } from "./download.ts"
import * as Limiter from "./limiter.ts"
import type { Client, ObjectName } from "./store.ts"

/** A bucket whose objects may be read, or only those below a prefix of whole segments. */
export type Bucket = string | { readonly bucket: string; readonly prefix?: string | undefined }

/** The options that all stores have. */
export interface Options {
  readonly concurrency?: number | undefined
  readonly attempts?: number | undefined
  readonly idleTimeout?: Duration.Input | undefined
  readonly timeout?: Duration.Input | undefined
}

export interface Store<D extends ResultDescriptor> {
  readonly type: D["_tag"]
  readonly scheme: Place.Scheme
  readonly object: (descriptor: D) => ObjectName
  readonly buckets: ReadonlyArray<Bucket>
  /** How the option that allows a bucket is written in a message. */
  readonly optionName: string
  readonly connect: (concurrency: number) => Effect.Effect<Client, StorageReason>
}

interface Allowed {
  readonly bucket: string
  readonly prefix: string
  readonly place: string
}

const allow = (scheme: Place.Scheme, allowed: Bucket): Allowed => {
  const { bucket, prefix = "" } = typeof allowed === "string" ? { bucket: allowed } : allowed
  const key = prefix.replace(/\/+$/, "")
  const place = Place.object(scheme, bucket, key).key
  return { bucket, prefix: key, place: key === "" ? `${scheme}://${bucket}` : place }
}

/** Both the key as it is sent and the key as a server might simplify it must be below the prefix. */
const isBelow = (allowed: Allowed, object: ObjectName, place: Place.Place): boolean =>
  object.bucket === allowed.bucket &&
  (allowed.prefix === "" || object.key === allowed.prefix || object.key.startsWith(`${allowed.prefix}/`)) &&
  Place.below(place, allowed.place) !== undefined

export const make = <D extends ResultDescriptor>(
  store: Store<D>,
  options: Options
): Effect.Effect<ReadonlyArray<AnyReader>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const concurrency = atLeastOne(options.concurrency ?? 32)
    const limits = {
      attempts: atLeastOne(options.attempts ?? 5),
      idle: Duration.toMillis(options.idleTimeout ?? "30 seconds")
    }
    const timeout = Duration.fromInputUnsafe(options.timeout ?? "15 minutes")
    const limiter = Limiter.make(concurrency)
    const allowed = store.buckets.map((bucket) => allow(store.scheme, bucket))

    let client: Client | undefined
    const connect = yield* Effect.cachedWithTTL(
      Effect.tap(store.connect(concurrency), (connected) =>
        Effect.sync(() => {
          client = connected
        })),
      (exit) => exit._tag === "Success" ? Duration.infinity : Duration.zero
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => client?.close()))

    const placeOf = (object: ObjectName) => Place.object(store.scheme, object.bucket, object.key)
    const shownPlace = (descriptor: D) => Place.shown(placeOf(store.object(descriptor)).name)
    const allows = (descriptor: D) => {
      const object = store.object(descriptor)
      const place = placeOf(object)
      return allowed.some((one) => isBelow(one, object, place))
    }
    const allowHint = (descriptor: D) => {
      const { bucket } = store.object(descriptor)
      return `it is not in an allowed bucket: add ${JSON.stringify(bucket)} to ${store.optionName}, or mount a copy ` +
        `(--mount ${Place.shown(`${store.scheme}://${bucket}`)}=DIR)`
    }

    const reader: ResultReader<D> = {
      type: store.type,
      concurrency,
      place: shownPlace,
      allows,
      allowHint,
      read: (descriptor, { maxBytes }): Effect.Effect<Stored, StorageReason> => {
        const place = shownPlace(descriptor)
        if (!allows(descriptor)) {
          return Effect.fail(new ResultAccessDenied({ place, problem: allowHint(descriptor) }))
        }
        const object = store.object(descriptor)
        return connect.pipe(
          Effect.flatMap((client) => download(client, limiter, object, place, { ...limits, maxBytes })),
          Effect.timeoutOrElse({
            duration: timeout,
            orElse: () =>
              Effect.fail(
                new StorageUnavailable({ place, problem: `it took longer than ${Duration.format(timeout)}` })
              )
          }),
          Effect.map((bytes): Stored => ({ _tag: "Bytes", bytes, name: object.key, emptyIsNone: true }))
        )
      }
    }
    return [reader]
  })
