/**
 * The schemas of the page's HTTP API. Objects have the fields that the command prints with `--json`; schemas of the
 * page alone represent a state by the name of its type.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const NullableString = Schema.NullOr(Schema.String)
const OptionalString = Schema.optionalKey(NullableString)
const OptionalJson = Schema.optionalKey(Schema.NullOr(Schema.Json))
const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * One page of a listing. `next` is the cursor of the next page, null on the last one.
 *
 * @category schemas
 * @since 0.1.0
 */
export const pageOf = <S extends Schema.Constraint>(item: S) =>
  Schema.Struct({ items: Schema.Array(item), next: NullableString })

/**
 * A flow run as `flow-run show --json` prints it. `state` is Prefect's own stored JSON.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlowRun = Schema.Struct({
  flow_run_id: Schema.String,
  flow_id: NullableString,
  name: NullableString,
  state: Schema.NullOr(Schema.Json),
  labels: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
  parameters: OptionalJson,
  context: OptionalJson,
  run_config: OptionalJson,
  scheduled_start_time: OptionalString,
  start_time: OptionalString,
  end_time: OptionalString,
  created: OptionalString,
  updated: OptionalString
})
/**
 * @category models
 * @since 0.1.0
 */
export type FlowRun = typeof FlowRun.Type

/**
 * One page of flow runs, and the names of their flows by id.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlowRunPage = Schema.Struct({
  items: Schema.Array(FlowRun),
  next: NullableString,
  flow_names: Schema.Record(Schema.String, NullableString)
})
/**
 * @category models
 * @since 0.1.0
 */
export type FlowRunPage = typeof FlowRunPage.Type

/**
 * A flow, or one version of it, as `flow list --json` prints it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Flow = Schema.Struct({
  flow_id: Schema.String,
  name: NullableString,
  version: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  version_group_id: OptionalString,
  flow_group_id: OptionalString,
  project_id: OptionalString,
  archived: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
  description: OptionalString,
  core_version: OptionalString,
  parameters: OptionalJson,
  storage: OptionalJson,
  run_config: OptionalJson,
  settings: OptionalJson,
  serialized_flow: OptionalJson,
  created: OptionalString,
  updated: OptionalString
})
/**
 * @category models
 * @since 0.1.0
 */
export type Flow = typeof Flow.Type

/**
 * The name of a flow and the number of its versions.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlowName = Schema.Struct({ name: Schema.String, versions: Count, latest: Schema.String })
/**
 * @category models
 * @since 0.1.0
 */
export type FlowName = typeof FlowName.Type

const taskRunFields = {
  task_run_id: Schema.String,
  task_id: NullableString,
  task_slug: NullableString,
  name: NullableString,
  state: Schema.NullOr(Schema.Json),
  map_index: Schema.Int,
  flow_run_id: NullableString
}

/**
 * A task run as `task-run show --json` prints it, with its times and the name of its state.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TaskRun = Schema.Struct({
  ...taskRunFields,
  state_name: Schema.String,
  start_time: NullableString,
  end_time: NullableString
})
/**
 * @category models
 * @since 0.1.0
 */
export type TaskRun = typeof TaskRun.Type

/**
 * The number of task runs in each state, by the name of the state's type.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StateCounts = Schema.Record(Schema.String, Count)
/**
 * @category models
 * @since 0.1.0
 */
export type StateCounts = typeof StateCounts.Type

/**
 * The task runs of a flow run, counted by state; mapped children are counted instead of their parents.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Counts = Schema.Struct({ states: StateCounts, total: Count, tasks: Count })
/**
 * @category models
 * @since 0.1.0
 */
export type Counts = typeof Counts.Type

/**
 * The counts of the mapped children of a task.
 *
 * @category schemas
 * @since 0.1.0
 */
export const MappedCounts = Schema.Struct({
  /** `n_map_states`; null when the state does not contain it. */
  expected: Schema.NullOr(Schema.Int),
  found: Count,
  states: StateCounts
})
/**
 * @category models
 * @since 0.1.0
 */
export type MappedCounts = typeof MappedCounts.Type

/**
 * A task of a flow run: its own run, or the parent of its mapped children.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Task = Schema.Struct({
  task_run_id: Schema.String,
  task_id: NullableString,
  task_slug: NullableString,
  name: NullableString,
  state: Schema.String,
  start_time: NullableString,
  end_time: NullableString,
  /** The message of the state, truncated at 300 characters. */
  message: NullableString,
  mapped: Schema.NullOr(MappedCounts)
})
/**
 * @category models
 * @since 0.1.0
 */
export type Task = typeof Task.Type

/**
 * The tasks of a flow run and the edges between them: `[upstream, downstream, key, mapped]`, as positions in `tasks`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Graph = Schema.Struct({
  tasks: Schema.Array(Schema.Struct({ task_id: NullableString, task_slug: NullableString, mapped: Schema.Boolean })),
  edges: Schema.Array(Schema.Tuple([Schema.Int, Schema.Int, NullableString, Schema.Boolean]))
})
/**
 * @category models
 * @since 0.1.0
 */
export type Graph = typeof Graph.Type

/**
 * One state in the history of a run. `state` is Prefect's own stored JSON.
 *
 * @category schemas
 * @since 0.1.0
 */
export const StateRecord = Schema.Struct({
  id: Schema.optionalKey(Schema.String),
  timestamp: NullableString,
  version: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  state: Schema.NullOr(Schema.Json)
})
/**
 * @category models
 * @since 0.1.0
 */
export type StateRecord = typeof StateRecord.Type

/**
 * A line of a log.
 *
 * @category schemas
 * @since 0.1.0
 */
export const LogLine = Schema.Struct({
  id: Schema.String,
  flow_run_id: NullableString,
  task_run_id: OptionalString,
  timestamp: Schema.String,
  name: OptionalString,
  level: OptionalString,
  message: NullableString
})
/**
 * @category models
 * @since 0.1.0
 */
export type LogLine = typeof LogLine.Type

/**
 * A link or a text that a task left for people to read.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Artifact = Schema.Struct({
  id: Schema.String,
  task_run_id: NullableString,
  kind: NullableString,
  data: Schema.NullOr(Schema.Json)
})
/**
 * @category models
 * @since 0.1.0
 */
export type Artifact = typeof Artifact.Type

/**
 * The outcome of loading one result. A value over 2 KiB of JSON is truncated: `value` is then the beginning of its
 * text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Outcome = Schema.Struct({
  task_run_id: Schema.String,
  task_slug: NullableString,
  map_index: Schema.Int,
  state: Schema.String,
  outcome: Schema.Union([
    Schema.Struct({
      value: Schema.NullOr(Schema.Json),
      cut: Schema.optionalKey(Schema.Boolean),
      /** The length of the complete JSON in bytes, when it is truncated. */
      bytes: Schema.optionalKey(Schema.Int)
    }),
    Schema.Struct({ error: Schema.Struct({ reason: Schema.String, message: Schema.String }) })
  ])
})
/**
 * @category models
 * @since 0.1.0
 */
export type Outcome = typeof Outcome.Type

/**
 * A mapped child. `state` is the name of its state's type.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Child = Schema.Struct({
  task_run_id: Schema.String,
  map_index: Schema.Int,
  name: NullableString,
  state: Schema.String,
  message: NullableString,
  start_time: NullableString,
  end_time: NullableString
})
/**
 * @category models
 * @since 0.1.0
 */
export type Child = typeof Child.Type

/**
 * A part of the states of all mapped children as run lengths, starting at map index `after + 1`. `runs` contains pairs
 * of a position in `names` (-1: missing) and a count. A position keeps its meaning throughout the response; `names`
 * contains the names so far. Request the `ids` of children by map index.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ChildStates = Schema.Struct({
  after: Schema.Int,
  names: Schema.Array(Schema.String),
  runs: Schema.Array(Schema.Tuple([Schema.Int, Schema.Int])),
  /** The sentence of ChildrenIncomplete, on the last part of children that are incomplete. */
  problem: Schema.optionalKey(Schema.String)
})
/**
 * @category models
 * @since 0.1.0
 */
export type ChildStates = typeof ChildStates.Type

/**
 * A mapped child's times as milliseconds since 1970: `[map index, position in names, start, end]`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ChildTimes = Schema.Struct({
  names: Schema.Array(Schema.String),
  rows: Schema.Array(
    Schema.Tuple([Schema.Int, Schema.Int, Schema.NullOr(Schema.Finite), Schema.NullOr(Schema.Finite)])
  )
})
/**
 * @category models
 * @since 0.1.0
 */
export type ChildTimes = typeof ChildTimes.Type

/**
 * The location of a stored result, its size, and the detected formats, the outermost first.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Stored = Schema.Struct({
  /** The type of the descriptor: `LocalResult`, `S3Result`, … */
  storage: NullableString,
  location: NullableString,
  stored_bytes: Schema.NullOr(Schema.Int),
  formats: Schema.Array(Schema.String)
})
/**
 * @category models
 * @since 0.1.0
 */
export type Stored = typeof Stored.Type

/**
 * A column of a table.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Column = Schema.Struct({
  name: Schema.String,
  kind: Schema.String,
  unit: NullableString,
  timezone: NullableString,
  is_index: Schema.Boolean
})
/**
 * @category models
 * @since 0.1.0
 */
export type Column = typeof Column.Type

/**
 * A result: a table with its columns, or any other value with a preview of its JSON.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Result = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("table"),
    rows: Count,
    columns: Schema.Array(Column),
    /** Whether the value can also be shown as a tree: a list of objects. */
    as_value: Schema.Boolean,
    ...Stored.fields
  }),
  Schema.Struct({
    kind: Schema.Literals(["value", "text"]),
    /** The kind of the value: `object`, `array`, `string`, … */
    value_kind: Schema.String,
    preview: Schema.String,
    /** Entries of a container, characters of a text; null for other values. */
    size: Schema.NullOr(Schema.Int),
    /** The text, truncated at 1 MiB; null for values that are not text. */
    text: NullableString,
    ...Stored.fields
  })
])
/**
 * @category models
 * @since 0.1.0
 */
export type Result = typeof Result.Type

/**
 * One level of a value: the entries of the container at a path.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ValueLevel = Schema.Struct({
  kind: Schema.String,
  size: Count,
  items: Schema.Array(Schema.Struct({
    /** A key, or the index in an array as text. */
    key: Schema.String,
    preview: Schema.String,
    /** `object`, `array`, `table`, `string`, `number`, `boolean`, `null`, `bytes`. */
    kind: Schema.String,
    /** Entries of a container; 0 for other values. */
    size: Count
  }))
})
/**
 * @category models
 * @since 0.1.0
 */
export type ValueLevel = typeof ValueLevel.Type

/**
 * Rows of a table by column, in the JSON projection.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Rows = Schema.Struct({
  offset: Count,
  total: Count,
  columns: Schema.Array(Schema.Array(Schema.NullOr(Schema.Json))),
  /** The number of cells that were cut to 200 characters, when the rows are too large for one response. */
  cut: Schema.optionalKey(Count)
})
/**
 * @category models
 * @since 0.1.0
 */
export type Rows = typeof Rows.Type

/**
 * The content of a column: a histogram of numbers and times, or the most frequent values.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ColumnSummary = Schema.Union([
  Schema.Struct({
    kind: Schema.String,
    nulls: Count,
    min: Schema.NullOr(Schema.Json),
    max: Schema.NullOr(Schema.Json),
    mean: Schema.NullOr(Schema.Json),
    bins: Schema.Array(Count)
  }),
  Schema.Struct({
    kind: Schema.String,
    nulls: Count,
    distinct: Count,
    top: Schema.Array(Schema.Tuple([Schema.NullOr(Schema.Json), Count]))
  })
])
/**
 * @category models
 * @since 0.1.0
 */
export type ColumnSummary = typeof ColumnSummary.Type

/**
 * An event of a flow run that has not finished.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Change = Schema.Struct({
  task_run_id: Schema.optionalKey(Schema.String),
  what: Schema.Literals(["state", "log", "run"])
})
/**
 * @category models
 * @since 0.1.0
 */
export type Change = typeof Change.Type

/**
 * The backend, its capabilities, and the locations that may be read.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Backend = Schema.Struct({
  name: Schema.String,
  /** `archive`, `api`, `database`, `prefect3` or `other`. */
  kind: Schema.String,
  version: Schema.String,
  can: Schema.Struct({
    graph: Schema.Boolean,
    timeline: Schema.Boolean,
    artifacts: Schema.Boolean,
    logs: Schema.Boolean,
    changes: Schema.Boolean
  }),
  mounts: Schema.Array(Schema.Struct({ from: Schema.String, to: NullableString })),
  /** Lines of an archive that were skipped, and why. */
  problems: Schema.Array(Schema.Struct({ place: Schema.String, problem: Schema.String }))
})
/**
 * @category models
 * @since 0.1.0
 */
export type Backend = typeof Backend.Type
