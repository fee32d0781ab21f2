/** Whatever is read or shown is done in many short steps, however few values it has. */
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { Column, Table } from "@effect-prefect/formats/Table"
import * as Tabular from "@effect-prefect/formats/Tabular"
import * as ValueSize from "@effect-prefect/formats/ValueSize"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { isDeepStrictEqual } from "node:util"
import { mostListedKeys } from "../../pickle/test/listedKeys.ts"
import { exactJsonSteps, orderedJsonSteps } from "../src/internal/json.ts"
import { jsonBytesSteps } from "../src/internal/jsonPieces.ts"
import { readPandasJson } from "../src/internal/readers/pandasJson.ts"
import { type Steps, toEnd } from "../src/internal/steps.ts"

const million = 1_000_000

/** The number of times at which work could have given way. */
const stepsOf = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<number, E> =>
  Effect.suspend(() => {
    let steps = 0
    // Not a spy, which keeps each of its calls.
    const real = Object.getOwnPropertyDescriptor(performance, "now")
    Object.defineProperty(performance, "now", { configurable: true, value: () => steps++ / 100 })
    return Effect.ensuring(
      Effect.map(effect, () => steps),
      Effect.sync(() => {
        if (real === undefined) Reflect.deleteProperty(performance, "now")
        else Object.defineProperty(performance, "now", real)
      })
    )
  })

const latin1 = (...parts: ReadonlyArray<string | Uint8Array>): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => typeof part === "string" ? Buffer.from(part, "latin1") : part)))

const filled = (before: string, unit: string, after: string, bytes = 3 * million): Uint8Array =>
  latin1(before, Buffer.alloc(bytes, unit, "latin1"), after)

const uint64 = (value: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)

/** The instructions for the integers from 0, each with what follows it. */
const integers = (count: number, after = ""): Uint8Array => {
  const each = 5 + after.length
  const out = Buffer.alloc(count * each, `J\0\0\0\0${after}`, "latin1")
  for (let index = 0; index < count; index++) out.writeInt32LE(index, index * each + 1)
  return new Uint8Array(out)
}

const recordsOf = (count: number) =>
  Array.from({ length: count }, (_, id) => `{"id":${id},"name":"row ${id}"}`).join(",")
const jsonOf = (count: number) => `[${recordsOf(count)}]`

/** UTF-32 in the order of this machine. */
const utf32 = (text: string): Uint8Array => {
  const out = new Uint32Array(text.length)
  let length = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.codePointAt(at)!
    out[length++] = code
    if (code > 0xffff) at++
  }
  return new Uint8Array(out.slice(0, length).buffer)
}

const inputs: Record<string, () => readonly [bytes: Uint8Array, name?: string]> = {
  "JSON in UTF-16": () => [new Uint8Array(Buffer.from(`\ufeff${jsonOf(60_000)}`, "utf16le"))],
  "JSON in UTF-32": () => [utf32(jsonOf(60_000))],
  "JSON of one text": () => [filled("\"", "abcdefgh", "\"")],
  "JSON of one text in a list": () => [filled("[\"", "abcdefgh", "\"]", 5 * million)],
  "JSON of white space": () => [filled("[1", " ", "]", 5 * million)],
  "white space before JSON": () => [filled("", " ", "[1]", 5 * million)],
  "white space between a key and its value": () => [filled("{\"a\":", " ", "1}", 5 * million)],
  "JSON that breaks off": () => [filled("[", "123,", "1", 1.5 * million)],
  "CSV of one cell": () => [filled("a,b\n1,", "abcdefgh", "\n"), "x.csv"],
  "CSV of one quoted cell": () => [filled("a,b\n1,\"", "abcdef\"\"", "\"\n"), "x.csv"],
  "CSV of one name": () => [filled("", "abcdefgh", "\n1\n"), "x.csv"],
  "a base64 text": () => [filled("", "gARLAS4=".slice(0, 4), "")],
  "a pickle of one text": () => [latin1("\x80\x04\x8d", uint64(3 * million), filled("", "abcdefgh", "."))],
  "a pickle of one text, with its length in four bytes": () => [
    latin1("\x80\x02X", uint64(3 * million).subarray(0, 4), filled("", "abcd\xc3\xa9", "."))
  ],
  "a string of Python 2": () => [latin1("\x80\x02T", uint64(3 * million).subarray(0, 4), filled("", "abcdefgh", "."))],
  "a string of Python 2 in protocol 0": () => [filled("S'", "abcdefgh", "'\n.")],
  "bytes in protocol 2": () => [
    latin1(
      "\x80\x02c_codecs\nencode\nX",
      uint64(3 * million).subarray(0, 4),
      filled("", "abcdefgh", "X\x06\0\0\0latin1\x86R.")
    )
  ],
  "a set in protocol 2": () => [
    latin1("\x80\x02c__builtin__\nset\n](", integers(200_000), "e\x85R.")
  ],
  "a subclass of dict": () => [
    latin1("\x80\x02c__main__\nD\n)\x81(", integers(155_000, "K\x01"), "u.")
  ]
}

describe("reading takes a step for each megabyte at least", () => {
  for (const [kind, make] of Object.entries(inputs)) {
    it.effect(kind, () =>
      Effect.gen(function*() {
        const [bytes, name = "x"] = make()
        const steps = yield* stepsOf(Effect.exit(ResultFormat.decode(bytes, { name, maxBytes: 2 ** 28 })))
        assert.isAtLeast(steps, bytes.length / 0x100000)
      }))
  }
})

it("the end of a long text in JSON is not searched for at once", () => {
  const bytes = filled("[\"", "abcdefgh", "\",{\"a\":\"b\"}]")
  const indexOf = vi.spyOn(Uint8Array.prototype, "indexOf")
  try {
    toEnd(jsonBytesSteps(bytes))
    const searched = indexOf.mock.calls.map(([, from = 0], call) => {
      const found = indexOf.mock.results[call]!.value as number
      return (found < 0 ? (indexOf.mock.contexts[call] as Uint8Array).length : found) - from
    })
    assert.isAtLeast(searched.length, 10)
    assert.isAtMost(Math.max(...searched), 0x40000)
  } finally {
    indexOf.mockRestore()
  }
})

describe("what is read in steps is what it is at once", () => {
  const decode = (bytes: Uint8Array, name = "x") => ResultFormat.decode(bytes, { name, maxBytes: 2 ** 28 })
  const cells = ["é😀".repeat(200_000), `"${"x,\n".repeat(300_000)}"`, "a".repeat(0x80000), "b".repeat(0x7ffff), "c"]

  it.effect("cells of CSV", () =>
    Effect.gen(function*() {
      const text = `h1,h2\n${
        cells.map((cell, at) => `"${cell.replaceAll("\"", "\"\"")}"${at === 0 ? "tail" : ""},${at}`).join("\n")
      }\n${cells[0]},9`
      const table = yield* decode(latin1(Buffer.from(text)), "x.csv")
      assert.instanceOf(table, Table)
      const column = (table as Table).column("h1")!.toArray()
      assert.deepStrictEqual(
        column.map((cell) => `${cell as string}`.length),
        [cells[0]!.length + 4, ...cells.slice(1).map((cell) => cell.length), cells[0]!.length]
      )
      assert.isTrue(column[0] === `${cells[0]}tail` && column[1] === cells[1] && column[5] === cells[0])
      assert.deepStrictEqual((table as Table).column("h2")!.toArray(), [0, 1, 2, 3, 4, 9])
    }))

  it.effect("quotes in a cell of CSV, wherever a piece of it ends", () =>
    Effect.gen(function*() {
      for (const before of [0x7fffe, 0x7ffff, 0x80000]) {
        const cell = `${"a".repeat(before)}"é""b"`
        const table = (yield* decode(latin1(Buffer.from(`h\n"${cell.replaceAll("\"", "\"\"")}"`)), "x.csv")) as Table
        assert.isTrue(table.columns[0]!.at(0) === cell, `${before}`)
      }
    }))

  it.effect("texts of pickles", () =>
    Effect.gen(function*() {
      for (const text of ["é".repeat(400_000), `a${"😀".repeat(200_000)}`]) {
        const utf8 = latin1(Buffer.from(text))
        assert.isTrue(text === (yield* decode(latin1("\x80\x04\x8d", uint64(utf8.length), utf8, "."))))
      }
      const damaged = filled("", "abcdefgh", "\xff", 700_000)
      const error = yield* Effect.flip(decode(latin1("\x80\x04\x8d", uint64(damaged.length), damaged, ".")))
      assert.match(error.message, /invalid UTF-8 in byte 700000 of a string/)
      const python2 = filled("S'", "ab\\x41", "'\n.", 600_000)
      assert.isTrue((yield* decode(python2)) === "abA".repeat(100_000))
      const base64 = Buffer.from(latin1("\x80\x04](", integers(300_000), "e.")).toString("base64")
      for (const lines of [base64, base64.replace(/.{76}/g, "$&\r\n")]) {
        assert.lengthOf((yield* decode(latin1(lines))) as ReadonlyArray<unknown>, 300_000)
      }
      const set = yield* decode(latin1("\x80\x02c__builtin__\nset\n](", integers(70_000), "e\x85R."))
      assert.isTrue(set instanceof Set && set.size === 70_000 && set.has(69_999))
      const keys = Array.from({ length: 5_000 }, (_, at) => latin1("U\x08", `k${String(at).padStart(7, "0")}`, "K\x01"))
      const dict = latin1(
        "\x80\x02](c__main__\nD\n)\x81(",
        ...keys,
        "uK\x05c__main__\nE\n)\x81(",
        ...keys,
        "K\x01K\x02ue."
      )
      const [first, five, second] = (yield* decode(dict)) as [object, number, ReadonlyMap<unknown, unknown>]
      assert.deepStrictEqual([Object.keys(first).length, five, second.size, second.get(1)], [5_000, 5, 5_001, 2])
    }))
})

describe("showing takes a step for each 500 000 characters at least", () => {
  const many = Array.from({ length: 50_000 }, (_, id): readonly [string, number] => [`key ${id}`, id])
  const values: Record<string, readonly [value: unknown, characters: number]> = {
    "one text": ["x".repeat(4 * million), 4 * million],
    "one text of quotes": ["\"".repeat(2 * million), 4 * million],
    bytes: [new Uint8Array(3 * million), 4 * million],
    "a key": [{ ["k".repeat(4 * million)]: 1 }, 4 * million],
    "a Map": [new Map(many), 14 * many.length],
    "an object": [Object.fromEntries(many), 14 * many.length]
  }
  for (const [kind, [value, characters]] of Object.entries(values)) {
    it.effect(kind, () =>
      Effect.gen(function*() {
        assert.isAtLeast(yield* stepsOf(JsonProjection.toText(value)), characters / 500_000)
      }))
  }

  it.effect("and is the same as in one step", () =>
    Effect.gen(function*() {
      for (const text of [`${"😀".repeat(300_000)}`, `a${"😀".repeat(300_000)}`, "\ud800\"\\\n".repeat(100_000)]) {
        for (const value of [text, { [text]: text }, [1, text, 2]]) {
          assert.isTrue((yield* JsonProjection.toText(value)) === JSON.stringify(value))
          assert.isTrue(JSON.stringify(yield* JsonProjection.toJson(value)) === JSON.stringify(value))
        }
      }
      for (const size of [700_000, 700_001, 700_002]) {
        const bytes = Uint8Array.from({ length: size }, (_, at) => at * 7)
        assert.strictEqual(yield* JsonProjection.toJson(bytes), Buffer.from(bytes).toString("base64"))
      }
      // Keys whose texts are equal: the last of them, in the place of the first.
      const mixed = new Map<unknown, number>()
      for (let at = 0; at < 20_000; at++) mixed.set(at % 2 === 0 ? `${at / 2}` : 20_000 - at, at)
      const expected = new Map<string, number>()
      for (const [key, value] of mixed) expected.set(String(key), value)
      assert.strictEqual(
        yield* JsonProjection.toText(mixed),
        `{${[...expected].map(([key, value]) => `"${key}":${value}`).join(",")}}`
      )
    }))
})

it.effect("the keys of an object in a list are listed once", () =>
  Effect.gen(function*() {
    const object = Object.fromEntries(Array.from({ length: 5_000 }, (_, id) => [`key ${id}`, id]))
    const keys = vi.spyOn(Object, "keys")
    const shown = yield* Effect.ensuring(
      Effect.map(JsonProjection.toText([object, 1]), (text) => [text, keys.mock.calls.length] as const),
      Effect.sync(() => keys.mockRestore())
    )
    assert.deepStrictEqual(shown, [JSON.stringify([object, 1]), 1])
  }))

describe("a table of records", () => {
  const record = (id: number) => ({ id, name: `row ${id}`, share: id / 2 })
  const records = Array.from({ length: 40_000 }, (_, id) => record(id))

  it.effect("is made in steps, and is the same as at once", () =>
    Effect.gen(function*() {
      assert.isAtLeast(yield* stepsOf(Tabular.fromValue(records)), 20)
      const [table, atOnce] = [yield* Tabular.fromValue(records), Tabular.fromValueSync(records)]
      assert.deepStrictEqual(table!.columns.map(({ kind, name }) => [name, kind]), [
        ["id", "int"],
        ["name", "string"],
        ["share", "float"]
      ])
      assert.deepStrictEqual(table!.row(39_999), record(39_999))
      assert.deepStrictEqual(table!.row(39_999), atOnce!.row(39_999))
    }))

  it.effect("is made of each of them once, however often it is referred to", () =>
    Effect.gen(function*() {
      const wide = (value: unknown) => Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`c${at}`, value]))
      const twice = [wide(1), wide("a")]
      const many = Array.from({ length: 20_000 }, (_, at) => twice[at & 1])
      assert.isAtMost(yield* stepsOf(Tabular.fromValue(many)), 50)
      const table = (yield* Tabular.fromValue(many))!
      assert.deepStrictEqual([table.numRows, table.columns[7]!.kind, table.columns[7]!.at(9_999)], [
        20_000,
        "object",
        "a"
      ])
      assert.isUndefined(yield* Tabular.fromValue([...many, { id: 1 }]))
    }))
})

describe("JSON in UTF-16 and UTF-32", () => {
  const text = `["${"é€😀\\n".repeat(40_000)}",${recordsOf(10_000)},"\ud83d",{"a":"\udc00"}]`
  const units = Uint16Array.from({ length: text.length }, (_, at) => text.charCodeAt(at))
  const swapped = (bytes: Uint8Array, unit: 2 | 4) => {
    const out = Buffer.from(bytes)
    return new Uint8Array(unit === 2 ? out.swap16() : out.swap32())
  }
  const utf16 = new Uint8Array(units.buffer)
  const encodings: Record<string, Uint8Array> = {
    "UTF-16": utf16,
    "UTF-16 with a mark": latin1("\xff\xfe", utf16),
    "UTF-16, big endian": swapped(utf16, 2),
    "UTF-16, big endian, with a mark": latin1("\xfe\xff", swapped(utf16, 2)),
    "UTF-32": utf32(text),
    "UTF-32 with a mark": latin1("\xff\xfe\0\0", utf32(text)),
    "UTF-32, big endian": swapped(utf32(text), 4),
    "UTF-32, big endian, with a mark": latin1("\0\0\xfe\xff", swapped(utf32(text), 4))
  }
  for (const [name, bytes] of Object.entries(encodings)) {
    it(`${name} is what JSON.parse makes of the text`, () => {
      const read = toEnd(jsonBytesSteps(bytes))
      assert.isTrue(isDeepStrictEqual(read !== undefined && "value" in read ? read.value : read, JSON.parse(text)))
    })
    it(`${name} that is cut within a character is no text`, () => {
      assert.isUndefined(toEnd(jsonBytesSteps(bytes.subarray(0, bytes.length - 1))))
    })
  }
})

describe("an object of very many keys", () => {
  const count = 40_000
  const key = (index: number) => `key ${String(index).padStart(6, "0")}`
  const pickle = `\x80\x04}${
    Array.from({ length: count / 1_000 }, (_, batch) =>
      `(${
        Array.from({ length: 1_000 }, (_, index) => `\x8c\x0a${key(batch * 1_000 + index)}K\x01`).join("")
      }u`).join("")
  }.`
  const once = `\x80\x04}(${Array.from({ length: count }, (_, index) => `\x8c\x0a${key(index)}K\x01`).join("")}u.`
  const slow = `\x80\x04}${
    Array.from({ length: count / 1_000 }, (_, batch) =>
      `(${
        Array.from({ length: 1_000 }, (_, index) => `\x8c\x0a${key(batch * 1_000 + index)}]`).join("")
      }u`).join("")
  }.`
  const object = `{"in": {${Array.from({ length: count }, (_, index) => `"${key(index)}":1`).join(",")}}}`
  for (const [name, bytes] of Object.entries({ pickle, once, slow, object })) {
    it.effect(`${name}: its memory is known without listing them`, () =>
      Effect.gen(function*() {
        const decoded = yield* ResultFormat.decode(latin1(bytes), { name: "x", maxBytes: 2 ** 28 })
        const value = name === "object" ? (decoded as { readonly in: object }).in : decoded as object
        const keys = Object.keys(value)
        assert.lengthOf(keys, count)
        const copy = Object.fromEntries(keys.map((each) => [each, Reflect.get(value, each) as unknown]))
        const list = vi.spyOn(Object, "keys")
        try {
          const size = ValueSize.estimate(value)
          assert.isFalse(list.mock.calls.some(([listed]) => listed === value))
          const ratio = size / ValueSize.estimate(copy)
          // The list of its keys has eight bytes for each, beside some seventy.
          assert.isTrue(ratio > 1 && ratio < 1.2, `${ratio}`)
        } finally {
          list.mockRestore()
        }
      }))
  }
})

/** The number of steps, and what they give. */
const counted = <A>(steps: Steps<A>): readonly [count: number, value: A] => {
  for (let count = 0;; count++) {
    const step = steps.next()
    if (step.done === true) return [count, step.value]
  }
}

describe("the types of pandas JSON are inferred in steps", () => {
  const rows = 17_000
  const list = (cell: (at: number) => string) => Array.from({ length: rows }, (_, at) => cell(at)).join(",")
  const split = (name: string, cell: string) => `{"columns":["${name}"],"data":[${list(() => `[${cell}]`)}]}`
  const texts: Record<string, readonly [text: string, cell: unknown]> = {
    "times by number": [split("modified", "1500000000"), "2017-07-14T02:40:00"],
    "times by text": [split("modified", "\"2020-01-02\""), "2020-01-02T00:00:00"],
    numbers: [split("a", "1.5"), 1.5],
    "numbers in texts": [split("a", "\"7\""), 7],
    "lists and objects": [split("a", "[1]"), [1]],
    records: [`[${list((at) => `{"a":${at}}`)}]`, 0],
    "a table schema": [
      `{"schema":{"fields":[{"name":"a","type":"string"}]},"data":[${list(() => "{\"a\":\"x\"}")}]}`,
      "x"
    ]
  }
  for (const [name, [text, cell]] of Object.entries(texts)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const [parsing] = counted(orderedJsonSteps([text]))
        const [all, table] = counted(readPandasJson([text]))
        assert.isAtLeast(all - parsing, 4 * Math.floor(rows / 8_192))
        assert.strictEqual(table.numRows, rows)
        assert.deepStrictEqual(yield* JsonProjection.toJson(table.columns[0]!.at(0)), cell)
      }))
  }
})

describe("a table of very many columns", () => {
  const width = 10_000
  let made = 0
  const column = (name: string, value: number) =>
    new Column({ name, kind: "int", length: 2, at: (row) => (made++, value + row) })
  const table = new Table(
    [
      ...Array.from({ length: width }, (_, at) => column(`c${at}`, at)),
      column("__proto__", 7),
      column("c0", 8)
    ],
    2
  )

  it.effect("is shown as its rows would be", () =>
    Effect.gen(function*() {
      const expected = `[${
        [0, 1].map((row) =>
          `{"c0":${8 + row},${
            Array.from({ length: width - 1 }, (_, at) => `"c${at + 1}":${at + 1 + row}`).join(",")
          },"__proto__":${7 + row}}`
        ).join(",")
      }]`
      assert.isTrue((yield* JsonProjection.toText(table)) === expected)
      assert.isTrue([...JsonProjection.toChunks(table)].join("") === expected)
      assert.isTrue(JSON.stringify(yield* JsonProjection.toJson(table)) === expected)
    }))

  it.effect("has few cells made between two steps", () =>
    Effect.gen(function*() {
      let most = 0
      let before = made
      const clock = vi.spyOn(performance, "now").mockImplementation(() => {
        most = Math.max(most, made - before)
        before = made
        return 0
      })
      yield* Effect.ensuring(JsonProjection.toText(table), Effect.sync(() => clock.mockRestore()))
      assert.isAbove(made, 2 * width)
      assert.isAtMost(most, 4_096)
    }))
})

describe("an object of more keys than V8 holds", () => {
  const object = (count: number, unit = "") =>
    `[{"in":{${Array.from({ length: count }, (_, at) => `"key ${String(at).padStart(6, "0")}${unit}":1`).join(",")}}}]`
  for (const [name, unit] of [["in pieces", ""], ["with a lone surrogate", "\\ud800"]] as const) {
    it(`is refused, ${name}`, () => {
      const most = 40_000
      const read = (count: number) => toEnd(jsonBytesSteps(latin1(object(count, unit)), most))
      assert.isTrue(isDeepStrictEqual(read(most), { value: JSON.parse(object(most, unit)) as unknown }))
      assert.throws(() => read(most + 1), "an object in the JSON has more than 40000 keys")
    })
  }

  it("is refused by the parser of texts that JSON.parse does not read", () => {
    const read = (count: number) => toEnd(exactJsonSteps([object(count).replace("1", "NaN")], 100))
    assert.property(read(100), "value")
    assert.throws(() => read(101), "an object in the JSON has more than 100 keys")
  })
})

describe("an object of a subclass of dict with very many keys", () => {
  it.effect("becomes a dict whose keys are not listed at once", () =>
    Effect.gen(function*() {
      const count = 40_000
      const pairs = Array.from({ length: count }, (_, at) => `\x8c\x08k${String(at).padStart(7, "0")}K\x47`).join("")
      const listed = mostListedKeys()
      const value = yield* Effect.ensuring(
        ResultFormat.decode(latin1(`\x80\x02c__main__\nD\n)\x81(${pairs}u.`), { name: "x", maxBytes: 2 ** 28 }),
        Effect.sync(listed.stop)
      )
      assert.lengthOf(Object.keys(value as object), count)
      assert.isBelow(listed.most(), 8_192)
    }))
})
