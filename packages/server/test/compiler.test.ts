import { assert, describe, it } from "@effect/vitest"
import { Kind, parse } from "graphql"
import { compile, rootFields } from "../src/internal/compiler.ts"
import { collect, fragmentsOf, type Variables } from "../src/internal/selection.ts"
import type { Statistics } from "../src/internal/statistics.ts"
import { completeCatalog } from "./support/completeCatalog.ts"

const statistics: Statistics = {
  rows: (name) => name === "task_run" ? 1_000 : 400,
  perValue: (_, column) => column === "id" ? 1 : 20
}

interface Options {
  readonly maxRows?: number
  readonly maxFields?: number
  readonly statistics?: Statistics
  readonly variables?: Variables
}

const statementOf = (query: string, options: Options = {}) => {
  const document = parse(query)
  const operation = document.definitions.find((one) => one.kind === Kind.OPERATION_DEFINITION)!
  const fragments = fragmentsOf(document)
  const [field] = collect([operation.selectionSet], fragments, options.variables ?? {})
  const context = {
    catalog: completeCatalog,
    fragments,
    variables: {},
    maxRows: 100,
    maxFields: 100,
    statistics,
    ...options
  }
  return compile(context, rootFields(completeCatalog).get(field!.name)!, field!)
}

/** The statement inside the one that makes texts of its row. */
const outer = /^SELECT q\.root::text AS root, q\.rows::text AS rows FROM \((.*)\) AS q$/

const compiled = (query: string, options?: Options) => {
  const { cost, isHeavy, parameters, sql } = statementOf(query, options)
  return { sql: outer.exec(sql)?.[1], parameters, cost: Math.round(cost * 100) / 100, isHeavy }
}

const refused = (query: string, message: string, options?: Options) => {
  try {
    statementOf(query, options)
  } catch (error) {
    return assert.include((error as Error).message, message)
  }
  assert.fail(`not refused: ${query}`)
}

const several = (count: number) => Array.from({ length: count }, (_, at) => `k${at}: id`).join(" ")

describe("a statement", () => {
  const statements: ReadonlyArray<
    readonly [what: string, query: string, cost: number, parameters: ReadonlyArray<string>, sql: string]
  > = [
    [
      "lists the rows of a table, one more than are allowed",
      "{ task_run { id name } }",
      115,
      [],
      "SELECT coalesce(json_agg(json_build_object('id', t0.\"id\", 'name', t0.\"name\")), '[]'::json) AS root, " +
      "count(*) AS rows FROM (SELECT t0.\"id\", t0.\"name\" FROM \"public\".\"task_run\" AS t0 LIMIT 101) AS t0"
    ],
    [
      "names the type of a row, of which it needs no column",
      "{ task_run { __typename } }",
      110,
      [],
      "SELECT coalesce(json_agg(json_build_object('__typename', 'task_run'::text)), '[]'::json) AS root, " +
      "count(*) AS rows FROM (SELECT 1 FROM \"public\".\"task_run\" AS t0 LIMIT 101) AS t0"
    ],
    [
      "binds the keys, limits and offsets of the client",
      "{ task_run(limit: 7, offset: 3) { key: id __typename } }",
      57.7,
      ["key", "7", "3"],
      "SELECT coalesce(json_agg(json_build_object($1::text, t0.\"id\", '__typename', 'task_run'::text)), " +
      "'[]'::json) AS root, count(*) AS rows FROM (SELECT t0.\"id\" FROM \"public\".\"task_run\" AS t0 LIMIT " +
      "($2::text)::int8 OFFSET ($3::text)::int8) AS t0"
    ],
    [
      "reads no more rows than are allowed, whatever the limit",
      "{ task_run(limit: 700) { id } }",
      110,
      ["101"],
      "SELECT coalesce(json_agg(json_build_object('id', t0.\"id\")), '[]'::json) AS root, count(*) AS rows FROM " +
      "(SELECT t0.\"id\" FROM \"public\".\"task_run\" AS t0 LIMIT ($1::text)::int8) AS t0"
    ],
    [
      "selects, sorts and reads all matching rows for it",
      "{ task_run(where: {state: {_eq: \"x\"}}, order_by: [{start_time: desc}, {id: asc}], distinct_on: [start_time]) { id } }",
      192.5,
      ["x"],
      "SELECT coalesce(json_agg(json_build_object('id', t0.\"id\")), '[]'::json) AS root, count(*) AS rows FROM " +
      "(SELECT DISTINCT ON (t0.\"start_time\") t0.\"id\" FROM \"public\".\"task_run\" AS t0 WHERE (t0.\"state\" = " +
      "$1::text) ORDER BY t0.\"start_time\" DESC, t0.\"id\" ASC LIMIT 101) AS t0"
    ],
    [
      "reads the rows that a key can match",
      "{ task_run(where: {task_id: {_eq: \"x\"}}) { id } }",
      22.25,
      ["x"],
      "SELECT coalesce(json_agg(json_build_object('id', t0.\"id\")), '[]'::json) AS root, count(*) AS rows FROM " +
      "(SELECT t0.\"id\" FROM \"public\".\"task_run\" AS t0 WHERE (t0.\"task_id\" = ($1::text)::uuid) LIMIT 101) AS t0"
    ],
    [
      "follows paths in JSON",
      "{ task_run { serialized_state(path: \"a.b[1]\") result: serialized_state(path: \"$\") } }",
      115,
      ["{\"a\",\"b\",\"1\"}", "result"],
      "SELECT coalesce(json_agg(json_build_object('serialized_state', t0.\"serialized_state\" #> $1::text[], " +
      "$2::text, t0.\"serialized_state\")), '[]'::json) AS root, count(*) AS rows FROM (SELECT " +
      "t0.\"serialized_state\" FROM \"public\".\"task_run\" AS t0 LIMIT 101) AS t0"
    ],
    [
      "looks a row up, with the object beside it",
      "{ task_run_by_pk(id: \"x\") { id task { slug } } }",
      1.08,
      ["x"],
      "SELECT json_build_object('id', t0.\"id\", 'task', t2.root) AS root, 0 AS rows FROM (SELECT t0.\"id\", " +
      "t0.\"task_id\" FROM \"public\".\"task_run\" AS t0 WHERE t0.\"id\" = ($1::text)::uuid LIMIT 1) AS t0 LEFT JOIN " +
      "LATERAL (SELECT json_build_object('slug', t1.\"slug\") AS root, 0 AS rows FROM (SELECT t1.\"slug\" FROM " +
      "\"public\".\"task\" AS t1 WHERE t1.\"id\" = t0.\"task_id\" LIMIT 1) AS t1) AS t2 ON TRUE"
    ],
    [
      "joins lists and objects, and counts the rows of all",
      "{ flow_run { id task_runs(limit: 2) { id } flow { name flow_runs { id } } } }",
      2595,
      ["2"],
      "SELECT coalesce(json_agg(json_build_object('id', t0.\"id\", 'task_runs', t2.root, 'flow', t6.root)), " +
      "'[]'::json) AS root, count(*) + coalesce(sum(t2.rows), 0) + coalesce(sum(t6.rows), 0) AS rows FROM " +
      "(SELECT t0.\"id\", t0.\"flow_id\" FROM \"public\".\"flow_run\" AS t0 LIMIT 101) AS t0 LEFT JOIN LATERAL (SELECT " +
      "coalesce(json_agg(json_build_object('id', t1.\"id\")), '[]'::json) AS root, count(*) AS rows FROM (SELECT " +
      "t1.\"id\" FROM \"public\".\"task_run\" AS t1 WHERE t1.\"flow_run_id\" = t0.\"id\" LIMIT ($1::text)::int8) AS t1) AS " +
      "t2 ON TRUE LEFT JOIN LATERAL (SELECT json_build_object('name', t3.\"name\", 'flow_runs', t5.root) AS root, " +
      "coalesce(t5.rows, 0) AS rows FROM (SELECT t3.\"name\", t3.\"id\" FROM \"public\".\"flow\" AS t3 WHERE t3.\"id\" = " +
      "t0.\"flow_id\" LIMIT 1) AS t3 LEFT JOIN LATERAL (SELECT coalesce(json_agg(json_build_object('id', " +
      "t4.\"id\")), '[]'::json) AS root, count(*) AS rows FROM (SELECT t4.\"id\" FROM \"public\".\"flow_run\" AS t4 " +
      "WHERE t4.\"flow_id\" = t3.\"id\" LIMIT 101) AS t4) AS t5 ON TRUE) AS t6 ON TRUE"
    ],
    [
      "counts rows that it does not return",
      "{ flow_run { task_runs_aggregate { aggregate { count } } } }",
      265,
      [],
      "SELECT coalesce(json_agg(json_build_object('task_runs_aggregate', t2.root)), '[]'::json) AS root, " +
      "count(*) AS rows FROM (SELECT t0.\"id\" FROM \"public\".\"flow_run\" AS t0 LIMIT 101) AS t0 LEFT JOIN LATERAL " +
      "(SELECT json_build_object('aggregate', json_build_object('count', count(*))) AS root, 0 AS rows FROM " +
      "(SELECT 1 FROM \"public\".\"task_run\" AS t1 WHERE t1.\"flow_run_id\" = t0.\"id\") AS t1) AS t2 ON TRUE"
    ],
    [
      "counts rows up to a limit",
      "{ task_run_aggregate(limit: 3) { aggregate { count } } }",
      1.2,
      ["3"],
      "SELECT json_build_object('aggregate', json_build_object('count', count(*))) AS root, 0 AS rows FROM " +
      "(SELECT 1 FROM \"public\".\"task_run\" AS t0 LIMIT ($1::text)::int8) AS t0"
    ],
    [
      "counts the values of columns, and finds the largest beside the rows",
      "{ task_run_aggregate { __typename aggregate { __typename count n: count(columns: [state]) d: count(columns: [state, name], distinct: true) max { __typename map_index } } nodes { id task { slug } } } }",
      187.5,
      ["n", "d"],
      "SELECT json_build_object('__typename', 'task_run_aggregate'::text, 'aggregate', " +
      "json_build_object('__typename', 'task_run_aggregate_fields'::text, 'count', count(*), $1::text, count(*) " +
      "FILTER (WHERE t0.\"state\" IS NOT NULL), $2::text, count(DISTINCT (t0.\"state\", t0.\"name\")), 'max', " +
      "json_build_object('__typename', 'task_run_max_fields'::text, 'map_index', max(t0.\"map_index\"))), 'nodes', " +
      "coalesce(json_agg(json_build_object('id', t0.\"id\", 'task', t2.root)), '[]'::json)) AS root, count(*) AS " +
      "rows FROM (SELECT t0.\"state\", t0.\"name\", t0.\"map_index\", t0.\"id\", t0.\"task_id\" FROM \"public\".\"task_run\" " +
      "AS t0 LIMIT 101) AS t0 LEFT JOIN LATERAL (SELECT json_build_object('slug', t1.\"slug\") AS root, 0 AS rows " +
      "FROM (SELECT t1.\"slug\" FROM \"public\".\"task\" AS t1 WHERE t1.\"id\" = t0.\"task_id\" LIMIT 1) AS t1) AS t2 ON " +
      "TRUE"
    ],
    [
      "aggregates and returns the rows of a list",
      "{ flow_run { task_runs_aggregate(where: {state: {_eq: \"x\"}}) { aggregate { count } nodes { id } } } }",
      1272.5,
      ["x"],
      "SELECT coalesce(json_agg(json_build_object('task_runs_aggregate', t2.root)), '[]'::json) AS root, " +
      "count(*) + coalesce(sum(t2.rows), 0) AS rows FROM (SELECT t0.\"id\" FROM \"public\".\"flow_run\" AS t0 LIMIT " +
      "101) AS t0 LEFT JOIN LATERAL (SELECT json_build_object('aggregate', json_build_object('count', count(*)), " +
      "'nodes', coalesce(json_agg(json_build_object('id', t1.\"id\")), '[]'::json)) AS root, count(*) AS rows FROM " +
      "(SELECT t1.\"id\" FROM \"public\".\"task_run\" AS t1 WHERE t1.\"flow_run_id\" = t0.\"id\" AND (t1.\"state\" = " +
      "$1::text) LIMIT 101) AS t1) AS t2 ON TRUE"
    ],
    [
      "counts the rows in a list in a list",
      "{ flow_run { task_runs(where: {task_id: {_eq: \"x\"}}) { id states_aggregate { nodes { id } } } } }",
      1712.5,
      ["x"],
      "SELECT coalesce(json_agg(json_build_object('task_runs', t4.root)), '[]'::json) AS root, count(*) + " +
      "coalesce(sum(t4.rows), 0) AS rows FROM (SELECT t0.\"id\" FROM \"public\".\"flow_run\" AS t0 LIMIT 101) AS t0 " +
      "LEFT JOIN LATERAL (SELECT coalesce(json_agg(json_build_object('id', t1.\"id\", 'states_aggregate', " +
      "t3.root)), '[]'::json) AS root, count(*) + coalesce(sum(t3.rows), 0) AS rows FROM (SELECT t1.\"id\" FROM " +
      "\"public\".\"task_run\" AS t1 WHERE t1.\"flow_run_id\" = t0.\"id\" AND (t1.\"task_id\" = ($1::text)::uuid) LIMIT " +
      "101) AS t1 LEFT JOIN LATERAL (SELECT json_build_object('nodes', coalesce(json_agg(json_build_object('id', " +
      "t2.\"id\")), '[]'::json)) AS root, count(*) AS rows FROM (SELECT t2.\"id\" FROM \"public\".\"task_run_state\" AS " +
      "t2 WHERE t2.\"task_run_id\" = t1.\"id\" LIMIT 101) AS t2) AS t3 ON TRUE) AS t4 ON TRUE"
    ],
    [
      "counts the rows beside rows that are returned with their number",
      "{ flow_run_aggregate(order_by: {created: asc}) { nodes { task_runs { id } } } }",
      1230,
      [],
      "SELECT json_build_object('nodes', coalesce(json_agg(json_build_object('task_runs', t2.root)), " +
      "'[]'::json)) AS root, count(*) + coalesce(sum(t2.rows), 0) AS rows FROM (SELECT t0.\"id\" FROM " +
      "\"public\".\"flow_run\" AS t0 ORDER BY t0.\"created\" ASC LIMIT 101) AS t0 LEFT JOIN LATERAL (SELECT " +
      "coalesce(json_agg(json_build_object('id', t1.\"id\")), '[]'::json) AS root, count(*) AS rows FROM (SELECT " +
      "t1.\"id\" FROM \"public\".\"task_run\" AS t1 WHERE t1.\"flow_run_id\" = t0.\"id\" LIMIT 101) AS t1) AS t2 ON TRUE"
    ],
    [
      "reads a fragment's fields",
      "query { task_run(offset: 1) { ...a } } fragment a on task_run { id flow_run { id } }",
      212.5,
      ["1"],
      "SELECT coalesce(json_agg(json_build_object('id', t0.\"id\", 'flow_run', t2.root)), '[]'::json) AS root, " +
      "count(*) AS rows FROM (SELECT t0.\"id\", t0.\"flow_run_id\" FROM \"public\".\"task_run\" AS t0 LIMIT 101 OFFSET " +
      "($1::text)::int8) AS t0 LEFT JOIN LATERAL (SELECT json_build_object('id', t1.\"id\") AS root, 0 AS rows " +
      "FROM (SELECT t1.\"id\" FROM \"public\".\"flow_run\" AS t1 WHERE t1.\"id\" = t0.\"flow_run_id\" LIMIT 1) AS t1) AS " +
      "t2 ON TRUE"
    ]
  ]
  for (const [what, query, cost, parameters, sql] of statements) {
    it(`${what}`, () => {
      assert.deepStrictEqual(compiled(query), { sql, parameters, cost, isHeavy: false })
    })
  }

  it("makes one object of more fields than a function of Postgres takes", () => {
    const objects = (count: number) => {
      const sql = compiled(`{ task_run { ${several(count)} } }`, { maxFields: 1_000 }).sql!
      return /json_agg\((.*)\), '\[\]'/.exec(sql)![1]!.replaceAll(
        /json_build_object\(.*?\)/g,
        (one) => `${one.split(",").length / 2}`
      )
        .replaceAll(/\d+/g, String)
    }
    assert.strictEqual(objects(50), "50")
    assert.strictEqual(objects(51), "(left(50::text, -1) || ', ' || substr(1::text, 2))::json")
    assert.strictEqual(objects(100), "(left(50::text, -1) || ', ' || substr(50::text, 2))::json")
    assert.strictEqual(
      objects(101),
      "(left(50::text, -1) || ', ' || left(substr(50::text, 2), -1) || ', ' || substr(1::text, 2))::json"
    )
  })

  it("is heavy beyond a cost, and when it matches patterns", () => {
    const rows = (count: number) => ({ maxRows: 10_000, statistics: { ...statistics, rows: () => count } })
    const query = "{ task_run { id name state version } }"
    assert.deepInclude(compiled(query, rows(4_000)), { cost: 5_000, isHeavy: false })
    assert.isTrue(compiled(query, rows(4_001)).isHeavy)
    assert.isTrue(compiled(`{ task_run(limit: 1, where: {name: {_like: "a"}}) { id } }`).isHeavy)
  })

  it("has no more rows than the table when each row is in one list", () => {
    const many = { maxRows: 1_000 }
    const all = compiled("{ flow_run { task_runs { id } } }", many).cost
    assert.strictEqual(all, 440 + 1_100)
    // The flow runs of a flow occur once for each of its flow runs.
    const twice = compiled("{ flow_run { flow { flow_runs { id } } } }", many).cost
    assert.strictEqual(twice, 440 + 210 + 8_800)
    const once = compiled("{ flow { flow_runs { id } } }", many).cost
    assert.strictEqual(once, 440 + 440)
    const below = compiled(`{ flow_by_pk(id: "x") { flow_runs { id } } }`, many).cost
    assert.strictEqual(below, 22.53)
  })
})

describe("a statement is refused", () => {
  it("for a negative size, and takes a size of nothing", () => {
    refused("{ task_run(limit: -1) { id } }", "unexpected negative value: limit")
    refused("{ task_run(offset: -1) { id } }", "unexpected negative value: offset")
    refused(`{ task_run(limit: "1") { id } }`, "unexpected negative value: limit")
    assert.deepStrictEqual(compiled("{ task_run(limit: 0, offset: 0) { id } }").parameters, ["0", "0"])
  })

  it("when its distinct columns are not the first of its order", () => {
    const message = `"distinct_on" columns must match initial "order_by" columns`
    refused("{ task_run(distinct_on: [state], order_by: [{id: asc}, {state: asc}]) { id } }", message)
    refused("{ task_run(distinct_on: [state, id], order_by: [{id: asc}, {name: asc}]) { id } }", message)
    refused("{ task_run(distinct_on: [state], order_by: [{task: {slug: asc}}]) { id } }", message)
    for (
      const given of [
        "distinct_on: [state]",
        "distinct_on: state, order_by: {state: desc}",
        "distinct_on: [state, id], order_by: [{id: asc}, {state: asc}, {name: asc}]",
        "distinct_on: [state, id, id], order_by: [{id: asc}]",
        "order_by: [{id: asc}]"
      ]
    ) assert.isDefined(compiled(`{ task_run(${given}) { id } }`).sql)
  })

  it("for more fields than are allowed, with fragments spread", () => {
    const message = "a query may select at most 3 fields, with fragments spread"
    assert.isDefined(compiled("{ task_run { id name state } }", { maxFields: 3 }).sql)
    refused("{ task_run { id name state version } }", message, { maxFields: 3 })
    refused("{ task_run { id task { id name } } }", message, { maxFields: 3 })
    refused("{ task_run_aggregate { aggregate { max { state } min { state } } } }", message, { maxFields: 3 })
  })

  it("for more values than Postgres takes", () => {
    const query = "query ($all: task_run_bool_exp) { task_run(where: $all) { id } }"
    const of = (count: number) => ({
      variables: { all: { _and: Array.from({ length: count }, () => ({ state: { _eq: 1 } })) } }
    })
    assert.lengthOf(statementOf(query, of(65_535)).parameters, 65_535)
    refused(query, "the query has 65536 values, and 65535 are allowed: pass lists of values to _in", of(65_536))
  })

  it("for what there is not", () => {
    refused("{ task_run { novel } }", `field "novel" not found in type: "task_run"`)
    refused("{ task_run { novel_aggregate { nodes { id } } } }", `field "novel_aggregate" not found`)
    refused("{ task_run { serialized_state(path: \"a b\") } }", "parse json path error")
    assert.throws(() => statementOf("{ task_run_by_pk(id: null) { name } }"), "null")
  })
})
