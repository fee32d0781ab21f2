/**
 * The page's HTTP API. The server implements it; the page's client and the OpenAPI document are derived from it.
 *
 * All routes are `GET` below `/api`. Lists take `limit` and `cursor`; streams are newline-delimited JSON with
 * backpressure. Every failure is a `Problem`.
 *
 * @since 0.1.0
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import * as Models from "./Models.ts"
import { problems } from "./Problem.ts"

const error = problems
const params = { id: Schema.NonEmptyString }

const Integer = Schema.NumberFromString.check(Schema.isInt())
const between = (minimum: number, maximum: number) => Integer.check(Schema.isBetween({ minimum, maximum }))

/** The most rows of one response. */
const maxLimit = 500
const Text = Schema.optional(Schema.String.check(Schema.isMaxLength(1_000)))
const Limit = Schema.optional(between(1, maxLimit))
const Cursor = Schema.optional(Schema.String.check(Schema.isMaxLength(2_000)))
const After = Schema.optional(between(-1, 1_000_000_000))
const Offset = Schema.optional(between(0, 1_000_000_000))
const listOf = (most: number) =>
  Schema.optional(Schema.Array(Schema.String.check(Schema.isMaxLength(1_000))).check(Schema.isMaxLength(most)))
const States = listOf(100)
const Where = listOf(20)
const Level = Schema.optional(Schema.Literals(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]))
const paging = { cursor: Cursor, limit: Limit }

const ndjson = <S extends Schema.Constraint>(schema: S) =>
  HttpApiSchema.StreamNdjson({ schema, maxElementBytes: "16 MiB" })
const bytes = HttpApiSchema.StreamUint8Array()

/**
 * The backend and its capabilities.
 *
 * @category groups
 * @since 0.1.0
 */
export class BackendGroup extends HttpApiGroup.make("backend")
  .add(
    HttpApiEndpoint.get("backend", "/backend", { success: Models.Backend, error })
  )
{}

/**
 * Flows and their versions.
 *
 * @category groups
 * @since 0.1.0
 */
export class Flows extends HttpApiGroup.make("flows")
  .add(
    HttpApiEndpoint.get("list", "/flows", { query: paging, success: Models.pageOf(Models.Flow), error }),
    HttpApiEndpoint.get("names", "/flow-names", { success: Schema.Array(Models.FlowName), error }),
    HttpApiEndpoint.get("show", "/flows/:id", { params, success: Models.Flow, error })
  )
{}

/**
 * Flow runs and their contents.
 *
 * @category groups
 * @since 0.1.0
 */
export class FlowRuns extends HttpApiGroup.make("flowRuns")
  .add(
    HttpApiEndpoint.get("list", "/flow-runs", {
      query: { flow: Text, flow_id: Text, state: States, q: Text, ...paging },
      success: Models.FlowRunPage,
      error
    }),
    HttpApiEndpoint.get("show", "/flow-runs/:id", { params, success: Models.FlowRun, error }),
    HttpApiEndpoint.get("counts", "/flow-runs/:id/counts", { params, success: Models.Counts, error }),
    HttpApiEndpoint.get("tasks", "/flow-runs/:id/tasks", { params, success: ndjson(Models.Task), error }),
    HttpApiEndpoint.get("graph", "/flow-runs/:id/graph", { params, success: Models.Graph, error }),
    HttpApiEndpoint.get("states", "/flow-runs/:id/states", {
      params,
      success: Schema.Array(Models.StateRecord),
      error
    }),
    HttpApiEndpoint.get("logs", "/flow-runs/:id/logs", {
      params,
      query: { level: Level, q: Text, after: Text, limit: Offset },
      success: ndjson(Models.LogLine),
      error
    }),
    HttpApiEndpoint.get("logsText", "/flow-runs/:id/logs.txt", {
      params,
      query: { level: Level },
      success: bytes,
      error
    }),
    HttpApiEndpoint.get("artifacts", "/flow-runs/:id/artifacts", {
      params,
      query: paging,
      success: Models.pageOf(Models.Artifact),
      error
    }),
    HttpApiEndpoint.get("outcomes", "/flow-runs/:id/outcomes", {
      params,
      query: { after: Text },
      success: ndjson(Models.Outcome),
      error
    }),
    HttpApiEndpoint.get("changes", "/flow-runs/:id/changes", {
      params,
      success: HttpApiSchema.StreamSse({ data: Models.Change }),
      error
    })
  )
{}

/**
 * Task runs, their mapped children and their results.
 *
 * @category groups
 * @since 0.1.0
 */
export class TaskRuns extends HttpApiGroup.make("taskRuns")
  .add(
    HttpApiEndpoint.get("bySlug", "/task-runs", {
      query: { flow_run: Schema.NonEmptyString, slug: Schema.NonEmptyString, map_index: After },
      success: Models.TaskRun,
      error
    }),
    HttpApiEndpoint.get("show", "/task-runs/:id", { params, success: Models.TaskRun, error }),
    HttpApiEndpoint.get("states", "/task-runs/:id/states", {
      params,
      success: Schema.Array(Models.StateRecord),
      error
    }),
    HttpApiEndpoint.get("logs", "/task-runs/:id/logs", {
      params,
      query: { level: Level, q: Text, after: Text, limit: Offset },
      success: ndjson(Models.LogLine),
      error
    }),
    HttpApiEndpoint.get("mapped", "/task-runs/:id/mapped", { params, success: Models.MappedCounts, error }),
    HttpApiEndpoint.get("children", "/task-runs/:id/children", {
      params,
      query: { state: States, after: After, limit: Limit },
      success: Schema.Struct({ items: Schema.Array(Models.Child), next: Schema.NullOr(Schema.Int) }),
      error
    }),
    HttpApiEndpoint.get("childStates", "/task-runs/:id/children/states", {
      params,
      query: { after: After },
      success: ndjson(Models.ChildStates),
      error
    }),
    HttpApiEndpoint.get("childTimes", "/task-runs/:id/children/times", {
      params,
      success: ndjson(Models.ChildTimes),
      error
    }),
    HttpApiEndpoint.get("childOutcomes", "/task-runs/:id/children/outcomes", {
      params,
      query: { after: After },
      success: ndjson(Models.Outcome),
      error
    })
  )
{}

/**
 * The result of one task run.
 *
 * @category groups
 * @since 0.1.0
 */
export class Results extends HttpApiGroup.make("results")
  .add(
    HttpApiEndpoint.get("show", "/task-runs/:id/result", { params, success: Models.Result, error }),
    HttpApiEndpoint.get("stored", "/task-runs/:id/result/stored", { params, success: Models.Stored, error }),
    HttpApiEndpoint.get("value", "/task-runs/:id/result/value", {
      params,
      query: { path: Schema.optional(Schema.String.check(Schema.isMaxLength(16_384))), offset: Offset, limit: Limit },
      success: Models.ValueLevel,
      error
    }),
    HttpApiEndpoint.get("rows", "/task-runs/:id/result/rows", {
      params,
      query: { offset: Offset, limit: Limit, columns: Text, sort: Text, where: Where },
      success: Models.Rows,
      error
    }),
    HttpApiEndpoint.get("column", "/task-runs/:id/result/columns/:index", {
      params: { ...params, index: between(0, 1_000_000) },
      query: { where: Where },
      success: Models.ColumnSummary,
      error
    }),
    HttpApiEndpoint.get("json", "/task-runs/:id/result.json", { params, success: bytes, error }),
    HttpApiEndpoint.get("csv", "/task-runs/:id/result.csv", { params, success: bytes, error }),
    HttpApiEndpoint.get("bytes", "/task-runs/:id/result/bytes", { params, success: bytes, error })
  )
{}

/**
 * The whole API.
 *
 * @category api
 * @since 0.1.0
 */
export class UiApi extends HttpApi.make("effect-prefect-ui")
  .add(BackendGroup)
  .add(Flows)
  .add(FlowRuns)
  .add(TaskRuns)
  .add(Results)
  .prefix("/api")
  .annotateMerge(OpenApi.annotations({ title: "effect-prefect: runs, mapped children and results" }))
{}
