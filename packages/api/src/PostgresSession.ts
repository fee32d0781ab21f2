/**
 * `PostgresSession`: your own statements on a Prefect 1 server's database, over the connections that `PostgresApi`
 * uses: libpq URLs with their TLS modes, connection poolers, read-only sessions. It needs the package `@effect/sql-pg`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { connect } from "./internal/postgres/connection.ts"
import type { Options } from "./PostgresApi.ts"
import type { PrefectApiError } from "./PrefectApiError.ts"
import type { PrefectConfigError } from "./PrefectConfigError.ts"

/**
 * Connections to a database.
 *
 * @category models
 * @since 0.1.0
 */
export interface PostgresSession {
  /**
   * Runs one statement with bound parameters, read-only, in UTC and within the time limit. Rows are as the driver
   * decodes them. Fails with the driver's own error, whose message may contain the query: do not show it to clients.
   */
  readonly query: <Row extends object>(
    sql: string,
    parameters: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Row>, Error>
}

/**
 * Connects for the lifetime of the scope. Fails when that is not possible: Unauthorized, Unavailable, or a
 * PrefectConfigError for an invalid URL.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: Options
): Effect.Effect<PostgresSession, PrefectApiError | PrefectConfigError, Scope.Scope> =>
  Effect.map(connect(options), ({ client, limited }) => ({
    query: <Row extends object>(sql: string, parameters: ReadonlyArray<string>) =>
      limited(client.unsafe<Row>(sql, parameters))
  }))
