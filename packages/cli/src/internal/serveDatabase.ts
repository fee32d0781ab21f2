import type { Options } from "@effect-prefect/api/PostgresApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { PrefectConfigError } from "@effect-prefect/api/PrefectConfigError"
import type { Database } from "@effect-prefect/server/Database"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * The database that `serve --database` reads: a Postgres over the connections of `PostgresApi`, with libpq's TLS modes,
 * password files and poolers.
 */
export const serveDatabase = (options: Options): Layer.Layer<Database, PrefectApiError | PrefectConfigError> =>
  Layer.unwrap(Effect.promise(async () => {
    const [PostgresSession, { Database, fromQuery }] = await Promise.all([
      import("@effect-prefect/api/PostgresSession"),
      import("@effect-prefect/server/Database")
    ])
    return Layer.effect(Database, Effect.map(PostgresSession.make(options), ({ query }) => fromQuery(query)))
  }))
