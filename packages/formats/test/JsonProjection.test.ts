import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as Pickle from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const python = (module: string, name: string, args: ReadonlyArray<unknown> = [], state?: object) => {
  const object = new Pickle.PyObject(new Pickle.PyGlobal(module, name), args)
  if (state !== undefined) object.states = [Object.assign(Object.create(null) as object, state)]
  return object
}

const f8 = (values: ReadonlyArray<number>) => new Uint8Array(new Float64Array(values).buffer)
const float64 = new Pickle.DType("f", 8, "<")

describe("toJson", () => {
  it.effect.each<readonly [string, unknown, unknown]>([
    ["None", null, null],
    ["a bool", true, true],
    ["text with a lone surrogate", "a\ud800", "a\ud800"],
    ["the largest number", 9007199254740991, 9007199254740991],
    ["a larger integer", 9007199254740992n, "9007199254740992"],
    ["a large negative integer", -(2n ** 70n), "-1180591620717411303424"],
    ["a small bigint", 7n, 7],
    ["a large float", 1e300, 1e300],
    ["NaN and the infinities", [Number.NaN, Infinity, -Infinity, new Pickle.PyFloat(Number.NaN)], [
      null,
      null,
      null,
      null
    ]],
    ["a Decimal", new Pickle.Decimal("1.10"), "1.10"],
    ["a UUID", new Pickle.UUID("0f8fad5b-d9cb-469f-a165-70867728950e"), "0f8fad5b-d9cb-469f-a165-70867728950e"],
    ["a Fraction", new Pickle.Fraction(1n, 3n), "1/3"],
    ["a complex", new Pickle.Complex(1.5, -2), "(1.5-2j)"],
    ["a Path", new Pickle.Path("pathlib.PosixPath", "/a"), "/a"],
    ["bytes", Uint8Array.of(255, 0, 1, 2), "/wABAg=="],
    ["a date", new Pickle.PyDate(2022, 1, 2), "2022-01-02"],
    ["a time", new Pickle.PyTime(1, 2, 3, 0, 0, null), "01:02:03"],
    [
      "a datetime",
      new Pickle.PyDateTime(2022, 3, 1, 13, 30, 0, 5, 0, new Pickle.Timezone(3600e6)),
      "2022-03-01T13:30:00.000005+01:00"
    ],
    ["a Timestamp", new Pickle.Timestamp(1n, "ns", null), "1970-01-01T00:00:00.000000001"],
    ["a timedelta", new Pickle.PyTimedelta(1, 1, 500_000), 86401.5],
    ["a Timedelta", new Pickle.Timedelta(-1_500_000_000n, "ns"), -1.5],
    ["NaT and NA", [Pickle.NaT, Pickle.NA], [null, null]],
    ["a tuple and a deque", [new Pickle.Tuple<unknown>(1, 2), Object.assign(new Pickle.Deque<unknown>(), { 0: 1 })], [[
      1,
      2
    ], [
      1
    ]]],
    ["a range", new Pickle.Range(0, 6, 2), [0, 2, 4]],
    ["a set", new Pickle.PySet(["a", 1]), ["a", 1]],
    ["an Enum", new Pickle.PyEnum("mypkg.Color", "RED", 1), 1],
    ["a scalar of NumPy", new Pickle.NpScalar(float64, f8([1.5]), 1.5), 1.5],
    ["a datetime64", new Pickle.NpTime("datetime64", 0n, "s"), "1970-01-01T00:00:00"],
    ["a timedelta64", new Pickle.NpTime("timedelta64", 1500n, "ms"), 1.5],
    ["an array", new Pickle.NdArray(float64, [2, 2], "C", f8([1, 2, 3, 4]), null), [[1, 2], [3, 4]]],
    ["an array by columns", new Pickle.NdArray(float64, [2, 3], "F", f8([1, 4, 2, 5, 3, 6]), null), [[1, 2, 3], [
      4,
      5,
      6
    ]]],
    ["an array without items", new Pickle.NdArray(float64, [2, 0], "C", f8([]), null), [[], []]],
    ["an array without dimensions", new Pickle.NdArray(float64, [], "C", f8([7]), null), 7],
    ["a class", new Pickle.PyGlobal("mypkg", "Order"), "mypkg.Order"],
    ["an object", python("mypkg", "Order", [], { id: 1, at: new Pickle.PyDate(2022, 1, 1) }), {
      __class__: "mypkg.Order",
      id: 1,
      at: "2022-01-01"
    }],
    ["an exception", python("builtins", "ValueError", ["no"]), { __class__: "builtins.ValueError", __args__: ["no"] }],
    ["a dict", { a: 1, b: { c: [] } }, { a: 1, b: { c: [] } }],
    ["what a registry made", new Date(0), "1970-01-01T00:00:00.000Z"]
  ])("shows %s", ([, value, expected]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* JsonProjection.toJson(value), expected as JsonProjection.Json)
      assert.deepStrictEqual(JSON.parse(yield* JsonProjection.toText(value)), JSON.parse(JSON.stringify(expected)))
    }))

  it.effect("writes keys as Python's str does, and keeps the last of equal ones", () =>
    Effect.gen(function*() {
      const keys: ReadonlyArray<readonly [unknown, string]> = [
        [1, "1"],
        [true, "True"],
        [null, "None"],
        [1.5, "1.5"],
        [new Pickle.PyFloat(2), "2.0"],
        [1e22, "1e+22"],
        [-(2n ** 64n), "-18446744073709551616"],
        [new Pickle.Tuple<unknown>(1, "a", new Pickle.Tuple<unknown>("it's")), "(1, 'a', (\"it's\",))"],
        [new Pickle.Tuple<unknown>(), "()"],
        [Uint8Array.of(120, 0, 39), "b\"x\\x00'\""],
        [new Pickle.PyDateTime(2022, 1, 1, 0, 0, 0, 0, 0, null), "2022-01-01 00:00:00"],
        [new Pickle.PyDateTime(2022, 1, 1, 0, 0, 0, 0, 0, new Pickle.Timezone(0)), "2022-01-01 00:00:00+00:00"],
        [new Pickle.PyDate(2022, 1, 2), "2022-01-02"],
        [new Pickle.Tuple<unknown>(new Pickle.PyDate(2022, 1, 2)), "(datetime.date(2022, 1, 2),)"],
        [new Pickle.Timestamp(0n, "ns", null), "1970-01-01 00:00:00"],
        [
          new Pickle.Tuple<unknown>(new Pickle.Timestamp(0n, "ns", new Pickle.Timezone(0))),
          "(Timestamp('1970-01-01 00:00:00+0000', tz='UTC'),)"
        ],
        [new Pickle.PyTimedelta(1, 2, 0), "1 day, 0:00:02"],
        [new Pickle.Timedelta(90_000_000_000_000n, "ns"), "1 days 01:00:00"],
        [new Pickle.Decimal("1.10"), "1.10"],
        [new Pickle.Tuple<unknown>(new Pickle.Decimal("1.10")), "(Decimal('1.10'),)"],
        [new Pickle.FrozenSet([1]), "frozenset({1})"],
        [new Pickle.PyGlobal("mypkg", "Order"), "<class 'mypkg.Order'>"],
        ["text\n", "text\n"],
        [new Pickle.Tuple<unknown>("\n\u00e9\u200b"), "('\\n\u00e9\\u200b',)"]
      ]
      const dict = new Map(keys.map(([key], i) => [key, i]))
      assert.deepStrictEqual(Object.entries((yield* JsonProjection.toJson(dict)) as object), [
        ["1", 0],
        ...keys.slice(1).map(([, text], i) => [text, i + 1] as [string, number])
      ])
      const equal = new Map<unknown, unknown>([[1, "first"], ["1", "last"]])
      assert.deepStrictEqual(yield* JsonProjection.toJson(equal), { "1": "last" })
    }))

  it.effect("tells float keys without a fraction from integers", () =>
    Effect.gen(function*() {
      // pickle.dumps({1.0: [2.0], 0.5: 1, (1.0, 2): {}}, 4)
      const bytes = Buffer.from(
        "80049530000000000000007d9428473ff00000000000005d9447400000000000000061473fe00000000000004b01473ff00000000000004b0286947d94752e",
        "hex"
      )
      const value = yield* ResultFormat.decode(bytes, { name: "a", maxBytes: 1_000 })
      assert.deepStrictEqual(yield* JsonProjection.toJson(value), { "1.0": [2], "0.5": 1, "(1.0, 2)": {} })
    }))

  it.effect("tells them also beside large bytes, few and many", () =>
    Effect.gen(function*() {
      const size = 0x180000
      const head = (item: ReadonlyArray<number>) =>
        Uint8Array.from([0x80, 3, 0x28, ...item, 0x42, size & 0xff, size >> 8 & 0xff, size >> 16, 0])
      // pickle.dumps({KEY: bytes(size), NUMBER: ["a"] * count}, 3), in which the bytes hold no G.
      const key = { float: [0x47, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0], int: [0x4b, 1] }
      for (const [name, item] of Object.entries(key)) {
        for (const count of [0, 20_000]) {
          const list = [
            0x4b,
            7,
            0x5d,
            0x28,
            ...Array.from({ length: count }, () => [0x58, 1, 0, 0, 0, 0x61]).flat(),
            0x65
          ]
          const bytes = Buffer.concat([head(item), new Uint8Array(size), Uint8Array.from([...list, 0x64, 0x2e])])
          const value = yield* ResultFormat.decode(bytes, { name: "a", maxBytes: 1 << 24 })
          const level = JsonProjection.level(value)
          assert.deepStrictEqual(level._tag === "Object" ? level.keys : [], [name === "float" ? "1.0" : "1", "7"])
        }
      }
    }))

  it.effect("keeps __proto__ as a key", () =>
    Effect.gen(function*() {
      const json = yield* JsonProjection.toJson(new Map([["__proto__", { polluted: true }]]))
      assert.deepStrictEqual(Object.entries(json as object), [["__proto__", { polluted: true }]])
      assert.isUndefined(({} as Record<string, unknown>)["polluted"])
    }))

  it.effect("goes 1000 deep and no deeper", () =>
    Effect.gen(function*() {
      const nested = (depth: number) => {
        let value: unknown = 1
        for (let i = 0; i < depth; i++) value = [value]
        return value
      }
      let json = yield* JsonProjection.toJson(nested(1_000))
      for (let i = 0; i < 1_000; i++) json = (json as ReadonlyArray<JsonProjection.Json>)[0]!
      assert.strictEqual(json, 1)
      const error = yield* Effect.flip(JsonProjection.toJson(nested(1_001)))
      assert.strictEqual(error.reason._tag, "Undecodable")
      assert.include(error.message, "nested more than 1000 deep")
      yield* Effect.flip(JsonProjection.toText(nested(100_000)))
    }))

  it.effect("refuses a cycle", () =>
    Effect.gen(function*() {
      const list: Array<unknown> = []
      list.push(list, list)
      assert.include((yield* Effect.flip(JsonProjection.toJson(list))).message, "contains itself")
      const object = python("mypkg", "Node", [], {})
      object.states = [Object.assign(Object.create(null) as object, { self: object })]
      assert.include((yield* Effect.flip(JsonProjection.validate(object))).message, "contains itself")
    }))

  it.effect("refuses few bytes that stand for endless values", () =>
    Effect.gen(function*() {
      let value: unknown = []
      for (let i = 0; i < 60; i++) value = [value, value]
      assert.include((yield* Effect.flip(JsonProjection.validate(value, { maxValues: 100_000 }))).message, "too much")
      const endless = new Pickle.Range(0, 10n ** 20n, 1)
      yield* Effect.flip(JsonProjection.validate(endless, { maxValues: 100_000 }))
      // Not even a part of the text is made.
      assert.throws(() => JsonProjection.toChunks(value).next(), /too much/)
      let key: unknown = new Pickle.Tuple<unknown>("x")
      for (let i = 0; i < 60; i++) key = new Pickle.Tuple<unknown>(key, key)
      assert.include((yield* Effect.flip(JsonProjection.toJson(new Map([[key, 1]])))).message, "a key of a dict")
    }))
})

describe("what takes time or text wherever it comes again", () => {
  const few = 20
  const long = "k".repeat(16_000)
  const integer = 1n << 60_000n
  const digits = String(integer).length
  const refused = (value: unknown, maxValues: number) =>
    Effect.gen(function*() {
      const many = Array.from({ length: few }, () => value)
      for (const project of [JsonProjection.toJson, JsonProjection.toText, JsonProjection.validate]) {
        yield* project([value], { maxValues })
        const { message } = yield* Effect.flip(project(many, { maxValues }) as Effect.Effect<unknown, Error>)
        assert.include(message, "it holds too much to show")
      }
    })

  it.effect("a long key counts like text", () =>
    Effect.gen(function*() {
      yield* refused({ [long]: 1 }, few * 1_000)
      yield* refused({ [long]: new Set() }, few * 1_000)
      yield* refused(new Map([[long, 1]]), few * 1_000)
      yield* refused({ a: { [long]: 1 } }, few * 1_000)
    }))

  it.effect("a large integer counts by its digits, and so does what is made of one", () =>
    Effect.gen(function*() {
      const maxValues = few * digits
      yield* refused(integer, maxValues)
      yield* refused([integer], maxValues)
      yield* refused(new Map([[integer, 1]]), maxValues)
      yield* refused(new Map([[new Pickle.Tuple<unknown>(integer), 1]]), maxValues)
      yield* refused(new Pickle.Fraction(integer, 3n), maxValues)
    }))

  it.effect("the names of columns do not", () =>
    Effect.gen(function*() {
      const row = { ["c".repeat(64)]: 1 }
      yield* JsonProjection.toText(Array.from({ length: 100 }, () => row), { maxValues: 8 + 100 * 9 })
      yield* JsonProjection.toJson(Array.from({ length: 100 }, () => row), { maxValues: 8 + 100 * 9 })
    }))
})

describe("a large container that comes again", () => {
  const numbers = Array.from({ length: 2_000 }, (_, i) => 2n ** 60n + BigInt(i))
  const twice = (levels: number) => {
    let value: unknown = numbers
    for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value, value] : new Map([["a", value], ["b", value]])
    return value
  }

  it.effect("is projected once", () =>
    Effect.gen(function*() {
      const [first, second] = (yield* JsonProjection.toJson(twice(3))) as ReadonlyArray<JsonProjection.Json>
      assert.strictEqual(first, second)
      const both = [numbers.map(String), numbers.map(String)]
      assert.deepStrictEqual(first, { a: both, b: both })
      // Nothing could go through as many values as these are.
      yield* JsonProjection.validate(twice(900), { maxValues: Infinity })
    }))

  it.effect("counts as often as it comes", () =>
    Effect.gen(function*() {
      // The numbers as texts of 19 characters are two each.
      const size = (levels: number): number => levels === 0 ? 8 + 2 * 2_000 : 8 + 2 * size(levels - 1)
      for (const project of [JsonProjection.toJson, JsonProjection.toText, JsonProjection.validate]) {
        yield* project(twice(3), { maxValues: size(3) })
        const { message } = yield* Effect.flip(
          project(twice(3), { maxValues: size(3) - 1 }) as Effect.Effect<unknown, Error>
        )
        assert.include(message, "it holds too much to show")
      }
      assert.strictEqual(yield* JsonProjection.toText(twice(3)), JSON.stringify(yield* JsonProjection.toJson(twice(3))))
    }))

  it.effect("is refused where it is too deep", () =>
    Effect.gen(function*() {
      const nested = (levels: number, value: unknown): unknown => {
        let out = value
        for (let i = 0; i < levels; i++) out = [out]
        return out
      }
      const deep = nested(59, numbers)
      for (const project of [JsonProjection.toJson, JsonProjection.toText, JsonProjection.validate]) {
        yield* project([deep, nested(39, deep)], { maxDepth: 100 })
        for (const value of [[deep, nested(40, deep)], [[deep], deep, nested(39, [deep])]]) {
          const { message } = yield* Effect.flip(project(value, { maxDepth: 100 }) as Effect.Effect<unknown, Error>)
          assert.match(message, /nested more than 100 deep, at \[[12]\]\[0\]/)
        }
      }
    }))
})

describe("toText", () => {
  it.effect("refuses a text that would be longer than one may be", () =>
    Effect.gen(function*() {
      const shared = { text: "x".repeat(1_000) }
      const error = yield* Effect.flip(
        JsonProjection.toText(Array.from({ length: 1_000 }, () => shared), { maxLength: 100_000 })
      )
      assert.match(error.message, /longer than one text may be.*toChunks/)
      assert.strictEqual(error.reason._tag, "Undecodable")
      const text = yield* JsonProjection.toText([shared], { maxLength: 1_013 })
      assert.strictEqual(text.length, 1_013)
      assert.isDefined(yield* Effect.flip(JsonProjection.toText([shared], { maxLength: 1_012 })))
    }))

  // Values of JSON are turned into text many at once, others one by one: the text must not tell.
  const plain: ReadonlyArray<unknown> = [
    null,
    true,
    0,
    -0,
    1.5,
    Number.NaN,
    Number.MAX_SAFE_INTEGER,
    "",
    "\u2028\ud800 \"quoted\"",
    "x".repeat(200_000),
    [],
    {}
  ]
  const others: ReadonlyArray<unknown> = [
    undefined,
    Number.POSITIVE_INFINITY,
    2n ** 70n,
    new Set([1, "two"]),
    new Map([[1, [2]]]),
    new Uint8Array([1, 2, 3]),
    { toJSON: () => "its own" },
    { toJSON: "data" },
    Object.assign([], { length: 3 }),
    Object.assign(Object.create(null) as object, { a: 1, toJSON: null })
  ]
  let seed = 7
  const below = (limit: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return Math.floor(seed / 2 ** 32 * limit)
  }
  const one = (values: ReadonlyArray<unknown>) => values[below(values.length)]
  const random = (depth: number): unknown => {
    const kind = below(depth > 0 ? 10 : 5)
    if (kind < 4) return one(plain)
    if (kind === 4) return one(others)
    const items = Array.from({ length: below(6) }, () => random(depth - 1))
    return kind < 8 ? items : Object.fromEntries(items.map((item, at) => [at === 0 ? "__proto__" : `k${at}`, item]))
  }

  it.effect("is the text of toJson, whatever stands beside what", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 300; i++) {
        const value = random(5)
        const json = yield* JsonProjection.toJson(value)
        assert.strictEqual(yield* JsonProjection.toText(value), JSON.stringify(json))
        assert.strictEqual([...JsonProjection.toChunks(value)].join(""), JSON.stringify(json))
      }
    }))

  it.effect("is the text of toJson for long lists in which every so many values are not JSON", () =>
    Effect.gen(function*() {
      for (const every of [1, 2, 3, 1_000, 5_000]) {
        const value = Array.from({ length: 12_000 }, (_, i) => i % every === every - 1 ? new Set([i]) : { i, t: "t" })
        const json = yield* JsonProjection.toJson(value)
        assert.strictEqual(yield* JsonProjection.toText(value), JSON.stringify(json))
      }
    }))

  it.effect("refuses what toJson refuses, with the same words", () =>
    Effect.gen(function*() {
      let deep: unknown = 1
      for (let i = 0; i < 1_001; i++) deep = [deep]
      let wide: unknown = [1, 2, 3]
      for (let i = 0; i < 20; i++) wide = [wide, wide]
      const cycle: Array<unknown> = [1, 2]
      cycle.push({ again: cycle })
      for (const value of [deep, wide, cycle, { deep }, [[1, 2], cycle]]) {
        const options = { maxValues: 100_000 }
        const expected = yield* Effect.flip(JsonProjection.toJson(value, options))
        assert.strictEqual((yield* Effect.flip(JsonProjection.toText(value, options))).message, expected.message)
      }
      const exact = Array.from({ length: 92 }, (_, i) => i)
      for (const maxValues of [100, 99]) {
        const [json, text] = [
          yield* Effect.exit(JsonProjection.toJson(exact, { maxValues })),
          yield* Effect.exit(JsonProjection.toText(exact, { maxValues }))
        ]
        assert.strictEqual(json._tag, maxValues === 100 ? "Success" : "Failure")
        assert.strictEqual(text._tag, json._tag)
      }
    }))

  it("takes no longer for values that are almost JSON, however they are nested", () => {
    // Each level fails at its last item, after a look at all of the levels inside of it.
    let nested: unknown = new Set([1])
    let items = 0
    for (let depth = 0; depth < 30; depth++) {
      nested = [...Array.from({ length: 100 }, (_, i) => i), nested]
      items += 101
    }
    const value = Array.from({ length: 20 }, () => nested)
    let looks = 0
    const watched = (value: unknown): unknown =>
      Array.isArray(value)
        ? new Proxy(value.map(watched), { get: (target, key) => (looks++, Reflect.get(target, key)) })
        : value
    for (const _ of JsonProjection.toChunks(watched(value))) { /* to the end */ }
    assert.isBelow(looks, items * 20 * 20)
  })
})

describe("toChunks", () => {
  it("gives the text in pieces", () => {
    const value = Array.from({ length: 50_000 }, (_, i) => ({ id: i, name: `n${i}` }))
    const chunks = [...JsonProjection.toChunks(value)]
    assert.isAbove(chunks.length, 5)
    assert.deepStrictEqual(JSON.parse(chunks.join("")), value)
  })
})
