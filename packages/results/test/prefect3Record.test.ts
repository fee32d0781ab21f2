import * as ClassRegistry from "@effect-prefect/formats/ClassRegistry"
import { FormatError } from "@effect-prefect/formats/FormatError"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import { PyGlobal, PyObject } from "@effect-prefect/pickle"
import { fromFormatError } from "@effect-prefect/results/ResultError"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as zlib from "node:zlib"
import { fixtures } from "../../api/test/prefect3Server.ts"
import { runs } from "../../core/test/seeds.ts"
import * as Prefect3Record from "../src/internal/prefect3/record.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const options = { name: "x", maxBytes: 1 << 20 }
const decode = (content: string | Uint8Array, serializer: Prefect3Record.Serializer | null, extra: object = {}) =>
  Effect.mapError(
    Prefect3Record.decode(typeof content === "string" ? bytes(content) : content, { serializer: serializer as never }, {
      ...options,
      ...extra
    }),
    (error) => error instanceof FormatError ? fromFormatError(error) : error
  )
const json = { type: "json" }
const pickle = { type: "pickle" }
const metadata = { storage_key: "/k", expiration: null, serializer: json, prefect_version: "3.8.0" }
const base64 = (content: Uint8Array) => Buffer.from(content).toString("base64").replace(/.{76}/g, "$&\n") + "\n"

/** `{"flow": [1, 2]}` */
const stored = readFileSync(join(fixtures, "files/flow-results/flow_result_raw_pickle"))

describe("which form a record has", () => {
  const forms: ReadonlyArray<readonly [string, unknown, "A" | "B" | "C"]> = [
    ["a whole record", { metadata, result: "1" }, "A"],
    ["without the serializer", { metadata: { storage_key: "/k" }, result: "1" }, "A"],
    ["Prefect 2", { serializer: pickle, data: "gAVLAS4=", prefect_version: "2.20.0" }, "C"],
    ["a dict with a result", { result: "IkkgYW0gdGhlIGZsb3cgcmVzdWx0Ig==" }, "B"],
    ["a dict with data", { data: "x" }, "B"],
    ["a dict with a blob", { blob: "x" }, "B"],
    ["an encoding and a blob of another kind", { encoding: "json", blob: 3 }, "B"],
    ["a blob with an encoding of another kind", { encoding: 3, blob: "x" }, "B"],
    ["metadata of another kind", { metadata: "x", result: "1" }, "B"],
    ["a key like metadata", { measured: "x", result: "1" }, "B"],
    ["metadata of a dataset", { metadata: { author: "me" }, result: "1" }, "B"],
    ["a result that is no text", { metadata, result: 1 }, "B"],
    ["more than a record has", { metadata, result: "1", more: 1 }, "B"],
    ["serializer and data of another kind", { serializer: "x", data: "y", prefect_version: "z" }, "B"],
    ["a list", [{ metadata, result: "1" }], "B"],
    ["a number", 3, "B"]
  ]
  for (const [what, value, form] of forms) {
    it(`${what} is ${form}`, () => {
      const text = JSON.stringify(value)
      const record = Prefect3Record.parse(bytes(text), json)
      assert.strictEqual(record.form, form)
      if (form === "B") assert.strictEqual(new TextDecoder().decode(record.payload), text)
    })
    if (form !== "B") continue
    it.effect(`${what} is read as it is`, () =>
      Effect.map(decode(JSON.stringify(value), json), (found) => assert.deepStrictEqual(found, value)))
  }

  it.effect("the file's serializer comes before the state's", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* decode(JSON.stringify({ metadata, result: "[1]" }), pickle), [1])
    }))

  it.effect("C of Prefect 2, by both serializers", () =>
    Effect.gen(function*() {
      const version = { prefect_version: "2.20.0" }
      assert.strictEqual(yield* decode(JSON.stringify({ serializer: pickle, data: "gAVLAS4=\n", ...version }), json), 1)
      assert.deepStrictEqual(
        yield* decode(JSON.stringify({ serializer: json, data: "{\"a\": 1}", ...version }), null),
        {
          a: 1
        }
      )
    }))

  it.effect("B by the state's serializer, and by the look of it where there is none", () =>
    Effect.gen(function*() {
      const value = { flow: [1, 2] }
      for (const serializer of [pickle, null]) {
        assert.deepStrictEqual(yield* JsonProjection.toJson(yield* decode(stored, serializer)), value)
      }
      assert.deepStrictEqual(yield* decode(JSON.stringify(value), null), value)
      assert.deepStrictEqual(yield* decode("1234", null), 1234)
      assert.deepStrictEqual(yield* decode(base64(zlib.gzipSync(bytes("[3]"))), null), [3])
      assert.strictEqual(yield* decode(base64(zlib.gzipSync(bytes("12"))), { type: "compressed/text" }), "12")
      assert.deepStrictEqual(yield* decode(base64(zlib.deflateSync(bytes("[3]"))), { type: "compressed" }), [3])
      assert.deepStrictEqual(
        yield* JsonProjection.toJson(yield* decode(base64(zlib.gzipSync(stored)), { type: "compressed" })),
        value
      )
    }))
})

describe("any JSON value", () => {
  it.effect.prop("comes back from each form as it was", [Schema.Json], ([generated]) =>
    Effect.gen(function*() {
      const text = JSON.stringify(generated)
      const value = JSON.parse(text) as unknown
      const plain = { type: "json", object_decoder: null }
      const forms = [
        text,
        JSON.stringify({ metadata: { ...metadata, serializer: plain }, result: text }),
        JSON.stringify({ serializer: plain, data: text, prefect_version: "2.20.0" })
      ]
      // An integer beyond 2^53 is a bigint, which JSON.parse rounds.
      const rounded = (found: unknown): unknown =>
        JSON.parse(JSON.stringify(found, (_, item: unknown) => typeof item === "bigint" ? Number(item) : item))
      for (const form of forms) assert.deepStrictEqual(rounded(yield* decode(form, plain)), value)
      const compressed = base64(zlib.gzipSync(bytes(text)))
      assert.deepStrictEqual(rounded(yield* decode(compressed, { type: "compressed", serializer: plain })), value)
    }), { arbitrary: runs(20, 200) })
})

describe("serializers", () => {
  const wrap = (serializer: object, payload: string) =>
    JSON.stringify({ metadata: { ...metadata, serializer }, result: payload })

  for (
    const [library, compress] of [
      ["zlib", zlib.deflateSync],
      ["gzip", zlib.gzipSync],
      ["zstandard", zlib.zstdCompressSync]
    ] as const
  ) {
    it.effect(`compressed by ${library}, around JSON and around a pickle`, () =>
      Effect.gen(function*() {
        const around = (serializer: object, payload: Uint8Array) =>
          decode(wrap({ type: "compressed", serializer, compressionlib: library }, base64(compress(payload))), null)
        assert.deepStrictEqual(yield* around(json, bytes("{\"a\": NaN}")), { a: NaN })
        assert.deepStrictEqual(yield* JsonProjection.toJson(yield* around(pickle, stored)), { flow: [1, 2] })
      }))
  }

  const refused: ReadonlyArray<readonly [string, string, Prefect3Record.Serializer | null, string]> = [
    ["an unknown serializer", wrap({ type: "msgpack-x" }, "x"), null, "UnsupportedResultType"],
    [
      "an unknown compression",
      wrap({ type: "compressed", compressionlib: "snappy", serializer: json }, "AAAA"),
      null,
      "UnsupportedResultType"
    ],
    ["an empty file", "", json, "ResultDecodeError"],
    ["a record that is cut off", "{\"metadata\": {\"storage_key\": \"/k\"}, \"res", json, "ResultDecodeError"],
    ["what is no JSON", "{not json}", json, "ResultDecodeError"],
    ["a pickle that is none", wrap(pickle, "AAAA"), null, "ResultDecodeError"],
    ["a pickle that is no base64", wrap(pickle, "gAVL*AS4="), null, "ResultDecodeError"],
    ["a pickle that is cut off", wrap(pickle, "gAWVEwAAAAAAAAB9"), null, "ResultDecodeError"],
    [
      "xz that is cut off",
      wrap({ type: "compressed/json" }, "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj"),
      null,
      "ResultDecodeError"
    ],
    [
      "zlib that is damaged",
      wrap({ type: "compressed", compressionlib: "zlib", serializer: json }, "eJwAAAAAAAAAAA=="),
      null,
      "ResultDecodeError"
    ]
  ]
  it.each(["zlib", "gzip", "bz2", "lzma", "zstandard", "zstd"])(
    "what %s did not compress is no unknown compression",
    (compressionlib) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(decode(wrap({ type: "compressed/json", compressionlib }, "AAAAAAAA"), null))
        assert.strictEqual(error._tag, "ResultDecodeError")
      }).pipe(Effect.runPromise)
  )

  it("are read at once, but for those that are not read so or may need a class that the caller knows", () => {
    const atOnce = (serializer: object, payload: string, extra: object = {}) => {
      const found = Prefect3Record.decodeAtOnce(bytes(wrap(serializer, payload)), { serializer: null }, {
        ...options,
        name: "x.csv",
        ...extra
      })
      return found === undefined ? "later" : Result.isSuccess(found) ? found.success : found.failure.reason._tag
    }
    assert.deepStrictEqual(atOnce(json, "[1]"), [1])
    assert.strictEqual(atOnce(pickle, "gAVLAS4="), 1)
    assert.strictEqual(atOnce(pickle, "gAVL*AS4="), "later")
    assert.strictEqual(atOnce({ type: "text" }, "1"), "later")
    assert.strictEqual(atOnce(json, `{"__class__":"uuid.UUID","data":"x"}`), "later")
    assert.strictEqual(atOnce({ type: "compressed/json" }, base64(zlib.gzipSync(bytes("[1]")))), "later")
    const registry = ClassRegistry.make({ "models.Point": () => 1 })
    assert.strictEqual(atOnce(json, "[1]", { registry }), "later")
    assert.deepStrictEqual(atOnce(json, "[1]", { registry: ClassRegistry.make({}) }), [1])
  })

  for (const [what, content, serializer, reason] of refused) {
    it.effect(`${what} is ${reason}`, () =>
      Effect.map(Effect.flip(decode(content, serializer)), (error) => assert.strictEqual(error._tag, reason)))
  }

  it.effect("serializers cannot be wrapped without end", () =>
    Effect.gen(function*() {
      let payload = "1"
      let serializer: object = json
      for (let i = 0; i < 12; i++) {
        payload = base64(zlib.deflateSync(bytes(payload)))
        serializer = { type: "compressed", compressionlib: "zlib", serializer }
      }
      const error = yield* Effect.flip(decode(wrap(serializer, payload), null))
      assert.strictEqual(error._tag, "ResultDecodeError")
    }))

  it.effect("more than the limit after decompression is ResultTooLarge", () =>
    Effect.gen(function*() {
      const payload = base64(zlib.deflateSync(new Uint8Array(1 << 16).fill(0x20)))
      const error = yield* Effect.flip(
        decode(wrap({ type: "compressed", compressionlib: "zlib", serializer: json }, payload), null, {
          maxBytes: 1000
        })
      )
      assert.strictEqual(error._tag, "ResultTooLarge")
    }))
})

describe("JSON objects that stand for instances", () => {
  const as = (cls: string, data: unknown) => JSON.stringify({ __class__: cls, data })
  const project = (text: string, serializer: Prefect3Record.Serializer = json) =>
    Effect.flatMap(decode(text, serializer), (value) => JsonProjection.toJson(value))

  const values: ReadonlyArray<readonly [string, unknown, JsonProjection.Json]> = [
    ["datetime.datetime", "2024-02-29T12:34:56", "2024-02-29T12:34:56"],
    ["datetime.datetime", "2024-02-29T12:34:56.5Z", "2024-02-29T12:34:56.500000+00:00"],
    ["datetime.datetime", "2024-02-29T12:34:56-05:30", "2024-02-29T12:34:56-05:30"],
    ["datetime.datetime", "2024-02-29t12:34", "2024-02-29T12:34:00"],
    ["datetime.datetime", "2024-02-29 12:34:56,1234567z", "2024-02-29T12:34:56.123456+00:00"],
    ["datetime.datetime", "2024-02-29T12:34:56+01", "2024-02-29T12:34:56+01:00"],
    ["datetime.datetime", "2024-02-29T12:34:56-0130", "2024-02-29T12:34:56-01:30"],
    ["datetime.datetime", "2024-02-29T12:34:56+01:02:03", "2024-02-29T12:34:56+01:02:03"],
    ["datetime.date", "2000-02-29", "2000-02-29"],
    ["datetime.date", "0004-02-29", "0004-02-29"],
    ["datetime.date", "0001-01-01", "0001-01-01"],
    ["datetime.date", "9999-12-31", "9999-12-31"],
    ["datetime.time", "01:02:03.000004+01:00", "01:02:03.000004+01:00"],
    ["datetime.time", "23:59", "23:59:00"],
    ["datetime.time", "23:59:59", "23:59:59"],
    ["uuid.UUID", "ABCDEF01-2345-6789-abcd-ef0123456789", "abcdef01-2345-6789-abcd-ef0123456789"],
    ["datetime.timedelta", "P1DT2.000003S", 86402.000003],
    ["datetime.timedelta", "+P1Y2M3W4DT5H6M7,5S", 450 * 86_400 + 5 * 3_600 + 6 * 60 + 7.5],
    ["datetime.timedelta", "P1D", 86_400],
    ["datetime.timedelta", "P12M", 360 * 86_400],
    ["datetime.timedelta", "P10W", 70 * 86_400],
    ["datetime.timedelta", "PT100H", 360_000],
    ["datetime.timedelta", "PT5M", 300],
    ["datetime.timedelta", "-P1D", -86_400],
    ["datetime.timedelta", "P999999999D", 999_999_999 * 86_400],
    ["datetime.timedelta", "-PT1.5S", -1.5],
    ["datetime.timedelta", "PT0S", 0],
    ["datetime.timedelta", 90.5, 90.5],
    ["decimal.Decimal", "-1E+50", "-1E+50"],
    ["decimal.Decimal", "NaN", "NaN"],
    ["decimal.Decimal", " 1.50 ", "1.50"],
    ["decimal.Decimal", 3, "3"],
    ["decimal.Decimal", "-Infinity", "-Infinity"],
    ["decimal.Decimal", "sNaN12", "sNaN12"],
    ["decimal.Decimal", ".5e-3", ".5e-3"],
    ["builtins.complex", "3-4.5j", "(3-4.5j)"],
    ["builtins.complex", "2j", "2j"],
    ["builtins.complex", "(1+2j)", "(1+2j)"],
    ["builtins.complex", "+1.5", "(1.5+0j)"],
    ["builtins.complex", "1e-05+.5j", "(1e-05+0.5j)"],
    ["builtins.complex", "1e10-20E-3j", "(10000000000-0.02j)"],
    ["builtins.complex", ".25+1.75j", "(0.25+1.75j)"],
    ["builtins.complex", "1_000.25j", "1000.25j"],
    ["builtins.complex", "j", "1j"],
    ["builtins.complex", "1-J", "(1-1j)"],
    ["builtins.complex", "+j", "1j"],
    ["builtins.complex", "inf-infj", "(inf-infj)"],
    ["builtins.complex", "-inf", "(-inf+0j)"],
    ["builtins.complex", "nan+nanj", "(nan+nanj)"],
    ["builtins.frozenset", [1], [1]],
    ["builtins.tuple", [1, [2]], [1, [2]]],
    ["builtins.bytes", "raw", "cmF3"],
    ["pendulum.datetime.DateTime", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00+00:00"],
    ["models.Outer.Inner", { a: 1 }, { __class__: "models.Outer.Inner", a: 1 }],
    ["fractions.Fraction", "-6/14", "-3/7"],
    ["fractions.Fraction", 2, "2"],
    ["fractions.Fraction", " 12/8 ", "3/2"],
    ["fractions.Fraction", "+30/60", "1/2"],
    ["fractions.Fraction", "-17", "-17"],
    ["fractions.Fraction", "0/5", "0"],
    ["ipaddress.IPv4Address", "10.0.0.1", "10.0.0.1"],
    ["ipaddress.IPv6Network", "2001:db8::/32", "2001:db8::/32"],
    ["zoneinfo.ZoneInfo", "Europe/Berlin", "Europe/Berlin"],
    ["models.Api[str]", { a: "b" }, { __class__: "models.Api[str]", a: "b" }],
    ["models.Outer.Page[models.Item, Union[int, NoneType]]", { a: 1 }, {
      __class__: "models.Outer.Page[models.Item, Union[int, NoneType]]",
      a: 1
    }],
    ["models.Colour", 3, { __class__: "models.Colour", __args__: [3] }],
    ["models.Day", "2024-02-29T00:00:00Z", { __class__: "models.Day", __args__: ["2024-02-29T00:00:00Z"] }],
    ["pendulum.DateTime", "yesterday", { __class__: "pendulum.DateTime", __args__: ["yesterday"] }],
    ["models.lower", { a: 1 }, { __class__: "models.lower", a: 1 }],
    ["models._Private", 3, { __class__: "models._Private", __args__: [3] }],
    ["models.Box", { __class__: "decimal.Decimal", data: "1.10" }, { __class__: "models.Box", __args__: ["1.10"] }],
    ["models.make.<locals>.Row", { a: 1 }, { __class__: "models.make.<locals>.Row", a: 1 }]
  ]
  for (const [cls, data, expected] of values) {
    it.effect(`${cls} ${JSON.stringify(data)}`, () =>
      Effect.map(project(as(cls, data)), (found) => assert.deepStrictEqual(found, expected)))
  }

  const dicts: ReadonlyArray<string> = [
    as("os.path", 1),
    as("not a class", { a: 1 }),
    as("nodots", { a: 1 }),
    as("nodots[str]", { a: 1 }),
    as("models.Api[str] and more", { a: 1 }),
    as("fractions.Fraction", "1/0"),
    as("fractions.Fraction", 0.5),
    as("fractions.Fraction", "1/2/3"),
    as("datetime.date", "2024-02-30"),
    as("datetime.date", "1900-02-29"),
    as("datetime.date", "2024-04-31"),
    as("datetime.date", "2024-00-01"),
    as("datetime.date", "2024-13-01"),
    as("datetime.date", "2024-01-00"),
    as("datetime.date", "0000-01-01"),
    as("datetime.date", "2024-02-29T00:00:00"),
    as("datetime.time", "24:00:00"),
    as("datetime.time", "23:60:00"),
    as("datetime.time", "23:59:60"),
    as("datetime.time", "at 01:02:03"),
    as("datetime.datetime", "2024-02-30T00:00:00"),
    as("datetime.datetime", "2024-02-29T24:00:00"),
    as("builtins.complex", ""),
    as("builtins.complex", "()"),
    as("builtins.complex", "1+2"),
    as("builtins.complex", "i"),
    as("decimal.Decimal", null),
    as("decimal.Decimal", "1.2.3"),
    as("models.", { a: 1 }),
    as("Models.item", 1),
    as("1 models.Item", { a: 1 }),
    JSON.stringify({ __exc_type__: "builtins.ValueError", note: "m" }),
    JSON.stringify({ __exc_type__: 3, message: "m" }),
    as(`models.${"A".repeat(4_096)}`, { a: 1 }),
    as("datetime.datetime", "yesterday"),
    as("decimal.Decimal", "x"),
    as("uuid.UUID", "x"),
    as("datetime.timedelta", "P"),
    as("builtins.set", "abc"),
    JSON.stringify({ __class__: "datetime.date", data: "2024-02-29", more: 1 }),
    JSON.stringify({ __class__: "datetime.date" }),
    JSON.stringify({ __class__: 3, data: 1 })
  ]
  for (const text of dicts) {
    it.effect(`${text} is an ordinary dict`, () =>
      Effect.map(decode(text, json), (found) => assert.deepStrictEqual(found, JSON.parse(text))))
  }

  it.effect("exceptions, and what is inside of others", () =>
    Effect.gen(function*() {
      const inner = JSON.parse(as("decimal.Decimal", "1.10")) as object
      const text = JSON.stringify([
        { __exc_type__: "builtins.ValueError", message: "m" },
        { __class__: "models.Item", data: { amount: inner } }
      ])
      assert.deepStrictEqual(yield* project(text), [
        { __class__: "builtins.ValueError", __args__: ["m"] },
        { __class__: "models.Item", amount: "1.10" }
      ])
    }))

  it.effect("the module of a class ends before the first name that is a class", () =>
    Effect.gen(function*() {
      for (
        const [name, module, qualname] of [
          ["models.sub.Outer.Inner", "models.sub", "Outer.Inner"],
          ["Models.Item", "Models", "Item"],
          ["models.sub.item", "models.sub", "item"],
          ["models._private.Item", "models", "_private.Item"],
          ["models.sub.Page[models.Item]", "models.sub", "Page[models.Item]"]
        ] as const
      ) {
        const object = yield* decode(as(name, { a: 1 }), json)
        assert(object instanceof PyObject && object.class instanceof PyGlobal)
        assert.deepStrictEqual([object.class.module, object.class.name], [module, qualname])
      }
    }))

  it.effect("without Prefect's decoder, as Prefect does", () =>
    Effect.gen(function*() {
      const text = as("datetime.date", "2024-02-29")
      for (const object_decoder of [null, "mine.decode"]) {
        assert.deepStrictEqual(yield* decode(text, { type: "json", object_decoder }), JSON.parse(text))
      }
    }))

  it.effect("a class that the caller knows", () =>
    Effect.gen(function*() {
      const registry = ClassRegistry.make({ "models.Point": ({ attributes }) => ({ px: attributes["x"] }) })
      assert.deepStrictEqual(yield* decode(as("models.Point", { x: 3 }), json, { registry }), { px: 3 })
      const inside = `{"a":[{"b":${as("models.Point", { x: 4 })}}]}`
      assert.deepStrictEqual(yield* decode(inside, json, { registry }), { a: [{ b: { px: 4 } }] })
    }))

  it.effect("what cannot be is a typed error or an ordinary dict, however large or deep", () =>
    Effect.gen(function*() {
      for (const cls of ["builtins.set", "builtins.frozenset"]) {
        const error = yield* Effect.flip(decode(as(cls, [[]]), json))
        assert.strictEqual(error._tag, "ResultDecodeError")
        assert.include(error.message, "hashable")
      }
      for (const data of [1e308, -1e303, 1e15, `P${"9".repeat(15)}D`, `P${"9".repeat(1_000)}Y`]) {
        const text = as("datetime.timedelta", data)
        assert.deepStrictEqual(yield* decode(text, json), JSON.parse(text))
      }
      const levels = 4_000
      const deep = "{\"__class__\":\"models.A\",\"data\":{\"a\":".repeat(levels) + "1" + "}}".repeat(levels)
      assert.instanceOf(yield* decode(deep, json), PyObject)
      const tooDeep = yield* Effect.flip(decode(`["__class__",${"[".repeat(20_000)}`, json))
      assert.strictEqual(tooDeep._tag, "ResultDecodeError")
    }))

  it.effect("a library of compression that is the name of something else", () =>
    Effect.gen(function*() {
      for (const compressionlib of ["__proto__", "constructor", "toString"]) {
        const error = yield* Effect.flip(decode("eA==", { type: "compressed/json", compressionlib }))
        assert.strictEqual(error._tag, "UnsupportedResultType")
      }
    }))

  it.live("a large text is read in steps, alone and in a record", () =>
    Effect.gen(function*() {
      const rows = Array.from({ length: 20_000 }, (_, index) => ({ __class__: "uuid.UUID", data: `x${index}` }))
      const text = JSON.stringify(rows)
      for (const content of [text, JSON.stringify({ metadata, result: text })]) {
        let turns = 0
        const timer = setInterval(() => turns++, 1)
        assert.deepStrictEqual(yield* decode(content, json, { maxBytes: 1 << 24 }), rows)
        clearInterval(timer)
        assert.isAbove(turns, 0)
      }
    }))

  it.effect("a key named __proto__ is data", () =>
    Effect.gen(function*() {
      const value = yield* decode("{\"__proto__\": {\"a\": 1}, \"b\": {\"__class__\": \"x\"}}", json)
      assert.strictEqual(Object.getPrototypeOf(value), Object.prototype)
      assert.deepStrictEqual(Object.keys(value as object), ["__proto__", "b"])
    }))
})
