import type { Artifact } from "@effect-prefect/core/Artifact"
import * as Artifacts from "@effect-prefect/core/Artifact"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import * as FlowRunViews from "@effect-prefect/core/FlowRunView"
import type { FlowView } from "@effect-prefect/core/FlowView"
import * as FlowViews from "@effect-prefect/core/FlowView"
import * as LogEntries from "@effect-prefect/core/LogEntry"
import * as State from "@effect-prefect/core/State"
import type { StateRecord } from "@effect-prefect/core/StateRecord"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Schema from "effect/Schema"

/** The view as `--json` prints it: Prefect's names, and the state as it was stored. */
export const taskRun = (view: TaskRunView) => ({
  task_run_id: view.taskRunId,
  task_id: view.taskId,
  task_slug: view.taskSlug,
  name: view.name,
  state: State.toJson(view.state),
  map_index: view.mapIndex,
  flow_run_id: view.flowRunId
})

export const flowRun = (view: FlowRunView) => {
  const { id, serialized_state, ...rest } = FlowRunViews.toRow(view)
  return { flow_run_id: id, ...rest, state: serialized_state }
}

export const flow = (view: FlowView) => {
  const { id, ...rest } = FlowViews.toRow(view)
  return { flow_id: id, ...rest }
}

export const logEntry = Schema.encodeSync(LogEntries.FromRow)

export const artifact: (artifact: Artifact) => object = Artifacts.toRow

/** One state of a run's history, its state as it was stored. */
export const stateRecord = ({ state, timestamp, version }: StateRecord) => ({
  timestamp,
  ...(version === undefined ? {} : { version }),
  state: State.toJson(state)
})
