import * as ResultSchema from "@effect-prefect/formats/ResultSchema"
import { Column, Table } from "@effect-prefect/formats/Table"
import * as Pickle from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const berlin = new Pickle.ZoneInfo("Europe/Berlin")
const date = (tzinfo: unknown) => new Pickle.PyDateTime(2022, 6, 1, 12, 30, 15, 123_456, 0, tzinfo)

const decode = <S extends Schema.ConstraintDecoder<unknown>>(schema: S, value: unknown) =>
  Schema.decodeUnknownEffect(schema)(value)

const refusal = (schema: Schema.ConstraintDecoder<unknown>, value: unknown): string => {
  const result = Schema.decodeUnknownResult(schema)(value)
  assert.isTrue(Result.isFailure(result))
  return Result.isFailure(result) ? ResultSchema.describeIssue(result.failure.issue) : ""
}

describe("DateTime", () => {
  it.effect.each([
    ["a zone by name", date(berlin), "2022-06-01T12:30:15.123+02:00[Europe/Berlin]"],
    ["a fixed offset", date(new Pickle.Timezone(-12_600e6)), "2022-06-01T12:30:15.123-03:30"],
    ["no zone", date(null), "2022-06-01T12:30:15.123+00:00"],
    [
      "a Timestamp",
      new Pickle.Timestamp(1_654_086_615_123_456_789n, "ns", berlin),
      "2022-06-01T14:30:15.123+02:00[Europe/Berlin]"
    ],
    ["text", "2022-06-01T12:30:15.123456+02:00", "2022-06-01T12:30:15.123+02:00"],
    ["a datetime64", new Pickle.NpTime("datetime64", 1_654_086_615n, "s"), "2022-06-01T12:30:15.000+00:00"]
  ])("takes %s", ([, value, expected]) =>
    Effect.gen(function*() {
      assert.strictEqual(DateTime.formatIsoZoned(yield* decode(ResultSchema.DateTime, value)), expected)
    }))
  it.effect("keeps microseconds beside it", () =>
    Effect.gen(function*() {
      const { dateTime, microsecond } = yield* decode(ResultSchema.DateTimeMicros, date(berlin))
      assert.strictEqual(dateTime.epochMilliseconds, Date.UTC(2022, 5, 1, 10, 30, 15, 123))
      assert.strictEqual(microsecond, 456)
      const early = new Pickle.PyDateTime(1969, 12, 31, 23, 59, 59, 999_999, 0, null)
      const before = yield* decode(ResultSchema.DateTimeMicros, early)
      assert.deepStrictEqual([before.dateTime.epochMilliseconds, before.microsecond], [-1, 999])
    }))
  it.effect("encodes what it decodes", () =>
    Effect.gen(function*() {
      const value = yield* decode(ResultSchema.DateTimeMicros, date(berlin))
      const encoded = yield* Schema.encodeEffect(ResultSchema.DateTimeMicros)(value)
      assert.strictEqual(String(encoded), "2022-06-01T12:30:15.123456+02:00")
    }))
  it("refuses what is none, without showing it", () => {
    assert.strictEqual(refusal(ResultSchema.DateTime, "hunter2"), "expected datetime")
  })
})

describe("the others", () => {
  it.effect("Decimal is exact", () =>
    Effect.gen(function*() {
      const big = yield* decode(ResultSchema.Decimal, new Pickle.Decimal("-12345678901234567890.10"))
      assert.isTrue(Equal.equals(big, BigDecimal.make(-1_234_567_890_123_456_789_010n, 2)))
      assert.strictEqual(BigDecimal.format(yield* decode(ResultSchema.Decimal, "198.72")), "198.72")
      assert.strictEqual(BigDecimal.format(yield* decode(ResultSchema.Decimal, new Pickle.Decimal("1E+3"))), "1000")
      assert.strictEqual(refusal(ResultSchema.Decimal, new Pickle.Decimal("NaN")), "expected Decimal")
    }))
  it.effect("Duration is exact and may be negative", () =>
    Effect.gen(function*() {
      const micro = yield* decode(ResultSchema.Duration, new Pickle.PyTimedelta(-1, 86_399, 999_999))
      assert.deepStrictEqual(Duration.toNanosUnsafe(micro), -1_000n)
      const nano = yield* decode(ResultSchema.Duration, new Pickle.Timedelta(1_500_000_001n, "ns"))
      assert.deepStrictEqual(Duration.toNanosUnsafe(nano), 1_500_000_001n)
      assert.strictEqual(Duration.toMillis(yield* decode(ResultSchema.Duration, 1.5)), 1_500)
      const encoded = yield* Schema.encodeEffect(ResultSchema.Duration)(micro)
      assert.deepStrictEqual(encoded, new Pickle.PyTimedelta(-1, 86_399, 999_999))
    }))
  it.effect("UUID, Bytes, Integer, LocalDate and Path", () =>
    Effect.gen(function*() {
      const id = "0f8fad5b-d9cb-469f-a165-70867728950e"
      assert.strictEqual(yield* decode(ResultSchema.UUID, new Pickle.UUID(id)), id)
      assert.strictEqual(yield* decode(ResultSchema.UUID, id.toUpperCase()), id)
      assert.strictEqual(refusal(ResultSchema.UUID, "secret"), "expected UUID")
      assert.deepStrictEqual(yield* decode(ResultSchema.Bytes, Uint8Array.of(1, 2)), Uint8Array.of(1, 2))
      assert.strictEqual(yield* decode(ResultSchema.Integer, 7), 7n)
      assert.strictEqual(yield* decode(ResultSchema.Integer, 2n ** 70n), 2n ** 70n)
      assert.strictEqual(refusal(ResultSchema.Integer, 1.5), "expected int")
      const day = yield* decode(ResultSchema.LocalDate, new Pickle.PyDate(2022, 2, 3))
      assert.strictEqual(DateTime.formatIsoDateUtc(day), "2022-02-03")
      assert.strictEqual(yield* decode(ResultSchema.Path, new Pickle.Path("pathlib.PosixPath", "/a/b")), "/a/b")
    }))
  it.effect("set, list and dict take what Python has of each", () =>
    Effect.gen(function*() {
      const numbers = ResultSchema.set(Schema.Number)
      assert.deepStrictEqual(yield* decode(numbers, new Pickle.FrozenSet([1, 2])), new Set([1, 2]))
      assert.deepStrictEqual(yield* decode(numbers, [1, 2, 2]), new Set([1, 2]))
      const items = ResultSchema.list(Schema.Int)
      assert.deepStrictEqual(yield* decode(items, new Pickle.Tuple(1, 2)), [1, 2])
      assert.deepStrictEqual(yield* decode(items, new Pickle.Range(0, 3, 1)), [0, 1, 2])
      const byNumber = ResultSchema.dict(Schema.Int, Schema.String)
      assert.deepStrictEqual(
        yield* decode(byNumber, new Pickle.PyDict([[1, "a"], [2, "b"]])),
        new Map([[1, "a"], [2, "b"]])
      )
      const byText = ResultSchema.dict(Schema.String, Schema.Int)
      assert.deepStrictEqual(yield* decode(byText, { a: 1 }), new Map([["a", 1]]))
    }))
  it.effect("table gives the rows of any table", () =>
    Effect.gen(function*() {
      const cells = [[1, "1.10"], [2, null]] as const
      const column = (name: string, i: 0 | 1) =>
        new Column({ name, kind: "object", length: 2, at: (row) => cells[row]![i] })
      const rows = ResultSchema.table(Schema.Struct({ id: Schema.Int, total: Schema.NullOr(ResultSchema.Decimal) }))
      const decoded = yield* decode(rows, new Table([column("id", 0), column("total", 1)], 2))
      assert.deepStrictEqual(decoded.map(({ id, total }) => [id, total === null ? null : BigDecimal.format(total)]), [
        [1, "1.1"],
        [2, null]
      ])
      assert.strictEqual(
        refusal(rows, [{ id: 1, total: null }, { id: "hunter2", total: null }]),
        "[1].id: expected number"
      )
    }))
  it.effect("instance and enumValue read what the pickle only names", () =>
    Effect.gen(function*() {
      const order = new Pickle.PyObject(new Pickle.PyGlobal("mypkg", "Order"), [])
      order.states = [Object.assign(Object.create(null) as object, { id: 7 })]
      const schema = ResultSchema.instance("mypkg.Order", Schema.Struct({ id: Schema.Int }))
      assert.deepStrictEqual(yield* decode(schema, order), { id: 7 })
      const color = new Pickle.PyObject(new Pickle.PyGlobal("mypkg", "Color"), [2])
      assert.strictEqual(yield* decode(ResultSchema.enumValue(Schema.Int), color), 2)
      assert.strictEqual(refusal(schema, color), "expected an object of mypkg.Order")
    }))
  it.effect("projected gives the JSON projection to a schema", () =>
    Effect.gen(function*() {
      const schema = ResultSchema.projected(Schema.Struct({ at: Schema.String, tags: Schema.Array(Schema.String) }))
      const value = { at: date(berlin), tags: new Set(["a"]) }
      assert.deepStrictEqual(yield* decode(schema, value), { at: "2022-06-01T12:30:15.123456+02:00", tags: ["a"] })
    }))
})

describe("describeIssue", () => {
  const Row = Schema.Struct({
    id: Schema.Int,
    name: Schema.String.pipe(Schema.check(Schema.isMinLength(3))),
    "odd key": Schema.Union([Schema.Number, Schema.Boolean])
  })
  const secret = "hunter2"
  it.each([
    [{ id: secret, name: "abc", "odd key": 1 }, "id: expected"],
    [{ id: 1, name: "xy", "odd key": 1 }, "name: expected"],
    [{ id: 1, name: "abc", "odd key": secret }, "[\"odd key\"]: expected"],
    [{ id: 1, name: "abc" }, "[\"odd key\"]: it is missing"],
    [secret, "expected"]
  ])("names the path and what was expected, and no value", (value, start) => {
    const text = refusal(Row, value)
    assert.isTrue(text.startsWith(start), text)
    assert.notInclude(text, secret)
    assert.notInclude(text, "xy")
  })
  it("shows no value that a message of a filter quotes", () => {
    const strict = Schema.String.pipe(Schema.check(Schema.makeFilter((text: string) => `${text} is not right`)))
    assert.notInclude(refusal(strict, secret), secret)
  })
})

describe("decode", () => {
  const object = (name: string, attributes: object) => {
    const out = new Pickle.PyObject(new Pickle.PyGlobal("mypkg", name), [])
    out.states = [Object.assign(Object.create(null) as object, attributes)]
    return out
  }
  const read = <S extends Schema.ConstraintDecoder<unknown>>(schema: S, value: unknown) =>
    ResultSchema.decode(schema)(value)
  const reason = (schema: Schema.ConstraintDecoder<unknown>, value: unknown) =>
    Effect.map(Effect.flip(read(schema, value)), (error) => error.message)
  const Point = Schema.Struct({ x: Schema.Number, y: Schema.Number })

  it.effect("reads an object that has the fields of a struct, wherever it is", () =>
    Effect.gen(function*() {
      const point = object("Point", { x: 1, y: 2, hidden: 3 })
      assert.deepStrictEqual(yield* read(Point, point), { x: 1, y: 2 })
      const schema = Schema.Struct({ points: Schema.Array(Point), corner: ResultSchema.instance("mypkg.Point", Point) })
      const value = { points: [point, point], corner: point }
      assert.deepStrictEqual(yield* read(schema, value), {
        points: [{ x: 1, y: 2 }, { x: 1, y: 2 }],
        corner: { x: 1, y: 2 }
      })
    }))
  it.effect("gives objects as they are to a schema that takes them", () =>
    Effect.gen(function*() {
      const point = object("Point", { x: 1 })
      assert.strictEqual(yield* read(Schema.Unknown, point), point)
      const same = yield* read(Schema.Array(Schema.instanceOf(Pickle.PyObject)), [point])
      assert.strictEqual(same[0], point)
    }))
  it.effect("reads rows of a table, members of an Enum, scalars of NumPy and named tuples", () =>
    Effect.gen(function*() {
      const table = new Table([new Column({ name: "x", kind: "int", length: 2, at: (row) => row })], 2)
      assert.deepStrictEqual(yield* read(Schema.Array(Schema.Struct({ x: Schema.Int })), table), [{ x: 0 }, { x: 1 }])
      assert.strictEqual(yield* read(Schema.String, new Pickle.PyEnum("mypkg.Color", "RED", "red")), "red")
      const scalar = new Pickle.NpScalar(new Pickle.DType("f", 8, "<"), new Uint8Array(8), 1.5)
      assert.strictEqual(yield* read(Schema.Number, scalar), 1.5)
      const pair = Object.assign(Pickle.NamedTuple.from([1, 2]), { className: "mypkg.Point", fields: ["x", "y"] })
      assert.deepStrictEqual(yield* read(Point, pair), { x: 1, y: 2 })
      assert.deepStrictEqual(yield* read(Schema.Array(Schema.Number), pair), [1, 2])
    }))
  it.effect("says where what was expected and of what type the value was, and never the value", () =>
    Effect.gen(function*() {
      const Rows = Schema.Array(
        Schema.Struct({ amount: ResultSchema.Decimal, at: Schema.NullOr(ResultSchema.DateTime) })
      )
      const good = { amount: new Pickle.Decimal("1.5"), at: null }
      const message = yield* reason(Rows, [good, good, good, { amount: "hunter2", at: null }])
      assert.include(message, "[3].amount: expected Decimal, found a string")
      assert.notInclude(message, "hunter2")
      assert.include(yield* reason(Point, object("Point", { x: 1 })), "y: it is missing")
      assert.include(
        yield* reason(Point, object("Point", { x: 1, y: new Set([1]) })),
        "y: expected number, found a set"
      )
      const zone = object("Zone", {})
      const unknown = new Pickle.PyDateTime(2020, 7, 1, 0, 0, 0, 0, 0, zone)
      assert.include(
        yield* reason(ResultSchema.DateTime, unknown),
        "expected datetime, found a datetime whose zone is not known"
      )
      assert.include(
        yield* reason(ResultSchema.DateTimeMicros, new Pickle.Timestamp(0n, "ns", zone)),
        "found a Timestamp whose zone is not known"
      )
    }))
  it.effect.each(
    [
      [null, "null"],
      [true, "a boolean"],
      [NaN, "NaN"],
      [Infinity, "an infinity"],
      [2n ** 70n, "an integer beyond"],
      [new Pickle.Tuple(1, 2), "a tuple"],
      [new Pickle.FrozenSet([1]), "a frozenset"],
      [new Pickle.PyDict([[1, 2]]), "a dict"],
      [new Uint8Array(2), "bytes"],
      [new Pickle.ByteArray(new ArrayBuffer(2)), "a bytearray"],
      [new Pickle.PyDate(2020, 1, 2), "a date"],
      [new Pickle.Deque(), "a deque"],
      [new Pickle.Period(1, "M"), "a Period"],
      [new Pickle.PyGlobal("a", "B"), "a class or function"],
      [Pickle.NaT, "NaT"],
      [object("Point", {}), "an object of mypkg.Point"]
    ] as const
  )("names the type of %s", ([value, found]) =>
    Effect.gen(function*() {
      assert.include(yield* reason(Schema.String, value), `found ${found}`)
    }))
})
