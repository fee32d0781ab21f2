/**
 * Single requests to `serve` that are designed to consume processor time or memory: each must end soon, and the server
 * must survive.
 */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { check } from "../support/check.ts"
import { archive, manyTaskRuns, uuid } from "../support/hostileArchive.ts"
import { ask, serve } from "../support/served.ts"

const many = <A>(count: number, make: (index: number) => A) => Array.from({ length: count }, (_, index) => make(index))
const doubled = (depth: number): object =>
  depth === 0 ? { name: { _eq: "x" } } : { _and: [doubled(depth - 1), doubled(depth - 1)] }
const where = "query ($w: task_run_bool_exp) { task_run(where: $w, limit: 1) { id } }"

const bodies: Readonly<
  Record<string, { readonly query?: string; readonly variables?: unknown; readonly body?: string }>
> = {
  "fragments side by side": {
    query: `{ ${many(20_000, (i) => `...f${i}`).join(" ")} } ${
      many(20_000, (i) => `fragment f${i} on query_root { hello }`).join(" ")
    }`
  },
  "a chain of fragments": {
    query: `{ ...f0 } ${
      many(10_000, (i) => `fragment f${i} on query_root { ${i === 9_999 ? "hello" : `...f${i + 1}`} }`).join(" ")
    }`
  },
  "fragments that double": {
    query: `{ ...f0 } ${
      many(30, (i) => `fragment f${i} on query_root { ${i === 29 ? "hello" : `...f${i + 1} ...f${i + 1}`} }`).join(" ")
    }`
  },
  "fragments in a circle": { query: "{ ...a } fragment a on query_root { ...b } fragment b on query_root { ...a }" },
  "inline fragments, deep": { query: `{ ${"... { ".repeat(50_000)} hello ${"}".repeat(50_000)} }` },
  "lists, deep": { query: `{ task_run(where: {_and: ${"[".repeat(50_000)}${"]".repeat(50_000)}}) { id } }` },
  "a field over and over": { query: `{ ${"task_run { flow_run { id } } ".repeat(650)} }` },
  "aliases of a table": { query: `{ ${many(950, (i) => `a${i}: task_run { id }`).join(" ")} }` },
  "conditions that double": { query: where, variables: { w: doubled(15) } },
  "conditions side by side": { query: where, variables: { w: { _or: many(100_000, () => ({ name: { _eq: "x" } })) } } },
  "a long list of names": {
    query: "query ($n: [String!]) { task_run(where: {name: {_in: $n}}) { id } }",
    variables: { n: many(400_000, String) }
  },
  "orders by lists": {
    query: "query ($o: [task_run_order_by!]) { task_run(order_by: $o, limit: 1) { id } }",
    variables: { o: many(5_000, () => ({ flow_run: { task_runs_aggregate: { count: "asc" } } })) }
  },
  "conditions on lists of lists": {
    query: where,
    variables: {
      w: {
        _or: [{ flow_run: { task_runs: { flow_run: { task_runs: { flow_run: { name: { _eq: "x" } } } } } } }, {
          id: { _eq: uuid(1) }
        }]
      }
    }
  },
  "introspection, nested": {
    query: `{ __schema { types { ${"fields { type { ".repeat(7)} name ${"} }".repeat(7)} } } }`
  },
  "directives": { query: `{ hello ${many(20_000, (i) => `@d${i}`).join(" ")} }` },
  "variables": { query: `query (${many(10_000, (i) => `$v${i}: Int`).join(" ")}) { hello }` },
  "a pattern that backtracks": {
    query: "query ($p: String) { task_run(where: {name: {_regex: $p}}) { id } }",
    variables: { p: "(a*)*\\1(b|c)*".repeat(20) }
  },
  "wildcards": {
    query: "query ($p: String) { task_run(where: {name: {_like: $p}}) { id } }",
    variables: { p: "%a".repeat(2_000) }
  },
  "a path of many steps": { query: `{ task_run { serialized_state(path: "${"a.".repeat(100_000)}a") } }` },
  "JSON in JSON, deep": {
    body: JSON.stringify({ query: "{ hello }", variables: `{"w":${"[".repeat(500_000)}${"]".repeat(500_000)}}` })
  },
  "a body that is too long": { body: JSON.stringify({ query: "{ hello }", x: "x".repeat(6_000_000) }) },
  "tokens without end": { query: `{ hello ${"a ".repeat(2_000_000)} }` }
}

const seconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

{
  await using server = await serve(["--archive", archive("queries", manyTaskRuns(200))])
  const idle = server.memory()
  for (const [name, { body, query, variables }] of Object.entries(bodies)) {
    await check(
      `a query of ${name} costs less than 5 s of processor time, and leaves the server as it was`,
      async () => {
        const before = seconds(server.pid)
        const answer = await ask(server.port, query ?? "", { variables, ...(body === undefined ? {} : { body }) })
        const cost = seconds(server.pid) - before
        assert.ok(answer.status !== undefined, "it was answered")
        assert.ok(
          answer.code === undefined || !/^(?:INTERNAL_SERVER_ERROR|API_ERROR|unexpected)$/.test(answer.code),
          answer.text
        )
        assert.ok(cost < 5, `${cost} s`)
        assert.equal((await ask(server.port, "{ hello }")).data?.["hello"], "hello")
      }
    )
  }
  await check("the memory of the server is as large as one answer needs", () => {
    assert.ok(server.memory() < idle + 1_000, `${idle} MB before, ${server.memory()} MB after`)
  })
}
