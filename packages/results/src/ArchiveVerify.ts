/**
 * `ArchiveVerify`: whether an archive is complete on its own, and what it lacks.
 *
 * @since 0.1.0
 */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { PrefectApiError, Unavailable } from "@effect-prefect/api/PrefectApiError"
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { join, resolve } from "node:path"
import * as InlineStorage from "./InlineStorage.ts"
import * as Files from "./internal/archive/files.ts"
import * as LocalStorage from "./LocalStorage.ts"
import type { MountError } from "./Mount.ts"
import type { Reason } from "./ResultError.ts"
import * as ResultStorage from "./ResultStorage.ts"
import * as TaskRun from "./TaskRun.ts"

/**
 * Something that is wrong with an archive, or at the end how much of it was looked at.
 *
 * @category models
 * @since 0.1.0
 */
export type VerificationIssue =
  /** The export did not come to its end, or a table is not what it wrote. */
  | { readonly _tag: "Export"; readonly file: string; readonly problem: string }
  /** A line of a table that cannot be used. */
  | { readonly _tag: "Line"; readonly file: string; readonly line: number; readonly problem: string }
  /** A stored result that is missing or cannot be read. */
  | { readonly _tag: "Result"; readonly view: TaskRunView; readonly reason: Reason["_tag"]; readonly message: string }
  | Summary

/**
 * What was looked at; always the last finding.
 *
 * @category models
 * @since 0.1.0
 */
export interface Summary {
  readonly _tag: "Summary"
  readonly taskRuns: number
  /** Results that were stored. */
  readonly results: number
  /** Those of them that are missing or cannot be read. */
  readonly failures: number
  /** Everything that is wrong, failures included. */
  readonly problems: number
}

/**
 * How an archive is read.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** How many results are read at once. Default 16. */
  readonly concurrency?: number | undefined
  /** Called with the number of task runs looked at so far. */
  readonly onProgress?: ((done: number) => Effect.Effect<void>) | undefined
}

/** Nothing was stored, so nothing is missing. */
const nothingStored = new Set<Reason["_tag"]>(["NotFinished", "NotPersisted"])
/** Prefect itself never stores these. */
const neverStored = new Set(["ConstantResult", "SecretResult"])

const checkExport = Effect.fnUntraced(
  function*(directory: string): Effect.fn.Return<ReadonlyArray<VerificationIssue>, PrefectApiError> {
    return yield* Effect.tryPromise({
      try: async (signal) => {
        const found: Array<VerificationIssue> = []
        if ((await Files.readStarted(directory)) !== undefined) {
          found.push({
            _tag: "Export",
            file: ArchiveFormat.startedFile,
            problem: "the export did not come to its end; run it again"
          })
        }
        const record = await Files.readFinished(directory)
        if (record === null) {
          found.push({ _tag: "Export", file: ArchiveFormat.finishedFile, problem: "it is not what an export writes" })
        }
        for (const [name, { sha256 }] of Object.entries(record?.tables ?? {})) {
          const file = ArchiveFormat.tableFile(name)
          const now = await Files.hashOf(join(directory, file), signal).catch((error: NodeJS.ErrnoException) => {
            if (error.code === "ENOENT") return undefined
            throw error
          })
          if (now === sha256) continue
          found.push({
            _tag: "Export",
            file,
            problem: now === undefined ? "it is gone" : "it was changed since it was exported (its SHA-256 is another)"
          })
        }
        return found
      },
      catch: () =>
        new PrefectApiError({
          operation: "verify",
          reason: new Unavailable({ detail: `a file of ${directory} cannot be read` })
        })
    })
  }
)

/**
 * Reads all of an archive: its tables line by line, and every result that a finished task run stored, which it decodes.
 * Only the archive's own mounts are used, so what it finds is what a reader elsewhere would find.
 *
 * The findings come as they are made; the last one is the Summary. It fails when there is no archive.
 *
 * @category constructors
 * @since 0.1.0
 */
export const verify = (
  directory: string,
  options: Options = {}
): Stream.Stream<VerificationIssue, PrefectApiError | MountError> =>
  Stream.unwrap(Effect.gen(function*() {
    const root = resolve(directory)
    const { api, archive } = yield* ArchiveApi.make(root)
    const mounts = yield* ArchiveApi.readMounts(root)
    const storage = yield* Layer.build(
      ResultStorage.layerMerge([InlineStorage.layer, LocalStorage.layer({ mounts })])
    )
    const services = Context.add(storage, PrefectApi, api)
    const exported = yield* checkExport(root)
    const lines = (yield* archive.problems).map((problem): VerificationIssue => ({ _tag: "Line", ...problem }))
    let taskRuns = 0
    let results = 0
    let failures = 0

    const check = Effect.fnUntraced(function*(view: TaskRunView): Effect.fn.Return<ReadonlyArray<VerificationIssue>> {
      taskRuns++
      const descriptor = State.resultDescriptor(view.state)
      if (State.isMapped(view.state) || neverStored.has(descriptor?._tag ?? "")) return []
      const taskRun = yield* Effect.provideContext(TaskRun.fromView(view), services)
      const outcome = yield* Effect.result(taskRun.getResult)
      if (Result.isFailure(outcome) && nothingStored.has(outcome.failure.reason._tag as Reason["_tag"])) return []
      results++
      if (Result.isSuccess(outcome)) return []
      failures++
      const { message, reason } = outcome.failure
      return [{ _tag: "Result", view, reason: reason._tag as Reason["_tag"], message }]
    })

    const summary = Effect.sync((): VerificationIssue => ({
      _tag: "Summary",
      taskRuns,
      results,
      failures,
      problems: exported.length + lines.length + failures
    }))
    return Stream.fromIterable([...exported, ...lines]).pipe(
      Stream.concat(
        archive.taskRuns.pipe(
          Stream.mapEffect(check, { concurrency: Math.max(1, options.concurrency ?? 16) }),
          Stream.tap(() => options.onProgress?.(taskRuns) ?? Effect.void),
          Stream.flatMap((found) => Stream.fromIterable(found))
        )
      ),
      Stream.concat(Stream.fromEffect(summary))
    )
  }))
