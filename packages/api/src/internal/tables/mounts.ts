/** The folders of an archive that hold its results: ArchiveApi.ts re-exports this. */
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { readFile, realpath, stat } from "node:fs/promises"
import { isAbsolute, join, relative, resolve, sep } from "node:path"
import type { PrefectApiError } from "../../PrefectApiError.ts"
import { causeOf, codeOf, unavailable } from "./failure.ts"

/**
 * A location on a worker or a bucket, and the folder of the archive that holds its files.
 *
 * @category models
 * @since 0.1.0
 */
export interface Mount {
  /** A directory of the worker, `s3://BUCKET`, `gs://BUCKET` or `azure://CONTAINER`. */
  readonly from: string
  /** An absolute path inside the archive's folder. It may not exist. */
  readonly to: string
  /** The archive's folder, which must contain `to` when it is read, too. */
  readonly within: string
  /** How the files in `to` are named: by their keys, or with one encoded name per key. */
  readonly names: "plain" | "encoded"
}

/** Characters of a location in a message. */
const maxShown = 200

const decodeMounts = Schema.decodeUnknownOption(ArchiveFormat.Mounts)
const isInside = (parent: string, path: string) => {
  const way = relative(parent, path)
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/**
 * The mounts in an archive's `mounts.json`; empty when it has no such file.
 *
 * A folder outside the archive, by its path or through a link, is rejected, because an archive may come from anywhere.
 *
 * @category mounts
 * @since 0.1.0
 */
export const readMounts = Effect.fnUntraced(function*(
  directory: string
): Effect.fn.Return<ReadonlyArray<Mount>, PrefectApiError> {
  const root = resolve(directory)
  const path = join(root, ArchiveFormat.mountsFile)
  const text = yield* Effect.tryPromise({
    try: async () => {
      const stats = await stat(path).catch((error: unknown) => {
        if (codeOf(error) === "ENOENT") return undefined
        throw error
      })
      if (stats === undefined) return undefined
      if (!stats.isFile()) throw Object.assign(new Error(), { code: "not a regular file" })
      if (stats.size > ArchiveFormat.maxMountsBytes) throw Object.assign(new Error(), { code: "larger than 1 MiB" })
      return readFile(path)
    },
    catch: (error) => unavailable(`${path} cannot be read (${causeOf(error)})`)
  })
  if (text === undefined) return []
  const parsed = ArchiveFormat.parseLine(ArchiveFormat.withoutMark(text))
  const json = typeof parsed === "string" || Object.hasOwn(parsed.row, "") ? Option.none() : decodeMounts(parsed.row)
  if (Option.isNone(json)) {
    return yield* unavailable(
      `${path} is not a JSON object of locations and folders, each a non-empty string`
    )
  }
  const realRoot = yield* Effect.promise(() => realpath(root))
  const mounts: Array<Mount> = []
  for (const [from, value] of Object.entries(json.value)) {
    const folder = typeof value === "string" ? value : value.folder
    const shown = from.length > maxShown ? `${from.slice(0, maxShown)}…` : from
    if (folder.includes("\0")) return yield* unavailable(`${path}: the folder of ${shown} holds a NUL`)
    const to = resolve(root, folder)
    const real = yield* Effect.promise(() => realpath(to).catch(() => undefined))
    if (isAbsolute(folder) || !isInside(root, to) || (real !== undefined && !isInside(realRoot, real))) {
      return yield* unavailable(`${path}: the folder of ${shown} is outside the archive; it must be inside it`)
    }
    mounts.push({ from, to, within: root, names: typeof value === "string" ? "plain" : value.names })
  }
  return mounts
})
