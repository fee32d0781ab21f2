import * as CollectCluster from "@effect-prefect/collect/CollectCluster"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { SqlError } from "effect/sql/SqlError"
import { listen, scopedPglite } from "../../../server/test/support/pglite.ts"

/** An embedded Postgres on a port of 127.0.0.1, for as long as the scope lives. */
export const startDatabase = Effect.gen(function*() {
  const database = yield* scopedPglite
  return { database, url: Redacted.make(`postgresql://postgres@${yield* listen(database)}/postgres`) }
})

/**
 * An embedded Postgres for the participants of clusters. Each has a queue of its own, and all share one connection,
 * because an embedded Postgres has one session.
 */
export class ClusterDatabase extends Context.Service<ClusterDatabase, {
  /** Removes all tables, and makes the services of a participant. */
  readonly empty: Effect.Effect<() => Layer.Layer<CollectCluster.Services, SqlError>>
}>()("test/ClusterDatabase") {
  static readonly layer = Layer.effect(
    ClusterDatabase,
    Effect.gen(function*() {
      const { database, url } = yield* startDatabase
      const client = Layer.succeedContext(
        yield* Layer.build(PgClient.layer({ url, maxConnections: 1, prepare: false }))
      )
      return {
        empty: Effect.as(
          Effect.promise(() => database.exec("drop schema public cascade; create schema public")),
          () => Layer.provideMerge(CollectCluster.layerQueue({ pollInterval: 20 }), client)
        )
      }
    })
  )
}
