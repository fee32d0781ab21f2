/**
 * The rows behind the contract suite: small, and full of what real archives hold. Every id is a UUID and every column is
 * one of Prefect's, so the rows can be loaded into a database as they are.
 */
import type * as MemoryApi from "../../MemoryApi.ts"

/** A UUID that says which row it is of. */
export const uuid = (kind: number, number: number): string =>
  `${kind.toString(16).padStart(8, "0")}-0000-4000-8000-${number.toString(16).padStart(12, "0")}`

const flowId = (number: number) => uuid(0xf, number)
const runId = (number: number) => uuid(0xa, number)
const taskId = (number: number) => uuid(0x7, number)

const tenant = uuid(0x1, 1)
export const project = uuid(0x2, 1)

/** Nothing has this id. */
export const nowhere = uuid(0xdead, 1)

export const flows = { etl1: flowId(1), etl2: flowId(2), other: flowId(3) }
/** Newest first: `created` repeats, so the id decides. */
export const flowRuns = {
  main: runId(1),
  large: runId(2),
  tieLow: runId(3),
  tieHigh: runId(4),
  stateless: runId(5),
  odd: runId(6)
}

const state = (type: string, fields: object = {}) => ({
  type,
  message: `${type}!`,
  context: {},
  cached_inputs: {},
  _result: { type: "NoResultType", __version__: "1.4.1" },
  __version__: "1.4.1",
  ...fields
})
const mapped = (count: number) => ({
  type: "Mapped",
  message: "Preparing to submit mapped tasks for execution.",
  context: {},
  cached_inputs: {},
  n_map_states: count,
  __version__: "1.4.1"
})

const common = { tenant_id: tenant, created: "2022-03-01T12:00:00+00:00", updated: "2022-03-01T12:00:00+00:00" }

const flow = [
  { id: flows.etl1, name: "etl", version: 1, created: "2022-01-01T00:00:00+00:00" },
  {
    id: flows.etl2,
    name: "etl",
    version: 2,
    created: "2022-02-01T00:00:00.5+00:00",
    // Its edges are known from its description alone.
    serialized_flow: {
      edges: [
        { upstream_task: { slug: "large-1" }, downstream_task: { slug: "large-1" }, key: "x", mapped: true },
        { upstream_task: { slug: "gone-1" }, downstream_task: { slug: "large-1" }, key: null, mapped: false }
      ]
    }
  },
  { id: flows.other, name: "other", version: 1, created: "2022-02-01T00:00:00.5+00:00" }
].map((row) => ({
  ...common,
  project_id: project,
  flow_group_id: uuid(0x3, 1),
  archived: false,
  is_schedule_active: false,
  version_group_id: "group",
  core_version: "1.4.1",
  parameters: [],
  settings: {},
  ...row
}))

const flow_run = [
  {
    id: flowRuns.main,
    flow_id: flows.etl1,
    name: "main-run",
    created: "2022-03-01T12:00:00+00:00",
    serialized_state: state("Failed"),
    state: "Failed",
    labels: ["a", "b"],
    parameters: { n: 24 },
    context: { who: "me" }
  },
  {
    id: flowRuns.large,
    flow_id: flows.etl2,
    name: "large_run 100%",
    // The same day in a longer notation: later by 1 microsecond.
    created: "2022-03-01T12:00:00.000001+00:00",
    serialized_state: state("Success"),
    state: "Success"
  },
  {
    id: flowRuns.tieLow,
    flow_id: flows.other,
    name: "tie-low",
    created: "2022-03-02T12:00:00+00:00",
    serialized_state: state("Running"),
    state: "Running"
  },
  {
    id: flowRuns.tieHigh,
    flow_id: flows.other,
    name: "tie-high",
    created: "2022-03-02T12:00:00+00:00",
    serialized_state: state("Success"),
    state: "Success"
  },
  {
    id: flowRuns.stateless,
    flow_id: flows.etl2,
    name: "stateless",
    created: "2022-02-28T23:59:59.999999+00:00",
    serialized_state: null,
    state: null
  },
  {
    id: flowRuns.odd,
    flow_id: flows.etl1,
    name: null,
    created: "2022-02-27T12:00:00+00:00",
    serialized_state: { type: "Levitating", height: 3 },
    state: "Levitating"
  }
].map((row) => ({
  ...common,
  scheduled_start_time: row.created,
  auto_scheduled: false,
  version: 1,
  times_resurrected: 0,
  ...row
}))

/** The tasks of the main run, with slugs whose order every collation has its own opinion of. */
export const tasks = {
  fan: { id: taskId(1), slug: "fan-1" },
  orphans: { id: taskId(2), slug: "orphans-1" },
  upper: { id: taskId(3), slug: "B-1" },
  lower: { id: taskId(4), slug: "a-1" },
  accent: { id: taskId(5), slug: "é-1" },
  wide: { id: taskId(6), slug: "\uff01-1" },
  emoji: { id: taskId(7), slug: "\u{1f600}-1" },
  underscore: { id: taskId(8), slug: "_a-1" },
  twin: { id: taskId(9), slug: "twin-1" },
  otherTwin: { id: taskId(10), slug: "twin-1" },
  large: { id: taskId(11), slug: "large-1" }
}
/** A task that a run names, and that is not there. */
export const lostTask = taskId(99)

const task = Object.values(tasks).map(({ id, slug }) => ({
  ...common,
  id,
  slug,
  name: slug.replace(/-1$/, ""),
  flow_id: id === tasks.otherTwin.id ? flows.other : id === tasks.large.id ? flows.etl2 : flows.etl1,
  mapped: id === tasks.fan.id || id === tasks.orphans.id || id === tasks.large.id,
  auto_generated: false,
  is_root_task: false,
  is_terminal_task: false,
  is_reference_task: false,
  tags: []
}))

let taskRuns = 0
const taskRun = (
  flow_run_id: string,
  task_id: string | null,
  map_index: number,
  serialized_state: { readonly type: string } | null,
  name: string | null = null
) => ({
  ...common,
  id: uuid(0xb, ++taskRuns),
  flow_run_id,
  task_id,
  map_index,
  version: 1,
  name,
  state: serialized_state === null ? null : serialized_state.type,
  serialized_state,
  start_time: map_index === 1 ? null : "2022-03-01T12:00:02.75+00:00",
  end_time: map_index >= 0 ? "2022-03-01T12:00:03.000001+00:00" : null
})

export const fanStates = ["Success", "Failed", null, "Success", "Retrying", "Levitating", "Success"]
export const largeChildren = 17
const reversed = (count: number) => Array.from({ length: count }, (_, at) => count - 1 - at)

const { large, main } = flowRuns
// Children come before their parent and backwards: no backend may rely on the order of its rows.
const task_run = [
  ...reversed(fanStates.length).map((at) => {
    const type = fanStates[at]!
    return taskRun(main, tasks.fan.id, at, type === null ? null : state(type), `fan-${at}`)
  }),
  taskRun(main, tasks.fan.id, -1, mapped(fanStates.length), "fan"),
  ...reversed(3).map((at) => taskRun(main, tasks.orphans.id, at + 2, state("Success"))),
  taskRun(main, tasks.emoji.id, -1, state("Success")),
  taskRun(main, tasks.wide.id, -1, state("Success")),
  taskRun(main, tasks.accent.id, -1, state("TimedOut")),
  taskRun(main, tasks.lower.id, -1, state("Success", { left_over: { from: ["a", "fork"] } })),
  taskRun(main, tasks.upper.id, -1, null),
  taskRun(main, tasks.underscore.id, -1, { type: "Levitating" }),
  taskRun(main, lostTask, -1, state("Success"), "lost"),
  taskRun(main, null, -1, state("Success"), "taskless"),
  taskRun(main, null, -1, state("Failed"), "taskless"),
  taskRun(main, tasks.twin.id, -1, state("Success")),
  taskRun(main, tasks.otherTwin.id, -1, state("Success")),
  ...reversed(largeChildren).map((at) => taskRun(large, tasks.large.id, at, state("Success"))),
  taskRun(large, tasks.large.id, -1, mapped(largeChildren)),
  // The same task in another flow run.
  taskRun(flowRuns.stateless, tasks.large.id, -1, mapped(2)),
  taskRun(flowRuns.stateless, tasks.large.id, 0, state("Success"))
]

let logs = 0
const log = (
  flow_run_id: string | null,
  task_run_id: string | null,
  timestamp: string,
  level: string | null,
  message: string
) => ({
  ...common,
  id: uuid(0xc, ++logs),
  flow_run_id,
  task_run_id,
  timestamp,
  level,
  message,
  name: "prefect.CloudTaskRunner"
})
/** Eleven lines of one instant, written in two notations, around them one before and one after. */
const instant = "2022-03-01T12:00:01.75+00:00"
const levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", null, "NOTICE", "INFO", "DEBUG", "ERROR", "INFO"]
export const logTaskRun = uuid(0xb, 1)
const logRows = [
  log(main, null, "2022-03-01T12:00:02+00:00", "INFO", "last"),
  ...levels.map((level, at) => log(main, at % 3 === 0 ? logTaskRun : null, instant, level, `line ${at}`)),
  log(main, null, "2022-03-01T12:00:01.749999+00:00", "WARNING", "first"),
  log(large, null, instant, "INFO", "of another flow run")
]

const history = (
  id: number,
  timestamp: string,
  version: number,
  serialized_state: { readonly type: string }
) => ({ ...common, id: uuid(0xd, id), timestamp, version, state: serialized_state.type, serialized_state })

const edge = (number: number, upstream: string, downstream: string, key: string | null, isMapped: boolean) => ({
  ...common,
  id: uuid(0x9, number),
  flow_id: flows.etl1,
  upstream_task_id: upstream,
  downstream_task_id: downstream,
  key,
  mapped: isMapped
})

export const tables = {
  tenant: [{ id: tenant, created: common.created, updated: common.updated, name: "t", slug: "t", settings: {} }],
  project: [{ ...common, id: project, name: "p" }],
  flow_group: [{ ...common, id: uuid(0x3, 1), name: "g", settings: {}, default_parameters: {} }],
  flow,
  task,
  edge: [
    edge(1, tasks.upper.id, tasks.fan.id, "x", true),
    edge(2, tasks.fan.id, tasks.lower.id, null, false)
  ],
  flow_run,
  task_run,
  // Backwards, and two of one instant.
  log: logRows.toReversed(),
  flow_run_state: [
    { flow_run_id: main, ...history(1, "2022-03-01T12:00:03+00:00", 4, state("Failed")) },
    { flow_run_id: main, ...history(2, "2022-03-01T12:00:02.5+00:00", 3, state("Running")) },
    { flow_run_id: main, ...history(3, "2022-03-01T12:00:02.5+00:00", 2, state("Submitted", { state: null })) },
    { flow_run_id: main, ...history(4, "2022-03-01T12:00:02+00:00", 1, state("Scheduled", { start_time: instant })) },
    { flow_run_id: large, ...history(5, "2022-03-01T12:00:02+00:00", 1, state("Scheduled")) }
  ],
  task_run_state: [
    { task_run_id: logTaskRun, ...history(6, "2022-03-01T12:00:03+00:00", 2, { type: "Levitating" }) },
    { task_run_id: logTaskRun, ...history(7, "2022-03-01T12:00:02+00:00", 1, state("Pending")) }
  ],
  task_run_artifact: [
    { ...common, id: uuid(0xe, 1), task_run_id: logTaskRun, kind: "link", data: { link: "https://example.org" } },
    { ...common, id: uuid(0xe, 2), task_run_id: logTaskRun, kind: "markdown", data: { markdown: "# done" } },
    { ...common, id: uuid(0xe, 3), task_run_id: uuid(0xb, taskRuns), kind: "link", data: null }
  ]
} satisfies MemoryApi.Tables & Record<string, unknown>
