/**
 * `Mount`: a location where workers stored results, and the folder of this machine that contains a copy.
 *
 * **Example** (As in a flag)
 *
 * ```ts
 * import { Mount } from "@effect-prefect/results"
 *
 * export const mount = Mount.parse("s3://results=./copied/results")
 * ```
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isAbsolute } from "node:path"
import * as Location from "./internal/location.ts"

/**
 * A location on a worker or in a bucket, and the local folder to read in its place.
 *
 * @category models
 * @since 0.1.0
 */
export interface Mount {
  /**
   * The location as the workers named it: `/srv/prefect/results`, `C:\results`, `s3://bucket`, `s3://bucket/prefix`,
   * `gs://bucket` or `azure://container`. When several mounts match, the longest one is used; a prefix consists of
   * whole segments.
   */
  readonly from: string
  /** The folder that holds the files. A relative one is resolved in the working directory. */
  readonly to: string
  /** `to` must really be in this folder, with links followed: for mounts that come with an archive. */
  readonly within?: string | undefined
  /**
   * The naming of the files in `to`. `plain` (default): by their keys; a key is read only when it names exactly one
   * file, so not `a//b` or `a/../b` of a bucket. `encoded`: one encoded name per key, as `archive export` writes them.
   */
  readonly names?: "plain" | "encoded" | undefined
}

/**
 * The location that `FROM[=DIR]` allows: a mounted one, a local root, or a bucket that is read with the caller's
 * credentials.
 *
 * @category models
 * @since 0.1.0
 */
export type AllowedLocation =
  | { readonly _tag: "Mount"; readonly mount: Mount }
  | { readonly _tag: "Root"; readonly root: string }
  | {
    readonly _tag: "Bucket"
    readonly scheme: "s3" | "gs" | "azure"
    /** The bucket, or the container of Azure. */
    readonly bucket: string
    /** Only keys below this prefix are allowed; the empty string allows all. */
    readonly prefix: string
  }

/**
 * An invalid mount.
 *
 * @category errors
 * @since 0.1.0
 */
export class MountError extends Schema.TaggedError<MountError>("@effect-prefect/results/MountError")("MountError", {
  mount: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `the mount ${JSON.stringify(this.mount)} cannot be used: ${this.detail}`
  }
  /** The fields and the message, for `console.log`, loggers and `JSON.stringify`. */
  override toJSON(): unknown {
    return { message: this.message, ...super.toJSON() as object }
  }
}

/**
 * Parses `FROM[=DIR]` as on the command line. It splits at the first `=`; without `=DIR` the location FROM itself is
 * allowed: a directory of this machine, or a bucket.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parse = (text: string): Result.Result<AllowedLocation, MountError> => {
  const fail = (detail: string) => Result.fail(new MountError({ mount: text, detail }))
  const split = text.indexOf("=")
  const from = split < 0 ? text : text.slice(0, split)
  const written = Location.parse(from)
  if (written._tag === "Invalid") return fail(written.detail)
  if (split >= 0) {
    const to = text.slice(split + 1)
    if (to === "") return fail("there is no folder after the =")
    if (to.includes("\0")) return fail("it holds a NUL")
    return Result.succeed({ _tag: "Mount", mount: { from, to } })
  }
  if (written._tag === "Bucket") {
    const { bucket, prefix, scheme } = written
    return Result.succeed({ _tag: "Bucket", scheme, bucket, prefix })
  }
  if (/^[A-Za-z]:[\\/]|^\\\\/.test(from) && !isAbsolute(from)) {
    return fail(`it is a directory of a Windows machine: add the folder that holds its files, ${from}=DIR`)
  }
  return Result.succeed({ _tag: "Root", root: from })
}
