import * as Collect from "@effect-prefect/collect/Collect"
import * as Plan from "@effect-prefect/collect/CollectPlan"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import type * as Inputs from "../inputs/collect.ts"
import { collectProgress } from "../internal/collectProgress.ts"
import { CommandFailed, UsageError } from "../internal/errors.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { Output } from "../internal/output.ts"
import { outputOf } from "../internal/place.ts"
import * as References from "../internal/references.ts"
import * as Render from "../internal/render.ts"
import * as Services from "../services.ts"

type Flags = InputsOf<typeof Inputs.collect>

const usage = (message: string) => Effect.fail(new UsageError({ message }))

const selectionOf = Effect.fnUntraced(function*(flags: Flags) {
  const named = [
    ...(flags.flowRun.length > 0 ? ["--flow-run"] : []),
    ...(Option.isSome(flags.flow) ? ["--flow"] : []),
    ...(flags.all ? ["--all"] : [])
  ]
  if (named.length !== 1) {
    return yield* usage(
      named.length === 0
        ? "say what to collect: --flow-run RUN, --flow NAME or --all"
        : `give one of ${named.join(" and ")}`
    )
  }
  if (Option.isSome(flags.slug) && flags.flowRun.length === 0) return yield* usage("--slug goes with --flow-run")
  if (flags.all) return { all: true } as const
  if (Option.isSome(flags.flow)) {
    yield* References.requireFlow(flags.flow.value)
    return { flowName: flags.flow.value }
  }
  const [first, ...rest] = yield* Effect.forEach(flags.flowRun, (run) => References.flowRun(run))
  return {
    flowRunIds: [first!.flowRunId, ...rest.map(({ flowRunId }) => flowRunId)] as [string, ...Array<string>],
    ...(Option.isSome(flags.slug) ? { taskSlug: flags.slug.value } : {})
  }
})

const count = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`

const failuresText = (failures: Readonly<Record<string, number>>): string =>
  Object.entries(failures).map(([reason, count]) => `${count} ${reason}`).join(", ")

const partRowsOf = (flags: Flags): Effect.Effect<number | undefined, UsageError> => {
  if (Option.isNone(flags.partRows)) return Effect.succeed(undefined)
  const rows = flags.partRows.value
  return rows >= 1 && rows <= 1_000_000 ? Effect.succeed(rows) : usage("--part-rows takes a number from 1 to 1000000")
}

const memoryQueue = PersistedQueue.layer.pipe(Layer.provide(PersistedQueue.layerStoreMemory))

export const collect = Effect.fnUntraced(function*(flags: Flags) {
  if (Option.isNone(flags.output)) return yield* usage("say where the parts go: --output PLACE")
  const { stdout } = yield* Output
  const place = flags.output.value
  const partRows = yield* partRowsOf(flags)
  const slots = yield* Services.positive("slots", flags.slots)
  const maxAttempts = yield* Services.positive("max-attempts", flags.maxAttempts)
  const run = Effect.gen(function*() {
    const selection = yield* selectionOf(flags)
    const progress = yield* collectProgress(flags.json)
    return yield* Collect.run({
      selection,
      output: { format: flags.format, compression: Option.getOrUndefined(flags.compression), partRows },
      allowUnfinished: flags.allowUnfinished,
      allowFailed: flags.allowFailed,
      slots,
      maxAttempts,
      observer: progress.observer
    }).pipe(progress.shown)
  })
  const { manifest, plan } = yield* run.pipe(
    Effect.provide(Layer.mergeAll(Services.services(flags), outputOf(place), memoryQueue)),
    Effect.scoped
  )
  const { failed, failures, results, rows } = manifest
  if (flags.json) {
    return yield* stdout.write(`${
      JSON.stringify({
        type: "collection",
        job: plan.job,
        output: place,
        complete: manifest.complete,
        parts: plan.parts.length,
        rows,
        results,
        failures,
        incomplete: manifest.incomplete.length,
        failed: failed.length
      })
    }\n`)
  }
  const notes = [
    ...(Object.keys(failures).length === 0 ? [] : [failuresText(failures)]),
    ...(manifest.incomplete.length === 0
      ? []
      : [`${count(manifest.incomplete.length, "mapped task")} with children missing or too many`]),
    ...(failed.length === 0 ? [] : [`${count(failed.length, "part")} failed`])
  ]
  yield* stdout.write(
    `${place}: ${count(rows, "row")} in ${count(plan.parts.length, "part")}${
      notes.length === 0 ? "" : ` (${notes.join("; ")})`
    }\n`
  )
})

export const status = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.status>) {
  const { stdout } = yield* Output
  const status = yield* Effect.provide(Collect.status, outputOf(flags.place))
  if (flags.json) {
    return yield* stdout.write(`${
      JSON.stringify({
        job: status.job,
        complete: status.isComplete,
        parts: status.parts,
        published_parts: status.publishedParts,
        rows: status.rows,
        expected_rows: status.expectedRows,
        bytes: status.bytes,
        failures: status.failures
      })
    }\n`)
  }
  yield* stdout.write(
    `${Render.stripControls(Plan.describeSelection(status.selection))}: ${status.publishedParts} of ${
      count(status.parts, "part")
    }, ${status.rows}${status.expectedRows === null ? "" : ` of ${status.expectedRows}`} rows, ${
      status.isComplete ? "complete" : "not complete"
    }${Object.keys(status.failures).length === 0 ? "" : ` (${failuresText(status.failures)})`}\n`
  )
})

export const verify = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.verify>) {
  const { stdout } = yield* Output
  const found = yield* Effect.provide(Collect.verify, outputOf(flags.place))
  for (const { name, problem } of found.issues) {
    yield* stdout.write(
      flags.json
        ? `${JSON.stringify({ type: "issue", name, problem })}\n`
        : `${Render.stripControls(name)}: ${problem}\n`
    )
  }
  if (flags.json) {
    yield* stdout.write(
      `${
        JSON.stringify({
          type: "summary",
          parts: found.parts,
          rows: found.rows,
          bytes: found.bytes,
          issues: found.issueCount
        })
      }\n`
    )
  }
  if (found.issueCount > 0) {
    return yield* new CommandFailed({ message: `${flags.place}: ${count(found.issueCount, "problem")}` })
  }
  if (!flags.json) {
    yield* stdout.write(
      `${flags.place}: ${count(found.rows, "row")} in ${count(found.parts, "part")}: nothing is missing or changed\n`
    )
  }
})
