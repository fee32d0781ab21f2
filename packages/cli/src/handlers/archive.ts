import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as ArchiveExport from "@effect-prefect/results/ArchiveExport"
import * as ArchiveVerify from "@effect-prefect/results/ArchiveVerify"
import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import type * as Inputs from "../inputs/archive.ts"
import { style } from "../internal/colors.ts"
import { CommandFailed, UsageError } from "../internal/errors.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { Output } from "../internal/output.ts"
import { progressLine } from "../internal/progress.ts"
import * as Render from "../internal/render.ts"
import * as Settings from "../internal/settings.ts"
import * as TimeFlag from "../internal/timeFlag.ts"
import * as Services from "../services.ts"

const shownFailures = 1000

const count = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`

const numbers = ({ bytes, failures, problems, results, taskRuns, unchecked }: ArchiveVerify.Summary) => ({
  task_runs: taskRuns,
  results,
  failures,
  problems,
  bytes,
  unchecked
})

/** A sentence about what the archive lacks; undefined when it is complete. */
const lacking = ({ directory, foreign, results, rows }: ArchiveExport.Report): string | undefined => {
  const missing = [
    ...(results === undefined || results.failures === 0 ? [] : [count(results.failures, "result")]),
    ...(rows === 0 ? [] : [count(rows, "row")])
  ].join(" and ")
  if (missing !== "") {
    return `${directory} is not complete: ${missing} could not be copied; its incomplete.jsonl names each ` +
      "(--allow-incomplete takes it as it is)"
  }
  return foreign === 0 ? undefined : `${directory} holds ${count(foreign, "file")} among its results that no export ` +
    "wrote; archive verify names them"
}

/** The server of the flags, exactly one of which is required. */
const sourceOf = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.exportArchive>) {
  const { api, database, prefect3 } = flags
  if ([database, api, prefect3].filter(({ _tag }) => _tag === "Some").length !== 1) {
    return yield* new UsageError({
      message: "say what to export, and one thing: --database URL, --api URL or --prefect3 URL"
    })
  }
  if (Option.isSome(database)) return { database: { url: database.value } }
  if (Option.isSome(prefect3)) {
    return {
      prefect3: yield* Services.prefect3Options({
        kind: "prefect3",
        source: "--prefect3",
        value: Redacted.make(prefect3.value)
      })
    }
  }
  const context = yield* Layer.build(Services.backend({ ...Settings.none, api }))
  return { api: Context.get(context, PrefectApi) }
})

const selectionOf = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.exportArchive>) {
  const now = yield* Clock.currentTimeMillis
  const { since, until } = yield* TimeFlag.span(flags, now)
  return {
    flowNames: flags.flow.length === 0 ? undefined : flags.flow,
    since: since === undefined ? undefined : new Date(since).toISOString(),
    until: until === undefined ? undefined : new Date(until).toISOString()
  }
})

/** The storages that results are copied from. Those of Prefect 2 and 3 are located by the server's storage blocks. */
const storageOf = (flags: InputsOf<typeof Inputs.exportArchive>) => {
  const storage = Services.storage({ ...flags, ...Settings.none, maxChildren: Option.none() })
  return Option.isNone(flags.prefect3)
    ? storage
    : Layer.provide(Prefect3Storage.layer(storage), Services.backend({ ...Settings.none, prefect3: flags.prefect3 }))
}

export const exportArchive = Effect.fnUntraced(
  function*(flags: InputsOf<typeof Inputs.exportArchive>) {
    const { stderr, stdout } = yield* Output
    const progress = progressLine(stderr)
    const concurrency = yield* Services.positive("concurrency", flags.concurrency)
    let failures = 0
    const options = {
      directory: flags.directory,
      ...(yield* sourceOf(flags)),
      selection: yield* selectionOf(flags),
      concurrency,
      onProgress: (at: ArchiveExport.Progress) =>
        at._tag === "Table"
          ? progress.draw(at.table, at.done, at.estimate)
          : progress.draw("results of runs", at.done, at.total),
      // The folders of the workers whose files are copied keep their names in the archive.
      directories: flags.mount.map((mount) => mount.split("=")[0]!),
      onFailure: ({ message }: ArchiveExport.Failure) =>
        failures++ < shownFailures
          ? Effect.ignore(
            Effect.andThen(progress.clear, stderr.write(`not copied: ${Render.stripControls(message)}\n`))
          )
          : Effect.void
    }
    const report = yield* Effect.ensuring(
      flags.results ? ArchiveExport.exportAll(options) : ArchiveExport.exportTables(options),
      progress.clear
    )
    const paint = style(stdout.colors)
    for (const [table, rows] of Object.entries(report.tables)) {
      yield* stdout.write(`${table.padEnd(20)} ${paint.dim(count(rows, "row"))}\n`)
    }
    if (report.results !== undefined) {
      const { files, kept } = report.results
      yield* stdout.write(`${"results".padEnd(20)} ${paint.dim(count(files, "file"))}\n`)
      if (kept > 0) {
        yield* stderr.write(
          `${count(kept, "result")} could not be read any more, and ${kept === 1 ? "was" : "were"} kept from an ` +
            "earlier export\n"
        )
      }
      if (report.results.failures > shownFailures) {
        yield* stderr.write(`${report.results.failures - shownFailures} more results were not copied\n`)
      }
    }
    if (flags.flow.length > 0 && report.tables["flow_run"] === 0) {
      yield* stderr.write("no flow run is of these flows and this time: effect-prefect flow list names the flows\n")
    }
    if (report.changed > 0) {
      yield* stderr.write(
        `${
          count(report.changed, "flow run was", "flow runs were")
        } added, changed or removed while the API was read: ` +
          "export again for what is newer\n"
      )
    }
    const problem = lacking(report)
    if (problem !== undefined && !(flags.allowIncomplete && report.foreign === 0)) {
      return yield* new CommandFailed({ message: problem })
    }
    if (problem !== undefined) yield* stderr.write(`${problem}\n`)
    yield* stdout.write(
      `${paint.bold(report.directory)} is ${report.complete ? "complete" : "exported"}; ` +
        `read it with --archive ${flags.directory}\n`
    )
  },
  (effect, flags) => Effect.provide(Effect.scoped(effect), storageOf(flags))
)

export const verify = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.verify>) {
  const { stderr, stdout } = yield* Output
  const progress = progressLine(stderr)
  const concurrency = yield* Services.positive("concurrency", flags.concurrency)
  const issues = ArchiveVerify.verify(flags.directory, {
    concurrency,
    onProgress: ({ done, total, unit }) => progress.draw(unit, done, total)
  })
  let summary: ArchiveVerify.Summary | undefined
  const line = (issue: ArchiveVerify.VerificationIssue): string => {
    switch (issue._tag) {
      case "Summary":
        summary = issue
        return flags.json ? `${JSON.stringify({ type: "summary", ...numbers(issue) })}\n` : ""
      case "Export":
        return flags.json
          ? `${JSON.stringify({ type: "export", file: issue.file, problem: issue.detail })}\n`
          : `${issue.file}: ${issue.detail}\n`
      case "Line":
        return flags.json
          ? `${JSON.stringify({ type: "line", file: issue.file, line: issue.line, problem: issue.detail })}\n`
          : `${issue.file}:${issue.line}: ${issue.detail}\n`
      case "File":
        return flags.json
          ? `${JSON.stringify({ type: "file", file: issue.file, problem: issue.detail })}\n`
          : `${Render.stripControls(issue.file)}: ${issue.detail}\n`
      case "Result": {
        const { mapIndex, message, reason, taskRunId, taskSlug } = issue
        return flags.json
          ? `${
            JSON.stringify({
              type: "result",
              task_run_id: taskRunId,
              task_slug: taskSlug,
              map_index: mapIndex,
              reason,
              message
            })
          }\n`
          : `${taskRunId} ${Render.slug({ taskSlug, mapIndex })}: ${reason}: ${Render.stripControls(message)}\n`
      }
    }
  }
  yield* Effect.ensuring(
    Stream.runForEach(issues, (issue) => Effect.andThen(progress.clear, stdout.write(line(issue)))),
    progress.clear
  ).pipe(
    // Problems that would be warned about are found and printed here.
    Effect.provideService(References.MinimumLogLevel, "Error")
  )
  if (summary === undefined) return yield* new CommandFailed({ message: "the archive was not read to its end" })
  const { failures, problems, results, taskRuns, unchecked } = summary
  if (!flags.json) {
    yield* Effect.forEach(unchecked, (text) => stdout.write(`not checked: ${text}\n`), { discard: true })
  }
  if (problems > 0) {
    return yield* new CommandFailed({
      message:
        `${flags.directory}: ${failures} of ${count(results, "stored result")} missing or unreadable or changed, ` +
        `${count(problems - failures, "other problem")}`
    })
  }
  if (!flags.json) {
    yield* stdout.write(`${count(taskRuns, "task run")}, ${count(results, "stored result")}: nothing is missing\n`)
  }
})

export const index = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.index>) {
  const { stderr, stdout } = yield* Output
  const progress = progressLine(stderr)
  let read = { done: 0, total: 0 }
  const draw = Effect.suspend(() => progress.draw("bytes", read.done, read.total))
  yield* Effect.ensuring(
    Effect.raceFirst(
      ArchiveExport.index(flags.directory, { onProgress: (done, total) => read = { done, total } }),
      Effect.forever(Effect.delay(draw, "100 millis"))
    ),
    progress.clear
  )
  yield* stdout.write(`${flags.directory} has an index of ${read.total} bytes of tables\n`)
})
