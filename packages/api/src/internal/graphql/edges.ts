import * as Effect from "effect/Effect"
import type * as Backend from "../../Backend.ts"
import * as Errors from "../../PrefectApiError.ts"
import { ofSerializedFlow } from "../edges.ts"
import { toApiError } from "../http/failure.ts"
import { isObject } from "../isObject.ts"
import { canonicalUuid } from "../uuids.ts"
import type { GraphQLClient } from "./client.ts"
import * as Documents from "./documents.ts"
import { fail, malformed, type Row } from "./pages.ts"

/** The edges of a flow run's flow: those of the table, and otherwise those of the flow that was registered. */
export const edgesOf = Effect.fnUntraced(function*(client: GraphQLClient, id: string) {
  const operation = "edges"
  const flowRunId = canonicalUuid(id)
  const request = (document: Documents.Document, variables: { readonly [name: string]: unknown }) =>
    Effect.mapError(client.query(operation, document, variables), toApiError(operation))
  const list = (data: { readonly [field: string]: unknown }, table: string): ReadonlyArray<Row> => {
    const rows = data[table]
    return Array.isArray(rows) ? rows.filter(isObject) : []
  }
  const [flowRun] = flowRunId === undefined
    ? []
    : list(yield* request(Documents.flowOfRun, { ids: [flowRunId] }), "flow_run")
  if (flowRun === undefined) return yield* fail(operation, new Errors.FlowRunNotFound({ flowRunId: id }))
  const flowId = flowRun["flow_id"]
  if (typeof flowId !== "string") return []
  const edges: Array<Backend.Edge> = []
  for (const row of list(yield* request(Documents.edges, { flowId }), "edge")) {
    const { downstream_task_id: downstreamTaskId, key, mapped, upstream_task_id: upstreamTaskId } = row
    if (typeof upstreamTaskId !== "string" || typeof downstreamTaskId !== "string") {
      return yield* malformed(operation, "an edge lacks one of its tasks")
    }
    edges.push({
      upstreamTaskId,
      downstreamTaskId,
      key: typeof key === "string" ? key : null,
      mapped: mapped === true
    })
  }
  if (edges.length > 0) return edges
  const data = yield* request(Documents.serializedFlow, { ids: [flowId], flowId })
  const taskIds = list(data, "task").flatMap(({ id, slug }): ReadonlyArray<readonly [string, string]> =>
    typeof id === "string" && typeof slug === "string" ? [[slug, id]] : []
  )
  return ofSerializedFlow(list(data, "flow")[0]?.["serialized_flow"], new Map(taskIds))
})
