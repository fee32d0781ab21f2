/**
 * `PrefectApi` over the Postgres that a Prefect 1 server left behind: the live database, or a dump of it restored
 * anywhere. It needs the package `@effect/sql-pg`.
 *
 * It only reads, in sessions that may do nothing else; a role that may SELECT Prefect's tables is enough.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as PostgresBackend from "./internal/postgres/backend.ts"
import { connect } from "./internal/postgres/connection.ts"
import * as PrefectApi from "./PrefectApi.ts"
import type { PrefectApiError } from "./PrefectApiError.ts"
import type { PrefectConfigError } from "./PrefectConfigError.ts"

/**
 * How the database is reached.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, with libpq's parameters `host` (a folder: its socket), `sslmode`,
   * `sslrootcert`, `sslcert`, `sslkey`, `connect_timeout`, `application_name` and `options`.
   *
   * Without `sslmode` it is that of `PGSSLMODE`, else `prefer`, as with libpq: TLS where the server offers it, without
   * checking its certificate. `verify-full` is right for a server that is reached over a network.
   */
  readonly url: Redacted.Redacted
  /** Wins over the URL's. Without either it is that of `PGPASSWORD`, or of the password file (`~/.pgpass`). */
  readonly password?: Redacted.Redacted | undefined
  /** How long the database may work on one statement. Default 30 seconds. */
  readonly statementTimeout?: Duration.Input | undefined
  /** Default: the URL's `connect_timeout`, else 10 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** Connections of the pool. Default 10. */
  readonly maxConnections?: number | undefined
  /** The largest row that is read, in bytes. Default 256 MiB. */
  readonly maxRowBytes?: number | undefined
}

/**
 * Connects for as long as the scope lives, and fails when that does not succeed: Unauthorized, Unavailable, or a
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
 * const Api = PostgresApi.layer({ url: Redacted.make("postgresql://reader@localhost/prefect") })
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
 * The service over a database that the configuration names.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<PrefectApi.PrefectApi, PrefectApiError | PrefectConfigError | Config.ConfigError> =>
  Layer.effect(PrefectApi.PrefectApi, Effect.flatMap(Config.unwrap(options), make))
