import { PGLiteSocketServer } from "@electric-sql/pglite-socket"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { scopedPglite } from "../../../server/test/support/pglite.ts"

/** An embedded Postgres on a port of 127.0.0.1, for as long as the scope lives. */
export const startDatabase = Effect.gen(function*() {
  const database = yield* scopedPglite
  const server = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const server = new PGLiteSocketServer({ db: database, host: "127.0.0.1", port: 0, maxConnections: 20 })
      await server.start()
      return server
    }),
    (server) => Effect.promise(() => server.stop())
  )
  return { database, url: Redacted.make(`postgresql://postgres@${server.getServerConn()}/postgres`) }
})
