/**
 * Pages of Prefect 3's `POST …/filter`, which supports only `limit` and `offset`.
 *
 * Rows are added and removed while they are paged, and its sort orders by time have no second key. So task runs, flows
 * and artifacts are paged by offset in a total order, and rows that were already returned are skipped; flow runs and
 * logs, which are sorted by time, are paged from the last time on, and rows with that time are requested again. A page by
 * offset begins with the last row of the one before: if it begins with another one, rows before it were removed, those
 * after it have moved up, and the page is requested from further up.
 */
import * as Effect from "effect/Effect"
import type { Cursor, Page, PageRequest } from "../../Backend.ts"
import { MalformedResponse, PrefectApiError, UnsupportedByBackend } from "../../PrefectApiError.ts"
import { isObject } from "../isObject.ts"
import * as Kept from "../kept.ts"
import { decodeAll } from "../rows.ts"
import { microseconds } from "../timestamps.ts"
import type { Client } from "./client.ts"
import { identified, isMalformed, type Malformed, resultOf, type Row } from "./rows.ts"

/** The most rows per response, unless the server's administrator set another limit. */
const serverLimit = 200

/**
 * Whether a page of fewer rows than requested may be a whole one. Prefect refuses a limit above its own (422), so that a
 * short page of its own is the last. What stands before it may give fewer without a word: then as many as somebody chose,
 * which is a round number. To request more after every short page would cost the usual small listing a second request.
 */
const mayBeWhole = (length: number): boolean => length >= 5 && (length % 5 === 0 || (length & (length - 1)) === 0)

/** Consecutive known rows after which the server is assumed to ignore the offset. */
const staleLimit = 3 * serverLimit

/** The largest offset that is requested. */
const maxOffset = 2 ** 31

/** The number of rows that may be added or removed while searching for an id. */
const slack = 20

export interface Filter {
  /** Its name in errors and spans. */
  readonly operation: string
  readonly path: string
  readonly body: { readonly [key: string]: unknown }
}

interface Fetched {
  readonly rows: ReadonlyArray<Row>
  /** Whether it has as many rows as were requested. */
  readonly isFull: boolean
  /** Whether more rows may follow: of short pages, after one that may be whole, when no other was longer. */
  readonly hasMore: boolean
}

const malformed = (filter: Filter, detail: string) =>
  Effect.fail(new PrefectApiError({ operation: filter.operation, reason: new MalformedResponse({ detail }) }))

/** The rows of a server, page by page. */
export interface Pages {
  readonly byOffset: <A>(
    filter: Filter,
    request: PageRequest,
    make: (row: unknown) => A | Malformed
  ) => Effect.Effect<Page<A>, PrefectApiError>
  readonly byTime: <A>(
    options: TimeOrder,
    request: PageRequest,
    make: (row: unknown) => A | Malformed
  ) => Effect.Effect<Page<A>, PrefectApiError>
  /** Rows whose id is in a range, in the order of their ids. */
  readonly byIdRange: <A>(
    filter: Filter,
    range: { readonly first: string; readonly last: string },
    limit: number,
    make: (row: unknown) => A | Malformed
  ) => Effect.Effect<ReadonlyArray<A>, PrefectApiError>
  /** All rows, page after page. */
  readonly all: (filter: Filter) => Effect.Effect<ReadonlyArray<Row>, PrefectApiError>
}

export interface TimeOrder {
  readonly time: string
  /** The filter for rows from that time on; from the first when it is undefined. */
  readonly from: (time: string | undefined) => Filter
  readonly start?: string | undefined
  /** Whether later pages have earlier times. */
  readonly isDescending: boolean
}

/** Limits that are lower only in tests. */
export interface Limits {
  readonly rows?: number
  readonly bytes?: number
  readonly listed?: number
}

export const make = (
  client: Pick<Client, "name" | "post">,
  { keepsAll = false, limits = {} }: {
    /** Whether each row must be given, for a copy: a listing leaves out those that are not Prefect's. */
    readonly keepsAll?: boolean
    readonly limits?: Limits
  } = {}
): Pages => {
  const { listed = Kept.maxListed } = limits
  // That of the server, once it has rejected ours with its own; undefined when it did not name it.
  let most: number | undefined = serverLimit
  let longestPage = 0

  const fetch = (filter: Filter, limit: number, offset: number): Effect.Effect<Fetched, PrefectApiError> =>
    Effect.suspend(() => {
      const asked = most === undefined ? undefined : Math.min(limit, most)
      const body = asked === undefined ? { ...filter.body, offset } : { ...filter.body, limit: asked, offset }
      return Effect.flatMap(client.post(filter.operation, filter.path, body), (posted) => {
        if (posted._tag === "NoSuchPath") {
          return Effect.fail(
            new PrefectApiError({
              operation: filter.operation,
              reason: new UnsupportedByBackend({
                feature: filter.operation,
                backend: client.name(),
                hint: `it answers ${filter.path} with 404; a later version may have it`
              })
            })
          )
        }
        if (posted._tag === "Refused") {
          if (asked !== undefined && /\blimit\b/i.test(posted.detail)) {
            const named = Number(/\b(\d{1,9})\b/.exec(posted.detail)?.[1])
            most = most === serverLimit && named > 0 && named < asked ? named : undefined
            return fetch(filter, limit, offset)
          }
          return malformed(filter, `it refuses ${filter.path}: ${posted.detail}`)
        }
        const rows = posted.json
        if (!Array.isArray(rows)) return malformed(filter, `${filter.path} gave no list`)
        if (!rows.every(isObject)) return malformed(filter, `${filter.path} gave a row that is not an object`)
        const { length } = rows
        const isFull = length > 0 && (asked === undefined || length >= asked)
        const hasMore = isFull || length >= longestPage && mayBeWhole(length)
        longestPage = Math.max(longestPage, length)
        return Effect.succeed({ rows: rows as ReadonlyArray<Row>, isFull, hasMore })
      })
    })

  /** The page at an offset, of a table whose rows may have moved since the page before. */
  const fetchAt = (filter: Filter, limit: number, at: Position): Effect.Effect<Continued, PrefectApiError> => {
    // A page may be requested twice: a row counts as known when an earlier page had it.
    const isKnown = (row: Row) => (at.seen.get(row["id"]) ?? at.page) < at.page
    const from = (back: number): Effect.Effect<Continued, PrefectApiError> => {
      const start = Math.max(0, at.offset - back)
      return Effect.flatMap(fetch(filter, limit + Math.min(back, 1), start), (fetched) => {
        const [first] = fetched.rows
        if (start > 0 && back > 0 && (first === undefined || !isKnown(first))) return from(back * 8)
        const fresh = fetched.rows.filter((row) => !isKnown(row))
        const found = { ...fetched, fresh, start }
        if (!fetched.hasMore || fresh.length > 0 || !at.isShort) return Effect.succeed(found)
        // A server that gives all it has, whatever the offset, does so beyond the last row, too.
        return Effect.map(
          fetch(filter, 1, maxOffset),
          ({ rows: [beyond] }) => ({ ...found, hasMore: beyond === undefined })
        )
      })
    }
    return from(at.overlaps ? 1 : 0)
  }

  const tableOf = ({ path }: Filter) => path.split("/")[1]!

  const decode = <A>(
    filter: Filter,
    rows: ReadonlyArray<Row>,
    make: (row: unknown) => A | Malformed
  ): Effect.Effect<Array<A>, PrefectApiError> => {
    if (!keepsAll) return decodeAll(tableOf(filter), resultOf(make), rows)
    const out: Array<A> = []
    for (const row of rows) {
      const value = make(row)
      if (isMalformed(value)) return malformed(filter, value.detail)
      out.push(value)
    }
    return Effect.succeed(out)
  }

  const rowsByOffset = (
    filter: Filter,
    request: PageRequest
  ): Effect.Effect<{ readonly rows: ReadonlyArray<Row>; readonly next: Cursor | undefined }, PrefectApiError> =>
    Effect.suspend(() => {
      const cursor = (request.cursor ?? { ...beginning(), stale: 0 }) as unknown as OffsetCursor
      const { page, seen, stale } = cursor
      return Effect.flatMap(fetchAt(filter, request.limit, cursor), ({ fresh, hasMore, isFull, rows, start }) => {
        if (seen.size + fresh.length > listed) return malformed(filter, `${filter.path} lists more than ${listed} rows`)
        for (const row of fresh) seen.set(row["id"], page)
        // Those from further up are known.
        const staleRows = hasMore && fresh.length === 0 ? stale + rows.length - (cursor.offset - start) : 0
        if (staleRows >= staleLimit) {
          return malformed(filter, `${filter.path} gives the same rows again, whatever the offset`)
        }
        const next: OffsetCursor = {
          offset: start + rows.length,
          page: page + 1,
          seen,
          overlaps: fresh.length > 0,
          isShort: fresh.length > 0 ? !isFull : cursor.isShort,
          stale: staleRows
        }
        return Effect.succeed({ rows: fresh, next: hasMore ? next as unknown as Cursor : undefined })
      })
    })

  const byOffset = <A>(
    filter: Filter,
    request: PageRequest,
    make: (row: unknown) => A | Malformed
  ): Effect.Effect<Page<A>, PrefectApiError> =>
    Effect.flatMap(
      rowsByOffset(filter, request),
      ({ next, rows }) => Effect.map(decode(filter, rows, make), (items) => ({ items, next }))
    )

  const all = (filter: Filter): Effect.Effect<ReadonlyArray<Row>, PrefectApiError> =>
    Effect.gen(function*() {
      const kept = Kept.make<Row>(filter.operation, limits)
      let cursor: Cursor | undefined
      do {
        const page = yield* rowsByOffset(filter, { cursor, limit: serverLimit })
        yield* kept.add(yield* decode(filter, page.rows, identified))
        cursor = page.next
      } while (cursor !== undefined)
      return kept.items
    })

  const byTime = <A>(
    options: TimeOrder,
    request: PageRequest,
    make: (row: unknown) => A | Malformed
  ): Effect.Effect<Page<A>, PrefectApiError> =>
    Effect.suspend(() => {
      const cursor = (request.cursor ?? { ...beginning(), from: options.start }) as unknown as TimeCursor
      const { from, page, seen } = cursor
      const filter = options.from(from)
      return Effect.flatMap(
        fetchAt(filter, request.limit, cursor),
        ({ fresh, hasMore, isFull, rows, start }): Effect.Effect<Page<A>, PrefectApiError> => {
          if (!hasMore) return Effect.map(decode(filter, fresh, make), (items) => ({ items, next: undefined }))
          const last = rows[rows.length - 1]?.[options.time]
          if (isFull && typeof last === "string" && last !== from) {
            const forward = from === undefined ? Infinity : options.isDescending
              ? microseconds(from) - microseconds(last)
              : microseconds(last) - microseconds(from)
            if (forward < 0) {
              return malformed(
                filter,
                `pagination did not advance: ${filter.path} gave a page that comes before the last one`
              )
            }
            if (forward > 0) {
              return Effect.map(
                decode(filter, fresh.filter((row) => row[options.time] !== last), make),
                (items) => ({ items, next: { ...beginning(), from: last } })
              )
            }
          }
          // A row without a later time is no position to continue from, so the same time is requested again with a
          // larger offset.
          if (fresh.length === 0 && !cursor.overlaps) {
            return malformed(filter, `${filter.path} gives the same rows again, whatever the offset`)
          }
          if (seen.size + fresh.length > listed) {
            return malformed(filter, `${filter.path} lists more than ${listed} rows of one time`)
          }
          for (const row of fresh) seen.set(row["id"], page)
          const overlaps = fresh.length > 0
          const next: TimeCursor = {
            from,
            seen,
            page: page + 1,
            overlaps,
            isShort: overlaps ? !isFull : cursor.isShort,
            offset: start + rows.length
          }
          return Effect.map(decode(filter, fresh, make), (items) => ({ items, next: next as unknown as Cursor }))
        }
      )
    })

  /**
   * Rows whose id is in a range, in the order of their ids. The server has no such filter, so the end of the range is
   * searched for in descending order of ids, in steps that double, and then by bisection.
   */
  const byIdRange = <A>(
    filter: Filter,
    range: { readonly first: string; readonly last: string },
    limit: number,
    make: (row: unknown) => A | Malformed
  ): Effect.Effect<ReadonlyArray<A>, PrefectApiError> =>
    Effect.gen(function*() {
      const descending = { ...filter, body: { ...filter.body, sort: "ID_DESC" } }
      const isBelow = (offset: number) =>
        Effect.map(fetch(descending, 1, offset), ({ rows: [row] }) =>
          row === undefined || String(row["id"]) < range.first)
      let low = 0
      let high = serverLimit
      while (high < maxOffset && !(yield* isBelow(high))) {
        low = high + 1
        high *= 2
      }
      while (low < high) {
        const middle = Math.floor((low + high) / 2)
        if (yield* isBelow(middle)) {
          high = middle
        } else low = middle + 1
      }
      const found = new Map<unknown, Row>()
      // Rows that were added or removed meanwhile have moved the others.
      let offset = Math.max(0, low - limit - slack)
      const end = low + slack
      while (offset < end) {
        const { hasMore, rows } = yield* fetch(descending, end - offset, offset)
        for (const row of rows) {
          const id = String(row["id"])
          if (range.first <= id && id <= range.last) {
            found.set(id, row)
          }
        }
        if (!hasMore) {
          break
        }
        offset += rows.length
      }
      return yield* decode(filter, [...found.values()].reverse().slice(0, limit), make)
    })

  return { byOffset, byTime, byIdRange, all }
}

interface Position {
  readonly offset: number
  /** The number of pages before it. */
  readonly page: number
  /** By id, the page that returned the row. */
  readonly seen: Map<unknown, number>
  /** Whether the page begins with the last row of the one before: not where that had no row that was new. */
  readonly overlaps: boolean
  /** Whether the last page with a new row had fewer rows than requested. */
  readonly isShort: boolean
}

interface Continued extends Fetched {
  /** Its rows that no earlier page had. */
  readonly fresh: ReadonlyArray<Row>
  /** The offset of the first row. */
  readonly start: number
}

interface OffsetCursor extends Position {
  /** Rows since the last new one. */
  readonly stale: number
}

/** The position among the rows since a time, those of that time included. */
interface TimeCursor extends Position {
  readonly from: string | undefined
}

const beginning = (): Position => ({ offset: 0, page: 0, seen: new Map(), overlaps: false, isShort: false })
