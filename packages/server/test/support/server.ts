import * as Database from "@effect-prefect/server/Database"
import * as Server from "@effect-prefect/server/Server"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export interface Reply {
  readonly status: number
  readonly data: Readonly<Record<string, unknown>> | null | undefined
  readonly errors: ReadonlyArray<{
    readonly message: string
    readonly path?: ReadonlyArray<string>
    readonly extensions: { readonly code: string }
  }>
  readonly text: string
}

export const post = (url: string, body: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.promise(async (signal): Promise<Reply> => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
      signal
    })
    const text = await response.text()
    const { data, errors = [] } = JSON.parse(text) as Partial<Reply>
    return { status: response.status, data, errors, text }
  })

export const ask = (query: string, variables?: unknown, headers?: Readonly<Record<string, string>>) =>
  Effect.flatMap(Server.Server, ({ url }) => post(url, JSON.stringify({ query, variables }), headers))

/** The answer to one root field, which must be without errors. */
export const read = (query: string, variables?: unknown) =>
  Effect.map(ask(query, variables), (reply) => {
    if (reply.errors.length > 0 || reply.data === null || reply.data === undefined) throw new Error(reply.text)
    return Object.values(reply.data)[0]
  })

/** The statements that a server sent to its database. */
export class Statements extends Context.Service<Statements, {
  readonly sent: Array<{ readonly sql: string; readonly parameters: ReadonlyArray<string> }>
}>()("test/Statements") {}

export const layerStatements = Layer.sync(Statements, () => Statements.of({ sent: [] }))

const recorded = Layer.effect(
  Database.Database,
  Effect.gen(function*() {
    const database = yield* Database.Database
    const { sent } = yield* Statements
    const { query, queryBytes = query } = database
    return Database.Database.of({
      ...database,
      query: (sql, parameters, work) => {
        sent.push({ sql, parameters })
        return query(sql, parameters, work)
      },
      queryBytes: (sql, parameters, work) => {
        sent.push({ sql, parameters })
        return queryBytes(sql, parameters, work)
      }
    })
  })
)

/** A server on an archive folder, on a free port, and what it asks its database. */
export const layerServer = <E>(
  database: Layer.Layer<Database.Database, E>,
  options: Server.Options = {}
) =>
  Server.layer({ port: 0, logRequests: false, ...options }).pipe(
    Layer.provide(recorded),
    Layer.provide(database),
    Layer.provideMerge(layerStatements)
  )
