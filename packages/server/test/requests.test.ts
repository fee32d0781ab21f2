import * as Database from "@effect-prefect/server/Database"
import * as Server from "@effect-prefect/server/Server"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { buildClientSchema, getIntrospectionQuery, printSchema, printType } from "graphql"
import type { IntrospectionQuery } from "graphql"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import * as Catalog from "../src/internal/catalog.ts"
import * as QueryEngine from "../src/internal/engine.ts"
import { AbandonedAfter } from "../src/internal/pglite.ts"
import * as GraphQLSchema from "../src/internal/schema.ts"
import { archive, byId, ids, sortBy } from "./support/archive.ts"
import { completeCatalog } from "./support/completeCatalog.ts"
import * as Pglite from "./support/pglite.ts"
import { ask, layerServer, post, read, type Reply, Statements } from "./support/server.ts"

const prefect1 = archive("prefect-1")
const runs = prefect1.rows("task_run")

/** A database that knows its columns and answers every other statement in the same way. */
const allColumns = Array.from(completeCatalog.values()).flatMap((table) =>
  Array.from(table.columns.values(), ({ name, type }) => ({ table: table.name, column: name, type: type.cast }))
)
const layerFake = (answer: (sql: string) => Effect.Effect<ReadonlyArray<Database.Row>, Database.DatabaseError>) =>
  Layer.succeed(
    Database.Database,
    Database.Database.of({
      query: (sql) => sql === Catalog.columnsStatement ? Effect.succeed(allColumns) : answer(sql)
    })
  )

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

const code = (reply: { readonly errors: ReadonlyArray<{ readonly extensions: { readonly code: string } }> }) =>
  reply.errors[0]?.extensions.code

const hostile = [
  "' OR 1=1 --",
  "'; DROP TABLE task_run; --",
  "\\'; SELECT pg_sleep(10); --",
  "$1::text",
  "{\"a\",\"b\"}",
  "\") ; --",
  "%' OR '%'='",
  "\u0000",
  "\\",
  "\"",
  "}'",
  "NULL",
  "\uD800"
]

layer(layerServer(Pglite.layerFixture(prefect1.directory)))("requests", (it) => {
  it.effect("introspects: graphql's own client builds the schema from the answer", () =>
    Effect.gen(function*() {
      const reply = yield* ask(getIntrospectionQuery())
      const schema = buildClientSchema(reply.data as unknown as IntrospectionQuery)
      assert.strictEqual(printSchema(schema), printSchema(GraphQLSchema.make(completeCatalog)))
      assert.deepStrictEqual([schema.getQueryType()?.name, schema.getMutationType()?.name], [
        "query_root",
        "mutation_root"
      ])
      const field = schema.getQueryType()?.getFields()["task_run"]
      assert.strictEqual(String(field?.type), "[task_run!]!")
      assert.deepStrictEqual(
        field?.args.map(({ name, type }) => `${name}: ${String(type)}`),
        [
          "distinct_on: [task_run_select_column!]",
          "limit: Int",
          "offset: Int",
          "order_by: [task_run_order_by!]",
          "where: task_run_bool_exp"
        ]
      )
      const byKey = schema.getQueryType()?.getFields()["task_run_by_pk"]
      assert.strictEqual(`${String(byKey?.args[0]?.type)} ${String(byKey?.type)}`, "uuid! task_run")
      for (const name of ["uuid", "Int", "String", "Boolean", "jsonb", "timestamptz", "interval"]) {
        assert.isDefined(schema.getType(`${name}_comparison_exp`), name)
      }
      const order = schema.getType("order_by")
      assert.isDefined(order)
      assert.include(printType(order!), "desc_nulls_last")
      const type = yield* read(`{ __type(name: "task_run") { fields { name args { name } } } }`) as Effect.Effect<
        { readonly fields: ReadonlyArray<{ readonly name: string; readonly args: ReadonlyArray<unknown> }> },
        never,
        Server.Server
      >
      assert.deepStrictEqual(type.fields.find(({ name }) => name === "serialized_state")?.args, [{ name: "path" }])
    }))

  it.effect("refuses mutations and subscriptions, and says so", () =>
    Effect.gen(function*() {
      for (
        const query of [
          "mutation { create_flow(input: {}) { id } }",
          "mutation ($input: set_task_run_states_input!) { set_task_run_states(input: $input) { states { id } } }",
          "mutation { no_mutations_available }",
          "subscription { task_run { id } }"
        ]
      ) {
        const reply = yield* ask(query)
        assert.deepStrictEqual([reply.status, code(reply), reply.data], [400, "READ_ONLY", undefined])
        assert.include(reply.errors[0]?.message, "read-only")
      }
    }))

  it.effect("tells what is wrong with a request", () =>
    Effect.gen(function*() {
      const { url } = yield* Server.Server
      const cases: ReadonlyArray<readonly [body: string, status: number, code: string]> = [
        [`{"query": "{ task_run { id "}`, 400, "GRAPHQL_PARSE_FAILED"],
        [`{"query": "{ task_run { no_such_column } }"}`, 400, "GRAPHQL_VALIDATION_FAILED"],
        [`{"query": "{ task_run(where: {id: {_like: \\"x\\"}}) { id } }"}`, 400, "GRAPHQL_VALIDATION_FAILED"],
        [`{"query": "{ pg_catalog { id } }"}`, 400, "GRAPHQL_VALIDATION_FAILED"],
        [`{"query": "query A { hello } query B { hello }"}`, 400, "validation-failed"],
        [`{"query": "query A { hello }", "operationName": "B"}`, 400, "validation-failed"],
        [`{"query": 1}`, 400, "validation-failed"],
        [`{}`, 400, "validation-failed"],
        [`[{"query": "{ hello }"}]`, 400, "BAD_REQUEST"],
        [`{"query"`, 400, "BAD_REQUEST"],
        [`{"query": "{ task_run_by_pk(id: \\"not a uuid\\") { id } }"}`, 200, "data-exception"],
        [`{"query": "{ task_run(where: {start_time: {_gt: \\"someday\\"}}) { id } }"}`, 200, "data-exception"],
        [`{"query": "{ task_run(where: {name: {_regex: \\"(\\"}}) { id } }"}`, 200, "data-exception"],
        [`{"query": "{ task_run(where: {id: {_in: [null]}}) { id } }"}`, 400, "GRAPHQL_VALIDATION_FAILED"],
        [`{"query": "{ task_run(where: {_not: null}) { id } }"}`, 200, "validation-failed"],
        [`{"query": "{ task_run(where: {task: null}) { id } }"}`, 200, "validation-failed"],
        [`{"query": "{ task_run(order_by: {id: null}) { id } }"}`, 200, "validation-failed"]
      ]
      for (const [body, status, expected] of cases) {
        const reply = yield* post(url, body)
        assert.deepStrictEqual([reply.status, code(reply)], [status, expected], body)
      }
      const partial = yield* ask(`{ a: task_run_by_pk(id: "x") { id } b: task_run(limit: 1) { id } }`)
      assert.deepStrictEqual([partial.status, partial.data?.["a"], partial.errors[0]?.path], [200, null, ["a"]])
      assert.lengthOf(partial.data?.["b"] as [], 1)
      const whole = yield* ask(`{ a: task_run(where: {id: {_eq: "x"}}) { id } b: hello }`)
      assert.deepStrictEqual([whole.status, whole.data], [200, null])
      const named = yield* post(
        url,
        JSON.stringify({ query: "query A { a: hello } query B { b: hello }", operationName: "B" })
      )
      assert.deepStrictEqual(named.data, { b: "hello" })
    }))

  it.effect("answers only where GraphQL is, by POST, as JSON", () =>
    Effect.gen(function*() {
      const { url } = yield* Server.Server
      const body = JSON.stringify({ query: "{ hello }" })
      for (const path of ["", "/", "/graphql", "/graphql?x=1"]) {
        assert.deepStrictEqual((yield* post(`${url}${path}`, body)).data, { hello: "hello" })
      }
      assert.strictEqual((yield* post(`${url}/v1/graphql`, body)).status, 404)
      assert.strictEqual((yield* post(url, body, { "content-type": "text/plain" })).status, 415)
      const get = yield* Effect.promise(() => fetch(`${url}/graphql?query={hello}`))
      assert.deepStrictEqual([get.status, get.headers.get("allow")], [405, "POST"])
      const health = yield* Effect.promise(() => fetch(`${url}/health`))
      assert.deepStrictEqual([health.status, yield* Effect.promise(() => health.json())], [200, { status: "pass" }])
    }))

  it.effect("lets no text of a request into a statement", () =>
    Effect.gen(function*() {
      const { sent } = yield* Statements
      const query = `query ($s: String!, $j: jsonb!, $l: [String!]!) {
        task_run(where: {_or: [
          {name: {_eq: $s}}, {name: {_in: $l}}, {name: {_like: $s}}, {serialized_state: {_contains: $j}},
          {serialized_state: {_has_key: $s}}, {serialized_state: {_has_keys_any: $l}}, {task: {slug: {_eq: $s}}}
        ]}) { id }
      }`
      const statements = new Set<string>()
      for (const text of hostile) {
        const before = sent.length
        const reply = yield* ask(query, { s: text, j: { [text]: text }, l: [text, text] })
        assert.include([undefined, "data-exception"], code(reply))
        assert.deepStrictEqual(reply.errors.length === 0 ? reply.data : { task_run: [] }, { task_run: [] }, text)
        assert.lengthOf(sent, before + 1)
        statements.add(sent.at(-1)?.sql ?? "")
      }
      assert.strictEqual(statements.size, 1)
      const before = sent.length
      yield* ask(
        `{ evil_alias: task_run(limit: 77, offset: 3) { evil_key: id x: serialized_state(path: "$.evil_path") } }`
      )
      const [{ parameters, sql } = { sql: "", parameters: [] }] = sent.slice(before)
      assert.notMatch(sql, /evil|77/)
      assert.includeMembers([...parameters], ["evil_key", "{\"evil_path\"}", "77", "3"])
      assert.lengthOf((yield* read("{ task_run { id } }")) as [], runs.length)
    }))

  it.effect.prop(
    "finds by any text exactly the rows that have it",
    [Schema.String],
    ([text]) =>
      Effect.gen(function*() {
        if (text.includes("\u0000") || /\p{Surrogate}/u.test(text)) return
        const found = yield* read(
          `query ($text: String!, $json: jsonb!) { task_run(where: {_or: [{name: {_eq: $text}}, {serialized_state: {_eq: $json}}]}) { id } }`,
          { text, json: { text } }
        )
        const expected = runs.flatMap((row) => row["name"] === text ? [{ id: row["id"] }] : [])
        assert.sameDeepMembers([...found as ReadonlyArray<unknown>], expected)
      }),
    { arbitrary: { runs: 50 } }
  )

  it.effect("has limits on depth, fields and tokens, fragments spread", () =>
    Effect.gen(function*() {
      const nest = (depth: number): string => depth === 0 ? "id" : `flow_run { ${nestRuns(depth - 1)} }`
      const nestRuns = (depth: number): string => depth === 0 ? "id" : `task_runs(limit: 1) { ${nest(depth - 1)} }`
      const seven = yield* ask(`{ task_run(limit: 1) { ${nest(6)} } }`)
      assert.deepStrictEqual(seven.errors, [])
      const eight = yield* ask(`{ task_run(limit: 1) { ${nest(7)} } }`)
      assert.deepStrictEqual([eight.status, eight.errors[0]?.message], [400, "'' exceeds maximum operation depth of 7"])
      const hidden = yield* ask(
        `query Deep { task_run(limit: 1) { ...A } } fragment A on task_run { flow_run { ...B } }
         fragment B on flow_run { task_runs(limit: 1) { ... { ${nest(5)} } } }`
      )
      assert.strictEqual(hidden.errors[0]?.message, "'Deep' exceeds maximum operation depth of 7")
      const cyclic = yield* ask(`{ task_run { ...A } } fragment A on task_run { task { task_runs { ...A } } }`)
      assert.strictEqual(code(cyclic), "GRAPHQL_VALIDATION_FAILED")
      const many = yield* ask(`{ ${Array.from({ length: 2001 }, (_, index) => `a${index}: hello`).join(" ")} }`)
      assert.deepStrictEqual([many.status, code(many)], [400, "limit-exceeded"])
      const letters = [..."abcdefghij"]
      const bomb = yield* ask(
        `{ task_run(limit: 1) { ...F0 } }
         fragment F0 on task_run { ${letters.map((letter) => `${letter}: flow_run { ...F1 }`).join(" ")} }
         fragment F1 on flow_run { ${letters.map((letter) => `${letter}: task_runs(limit: 1) { ...F2 }`).join(" ")} }
         fragment F2 on task_run { ${letters.map((letter) => `${letter}: flow_run { ...F3 }`).join(" ")} }
         fragment F3 on flow_run { ${letters.map((letter) => `${letter}: id`).join(" ")} }`
      )
      assert.deepStrictEqual([bomb.status, code(bomb)], [200, "limit-exceeded"])
      const tokens = yield* ask(`{ task_run(where: {map_index: {_in: [${"1 ".repeat(200_001)}]}}) { id } }`)
      assert.deepStrictEqual([tokens.status, code(tokens)], [400, "GRAPHQL_PARSE_FAILED"])
      const nested = (depth: number) => [
        `{ ${"... { ".repeat(depth)} hello ${"}".repeat(depth)} }`,
        `{ task_run(where: ${"{_not: ".repeat(depth)}{}${"}".repeat(depth)}) { id } }`,
        `{ task_run(where: {serialized_state: {_eq: ${"[".repeat(depth)}${"]".repeat(depth)}}}) { id } }`,
        `query ($x: jsonb = ${"{a: ".repeat(depth)}1${
          "}".repeat(depth)
        }) { task_run(where: {serialized_state: {_eq: $x}}) { id } }`
      ]
      for (const query of [...nested(1_000), ...nested(5_000), ...nested(20_000)]) {
        const reply = yield* ask(query)
        assert.include([200, 400], reply.status, query.slice(0, 60))
      }
      const deepVariable = JSON.parse(`${"[".repeat(2_000)}${"]".repeat(2_000)}`) as unknown
      const variable = yield* ask("query ($x: jsonb) { task_run(where: {serialized_state: {_eq: $x}}) { id } }", {
        x: deepVariable
      })
      assert.include([200, 400], variable.status)
      const conditions = `${"{_not: ".repeat(40)}{}${"}".repeat(40)}`
      assert.strictEqual(code(yield* ask(`{ task_run(where: ${conditions}) { id } }`)), "validation-failed")
    }))

  it.effect("takes long lists of ids", () =>
    Effect.gen(function*() {
      const many = Array.from({ length: 20_000 }, (_, index) =>
        `00000000-0000-0000-0000-${String(index).padStart(12, "0")}`)
      const [first] = ids(sortBy(runs, byId))
      const query = "query ($ids: [uuid!]) { task_run(where: {id: {_in: $ids}}) { id } }"
      assert.deepStrictEqual(yield* read(query, { ids: [...many, first] }), [{ id: first }])
      assert.deepStrictEqual(
        yield* read(`{ task_run(where: {id: {_in: ${JSON.stringify([...many, first])}}}) { id } }`),
        [{ id: first }]
      )
    }))
})

layer(
  layerServer(Pglite.layerFixture(prefect1.directory), {
    limits: { maxRows: 50, maxAnswer: 20_000 },
    maxBodyBytes: 2_000
  })
)("limits of an answer", (it) => {
  it.effect("refuses more rows than allowed, at any level, instead of cutting them off", () =>
    Effect.gen(function*() {
      assert.lengthOf((yield* read("{ task_run(limit: 50) { id } }")) as [], 50)
      for (
        const query of [
          "{ task_run { id } }",
          "{ task_run(limit: 51) { id } }",
          "{ flow_run { task_runs { id } } }",
          "{ task_run(limit: 40) { states { id } } }",
          "{ task_run_aggregate { nodes { id } } }"
        ]
      ) {
        const reply = yield* ask(query)
        assert.deepStrictEqual([reply.status, code(reply), reply.data], [200, "limit-exceeded", null], query)
      }
      const counted = yield* read("{ task_run_aggregate { aggregate { count } } }")
      assert.deepStrictEqual(counted, { aggregate: { count: runs.length } })
    }))

  it.effect("refuses a larger answer or body than allowed", () =>
    Effect.gen(function*() {
      const large = yield* ask("{ flow { serialized_flow } }")
      assert.deepStrictEqual([large.status, code(large), large.data], [200, "limit-exceeded", null])
      const { url } = yield* Server.Server
      const body = JSON.stringify({ query: "{ hello }", variables: { x: "x".repeat(2_000) } })
      assert.strictEqual((yield* post(url, body)).status, 413)
    }))
})

/** Six values: graphql takes long for each object, and hardly any time for what it has. */
const comparisons = (text: string) => ({ _eq: text, _neq: text, _gt: text, _gte: text, _lt: text, _lte: text })

const chain = (length: number, last: string) =>
  `{ ...f0 } ${
    Array.from({ length }, (_, i) => `fragment f${i} on query_root { ${i === length - 1 ? last : `...f${i + 1}`} }`)
      .join(" ")
  }`
const endless = "{ task_run { flow_run { task_runs { flow_run { task_runs { flow_run { task_runs { id } } } } } } } }"
const multiplying = "{ task_run { flow_run { task_runs { flow_run { task_runs { flow_run { id } } } } } } }"

layer(layerServer(Pglite.layerFixture(prefect1.directory), { limits: { maxCost: 5_000 } }))("cost", (it) => {
  const refused = (query: string, variables?: unknown) =>
    Effect.gen(function*() {
      const { sent } = yield* Statements
      // The statistics are read with the first request.
      yield* ask("{ task_run(limit: 1) { id } }")
      const before = sent.length
      const reply = yield* ask(query, variables)
      assert.deepStrictEqual([reply.status, code(reply), reply.data], [200, "limit-exceeded", null], query)
      assert.match(reply.errors[0]?.message ?? "", /^the query may read \d+ rows, and 5000 are allowed: /)
      assert.strictEqual(sent.length, before, "nothing is read for it")
    })

  it.effect("is judged before anything is read: lists that multiply where they nest", () =>
    Effect.gen(function*() {
      yield* refused(multiplying)
      yield* refused("query ($n: Int!) { task_run(limit: $n) { flow_run { task_runs { id } } } }", { n: 1_000 })
      yield* refused("{ task_run_aggregate { nodes { flow_run { task_runs { flow_run { task_runs { id } } } } } } }")
      yield* refused(
        `{ ${Array.from({ length: 300 }, (_, i) => `a${i}: task_run { id name state }`).join(" ")} }`
      )
    }))

  it.effect("is judged for conditions and orders that look at lists of lists", () =>
    Effect.gen(function*() {
      const among = (depth: number): object =>
        depth === 0 ? { name: { _eq: "x" } } : { flow_run: { task_runs: among(depth - 1) } }
      const where = "query ($w: task_run_bool_exp!) { task_run(where: $w) { id } }"
      yield* refused(where, { w: { _or: [among(4), { state: { _eq: "Failed" } }] } })
      const terms = Array.from({ length: 2_000 }, () => ({ flow_run: { task_runs_aggregate: { count: "asc" } } }))
      yield* refused("query ($o: [task_run_order_by!]) { task_run(order_by: $o, limit: 1) { id } }", { o: terms })
      yield* refused(where, { w: { _or: Array.from({ length: 4_000 }, (_, i) => ({ name: comparisons(String(i)) })) } })
    }))

  it.effect("is small where lists have limits, keys, or cannot have more rows than their table", () =>
    Effect.gen(function*() {
      const run = prefect1.rows("flow_run")[0]?.["id"]
      for (
        const query of [
          "{ task_run(limit: 5) { flow_run { task_runs(limit: 5) { flow_run { task_runs(limit: 5) { id } } } } } }",
          "{ flow_run { id task_runs { id task { slug } } } }",
          "{ flow { flow_runs { task_runs { id } } } }",
          `{ flow_run(where: {id: {_eq: "${run}"}}) { task_runs { id flow_run { name } } } }`,
          `{ flow_run_by_pk(id: "${run}") { task_runs { id } } }`,
          `{ flow_run(where: {task_runs: {state: {_eq: "Failed"}}}) { id } }`
        ]
      ) {
        assert.deepStrictEqual((yield* ask(query)).errors, [], query)
      }
    }))

  it.effect("of rows holds for the whole answer, not for each field", () =>
    Effect.gen(function*() {
      const { length } = runs
      const fields = (count: number) =>
        `{ ${Array.from({ length: count }, (_, i) => `a${i}: task_run { id }`).join(" ")} }`
      assert.deepStrictEqual((yield* ask(fields(2))).errors, [])
      const reply = yield* Effect.provide(
        ask(fields(3)),
        layerServer(Pglite.layerFixture(prefect1.directory), { limits: { maxRows: length * 2 } })
      )
      assert.deepStrictEqual([code(reply), reply.data], ["limit-exceeded", null])
    }))

  it.effect("is the query's fault: too many values, fragments that nest too deep", () =>
    Effect.gen(function*() {
      const columns = ["name", "description", "version_group_id", "core_version"]
      const values = Array.from(
        { length: 12_000 / columns.length },
        () => Object.fromEntries(columns.map((column) => [column, comparisons("x")]))
      )
      const many = yield* ask("query ($w: flow_bool_exp!) { flow(where: $w, limit: 1) { id } }", { w: { _or: values } })
      assert.strictEqual(code(many), "limit-exceeded")
      for (const query of [chain(10_000, "hello"), chain(10_000, "task_run { id }")]) {
        const reply = yield* ask(query)
        assert.deepStrictEqual([reply.status, code(reply)], [400, "GRAPHQL_VALIDATION_FAILED"])
        assert.notInclude(reply.text, "call stack")
      }
      assert.deepStrictEqual((yield* ask(chain(50, "hello"))).data, { hello: "hello" })
    }))
})

describe("fairness", () => {
  it.live("a small statement is answered while a heavy one runs, whose client has gone: another then, too", () =>
    Effect.gen(function*() {
      const database = yield* Database.Database
      const heavy = (sql: string) => database.query(sql, [], { isHeavy: true })
      // The thread for heavy statements runs: the next is sent to it at once.
      assert.deepStrictEqual(yield* heavy("SELECT 1::text AS one"), [{ one: "1" }])
      const abandoned = yield* Effect.forkChild(Effect.exit(ask(endless)))
      const { sent } = yield* Statements
      while (!sent.some(({ sql }) => sql.includes("ORDER BY"))) yield* Effect.sleep("5 millis")
      for (let i = 0; i < 20; i++) assert.lengthOf((yield* read("{ flow(limit: 1) { id } }")) as [], 1)
      assert.isUndefined(abandoned.pollUnsafe(), "the heavy one still runs")
      yield* Fiber.interrupt(abandoned)
      assert.deepStrictEqual(yield* heavy("SELECT count(*)::text AS one FROM flow"), [{ one: "2" }])
      assert.deepStrictEqual(yield* database.query("SELECT 1::text AS one", []), [{ one: "1" }])
      const limit = yield* AbandonedAfter
      assert.deepStrictEqual([limit(100), limit(1_000)], [2_000, 5_000])
    }).pipe(
      Effect.provide(
        Layer.unwrap(
          Effect.map(
            Effect.context<Database.Database>(),
            (database) =>
              layerServer(Layer.succeedContext(database), {
                limits: { timeout: "10 minutes", maxCost: Number.MAX_SAFE_INTEGER },
                shutdownTimeout: "100 millis"
              })
          )
        ).pipe(
          Layer.provideMerge(
            Database.layerArchive(prefect1.directory, {
              cache: Pglite.cacheOf(prefect1.directory),
              statementTimeout: "10 minutes"
            }).pipe(Layer.provide(Layer.succeed(AbandonedAfter, () => 100)))
          )
        )
      )
    ))

  for (const ending of ["client", "server"] as const) {
    it.live(`what a client waits for ends with the ${ending}`, () =>
      Effect.gen(function*() {
        const asked = yield* Deferred.make<void>()
        const cancelled = yield* Deferred.make<void>()
        const database = layerFake((sql) =>
          sql.includes("pg_stats")
            ? Effect.succeed([])
            : Effect.andThen(
              Deferred.succeed(asked, undefined),
              Effect.onInterrupt(Effect.never, () => Deferred.succeed(cancelled, undefined))
            )
        )
        const client = yield* Effect.gen(function*() {
          const client = yield* Effect.forkScoped(Effect.exit(ask("{ task_run { id } }")))
          yield* Deferred.await(asked)
          assert.isFalse(yield* Deferred.isDone(cancelled))
          if (ending === "client") {
            yield* Fiber.interrupt(client)
            yield* Deferred.await(cancelled)
          }
          return client
        }).pipe(Effect.provide(layerServer(database)))
        assert.isTrue(yield* Deferred.isDone(cancelled))
        yield* Fiber.interrupt(client)
      }).pipe(Effect.scoped))
  }

  it.effect("a heavy query that others kept waiting says so", () => {
    let underWay = 0
    const database = layerFake((sql) =>
      sql.includes("pg_stats") ? Effect.succeed([]) : Effect.suspend(() => {
        underWay++
        return Effect.never
      })
    )
    const query = `{ task_run(where: {name: {_like: "%x%"}}, order_by: {name: asc}) { id } }`
    return Effect.gen(function*() {
      const engine = yield* QueryEngine.make({ timeout: "2 seconds" })
      const asking = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 6 }), () => Effect.scoped(engine.execute({ query })), {
          concurrency: "unbounded"
        })
      )
      while (underWay < 4) yield* Effect.yieldNow
      yield* TestClock.adjust("2 seconds")
      const replies = (yield* Fiber.join(asking)).map(({ body }) => JSON.parse(body.join("")) as Pick<Reply, "errors">)
      const messages = replies.map((reply) => reply.errors[0]?.message)
      assert.lengthOf(messages.filter((message) => message === "the request took longer than 2s"), 4)
      assert.lengthOf(messages.filter((message) => /busy: heavy queries of others came first/.test(`${message}`)), 2)
      assert.isTrue(replies.every((reply) => code(reply) === "timeout"))
    }).pipe(Effect.provide(database))
  })

  it.live("heavy statements leave connections of a pool to small ones", () => {
    let underWay = 0
    let most = 0
    const database = layerFake((sql) => {
      if (!sql.includes("ORDER BY")) return Effect.succeed([{ root: "[]", rows: "0" }])
      underWay++
      most = Math.max(most, underWay)
      return Effect.as(
        Effect.ensuring(Effect.sleep("50 millis"), Effect.sync(() => underWay--)),
        [{ root: "[]", rows: "0" }]
      )
    })
    const heavy = `{ task_run(where: {name: {_like: "%x%"}}, order_by: {name: asc}) { id } }`
    return Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: 20 }), () => ask(heavy), { concurrency: "unbounded" })
      assert.isAbove(most, 1)
      assert.isBelow(most, 6)
    }).pipe(Effect.provide(layerServer(database)))
  })
})

describe("memory", () => {
  const row = JSON.stringify("x".repeat(1000))
  let statements = 0
  const database = layerFake((sql) =>
    Effect.sync(() => {
      if (sql.includes("pg_stats")) return []
      statements++
      return [{ root: `[${row}]`, rows: "1" }]
    })
  )
  const query = "{ task_run { name } }"

  it.effect("responses that clients do not read make others wait, and end when others have waited", () =>
    Effect.gen(function*() {
      statements = 0
      const engine = yield* QueryEngine.make({ maxPending: 2000 })
      const ended: Array<number> = []
      const execute = (client: number) => engine.execute({ query }, { end: () => ended.push(client) })
      yield* execute(1)
      yield* TestClock.adjust("1 second")
      yield* execute(2)
      const third = yield* Effect.forkChild(execute(3))
      yield* TestClock.adjust("13 seconds")
      assert.deepStrictEqual([statements, ended], [2, []])
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(third)).rows, 1)
      assert.deepStrictEqual([statements, ended], [3, [1]])
      // Those that are read make room at once.
      const fourth = yield* Effect.forkChild(execute(4))
      yield* Effect.yieldNow
      assert.strictEqual(statements, 3)
      yield* TestClock.adjust("14 seconds")
      yield* Fiber.join(fourth)
      assert.deepStrictEqual(ended, [1, 2])
    }).pipe(Effect.scoped, Effect.provide(database)))

  it.effect("a request stops reading when its response is too long, and one that holds something is not kept waiting", () =>
    Effect.gen(function*() {
      statements = 0
      const engine = yield* QueryEngine.make({ maxPending: 1000, maxAnswer: 10_000 })
      const fields = (count: number) =>
        Array.from({ length: count }, (_, index) => `a${index}: task_run(limit: 9) { name }`)
      const whole = yield* Effect.scoped(engine.execute({ query: `{ ${fields(9).join(" ")} }` }))
      assert.deepStrictEqual([whole.codes, whole.rows, statements], [[], 9, 9])
      const { body, codes } = yield* Effect.scoped(engine.execute({ query: `{ ${fields(200).join(" ")} }` }))
      assert.deepStrictEqual(codes, ["limit-exceeded"])
      assert.include(body.join(""), "more than 10000 characters")
      assert.isBelow(statements, 30)
    }).pipe(Effect.provide(database)))

  it.effect("a long text comes from the embedded database as bytes, and is sent in pieces without being joined", () =>
    Effect.gen(function*() {
      const database = yield* Database.Database
      const text = "ä€𝔘\\\"x".repeat(60_000)
      const of = (sql: string) => Effect.map(database.queryBytes!(sql, []), ([row]) => row?.["root"])
      const short = yield* of("SELECT repeat('x', 65536) AS root")
      assert.strictEqual(short, "x".repeat(65_536))
      const long = yield* of("SELECT repeat('x', 65537) AS root")
      assert.deepStrictEqual(long, Buffer.from("x".repeat(65_537)).subarray())
      const [whole] = yield* database.query("SELECT repeat('x', 65537) AS root", [])
      assert.strictEqual(whole?.["root"], "x".repeat(65_537))
      // Both kinds of databases, and fields in their order.
      const json = JSON.stringify([{ name: text }])
      for (const root of [json, Buffer.from(json)]) {
        const fake = Layer.succeed(
          Database.Database,
          Database.Database.of({
            query: (sql, parameters, work) =>
              work === undefined ? database.query(sql, parameters) : Effect.succeed([{ root: "[]", rows: "0" }]),
            queryBytes: (sql) =>
              Effect.succeed([{ root: sql.includes("flow_run") ? "[{\"name\":\"short\"}]" : root, rows: "1" }])
          })
        )
        const query =
          "{ hello a: flow_run(limit: 1) { name } b: flow(limit: 1) { name } c: __typename d: flow(limit: 2) { name } }"
        const reply = yield* Effect.provide(ask(query), layerServer(fake))
        assert.deepStrictEqual(reply.data, {
          hello: "hello",
          a: [{ name: "short" }],
          b: [{ name: text }],
          c: "query_root",
          d: [{ name: text }]
        })
        assert.deepStrictEqual(Object.keys(reply.data as object), ["hello", "a", "b", "c", "d"])
      }
    }).pipe(Effect.provide(Database.layerArchive(prefect1.directory, { cache: Pglite.cacheOf(prefect1.directory) }))))

  it.effect("large bodies that are slow to come keep others waiting for seconds, and their beginnings nobody", () =>
    Effect.gen(function*() {
      const { url } = yield* Server.Server
      const large = JSON.stringify({ query: "{ hello }", more: "x".repeat(100_000) })
      const upload = (length: number) =>
        Effect.promise(() =>
          new Promise<Socket>((resolve) => {
            const socket = connect(Number(new URL(url).port), "127.0.0.1")
            socket.on("error", () => {})
            socket.resume()
            socket.write(
              "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
                `Content-Length: ${large.length}\r\n\r\n${large.slice(0, length)}`,
              () => resolve(socket)
            )
          })
        )
      const ended = (socket: Socket) => socket.destroyed || socket.readableEnded
      const beginnings = yield* Effect.all(Array.from({ length: 20 }, () => upload(60_000)))
      assert.strictEqual((yield* post(url, large)).status, 200)
      const slow = yield* Effect.all(Array.from({ length: 8 }, () => upload(90_000)))
      // The requests have reached the server when later ones are answered.
      for (let turn = 0; turn < 3; turn++) yield* ask("{ hello }")
      const waiting = yield* Effect.forkChild(post(url, large))
      for (let turn = 0; turn < 3; turn++) yield* ask("{ hello }")
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(slow.filter(ended).length, 0)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(waiting)).status, 200)
      const left = yield* Effect.promise(async () => {
        while (!slow.some(ended)) await new Promise((resolve) => setImmediate(resolve))
        return slow.filter((socket) => !ended(socket)).length
      })
      assert.strictEqual(left, 7)
      for (const socket of [...beginnings, ...slow]) socket.destroy()
    }).pipe(Effect.provide(layerServer(database))))

  it.effect("large bodies of clients that do not read their responses keep no others waiting", () => {
    let read = 0
    const long = layerFake((sql) =>
      Effect.sync(() => {
        if (sql.includes("pg_stats")) return []
        return [{ root: ++read > 8 ? "[]" : `[${JSON.stringify("x".repeat(8_000_000))}]`, rows: "1" }]
      })
    )
    return Effect.gen(function*() {
      const { url } = yield* Server.Server
      const large = JSON.stringify({ query, more: "x".repeat(100_000) })
      const sockets = Array.from({ length: 8 }, () => connect(Number(new URL(url).port), "127.0.0.1"))
      for (const socket of sockets) {
        socket.pause()
        socket.write(
          "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
            `Content-Length: ${large.length}\r\n\r\n${large}`
        )
      }
      while (read < 8) yield* ask("{ hello }")
      assert.strictEqual((yield* post(url, large)).status, 200)
      for (const socket of sockets) socket.destroy()
    }).pipe(Effect.provide(layerServer(long)))
  })

  it.effect("the body of a request takes room while its response is sent", () =>
    Effect.gen(function*() {
      const engine = yield* QueryEngine.make({ maxPending: 2000 })
      const ended: Array<number> = []
      yield* engine.execute({ query }, { end: () => ended.push(1), held: 1000 })
      const other = yield* Effect.forkChild(engine.execute({ query }, { end: () => ended.push(2) }))
      yield* TestClock.adjust("14 seconds")
      assert.deepStrictEqual(ended, [])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(other)
      assert.deepStrictEqual(ended, [1])
    }).pipe(Effect.scoped, Effect.provide(database)))

  it.effect("a long response arrives as it was read", () =>
    Effect.gen(function*() {
      const text = `${"é".repeat(262_135)}${"😀".repeat(200_000)}`
      const long = layerFake((sql) =>
        Effect.succeed(sql.includes("pg_stats") ? [] : [{ root: JSON.stringify([{ name: text }]), rows: "1" }])
      )
      const reply = yield* Effect.provide(ask(query), layerServer(long))
      assert.isTrue(reply.text === `{"data":{"task_run":[{"name":"${text}"}]}}`)
    }))
})

describe("health", () => {
  it.live("of the database is asked for once for all who ask meanwhile, and anew for those who ask later", () => {
    let asked = 0
    const proceed = Deferred.makeUnsafe<void>()
    const database = layerFake((sql) =>
      sql.includes("pg_stats")
        ? Effect.succeed([])
        : Effect.suspend(() => {
          asked++
          return Effect.as(Deferred.await(proceed), [{ one: "1" }])
        })
    )
    return Effect.gen(function*() {
      const { url } = yield* Server.Server
      const health = (signal?: AbortSignal) =>
        Effect.promise(() =>
          fetch(`${url}/health`, signal === undefined ? {} : { signal }).then(({ status }) => status, () => 0)
        )
      const leaving = new AbortController()
      const many = yield* Effect.forkChild(
        Effect.all([health(leaving.signal), ...Array.from({ length: 30 }, () => health())], {
          concurrency: "unbounded"
        })
      )
      while (asked === 0) yield* Effect.sleep(1)
      // Requests of new clients are begun in the order in which they came: all of those wait by now.
      yield* ask("{ hello }")
      leaving.abort()
      yield* ask("{ hello }")
      yield* Deferred.succeed(proceed, undefined)
      const [left, ...others] = yield* Fiber.join(many)
      assert.deepStrictEqual([left, new Set(others)], [0, new Set([200])])
      assert.strictEqual(asked, 1)
      assert.strictEqual(yield* health(), 200)
      assert.strictEqual(asked, 2)
    }).pipe(Effect.provide(layerServer(database)))
  })
  it.live("tells loading from broken, and queries wait for neither", () =>
    Effect.gen(function*() {
      const loaded = yield* Deferred.make<void>()
      let isBroken = false
      const database = Layer.succeed(
        Database.Database,
        Database.Database.of({
          isLoading: Effect.map(Deferred.isDone(loaded), (isDone) => !isDone),
          query: (sql) =>
            Effect.andThen(
              Deferred.await(loaded),
              isBroken
                ? Effect.fail(new Database.DatabaseError({ reason: "Unavailable", detail: "gone" }))
                : Effect.succeed(sql === Catalog.columnsStatement ? allColumns : [])
            )
        })
      )
      const port = yield* Effect.promise(freePort)
      const health = Effect.promise(() =>
        fetch(`http://127.0.0.1:${port}/health`).then(async (response) => {
          const { status } = (await response.json()) as { readonly status: string }
          return [response.status, status]
        })
      )
      const server = yield* Effect.forkChild(Layer.build(layerServer(database, { port })))
      yield* Effect.retry(
        Effect.tryPromise(() => fetch(`http://127.0.0.1:${port}/health`)),
        { schedule: Schedule.spaced("50 millis"), times: 100 }
      )
      assert.deepStrictEqual(yield* health, [503, "loading"])
      const early = yield* post(`http://127.0.0.1:${port}`, JSON.stringify({ query: "{ hello }" }))
      assert.deepStrictEqual([early.status, code(early)], [503, "API_ERROR"])
      yield* Deferred.succeed(loaded, undefined)
      yield* Fiber.join(server)
      assert.deepStrictEqual(yield* health, [200, "pass"])
      isBroken = true
      assert.deepStrictEqual(yield* health, [503, "fail"])
    }).pipe(Effect.scoped))
})

describe("time", () => {
  it.live(
    "ends a statement of the embedded database that takes too long, and serves on",
    () =>
      Effect.gen(function*() {
        const long = yield* ask(endless)
        assert.deepStrictEqual([long.status, code(long), long.data], [200, "timeout", null])
        // On a busy machine a quick statement may take too long as well.
        const again = yield* Effect.repeat(ask("{ task_run { id } }"), { until: (reply) => code(reply) !== "timeout" })
        assert.lengthOf(again.data?.["task_run"] as [], runs.length, again.text)
      }).pipe(
        Effect.provide(
          layerServer(
            Database.layerArchive(prefect1.directory, {
              cache: Pglite.cacheOf(prefect1.directory),
              statementTimeout: "200 millis"
            }),
            {
              limits: { timeout: "110 seconds", maxCost: Number.MAX_SAFE_INTEGER }
            }
          )
        )
      )
  )

  it.live("ends a request that waits too long", () =>
    Effect.gen(function*() {
      const reply = yield* ask("{ task_run { id } a: hello }")
      assert.deepStrictEqual([reply.status, code(reply), reply.data], [200, "timeout", null])
    }).pipe(Effect.provide(layerServer(layerFake(() => Effect.never), { limits: { timeout: "50 millis" } }))))
})

describe("an API key", () => {
  for (const apiKey of ["s3cr3t-key", Redacted.make("s3cr3t-key")]) {
    it.live(`is asked for when given as ${typeof apiKey}`, () =>
      Effect.gen(function*() {
        const { url } = yield* Server.Server
        const wrong: ReadonlyArray<Readonly<Record<string, string>>> = [
          {},
          { authorization: "Bearer wrong" },
          { authorization: "Bearer s3cr3t-ke" },
          { authorization: "Bearer s3cr3t-key2" },
          { authorization: "Basic s3cr3t-key" },
          { authorization: "s3cr3t-key" }
        ]
        for (const headers of wrong) {
          const reply = yield* ask("{ hello }", undefined, headers)
          assert.deepStrictEqual([reply.status, code(reply), reply.data], [200, "UNAUTHENTICATED", undefined])
          assert.notInclude(reply.text, "s3cr3t")
        }
        const malformed = yield* ask("{ hello }", undefined, { authorization: "Basic x" })
        assert.strictEqual(malformed.errors[0]?.message, "Malformed Authorization header")
        const right = yield* ask("{ hello }", undefined, { authorization: "Bearer s3cr3t-key" })
        assert.deepStrictEqual(right.data, { hello: "hello" })
        assert.strictEqual((yield* Effect.promise(() => fetch(`${url}/health`))).status, 200)
      }).pipe(Effect.provide(layerServer(layerFake(() => Effect.succeed([])), { apiKey }))))
  }

  it.live("is not empty", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(
        Effect.scoped(Layer.build(layerServer(layerFake(() => Effect.succeed([])), { apiKey: "" })))
      )
      assert.isTrue(Exit.isFailure(exit))
    }))
})

describe("requests of one connection", () => {
  let underWay = 0
  let most = 0
  const database = layerFake((sql) =>
    sql.includes("pg_stats") ? Effect.succeed([]) : Effect.gen(function*() {
      most = Math.max(most, ++underWay)
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      underWay--
      return [{ one: "1" }]
    })
  )
  /** What comes back until the server ends the connection, or so many answers have come. */
  const pipelined = (port: number, count: number, answers: number) =>
    Effect.promise(() =>
      new Promise<number>((resolve) => {
        const socket = connect(port, "127.0.0.1")
        let text = ""
        const found = () => text.split("HTTP/1.1 200 OK").length - 1
        socket.setEncoding("utf8").on("data", (part: string) => {
          text += part
          if (found() >= answers) socket.destroy()
        })
        socket.on("error", () => {}).on("close", () => resolve(found()))
        socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(count))
      })
    )

  it.live("are answered one by one, and those of others in between", () =>
    Effect.gen(function*() {
      const { url } = yield* Server.Server
      const port = Number(new URL(url).port)
      assert.strictEqual(yield* pipelined(port, 60, 60), 60)
      assert.strictEqual(most, 1)
      const [many, ...few] = yield* Effect.all([
        pipelined(port, 100, 100),
        pipelined(port, 1, 1),
        pipelined(port, 2, 2)
      ], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual([many, ...few], [100, 1, 2])
      assert.isAtMost(most, 3)
    }).pipe(Effect.provide(layerServer(database))))
  it.live("that are very many at a time end it, and are not begun", () =>
    Effect.gen(function*() {
      most = 0
      const { url } = yield* Server.Server
      const port = Number(new URL(url).port)
      assert.isAtMost(yield* pipelined(port, 1_000, 1_000), 1)
      assert.strictEqual(yield* pipelined(port, 3, 3), 3)
      assert.isAtMost(most, 2)
    }).pipe(Effect.provide(layerServer(database))))
})

describe("a server", () => {
  it.live("keeps connections longer than the proxies in front of it do", () =>
    Effect.gen(function*() {
      const { url } = yield* Server.Server
      const { headers } = yield* Effect.promise(() => fetch(`${url}/health`))
      assert.strictEqual(headers.get("keep-alive"), "timeout=65")
    }).pipe(Effect.provide(layerServer(Pglite.layerFixture(prefect1.directory)))))

  it.live("answers on loopback only to local names: a web page cannot have its own name resolve here", () =>
    Effect.gen(function*() {
      const { url } = yield* Server.Server
      const { port } = new URL(url)
      assert.strictEqual(new URL(url).hostname, "127.0.0.1")
      const ask = (host: string) =>
        Effect.promise(async () => {
          const { request } = await import("node:http")
          return new Promise<number | undefined>((resolve, reject) => {
            const sent = request(
              { host: "127.0.0.1", port, method: "POST", headers: { host, "content-type": "application/json" } },
              (response) => {
                response.resume()
                resolve(response.statusCode)
              }
            )
            sent.on("error", reject)
            sent.end(JSON.stringify({ query: "{ hello }" }))
          })
        })
      assert.strictEqual(yield* ask(`localhost:${port}`), 200)
      assert.strictEqual(yield* ask(`127.0.0.1:${port}`), 200)
      assert.strictEqual(yield* ask("[::1]"), 200)
      assert.strictEqual(yield* ask(`evil.example:${port}`), 403)
    }).pipe(Effect.provide(layerServer(layerFake(() => Effect.succeed([]))))))

  it.live("refuses options that make no sense", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<readonly [Server.Options, string]> = [
        [{ port: 65_536 }, "port"],
        [{ port: 1.5 }, "port"],
        [{ limits: { maxRows: 0 } }, "maxRows"],
        [{ limits: { maxAnswer: Number.POSITIVE_INFINITY } }, "maxAnswer"],
        [{ limits: { maxDepth: Number.NaN } }, "maxDepth"],
        [{ maxBodyBytes: -1 }, "maxBodyBytes"]
      ]
      for (const [options, name] of wrong) {
        const server = layerServer(layerFake(() => Effect.succeed([])), options)
        const error = yield* Effect.flip(Effect.scoped(Layer.build(server)))
        assert.include(error.message, name)
      }
    }))

  it.live("says why it cannot listen", () =>
    Effect.gen(function*() {
      const { port } = yield* Server.Server
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(layerServer(layerFake(() => Effect.succeed([])), { port })))
      )
      assert.strictEqual(error.message, `cannot listen on 127.0.0.1:${port} (EADDRINUSE)`)
    }).pipe(Effect.provide(layerServer(layerFake(() => Effect.succeed([]))))))

  it.live("lets requests under way end when it shuts down, and takes no new ones", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const proceed = yield* Deferred.make<void>()
      const slow = layerFake(() =>
        Deferred.succeed(started, undefined).pipe(
          Effect.andThen(Deferred.await(proceed)),
          Effect.as([{ root: "[]", rows: "0" }])
        )
      )
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(layerServer(slow), scope)
      const asking = yield* Effect.forkChild(ask("{ task_run { id } }").pipe(Effect.provide(context)))
      yield* Deferred.await(started)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* Effect.sleep("50 millis")
      const refused = yield* Effect.exit(ask("{ hello }").pipe(Effect.provide(context)))
      assert.isTrue(Exit.isFailure(refused))
      yield* Deferred.succeed(proceed, undefined)
      assert.deepStrictEqual((yield* Fiber.join(asking)).data, { task_run: [] })
      yield* Fiber.join(closing)
    }))

  it.live("tells a client to try again when the database is away, and fails its health check", () =>
    Effect.gen(function*() {
      const { url } = yield* Server.Server
      const reply = yield* ask("{ task_run { id } }")
      assert.deepStrictEqual([reply.status, code(reply), reply.data], [200, "API_ERROR", null])
      assert.strictEqual((yield* Effect.promise(() => fetch(`${url}/health`))).status, 503)
    }).pipe(Effect.provide(layerServer(
      layerFake(() => new Database.DatabaseError({ reason: "Unavailable", detail: "the database cannot be reached" }))
    ))))

  it.live("answers when it fails itself, and says no more of it than its kind", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.map(Logger.formatJson, (line) => void lines.push(line))
      const broken = layerFake(() => Effect.die(new TypeError("canary")))
      const reply = yield* ask("{ task_run { id } }").pipe(
        Effect.provide(layerServer(broken)),
        Effect.provide(Logger.layer([logger]))
      )
      assert.deepStrictEqual([reply.status, code(reply), reply.data], [200, "INTERNAL_SERVER_ERROR", null])
      assert.include(lines.join("\n"), "TypeError")
      assert.notInclude(`${reply.text}${lines.join("\n")}`, "canary")
    }))

  it.live("logs requests without their values", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.map(Logger.formatJson, (line) => void lines.push(line))
      yield* Effect.gen(function*() {
        yield* ask(
          `query canary_operation($canary: String) { canary_alias: task_run(where: {name: {_eq: $canary}, state: {_eq: "canary literal"}}) { canary_key: id } }`,
          { canary: "canary variable" },
          { authorization: "Bearer canary-key", "x-canary": "canary header" }
        )
        yield* ask(`{ task_run_by_pk(id: "canary") { id } }`)
        yield* ask(`{ canary }`)
      }).pipe(
        Effect.provide(
          layerServer(layerFake(() => Effect.succeed([{ root: `["canary row"]`, rows: "1" }])), {
            logRequests: true,
            apiKey: "canary-key"
          }).pipe(Layer.provideMerge(Logger.layer([logger])))
        )
      )
      const requests = lines.filter((line) => line.includes("\"request\""))
      assert.lengthOf(requests, 1)
      assert.include(requests[0], "task_run")
      assert.notInclude(lines.join("\n"), "canary")
    }))
})

describe("another version's database", () => {
  it("is served for the tables, columns and relations that it has", () => {
    const rows = Array.from(completeCatalog.values()).flatMap((table) =>
      Array.from(table.columns.values(), ({ name, type }) => ({ table: table.name, column: name, type: type.cast }))
    )
    const some = rows.filter(({ column, table }) =>
      table !== "agent" && column !== "run_config" && column !== "task_id"
    )
    const schema = GraphQLSchema.make(Catalog.fromColumns([
      ...some,
      { table: "task_run", column: "run_count", type: "int4" },
      { table: "task_run", column: "duration", type: "interval" },
      { table: "task_run", column: "position", type: "point" },
      { table: "secret", column: "id", type: "uuid" }
    ]))
    const printed = printSchema(schema)
    const fields = (name: string) =>
      Object.keys((schema.getType(name) as unknown as { getFields: () => object }).getFields())
    assert.includeMembers(fields("task_run"), ["run_count", "duration", "flow_run"])
    assert.notIncludeMembers(fields("task_run"), ["task", "task_id", "position"])
    assert.notIncludeMembers(fields("flow_run"), ["agent", "run_config"])
    assert.notInclude(fields("task"), "task_runs")
    assert.notInclude(printed, "secret")
  })

  it.live("must have task runs", () =>
    Effect.gen(function*() {
      const nothing = Layer.succeed(Database.Database, Database.Database.of({ query: () => Effect.succeed([]) }))
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layerServer(nothing))))
      assert.include(error.message, "task_run")
    }))
})
