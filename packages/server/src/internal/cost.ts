import { QueryError } from "./queryError.ts"
import type { Statistics } from "./statistics.ts"

/** Rows that are only looked at cost this part of one that is written into an answer. */
const scanned = 1 / 20

/** An object beside a row is one look-up by key. */
const lookup = 1 / 2

/** Columns of a row that cost as much as the row itself. */
const columnsOfARow = 20

/** Up to this, a statement is answered within some milliseconds. */
const maxLight = 5_000

/**
 * The rows that a part of a query is read for. `isDistinct` while no row can occur twice: then all lists below together
 * have no more rows than the table.
 */
export interface Scope {
  readonly rows: number
  readonly isDistinct: boolean
}

/** The scope of a root field. */
export const root: Scope = { rows: 1, isDistinct: true }

/**
 * What a request may cost, counted while its statements are compiled and before any of them runs. The unit is a row of
 * an answer, of few columns. It is a bound where the statistics are right: conditions that are no key narrow nothing.
 */
export class Cost {
  readonly statistics: Statistics
  total = 0
  /** Whether a pattern is matched: what that takes depends on the text. */
  hasPatterns = false

  constructor(statistics: Statistics) {
    this.statistics = statistics
  }

  /** Whether the statement can take long enough to keep others waiting. */
  get isHeavy(): boolean {
    return this.hasPatterns || this.total > maxLight
  }

  /** Adds a list: how many rows of its table match, how many are given, and what is done with each. */
  list(matching: number, given: number, columns: number, conditions: number): void {
    this.total += given * (1 + columns / columnsOfARow) + matching * scanned * (1 + conditions / 4)
  }

  /** Adds the object beside each of so many rows. */
  object(rows: number, columns: number): void {
    this.total += rows * lookup * (1 + columns / columnsOfARow)
  }

  /** Adds rows that are looked at for a condition or an order. */
  scan(rows: number): void {
    this.total += rows * scanned
  }
}

/** The refusal of a request that costs more than is allowed. */
export const tooCostly = (total: number, limit: number): QueryError =>
  new QueryError({
    code: "limit-exceeded",
    message: `the query may read ${Math.ceil(total)} rows, and ${limit} are allowed: ` +
      "give its lists a limit, nest fewer lists, or ask for rows by id"
  })
