/** The options that all object stores share, and their defaults. */
import type { TlsOptions } from "@effect-prefect/api/Network"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import type { StorageReason } from "../../ResultError.ts"
import { countOf } from "../countOf.ts"

/** A bucket whose objects may be read, or only those below a prefix of whole segments. */
export type Bucket = string | { readonly bucket: string; readonly prefix?: string | undefined }

/**
 * The options that all object stores share.
 *
 * @category models
 * @since 0.1.0
 */
export interface RemoteOptions {
  /** The number of objects that are read concurrently; fewer while the store reports too many requests. Default 32. */
  readonly concurrency?: number | undefined
  /** The number of requests for one object before it fails. Default 5. */
  readonly attempts?: number | undefined
  /**
   * The delay before each further request for an object, and their number, in place of `attempts`. It is applied only to
   * transient failures and receives their reason.
   */
  readonly retrySchedule?: Schedule.Schedule<unknown, StorageReason> | undefined
  /** The time without a byte after which a request fails. Default 30 seconds. */
  readonly idleTimeout?: Duration.Input | undefined
  /**
   * The longest time for reading one object, including retries, but not the time that it waits for memory. Default 15
   * minutes.
   */
  readonly timeout?: Duration.Input | undefined
  /**
   * Certificate authorities, and a client's certificate. Proxies are those of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
   * `NO_PROXY`, in either case, on Node.js 22.21, 24.5 and newer.
   */
  readonly tls?: TlsOptions | undefined
}

/** The same options with their defaults. */
export interface RemoteLimits {
  readonly concurrency: number
  readonly attempts: number
  /** Milliseconds. */
  readonly idle: number
  readonly timeout: Duration.Duration
}

/** The longest time of a timer, which would end at once after a longer one. */
const longestTimer = 2 ** 31 - 1

export const limitsOf = (options: RemoteOptions): RemoteLimits => ({
  concurrency: countOf("concurrency", options.concurrency ?? 32),
  attempts: countOf("attempts", options.attempts ?? 5),
  idle: Math.min(longestTimer, Duration.toMillis(options.idleTimeout ?? "30 seconds")),
  timeout: Duration.fromInputUnsafe(options.timeout ?? "15 minutes")
})

/** Which of the durations in options is none; undefined when they can be used. */
export const wrongDuration = (options: RemoteOptions): string | undefined =>
  (["idleTimeout", "timeout"] as const).find((name) => {
    const given = options[name]
    if (given === undefined) return false
    const duration = Option.getOrUndefined(Duration.fromInput(given))
    return duration === undefined || !(Duration.toMillis(duration) > 0)
  })
