import { assert, describe, it } from "@effect/vitest"
import { seeds } from "../../core/test/seeds.ts"
import { readCsv } from "../src/internal/readers/csv.ts"
import { NumberReader, quotient } from "../src/internal/readers/csvNumbers.ts"
import { Refusal } from "../src/internal/refusal.ts"
import { toEnd } from "../src/internal/steps.ts"
import type { Table } from "../src/Table.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)
const read = (csv: string | Uint8Array, maxBytes = 1 << 28): Table =>
  toEnd(readCsv(typeof csv === "string" ? utf8(csv) : csv, maxBytes))
const columns = (csv: string | Uint8Array) => {
  const table = read(csv)
  return table.columns.map((column) => [column.name, column.kind, column.toArray()])
}

let seed = 11
const below = (limit: number) => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor(seed / 2 ** 32 * limit)
}
const digits = (count: number) => Array.from({ length: count }, () => below(10)).join("")

describe("numbers", () => {
  const number = (text: string) => {
    const bytes = utf8(`x${text},${"9".repeat(64)}`)
    const reader = new NumberReader(bytes)
    return reader.read(1) === text.length + 1 ? reader.value : undefined
  }

  it("are those that Number makes of the same text", () => {
    const count = seeds(10_000, 50_000)
    let taken = 0
    for (let i = 0; i < count; i++) {
      const sign = below(3) === 0 ? "-" : ""
      const [whole, fraction] = [digits(below(12)), digits(below(20))]
      const text = `${sign}${whole}.${fraction}`
      const value = number(text)
      if (value === undefined) continue
      taken++
      assert.strictEqual(value, Number(text), text)
    }
    assert.isAbove(taken, 0.6 * count)
    for (let i = 0; i < 0.4 * count; i++) {
      const text = `${digits(1 + below(4))}${below(2) === 0 ? `.${digits(below(17))}` : ""}${
        below(2) === 0 ? "e" : "E"
      }${["", "-", "+"][below(3)]}${below(below(2) === 0 ? 30 : 400)}`
      assert.strictEqual(number(text) ?? Number(text), Number(text), text)
    }
    for (let i = 0; i < 0.4 * count; i++) {
      const text = String((below(2 ** 32) * 2 ** 21 + below(2 ** 21)) / 2 ** 53 * 10 ** (below(12) - 4))
      if (!text.includes("e")) assert.strictEqual(number(text) ?? Number(text), Number(text), text)
    }
  })

  it("near the middle between two doubles are left to Number", () => {
    // 2^53 + 1 lies exactly between two doubles; so does it after a division by a power of two.
    assert.isNaN(quotient(900_719_925, 47_409_930, 8, 1))
    assert.strictEqual(number("9007199254740993.0") ?? Number("9007199254740993.0"), 9_007_199_254_740_992)
    assert.strictEqual(number("9007199254740993.1") ?? Number("9007199254740993.1"), 9_007_199_254_740_994)
    assert.strictEqual(number("0.30000000000000004"), 0.1 + 0.2)
  })

  it("of other forms are no business of theirs", () => {
    for (
      const text of [
        "",
        "-",
        ".",
        "-.",
        "+1",
        "1e",
        "1e+",
        "e5",
        "1e1e1",
        "1e0001",
        " 1",
        "1 ",
        "1.2.3",
        "1-2",
        "inf",
        "1".repeat(19),
        "x"
      ]
    ) {
      assert.isUndefined(number(text), text)
    }
    assert.deepStrictEqual(["0", "-7", "007", "5.", ".5", "-0.25"].map(number), [0, -7, 7, 5, 0.5, -0.25])
  })
})

describe("a CSV", () => {
  it("has integers of any size, and floats where one is missing", () => {
    assert.deepStrictEqual(columns("a,b,c,d\n1,-0,9007199254740993,99999999999999999999\n-2147483649,3,4,\n"), [
      ["a", "int", [1, -2_147_483_649]],
      ["b", "int", [0, 3]],
      ["c", "int", [9_007_199_254_740_993n, 4]],
      ["d", "int", [99_999_999_999_999_999_999n, null]]
    ])
    assert.deepStrictEqual(columns("a,b\n1,9007199254740993\n,\n"), [
      ["a", "float", [1, null]],
      ["b", "float", [9_007_199_254_740_992, null]]
    ])
  })

  it("takes the types of each chunk of rows apart, as pandas does", () => {
    // Of 16 columns pandas takes 32 768 rows at a time.
    const row = (first: string) => `${first}${",1".repeat(15)}\n`
    const header = `a${",b".repeat(15)}\n`
    const rows = 32_768
    const table = (second: string) => read(header + row("1").repeat(rows) + row(second).repeat(2)).columns[0]!
    for (
      const [second, kind, value] of [["2", "int", 2], ["2.5", "float", 2.5], ["x", "object", "x"], ["", "float", null]]
    ) {
      const column = table(String(second))
      assert.strictEqual(column.kind, kind)
      assert.strictEqual(column.length, rows + 2)
      assert.deepStrictEqual([0, rows - 1, rows, rows + 1].map((at) => column.at(at)), [1, 1, value, value])
    }
    const exact = read(header + row("1").repeat(rows))
    assert.strictEqual(exact.numRows, rows)
    assert.strictEqual(exact.columns[0]!.kind, "int")
  })

  it("of very many columns is read in chunks of few rows", () => {
    const width = 3_000
    // Chunks of 256 rows.
    const lines = Array.from({ length: 300 }, (_, row) => Array.from({ length: width }, (_, i) => row * i).join(","))
    const table = read(`${Array.from({ length: width }, (_, i) => `c${i}`).join(",")}\n${lines.join("\n")}`)
    assert.strictEqual(table.numRows, 300)
    for (const at of [0, 1, 2_999]) {
      assert.strictEqual(table.columns[at]!.kind, "int")
      assert.deepStrictEqual(table.columns[at]!.toArray(), Array.from({ length: 300 }, (_, row) => row * at))
    }
  })

  it("has texts that are what they are, however often they come", () => {
    const few = Array.from({ length: 5_000 }, (_, i) => `text ${i % 7}`)
    const many = Array.from({ length: 5_000 }, (_, i) => `t${i * 7_919 % 5_003}é`)
    const quoted = Array.from({ length: 5_000 }, (_, i) => `"q""${i % 3},${i % 2 === 0 ? "\n" : ""}"tail`)
    const [a, b, c] = read(`a,b,c\n${few.map((text, i) => `${text},${many[i]},${quoted[i]}`).join("\r\n")}`).columns
    assert.deepStrictEqual(a!.toArray(), few)
    assert.deepStrictEqual(b!.toArray(), many)
    assert.deepStrictEqual(c!.toArray(), quoted.map((text) => `${text.slice(1, -5).replace("\"\"", "\"")}tail`))
  })

  it("has numbers, missing values and texts wherever they come in a column", () => {
    const cells = [
      "1",
      "-2.5",
      "",
      "NaN",
      "1e5",
      "2.5E-7",
      " 7 ",
      "+8",
      "\"9\"",
      "\"1\"\"0\"",
      "x",
      "123456789012345678",
      "é"
    ]
    const value = (cell: string): unknown =>
      cell === "" || cell === "NaN" ? null : cell.includes("x") || cell.includes("é") || cell.includes("0\"")
        ? undefined
        : Number(cell.replaceAll("\"", ""))
    for (const first of cells) {
      for (const second of cells) {
        for (const end of ["\n", "\r", "\r\n"]) {
          const rows = [first, second, first, "0.5"]
          const [a, b] = read(["a,b", ...rows.map((cell) => `${cell},1`)].join(end) + end + "0".repeat(70)).columns
          const texts = rows.map((cell) => cell.replace(/^"|"$/g, "").replaceAll("\"\"", "\""))
          const numbers = [...rows, "0"].map(value)
          const expected = numbers.includes(undefined)
            ? [...texts, "0".repeat(70)].map((text) => text === "" || text === "NaN" ? null : text)
            : numbers
          assert.deepStrictEqual(a!.toArray(), expected, `${first} ${second}`)
          assert.deepStrictEqual(b!.toArray(), [1, 1, 1, 1, null])
        }
      }
    }
  })

  it("has short texts that are all different, of ASCII or not, after a cache is of no use", () => {
    const rows = Array.from(
      { length: 9_000 },
      (_, i) => i % 11 === 0 ? "" : `${i % 5 === 0 ? "é" : ""}item ${i * 7_919}`
    )
    const [a] = read(`a,b\n${rows.map((text) => `${text},1`).join("\n")}\n`).columns
    assert.deepStrictEqual(a!.toArray(), rows.map((text) => text === "" ? null : text))
  })

  it("has a byte order mark at its start only", () => {
    assert.deepStrictEqual(columns("\ufeffa,\ufeffb\n\ufeffx,1\n"), [["a", "string", ["\ufeffx"]], [
      "\ufeffb",
      "int",
      [1]
    ]])
  })

  it("may hold lone surrogates as Python writes them, and nothing else that is not UTF-8", () => {
    const lone = Uint8Array.from([
      ...utf8("a,b\nx"),
      0xed,
      0xa0,
      0x80,
      ...utf8("y,\ufffd\n\"q"),
      0xed,
      0xb0,
      0x80,
      0x22
    ])
    assert.deepStrictEqual(columns(lone), [["a", "string", ["x\ud800y", "q\udc00"]], ["b", "string", ["\ufffd", null]]])
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0]]) {
      for (
        const csv of [[...utf8("a\nx"), ...bytes], [...bytes, 0x0a, 0x31], [
          ...utf8("a\n\"x"),
          ...bytes,
          0x22,
          0x22,
          0x22
        ]]
      ) {
        assert.throws(() => read(Uint8Array.from(csv)), Refusal)
      }
    }
  })

  it("names the row that has too many fields, or never ends", () => {
    const refusal = (csv: string) => {
      try {
        read(csv)
      } catch (error) {
        if (error instanceof Refusal && error.reason._tag === "Undecodable") return error.reason.detail
      }
      return undefined
    }
    assert.strictEqual(refusal("a,b\n1,2\n1,2,3,4\n"), "the CSV has 4 fields in row 2, where 2 are expected")
    assert.strictEqual(refusal("a,b\n1,2\n\n1,\"2\n"), "the CSV ends inside of a quoted field, in row 2")
    assert.strictEqual(refusal("\n \n"), "the CSV is empty: it has no header")
  })

  it("is too large when its rows have too few cells for its header", () => {
    const wide = `${",".repeat(999)}\n${"1\n".repeat(1_000)}`
    assert.strictEqual(read(wide).numRows, 1_000)
    assert.throws(() => read(wide, 999 * 1_000 * 8 - 1), Refusal)
    assert.strictEqual(read(wide, 999 * 1_000 * 8).columns[999]!.at(999), null)
  })
})
