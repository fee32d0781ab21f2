import * as ArchiveExport from "@effect-prefect/results/ArchiveExport"
import * as ArchiveVerify from "@effect-prefect/results/ArchiveVerify"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import type * as Inputs from "../inputs/archive.ts"
import { style } from "../internal/colors.ts"
import { CommandFailed } from "../internal/errors.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { Output } from "../internal/output.ts"
import { progressLine } from "../internal/progress.ts"
import * as Render from "../internal/render.ts"
import * as Settings from "../internal/settings.ts"
import * as Services from "../services.ts"

const shownFailures = 20

const count = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`

const numbers = ({ failures, problems, results, taskRuns }: ArchiveVerify.Summary) => ({
  task_runs: taskRuns,
  results,
  failures,
  problems
})

export const exportArchive = Effect.fnUntraced(
  function*(flags: InputsOf<typeof Inputs.exportArchive>) {
    const { stderr, stdout } = yield* Output
    const progress = progressLine(stderr)
    const concurrency = yield* Services.positive("concurrency", flags.concurrency)
    let failures = 0
    const options = {
      directory: flags.directory,
      database: { url: flags.database },
      concurrency,
      onProgress: (at: ArchiveExport.Progress) =>
        at._tag === "Table"
          ? progress.draw(at.table, at.done, at.estimate)
          : progress.draw("results of task runs", at.done, at.total),
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
    const paint = style(stdout.hasColors)
    for (const [table, rows] of Object.entries(report.tables)) {
      yield* stdout.write(`${table.padEnd(20)} ${paint.dim(count(rows, "row"))}\n`)
    }
    if (report.results !== undefined) {
      yield* stdout.write(`${"results".padEnd(20)} ${paint.dim(count(report.results.files, "file"))}\n`)
      if (report.results.failures > 0) {
        yield* stderr.write(
          `${count(report.results.failures, "result was", "results were")} not copied; ` +
            `effect-prefect archive verify ${flags.directory} lists them\n`
        )
      }
    }
    yield* stdout.write(`${paint.bold(report.directory)} is complete; read it with --archive ${flags.directory}\n`)
  },
  (effect, flags) =>
    Effect.provide(effect, Services.storage({ ...flags, ...Settings.none, maxChildren: Option.none() }))
)

export const verify = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.verify>) {
  const { stderr, stdout } = yield* Output
  const progress = progressLine(stderr)
  const concurrency = yield* Services.positive("concurrency", flags.concurrency)
  const issues = ArchiveVerify.verify(flags.directory, {
    concurrency,
    onProgress: (done) => progress.draw("task runs", done, undefined)
  })
  let summary: ArchiveVerify.Summary | undefined
  const line = (issue: ArchiveVerify.VerificationIssue): string => {
    switch (issue._tag) {
      case "Summary":
        summary = issue
        return flags.json ? `${JSON.stringify({ type: "summary", ...numbers(issue) })}\n` : ""
      case "Export":
        return flags.json
          ? `${JSON.stringify({ type: "export", file: issue.file, problem: issue.problem })}\n`
          : `${issue.file}: ${issue.problem}\n`
      case "Line":
        return flags.json
          ? `${JSON.stringify({ type: "line", file: issue.file, line: issue.line, problem: issue.problem })}\n`
          : `${issue.file}:${issue.line}: ${issue.problem}\n`
      case "Result": {
        const { message, reason, view } = issue
        return flags.json
          ? `${
            JSON.stringify({
              type: "result",
              task_run_id: view.taskRunId,
              task_slug: view.taskSlug,
              map_index: view.mapIndex,
              reason,
              message
            })
          }\n`
          : `${view.taskRunId} ${Render.slug(view)}: ${reason}: ${Render.stripControls(message)}\n`
      }
    }
  }
  yield* Effect.ensuring(
    Stream.runForEach(issues, (issue) => Effect.andThen(progress.clear, stdout.write(line(issue)))),
    progress.clear
  ).pipe(
    // What would be warned of is found and printed.
    Effect.provideService(References.MinimumLogLevel, "Error")
  )
  if (summary === undefined) return yield* new CommandFailed({ message: "the archive was not read to its end" })
  const { failures, problems, results, taskRuns } = summary
  if (problems > 0) {
    return yield* new CommandFailed({
      message: `${flags.directory}: ${failures} of ${count(results, "stored result")} missing or unreadable, ` +
        `${count(problems - failures, "other problem")}`
    })
  }
  if (!flags.json) {
    yield* stdout.write(`${count(taskRuns, "task run")}, ${count(results, "stored result")}: nothing is missing\n`)
  }
})
