/** The API without its implementation: clients and the OpenAPI document are derived from it. */
import { FlowRunView } from "@effect-prefect/core/FlowRunView"
import { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { problems } from "./Problem.ts"

const params = { id: Schema.NonEmptyString }

/** One mapped child, whose failure is data. */
export class Child extends Schema.Class<Child>("Child")({
  taskRunId: Schema.String,
  mapIndex: Schema.Int,
  outcome: Schema.Union([
    Schema.Struct({ value: Schema.Json }),
    Schema.Struct({ error: Schema.Struct({ reason: Schema.String, message: Schema.String }) })
  ])
}) {}

export class Prefect extends HttpApiGroup.make("prefect")
  .add(
    HttpApiEndpoint.get("flowRun", "/flow-runs/:id", { params, success: FlowRunView, error: problems }),
    HttpApiEndpoint.get("taskRun", "/task-runs/:id", { params, success: TaskRunView, error: problems }),
    HttpApiEndpoint.get("result", "/task-runs/:id/result", { params, success: Schema.Json, error: problems }),
    HttpApiEndpoint.get("children", "/task-runs/:id/children", {
      params,
      query: { after: Schema.optional(Schema.Int) },
      success: HttpApiSchema.StreamNdjson({ schema: Child, maxElementBytes: "16 MiB" }),
      error: problems
    })
  )
{}

export class System extends HttpApiGroup.make("system", { topLevel: true })
  .add(HttpApiEndpoint.get("healthz", "/healthz", { success: HttpApiSchema.NoContent }))
{}

export class Api extends HttpApi.make("prefect-results")
  .add(Prefect)
  .add(System)
  .annotateMerge(OpenApi.annotations({ title: "Task runs and their results" }))
{}
