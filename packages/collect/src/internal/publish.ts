/** Reads a part, publishes it once, and records it. */
import { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import * as Turn from "@effect-prefect/core/Turn"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { CollectError, NotACollection, PartUnreadable, PlaceNotAllowed, Unsupported } from "../CollectError.ts"
import * as Format from "../CollectFormat.ts"
import * as Plan from "../CollectPlan.ts"
import { isParent, type makeReader } from "./flowRuns.ts"
import { placeOf } from "./needs.ts"
import { rowAtOnce } from "./outcomeRow.ts"
import type { Output } from "./output.ts"

const RecordJson = Schema.fromJsonString(Plan.PartRecord)
const encodeRecord = Schema.encodeSync(RecordJson)
const decodeRecord = Schema.decodeUnknownEffect(RecordJson)

/** Writes a small file under a name that is not taken. */
export const createText = (output: Output, name: string, text: string) =>
  output.create(name, Stream.make(Buffer.from(text)))

/** An existing record; undefined when there is none. */
export const readRecord = (output: Output, part: number): Effect.Effect<Plan.PartRecord | undefined, CollectError> =>
  Effect.flatMap(output.read(Plan.recordName(part)), (bytes) => {
    if (bytes === undefined) return Effect.undefined
    const detail = `${Plan.recordName(part)} is not its record; remove it, and run the same command again`
    const damaged = new CollectError({ reason: new NotACollection({ output: output.name, detail }) })
    return decodeRecord(Buffer.from(bytes).toString("utf8")).pipe(
      Effect.mapError(() => damaged),
      Effect.filterOrFail((record) => record.part === part, () => damaged)
    )
  })

const unreadable = (part: Plan.Part, detail: string) =>
  new CollectError({ reason: new PartUnreadable({ part: part.part, detail }) })

/**
 * A failure of a result that is not data: either the store or the backend may succeed later, or this worker never can.
 */
const failureOf = (part: Plan.Part, outcome: TaskRun.Outcome): CollectError | undefined => {
  if (Result.isSuccess(outcome.result)) return undefined
  const error = outcome.result.failure
  if (error instanceof PrefectApiError || error.reason._tag === "StorageUnavailable") {
    return unreadable(part, error.message)
  }
  if (error.reason._tag !== "StorageNotProvided") return undefined
  const location = placeOf(outcome.taskRun.view)
  return new CollectError({
    reason: location === undefined
      ? new Unsupported({ detail: error.message })
      : new PlaceNotAllowed({ location })
  })
}

export type Reader = Effect.Success<ReturnType<typeof makeReader>>

export const publish = Effect.fnUntraced(function*(
  output: Output,
  plan: Plan.Plan,
  part: Plan.Part,
  reader: Reader,
  onRows: (rows: number) => void
) {
  const startedAt = yield* Clock.currentTimeMillis
  const counter = new Format.Counter()
  const row = (outcome: TaskRun.Outcome): Effect.Effect<Format.Row, CollectError | PrefectApiError> => {
    if (isParent(outcome.taskRun.view)) {
      return Effect.map(reader.childCount(outcome.taskRun.view), (children) => Format.parentRow(outcome, children))
    }
    const failure = failureOf(part, outcome)
    return failure === undefined ? Format.rowOf(outcome) : Effect.fail(failure)
  }
  const rowsOf = Effect.fnUntraced(function*(outcomes: ReadonlyArray<TaskRun.Outcome>) {
    const rows: Array<Format.Row> = []
    for (const outcome of outcomes) {
      // Nearly all rows are small: an Effect for each would take as long as the row.
      const isValue = Result.isSuccess(outcome.result) && !isParent(outcome.taskRun.view)
      const shown = isValue ? rowAtOnce(outcome) : undefined
      rows.push(shown ?? (yield* row(outcome)))
      if (Turn.isLong()) yield* Turn.next
    }
    for (const row of rows) counter.addRow(row)
    onRows(rows.length)
    return rows as [Format.Row, ...Array<Format.Row>]
  })
  const rows = TaskRun.outcomesOf(reader.views(part)).pipe(
    Stream.mapArrayEffect(rowsOf),
    Stream.mapError((error) => error instanceof PrefectApiError ? unreadable(part, error.message) : error)
  )
  const name = Plan.partName(part.part, plan.output)
  const created = yield* output.create(name, Format.encode(rows, plan.output))
  const seconds = () => Effect.map(Clock.currentTimeMillis, (now) => Math.round(now - startedAt) / 1000)
  const own = { part: part.part, name, bytes: created.bytes, sha256: created.sha256, ...counter.summary }
  if (created.isNew) return yield* keep(output, { ...own, seconds: yield* seconds(), differed: false })

  // After a lost response, a part that was assigned twice, or a suspended worker, the existing file takes precedence.
  const there = yield* output.digest(name)
  if (there === undefined) return yield* unreadable(part, `${name} was there and is gone`)
  if (there.sha256 === created.sha256) {
    return yield* keep(output, { ...own, seconds: yield* seconds(), differed: false })
  }
  const known = yield* readRecord(output, part.part)
  if (known !== undefined) return known
  yield* Effect.logWarning(
    `${name} was there already, with other bytes: the source has changed meanwhile, and the part that was first counts`
  )
  const bytes = yield* output.read(name)
  if (bytes === undefined) return yield* unreadable(part, `${name} was there and is gone`)
  const summary = yield* Format.summarize(bytes, plan.output)
  return yield* keep(output, {
    part: part.part,
    name,
    ...there,
    ...summary,
    seconds: yield* seconds(),
    differed: true
  })
})

/** Creates the record; an existing one takes precedence. */
const keep = (output: Output, record: Plan.PartRecord): Effect.Effect<Plan.PartRecord, CollectError> =>
  Effect.flatMap(
    createText(output, Plan.recordName(record.part), encodeRecord(record)),
    ({ isNew }) =>
      isNew ? Effect.succeed(record) : Effect.map(readRecord(output, record.part), (known) => known ?? record)
  )
