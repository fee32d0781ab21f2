/** What @effect-prefect/core makes of task runs: run in Node and in the browser, where it has to say the same. */
import * as State from "@effect-prefect/core/State"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"

/** Takes lines of JSON, each a row of task_run; gives a line of text for each. */
export const probe = (lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.map((line) => {
    const view = TaskRunView.fromRow(JSON.parse(line))
    return "detail" in view ? view.detail : `${view} ${JSON.stringify(State.toJson(view.state))}`
  })
