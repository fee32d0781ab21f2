/** Reads an archive's index: the positions of rows, by their keys. */
import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"
import * as Errors from "../../PrefectApiError.ts"
import type { Extent } from "./jsonLines.ts"
import type { Key } from "./keys.ts"

/** The position of a row, and its id. */
export interface Found extends Extent {
  readonly place: number
  readonly id: Key
}

/** One page of a list, and the last row of the page when there are more. */
export interface FoundPage<A> {
  readonly entries: ReadonlyArray<A>
  readonly last: A | undefined
}

/** One page of a result that has one row more than the page. */
export const pageOf = <A>(found: ReadonlyArray<A>, limit: number): FoundPage<A> => ({
  entries: found.slice(0, limit),
  last: found.length > limit ? found[limit - 1] : undefined
})

/** The parameters of an SQL list of values. */
export const listOf = (length: number): string => Array.from({ length }, () => "?").join(", ")

/** The largest page that a reader waits for; larger ones are parts of a traversal. */
const smallPage = 100

export class IndexReader {
  private readonly database: DatabaseSync
  private readonly statements = new Map<string, StatementSync>()
  private readonly stateNames: ReadonlyMap<number, string>

  constructor(database: DatabaseSync) {
    this.database = database
    this.stateNames = new Map(
      this.all<{ readonly code: number; readonly name: string }>("SELECT code, name FROM state")
        .map(({ code, name }) => [code, name])
    )
  }

  all<A>(sql: string, ...parameters: ReadonlyArray<SQLInputValue>): ReadonlyArray<A> {
    let statement = this.statements.get(sql)
    if (statement === undefined) this.statements.set(sql, statement = this.database.prepare(sql))
    return statement.all(...parameters) as unknown as ReadonlyArray<A>
  }

  /** Rows as arrays, of which objects of one shape are made: those that SQLite makes are hash tables, and dearer. */
  arrays<A>(sql: string, ...parameters: ReadonlyArray<SQLInputValue>): ReadonlyArray<A> {
    let statement = this.statements.get(sql)
    if (statement === undefined) {
      this.statements.set(sql, statement = this.database.prepare(sql))
      statement.setReturnArrays(true)
    }
    return statement.all(...parameters) as unknown as ReadonlyArray<A>
  }

  /** Queries wait only for the disk. */
  query<A>(operation: string, body: () => A): Effect.Effect<A, Errors.PrefectApiError> {
    return Effect.try({
      try: body,
      catch: () =>
        new Errors.PrefectApiError({
          operation,
          reason: new Errors.Unavailable({
            detail: this.database.isOpen
              ? "the index of the archive is damaged; make it anew with archive index"
              : "the archive was closed: use it inside the scope of its layer"
          })
        })
    })
  }

  /** A query for a page. Those for large ones share each turn, so that small ones need not wait for all of them. */
  page<A>(operation: string, limit: number, body: () => A): Effect.Effect<A, Errors.PrefectApiError> {
    const query = this.query(operation, body)
    return limit > smallPage ? Effect.andThen(Turn.share, query) : query
  }

  /** The codes that stand for states of these names. */
  codesOf(names: ReadonlyArray<string>): ReadonlyArray<number> {
    return [...this.stateNames].filter(([, name]) => names.includes(name)).map(([code]) => code)
  }

  stateOf(code: number): string {
    return this.stateNames.get(code) ?? ""
  }
}
