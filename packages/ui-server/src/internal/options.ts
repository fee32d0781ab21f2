import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type { Folder } from "./folders.ts"

/** Bounds of what the page's server keeps and does at once. */
export interface Limits {
  /** Requests that are answered at once; others wait. Default 64. */
  readonly requests?: number | undefined
  /** How long a request may wait for its turn before it is told to come back. Default 10 seconds. */
  readonly wait?: Duration.Input | undefined
  /** Results that load at once. Default 8. */
  readonly loads?: number | undefined
  /** Bytes of decoded values that are kept, estimated. Default 512 MiB. */
  readonly cacheBytes?: number | undefined
  /** How long a decoded value is kept after it was last asked for. Default 10 minutes. */
  readonly cacheTime?: Duration.Input | undefined
  /** Stored bytes above which a value is decoded in a thread of its own. Default 1 MiB. */
  readonly threadBytes?: number | undefined
}

/** What the page's page "About" says of the backend. */
export interface About {
  /** `archive`, `api`, `database`, `prefect3` or another word. */
  readonly kind?: string | undefined
  /** What may be read: as `--mount` names it. */
  readonly mounts?: ReadonlyArray<{ readonly from: string; readonly to: string | null }> | undefined
  /** Folders of this machine, and what the page calls them in the sentences of failures. */
  readonly folders?: ReadonlyArray<Folder> | undefined
  /** Lines of an archive that could not be used: where, and why. */
  readonly problems?: Effect.Effect<ReadonlyArray<{ readonly place: string; readonly problem: string }>> | undefined
}

/** Decides whether a request to the API may be answered. */
export type Authorize = (request: HttpServerRequest.HttpServerRequest) => Effect.Effect<boolean>
