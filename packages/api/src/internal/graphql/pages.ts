import type * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Backend from "../../Backend.ts"
import * as Errors from "../../PrefectApiError.ts"
import * as Http from "../http/failure.ts"
import { isObject } from "../isObject.ts"
import * as Kept from "../kept.ts"
import { announce } from "../pages.ts"
import * as Rows from "../rows.ts"
import type { Data, GraphQLClient } from "./client.ts"
import { all } from "./conditions.ts"
import * as Documents from "./documents.ts"
import * as Keyset from "./keyset.ts"

export type Row = { readonly [column: string]: unknown }

export const fail = (operation: string, reason: Errors.Reason) =>
  Effect.fail(new Errors.PrefectApiError({ operation, reason }))
export const malformed = (operation: string, detail: string) =>
  fail(operation, new Errors.MalformedResponse({ detail }))

/** The largest number of rows in one query. */
const maxPageSize = 10_000

const listingOf = (name: string, table: Documents.Table, order: Keyset.Order, selection?: string) => ({
  document: Documents.listing(name, table, Keyset.orderBy(order), selection),
  table,
  order
})

export const listings = {
  taskRuns: listingOf("TaskRuns", "task_run", Keyset.byTaskAndMapIndex),
  summaries: listingOf("TaskRunSummaries", "task_run", Keyset.byTaskAndMapIndex, Documents.summaryColumns),
  ofTask: listingOf("TaskRunsOfTask", "task_run", Keyset.byMapIndex),
  siblings: listingOf("Siblings", "task_run", Keyset.byMapIndex),
  taskRunsById: listingOf("TaskRunsInOrder", "task_run", Keyset.byId),
  flowRunsById: listingOf("FlowRunsInOrder", "flow_run", Keyset.byId),
  flowRuns: listingOf("FlowRuns", "flow_run", Keyset.newestFirst),
  flows: listingOf("Flows", "flow", Keyset.newestFirst),
  logs: listingOf("Logs", "log", Keyset.byTimestamp),
  artifacts: listingOf("Artifacts", "task_run_artifact", Keyset.oldestFirst),
  flowRunStates: listingOf("FlowRunStates", "flow_run_state", Keyset.byId),
  taskRunStates: listingOf("TaskRunStates", "task_run_state", Keyset.byId)
}
export type Listing = (typeof listings)[keyof typeof listings]

export const views = (rows: ReadonlyArray<unknown>): Effect.Effect<Array<TaskRunView.TaskRunView>> =>
  Rows.decodeAll("task_run", Rows.decodeTaskRun, rows)

/** A page of rows that are decoded once the next page has been announced. */
const itemsOf = <A>(
  next: Backend.Cursor | undefined,
  items: Effect.Effect<ReadonlyArray<A>>
): Effect.Effect<Backend.Page<A>> => Effect.andThen(announce(next), Effect.map(items, (items) => ({ items, next })))

/** Pages of a server's rows, as views and models. */
export const make = (client: GraphQLClient) => {
  /**
   * A server may return fewer rows than requested, so a short page is the last one only if this server has returned a
   * longer one.
   */
  let longestPage = 0
  const isLast = (length: number, limit: number): boolean => {
    const last = length === 0 || (length < limit && length < longestPage)
    longestPage = Math.max(longestPage, length)
    return last
  }

  const rowsOf = (data: Data, table: string): Effect.Effect<ReadonlyArray<unknown>, Http.HttpFailure> => {
    const rows = data[table]
    return Array.isArray(rows)
      ? Effect.succeed(rows as ReadonlyArray<unknown>)
      : Effect.fail(Http.malformed(`it has no list of ${table}`))
  }

  const queryRows = (
    operation: string,
    document: Documents.Document,
    table: string,
    variables: { readonly [name: string]: unknown }
  ) => Effect.flatMap(client.query(operation, document, variables), (data) => rowsOf(data, table))

  /** Rows of a table may be small or huge; a page size that was too large once is not tried again. */
  const pageSizes = new Map<string, number>()

  const pagedRows = Effect.fnUntraced(function*(
    operation: string,
    document: Documents.Document,
    table: string,
    variables: { readonly [name: string]: unknown },
    limit: number
  ) {
    while (true) {
      const size = Math.min(maxPageSize, Math.max(1, Math.trunc(limit)), pageSizes.get(table) ?? maxPageSize)
      const answer = yield* Effect.result(queryRows(operation, document, table, { ...variables, limit: size }))
      if (Result.isSuccess(answer)) return { rows: answer.success, size }
      if (size === 1 || answer.failure.isTooLarge !== true) return yield* Http.toApiError(operation)(answer.failure)
      pageSizes.set(table, Math.max(1, size >> 2))
    }
  })

  /** One page of raw rows in the requested order, and the cursor after them. */
  const rawPage = Effect.fnUntraced(function*(
    operation: string,
    { document, order, table }: Listing,
    conditions: ReadonlyArray<Keyset.Condition>,
    { cursor, limit }: Backend.PageRequest
  ) {
    const from = cursor === undefined ? undefined : (cursor as unknown as { readonly after: Keyset.Position }).after
    const where = all(from === undefined ? conditions : [...conditions, Keyset.after(order, from)])
    const { rows, size } = yield* pagedRows(operation, document, table, { where }, limit)
    let position = from
    for (const row of rows) {
      if (!isObject(row)) return yield* malformed(operation, `a row of ${table} is not an object`)
      const next = Keyset.positionOf(order, row)
      // Such a row is not one of Prefect's, and is left out once it is decoded; the next page follows the others.
      if (next === undefined) continue
      if (position !== undefined && !Keyset.isBefore(order, position, next)) {
        return yield* malformed(operation, `rows of ${table} are repeated, or not in the requested order`)
      }
      position = next
    }
    const hasMore = !isLast(rows.length, size)
    if (position === from && rows.length >= size) {
      return yield* malformed(operation, `no row of a page of ${table} has what it is sorted by`)
    }
    const next: Backend.Cursor | undefined = hasMore && position !== from ? { after: position } : undefined
    return { rows: rows as ReadonlyArray<Row>, next }
  })

  const models = <A>(table: string, rows: ReadonlyArray<Row>, decode: Rows.Decoder<A>) =>
    Rows.decodeAll(table, decode, rows)

  const modelsPage = <A>(
    operation: string,
    listing: Listing,
    conditions: ReadonlyArray<Keyset.Condition>,
    page: Backend.PageRequest,
    decode: Rows.Decoder<A>
  ): Effect.Effect<Backend.Page<A>, Errors.PrefectApiError> =>
    Effect.flatMap(
      rawPage(operation, listing, conditions, page),
      ({ next, rows }) => itemsOf(next, models(listing.table, rows, decode))
    )

  const viewsPage = (
    operation: string,
    listing: Listing,
    conditions: ReadonlyArray<Keyset.Condition>,
    page: Backend.PageRequest
  ): Effect.Effect<Backend.Page<TaskRunView.TaskRunView>, Errors.PrefectApiError> =>
    Effect.flatMap(
      rawPage(operation, listing, conditions, page),
      ({ next, rows }) => itemsOf(next, views(rows))
    )

  const everyPage = Effect.fnUntraced(function*(
    operation: string,
    page: (request: Backend.PageRequest) => Effect.Effect<Backend.Page<Row>, Errors.PrefectApiError>
  ) {
    const kept = Kept.make<Row>(operation)
    let cursor: Backend.Cursor | undefined
    do {
      const answer: Backend.Page<Row> = yield* page({ cursor, limit: 1000 })
      yield* kept.add(answer.items)
      cursor = answer.next
    } while (cursor !== undefined)
    return kept.items
  })

  const everyRow = (operation: string, listing: Listing, conditions: ReadonlyArray<Keyset.Condition>) =>
    everyPage(
      operation,
      (page) => Effect.map(rawPage(operation, listing, conditions, page), ({ next, rows }) => ({ items: rows, next }))
    )

  return { everyPage, everyRow, isLast, models, modelsPage, pagedRows, queryRows, rawPage, viewsPage }
}

export type Pages = ReturnType<typeof make>
