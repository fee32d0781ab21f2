// Measured: bench/mapped.bench.ts
/**
 * `TaskRunView`: a task run as a Prefect backend reports it, without its result.
 *
 * **Example** (A row of an API of your own)
 *
 * ```ts
 * import { TaskRunView } from "@effect-prefect/core"
 *
 * export const view = TaskRunView.fromRow({
 *   id: "17938764-72a9-5e1a-a67b-d93a5ba52e6a",
 *   map_index: -1,
 *   serialized_state: { type: "Running" },
 *   task: { slug: "extract-1" }
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { FlowRunId, TaskId, TaskRunId } from "./Ids.ts"
import { isNullableString, isObject } from "./internal/json.ts"
import * as State from "./State.ts"

/**
 * An immutable view of a task run. Two views are equal when their ids and states are, as in Prefect.
 *
 * @category models
 * @since 0.1.0
 */
export class TaskRunView extends Schema.Class<TaskRunView>("@effect-prefect/core/TaskRunView")({
  taskRunId: TaskRunId,
  /** null when the task was deleted, and on Prefect 3, which has no task ids. */
  taskId: Schema.NullOr(TaskId),
  /** The task's slug in its flow, e.g. `extract-1`; Prefect 3's task key; null when the task was deleted. */
  taskSlug: Schema.NullOr(Schema.String),
  name: Schema.NullOr(Schema.String),
  state: State.State,
  /** -1 when the run is not a mapped child. */
  mapIndex: Schema.Int,
  /** null on Prefect 3 for a task that ran outside a flow. */
  flowRunId: Schema.NullOr(FlowRunId)
}) {
  [Equal.symbol](that: Equal.Equal): boolean {
    return that instanceof TaskRunView && this.taskRunId === that.taskRunId && Equal.equals(this.state, that.state)
  }
  [Hash.symbol](): number {
    return Hash.combine(Hash.string(this.taskRunId), Hash.hash(this.state))
  }
  override toString(): string {
    return `TaskRunView(${
      [
        ["taskRunId", this.taskRunId],
        ["taskId", this.taskId],
        ["taskSlug", this.taskSlug],
        ["name", this.name],
        ["state", State.typeName(this.state)],
        ["mapIndex", this.mapIndex],
        ["flowRunId", this.flowRunId],
        ["result", "<not loaded>"]
      ].map(([key, value]) => `${key}=${value}`).join(", ")
    })`
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString()
  }
}

/**
 * A task run as Prefect's GraphQL API returns it: the fields that Prefect's own client selects, plus the `task_id`
 * column, which is present even when the task was deleted.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskRunRow {
  readonly id: string
  readonly name: string | null
  readonly task_id?: string | null
  readonly task: { readonly id: string; readonly slug: string | null } | null
  readonly map_index: number
  readonly serialized_state: Schema.Json
  readonly flow_run_id: string | null
}

const isId = (value: unknown): value is string => typeof value === "string" && value.length > 0

/** The problem with a row, naming the field and never its value; undefined when the row can be decoded. */
const problemOf = (row: unknown): string | undefined => {
  if (!isObject(row)) return "the task run is not an object"
  if (!isId(row["id"])) return "id is not a non-empty string"
  if (!Number.isSafeInteger(row["map_index"])) return "map_index is not an integer"
  if (!isNullableString(row["flow_run_id"] ?? null)) return "flow_run_id is not a string"
  if (!isNullableString(row["name"] ?? null)) return "name is not a string"
  if (!isNullableString(row["task_id"] ?? null)) return "task_id is not a string"
  const task = row["task"] ?? null
  if (task === null) return undefined
  if (!isObject(task)) return "task is not an object"
  if (!isId(task["id"])) return "task.id is not a non-empty string"
  if (!isNullableString(task["slug"] ?? null)) return "task.slug is not a string"
  return undefined
}

/**
 * A row that `fromRow` rejects.
 *
 * @category errors
 * @since 0.1.0
 */
export interface MalformedRow {
  readonly _tag: "MalformedRow"
  readonly detail: string
}

/**
 * The view of a row, or the problem with it. A state is never a problem: an unknown one is an `UnknownState`.
 *
 * This is the one place where a task run is validated, and every mapped child passes through it, so it is a plain
 * function; `FromRow` is the same as a Schema.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromRow = (row: unknown): TaskRunView | MalformedRow => {
  const detail = problemOf(row)
  if (detail !== undefined) return { _tag: "MalformedRow", detail }
  const valid = row as TaskRunRow
  const task = valid.task ?? null
  return {
    __proto__: TaskRunView.prototype,
    taskRunId: valid.id,
    taskId: task === null ? valid.task_id ?? null : task.id,
    taskSlug: task === null ? null : task.slug ?? null,
    name: valid.name ?? null,
    state: State.fromJson(valid.serialized_state ?? null),
    mapIndex: valid.map_index,
    flowRunId: valid.flow_run_id ?? null
  } as unknown as TaskRunView
}

/**
 * The row of a view.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toRow = (view: TaskRunView): TaskRunRow => ({
  id: view.taskRunId,
  name: view.name,
  task_id: view.taskId,
  task: view.taskId === null || view.taskSlug === null ? null : { id: view.taskId, slug: view.taskSlug },
  map_index: view.mapIndex,
  serialized_state: State.toJson(view.state),
  flow_run_id: view.flowRunId
})

/**
 * `TaskRunView` from and to Prefect's own JSON.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FromRow = Schema.Json.pipe(
  Schema.decodeTo(
    Schema.toType(TaskRunView),
    SchemaTransformation.transformEffect<TaskRunView, Schema.Json>({
      decode: (row, options) => {
        const view = fromRow(row)
        return view instanceof TaskRunView
          ? Effect.succeed(view)
          : Effect.fail(new SchemaIssue.InvalidValue({ message: view.detail }, row, options))
      },
      encode: (view) => Effect.succeed({ ...toRow(view) })
    })
  )
)
