/**
 * A flow run with one task of mapped children, 40 tasks that are not mapped, and log lines.
 */
export const uuid = (kind: number, number: number): string =>
  `${kind.toString(16).padStart(8, "0")}-0000-4000-8000-${number.toString(16).padStart(12, "0")}`

export const children = 1000
export const singles = 40
export const lines = 18

const flowId = uuid(0xf, 1)
export const flowRunId = uuid(0xa, 1)
export const taskId = uuid(0x7, 1)
export const taskSlug = "fan-1"
export const parentId = uuid(0xb, 0)
export const childId = (index: number) => uuid(0xc, index)
export const singleId = (index: number) => uuid(0xd, index)
export const singleSlug = (index: number) => `single-${index}`
export const lineId = (index: number) => uuid(0xe, index)

const common = { tenant_id: uuid(1, 1), created: "2022-03-01T12:00:00+00:00", updated: "2022-03-01T12:00:00+00:00" }
const success = (index: number) => ({
  type: "Success",
  message: "done",
  context: {},
  cached_inputs: {},
  _result: { type: "LocalResult", dir: "/r", location: `/r/${index}`, __version__: "1.4.1" },
  __version__: "1.4.1"
})

const taskRun = (id: string, taskId: string, mapIndex: number, state: { readonly type: string }) => ({
  ...common,
  id,
  flow_run_id: flowRunId,
  task_id: taskId,
  map_index: mapIndex,
  name: null,
  state: state.type,
  serialized_state: state
})

export const tablesOf = (children: number) => ({
  flow: [{ ...common, id: flowId, name: "etl", version: 1, project_id: uuid(2, 1), parameters: [], archived: false }],
  flow_run: [{
    ...common,
    id: flowRunId,
    flow_id: flowId,
    name: "a run",
    state: "Success",
    serialized_state: { type: "Success", message: null, __version__: "1.4.1" },
    labels: [],
    parameters: {},
    context: {}
  }],
  task: [
    { ...common, id: taskId, flow_id: flowId, name: "fan", slug: taskSlug, mapped: true },
    ...Array.from({ length: singles }, (_, index) => ({
      ...common,
      id: uuid(0x8, index),
      flow_id: flowId,
      name: "single",
      slug: singleSlug(index),
      mapped: false
    }))
  ],
  task_run: [
    taskRun(parentId, taskId, -1, { type: "Mapped", n_map_states: children } as { readonly type: string }),
    ...Array.from({ length: children }, (_, index) => taskRun(childId(index), taskId, index, success(index))),
    ...Array.from({ length: singles }, (_, index) => taskRun(singleId(index), uuid(0x8, index), -1, success(index)))
  ],
  log: Array.from({ length: lines }, (_, index) => ({
    ...common,
    id: lineId(index),
    flow_run_id: flowRunId,
    task_run_id: null,
    timestamp: `2022-03-01T12:00:0${index % 7}.25+00:00`,
    name: "prefect",
    level: "INFO",
    message: `line ${index}`
  }))
})

/** With 1 000 children. */
export const tables = tablesOf(children)
