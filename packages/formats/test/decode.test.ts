import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { Table } from "@effect-prefect/formats/Table"
import { PyDateTime } from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as zlib from "node:zlib"
import { runs, seeds } from "../../core/test/seeds.ts"

const fixture = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../fixtures/formats/pandas-3/${name}`, import.meta.url)))

const decode = (bytes: Uint8Array | string, options: Partial<ResultFormat.DecodeOptions> = {}) =>
  ResultFormat.decode(typeof bytes === "string" ? Buffer.from(bytes) : bytes, {
    name: "result",
    maxBytes: 1 << 20,
    ...options
  })

const problem = (bytes: Uint8Array | string, options?: Partial<ResultFormat.DecodeOptions>) =>
  Effect.map(Effect.flip(decode(bytes, options)), (error) => error.message)

describe("JSON as Python writes it", () => {
  it.effect.each<readonly [string, unknown]>([
    ["[NaN, Infinity, -Infinity]", [Number.NaN, Infinity, -Infinity]],
    ["9007199254740991", 9007199254740991],
    ["9007199254740993", 9007199254740993n],
    ["[-12345678901234567890, 1]", [-12345678901234567890n, 1]],
    ["12345678901234567890.0", 12345678901234567e3],
    ["1234567890123456789e1", 12345678901234567e3],
    ["[0.12345678901234568, 1e400, 5e-324]", [0.12345678901234568, Infinity, 5e-324]],
    ["[-0, -0.0]", [0, -0]],
    ["{\"a\": 1, \"b\": 2, \"a\": 3}", { a: 3, b: 2 }],
    ["{\"a\": NaN, \"b\": 2, \"a\": 3}", { a: 3, b: 2 }],
    ["\"\\ud800\"", "\ud800"],
    ["\"\\\"\\\\\\\"\"", "\"\\\""],
    [" \n{\"n\": [1, {\"I\": \"N\"}]}\t", { n: [1, { I: "N" }] }],
    ["[NaN, \"\\\\\", {\"k\\\\\": [], \"e\": {}}]", [Number.NaN, "\\", { "k\\": [], e: {} }]],
    ["true", true],
    ["null", null],
    ["\"\"", ""]
  ])("reads %s", ([text, expected]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* decode(text), expected)
    }))
  it.effect("keeps __proto__ as a key, also beside what JavaScript cannot parse", () =>
    Effect.gen(function*() {
      for (const text of ["{\"__proto__\": {\"x\": 1}}", "{\"__proto__\": {\"x\": 1}, \"n\": NaN}"]) {
        const value = (yield* decode(text)) as object
        assert.strictEqual(Object.getPrototypeOf(value), Object.prototype)
        assert.deepStrictEqual(Object.getOwnPropertyDescriptor(value, "__proto__")?.value, { x: 1 })
      }
    }))
  it.effect("reads the encodings that Python tells", () =>
    Effect.gen(function*() {
      const text = "{\"a\": \"h\u00e9 \u{1f600}\"}"
      const utf32 = (littleEndian: boolean, mark: boolean) => {
        const codes = [...(mark ? [0xfeff] : []), ...Array.from(text, (char) => char.codePointAt(0)!)]
        const view = new DataView(new ArrayBuffer(codes.length * 4))
        codes.forEach((code, i) => view.setUint32(i * 4, code, littleEndian))
        return new Uint8Array(view.buffer)
      }
      const encodings = [
        Buffer.from(text),
        Buffer.from(`\ufeff${text}`),
        Buffer.from(text, "utf16le"),
        Buffer.from(`\ufeff${text}`, "utf16le"),
        Buffer.from(text, "utf16le").swap16(),
        Buffer.from(`\ufeff${text}`, "utf16le").swap16(),
        ...[true, false].flatMap((littleEndian) => [utf32(littleEndian, true), utf32(littleEndian, false)])
      ]
      for (const bytes of encodings) assert.deepStrictEqual(yield* decode(bytes), { a: "h\u00e9 \u{1f600}" })
    }))
  it.effect("reads lone surrogates that are encoded as such", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* decode(Buffer.from("22eda08022", "hex")), "\ud800")
    }))
  it.effect.each([
    "[1,]",
    "{\"a\" 1}",
    "{a: 1}",
    "\"\n\"",
    "[1 2]",
    "01",
    "1.",
    "nul",
    "[",
    "\"abc",
    "{\"a\":1}x",
    "NaNN"
  ])(
    "refuses %s and says where",
    (text) =>
      Effect.gen(function*() {
        assert.match(yield* problem(text, { format: "json" }), /at character \d+ .* was expected/)
      })
  )
  it.effect("refuses what is nested without end", () =>
    Effect.gen(function*() {
      assert.include(yield* problem("[".repeat(200_000), { format: "json" }), "deep")
      const deep = "[".repeat(5_000) + "]".repeat(5_000)
      assert.include((yield* Effect.flip(JsonProjection.toJson(yield* decode(deep)))).message, "deep")
    }))
  it.effect.prop(
    "says what JSON.parse says of JSON",
    [Schema.Record(
      Schema.String,
      Schema.Array(Schema.Union([Schema.String, Schema.Finite, Schema.Boolean, Schema.Null]))
    )],
    ([value]) =>
      Effect.gen(function*() {
        // An integer beyond a double is a bigint here: those are tested above.
        const text = JSON.stringify(value, (_, item: unknown) =>
          typeof item === "number" && Math.abs(item) > 1e15 ? 0.5 : item)
        assert.deepStrictEqual(yield* decode(text, { format: "json" }), JSON.parse(text))
        // The same text through the parser that knows Python's constants.
        const both = (yield* decode(`[NaN, ${text}]`)) as ReadonlyArray<unknown>
        assert.deepStrictEqual(both[1], JSON.parse(text.replace(/(?<=[[,])-0(?=[,\]])/g, "0")))
      }),
    { arbitrary: runs(40, 200) }
  )
  it.effect("reads a number alike wherever it is in a short text, and behind a space", () =>
    Effect.gen(function*() {
      const integers = ["9007199254740993", "-9007199254740993", "123456789012345", "1234567890123456", "1".repeat(40)]
      const floats = ["1234567890123456789e1", "12345678901234567890.5", "0.1234567890123456789", "1e00000000000000005"]
      const zeros = ["-0", "-0.0", "-0e0", "-0.5", "NaN", "-Infinity", "[-0]"]
      const texts = ["\"-0\"", "\"2021-01-05\"", "\"9007199254740993\""]
      for (const number of [...integers, ...floats, ...zeros, ...texts]) {
        for (let before = 0; before < 34; before++) {
          for (const text of [`["${"x".repeat(before)}",${number}]`, `{"${"1".repeat(before)}": ${number}}`]) {
            assert.deepStrictEqual(yield* decode(text), yield* decode(` ${text}`), text)
          }
        }
      }
    }))
  it.effect("takes short bytes that are not UTF-8 for what they are", () =>
    Effect.gen(function*() {
      const surrogates = Buffer.from("5b22eda080222c225c22225d", "hex")
      assert.deepStrictEqual(yield* decode(surrogates), ["\ud800", "\""])
      assert.deepStrictEqual(yield* decode("[\"\ufffd\"]"), ["\ufffd"])
      assert.include(yield* problem(Buffer.from("5b22ff225d", "hex"), { format: "json" }), "not text")
      assert.deepStrictEqual(yield* decode(Buffer.from("[\"-0\",1]", "utf16le")), ["-0", 1])
    }))
})

describe("ISO datetimes", () => {
  it.effect.each(
    [
      ["2022-03-01T13:30:00+01:00", "2022-03-01T13:30:00+01:00"],
      ["2022-03-01T12:30:00Z", "2022-03-01T12:30:00+00:00"],
      ["2022-03-01T13:30:00.123456-03:30", "2022-03-01T13:30:00.123456-03:30"],
      ["2022-03-01 13:30:00.123456789", "2022-03-01T13:30:00.123456+00:00"],
      ["2022-03-01T13:30", "2022-03-01T13:30:00+00:00"],
      ["2022-03-01", "2022-03-01T00:00:00+00:00"],
      ["20220301T133000Z", "2022-03-01T13:30:00+00:00"],
      ["0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00+00:00"],
      ["2022-03-01T13:30:00+05:30:15.000001", "2022-03-01T13:30:00+05:30:15.000001"]
    ] as const
  )("reads %s as a pickled datetime", ([text, expected]) =>
    Effect.gen(function*() {
      const value = yield* decode(text)
      assert.isTrue(value instanceof PyDateTime)
      assert.strictEqual(String(value), expected)
    }))
  it.effect.each([
    "2022-02-29",
    "2022-13-01",
    "2022-01-01T24:00:00",
    "2022-01-01T00:00:00+24:00",
    "0000-01-01",
    "soon"
  ])(
    "refuses %s",
    (text) =>
      Effect.gen(function*() {
        assert.include(yield* problem(text, { format: "datetime" }), "not an ISO 8601 datetime")
      })
  )
})

describe("which format it is", () => {
  it.effect("is told by the bytes before the name, and by the name before text", () =>
    Effect.gen(function*() {
      // A pickle of protocol 2, JSON and CSV under the name of a CSV file.
      assert.deepStrictEqual(yield* decode(Buffer.from("\x80\x02K\x07.", "latin1"), { name: "a.csv" }), 7)
      const table = yield* decode("12", { name: "a.csv" })
      assert.deepStrictEqual((table as Table).columnNames, ["12"])
      assert.strictEqual(yield* decode("12"), 12)
      assert.isTrue((yield* decode(fixture("mixed.parquet"), { name: "a.csv" })) instanceof Table)
      for (const name of ["a.csv.gz", "A.CSV", "a.csv.xz", "s3://b/a.csv.bz2"]) {
        assert.isTrue((yield* decode(zlib.gzipSync("a,b\n1,2"), { name })) instanceof Table, name)
      }
    }))
  it.effect("is JSON before a datetime, and a datetime before an old pickle or base64", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* decode("20220301"), 20220301)
      assert.strictEqual(yield* decode("1234"), 1234)
      assert.strictEqual(yield* decode("null"), null)
      assert.deepStrictEqual(yield* decode("(lp0\nI1\naI2\na."), [1, 2])
      assert.deepStrictEqual(yield* decode("N."), null)
      assert.deepStrictEqual(yield* decode("gAJLBy4="), 7)
      assert.deepStrictEqual(yield* decode("gAJL\nBy4=\n"), 7)
      assert.deepStrictEqual(yield* decode(Buffer.from("(lp0\nI1\na.").toString("base64")), [1])
    }))
  it.effect("is what a hint says", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* decode("12", { format: "text" }), "12")
      assert.strictEqual(yield* decode("gAJLBy4=", { format: "pickle" }), 7)
      assert.isTrue((yield* decode("a\n1", { format: "csv" })) instanceof Table)
      assert.isTrue((yield* decode("{\"a\": {\"0\": 1}}", { format: "pandas-json" })) instanceof Table)
      assert.include(yield* problem("{", { format: "pickle" }), "pickle")
      assert.include(yield* problem("x", { format: "parquet" }), "Parquet")
      assert.include(yield* problem("x", { format: "feather" }), "Arrow")
    }))
  it.effect("is none: it says what was tried, and no value", () =>
    Effect.gen(function*() {
      const message = yield* problem("hunter2 is the password")
      for (const tried of ["Parquet", "Arrow", "JSON", "ISO datetime", "pickle", "base64"]) {
        assert.include(message, tried)
      }
      assert.notInclude(message, "hunter2")
      assert.include(yield* problem(""), "empty")
      assert.notInclude(yield* problem("{\"password\": hunter2}"), "hunter2")
    }))
  it.effect("gives no Buffer, whatever it was given", () =>
    Effect.gen(function*() {
      const value = yield* decode(Buffer.from("\x80\x03C\x02ab.", "latin1"))
      assert.strictEqual(Object.getPrototypeOf(value), Uint8Array.prototype)
    }))
})

describe("compression", () => {
  const value = { a: [1, 2, 3] }
  const json = Buffer.from(JSON.stringify(value))
  const large = Buffer.from(JSON.stringify(Array.from({ length: 200_000 }, (_, i) => (i * 7919) % 100_003)))
  it.effect.each(["gz", "zlib", "bz2", "xz", "lzma", "zst"])(
    "reads %s that Python wrote",
    (ending) =>
      Effect.gen(function*() {
        const decoded = yield* decode(fixture(`nested.json.${ending}`))
        assert.deepStrictEqual((decoded as { a: unknown }).a, [1, { b: null, c: [true, false] }])
      })
  )
  it.effect("reads layers, and large ones", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* decode(zlib.gzipSync(zlib.deflateSync(zlib.zstdCompressSync(json)))), value)
      for (const compress of [zlib.gzipSync, zlib.deflateSync, zlib.zstdCompressSync]) {
        const decoded = yield* decode(compress(large), { maxBytes: 1 << 22 })
        assert.strictEqual((decoded as ReadonlyArray<unknown>).length, 200_000)
      }
    }))
  it.effect("reads several streams after each other", () =>
    Effect.gen(function*() {
      const parts = [json.subarray(0, 5), json.subarray(5)]
      assert.deepStrictEqual(yield* decode(Buffer.concat(parts.map((part) => zlib.gzipSync(part)))), value)
    }))
  it.effect("stops at the limit of bytes, at once and with time", () =>
    Effect.gen(function*() {
      const bombs = [zlib.gzipSync, zlib.deflateSync, zlib.zstdCompressSync].map((compress) =>
        compress(Buffer.alloc(5_000_000))
      )
      for (const bomb of bombs) {
        const error = yield* Effect.flip(decode(bomb))
        assert.strictEqual(error.reason._tag, "TooLarge")
      }
      assert.strictEqual(
        (yield* Effect.flip(decode(zlib.gzipSync(large), { maxBytes: 1_000 }))).reason._tag,
        "TooLarge"
      )
      for (const ending of ["bz2", "xz", "lzma"]) {
        assert.strictEqual(
          (yield* Effect.flip(decode(fixture(`mixed.pickle.${ending}`), { maxBytes: 100 }))).reason._tag,
          "TooLarge"
        )
      }
    }))
  it.effect("stops at the ratio that no ordinary result has", () =>
    Effect.gen(function*() {
      const bomb = zlib.zstdCompressSync(Buffer.alloc(70_000_000))
      const error = yield* Effect.flip(decode(bomb, { maxBytes: 1 << 30 }))
      assert.strictEqual(error.reason._tag, "Undecodable")
      assert.include(error.message, "times its size")
    }))
  it.effect("stops after four layers", () =>
    Effect.gen(function*() {
      let bytes = json
      for (let i = 0; i < 5; i++) bytes = zlib.gzipSync(bytes)
      assert.include(yield* problem(bytes), "4 times")
    }))
  it.effect.each(["gz", "zlib", "bz2", "xz", "lzma", "zst"])(
    "says that a %s stream is damaged",
    (ending) =>
      Effect.gen(function*() {
        const bytes = fixture(`mixed.csv.${ending}`)
        assert.match(yield* problem(bytes.subarray(0, bytes.length - 20)), /damaged|no format/)
        const broken = Uint8Array.from(bytes)
        broken[Math.floor(bytes.length / 2)]! ^= 0x55
        const exit = yield* Effect.exit(decode(broken, { format: "csv" }))
        // Only a checksum tells some damage, and a legacy .lzma file has none.
        if (ending !== "lzma" && ending !== "zst") assert.strictEqual(exit._tag, "Failure")
      })
  )
  it.effect("ends on a bzip2 run that never does", () =>
    Effect.gen(function*() {
      // A block whose Huffman codes give run symbols only: the run grows past any block.
      const bits: Array<string> = []
      const put = (value: number, width: number) => bits.push(value.toString(2).padStart(width, "0"))
      for (const byte of [0x31, 0x41, 0x59, 0x26, 0x53, 0x59]) put(byte, 8)
      put(0, 32) // CRC
      put(0, 1)
      put(0, 24)
      put(0x8000, 16)
      put(0x8000, 16)
      put(2, 3)
      put(100, 15)
      for (let i = 0; i < 100; i++) put(0, 1)
      for (let table = 0; table < 2; table++) {
        put(1, 5)
        for (const step of ["0", "100", "0"]) bits.push(step)
      }
      bits.push("0".repeat(4_000))
      const all = bits.join("")
      const body = Uint8Array.from({ length: Math.ceil(all.length / 8) }, (_, i) =>
        Number.parseInt(all.slice(i * 8, i * 8 + 8).padEnd(8, "0"), 2))
      const message = yield* problem(Buffer.concat([Buffer.from("BZh9"), body]))
      assert.include(message, "a run is longer than its block")
    }))
})

describe("pickles", () => {
  it.effect("say why they were refused, without a value", () =>
    Effect.gen(function*() {
      assert.include(yield* problem(Buffer.from("\x80\x04\x95\xff", "latin1")), "pickle was rejected")
      assert.notInclude(yield* problem(Buffer.from("\x80\x04\x8c\x07hunter2\xff", "latin1")), "hunter2")
    }))
  it.effect("give a DataFrame as a Table, wherever it is", () =>
    Effect.gen(function*() {
      assert.isTrue((yield* decode(fixture("mixed.pickle"))) instanceof Table)
      const nested = (yield* decode(fixture("frames.pickle"))) as { readonly a: unknown }
      assert.isTrue(nested.a instanceof Table)
    }))
})

describe("Table", () => {
  it.effect("is the same wherever it was stored", () =>
    Effect.gen(function*() {
      const tables: Array<Table> = []
      for (const ending of ["pickle", "parquet", "feather", "arrows"]) {
        tables.push((yield* decode(fixture(`mixed.${ending}`))) as Table)
      }
      const [first] = tables
      for (const table of tables) {
        assert.deepStrictEqual(table.columnNames, ["id", "total", "name", "ok", "day"])
        assert.deepStrictEqual(table.columns.map(({ kind }) => kind), ["int", "float", "string", "bool", "datetime"])
        assert.strictEqual(table.numRows, 3)
        assert.deepStrictEqual(
          table.toRows().map((row) => ({ ...row, day: String(row["day"]) })),
          first!.toRows().map((row) => ({ ...row, day: String(row["day"]) }))
        )
        assert.deepStrictEqual(table.column("total")?.toArray(), [1.5, null, 2.5])
        assert.strictEqual(table.column("name")?.nullCount, 1)
        assert.strictEqual(table.column("nothing"), undefined)
        assert.deepStrictEqual([...table].map((row) => row["id"]), [1, 2, 3])
        assert.strictEqual(table.row(1)?.["ok"], false)
        assert.strictEqual(table.row(3), undefined)
      }
    }))
  it.effect("keeps times to the nanosecond, with their zone", () =>
    Effect.gen(function*() {
      for (const ending of ["pickle", "parquet", "feather"]) {
        const table = (yield* decode(fixture(`datetimes.${ending}`))) as Table
        const column = table.column("berlin")!
        assert.deepStrictEqual([column.kind, column.timezone], ["datetime", "Europe/Berlin"])
        assert.strictEqual(String(column.at(1)), "2022-06-01T12:00:00.000000001+02:00")
        assert.strictEqual(column.at(2), null)
        assert.isTrue(column.isNull(2))
        assert.strictEqual(String(table.column("fixed")!.at(0)), "2022-01-01T00:00:00-03:30")
      }
    }))
  it.effect("has the index apart, by name", () =>
    Effect.gen(function*() {
      for (const ending of ["pickle", "parquet", "feather"]) {
        const named = (yield* decode(fixture(`index_named.${ending}`))) as Table
        assert.deepStrictEqual(named.index.map(({ name }) => name), ["key"])
        assert.deepStrictEqual(named.index[0]!.toArray(), [7, 8, 9])
        assert.deepStrictEqual(named.toRows(), [{ a: 1 }, { a: 2 }, { a: 3 }])
        const multi = (yield* decode(fixture(`index_multi.${ending}`))) as Table
        assert.deepStrictEqual(multi.index.map((column) => column.toArray()), [["x", "x", "y"], [1, 2, 1]])
        const range = (yield* decode(fixture(`index_range.${ending}`))) as Table
        assert.deepStrictEqual(range.index[0]!.toArray(), [10, 12, 14])
        assert.deepStrictEqual(((yield* decode(fixture(`mixed.${ending}`))) as Table).index, [])
      }
    }))
  it.effect("has the categories of a categorical column", () =>
    Effect.gen(function*() {
      for (const ending of ["pickle", "feather"]) {
        const column = ((yield* decode(fixture(`categories.${ending}`))) as Table).column("c")!
        assert.deepStrictEqual(column.categories, ["low", "mid", "high"])
        assert.isTrue(column.isOrdered)
        assert.deepStrictEqual([column.kind, ...column.toArray()], ["string", "low", "high", null])
      }
    }))
  it("makes rows of any name", () => {
    assert.deepStrictEqual(new Table([], 2).toRows(), [{}, {}])
  })
})

/** Bytes of any kind, from a seed. */
const random = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

describe("damage of a Feather 1 file", () => {
  it.effect.each([
    { what: "starts after it ends", at: 16, mask: 0x10 },
    { what: "ends after the column", at: 25, mask: 0x10 },
    { what: "starts before the column", at: 19, mask: 0x80 }
  ])("by which a value $what is told where the value is read", ({ at, mask }) =>
    Effect.gen(function*() {
      const bytes = Uint8Array.from(fixture("bytes.v1.feather"))
      bytes[at]! ^= mask
      const table = yield* ResultFormat.decode(bytes, { name: "x.feather", maxBytes: 1 << 20 })
      const { reason } = yield* Effect.flip(JsonProjection.validate(table, { maxValues: 100 }))
      assert.strictEqual(reason._tag, "Undecodable")
      assert.include(reason.message, "a value lies outside of its column")
    }))
})

const sources = [
  ...["pickle", "parquet", "feather", "csv", "arrows"].map((ending) => `mixed.${ending}`),
  ...["gz", "zlib", "bz2", "xz", "lzma", "zst"].flatMap((
    ending
  ) => [`mixed.pickle.${ending}`, `nested.json.${ending}`]),
  "lists.parquet",
  "list_of_dicts.feather",
  "decimals.parquet",
  "datetimes.feather",
  "categories.parquet",
  "mixed.zstd.parquet",
  "mixed.lz4.parquet",
  "mixed.gzip.parquet",
  "mixed.brotli.parquet",
  "mixed.groups.parquet",
  "mixed.zstd.feather",
  "mixed.v1.feather",
  "strings.v1.feather",
  "mixed.table.json",
  "mixed.columns.json",
  "value_nested.p0.pickle",
  "value_nested.base64",
  "value_numbers.json"
]

describe("a seeded fuzz", () => {
  const maxBytes = 1 << 22
  const rounds = seeds(20, 300)
  it.live.each(sources)(
    `%s, damaged in ${rounds} ways, gives a value or a typed failure`,
    (name) =>
      Effect.gen(function*() {
        const original = fixture(name)
        const next = random(0x5eed + sources.indexOf(name))
        const before = process.memoryUsage().rss
        for (let round = 0; round < rounds; round++) {
          let bytes = Uint8Array.from(original)
          const edits = 1 + Math.floor(next() * 4)
          for (let edit = 0; edit < edits; edit++) {
            const at = Math.floor(next() * bytes.length)
            const kind = next()
            if (kind < 0.5) bytes[at] = Math.floor(next() * 256)
            else if (kind < 0.7) bytes[at] = [0, 1, 0x7f, 0x80, 0xff][Math.floor(next() * 5)]!
            else if (kind < 0.8) bytes.fill(0xff, at, at + 4)
            else if (kind < 0.9) {
              bytes.copyWithin(at, Math.floor(next() * bytes.length), Math.floor(next() * bytes.length))
            } else if (bytes.length > 16) bytes = bytes.slice(0, Math.floor(bytes.length * next()))
          }
          const format = name.endsWith(".columns.json") ? "pandas-json" as const : undefined
          const exit = yield* Effect.exit(
            Effect.flatMap(
              ResultFormat.decode(bytes, { name, maxBytes, format }),
              (value) => JsonProjection.validate(value, { maxValues: 1 << 20 })
            )
          )
          if (exit._tag === "Failure") {
            for (const reason of exit.cause.reasons) {
              assert.strictEqual(reason._tag, "Fail", `${name}, round ${round}: ${String(exit.cause)}`)
            }
          }
        }
        // 64 times the limit would be a decoder that believes what a damaged file says of its size.
        assert.isBelow(process.memoryUsage().rss - before, 64 * maxBytes)
      })
  )
  it.effect.prop(
    "bytes of no format",
    [Schema.Uint8Array],
    ([bytes]) =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(decode(bytes))
        if (exit._tag === "Failure") assert.isTrue(exit.cause.reasons.every(({ _tag }) => _tag === "Fail"))
      }),
    { arbitrary: runs(150, 1_000) }
  )
})
