/**
 * `CollectOutput`: the folder or bucket that a collection is written to.
 *
 * Files are created once and never changed: `create` publishes a file whole under its final name, or finds that another
 * writer has done so.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import type { CollectError } from "./CollectError.ts"
import * as Local from "./internal/localOutput.ts"

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

/**
 * The service: where a collection is written.
 *
 * @category services
 * @since 0.1.0
 */
export class CollectOutput extends Context.Service<CollectOutput, Output>()("@effect-prefect/collect/CollectOutput") {}

/**
 * The digest of bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const digestOf = (bytes: Uint8Array): Digest => ({
  bytes: bytes.length,
  sha256: createHash("sha256").update(bytes).digest("hex")
})

/**
 * An output in a folder, which is made when it is needed.
 *
 * A file is written beside the others, brought to the disk, and then linked to its final name, which fails when that
 * name is taken.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerLocal = (directory: string): Layer.Layer<CollectOutput> =>
  Layer.sync(CollectOutput, () => CollectOutput.of(Local.make(directory)))

/**
 * An output over files in memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory = (files: Map<string, Uint8Array>): Output => ({
  name: "memory",
  prepare: () => Effect.void,
  create: (name, body) =>
    Effect.map(Stream.runCollect(body), (chunks) => {
      const bytes = Buffer.concat(chunks)
      const isNew = !files.has(name)
      if (isNew) files.set(name, bytes)
      return { isNew, ...digestOf(bytes) }
    }),
  read: (name) => Effect.sync(() => files.get(name)),
  digest: (name) =>
    Effect.sync(() => {
      const bytes = files.get(name)
      return bytes === undefined ? undefined : digestOf(bytes)
    }),
  list: (folder) =>
    Stream.suspend(() =>
      Stream.fromIterable(
        [...files.keys()].filter((name) => name.startsWith(folder) && !name.slice(folder.length).includes("/"))
      )
    ),
  finish: Effect.void
})

/**
 * An output in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (files: Map<string, Uint8Array> = new Map()): Layer.Layer<CollectOutput> =>
  Layer.sync(CollectOutput, () => CollectOutput.of(makeMemory(files)))
