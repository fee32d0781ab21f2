import { QueryError } from "./queryError.ts"
import type { Statistics } from "./statistics.ts"

/** The cost of a row that is only read, as a fraction of the cost of one in the response. */
const scanned = 1 / 20

/** An object beside a row is one lookup by key. */
const lookup = 1 / 2

/** The number of columns that cost as much as the row itself. */
const columnsOfARow = 20

/** Up to this cost, a statement takes a few milliseconds. */
const maxLight = 5_000

/**
 * The rows for which a part of a query is read. `isDistinct` as long as no row can occur twice: then all nested lists
 * together have no more rows than the table.
 */
export interface Scope {
  readonly rows: number
  readonly isDistinct: boolean
}

/** The scope of a root field. */
export const root: Scope = { rows: 1, isDistinct: true }

/**
 * The cost of a request, counted while its statements are compiled and before any of them runs. The unit is a row of a
 * response with few columns. It is an upper bound when the statistics are right: conditions that are not keys do not
 * reduce it.
 */
export class Cost {
  readonly statistics: Statistics
  total = 0
  /** Whether a pattern is matched: its cost depends on the text. */
  hasPatterns = false

  constructor(statistics: Statistics) {
    this.statistics = statistics
  }

  /** Whether the statement can take long enough to delay others. */
  get isHeavy(): boolean {
    return this.hasPatterns || this.total > maxLight
  }

  /** Adds a list: the number of matching rows of its table, the number of returned rows, and the work for each. */
  list(matching: number, given: number, columns: number, conditions: number): void {
    this.total += given * (1 + columns / columnsOfARow) + matching * scanned * (1 + conditions / 4)
  }

  /** Adds the object beside each of a number of rows. */
  object(rows: number, columns: number): void {
    this.total += rows * lookup * (1 + columns / columnsOfARow)
  }

  /** Adds rows that are read for a condition or an order. */
  scan(rows: number): void {
    this.total += rows * scanned
  }
}

/** The error for a request that costs more than is allowed. */
export const tooCostly = (total: number, limit: number): QueryError =>
  new QueryError({
    code: "limit-exceeded",
    message: `the query may read ${Math.ceil(total)} rows, and ${limit} are allowed: ` +
      "add a limit to its lists, nest fewer lists, or select rows by id"
  })
