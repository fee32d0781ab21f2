import * as Tables from "@effect-prefect/core/Tables"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Archive, Row } from "./support/archive.ts"
import { archives, byId, ids, sortBy } from "./support/archive.ts"
import * as Pglite from "./support/pglite.ts"
import { ask, layerServer, read, Statements } from "./support/server.ts"

type Predicate = (row: Row, archive: Archive) => boolean

const text = (value: unknown) => value as string
const json = (value: unknown) => value as Readonly<Record<string, unknown>>
const stateOf = (row: Row) => json(row["serialized_state"])
const taskOf = (row: Row, archive: Archive) => archive.find("task", row["task_id"])
const statesOf = (row: Row, archive: Archive) =>
  archive.rows("task_run_state").filter((state) => state["task_run_id"] === row["id"])

const versionOf = (archive: Archive) => text(stateOf(archive.rows("task_run")[0] ?? {})["__version__"])

const someIds = (archive: Archive) => ids(archive.rows("task_run")).slice(10, 14)

/** Conditions on task_run, each beside its meaning in TypeScript. A null never compares, as in SQL. */
const conditions: ReadonlyArray<readonly [where: string | ((archive: Archive) => string), Predicate]> = [
  ["{}", () => true],
  ["{_and: []}", () => true],
  ["{_or: []}", () => false],
  ["{_not: {}}", () => false],
  ["{state: {}}", () => true],
  ["{state: {_eq: null}}", () => true],
  ["{id: {_in: null}, end_time: {_is_null: null}, map_index: {_eq: 2, _gt: null}}", (row) => row["map_index"] === 2],
  ["{state: {_eq: \"Success\"}}", (row) => row["state"] === "Success"],
  ["{state: {_neq: \"Success\"}}", (row) => row["state"] !== "Success"],
  ["{state: {_in: [\"Failed\", \"Skipped\"]}}", (row) => ["Failed", "Skipped"].includes(text(row["state"]))],
  ["{state: {_in: []}}", () => false],
  ["{state: {_nin: [\"Success\", \"Mapped\"]}}", (row) => !["Success", "Mapped"].includes(text(row["state"]))],
  ["{state: {_nin: []}}", () => true],
  [
    "{state: {_gte: \"Skipped\", _lt: \"Trigger\"}}",
    (row) => text(row["state"]) >= "Skipped" && text(row["state"]) < "Trigger"
  ],
  ["{name: {_like: \"transform%\"}}", (row) => text(row["name"]).startsWith("transform")],
  ["{name: {_nlike: \"transform%\"}}", (row) => !text(row["name"]).startsWith("transform")],
  ["{name: {_like: \"%\\\\_%\"}}", (row) => text(row["name"]).includes("_")],
  ["{name: {_ilike: \"TRANSFORM%\"}}", (row) => text(row["name"]).startsWith("transform")],
  ["{name: {_nilike: \"TRANSFORM%\"}}", (row) => !text(row["name"]).startsWith("transform")],
  ["{name: {_similar: \"(score|archive)%\"}}", (row) => /^(score|archive)/.test(text(row["name"]))],
  ["{name: {_nsimilar: \"(score|archive)%\"}}", (row) => !/^(score|archive)/.test(text(row["name"]))],
  ["{name: {_regex: \"\\\\[1[0-9]\\\\]$\"}}", (row) => /\[1[0-9]\]$/.test(text(row["name"]))],
  ["{name: {_nregex: \"^[a-m]\"}}", (row) => !/^[a-m]/.test(text(row["name"]))],
  ["{name: {_iregex: \"^SCORE\"}}", (row) => /^score/i.test(text(row["name"]))],
  ["{name: {_niregex: \"^SCORE\"}}", (row) => !/^score/i.test(text(row["name"]))],
  [(archive) => `{id: {_eq: "${someIds(archive)[0]}"}}`, (row, archive) => row["id"] === someIds(archive)[0]],
  [
    (archive) => `{id: {_in: ${JSON.stringify(someIds(archive))}}}`,
    (row, archive) => someIds(archive).includes(row["id"])
  ],
  [
    (archive) => `{id: {_nin: ${JSON.stringify(someIds(archive))}}}`,
    (row, archive) => !someIds(archive).includes(row["id"])
  ],
  [(archive) => `{id: {_in: "${someIds(archive)[0]}"}}`, (row, archive) => row["id"] === someIds(archive)[0]],
  ["{map_index: {_eq: -1}}", (row) => row["map_index"] === -1],
  ["{map_index: {_gt: 3, _lte: 8}}", (row) => Number(row["map_index"]) > 3 && Number(row["map_index"]) <= 8],
  [
    "{map_index: {_gte: 3, _lt: 8, _neq: 5}}",
    (row) => Number(row["map_index"]) >= 3 && Number(row["map_index"]) < 8 && row["map_index"] !== 5
  ],
  ["{end_time: {_is_null: true}}", (row) => row["end_time"] === null],
  ["{end_time: {_is_null: false}}", (row) => row["end_time"] !== null],
  ["{serialized_state: {_is_null: true}}", (row) => row["serialized_state"] === null],
  [
    "{end_time: {_gt: \"2022-03-01T12:00:30+00:00\"}}",
    (row) => row["end_time"] !== null && Date.parse(text(row["end_time"])) > Date.parse("2022-03-01T12:00:30Z")
  ],
  [
    "{_not: {end_time: {_gt: \"2022-03-01T14:00:30+02:00\"}}}",
    (row) => row["end_time"] !== null && Date.parse(text(row["end_time"])) <= Date.parse("2022-03-01T12:00:30Z")
  ],
  ["{serialized_state: {_contains: {type: \"Failed\"}}}", (row) => stateOf(row)["type"] === "Failed"],
  [
    "{serialized_state: {_contains: {_result: {type: \"LocalResult\"}}}}",
    (row) => json(stateOf(row)["_result"] ?? {})["type"] === "LocalResult"
  ],
  [
    (archive) =>
      `{state_result: {_contained_in: {type: "NoResultType", __version__: "${versionOf(archive)}", more: [1]}}}`,
    (row) => row["state_result"] !== null && json(row["state_result"])["type"] === "NoResultType"
  ],
  ["{serialized_state: {_has_key: \"n_map_states\"}}", (row) => "n_map_states" in stateOf(row)],
  [
    "{serialized_state: {_has_keys_any: [\"n_map_states\", \"_result\"]}}",
    (row) => "n_map_states" in stateOf(row) || "_result" in stateOf(row)
  ],
  [
    "{serialized_state: {_has_keys_all: [\"n_map_states\", \"_result\"]}}",
    (row) => "n_map_states" in stateOf(row) && "_result" in stateOf(row)
  ],
  ["{serialized_state: {_cast: {String: {_like: \"%n_map_states%\"}}}}", (row) => "n_map_states" in stateOf(row)],
  [
    "{_and: [{state: {_eq: \"Success\"}}, {map_index: {_gt: 20}}]}",
    (row) => row["state"] === "Success" && Number(row["map_index"]) > 20
  ],
  ["{_and: {state: {_eq: \"Failed\"}}}", (row) => row["state"] === "Failed"],
  [
    "{_or: [{state: {_eq: \"Failed\"}}, {map_index: {_eq: 2}}]}",
    (row) => row["state"] === "Failed" || row["map_index"] === 2
  ],
  [
    "{_or: [{state: {_eq: \"Failed\"}}, {map_index: {_eq: 2}}], name: {_like: \"%s%\"}}",
    (row) => (row["state"] === "Failed" || row["map_index"] === 2) && text(row["name"]).includes("s")
  ],
  [
    "{_not: {_or: [{state: {_eq: \"Success\"}}, {map_index: {_eq: -1}}]}}",
    (row) => !(row["state"] === "Success" || row["map_index"] === -1)
  ],
  ["{task: {slug: {_eq: \"transform-1\"}}}", (row, archive) => taskOf(row, archive)?.["slug"] === "transform-1"],
  [
    "{task: {mapped: {_eq: true}}, map_index: {_neq: -1}}",
    (row, archive) => taskOf(row, archive)?.["mapped"] === true && row["map_index"] !== -1
  ],
  ["{task: {}}", (row, archive) => taskOf(row, archive) !== undefined],
  ["{_not: {task: {name: {_eq: \"score\"}}}}", (row, archive) => taskOf(row, archive)?.["name"] !== "score"],
  [
    "{states: {state: {_eq: \"Retrying\"}}}",
    (row, archive) => statesOf(row, archive).some((state) => state["state"] === "Retrying")
  ],
  [
    "{_not: {states: {state: {_eq: \"Running\"}}}}",
    (row, archive) => !statesOf(row, archive).some((state) => state["state"] === "Running")
  ],
  ["{flow_run: {flow: {project: {tenant: {slug: {_is_null: false}}}, name: {_eq: \"nightly\"}}}}", (row, archive) => {
    const run = archive.find("flow_run", row["flow_run_id"])
    return archive.find("flow", run?.["flow_id"])?.["name"] === "nightly"
  }],
  [
    "{task: {downstream_edges: {downstream_task: {name: {_eq: \"summary\"}}}}}",
    (row, archive) =>
      archive.rows("edge").some((edge) =>
        edge["upstream_task_id"] === row["task_id"] &&
        archive.find("task", edge["downstream_task_id"])?.["name"] === "summary"
      )
  ]
]

for (const archive of archives) {
  const rows = archive.rows("task_run")
  const is = (name: string) => ({ of: (row: Row) => row[name] })

  layer(layerServer(Pglite.layerFixture(archive.directory)))(archive.name, (it) => {
    it.effect("gives every column of every row as the archive has it", () =>
      Effect.gen(function*() {
        for (const table of Tables.tables) {
          const fields = table.columns.map(({ name }) => name).join(" ")
          const found = yield* read(`{ ${table.name}(order_by: {id: asc}) { ${fields} } }`)
          assert.deepStrictEqual(found, sortBy(archive.rows(table.name), byId), table.name)
        }
      }))

    for (const [where, predicate] of conditions) {
      const literal = typeof where === "string" ? where : where(archive)
      it.effect(`where ${literal.length > 90 ? `${literal.slice(0, 90)}…` : literal}`, () =>
        Effect.gen(function*() {
          const found = yield* read(`{ task_run(where: ${literal}, order_by: {id: asc}) { id } }`)
          const expected = sortBy(rows.filter((row) => predicate(row, archive)), byId)
          assert.deepStrictEqual(ids(found as ReadonlyArray<Row>), ids(expected))
        }))
    }

    const orders: ReadonlyArray<
      readonly [string, Parameters<typeof sortBy>[1], ...ReadonlyArray<Parameters<typeof sortBy>[1]>]
    > = [
      ["{id: desc}", { ...byId, descending: true }],
      ["[{end_time: asc}, {id: asc}]", is("end_time"), byId],
      ["[{end_time: asc_nulls_first}, {id: asc}]", { ...is("end_time"), nullsFirst: true }, byId],
      ["[{end_time: asc_nulls_last}, {id: asc}]", { ...is("end_time"), nullsFirst: false }, byId],
      ["[{end_time: desc}, {id: asc}]", { ...is("end_time"), descending: true }, byId],
      ["[{end_time: desc_nulls_first}, {id: desc}]", { ...is("end_time"), descending: true, nullsFirst: true }, {
        ...byId,
        descending: true
      }],
      ["[{end_time: desc_nulls_last}, {id: asc}]", { ...is("end_time"), descending: true, nullsFirst: false }, byId],
      ["{map_index: desc, id: asc}", { ...is("map_index"), descending: true }, byId],
      ["{id: asc, map_index: desc}", byId],
      [
        "[{flow_run: {flow: {created: desc}}}, {task: {id: asc}}, {map_index: asc}]",
        {
          of: (row) => archive.find("flow", archive.find("flow_run", row["flow_run_id"])?.["flow_id"])?.["created"],
          descending: true
        },
        is("task_id"),
        is("map_index")
      ],
      ["[{states_aggregate: {count: desc}}, {id: asc}]", {
        of: (row) => statesOf(row, archive).length,
        descending: true
      }, byId],
      ["[{states_aggregate: {max: {version: asc}}}, {id: asc}]", {
        of: (row) => Math.max(...statesOf(row, archive).map((state) => Number(state["version"])))
      }, byId]
    ]
    for (const [order, ...keys] of orders) {
      it.effect(`order_by ${order}`, () =>
        Effect.gen(function*() {
          const found = yield* read(`{ task_run(order_by: ${order}) { id } }`)
          assert.deepStrictEqual(ids(found as ReadonlyArray<Row>), ids(sortBy(rows, ...keys)))
        }))
    }

    it.effect("limits, skips, and takes the first row of each distinct value", () =>
      Effect.gen(function*() {
        const sorted = sortBy(rows, byId)
        assert.deepStrictEqual(
          ids((yield* read(`{ task_run(order_by: {id: asc}, limit: 7) { id } }`)) as ReadonlyArray<Row>),
          ids(sorted.slice(0, 7))
        )
        assert.deepStrictEqual(
          ids((yield* read(`{ task_run(order_by: {id: asc}, limit: 5, offset: 98) { id } }`)) as ReadonlyArray<Row>),
          ids(sorted.slice(98, 103))
        )
        assert.deepStrictEqual(yield* read(`{ task_run(limit: 0) { id } }`), [])
        assert.lengthOf((yield* read(`{ task_run(limit: null, where: null, offset: null) { id } }`)) as [], rows.length)
        const distinct = yield* read(
          `{ task_run(distinct_on: [state], order_by: [{state: asc}, {id: desc}]) { state id } }`
        )
        const states = [...new Set(rows.map((row) => text(row["state"])))].toSorted()
        assert.deepStrictEqual(
          distinct,
          states.map((state) => ({
            state,
            id: sortBy(rows.filter((row) => row["state"] === state), { ...byId, descending: true })[0]?.["id"]
          }))
        )
        const refused = yield* ask(`{ task_run(distinct_on: state, order_by: {id: asc}) { id } }`)
        assert.strictEqual(refused.errors[0]?.extensions.code, "validation-failed")
        const negative = yield* ask(`{ task_run(limit: -1) { id } }`)
        assert.strictEqual(negative.errors[0]?.extensions.code, "validation-failed")
      }))

    it.effect("nests relations both ways, with arguments at each level", () =>
      Effect.gen(function*() {
        const found = yield* read(`{
          flow_run(order_by: {id: asc}) {
            id
            flow { name project { name tenant { slug } } tasks(where: {mapped: {_eq: true}}, order_by: {slug: desc}) { slug } }
            task_runs(where: {state: {_neq: "Success"}}, order_by: {id: asc}, limit: 3, offset: 1) {
              id
              task { slug flow { id } }
              states(order_by: {version: desc}, limit: 1) { state timestamp }
            }
            agent { id }
          }
        }`)
        const expected = sortBy(archive.rows("flow_run"), byId).map((run) => {
          const flow = archive.find("flow", run["flow_id"])
          const project = archive.find("project", flow?.["project_id"])
          return {
            id: run["id"],
            flow: {
              name: flow?.["name"],
              project: {
                name: project?.["name"],
                tenant: { slug: archive.find("tenant", project?.["tenant_id"])?.["slug"] }
              },
              tasks: archive.rows("task").filter((task) => task["flow_id"] === flow?.["id"] && task["mapped"] === true)
                .map((task) => ({ slug: text(task["slug"]) })).toSorted((a, b) => a.slug < b.slug ? 1 : -1)
            },
            task_runs: sortBy(
              rows.filter((row) => row["flow_run_id"] === run["id"] && row["state"] !== "Success"),
              byId
            )
              .slice(1, 4).map((row) => ({
                id: row["id"],
                task: { slug: taskOf(row, archive)?.["slug"], flow: { id: flow?.["id"] } },
                states: sortBy(statesOf(row, archive), { ...is("version"), descending: true }).slice(0, 1)
                  .map((state) => ({ state: state["state"], timestamp: state["timestamp"] }))
              })),
            agent: null
          }
        })
        assert.deepStrictEqual(found, expected)
      }))

    it.effect("finds a row by its key, and null for none", () =>
      Effect.gen(function*() {
        const row = rows[5] ?? {}
        const found = yield* read(`query ($id: uuid!) { task_run_by_pk(id: $id) { id map_index task { slug } } }`, {
          id: row["id"]
        })
        assert.deepStrictEqual(found, {
          id: row["id"],
          map_index: row["map_index"],
          task: { slug: taskOf(row, archive)?.["slug"] }
        })
        const none = yield* ask(`{ task_run_by_pk(id: "00000000-0000-0000-0000-000000000000") { id } }`)
        assert.deepStrictEqual([none.data, none.errors], [{ task_run_by_pk: null }, []])
      }))

    it.effect("aggregates", () =>
      Effect.gen(function*() {
        const children = rows.filter((row) => row["map_index"] !== -1)
        const indexes = children.map((row) => Number(row["map_index"]))
        const found = (yield* read(`{
          task_run_aggregate(where: {map_index: {_neq: -1}}) {
            aggregate {
              count
              states: count(columns: [state], distinct: true)
              ended: count(columns: [end_time])
              max { map_index end_time state }
              min { map_index }
              sum { map_index }
              avg { map_index }
            }
            nodes { id }
          }
        }`)) as { readonly aggregate: Record<string, unknown>; readonly nodes: ReadonlyArray<Row> }
        const ends = children.flatMap((row) => row["end_time"] === null ? [] : [text(row["end_time"])])
        const average = indexes.reduce((sum, index) => sum + index, 0) / indexes.length
        const { avg, ...aggregate } = found.aggregate
        assert.approximately(Number(json(avg)["map_index"]), average, 1e-9)
        assert.deepStrictEqual(aggregate, {
          count: children.length,
          states: new Set(children.map((row) => row["state"])).size,
          ended: ends.length,
          max: {
            map_index: Math.max(...indexes),
            end_time: ends.toSorted((a, b) => Date.parse(a) - Date.parse(b)).at(-1),
            state: children.map((row) => text(row["state"])).toSorted().at(-1)
          },
          min: { map_index: 0 },
          sum: { map_index: indexes.reduce((sum, index) => sum + index, 0) }
        })
        assert.sameMembers([...ids(found.nodes)], [...ids(children)])
        const nested = yield* read(`{
          flow_run(order_by: {id: asc}) { task_runs_aggregate(where: {state: {_eq: "Success"}}) { aggregate { count } } }
        }`)
        assert.deepStrictEqual(
          nested,
          sortBy(archive.rows("flow_run"), byId).map((run) => ({
            task_runs_aggregate: {
              aggregate: {
                count: rows.filter((row) => row["flow_run_id"] === run["id"] && row["state"] === "Success").length
              }
            }
          }))
        )
      }))

    it.effect("takes parts of JSON by path", () =>
      Effect.gen(function*() {
        const found = yield* read(`{
          task_run(order_by: {id: asc}) {
            all: serialized_state(path: "$")
            type: serialized_state(path: "$.type")
            result: serialized_state(path: "_result.type")
            quoted: serialized_state(path: "$[\\"_result\\"]['location']")
            none: serialized_state(path: "$.no.such[3]")
          }
        }`)
        assert.deepStrictEqual(
          found,
          sortBy(rows, byId).map((row) => ({
            all: stateOf(row),
            type: stateOf(row)["type"],
            result: json(stateOf(row)["_result"] ?? {})["type"] ?? null,
            quoted: json(stateOf(row)["_result"] ?? {})["location"] ?? null,
            none: null
          }))
        )
        const flow = yield* read(`{ flow(where: {name: {_eq: "orders-etl"}}) { parameters(path: "[0].name") } }`)
        assert.deepStrictEqual(flow, [{ parameters: "n" }])
        const bad = yield* ask(`{ task_run { serialized_state(path: "$..x") } }`)
        assert.strictEqual(bad.errors[0]?.extensions.code, "validation-failed")
      }))

    it.effect("takes aliases, fragments, directives and __typename", () =>
      Effect.gen(function*() {
        const found = yield* ask(
          `query Some($yes: Boolean!, $no: Boolean = false) {
            first: task_run(order_by: {id: asc}, limit: 1) { ...Run ...Run kind: __typename same: id id }
            second: task_run(order_by: {id: desc}, limit: 1) {
              ... on task_run @include(if: $yes) { id }
              ... @skip(if: $yes) { name }
              state @include(if: $no)
              task { id }
              task { ...Task }
            }
            hidden: flow @skip(if: $yes) { id }
            __typename
          }
          fragment Run on task_run { index: map_index task { ...Task } }
          fragment Task on task { slug }`,
          { yes: true }
        )
        const [first = {}] = sortBy(rows, byId)
        const [second = {}] = sortBy(rows, { ...byId, descending: true })
        assert.deepStrictEqual(found.data, {
          first: [{
            index: first["map_index"],
            task: { slug: taskOf(first, archive)?.["slug"] },
            kind: "task_run",
            same: first["id"],
            id: first["id"]
          }],
          second: [{ id: second["id"], task: { id: second["task_id"], slug: taskOf(second, archive)?.["slug"] } }],
          __typename: "query_root"
        })
        assert.deepStrictEqual(Object.keys(found.data ?? {}), ["first", "second", "__typename"])
      }))

    it.effect("selects more fields than Postgres's functions take arguments", () =>
      Effect.gen(function*() {
        const aliases = Array.from({ length: 130 }, (_, index) => `alias_${index}`)
        const found = yield* read(
          `{ task_run(order_by: {id: asc}, limit: 1) { ${aliases.map((alias) => `${alias}: id`).join(" ")} } }`
        )
        const [first] = sortBy(rows, byId)
        assert.deepStrictEqual(found, [Object.fromEntries(aliases.map((alias) => [alias, first?.["id"]]))])
      }))

    it.effect("takes variables, also as JSON text", () =>
      Effect.gen(function*() {
        const query =
          `query ($where: task_run_bool_exp!, $order: [task_run_order_by!], $limit: Int = 3, $ids: [uuid!], $index: Int_comparison_exp, $columns: [task_run_select_column!], $direction: order_by = desc) {
          task_run(where: {_and: [$where, {id: {_in: $ids}, map_index: $index}]}, order_by: $order, limit: $limit, distinct_on: $columns) { id }
          last: task_run(order_by: {id: $direction}, limit: 1) { id }
        }`
        const some = sortBy(rows.filter((row) => row["map_index"] !== -1), byId).slice(0, 10)
        const variables = {
          where: { task: { mapped: { _eq: true } } },
          order: [{ map_index: "desc" }, { id: "asc" }],
          ids: ids(some),
          index: { _neq: -1 },
          unknown: 1
        }
        const expected = ids(sortBy(some, { ...is("map_index"), descending: true }, byId).slice(0, 3))
        for (const given of [variables, JSON.stringify(variables)]) {
          const { data, errors } = yield* ask(query, given)
          assert.deepStrictEqual([ids((data?.["task_run"] ?? []) as ReadonlyArray<Row>), errors], [expected, []])
          assert.deepStrictEqual(
            ids(data?.["last"] as ReadonlyArray<Row>),
            ids(sortBy(rows, { ...byId, descending: true }).slice(0, 1))
          )
        }
        const single = yield* read(
          `query ($ids: [uuid!]!, $order: task_run_order_by!) { task_run(where: {id: {_in: $ids}}, order_by: [$order]) { id } }`,
          {
            ids: some[0]?.["id"],
            order: { id: "asc" }
          }
        )
        assert.deepStrictEqual(single, [{ id: some[0]?.["id"] }])
        for (const given of [null, "null", "", undefined]) {
          assert.lengthOf((yield* read(`{ task_run { id } }`, given)) as [], rows.length)
        }
        for (const given of ["[1]", "{", 7]) {
          const refused = yield* ask(`{ task_run { id } }`, given)
          assert.deepStrictEqual([refused.status, refused.errors[0]?.extensions.code], [400, "validation-failed"])
        }
        const wrong = yield* ask(`query ($limit: Int!) { task_run(limit: $limit) { id } }`, { limit: "three" })
        assert.deepStrictEqual([wrong.status, wrong.errors[0]?.extensions.code], [400, "BAD_USER_INPUT"])
      }))

    it.effect("has the fields beside the tables that Prefect's clients read", () =>
      Effect.gen(function*() {
        const [tenant] = archive.rows("tenant")
        const parent = rows.find((row) =>
          row["map_index"] === -1 && taskOf(row, archive)?.["slug"] === "transform-1"
        ) ?? {}
        const mapped = rows.filter((row) =>
          row["task_id"] === parent["task_id"] && row["flow_run_id"] === parent["flow_run_id"] &&
          row["map_index"] !== -1
        )
        const { data } = yield* ask(
          `query ($id: UUID!) {
            hello
            api { backend version kind: __typename }
            auth_info { tenant: tenant_id }
            get_task_run_info(task_run_id: $id) { id version state serialized_state }
            mapped_children(task_run_id: $id) { min_start_time max_end_time state_counts }
          }`,
          { id: parent["id"] }
        )
        const times = (name: string) => sortBy(mapped, is(name)).flatMap((row) => row[name] ?? [])
        assert.deepStrictEqual(data, {
          hello: "hello",
          api: { backend: "SERVER", version: null, kind: "api_info" },
          auth_info: { tenant: tenant?.["id"] },
          get_task_run_info: {
            id: parent["id"],
            version: parent["version"],
            state: parent["state"],
            serialized_state: parent["serialized_state"]
          },
          mapped_children: {
            min_start_time: times("start_time")[0],
            max_end_time: times("end_time").at(-1),
            state_counts: { Success: mapped.length }
          }
        })
        const none = yield* ask(`{ get_task_run_info(task_run_id: "00000000-0000-0000-0000-000000000000") { id } }`)
        assert.deepStrictEqual(
          [none.data, none.errors[0]?.message],
          [{ get_task_run_info: null }, "Invalid task run ID"]
        )
      }))

    it.effect("sends one statement for each root field, however deep", () =>
      Effect.gen(function*() {
        const { sent } = yield* Statements
        const before = sent.length
        yield* ask(`{
          flow_run { id flow { name tasks { slug task_runs { id states { state } } } } logs_aggregate { aggregate { count } nodes { id } } }
          task_run_aggregate { aggregate { count } nodes { task { slug } } }
          again: flow_run { id }
          hello
          __schema { queryType { name } }
        }`)
        assert.strictEqual(sent.length - before, 3)
      }))
  })
}
