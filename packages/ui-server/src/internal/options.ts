import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type { Folder } from "./folders.ts"

/**
 * Limits of the server's caches and concurrency.
 *
 * @category options
 * @since 0.1.0
 */
export interface Limits {
  /**
   * Requests that are handled concurrently, and as many that walk all tasks, log lines or children of a run; others
   * wait. A request whose client does not read its response counts only while the server has work to do for it; of four
   * times as many, or more than 64 MiB of their responses, those that have not read for longest are disconnected.
   * Default 64.
   */
  readonly requests?: number | undefined
  /**
   * Downloads, of results and logs, that are sent concurrently; others wait. They are counted apart from `requests`, so
   * that the page answers meanwhile. Default 64.
   */
  readonly downloads?: number | undefined
  /** Clients that follow runs concurrently; further ones are refused with status 503. Default 256. */
  readonly followers?: number | undefined
  /** How long a request may wait for its turn before it fails with status 503. Default 10 seconds. */
  readonly wait?: Duration.Input | undefined
  /**
   * Results that load concurrently, and stored results that are in memory as a whole while they are sent because their
   * store has no parts. Default 8.
   */
  readonly loads?: number | undefined
  /** The estimated bytes of decoded values in the cache. Default 512 MiB. */
  readonly cacheBytes?: number | undefined
  /** How long a decoded value stays in the cache after its last use. Default 10 minutes. */
  readonly cacheTime?: Duration.Input | undefined
  /** The number of stored bytes above which a value is decoded in a separate thread. Default 1 MiB. */
  readonly threadBytes?: number | undefined
}

/**
 * The description of the backend on the page "About".
 *
 * @category options
 * @since 0.1.0
 */
export interface About {
  /** `archive`, `api`, `database`, `prefect3` or another word. */
  readonly kind?: string | undefined
  /** The locations that may be read, in the form of `--mount`. */
  readonly mounts?: ReadonlyArray<{ readonly from: string; readonly to: string | null }> | undefined
  /** Folders of this machine, and their names in messages of failures. */
  readonly folders?: ReadonlyArray<Folder> | undefined
  /** Lines of an archive that were skipped, and why. */
  readonly problems?: Effect.Effect<ReadonlyArray<{ readonly place: string; readonly problem: string }>> | undefined
}

/**
 * Decides whether a request to the API is allowed. Files of the page contain no data and are not checked.
 *
 * @category options
 * @since 0.1.0
 */
export type Authorize = (request: HttpServerRequest.HttpServerRequest) => Effect.Effect<boolean>
