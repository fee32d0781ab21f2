/** Values of libraries as their own writers pickled them, with the JSON that the same Python made of them. */
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as ResultSchema from "@effect-prefect/formats/ResultSchema"
import { Table } from "@effect-prefect/formats/Table"
import * as Pickle from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { readdirSync, readFileSync } from "node:fs"
import { inspect } from "node:util"
import * as zlib from "node:zlib"
import { seeds } from "../../core/test/seeds.ts"
import { anyModel, random, write } from "../../pickle/test/writer.ts"

interface Recorded {
  readonly name: string
  readonly writer: string
  readonly data: string
  readonly json: unknown
}

const folder = new URL("../../../fixtures/values/", import.meta.url)
const recorded = readFileSync(new URL("values.jsonl", folder), "utf8").trim().split("\n")
  .map((line) => JSON.parse(line) as Recorded)

const decode = (bytes: Uint8Array, options: Partial<ResultFormat.DecodeOptions> = {}) =>
  ResultFormat.decode(bytes, { name: "result", maxBytes: 1 << 24, ...options })
const fixture = (name: string) => readFileSync(new URL(name, folder))
const valueOf = (name: string) =>
  Effect.suspend(() => decode(Buffer.from(recorded.find((one) => one.name === name)!.data, "base64")))

/** `"*"` stands for any text. */
const wanted = (json: unknown, found: unknown): unknown =>
  Array.isArray(json) && Array.isArray(found)
    ? json.map((item: unknown, i) => item === "*" && typeof found[i] === "string" ? found[i] as unknown : item)
    : json

describe("values of libraries", () => {
  it.effect.each(recorded)("$name of $writer", ({ data, json }) =>
    Effect.gen(function*() {
      const value = yield* decode(Buffer.from(data, "base64"))
      const found = yield* JsonProjection.toJson(value)
      assert.deepStrictEqual(found, wanted(json, found))
      assert.deepStrictEqual(JSON.parse(yield* JsonProjection.toText(value)), found)
      // Values of a class of ours have the projection as their JSON.
      if (typeof value === "object" && value !== null && "toJSON" in value) {
        assert.deepStrictEqual(JSON.parse(JSON.stringify(value)), found)
      }
      assert.isAbove(inspect(value).length, 0)
    }))

  it.effect.each(
    [
      ["polars frame", Table],
      ["pyarrow table", Table],
      ["pyarrow batch", Table],
      ["GeoDataFrame", Table],
      ["polars series", Pickle.Series],
      ["pyarrow array", Pickle.Column],
      ["pyarrow chunked", Pickle.Column],
      ["sparse csr", Pickle.SparseMatrix],
      ["row", Pickle.NamedTuple],
      ["longdouble", Pickle.NdArray],
      ["period Q-MAR", Pickle.Period],
      ["pytz zone", Pickle.ZoneInfo]
    ] as const
  )("%s is a value for code too", ([name, cls]) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* valueOf(name) as Effect.Effect<object>).constructor, cls)
    }))

  it.effect("mappings, lists and addresses are plain", () =>
    Effect.gen(function*() {
      const [subclass, list, nested] = (yield* valueOf("subclasses")) as [object, Array<unknown>, object]
      assert.isTrue(Pickle.isDict(subclass))
      assert.deepStrictEqual(list, [1, [2]])
      assert.deepStrictEqual(JSON.parse(JSON.stringify(nested)), { x: { 1: { b: 2 } } })
      assert.strictEqual(((yield* valueOf("addresses")) as Array<unknown>)[0], "10.0.0.1")
      assert.isTrue(Pickle.isDict(yield* valueOf("ChainMap")))
    }))

  it.effect("cells of a table are plain as well", () =>
    Effect.gen(function*() {
      const table = (yield* valueOf("objects in a frame")) as Table
      assert.strictEqual(table.row(0)!["o"], "10.0.0.1")
    }))

  it.effect("a sparse matrix can be written out, within a limit", () =>
    Effect.gen(function*() {
      for (const format of ["csr", "csc", "coo", "bsr", "dia"]) {
        const matrix = (yield* valueOf(`sparse ${format}`)) as Pickle.SparseMatrix
        assert.deepStrictEqual(matrix.toDense(), [[1, 0, 2], [0, 0, 3]], format)
        assert.throws(() => matrix.toDense(5), Pickle.PickleError, /maxItems/)
      }
    }))

  it.effect("an image is its mode, its size and a PNG of its pixels", () =>
    Effect.gen(function*() {
      const { mode, png, size } = (yield* decode(fixture("image.pkl"))) as {
        readonly mode: string
        readonly size: unknown
        readonly png: Uint8Array
      }
      assert.deepStrictEqual([mode, JSON.stringify(size)], ["RGB", "[4,3]"])
      const bytes = Buffer.from(png)
      assert.strictEqual(bytes.subarray(0, 8).toString("latin1"), "\x89PNG\r\n\x1a\n")
      assert.deepStrictEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20), bytes[24], bytes[25]], [4, 3, 8, 2])
      const at = bytes.indexOf("IDAT")
      const lines = zlib.inflateSync(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4)))
      const line = [0, ...Array.from({ length: 4 }, () => [255, 0, 0]).flat()]
      assert.deepStrictEqual([...lines], [...line, ...line, ...line])
    }))

  const tensors = JSON.parse(fixture("tensors.json").toString()) as JsonProjection.Json
  it.effect.each(["tensors.pkl", "tensors.pt", "tensors-legacy.pt"])(
    "tensors in %s are arrays",
    (file) =>
      Effect.gen(function*() {
        const value = (yield* decode(fixture(file))) as Map<string, unknown>
        assert.deepStrictEqual(yield* JsonProjection.toJson(value), tensors)
        const plain = (value instanceof Map ? value.get("plain") : value["plain"]) as Pickle.NdArray
        assert.instanceOf(plain, Pickle.NdArray)
        assert.deepStrictEqual([...plain.shape, ...plain.values as Float32Array], [2, 3, 0, 1, 2, 3, 4, 5])
      })
  )
  it.effect("an archive of torch.save that is damaged, too large or something else is refused", () =>
    Effect.gen(function*() {
      const bytes = fixture("tensors.pt")
      let refused = 0
      for (let at = 0; at < bytes.length; at += 7) {
        const damaged = Buffer.from(bytes)
        damaged[at]! ^= 0xff
        const result = yield* Effect.result(decode(damaged))
        // A byte of padding or of a date may change without harm.
        if (Result.isFailure(result)) refused++
        else assert.deepStrictEqual(yield* JsonProjection.toJson(result.success), tensors)
      }
      assert.isAbove(refused, bytes.length / 7 / 3)
      assert.match((yield* Effect.flip(decode(bytes.subarray(0, 2_000)))).message, /ZIP archive is damaged/)
      const other = Buffer.from(bytes.toString("latin1").replaceAll("data.pkl", "date.pkl"), "latin1")
      assert.match((yield* Effect.flip(decode(other))).message, /not one that torch\.save wrote/)
    }))

  it.effect("a value that contains itself is refused with the place", () =>
    Effect.gen(function*() {
      const value = yield* decode(fixture("configparser.pkl"))
      const { message } = yield* Effect.flip(JsonProjection.toText(value))
      assert.match(message, /it contains itself: _converters\._parser is the whole value again/)
      const list: Array<unknown> = [1]
      list.push({ inner: [0, list] })
      assert.match((yield* Effect.flip(JsonProjection.toJson({ a: list }))).message, /a\[1\]\.inner\[1\] is a again/)
      let deep: unknown = 1
      for (let i = 0; i < 2_000; i++) deep = [deep]
      assert.match((yield* Effect.flip(JsonProjection.validate(deep))).message, /more than 1000 deep, at \[0\]\[0\]/)
    }))
})

describe("a zone that is not known", () => {
  const rule = new Pickle.PyObject(new Pickle.PyGlobal("mypkg", "Rule"), [])
  const form = (value: string) => ({ __class__: "datetime.datetime", value, tzinfo: { __class__: "mypkg.Rule" } })
  const datetime = new Pickle.PyDateTime(2020, 7, 1, 0, 0, 0, 0, 0, rule)
  const timestamp = new Pickle.Timestamp(1_593_554_400_000_000_000n, "ns", rule)

  it.effect("is never left out of JSON", () =>
    Effect.gen(function*() {
      for (
        const [value, text] of [[datetime, "2020-07-01T00:00:00"], [timestamp, "2020-06-30T22:00:00+00:00"]] as const
      ) {
        assert.deepStrictEqual(yield* JsonProjection.toJson(value), form(text))
        assert.deepStrictEqual(JSON.parse(JSON.stringify({ value })), { value: form(text) })
        assert.include(String(value), "[mypkg.Rule]")
        assert.include(inspect(value), "[mypkg.Rule]")
      }
      const time = new Pickle.PyTime(1, 2, 3, 0, 0, rule)
      assert.deepStrictEqual(yield* JsonProjection.toJson(time), {
        __class__: "datetime.time",
        value: "01:02:03",
        tzinfo: { __class__: "mypkg.Rule" }
      })
      assert.isTrue(Number.isNaN(datetime.toDate().getTime()))
    }))
  it.effect("is refused by schemas of instants", () =>
    Effect.gen(function*() {
      for (const value of [datetime, timestamp, [datetime][0]]) {
        const result = yield* Effect.result(ResultSchema.decode(ResultSchema.DateTime)(value))
        assert.isTrue(Result.isFailure(result))
      }
    }))
  it("is one that the time zone data does not have, too", () => {
    const value = new Pickle.PyDateTime(2020, 7, 1, 0, 0, 0, 0, 0, new Pickle.ZoneInfo("Mars/Olympus"))
    assert.deepStrictEqual(JSON.parse(JSON.stringify(value)), {
      __class__: "datetime.datetime",
      value: "2020-07-01T00:00:00",
      tzinfo: "Mars/Olympus"
    })
  })
  it("is dateutil's tzlocal where summer time begins when the machine says so", () => {
    const local = (standard: number, summer: number) => {
      const zone = new Pickle.PyObject(new Pickle.PyGlobal("dateutil.tz.tz", "tzlocal"), [])
      zone.states = [
        Object.assign(Object.create(null) as object, {
          _std_offset: new Pickle.PyTimedelta(0, standard, 0),
          _dst_offset: new Pickle.PyTimedelta(0, summer, 0),
          _hasdst: standard !== summer
        })
      ]
      return zone
    }
    assert.deepStrictEqual(Pickle.zoneOf(local(3_600, 3_600)), { offset: 3_600e6, key: null })
    assert.isNull(Pickle.zoneOf(local(3_600, 7_200)))
  })
})

describe("JSON and printing of every class", () => {
  const object = new Pickle.PyObject(new Pickle.PyGlobal("mypkg", "Order"), [1])
  object.states = [Object.assign(Object.create(null) as object, { id: 7, tags: new Pickle.PySet(["a"]) })]
  const column = new Pickle.Column({ dtype: "int64", kind: "int", length: 2, values: () => [1, 2] })
  const index = new Pickle.Index("Index", null, column)
  const values: ReadonlyArray<readonly [name: string, value: unknown, printed: RegExp]> = [
    ["PySet", new Pickle.PySet([1, "a"]), /PySet\(2\)/],
    ["FrozenSet", new Pickle.FrozenSet([2n ** 70n]), /FrozenSet\(1\)/],
    ["PyDict", new Pickle.PyDict<unknown, unknown>([[1, new Uint8Array([1, 2])], ["a", NaN]]), /PyDict\(2\)/],
    ["Tuple", new Pickle.Tuple<unknown>(1, new Pickle.PySet([2])), /Tuple\(2\)/],
    ["Deque", Pickle.Deque.from([1, 2]), /Deque\(2\)/],
    ["ByteArray", new Pickle.ByteArray(new Uint8Array([1, 2]).buffer), /ByteArray\(2\)/],
    ["Range", new Pickle.Range(0, 3, 1), /range\(0, 3\)/],
    ["Slice", new Pickle.Slice(1, null, 2), /slice\(1, None, 2\)/],
    ["PyFloat", new Pickle.PyFloat(NaN), /PyFloat\(nan\)/],
    ["PyTimedelta", new Pickle.PyTimedelta(0, 1, 500_000), /PyTimedelta\(0:00:01/],
    ["Timedelta", new Pickle.Timedelta(1_500_000_000n, "ns"), /Timedelta\(/],
    ["Timezone", new Pickle.Timezone(3_600e6), /Timezone\(UTC\+01:00\)/],
    ["ZoneInfo", new Pickle.ZoneInfo("Europe/Berlin"), /ZoneInfo\(Europe\/Berlin\)/],
    ["NpScalar", new Pickle.NpScalar(new Pickle.DType("i", 8, "<"), new Uint8Array(8), 2n ** 60n), /NpScalar\(int64\)/],
    ["NpTime", new Pickle.NpTime("timedelta64", 3n, "s"), /NpTime\(timedelta64/],
    ["DType", new Pickle.DType("f", 8, "<"), /DType\(float64\)/],
    [
      "NdArray",
      new Pickle.NdArray(new Pickle.DType("u", 1, "|"), [2, 2], "C", new Uint8Array([1, 2, 3, 4]), null),
      /NdArray\(uint8, 2x2\) \[ \[ 1, 2 \], \[ 3, 4 \] \]/
    ],
    ["Column", column, /Column\(int64, 2\) \[ 1, 2 \]/],
    ["Index", index, /Index\(Index, int64, 2\) \[ 1, 2 \]/],
    ["Series", new Pickle.Series("s", index, column), /Series\(s, int64, 2\) \[ 1, 2 \]/],
    ["DataFrame", new Pickle.DataFrame(index, index, [column, column]), /DataFrame\(2 rows: 1 int64, 2 int64\)/],
    ["PyGlobal", new Pickle.PyGlobal("mypkg", "f"), /PyGlobal\(mypkg\.f\)/],
    ["PyEnum", new Pickle.PyEnum("mypkg.Color", "RED", "red"), /Color\.RED 'red'/],
    ["PyArray", new Pickle.PyArray("d", new Float64Array([1.5])), /PyArray\(d, 1\)/],
    ["PyObject", object, /mypkg\.Order \{ __args__: \[ 1 \], id: 7, tags: PySet\(1\)/],
    ["Period", new Pickle.Period(600, "M"), /Period\(2020-01, M\)/],
    ["Interval", new Pickle.Interval(0.5, 1, "right", true), /Interval\(0\.5, 1\.0\]/],
    ["NaT", Pickle.NaT, /NaT/],
    ["NA", Pickle.NA, /NA/]
  ]
  it.effect.each(values)("%s", ([, value, printed]) =>
    Effect.gen(function*() {
      const projected = yield* JsonProjection.toJson(value)
      assert.deepStrictEqual(JSON.parse(JSON.stringify({ value })), { value: projected })
      assert.match(inspect(value, { depth: 4 }), printed)
    }))
  it("an array of many items is not made whole for printing", () => {
    const bytes = new Uint8Array(1_000_000)
    const array = new Pickle.NdArray(new Pickle.DType("u", 1, "|"), [1_000, 1_000], "C", bytes, null)
    assert.isBelow(inspect(array).length, 2_000)
    assert.match(inspect(array), /999900 more items|more items/)
  })
})

describe("what decode takes has a projection", () => {
  const corpus = new URL("../../../fixtures/pickle/", import.meta.url)
  const files = readdirSync(corpus).filter((name) => name.endsWith(".pkl"))
  it.effect("each pickle of the corpus, or it contains itself", () =>
    Effect.gen(function*() {
      let shown = 0
      for (const file of files) {
        const value = yield* Effect.result(decode(readFileSync(new URL(file, corpus)), { format: "pickle" }))
        if (Result.isFailure(value)) continue
        const text = yield* Effect.result(JsonProjection.toText(value.success, { maxValues: 100_000 }))
        if (Result.isSuccess(text)) {
          JSON.parse(text.success)
          shown++
        } else assert.match(text.failure.message, /contains itself|nested more than|holds too much|more integers/, file)
      }
      assert.isAbove(shown, 800)
    }))
  it.effect("values at random", () =>
    Effect.gen(function*() {
      for (let seed = 0; seed < seeds(80, 800); seed++) {
        const rng = random(seed)
        const bytes = write(rng, rng.below(6), anyModel(rng, 4, { count: 0 }))
        const value = yield* decode(bytes, { format: "pickle" })
        const text = yield* Effect.result(JsonProjection.toText(value, { maxValues: 100_000 }))
        if (Result.isSuccess(text)) JSON.parse(text.success)
        else {assert.match(
            text.failure.message,
            /contains itself|nested more than|holds too much|too long/,
            `seed ${seed}`
          )}
      }
    }))
  it.effect("an array that nothing here reads leaves the other columns", () =>
    Effect.gen(function*() {
      // pickle.dumps of a frame of one int64 column and one of an extension array of the user's own.
      const one = recorded.find(({ name }) => name === "GeoDataFrame")!
      const bytes = Buffer.from(one.data, "base64")
      const renamed = Buffer.from(
        bytes.toString("latin1").replaceAll("geopandas.array", "mycompany.array").replaceAll(
          "GeometryArray",
          "SecretsArray1"
        ),
        "latin1"
      )
      const table = (yield* decode(renamed)) as Table
      const [first] = yield* Effect.map(JsonProjection.toJson(table), (rows) =>
        rows as ReadonlyArray<Record<string, unknown>>)
      assert.strictEqual(first!["n"], "a")
      assert.strictEqual((first!["geometry"] as Record<string, unknown>)["__class__"], "mycompany.array.SecretsArray1")
      const rows = yield* ResultSchema.decode(ResultSchema.table(Schema.Struct({ n: Schema.String })))(table)
      assert.deepStrictEqual(
        rows.map(({ n }) =>
          n
        ),
        ["a", "b"]
      )
    }))
})

describe("a pickle of many dicts", () => {
  it.effect("that all have other keys is read, also when it holds floats", () =>
    Effect.gen(function*() {
      const dict = (i: number) => `}X\x04\0\0\0${String(i).padStart(4, "k")}G\x3f\xf0\0\0\0\0\0\0s`
      const bytes = Buffer.from(`\x80\x02](${Array.from({ length: 1_000 }, (_, i) => dict(i)).join("")}e.`, "latin1")
      const value = (yield* ResultFormat.decode(bytes, { name: "x", maxBytes: 1 << 20 })) as Array<object>
      assert.deepStrictEqual({ ...value[999] }, { k999: 1 })
      assert.lengthOf(value, 1_000)
    }))
})
