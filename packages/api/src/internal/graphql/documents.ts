/**
 * The queries of Prefect's GraphQL API. Arguments are variables of Hasura's own types, so a caller's values are never
 * part of a query, and selections stay far below the depth of 7 that Prefect's gateway accepts.
 */
export interface Document {
  /** The operation's name, which servers log. */
  readonly name: string
  readonly query: string
}

const document = (name: string, variables: string, body: string): Document => ({
  name,
  query: `query ${name}(${variables}) { ${body} }`
})

export const columns = {
  /**
   * The fields that Prefect's own client selects for a task run view, plus `task_id`, which is present even when the
   * task was deleted.
   */
  task_run: "id name task_id task { id slug } map_index serialized_state flow_run_id",
  flow_run: "id flow_id name serialized_state labels parameters context run_config scheduled_start_time start_time " +
    "end_time created updated",
  flow: "id name version version_group_id flow_group_id project_id archived description core_version parameters " +
    "storage run_config settings serialized_flow created updated",
  log: "id flow_run_id task_run_id timestamp name level message",
  task_run_artifact: "id task_run_id kind data created",
  flow_run_state: "id timestamp version serialized_state",
  task_run_state: "id timestamp version serialized_state"
} as const

export type Table = keyof typeof columns

const byIds = (name: string, table: Table): Document =>
  document(name, "$ids: [uuid!]", `${table}(where: { id: { _in: $ids } }) { ${columns[table]} }`)

export const taskRunsById = byIds("TaskRunsById", "task_run")
export const flowRunsById = byIds("FlowRunsById", "flow_run")
export const flowsById = byIds("FlowsById", "flow")

export const taskRunsBySlug = document(
  "TaskRunsBySlug",
  "$where: task_run_bool_exp!",
  `task_run(where: $where) { ${columns.task_run} }`
)

/** The first run of each task. Runs without a task are requested with a listing instead. */
export const firstTaskRunOfEachTask = document(
  "FirstTaskRuns",
  "$where: task_run_bool_exp!, $limit: Int!",
  "task_run(where: $where, distinct_on: [task_id], order_by: [{ task_id: asc }, { map_index: asc }, { id: asc }], " +
    `limit: $limit) { ${columns.task_run} }`
)

/** The tasks that have mapped children, represented by one child each. */
export const mappedTasks = document(
  "MappedTasks",
  "$where: task_run_bool_exp!, $limit: Int!",
  "task_run(where: $where, distinct_on: [task_id], order_by: [{ task_id: asc }, { map_index: asc }, { id: asc }], " +
    "limit: $limit) { task_id }"
)

/** A page of a table; `orderBy` is an order of `keyset`. */
export const listing = (
  name: string,
  table: Table,
  orderBy: string,
  selection: string = columns[table]
): Document =>
  document(
    name,
    `$where: ${table}_bool_exp!, $limit: Int!`,
    `${table}(where: $where, order_by: ${orderBy}, limit: $limit) { ${selection} }`
  )

/** The columns of a summary. `state` is the type of the stored state, which is many times larger. */
export const summaryColumns = "id task_id map_index state start_time end_time"

/** The stored states of some task runs. */
export const statesById = document(
  "StatesById",
  "$ids: [uuid!]",
  "task_run(where: { id: { _in: $ids } }) { id serialized_state }"
)

/** The flow of a flow run. */
export const flowOfRun = document("FlowOfRun", "$ids: [uuid!]", "flow_run(where: { id: { _in: $ids } }) { flow_id }")

export const edges = document(
  "Edges",
  "$flowId: uuid!",
  "edge(where: { flow_id: { _eq: $flowId } }) { upstream_task_id downstream_task_id key mapped }"
)

/** The graph in a flow's own description, for a server without rows for edges. */
export const serializedFlow = document(
  "SerializedFlow",
  "$ids: [uuid!], $flowId: uuid!",
  "flow(where: { id: { _in: $ids } }) { serialized_flow } task(where: { flow_id: { _eq: $flowId } }) { id slug }"
)

/** The number of rows that match each of several conditions, in one request: `count0`, `count1`, … */
export const counts = (size: number): Document => {
  const indexes = Array.from({ length: size }, (_, index) => index)
  return document(
    "CountTaskRuns",
    indexes.map((index) => `$where${index}: task_run_bool_exp!`).join(", "),
    indexes.map((index) => `count${index}: task_run_aggregate(where: $where${index}) { aggregate { count } }`).join(" ")
  )
}
