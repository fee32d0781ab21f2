import type { Edge } from "../Backend.ts"
import { isObject } from "./isObject.ts"

/**
 * The edges in a flow's own description (`serialized_flow`), for a server without rows for them. An edge whose tasks
 * are unknown is omitted.
 */
export const ofSerializedFlow = (
  serializedFlow: unknown,
  taskIds: ReadonlyMap<string, string>
): ReadonlyArray<Edge> => {
  const list = isObject(serializedFlow) ? serializedFlow["edges"] : undefined
  if (!Array.isArray(list)) return []
  const idOf = (task: unknown): string | undefined =>
    isObject(task) && typeof task["slug"] === "string" ? taskIds.get(task["slug"]) : undefined
  return list.flatMap((edge: unknown): ReadonlyArray<Edge> => {
    if (!isObject(edge)) return []
    const upstreamTaskId = idOf(edge["upstream_task"])
    const downstreamTaskId = idOf(edge["downstream_task"])
    return upstreamTaskId === undefined || downstreamTaskId === undefined ? [] : [{
      upstreamTaskId,
      downstreamTaskId,
      key: typeof edge["key"] === "string" ? edge["key"] : null,
      mapped: edge["mapped"] === true
    }]
  })
}
