import type * as Backend from "@effect-prefect/api/Backend"
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import { PrefectApiError, Unavailable } from "@effect-prefect/api/PrefectApiError"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"

export interface Options {
  /** Which children a page keeps; all by default. */
  readonly keep?: (at: number) => boolean
  /** The cursor that every page gives, in place of the right one. */
  readonly next?: () => Backend.Cursor
  /** The child whose page fails. */
  readonly failAt?: number
}

/**
 * A service whose one task has `count` mapped children, and the requests for their pages so far. Every other question is
 * a defect.
 */
export const pagesOf = Effect.fnUntraced(function*(count: number, options: Options = {}) {
  const requests: Array<Backend.PageRequest> = []
  const child = (at: number) =>
    TaskRunView.fromRow({
      id: `r${at}`,
      name: null,
      task: { id: "t", slug: "t-1" },
      map_index: at,
      serialized_state: null,
      flow_run_id: "f"
    }) as TaskRunView.TaskRunView
  const nothing = yield* MemoryApi.make({})
  const unexpected = () => Effect.die(new Error("nobody should ask for this"))
  const backend: Backend.Backend = {
    ...nothing,
    name: "a test",
    taskRunsPage: unexpected,
    taskRunSummariesPage: unexpected,
    siblingsPage: unexpected,
    flowRunsPage: unexpected,
    flowsPage: unexpected,
    logsPage: unexpected,
    artifactsPage: unexpected,
    taskRunsOfTaskPage: (_, request) =>
      Effect.suspend(() => {
        requests.push(request)
        const start = request.cursor === undefined ? 0 : Number(request.cursor)
        const end = Math.min(count, start + request.limit)
        if (options.failAt !== undefined && options.failAt >= start && options.failAt < end) {
          return Effect.fail(
            new PrefectApiError({ operation: "test", reason: new Unavailable({ detail: "it was unplugged" }) })
          )
        }
        const items = Array.from({ length: end - start }, (_, at) => start + at)
          .filter(options.keep ?? (() => true)).map(child)
        return Effect.succeed({ items, next: options.next?.() ?? (end < count ? end : undefined) })
      })
  }
  return { api: PrefectApi.make(backend), requests: requests as ReadonlyArray<Backend.PageRequest> }
})
