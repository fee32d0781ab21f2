/** What an output is: the service is in CollectOutput. */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { CollectError } from "../CollectError.ts"

/**
 * The size of a file, and the SHA-256 of its bytes in hexadecimal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Digest {
  readonly bytes: number
  readonly sha256: string
}

/**
 * What `create` was given to write, and whether it wrote it: otherwise a file of that name was there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Creation extends Digest {
  readonly isNew: boolean
}

/**
 * The operations of an output. Names are relative to the place, with `/` between folders.
 *
 * @category models
 * @since 0.1.0
 */
export interface Output {
  /** The place as messages show it: a path, `s3://bucket/prefix`. */
  readonly name: string
  /** Checks that the place can be written to and creates files only once, and removes what writers left behind. */
  readonly prepare: (job: string) => Effect.Effect<void, CollectError>
  /** Publishes a file under a name that is not taken. A file of that name is left as it is. */
  readonly create: <E, R>(
    name: string,
    body: Stream.Stream<Uint8Array, E, R>
  ) => Effect.Effect<Creation, E | CollectError, R>
  /** A file's bytes; undefined when there is no such file. */
  readonly read: (name: string) => Effect.Effect<Uint8Array | undefined, CollectError>
  /** A file's digest; undefined when there is no such file. */
  readonly digest: (name: string) => Effect.Effect<Digest | undefined, CollectError>
  /** The names of the files in a folder, `""` or `"_records/"`, in no order; none when there is no such folder. */
  readonly list: (folder: string) => Stream.Stream<string, CollectError>
  /** Removes what only unfinished collections need. */
  readonly finish: Effect.Effect<void, CollectError>
}
