import { assert, describe, it } from "@effect/vitest"
import * as Conditions from "../src/internal/conditions.ts"
import { Cost, root } from "../src/internal/cost.ts"
import type { Statistics } from "../src/internal/statistics.ts"
import { completeCatalog } from "./support/completeCatalog.ts"

const statistics: Statistics = {
  rows: (name) => name === "task_run" ? 1_000 : 400,
  perValue: (_, column) => column === "id" ? 1 : 20
}
const builderOf = () => new Conditions.Builder(completeCatalog, new Cost(statistics))
const table = (name: string) => completeCatalog.get(name)!

/** A condition on task_run as SQL, with what was bound and what it may cost. */
const compiled = (value: unknown, of = "task_run", scope = root) => {
  const builder = builderOf()
  const sql = Conditions.condition(builder, table(of), "a", value, scope)
  const { cost, parameters, terms } = builder
  return { sql, parameters, terms, scanned: Math.round(cost.total * 20), hasPatterns: cost.hasPatterns }
}
const sqlOf = (value: unknown, of = "task_run") => compiled(value, of).sql
const refused = (body: () => unknown, message: string) => {
  try {
    body()
  } catch (error) {
    const { code, message: said } = error as { readonly code: string; readonly message: string }
    return assert.deepStrictEqual([code, said], ["validation-failed", message])
  }
  assert.fail(`not refused: ${message}`)
}
const nested = (depth: number): unknown => depth === 0 ? {} : { _not: nested(depth - 1) }

describe("a condition", () => {
  it("compares a column with a value that travels as a text", () => {
    assert.deepStrictEqual(compiled({ state: { _eq: "it's" } }), {
      sql: "a.\"state\" = $1::text",
      parameters: ["it's"],
      terms: 1,
      scanned: 0,
      hasPatterns: false
    })
    assert.strictEqual(sqlOf({ map_index: { _gte: 7 } }), "a.\"map_index\" >= ($1::text)::int4")
    assert.deepStrictEqual(compiled({ map_index: { _gte: 7 } }).parameters, ["7"])
    const json = compiled({ serialized_state: { _contains: { a: [1, "x"] }, _has_key: "k" } })
    assert.strictEqual(
      json.sql,
      "(a.\"serialized_state\" @> ($1::text)::jsonb) AND (a.\"serialized_state\" ? $2::text)"
    )
    assert.deepStrictEqual(json.parameters, [`{"a":[1,"x"]}`, "k"])
    assert.deepStrictEqual(compiled({ serialized_state: { _eq: "text" } }).parameters, [`"text"`])
    assert.deepStrictEqual(compiled({ state: { _eq: { a: 1 } } }).parameters, [`{"a":1}`])
  })

  it("compares with lists, each as one array", () => {
    const many = compiled({ id: { _in: ["a", "b\"\\c"] }, state: { _nin: "one" } })
    assert.strictEqual(many.sql, "(a.\"id\" = ANY ($1::uuid[])) AND (a.\"state\" <> ALL ($2::text[]))")
    assert.deepStrictEqual(many.parameters, [`{"a","b\\"\\\\c"}`, `{"one"}`])
    const keys = compiled({ serialized_state: { _has_keys_any: ["k", 1] } })
    assert.strictEqual(keys.sql, "a.\"serialized_state\" ?| $1::text[]")
    assert.deepStrictEqual(keys.parameters, [`{"k","1"}`])
    refused(() => sqlOf({ id: { _in: ["a", null] } }), `unexpected null value for type "uuid"`)
    refused(
      () => sqlOf({ serialized_state: { _has_keys_all: [null] } }),
      `unexpected null value for type "String"`
    )
  })

  it("asks whether there is a null, and is none where it is compared with one", () => {
    assert.strictEqual(sqlOf({ state: { _is_null: true } }), "a.\"state\" IS NULL")
    assert.strictEqual(sqlOf({ state: { _is_null: false } }), "a.\"state\" IS NOT NULL")
    assert.deepStrictEqual(compiled({ state: { _eq: null, _is_null: null } }), {
      sql: "TRUE",
      parameters: [],
      terms: 0,
      scanned: 0,
      hasPatterns: false
    })
    assert.strictEqual(sqlOf({ state: { _eq: undefined } }), "TRUE")
  })

  it("matches patterns, which may take long, also in JSON as a text", () => {
    const pattern = compiled({ state: { _ilike: "%x" } })
    assert.deepStrictEqual([pattern.sql, pattern.hasPatterns], ["a.\"state\" ILIKE $1::text", true])
    const cast = compiled({ serialized_state: { _cast: { String: { _like: "%", _neq: "x" } } } })
    assert.strictEqual(
      cast.sql,
      "((a.\"serialized_state\")::text LIKE $1::text) AND ((a.\"serialized_state\")::text <> $2::text)"
    )
    assert.deepStrictEqual([cast.hasPatterns, cast.terms], [true, 3])
  })

  it("joins conditions", () => {
    assert.strictEqual(sqlOf({}), "TRUE")
    assert.strictEqual(sqlOf({ _and: [] }), "TRUE")
    assert.strictEqual(sqlOf({ _or: [] }), "FALSE")
    assert.strictEqual(sqlOf({ _not: {} }), "NOT (TRUE)")
    const either = { _or: [{ state: { _is_null: true } }, { name: { _is_null: true } }] }
    assert.strictEqual(sqlOf(either), "(a.\"state\" IS NULL) OR (a.\"name\" IS NULL)")
    assert.strictEqual(sqlOf({ _or: { state: { _is_null: true } } }), "(a.\"state\" IS NULL)")
    assert.strictEqual(
      sqlOf({ _and: [either, { state: { _is_null: false } }] }),
      "((a.\"state\" IS NULL) OR (a.\"name\" IS NULL)) AND (a.\"state\" IS NOT NULL)"
    )
    assert.strictEqual(sqlOf({ state: undefined }), "TRUE")
  })

  it("follows relations, and counts what it looks at", () => {
    assert.deepStrictEqual(compiled({ task: { slug: { _eq: "s" } } }), {
      sql:
        "EXISTS (SELECT 1 FROM \"public\".\"task\" AS t0 WHERE t0.\"id\" = a.\"task_id\" AND (t0.\"slug\" = $1::text))",
      parameters: ["s"],
      terms: 2,
      scanned: 1,
      hasPatterns: false
    })
    const deep = compiled({ task_runs: { states: {} } }, "flow_run")
    assert.strictEqual(
      deep.sql,
      "EXISTS (SELECT 1 FROM \"public\".\"task_run\" AS t0 WHERE t0.\"flow_run_id\" = a.\"id\" AND (" +
        "EXISTS (SELECT 1 FROM \"public\".\"task_run_state\" AS t1 WHERE t1.\"task_run_id\" = t0.\"id\" AND (TRUE))))"
    )
    assert.deepStrictEqual([deep.terms, deep.scanned], [2, 20 + 400])
    // Rows that are all different share no row of a list; others may.
    assert.strictEqual(compiled({ task_runs: {} }, "flow_run", { rows: 100, isDistinct: true }).scanned, 1_000)
    assert.strictEqual(compiled({ task_runs: {} }, "flow_run", { rows: 100, isDistinct: false }).scanned, 2_000)
    const builder = builderOf()
    const [list, object] = [table("flow_run").relations.get("task_runs")!, table("flow_run").relations.get("flow")!]
    assert.deepStrictEqual(builder.related(list, root), { rows: 20, isDistinct: true })
    assert.deepStrictEqual(builder.related(object, root), { rows: 1, isDistinct: false })
    assert.deepStrictEqual(builder.related({ ...list, column: "flow_id" }, root), { rows: 20, isDistinct: false })
    assert.deepStrictEqual(builder.related(list, { rows: 2, isDistinct: false }), { rows: 40, isDistinct: false })
  })

  it("refuses what is no condition", () => {
    assert.throws(() => sqlOf(null))
    refused(() => sqlOf(null), `expected an object for type "task_run_bool_exp", but found null`)
    for (const wrong of [[], "x", 1]) {
      refused(() => sqlOf(wrong), `expected an object for type "task_run_bool_exp", but found another`)
    }
    refused(() => sqlOf({ state: null }), `unexpected null value for type "state"`)
    refused(() => sqlOf({ _and: [null] }), `unexpected null value for type "task_run_bool_exp"`)
    refused(() => sqlOf({ novel: {} }), `field "novel" not found in type: "task_run_bool_exp"`)
    refused(() => sqlOf({ state: { _novel: 1 } }), `field "_novel" not found in type: "String_comparison_exp"`)
    refused(() => sqlOf({ map_index: { _like: "1" } }), `field "_like" not found in type: "Int_comparison_exp"`)
    refused(() => sqlOf({ state: "x" }), `expected an object for type "String_comparison_exp", but found another`)
    refused(
      () => sqlOf({ serialized_state: { _cast: "x" } }),
      `expected an object for type "jsonb_cast_exp", but found another`
    )
    refused(() => builderOf().table("novel"), "table not found: novel")
  })

  it("may nest thirty levels deep, whatever nests", () => {
    assert.include(sqlOf(nested(30)), "TRUE")
    refused(() => sqlOf(nested(31)), "a condition may nest 30 levels deep, not deeper")
    const related = (depth: number): unknown => depth === 0 ? {} : { flow_run: { task_runs: related(depth - 2) } }
    assert.include(sqlOf(related(30)), "TRUE")
    refused(() => sqlOf(related(32)), "a condition may nest 30 levels deep, not deeper")
    const lists = (depth: number): unknown => depth === 0 ? {} : { _and: [{ _or: [lists(depth - 2)] }] }
    assert.include(sqlOf(lists(30)), "TRUE")
    refused(() => sqlOf(lists(32)), "a condition may nest 30 levels deep, not deeper")
  })
})

describe("an order", () => {
  const ordered = (value: unknown, of = "task_run", scope = root) => {
    const builder = builderOf()
    const terms = Conditions.orderTerms(builder, table(of), "a", value, scope)
    return { terms, count: builder.terms, scanned: Math.round(builder.cost.total * 20) }
  }

  it("is by columns, in each direction", () => {
    const directions = ["asc", "asc_nulls_first", "asc_nulls_last", "desc", "desc_nulls_first", "desc_nulls_last"]
    const { count, scanned, terms } = ordered(directions.map((direction) => ({ state: direction })))
    assert.deepStrictEqual(
      terms.map(({ direction }) => direction),
      ["ASC", "ASC NULLS FIRST", "ASC NULLS LAST", "DESC", "DESC NULLS FIRST", "DESC NULLS LAST"]
    )
    assert.deepStrictEqual(terms[0], { expression: "a.\"state\"", direction: "ASC", column: "state" })
    assert.deepStrictEqual([count, scanned], [6, 0])
    assert.lengthOf(ordered({ state: "asc", id: "desc" }).terms, 2)
  })

  it("is by columns of the other side of a relation", () => {
    assert.deepStrictEqual(ordered({ task: { slug: "asc", name: "desc" } }), {
      terms: ["slug", "name"].map((name, index) => ({
        expression: `(SELECT t0."${name}" FROM "public"."task" AS t0 WHERE t0."id" = a."task_id" LIMIT 1)`,
        direction: index === 0 ? "ASC" : "DESC",
        column: undefined
      })),
      count: 3,
      scanned: 2
    })
  })

  it("is by aggregates of a list", () => {
    const { count, scanned, terms } = ordered(
      { task_runs_aggregate: { count: "desc", max: { map_index: "asc" }, avg: { version: "asc" } } },
      "flow_run"
    )
    const from = "FROM \"public\".\"task_run\" AS t0 WHERE t0.\"flow_run_id\" = a.\"id\""
    assert.deepStrictEqual(terms, [
      { expression: `(SELECT count(*) ${from})`, direction: "DESC", column: undefined },
      { expression: `(SELECT max(t0."map_index") ${from})`, direction: "ASC", column: undefined },
      { expression: `(SELECT avg(t0."version") ${from})`, direction: "ASC", column: undefined }
    ])
    assert.deepStrictEqual([count, scanned], [1, 60])
  })

  it("refuses what is no order", () => {
    refused(() => ordered({ state: "up" }), `unexpected value for type "order_by"`)
    refused(() => ordered({ state: null }), `unexpected value for type "order_by"`)
    refused(() => ordered({ novel: "asc" }), `field "novel" not found in type: "task_run_order_by"`)
    refused(() => ordered("asc"), `expected an object for type "task_run_order_by", but found another`)
    refused(
      () => ordered({ task_runs_aggregate: 1 }, "flow_run"),
      `expected an object for type "task_run_aggregate_order_by", but found another`
    )
    refused(
      () => ordered({ task_runs_aggregate: { max: 1 } }, "flow_run"),
      `expected an object for type "task_run_max_order_by", but found another`
    )
    const nest = (depth: number): unknown => depth === 0 ? { id: "asc" } : { task_run: nest(depth - 1) }
    const through = (depth: number): unknown =>
      depth <= 0 ? { id: "asc" } : { flow_run: depth === 1 ? { id: "asc" } : { flow: through(depth - 2) } }
    assert.lengthOf(ordered(through(2)).terms, 1)
    refused(() => ordered(nest(1)), `field "task_run" not found in type: "task_run_order_by"`)
  })

  it("may nest thirty levels deep", () => {
    // A state's task run, and one of that task run's states, and so on.
    const call = (depth: number) =>
      Conditions.orderTerms(builderOf(), table("task_run"), "a", { id: "asc" }, root, depth)
    assert.lengthOf(call(30), 1)
    refused(() => call(31), "an order may nest 30 levels deep, not deeper")
    const one = (depth: number) =>
      Conditions.orderTerms(builderOf(), table("task_run"), "a", { task: { id: "asc" } }, root, depth)
    assert.lengthOf(one(29), 1)
    refused(() => one(30), "an order may nest 30 levels deep, not deeper")
  })
})

describe("an aggregate", () => {
  const call = (operation: string, name: string) => Conditions.aggregateCall(table("task_run"), "a", operation, name)

  it("is called on a column that it is for", () => {
    assert.strictEqual(call("max", "state"), "max(a.\"state\")")
    assert.strictEqual(call("min", "start_time"), "min(a.\"start_time\")")
    assert.strictEqual(call("sum", "map_index"), "sum(a.\"map_index\")")
    for (
      const [operation, name] of [["max", "id"], ["min", "serialized_state"], ["sum", "state"], [
        "novel",
        "map_index"
      ]] as const
    ) {
      refused(() => call(operation, name), `field "${name}" not found in type: "task_run_${operation}_fields"`)
    }
    refused(() => call("min", "id"), `field "id" not found in type: "task_run_min_fields"`)
    refused(() => call("max", "novel"), `field "novel" not found in type: "task_run_max_fields"`)
  })
})

describe("how many rows can match", () => {
  const matching = (value: unknown) => Conditions.matching(builderOf(), table("task_run"), value)

  it("is told by the keys that are named, and is all rows without them", () => {
    for (const all of [undefined, null, [], "x", {}, { state: { _eq: "x" } }, { novel_id: { _eq: "x" } }]) {
      assert.strictEqual(matching(all), 1_000, JSON.stringify(all))
    }
    assert.strictEqual(matching({ id: { _eq: "x" } }), 1)
    assert.strictEqual(matching({ task_id: { _eq: "x" } }), 20)
    assert.strictEqual(matching({ task_id: { _in: ["x", "y"] } }), 40)
    assert.strictEqual(matching({ task_id: { _in: "x" } }), 20)
    assert.strictEqual(matching({ id: { _in: Array.from({ length: 5_000 }, String) } }), 1_000)
    for (const none of [{ _eq: null }, { _in: null }, { _gt: "x" }, null, "x"]) {
      assert.strictEqual(matching({ task_id: none }), 1_000, JSON.stringify(none))
    }
    assert.strictEqual(matching({ task_id: { _eq: "x" }, id: { _in: ["x", "y"] } }), 2)
    assert.strictEqual(matching({ id: { _in: ["x", "y"] }, task_id: { _eq: "x" } }), 2)
    assert.strictEqual(matching({ _and: [{ task_id: { _eq: "x" } }, {}] }), 20)
    assert.strictEqual(matching({ _and: { id: { _eq: "x" } } }), 1)
    assert.strictEqual(matching({ _or: [{ id: { _eq: "x" } }] }), 1_000)
  })
})
