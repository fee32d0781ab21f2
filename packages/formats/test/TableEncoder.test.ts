import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { Column, type ColumnKind, type ColumnParts, Table } from "@effect-prefect/formats/Table"
import * as TableEncoder from "@effect-prefect/formats/TableEncoder"
import { Decimal, PyDate, PyTime, Timedelta, Timestamp, Timezone } from "@effect-prefect/pickle"
import { assert, describe, it, vi } from "@effect/vitest"
import { tableFromIPC } from "@uwdata/flechette"
import * as Effect from "effect/Effect"

const column = (name: string, kind: ColumnKind, values: ReadonlyArray<unknown>, extra: Partial<ColumnParts> = {}) =>
  new Column({ name, kind, length: values.length, at: (row) => values[row], ...extra })

const instant = 1_600_000_000_123_456_789n

const table = new Table(
  [
    column("bool", "bool", [true, null, false]),
    column("int", "int", [1, 2n ** 62n, null]),
    column("beyond", "int", [1, 2n ** 80n, -5]),
    column("float", "float", [1.5, NaN, -2e300]),
    column("text", "string", ["a,\"b\"\n", "", null]),
    column("bytes", "bytes", [new Uint8Array([1, 2]), null, new Uint8Array()]),
    column("decimal", "decimal", [new Decimal("1.50"), new Decimal("-12345678901234567890.123"), null]),
    column("odd decimal", "decimal", [new Decimal("NaN"), new Decimal("1E+2"), null]),
    column("local", "datetime", [new Timestamp(instant, "ns", null), null, new Timestamp(-1n, "ns", null)]),
    column("zoned", "datetime", [new Timestamp(instant, "ns", new Timezone(0)), null, null], { timezone: "UTC" }),
    column("date", "date", [new PyDate(2020, 2, 29), null, new PyDate(1, 1, 1)]),
    column("time", "time", [new PyTime(1, 2, 3, 0, 0, null), null, null]),
    column("span", "timedelta", [new Timedelta(5n, "ns"), new Timedelta(-86_400_000_000_001n, "ns"), null]),
    column("object", "object", [[1, 2], { a: 1 }, null]),
    column("text", "string", ["x", "y", "z"])
  ],
  3,
  [column("index", "int", [10, 20, 30])]
)

const rows = [
  {
    index: 10,
    bool: true,
    int: 1,
    beyond: "1",
    float: 1.5,
    text: "a,\"b\"\n",
    bytes: "AQI=",
    decimal: "1.500",
    "odd decimal": "NaN",
    local: "2020-09-13T12:26:40.123456789",
    zoned: "2020-09-13T12:26:40.123456789+00:00",
    date: "2020-02-29",
    time: "01:02:03",
    span: 5e-9,
    object: "[1,2]",
    text_1: "x"
  },
  {
    index: 20,
    bool: null,
    int: "4611686018427387904",
    beyond: "1208925819614629174706176",
    float: null,
    text: "",
    bytes: null,
    decimal: "-12345678901234567890.123",
    "odd decimal": "1E+2",
    local: null,
    zoned: null,
    date: null,
    time: null,
    span: -86400.000000001,
    object: "{\"a\":1}",
    text_1: "y"
  },
  {
    index: 30,
    bool: false,
    int: null,
    beyond: "-5",
    float: -2e300,
    text: null,
    bytes: "",
    decimal: null,
    "odd decimal": null,
    local: "1969-12-31T23:59:59.999999999",
    zoned: null,
    date: "0001-01-01",
    time: null,
    span: null,
    object: null,
    text_1: "z"
  }
]

const readBack = (bytes: Uint8Array, name: string) =>
  Effect.flatMap(ResultFormat.decode(bytes, { name, maxBytes: 1 << 20 }), (value) => JsonProjection.toJson(value))

describe("every kind of column, with missing values, an index and a name that occurs twice", () => {
  it.effect("survives Arrow", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* readBack(yield* TableEncoder.arrow(table), "x.arrow"), rows)
    }))

  it.effect("survives Parquet, where spans of time are nanoseconds", () =>
    Effect.gen(function*() {
      const spans = [5, -86_400_000_000_001, null]
      assert.deepStrictEqual(
        yield* readBack(yield* TableEncoder.parquet(table), "x.parquet"),
        rows.map((row, i) => ({ ...row, span: spans[i] })) as never
      )
    }))

  it("is CSV as RFC 4180 has it", () => {
    const lines = [
      "index,bool,int,beyond,float,text,bytes,decimal,odd decimal,local,zoned,date,time,span,object,text",
      "10,true,1,1,1.5,\"a,\"\"b\"\"\n\",AQI=,1.50,NaN,2020-09-13T12:26:40.123456789," +
      "2020-09-13T12:26:40.123456789+00:00,2020-02-29,01:02:03,5e-9,\"[1,2]\",x",
      "20,,4611686018427387904,1208925819614629174706176,,\"\",,-12345678901234567890.123,1E+2,,,,," +
      "-86400.000000001,\"{\"\"a\"\":1}\",y",
      "30,false,,-5,-2e+300,,\"\",,,1969-12-31T23:59:59.999999999,,0001-01-01,,,,z",
      ""
    ]
    assert.strictEqual([...TableEncoder.csv(table)].join(""), lines.join("\r\n"))
  })
})

describe("tables at the edges", () => {
  it.effect("without rows, and without columns", () =>
    Effect.gen(function*() {
      const noRows = new Table([column("a", "int", []), column("b", "string", [])], 0)
      for (const encode of [TableEncoder.arrow, TableEncoder.parquet]) {
        assert.deepStrictEqual(yield* readBack(yield* encode(noRows), "x"), [])
      }
      assert.strictEqual([...TableEncoder.csv(noRows)].join(""), "a,b\r\n")
    }))

  it("one column of missing values is not a file of empty lines", () => {
    const lone = new Table([column("a", "string", [null, "x"])], 2)
    assert.strictEqual([...TableEncoder.csv(lone)].join(""), "a\r\n\"\"\r\nx\r\n")
  })

  it("CSV of many rows comes in pieces", () => {
    const count = 50_000
    const many = new Table([column("a", "int", Array.from({ length: count }, (_, i) => i))], count)
    const pieces = [...TableEncoder.csv(many)]
    assert.isAbove(pieces.length, 2)
    assert.strictEqual(pieces.join("").split("\r\n").length, count + 2)
  })

  it.effect("a datetime whose zone is not known stays what it is, as text", () =>
    Effect.gen(function*() {
      const unknown = new Table([
        column("t", "datetime", [new Timestamp(0n, "ns", null)], { timezone: "unknown" })
      ], 1)
      const decoded = yield* ResultFormat.decode(yield* TableEncoder.arrow(unknown), { name: "x", maxBytes: 1 << 20 })
      assert.strictEqual((decoded as Table).columns[0]!.kind, "string")
    }))
})

describe("a table of many rows", () => {
  const numRows = 25_000
  const many = new Table(
    [
      new Column({ name: "id", kind: "int", length: numRows, at: (row) => row }),
      new Column({ name: "text", kind: "string", length: numRows, at: (row) => row % 7 === 0 ? null : `row ${row}` }),
      new Column({ name: "long", kind: "string", length: numRows, at: (row) => "x".repeat(row % 50) })
    ],
    numRows
  )
  const encoders = [["arrow", TableEncoder.arrow], ["parquet", TableEncoder.parquet]] as const
  for (const [format, encode] of encoders) {
    it.effect(`is written as ${format} in steps, in parts that are read as one`, () =>
      Effect.gen(function*() {
        let steps = 0
        const clock = vi.spyOn(performance, "now").mockImplementation(() => ++steps / 100)
        const bytes = yield* Effect.ensuring(encode(many), Effect.sync(() => clock.mockRestore()))
        assert.isAtLeast(steps, 35)
        const read = yield* ResultFormat.decode(bytes, { name: "x", maxBytes: 2 ** 28 })
        assert.isTrue(read instanceof Table && read.numRows === numRows)
        for (const row of [0, 19_999, 20_000, numRows - 1]) {
          assert.deepStrictEqual((read as Table).row(row), many.row(row))
        }
      }))
  }

  for (const [format, encode] of encoders) {
    it.effect(`is written as ${format} with cells of few values each, of which each is a step`, () =>
      Effect.gen(function*() {
        const cells = new Table([new Column({ name: "a", kind: "object", length: 300, at: (row) => [row] })], 300)
        let steps = 0
        const clock = vi.spyOn(performance, "now").mockImplementation(() => ++steps / 100)
        yield* Effect.ensuring(encode(cells), Effect.sync(() => clock.mockRestore()))
        assert.isAtLeast(steps, 300)
      }))

    it.effect(`is written as ${format} with columns of one name, whose numbers are not tried again`, () =>
      Effect.gen(function*() {
        const names = ["c_1", ...Array.from({ length: 300 }, () => "c")]
        const table = new Table(names.map((name) => column(name, "int", [1])), 1)
        const { has } = Set.prototype
        let asked = 0
        const spy = vi.spyOn(Set.prototype, "has").mockImplementation(function(this: Set<unknown>, value) {
          if (typeof value === "string" && value.startsWith("c")) asked++
          return has.call(this, value)
        })
        const bytes = yield* Effect.ensuring(encode(table), Effect.sync(() => spy.mockRestore()))
        assert.isBelow(asked, 5 * names.length)
        const read = yield* ResultFormat.decode(bytes, { name: "x", maxBytes: 2 ** 28 })
        const expected = ["c_1", "c", ...Array.from({ length: 299 }, (_, i) => `c_${i + 2}`)]
        assert.deepStrictEqual((read as Table).columnNames, expected)
      }))

    it.effect(`is written as ${format} with many columns, which are described in steps`, () =>
      Effect.gen(function*() {
        // Two row groups.
        const text = "x".repeat(1_100_000)
        const wide = new Table(
          Array.from({ length: 530 }, (_, at) => {
            const name = `column ${at}`
            if (at % 2 === 0) return column(name, "int", [at, at + 1, null, at + 2])
            return at % 3 === 0
              ? column(name, "date", [new PyDate(2020, 2, 28), null, new PyDate(2020, 2, 29), null])
              : column(name, "string", at === 301 ? [text, text, null, ""] : [`${at}`, "", null, "é"])
          }),
          4
        )
        let steps = 0
        const clock = vi.spyOn(performance, "now").mockImplementation(() => ++steps / 100)
        const bytes = yield* Effect.ensuring(encode(wide), Effect.sync(() => clock.mockRestore()))
        assert.isAtLeast(steps, 14)
        const read = yield* ResultFormat.decode(bytes, { name: "x", maxBytes: 2 ** 28 })
        assert.isTrue(read instanceof Table && read.numRows === 4)
        for (let row = 0; row < 4; row++) assert.deepStrictEqual((read as Table).row(row), wide.row(row))
        // Another reader of the format.
        const flat = format === "arrow" ? tableFromIPC(bytes) : undefined
        if (flat !== undefined) assert.deepStrictEqual([...flat.getChild("column 7")], ["7", "", null, "é"])
      }))
  }
})
