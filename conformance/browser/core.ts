/** The results of @effect-prefect/core for task runs, computed in Node and in the browser, which must agree. */
import * as State from "@effect-prefect/core/State"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"

/** Takes lines of JSON, each a row of task_run; returns a line of text for each. */
export const probe = (lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.map((line) => {
    const view = TaskRunView.fromRow(JSON.parse(line))
    return "detail" in view ? view.detail : `${view} ${JSON.stringify(State.toJson(view.state))}`
  })
