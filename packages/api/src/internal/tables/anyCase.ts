import * as Effect from "effect/Effect"
import type * as Backend from "../../Backend.ts"
import type { PrefectApiError } from "../../PrefectApiError.ts"
import { isUuid } from "../uuids.ts"

/** The tables whose rows are looked up by their ids. */
export type IdTable = "flow" | "flow_run" | "task" | "task_run"

/**
 * Finds rows by UUIDs in any case, as Postgres and Prefect's servers do: an id that no row has is looked up as Postgres
 * writes it, in lower case. `isWritten` checks whether a table has a row with exactly this id, and is called only for
 * UUIDs with capitals.
 */
export const inAnyCase = (
  backend: Backend.Backend,
  isWritten: (table: IdTable, id: string) => Effect.Effect<boolean, PrefectApiError>
): Backend.Backend => {
  type Ids = {
    readonly flowId?: string
    readonly flowRunId?: string
    readonly taskId?: string
    readonly taskRunId?: string
  }
  const tableOf = { flowId: "flow", flowRunId: "flow_run", taskId: "task", taskRunId: "task_run" } as const
  const names = Object.keys(tableOf) as ReadonlyArray<keyof Ids>

  const hasCapitals = (id: unknown): id is string => typeof id === "string" && isUuid(id) && id !== id.toLowerCase()
  const found = (table: IdTable, id: string) =>
    hasCapitals(id)
      ? Effect.map(isWritten(table, id), (written) => written ? id : id.toLowerCase())
      : Effect.succeed(id)
  const byId = <A>(table: IdTable, lookUp: (id: string) => Effect.Effect<A, PrefectApiError>) => (id: string) =>
    hasCapitals(id) ? Effect.flatMap(found(table, id), lookUp) : lookUp(id)
  const byQuery = <Q extends object, Rest extends ReadonlyArray<unknown>, A>(
    lookUp: (query: Q, ...rest: Rest) => Effect.Effect<A, PrefectApiError>
  ) =>
  (query: Q, ...rest: Rest) => {
    const ids = query as Ids
    const capitals = names.filter((name) => hasCapitals(ids[name]))
    return capitals.length === 0
      ? lookUp(query, ...rest)
      : Effect.flatMap(
        Effect.forEach(capitals, (name) => Effect.map(found(tableOf[name], ids[name]!), (id) => [name, id] as const)),
        (changed) => lookUp({ ...query, ...Object.fromEntries(changed) }, ...rest)
      )
  }

  return {
    ...backend,
    taskRun: byId("task_run", backend.taskRun),
    taskRunBySlug: byQuery(backend.taskRunBySlug),
    firstTaskRunOfEachTask: byId("flow_run", backend.firstTaskRunOfEachTask),
    mappedTaskIds: byId("flow_run", backend.mappedTaskIds),
    countMappedChildren: byQuery(backend.countMappedChildren),
    flowRun: byId("flow_run", backend.flowRun),
    flow: byId("flow", backend.flow),
    edges: byId("flow_run", backend.edges),
    flowRunStates: byId("flow_run", backend.flowRunStates),
    taskRunStates: byId("task_run", backend.taskRunStates),
    taskRunsOfTaskPage: byQuery(backend.taskRunsOfTaskPage),
    taskRunsPage: byQuery(backend.taskRunsPage),
    taskRunSummariesPage: byQuery(backend.taskRunSummariesPage),
    flowRunsPage: byQuery(backend.flowRunsPage),
    logsPage: byQuery(backend.logsPage),
    artifactsPage: byQuery(backend.artifactsPage)
  }
}
