/** The types and the error of an export: ArchiveExport.ts re-exports them, and the modules beside this one use them. */
import type * as PostgresApi from "@effect-prefect/api/PostgresApi"
import type { Selection } from "@effect-prefect/api/PostgresSnapshot"
import type * as Prefect3Config from "@effect-prefect/api/Prefect3Config"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { StorageReason } from "../../ResultError.ts"
import * as Files from "../archive/files.ts"

/**
 * The folder cannot be written to, or must not be.
 *
 * @category errors
 * @since 0.1.0
 */
export class ArchiveExportError
  extends Schema.TaggedError<ArchiveExportError>("@effect-prefect/results/ArchiveExportError")("ArchiveExportError", {
    directory: Schema.String,
    detail: Schema.String
  })
{
  override get message() {
    return `${this.directory}: ${this.detail}`
  }
}

/**
 * The progress of an export.
 *
 * @category models
 * @since 0.1.0
 */
export type Progress =
  | {
    readonly _tag: "Table"
    readonly table: string
    /** Rows written so far. */
    readonly done: number
    /** The database's estimate of their number. */
    readonly estimate: number | undefined
  }
  | {
    readonly _tag: "Results"
    /** Task runs processed so far. */
    readonly done: number
    readonly total: number
  }

/**
 * A result or a row that is missing from the archive.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  /** The task run whose result it is; undefined for a flow run's own result, and for a row that is no run. */
  readonly view: TaskRunView | undefined
  /** The flow run whose own result it is. */
  readonly flowRunId?: string | undefined
  readonly reason: "Unwritable" | "Row" | StorageReason["_tag"] | "StorageNotProvided"
  readonly message: string
}

/**
 * Options of an export.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The folder of the archive; created when it does not exist. */
  readonly directory: string
  /** The server's database, which the archive records at one instant. Takes precedence over `api`. */
  readonly database?: PostgresApi.Options | undefined
  /** A Prefect 1 server's API, e.g. `GraphQLApi`, for when the database is out of reach. */
  readonly api?: PrefectApi["Service"] | undefined
  /** A Prefect 2 or 3 server, or a workspace of Prefect Cloud. Used when neither `database` nor `api` is given. */
  readonly prefect3?: Prefect3Config.Options | undefined
  /** The flow runs to export, with everything that belongs to them. Default: all. */
  readonly selection?: Selection | undefined
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
  /** Called for each result and row that is missing from the archive. They are also listed in `incomplete.jsonl`. */
  readonly onFailure?: ((failure: Failure) => Effect.Effect<void>) | undefined
}

/**
 * Options for copying results.
 *
 * @category options
 * @since 0.1.0
 */
export interface ResultsOptions {
  /** The number of results that are copied concurrently. Default 16. */
  readonly concurrency?: number | undefined
  /**
   * Directories of workers, as their results name them, whose files get readable folder names. Does not affect which
   * results are copied.
   */
  readonly directories?: ReadonlyArray<string> | undefined
}

/** Does something to the folder; `what` is the part of it that cannot be written when that fails. */
export const attempt = <A>(directory: string, what: string, body: (signal: AbortSignal) => Promise<A>) =>
  Effect.tryPromise({
    try: body,
    catch: (error) => new ArchiveExportError({ directory, detail: Files.unwritable(what, Files.codeOf(error)) })
  })
