import { assert, describe, it } from "@effect/vitest"
import * as Keyset from "../src/internal/graphql/keyset.ts"

type Row = { readonly [column: string]: string | number | null }

const orders = {
  byTaskAndMapIndex: Keyset.byTaskAndMapIndex,
  byMapIndex: Keyset.byMapIndex,
  newestFirst: Keyset.newestFirst,
  oldestFirst: Keyset.oldestFirst,
  byTimestamp: Keyset.byTimestamp,
  byId: Keyset.byId
}

const values: Record<string, ReadonlyArray<string | number | null>> = {
  id: ["a", "b", "c"],
  task_id: ["t", "u", null],
  map_index: [-1, 0, 2],
  created: ["2022-03-01T12:00:00+00:00", "2022-03-01T12:00:00.5+00:00", null],
  timestamp: ["2022-03-01T12:00:00.000001+00:00", "2022-03-01T12:00:00.000002+00:00"]
}

/** Every row that the values of an order's columns make. */
const rowsOf = (order: Keyset.Order): ReadonlyArray<Row> =>
  order.reduce<ReadonlyArray<Row>>(
    (rows, { name }) => rows.flatMap((row) => values[name]!.map((value) => ({ ...row, [name]: value }))),
    [{}]
  )

/** What a server makes of a condition: a null never compares. */
const holds = (row: Row, condition: Keyset.Condition): boolean =>
  Object.entries(condition).every(([name, value]) => {
    const list = value as ReadonlyArray<Keyset.Condition>
    if (name === "_and") return list.every((one) => holds(row, one))
    if (name === "_or") return list.some((one) => holds(row, one))
    const own = row[name] ?? null
    return Object.entries(value as object).every(([operator, other]) => {
      if (operator === "_is_null") return (own === null) === other
      if (own === null) return false
      switch (operator) {
        case "_eq":
          return own === other
        case "_gt":
          return own > other
        case "_gte":
          return own >= other
        case "_lt":
          return own < other
        case "_lte":
          return own <= other
        default:
          throw new Error(operator)
      }
    })
  })

describe.each(Object.entries(orders))("%s", (_, order) => {
  const rows = rowsOf(order)
  const position = (row: Row) => Keyset.positionOf(order, row)!

  it("puts any two rows one before the other, and the condition after one gives those that follow", () => {
    for (const left of rows) {
      const following = rows.filter((row) => Keyset.isBefore(order, position(left), position(row)))
      assert.deepStrictEqual(rows.filter((row) => holds(row, Keyset.after(order, position(left)))), following)
      assert.isFalse(Keyset.isBefore(order, position(left), position(left)))
      for (const right of rows) {
        if (left === right) continue
        assert.strictEqual(
          Keyset.isBefore(order, position(left), position(right)),
          !Keyset.isBefore(order, position(right), position(left))
        )
      }
    }
  })

  it("has nulls last, in either direction", () => {
    const sorted = rows.toSorted((left, right) => Keyset.isBefore(order, position(left), position(right)) ? -1 : 1)
    const [first] = order
    const column = sorted.map((row) => row[first!.name] ?? null)
    const nulls = column.filter((value) => value === null).length
    assert.isTrue(column.slice(column.length - nulls).every((value) => value === null))
    const given = column.slice(0, column.length - nulls) as Array<string | number>
    const ascending = given.toSorted((left, right) => left < right ? -1 : left > right ? 1 : 0)
    assert.deepStrictEqual(given, first!.direction === "asc" ? ascending : ascending.toReversed())
  })

  it("has a position for rows whose columns are of their types", () => {
    const [row] = rows
    for (const { kind, name, nullable } of order) {
      assert.strictEqual(Keyset.positionOf(order, { ...row, [name]: null }) === undefined, !nullable, name)
      assert.strictEqual(Keyset.positionOf(order, { ...row, [name]: undefined }) === undefined, !nullable, name)
      for (const wrong of kind === "int" ? ["1", 1.5, 2 ** 53, true] : [1, true, {}]) {
        assert.isUndefined(Keyset.positionOf(order, { ...row, [name]: wrong }), `${name} ${String(wrong)}`)
      }
    }
    assert.deepStrictEqual(Keyset.positionOf(order, row!), order.map(({ name }) => row![name]!))
  })
})

it("writes orders as the server reads them", () => {
  assert.deepStrictEqual(Object.values(orders).map(Keyset.orderBy), [
    "[{ task_id: asc }, { map_index: asc }, { id: asc }]",
    "[{ map_index: asc }, { id: asc }]",
    "[{ created: desc_nulls_last }, { id: desc }]",
    "[{ created: asc }, { id: asc }]",
    "[{ timestamp: asc }, { id: asc }]",
    "[{ id: asc }]"
  ])
})

it("bounds a column that has no nulls on the outside, where an index can use it", () => {
  assert.deepStrictEqual(Keyset.after(Keyset.byMapIndex, [7, "a"]), {
    map_index: { _gte: 7 },
    _or: [{ map_index: { _gt: 7 } }, { _and: [{ map_index: { _eq: 7 } }, { id: { _gt: "a" } }] }]
  })
  const descending: Keyset.Order = Keyset.byMapIndex.map((column) => ({ ...column, direction: "desc" }))
  assert.deepStrictEqual(Keyset.after(descending, [7, "a"]), {
    map_index: { _lte: 7 },
    _or: [{ map_index: { _lt: 7 } }, { _and: [{ map_index: { _eq: 7 } }, { id: { _lt: "a" } }] }]
  })
})

it("compares times as instants, and does not judge those that cannot be read", () => {
  const isBefore = (left: string, right: string) => Keyset.isBefore(Keyset.byTimestamp, [left, "b"], [right, "a"])
  assert.isTrue(isBefore("2022-03-01T12:00:00+00:00", "2022-03-01T12:00:01+00:00"))
  assert.isFalse(isBefore("2022-03-01T12:00:00+00:00", "2022-03-01T13:00:00+01:00"))
  assert.isTrue(isBefore("no time", "2022-03-01T12:00:00+00:00"))
  assert.isTrue(isBefore("2022-03-01T12:00:00+00:00", "no time"))
})
