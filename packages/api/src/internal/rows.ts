import * as Artifact from "@effect-prefect/core/Artifact"
import * as FlowRunView from "@effect-prefect/core/FlowRunView"
import * as FlowView from "@effect-prefect/core/FlowView"
import * as LogEntry from "@effect-prefect/core/LogEntry"
import * as StateRecord from "@effect-prefect/core/StateRecord"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

const pathOf = SchemaIssue.makeFormatterStandardSchemaV1()

/**
 * A row as a model, or what is wrong with it: the column, and never its value.
 */
const decoder = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownResult(schema)
  return (row: unknown): Result.Result<S["Type"], string> =>
    Result.mapError(decode(row), ({ issue }) => {
      const path = pathOf(issue).issues[0]?.path ?? []
      const column = path[0]
      const name = typeof column === "object" ? column.key : column
      return name === undefined
        ? "a row is not one of Prefect's"
        : `the column ${String(name)} is not of Prefect's type`
    })
}

export const decodeFlowRun = decoder(FlowRunView.FromRow)
export const decodeFlow = decoder(FlowView.FromRow)
export const decodeLog = decoder(LogEntry.FromRow)
export const decodeArtifact = decoder(Artifact.FromRow)
export const decodeStateRecord = decoder(StateRecord.FromRow)

export const decodeTaskRun = (row: unknown): Result.Result<TaskRunView.TaskRunView, string> => {
  const view = TaskRunView.fromRow(row)
  return view instanceof TaskRunView.TaskRunView ? Result.succeed(view) : Result.fail(view.problem)
}
