/**
 * The tables of a Prefect 1 server's Postgres (schema `public`) as data: columns, their types, the relations
 * between them, and the indexes that its queries need.
 *
 * The single source for all code that queries such a database or imitates one: the SQL of a client, the tables of an
 * embedded server, its GraphQL schema, and an archive's export. `agent` is included because Prefect's clients query it;
 * the other tables are those of an archive.
 *
 * @since 0.1.0
 */

/**
 * A Postgres type of Prefect's tables, by its name in `pg_type`.
 *
 * @category models
 * @since 0.1.0
 */
export type ColumnType = "uuid" | "timestamptz" | "varchar" | "int4" | "bool" | "jsonb" | "interval"

/**
 * A column: its name, its Postgres type, and whether Prefect's own tables allow null there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Column {
  readonly name: string
  readonly type: ColumnType
  readonly nullable: boolean
}

/**
 * A relation of one table to another, under the name that Prefect's GraphQL API gives it: rows of `table` whose
 * `remoteColumn` equals this row's `column`; at most one row for an `object`, any number for an `array`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Relation {
  readonly name: string
  readonly kind: "object" | "array"
  readonly table: string
  readonly column: string
  readonly remoteColumn: string
}

/**
 * A table with its columns in their usual order, its relations, and the column lists worth an index.
 *
 * @category models
 * @since 0.1.0
 */
export interface Table {
  readonly name: string
  readonly columns: ReadonlyArray<Column>
  readonly relations: ReadonlyArray<Relation>
  readonly indexes: ReadonlyArray<ReadonlyArray<string>>
}

const required = (type: ColumnType) => (name: string): Column => ({ name, type, nullable: false })
const optional = (type: ColumnType) => (name: string): Column => ({ name, type, nullable: true })

const uuid = optional("uuid")
const timestamptz = optional("timestamptz")
const varchar = optional("varchar")
const int4 = optional("int4")
const jsonb = optional("jsonb")
const interval = optional("interval")
const flag = required("bool")

const object = (name: string, table: string, column: string): Relation => ({
  name,
  kind: "object",
  table,
  column,
  remoteColumn: "id"
})
const array = (name: string, table: string, remoteColumn: string): Relation => ({
  name,
  kind: "array",
  table,
  column: "id",
  remoteColumn
})

const make = (
  name: string,
  columns: ReadonlyArray<Column>,
  relations: ReadonlyArray<Relation>,
  indexes: ReadonlyArray<ReadonlyArray<string>>
): Table => ({
  name,
  columns: [
    required("uuid")("id"),
    required("timestamptz")("created"),
    required("timestamptz")("updated"),
    ...columns
  ],
  relations,
  indexes: [["id"], ...indexes]
})

const runState: ReadonlyArray<Column> = [
  varchar("state"),
  timestamptz("state_timestamp"),
  varchar("state_message"),
  jsonb("state_result"),
  timestamptz("state_start_time"),
  jsonb("serialized_state")
]

const stateHistory = (run: string): ReadonlyArray<Column> => [
  uuid("tenant_id"),
  required("uuid")(`${run}_id`),
  required("timestamptz")("timestamp"),
  required("varchar")("state"),
  varchar("message"),
  jsonb("result"),
  timestamptz("start_time"),
  required("jsonb")("serialized_state"),
  int4("version")
]

/**
 * Every table, in an order that puts referenced tables first.
 *
 * @category tables
 * @since 0.1.0
 */
export const tables: ReadonlyArray<Table> = [
  make(
    "tenant",
    [required("varchar")("name"), required("varchar")("slug"), jsonb("info"), required("jsonb")("settings")],
    [
      array("projects", "project", "tenant_id"),
      array("flows", "flow", "tenant_id"),
      array("flow_groups", "flow_group", "tenant_id"),
      array("flow_runs", "flow_run", "tenant_id")
    ],
    []
  ),
  make(
    "project",
    [uuid("tenant_id"), required("varchar")("name"), varchar("description")],
    [array("flows", "flow", "project_id"), object("tenant", "tenant", "tenant_id")],
    [["tenant_id", "name"]]
  ),
  make(
    "flow_group",
    [
      uuid("tenant_id"),
      varchar("name"),
      jsonb("labels"),
      jsonb("schedule"),
      required("jsonb")("settings"),
      required("jsonb")("default_parameters"),
      jsonb("run_config"),
      varchar("description")
    ],
    [array("flows", "flow", "flow_group_id"), object("tenant", "tenant", "tenant_id")],
    [["tenant_id"]]
  ),
  make(
    "flow",
    [
      uuid("tenant_id"),
      required("uuid")("project_id"),
      required("uuid")("flow_group_id"),
      int4("version"),
      required("varchar")("name"),
      varchar("description"),
      jsonb("environment"),
      jsonb("parameters"),
      flag("archived"),
      varchar("version_group_id"),
      jsonb("storage"),
      varchar("core_version"),
      required("jsonb")("settings"),
      jsonb("serialized_flow"),
      jsonb("schedule"),
      flag("is_schedule_active"),
      jsonb("run_config")
    ],
    [
      array("tasks", "task", "flow_id"),
      array("edges", "edge", "flow_id"),
      array("flow_runs", "flow_run", "flow_id"),
      object("project", "project", "project_id"),
      object("tenant", "tenant", "tenant_id"),
      object("flow_group", "flow_group", "flow_group_id")
    ],
    [["name"], ["project_id"], ["flow_group_id"], ["tenant_id"]]
  ),
  make(
    "task",
    [
      uuid("tenant_id"),
      required("uuid")("flow_id"),
      varchar("name"),
      varchar("slug"),
      varchar("description"),
      varchar("type"),
      int4("max_retries"),
      interval("retry_delay"),
      varchar("trigger"),
      flag("mapped"),
      flag("auto_generated"),
      varchar("cache_key"),
      flag("is_root_task"),
      flag("is_terminal_task"),
      flag("is_reference_task"),
      required("jsonb")("tags")
    ],
    [
      object("flow", "flow", "flow_id"),
      array("task_runs", "task_run", "task_id"),
      array("upstream_edges", "edge", "downstream_task_id"),
      array("downstream_edges", "edge", "upstream_task_id")
    ],
    [["flow_id", "slug"], ["slug"]]
  ),
  make(
    "edge",
    [
      uuid("tenant_id"),
      required("uuid")("flow_id"),
      required("uuid")("upstream_task_id"),
      required("uuid")("downstream_task_id"),
      varchar("key"),
      flag("mapped")
    ],
    [
      object("upstream_task", "task", "upstream_task_id"),
      object("downstream_task", "task", "downstream_task_id"),
      object("flow", "flow", "flow_id")
    ],
    [["flow_id"], ["upstream_task_id"], ["downstream_task_id"]]
  ),
  make(
    "agent",
    [
      uuid("tenant_id"),
      uuid("agent_config_id"),
      varchar("name"),
      varchar("type"),
      varchar("core_version"),
      jsonb("labels"),
      timestamptz("last_queried")
    ],
    [array("flow_runs", "flow_run", "agent_id")],
    []
  ),
  make(
    "flow_run",
    [
      uuid("tenant_id"),
      required("uuid")("flow_id"),
      jsonb("parameters"),
      required("timestamptz")("scheduled_start_time"),
      flag("auto_scheduled"),
      timestamptz("heartbeat"),
      timestamptz("start_time"),
      timestamptz("end_time"),
      required("int4")("version"),
      ...runState,
      varchar("name"),
      jsonb("context"),
      int4("times_resurrected"),
      varchar("idempotency_key"),
      uuid("agent_id"),
      jsonb("labels"),
      jsonb("run_config")
    ],
    [
      object("flow", "flow", "flow_id"),
      array("task_runs", "task_run", "flow_run_id"),
      array("states", "flow_run_state", "flow_run_id"),
      array("logs", "log", "flow_run_id"),
      object("tenant", "tenant", "tenant_id"),
      object("agent", "agent", "agent_id")
    ],
    [["flow_id"], ["name"], ["tenant_id"], ["agent_id"], ["start_time"]]
  ),
  make(
    "task_run",
    [
      uuid("tenant_id"),
      required("uuid")("flow_run_id"),
      required("uuid")("task_id"),
      required("int4")("map_index"),
      required("int4")("version"),
      timestamptz("heartbeat"),
      timestamptz("start_time"),
      timestamptz("end_time"),
      ...runState,
      varchar("cache_key"),
      varchar("name")
    ],
    [
      object("task", "task", "task_id"),
      object("flow_run", "flow_run", "flow_run_id"),
      array("states", "task_run_state", "task_run_id"),
      array("logs", "log", "task_run_id"),
      object("tenant", "tenant", "tenant_id")
    ],
    [["flow_run_id", "task_id", "map_index"], ["task_id", "map_index"]]
  ),
  make("flow_run_state", stateHistory("flow_run"), [object("flow_run", "flow_run", "flow_run_id")], [
    ["flow_run_id", "timestamp"]
  ]),
  make("task_run_state", stateHistory("task_run"), [object("task_run", "task_run", "task_run_id")], [
    ["task_run_id", "timestamp"]
  ]),
  make(
    "log",
    [
      uuid("tenant_id"),
      uuid("flow_run_id"),
      uuid("task_run_id"),
      required("timestamptz")("timestamp"),
      varchar("name"),
      varchar("level"),
      varchar("message"),
      jsonb("info"),
      optional("bool")("is_loaded_from_archive")
    ],
    [],
    [["flow_run_id", "timestamp"], ["task_run_id", "timestamp"]]
  ),
  make(
    "task_run_artifact",
    [uuid("tenant_id"), required("uuid")("task_run_id"), varchar("kind"), jsonb("data")],
    [object("task_run", "task_run", "task_run_id")],
    [["task_run_id"]]
  )
]

/**
 * The tables by name.
 *
 * @category tables
 * @since 0.1.0
 */
export const byName: ReadonlyMap<string, Table> = new Map(tables.map((table) => [table.name, table]))

const quote = (name: string) => `"${name}"`

/**
 * The statements that create the tables in an empty database, for loading a copy to read from.
 *
 * **Details**
 *
 * There are no keys or constraints: the rows of a damaged or partial archive (a run without its task, two rows for one
 * id, a null) are loaded as they are, and reading reports the problem. Create the {@link createIndexes} after the rows.
 *
 * @category statements
 * @since 0.1.0
 */
export const createTables: ReadonlyArray<string> = tables.map((table) =>
  `CREATE TABLE "public".${quote(table.name)} (${
    table.columns.map((column) => `${quote(column.name)} ${column.type}`).join(", ")
  })`
)

/**
 * The statements that create the indexes which the queries of Prefect's clients need.
 *
 * @category statements
 * @since 0.1.0
 */
export const createIndexes: ReadonlyArray<string> = tables.flatMap((table) =>
  table.indexes.map((columns) => `CREATE INDEX ON "public".${quote(table.name)} (${columns.map(quote).join(", ")})`)
)
