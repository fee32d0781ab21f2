// Measured: bench/serve.bench.ts
/**
 * Answers GraphQL requests from a database: parses and validates them, compiles each root field into one SQL statement,
 * and copies the JSON that Postgres wrote into the response unchanged.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { GraphQLSchema, OperationDefinitionNode } from "graphql"
import { isScalarType, OperationTypeNode } from "graphql"
import { Database, DatabaseError } from "../Database.ts"
import * as AnswerOf from "./answer.ts"
import { type Answer, refusal, type Resolved } from "./answer.ts"
import * as Catalog from "./catalog.ts"
import * as SqlCompiler from "./compiler.ts"
import { tooCostly } from "./cost.ts"
import * as Documents from "./documents.ts"
import { type Prepared, variablesOf, withinStack } from "./documents.ts"
import { QueryError, toJson, validationFailed } from "./queryError.ts"
import { type Account, Room } from "./room.ts"
import * as Schema from "./schema.ts"
import type { Field, Variables } from "./selection.ts"
import { argumentsOf, children, collect } from "./selection.ts"
import { serverFields } from "./serverFields.ts"
import * as Statements from "./statements.ts"
import type { Queue } from "./statements.ts"
import { fromRows, type Statistics, statisticsStatement, unknown } from "./statistics.ts"

/**
 * The limits of a request.
 *
 * @category options
 * @since 0.1.0
 */
export interface Limits {
  /** The maximum nesting of selected fields below a root field. Default 7, the limit of Prefect's own gateway. */
  readonly maxDepth?: number | undefined
  /** Fields of a query, and of each root field once its fragments are spread. Default 2 000. */
  readonly maxFields?: number | undefined
  /** Lexical tokens of a query: each id of a literal list costs one. Default 200 000. */
  readonly maxTokens?: number | undefined
  /**
   * Rows of a list, and of the whole response, over the lists at all levels of all fields. A longer result is an error,
   * and is never silently truncated. Default 100 000.
   */
  readonly maxRows?: number | undefined
  /**
   * Rows that a request may read, estimated from the statistics of the tables before anything is read: the product of
   * its nested lists, and a fraction of the rows that conditions and orders read. Default 250 000.
   */
  readonly maxCost?: number | undefined
  /** Characters of the response, or bytes of its long fields. Default 128 Mi. */
  readonly maxAnswer?: number | undefined
  /**
   * Characters of all responses that are read or sent at a time. Beyond them statements wait, and connections that have
   * taken more than 15 seconds to receive a response are ended. Default 256 Mi.
   */
  readonly maxPending?: number | undefined
  /** The time limit for all root fields of a request together. Default 30 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * A GraphQL request as received in a JSON body. `variables` may be a JSON text, as Prefect's Python client sends it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly query?: unknown
  readonly variables?: unknown
  readonly operationName?: unknown
}

/**
 * The engine. It never fails: an error is a response with `errors`.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryEngine {
  readonly schema: GraphQLSchema
  /** The response counts as held in memory until the scope closes. */
  readonly execute: (request: Request, response?: Connection) => Effect.Effect<Answer, never, Scope.Scope>
}

/**
 * The connection that a response is sent to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection {
  /** Ends it without sending the rest. */
  readonly end: () => void
  /** Characters of the request, which is in memory until the response was sent. Default 0. */
  readonly held?: number | undefined
}

/** How long a response may be sent while others wait for its room, in milliseconds. */
const patience = 15_000

/** A root field before it is read: its cost, and how to read it. */
interface Planned {
  readonly field: Field
  readonly cost: number
  readonly read: Effect.Effect<{ readonly json: string | Uint8Array; readonly rows: number }, QueryError>
  /** Only of a heavy statement. */
  readonly queue?: Queue | undefined
}

/**
 * An engine for the database, whose tables are looked up once, when it is made. Fails when the database cannot be read
 * or has no table `task_run`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  limits: Limits = {}
): Effect.fn.Return<QueryEngine, DatabaseError, Database> {
  const clock = yield* Clock.Clock
  const database = yield* Database
  const maxFields = limits.maxFields ?? 2_000
  const maxRows = limits.maxRows ?? 100_000
  const maxCost = limits.maxCost ?? 250_000
  const maxAnswer = limits.maxAnswer ?? 128 * 1024 * 1024
  const room = new Room(limits.maxPending ?? 256 * 1024 * 1024, patience)
  const timeout = Duration.fromInputUnsafe(limits.timeout ?? "30 seconds")

  const columns = yield* database.query(Catalog.columnsStatement, [])
  const catalog = Catalog.fromColumns(
    columns.map((row) => ({ table: row["table"] ?? "", column: row["column"] ?? "", type: row["type"] ?? "" }))
  )
  if (!catalog.has("task_run")) {
    return yield* new DatabaseError({
      reason: "Failed",
      detail: "the database has no table task_run that its role may read: is it a Prefect 1 server's?"
    })
  }
  // The tables of a running server change; their statistics need not be more recent than this.
  const statistics = yield* Effect.cachedWithTTL(
    database.query(statisticsStatement, []).pipe(
      Effect.map(fromRows),
      Effect.timeoutOrElse({
        duration: Duration.min(timeout, Duration.seconds(5)),
        orElse: () => Effect.succeed(unknown)
      }),
      Effect.catch((error) =>
        Effect.as(Effect.logDebug(`the statistics of the tables cannot be read (${error.reason})`), unknown)
      )
    ),
    "5 minutes"
  )
  const schema = Schema.make(catalog)
  const rootFields = SqlCompiler.rootFields(catalog)
  const uuid = schema.getType("uuid")
  const extraFields = isScalarType(uuid) ? serverFields(catalog, uuid) : new Map<string, never>()
  const { introspect, prepare, variablesFor } = Documents.make(schema, {
    maxDepth: limits.maxDepth ?? 7,
    maxFields,
    maxTokens: limits.maxTokens ?? 200_000
  })
  const { answer, tooManyRows } = AnswerOf.make(schema.getQueryType()?.getFields() ?? {}, { maxAnswer, maxRows })
  const run = yield* Statements.make(room, clock)
  const queryBytes = database.queryBytes ?? database.query

  /** A record whose parts are JSON texts already. */
  const record = (
    field: Field,
    prepared: Prepared,
    variables: Variables,
    type: string,
    parts: Readonly<Record<string, string | null>>
  ): string => {
    const pairs = children(field, prepared.fragments, variables).map(({ key, name }) => {
      const value = name === "__typename" ? JSON.stringify(type) : parts[name] ?? "null"
      return `${JSON.stringify(key)}:${value}`
    })
    return `{${pairs.join(",")}}`
  }

  const asQueryError = (error: unknown): QueryError =>
    error instanceof QueryError
      ? error
      : error instanceof RangeError
      ? new QueryError({ code: "limit-exceeded", message: "the query nests too deep" })
      : new QueryError({ code: "unexpected", message: "the query was not understood" })

  /** The cost of a root field. Throws a QueryError for errors that validation cannot detect. */
  const plan = (
    prepared: Prepared,
    operation: OperationDefinitionNode,
    field: Field,
    variables: Variables,
    inputs: Readonly<Record<string, unknown>>,
    statistics: Statistics,
    account: Account
  ): Omit<Planned, "field"> => {
    const root = rootFields.get(field.name)
    if (root !== undefined) {
      const { fragments } = prepared
      const context: SqlCompiler.Context = { catalog, fragments, variables, maxRows, maxFields, statistics }
      const { cost, isHeavy, parameters, sql } = SqlCompiler.compile(context, root, field)
      const queue = isHeavy ? { since: clock.currentTimeMillisUnsafe(), begun: Infinity } : undefined
      return {
        cost,
        queue,
        read: Effect.map(run(() => queryBytes(sql, parameters, { isHeavy }), { isHeavy }, account, queue), ([row]) => ({
          json: row?.["root"] ?? "null",
          rows: Number(row?.["rows"] ?? 0)
        }))
      }
    }
    const fixed = (json: string) => ({ cost: 0, read: Effect.succeed({ json, rows: 0 }) })
    if (field.name === "__typename") return fixed(`"query_root"`)
    if (field.name === "hello") return fixed(`"hello"`)
    const extra = extraFields.get(field.name)
    if (extra === undefined) {
      return {
        cost: 0,
        read: Effect.try({
          try: () => ({ json: introspect(prepared, field, inputs, operation), rows: 0 }),
          catch: asQueryError
        })
      }
    }
    const type = String(extra.config.type)
    const { parts } = extra
    if ("fixed" in parts) return fixed(record(field, prepared, variables, type, parts.fixed))
    const { parameters, sql } = parts.statement(argumentsOf(field, variables))
    return {
      cost: 1,
      read: Effect.flatMap(
        run(() => database.query(sql, parameters, { isHeavy: false }), { isHeavy: false }, account),
        ([row]) => {
          if (row !== undefined) return Effect.succeed({ json: record(field, prepared, variables, type, row), rows: 1 })
          return parts.missing === undefined
            ? Effect.succeed({ json: "null", rows: 0 })
            : Effect.fail(new QueryError({ code: "INTERNAL_SERVER_ERROR", message: parts.missing }))
        }
      )
    }
  }

  const execute = Effect.fn("QueryEngine.execute")(
    function*(request: Request, connection?: Connection): Effect.fn.Return<Answer, never, Scope.Scope> {
      if (typeof request.query !== "string") {
        return refusal([validationFailed("the request needs a query: {\"query\": \"…\", \"variables\": {…}}")])
      }
      const { query } = request
      const prepared = withinStack(() => prepare(query))
      if (prepared instanceof QueryError) return refusal([prepared])
      if (!("document" in prepared)) return refusal(prepared)
      const name = request.operationName ?? undefined
      const operation = name === undefined
        ? prepared.operations.length === 1 ? prepared.operations[0] : undefined
        : prepared.operations.find((node) => node.name?.value === name)
      if (operation === undefined) {
        return refusal([
          validationFailed(
            name === undefined
              ? "the query has several operations, or none: name one with operationName"
              : "the query has no operation with the name that operationName gives"
          )
        ])
      }
      if (operation.operation !== OperationTypeNode.QUERY) {
        const message = operation.operation === OperationTypeNode.MUTATION
          ? "this server is read-only: mutations are rejected"
          : "this server is read-only and has no subscriptions: poll instead"
        return refusal([new QueryError({ code: "READ_ONLY", message })], operation.operation)
      }
      const inputs = variablesOf(request.variables)
      if (inputs instanceof QueryError) return refusal([inputs], "query")
      const variables = withinStack(() => variablesFor(operation, inputs))
      if (variables instanceof QueryError) return refusal([variables], "query")
      if (Array.isArray(variables)) return refusal(variables, "query")
      const fields = withinStack(() => collect([operation.selectionSet], prepared.fragments, variables as Variables))
      if (fields instanceof QueryError) return refusal([fields], "query")
      const known = yield* statistics
      const account = yield* Effect.acquireRelease(
        Effect.sync(() => room.open()),
        (account) => Effect.sync(() => room.close(account))
      )
      const planned: Array<Planned> = []
      const refused: Array<Resolved> = []
      const refuse = (field: Field, error: QueryError): Resolved => ({
        field,
        rows: 0,
        length: 0,
        json: undefined,
        error: new QueryError({ ...error, message: error.message, path: [field.key] })
      })
      for (const field of fields) {
        try {
          planned.push({ field, ...plan(prepared, operation, field, variables as Variables, inputs, known, account) })
        } catch (error) {
          refused.push(refuse(field, asQueryError(error)))
        }
      }
      const cost = planned.reduce((sum, { cost }) => sum + cost, 0)
      if (cost > maxCost) {
        const error = tooCostly(cost, maxCost)
        const body = [JSON.stringify({ errors: [toJson(error)], data: null })]
        return { ...refusal([error], "query"), status: 200, body, fields: fields.map(({ name }) => name) }
      }
      const totals = { rows: 0, length: 0 }
      const read = yield* Effect.forEach(
        planned,
        ({ field, read }) =>
          Effect.suspend(() =>
            totals.rows > maxRows || totals.length > maxAnswer
              ? Effect.succeed({ json: "null", rows: 0 })
              : read
          ).pipe(
            Effect.filterOrFail(({ rows }) => rows <= maxRows, () => tooManyRows),
            Effect.map(({ json, rows }): Resolved => {
              totals.rows += rows
              totals.length += json.length
              // A field that cannot be part of a response is not kept while the rest is read.
              const kept = totals.rows > maxRows || totals.length > maxAnswer ? undefined : json
              return { field, rows, length: json.length, json: kept, error: undefined }
            }),
            Effect.catch((error) => Effect.succeed(refuse(field, error)))
          ),
        { concurrency: 4 }
      ).pipe(
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () =>
            Effect.succeed(
              planned.map(({ field, queue }) =>
                refuse(
                  field,
                  new QueryError({
                    code: "timeout",
                    message: queue !== undefined && queue.begun - queue.since > Duration.toMillis(timeout) / 2
                      ? `the server is busy: heavy queries of others came first for ${
                        Duration.format(timeout)
                      }; try again`
                      : `the request took longer than ${Duration.format(timeout)}`
                  })
                )
              )
            )
        })
      )
      const byField = new Map([...refused, ...read].map((one) => [one.field, one]))
      const answered = answer(fields.flatMap((field) => byField.get(field) ?? []))
      if (connection !== undefined) {
        room.add(account, connection.held ?? 0)
        room.transfer(account, clock.currentTimeMillisUnsafe(), connection.end)
      }
      return answered
    },
    Effect.catchDefect((defect) => {
      const error = new QueryError({ code: "INTERNAL_SERVER_ERROR", message: "the server failed" })
      const name = defect instanceof Error ? defect.name : typeof defect
      return Effect.as(
        Effect.logError(`a request ended with ${name}`),
        {
          ...refusal([error]),
          status: 200,
          body: [`{"errors":${JSON.stringify([toJson(error)])},"data":null}`]
        } as const
      )
    })
  )

  return { schema, execute }
})
