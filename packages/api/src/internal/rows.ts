/** Decoders for the rows of Prefect 1's tables, one per model, shared by all backends with such rows. */
import * as Artifact from "@effect-prefect/core/Artifact"
import * as FlowRunView from "@effect-prefect/core/FlowRunView"
import * as FlowView from "@effect-prefect/core/FlowView"
import * as JsonText from "@effect-prefect/core/JsonText"
import * as LogEntry from "@effect-prefect/core/LogEntry"
import * as StateRecord from "@effect-prefect/core/StateRecord"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type { TaskRunSummary } from "../Backend.ts"
import { MalformedResponse, PrefectApiError, type Reason } from "../PrefectApiError.ts"
import { Listener, RowProblem } from "../RowProblem.ts"
import { isColumnTooDeep, isRowTooWide, isStateTooWide, isTooDeep, rowTooWide, tooDeep, tooWide } from "./depth.ts"
import { isObject } from "./isObject.ts"
import { canonicalUuid } from "./uuids.ts"

/** The id of a row, when it is a UUID. */
export const uuidOf = (row: unknown): string | undefined =>
  isObject(row) && typeof row["id"] === "string" ? canonicalUuid(row["id"]) : undefined

/** A model, or a sentence that names the invalid column and never its value. */
export type Decoder<A> = (row: unknown) => Result.Result<A, string>

const pathOf = SchemaIssue.makeFormatterStandardSchemaV1()

const decoder = <S extends Schema.ConstraintDecoder<unknown>>(schema: S): Decoder<S["Type"]> => {
  const decode = Schema.decodeUnknownResult(schema)
  return (row) =>
    isTooDeep(row) ?
      Result.fail(tooDeep) :
      isRowTooWide(row) ?
      Result.fail(rowTooWide) :
      Result.mapError(decode(row), ({ issue }) => {
        const path = pathOf(issue).issues[0]?.path ?? []
        const column = path[0]
        const name = typeof column === "object" ? column.key : column
        return name === undefined
          ? "a row is not one of Prefect's"
          : `the column ${String(name)} is not of Prefect's type`
      })
}

export const decodeLog = decoder(LogEntry.FromRow)

/** The problem with a task run's row whose state is more than anything may go through; undefined for any other. */
export const excessOf = (row: unknown): string | undefined =>
  isColumnTooDeep(row, "serialized_state") ? tooDeep : isStateTooWide(row) ? tooWide : undefined

/** A decoder that looks at no JSON: rows came from its parser. */
const plainDecoder =
  <A extends object>(fromRow: (row: unknown) => A | TaskRunView.MalformedRow, isTooDeep: (row: unknown) => boolean) =>
  (row: unknown): Result.Result<A, string> => {
    if (isTooDeep(row)) return Result.fail(tooDeep)
    if (isRowTooWide(row)) return Result.fail(rowTooWide)
    if (isStateTooWide(row)) return Result.fail(tooWide)
    const view = fromRow(row)
    return isMalformed(view) ? Result.fail(view.detail) : Result.succeed(view)
  }

const isMalformed = (view: object): view is TaskRunView.MalformedRow => "_tag" in view && view._tag === "MalformedRow"

export const decodeFlowRun = plainDecoder(FlowRunView.fromRow, isTooDeep)
export const decodeFlow = plainDecoder(FlowView.fromRow, isTooDeep)
export const decodeArtifact = plainDecoder(Artifact.fromRow, isTooDeep)
export const decodeStateRecord = plainDecoder(StateRecord.fromRow, isTooDeep)
export const decodeTaskRun = plainDecoder(TaskRunView.fromRow, (row) => isColumnTooDeep(row, "serialized_state"))

export const problemOf = (table: string, id: string | undefined, detail: string): RowProblem =>
  new RowProblem({ table, id: id ?? null, detail })

/** The most rows of a page that are told one by one: the server decides how many are wrong. */
const maxTold = 20

/** Says that rows of a page are not part of their listing. */
export const leaveOut = (problems: ReadonlyArray<RowProblem>): Effect.Effect<void> => {
  const [first] = problems
  if (first === undefined) return Effect.void
  return Effect.gen(function*() {
    const listener = yield* Listener
    for (const problem of problems) listener?.(problem)
    for (const problem of problems.slice(0, maxTold)) yield* Effect.logWarning(problem)
    const more = problems.length - maxTold
    if (more > 0) yield* Effect.logWarning(`left out ${more} more rows of the same page of ${first.table}`)
  })
}

/** The most short rows that are decoded without giving way. */
const smallPage = 100

/**
 * The rows of a listing as models. A row that cannot be decoded is left out with a warning, so that it does not hide the
 * others.
 */
export const decodeAll = Effect.fnUntraced(function*<A>(
  table: string,
  decode: Decoder<A>,
  rows: ReadonlyArray<unknown>,
  /** The id of a row for messages. It may have any form, so the caller chooses which to trust. */
  idOf: (row: unknown, index: number) => string | undefined = uuidOf
) {
  const models: Array<A> = []
  const problems: Array<RowProblem> = []
  let isLong = rows.length > smallPage
  for (const [index, row] of rows.entries()) {
    // Each may have much JSON, whose depth is looked at. Who asks for few short ones waits for none of the others.
    if (isLong && Turn.isLong()) yield* Turn.next
    isLong ||= !JsonText.isShort(row)
    const model = decode(row)
    if (Result.isSuccess(model)) models.push(model.success)
    else problems.push(problemOf(table, idOf(row, index), model.failure))
  }
  yield* leaveOut(problems)
  return models
})

/** The row of a lookup as a model. */
export const decodeOne = <A>(
  operation: string,
  decode: Decoder<A>,
  rows: ReadonlyArray<unknown>,
  notFound: Reason
): Effect.Effect<A, PrefectApiError> => {
  const [row] = rows
  const failure = (reason: Reason) => Effect.fail(new PrefectApiError({ operation, reason }))
  if (row === undefined) return failure(notFound)
  const model = decode(row)
  return Result.isSuccess(model)
    ? Effect.succeed(model.success)
    : failure(new MalformedResponse({ detail: model.failure }))
}

/** The problem with a column of a summary, which is no model of its own. */
const problemOfSummary = ({ mapIndex, startTime, endTime, state, taskId, taskRunId }: Record<string, unknown>) =>
  typeof taskRunId !== "string" || taskRunId === ""
    ? "id is not a non-empty string"
    : taskId !== null && typeof taskId !== "string"
    ? "task_id is not a string"
    : !Number.isSafeInteger(mapIndex)
    ? "map_index is not an integer"
    : typeof state !== "string"
    ? "state is not a string"
    : [startTime, endTime].some((time) => time !== null && typeof time !== "string")
    ? "start_time or end_time is not a time"
    : undefined

/** The summaries whose columns have Prefect's types; the others are left out. */
export const validSummaries = Effect.fnUntraced(function*(rows: ReadonlyArray<Record<keyof TaskRunSummary, unknown>>) {
  const items: Array<TaskRunSummary> = []
  const problems: Array<RowProblem> = []
  for (const row of rows) {
    const detail = problemOfSummary(row)
    if (detail === undefined) items.push(row as TaskRunSummary)
    else problems.push(problemOf("task_run", uuidOf({ id: row.taskRunId }), detail))
  }
  yield* leaveOut(problems)
  return items
})
