/** Reads every task run of the archive in the first argument once, and compares their number with the second. */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const [, , directory = "", count = ""] = process.argv
const found = await Effect.runPromise(Stream.runFold(
  ArchiveApi.scanTaskRuns(directory),
  () => 0,
  (sum, view) => view instanceof TaskRunView.TaskRunView ? sum + 1 : sum
))
if (found !== Number(count)) throw new Error(`${found} task runs instead of ${count}`)
