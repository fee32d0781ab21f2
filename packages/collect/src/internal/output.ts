/** The interface of an output; the service is in CollectOutput. */
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
 * The digest of the bytes that `create` received, and whether it wrote them: otherwise a file with that name existed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Creation extends Digest {
  readonly isNew: boolean
}

/**
 * The operations of an output. Names are relative to the destination, with `/` between folders.
 *
 * @category models
 * @since 0.1.0
 */
export interface Output {
  /** The destination for messages: a path, `s3://bucket/prefix`. */
  readonly name: string
  /**
   * Checks that the destination can be written to and creates files only once, and removes the leftovers of writers.
   */
  readonly prepare: (job: string) => Effect.Effect<void, CollectError>
  /** Publishes a file under a name that is not taken. An existing file is left unchanged. */
  readonly create: <E, R>(
    name: string,
    body: Stream.Stream<Uint8Array, E, R>
  ) => Effect.Effect<Creation, E | CollectError, R>
  /** A file's bytes; undefined when there is no such file. */
  readonly read: (name: string) => Effect.Effect<Uint8Array | undefined, CollectError>
  /** A file's digest; undefined when there is no such file. */
  readonly digest: (name: string) => Effect.Effect<Digest | undefined, CollectError>
  /**
   * The names of the files in a folder, `""` or `"_records/"`, in no particular order; empty when there is no such
   * folder.
   */
  readonly list: (folder: string) => Stream.Stream<string, CollectError>
  /** Removes files that only unfinished collections need. */
  readonly finish: Effect.Effect<void, CollectError>
}
