/**
 * `CollectOutput`: the folder or bucket that a collection is written to.
 *
 * Files are created once and never changed: `create` publishes a file atomically under its final name, or finds that
 * another writer has done so.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import * as Local from "./internal/localOutput.ts"
import type { Digest, Output } from "./internal/output.ts"

export type { Creation, Digest, Output } from "./internal/output.ts"

/**
 * The service: the destination of a collection.
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
 * An output in a folder, which is created when it is needed.
 *
 * A file is written beside the others, synced to disk, and then linked to its final name, which fails when that name is
 * taken.
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
