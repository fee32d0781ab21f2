/**
 * `PrefectApi` over the Postgres database of a Prefect 1 server: the live database, or a dump of it restored anywhere.
 * It needs the package `@effect/sql-pg`.
 *
 * It only reads, in read-only sessions; a role with SELECT on Prefect's tables is enough.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as PostgresBackend from "./internal/postgres/backend.ts"
import { connect } from "./internal/postgres/connection.ts"
import * as PrefectApi from "./PrefectApi.ts"
import type { PrefectApiError, Reason } from "./PrefectApiError.ts"
import type { PrefectConfigError } from "./PrefectConfigError.ts"

/**
 * Options for connecting to the database.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, with libpq's parameters `host` (a folder: its socket), `sslmode`,
   * `sslrootcert`, `sslcert`, `sslkey`, `connect_timeout`, `application_name` and `options`.
   *
   * Without `sslmode`, the default is `PGSSLMODE`, otherwise `prefer`, as in libpq: TLS when the server offers it,
   * without verifying its certificate. Use `verify-full` for a server that is reached over a network, and a `Redacted`
   * for a URL with a password.
   */
  readonly url: string | URL | Redacted.Redacted
  /** Overrides the URL's. Without either, `PGPASSWORD` or the password file (`~/.pgpass`) is used. */
  readonly password?: Redacted.Redacted | undefined
  /** The time limit of one statement. Default 30 seconds. */
  readonly statementTimeout?: Duration.Input | undefined
  /** Default: the URL's `connect_timeout`, otherwise 10 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** The size of the connection pool, at least 1. Default 10. */
  readonly maxConnections?: number | undefined
  /**
   * The delays between repetitions of a request, and their number: after a lost connection, while the database restarts or
   * has no free connection, or when a replica cancelled a statement for a change. Default: three times, starting with 0.1
   * seconds.
   */
  readonly retrySchedule?: Schedule.Schedule<unknown, Reason> | undefined
  /** The largest row to read, in bytes. Default 256 MiB. */
  readonly maxRowBytes?: number | undefined
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
): Effect.Effect<PrefectApi.PrefectApi["Service"], PrefectApiError | PrefectConfigError, Scope.Scope> =>
  Effect.map(connect(options), (connection) => PrefectApi.make(PostgresBackend.make(connection)))

/**
 * The service over a database.
 *
 * **Example** (A restored dump)
 *
 * ```ts
 * import * as PostgresApi from "@effect-prefect/api/PostgresApi"
 * import * as Redacted from "effect/Redacted"
 *
 * export const Api = PostgresApi.layer({ url: Redacted.make("postgresql://reader@localhost/prefect") })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<PrefectApi.PrefectApi, PrefectApiError | PrefectConfigError> =>
  Layer.effect(PrefectApi.PrefectApi, make(options))

/**
 * The service over a database from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<PrefectApi.PrefectApi, PrefectApiError | PrefectConfigError | Config.ConfigError> =>
  Layer.effect(PrefectApi.PrefectApi, Effect.flatMap(Config.unwrap(options), make))
