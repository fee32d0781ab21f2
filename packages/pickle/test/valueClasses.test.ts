/** The methods of the value classes, and the text and numbers that they are read from, at their limits. */
import {
  Column,
  Complex,
  DataFrame,
  Decimal,
  Deque,
  DType,
  floatText,
  Fraction,
  FrozenSet,
  Index,
  Interval,
  isDict,
  isMissing,
  NA,
  NamedTuple,
  NaT,
  NdArray,
  NpScalar,
  NpTime,
  offsetText,
  Opaque,
  Path,
  Period,
  PickleError,
  PyArray,
  PyDate,
  PyDateTime,
  PyDict,
  PyEnum,
  PyFloat,
  PyGlobal,
  PyObject,
  PySet,
  PyTime,
  PyTimedelta,
  Range,
  Series,
  Slice,
  Timedelta,
  Timestamp,
  Timezone,
  Tuple,
  UUID,
  zoneFromName,
  ZoneInfo,
  zoneOf
} from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import { inspect } from "node:util"
import { Dict, isDictObject, isIndexKey } from "../src/values/dict.ts"
import { spend } from "../src/values/equality.ts"
import {
  bigFromBytes,
  floatFromText,
  integerFromText,
  intFromText,
  labelOf,
  longFromBytes,
  numberOf,
  shrink
} from "../src/values/integers.ts"
import {
  littleEndianBytes,
  nanosecondsText,
  recordOf,
  rowMajorPositions,
  typedArray,
  unitToNanoseconds
} from "../src/values/ndarray.ts"
import { isDecimalText } from "../src/values/numbers.ts"
import { frequencyOf } from "../src/values/period.ts"
import {
  decodeBytes,
  decodeBytesSteps,
  decodeUtf8,
  latin1Text,
  rawUnicodeEscape,
  readUtf8,
  stringEscape,
  textReader
} from "../src/values/text.ts"

const ascii = (text: string) => Uint8Array.from(Buffer.from(text, "latin1"))
const utf8 = (text: string) => Uint8Array.from(Buffer.from(text))
const fails = (run: () => unknown, reason?: string) => {
  try {
    run()
  } catch (error) {
    assert.instanceOf(error, PickleError)
    if (reason !== undefined) assert.strictEqual(error.reason, reason)
    return error
  }
  throw new Error("it was taken")
}
/** The number of keys that Python tells apart. */
const distinct = (...keys: ReadonlyArray<unknown>) => new PySet(keys).size

describe("UTF-8 of Python", () => {
  const valid = ["", "a", "é", "\u07ff", "\u0800", "\uffff", "\u{10000}", "\u{10ffff}", "aé\u0800\u{10000}\ufffd"]
  it("is read at every width, with lone surrogates", () => {
    for (const text of valid) {
      for (const around of ["", "\ufffd", "x".repeat(9), "x".repeat(300)]) {
        const bytes = utf8(around + text + around)
        assert.strictEqual(decodeUtf8(bytes, 0, bytes.length), around + text + around)
        for (const shared of [true, false]) {
          assert.strictEqual(readUtf8(textReader(bytes, shared), 0, bytes.length), around + text + around)
        }
      }
    }
    // A surrogate in three bytes, as `surrogatepass` writes it.
    assert.strictEqual(decodeUtf8(new Uint8Array([0x61, 0xed, 0xa0, 0x80]), 0, 4), "a\ud800")
    assert.strictEqual(decodeUtf8(new Uint8Array([0xed, 0xbf, 0xbf]), 0, 3), "\udfff")
  })
  it("says which byte is none", () => {
    const invalid: ReadonlyArray<readonly [ReadonlyArray<number>, number]> = [
      [[0x80], 0],
      [[0x61, 0xc1, 0xbf], 1],
      [[0xc2], 0],
      [[0xc1, 0x80, 0x80], 0],
      ...Array.from({ length: 8 }, (_, zeros) => [[...new Uint8Array(zeros), 0x80], zeros] as const),
      [[0xc2, 0x41], 0],
      [[0xe0, 0x9f, 0xbf], 0],
      [[0xe1, 0x80], 0],
      [[0xe1, 0x80, 0xc0], 0],
      [[0xf0, 0x8f, 0xbf, 0xbf], 0],
      [[0xf4, 0x90, 0x80, 0x80], 0],
      [[0xf5, 0x80, 0x80, 0x80], 0],
      [[0x61, 0x62, 0xff], 2]
    ]
    for (const [bytes, at] of invalid) {
      assert.include(fails(() => decodeUtf8(new Uint8Array(bytes), 0, bytes.length), "BadText").message, `byte ${at} `)
      assert.include(
        fails(() => decodeUtf8(new Uint8Array([0x20, ...bytes]), 1, bytes.length + 1, 0)).message,
        `byte ${at + 1} `
      )
    }
  })
  it("is cut into strings of any length, wherever they are", () => {
    const all = Array.from({ length: 3_000 }, (_, at) => String.fromCharCode(33 + at % 90)).join("")
    const bytes = utf8(all)
    for (const shared of [true, false]) {
      const reader = textReader(bytes, shared)
      for (const step of [1, 7, 97, 800]) {
        for (let at = 0; at < 2_700; at += step) {
          for (const length of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 199, 200, 201]) {
            assert.strictEqual(readUtf8(reader, at, at + length), all.slice(at, at + length))
          }
        }
      }
    }
    for (let length = 1; length <= 9; length++) {
      const broken = new Uint8Array(length)
      broken[length - 1] = 0x80
      fails(() => readUtf8(textReader(broken, true), 0, length), "BadText")
    }
    for (let length = 1; length <= 12; length++) {
      for (let at = 0; at + 2 <= length; at++) {
        const text = `${"a".repeat(at)}é${"b".repeat(length - at - 2)}`
        assert.strictEqual(readUtf8(textReader(utf8(text), true), 0, length), text)
        const broken = utf8(text)
        broken[at + 1] = 0x61
        fails(() => readUtf8(textReader(broken, true), 0, length), "BadText")
      }
    }
  })
  it("is one character per byte in latin-1", () => {
    const bytes = Uint8Array.from({ length: 20_000 }, (_, at) => at % 256)
    for (const [from, to] of [[0, 0], [3, 5], [100, 116], [100, 117], [0, 8_192], [0, 8_193], [5, 20_000]] as const) {
      assert.strictEqual(latin1Text(bytes, from, to), Buffer.from(bytes.subarray(from, to)).toString("latin1"))
    }
  })
})

describe("text of Python 2 and of protocol 0", () => {
  it("has the escapes of UNICODE", () => {
    assert.strictEqual(rawUnicodeEscape("plain"), "plain")
    assert.strictEqual(rawUnicodeEscape("a\\u00e9b\\U0001F600\\\\u0041\\n"), "aéb😀\\\\u0041\\n")
    assert.strictEqual(rawUnicodeEscape("\\ud83d"), "\ud83d")
    assert.strictEqual(rawUnicodeEscape("\\U0010ffff"), "\u{10ffff}")
    assert.strictEqual(rawUnicodeEscape("end\\"), "end\\")
    for (const text of ["\\u00e", "\\u00eg", "\\U0011ffff", "\\U0001F60", "\\uD83Dx\\u1"]) {
      fails(() => rawUnicodeEscape(text), "BadText")
    }
  })
  it("has the escapes of STRING", () => {
    const read = (text: string) => Buffer.from(stringEscape(text)).toString("latin1")
    assert.strictEqual(read("a\\\\\\'\\\"\\a\\b\\f\\n\\r\\t\\v"), "a\\'\"\x07\b\f\n\r\t\v")
    assert.strictEqual(read("\\x41\\xff!"), "A\xff!")
    assert.strictEqual(read("\\101\\1012\\08\\7\\400\\777"), "AA2\x008\x07\x00\xff")
    assert.strictEqual(read("a\\\nb\\qc"), "ab\\qc")
    assert.strictEqual(read("\\12"), "\n")
    for (const text of ["a\\", "\\x4", "\\x4g", "\\x"]) fails(() => stringEscape(text), "BadText")
  })
  it("is decoded under an encoding and a way to treat errors", () => {
    const bytes = new Uint8Array([0x61, 0xe9, 0xc3, 0xa9, 0xed, 0xa0, 0x80])
    const good = utf8("aé€😀")
    for (const name of ["latin1", "ISO-8859-1", "Latin-1"]) {
      assert.strictEqual(decodeBytes(bytes.subarray(0, 2), name, "strict"), "aé")
    }
    assert.strictEqual(decodeBytes(good, "utf-8", "strict"), "aé€😀")
    assert.strictEqual(decodeBytes(good, "UTF8", "replace"), "aé€😀")
    for (const name of ["ascii", "US-ASCII"]) {
      assert.strictEqual(decodeBytes(ascii("abc"), name, "strict"), "abc")
      fails(() => decodeBytes(good, name, "strict"), "BadText")
    }
    fails(() => decodeBytes(bytes.subarray(4), "utf-8", "strict"), "BadText")
    assert.strictEqual(decodeBytes(bytes, "ascii", "ignore"), "a")
    assert.strictEqual(decodeBytes(bytes, "ascii", "replace"), `a${"\ufffd".repeat(6)}`)
    assert.strictEqual(decodeBytes(bytes, "utf-8", "replace"), "a\ufffdé\ufffd\ufffd\ufffd")
    assert.strictEqual(decodeBytes(bytes, "utf-8", "ignore"), "aé")
    assert.strictEqual(decodeBytes(bytes, "utf-8", "surrogateescape"), "a\udce9é\udced\udca0\udc80")
    assert.strictEqual(decodeBytes(new Uint8Array([0xe9, 0x80]), "cp1252", "strict"), "é€")
    fails(() => decodeBytes(bytes, "no such encoding", "strict"), "BadText")
    fails(() => decodeBytes(new Uint8Array([0x81]), "shift_jis", "strict"), "BadText")
    assert.strictEqual(decodeBytes(new Uint8Array([0x81]), "shift_jis", "replace"), "\ufffd")
  })
  it("is none where a sequence of UTF-8 is cut off, too long or beyond the last character", () => {
    const replaced = (...bytes: ReadonlyArray<number>) =>
      decodeBytes(new Uint8Array([...bytes, 0x21]), "utf-8", "ignore")
    for (
      const bytes of [
        [0xc1, 0xbf],
        [0xe0, 0x9f, 0x80],
        [0xed, 0xa0, 0x80],
        [0xf0, 0x8f, 0x80, 0x80],
        [0xf4, 0x90, 0x80, 0x80],
        [
          0xf5,
          0x80
        ],
        [0xe1, 0x80],
        [0xc2]
      ]
    ) assert.strictEqual(replaced(...bytes), "!")
    assert.strictEqual(replaced(0xe0, 0xa0, 0x80), "\u0800!")
    assert.strictEqual(replaced(0xed, 0x9f, 0xbf), "\ud7ff!")
    assert.strictEqual(replaced(0xf0, 0x90, 0x80, 0x80), "\u{10000}!")
    assert.strictEqual(replaced(0xf4, 0x8f, 0xbf, 0xbf), "\u{10ffff}!")
    assert.strictEqual(replaced(0xdf, 0xbf), "\u07ff!")
  })
  it("is the same in steps", () => {
    const long = ascii("x".repeat(0x40001))
    const steps = (bytes: Uint8Array, encoding: string) => {
      const work = decodeBytesSteps(bytes, encoding, "strict")
      for (let count = 0;; count++) {
        const { done, value } = work.next()
        if (done === true) return [value, count]
      }
    }
    for (const name of ["ascii", "us-ascii", "utf-8", "latin1", "iso-8859-1"]) {
      assert.deepStrictEqual(steps(long, name), ["x".repeat(0x40001), 2])
    }
    const mixed = new Uint8Array([...long, 0xc3, 0xa9])
    assert.deepStrictEqual(steps(mixed, "utf-8"), [`${"x".repeat(0x40001)}é`, 1])
    assert.deepStrictEqual(steps(mixed, "latin1"), [`${"x".repeat(0x40001)}Ã©`, 2])
    assert.deepStrictEqual(steps(mixed.subarray(0x40001), "cp1252"), ["Ã©", 0])
    assert.throws(() => steps(mixed, "ascii"), PickleError)
  })
})

describe("numbers of pickles", () => {
  it("integers of any length are numbers where that is exact", () => {
    const read = (...bytes: ReadonlyArray<number>) => longFromBytes(new Uint8Array([9, ...bytes]), 1, bytes.length)
    assert.strictEqual(read(), 0)
    assert.strictEqual(read(0x7f), 127)
    assert.strictEqual(read(0x80), -128)
    assert.strictEqual(read(0xff, 0x00), 255)
    assert.strictEqual(read(0, 0, 0, 0, 0, 0x80), -(2 ** 47))
    assert.strictEqual(read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f), Number.MAX_SAFE_INTEGER)
    assert.strictEqual(read(0, 0, 0, 0, 0, 0, 0x20), 2n ** 53n)
    assert.strictEqual(read(1, 0, 0, 0, 0, 0, 0xe0), Number.MIN_SAFE_INTEGER)
    assert.strictEqual(read(0, 0, 0, 0, 0, 0, 0xe0), -(2n ** 53n))
    assert.strictEqual(bigFromBytes(new Uint8Array([0xff, 0x7f]), 0, 2), 32_767n)
    assert.strictEqual(bigFromBytes(new Uint8Array([0xff]), 0, 1), -1n)
    assert.strictEqual(bigFromBytes(new Uint8Array(0), 0, 0), 0n)
    assert.deepStrictEqual([shrink(2n ** 53n - 1n), shrink(1n - 2n ** 53n), shrink(2n ** 53n)], [
      2 ** 53 - 1,
      1 - 2 ** 53,
      2n ** 53n
    ])
  })
  it("integers of text are as Python's int reads them", () => {
    const literal: ReadonlyArray<readonly [string, bigint]> = [
      ["0x1F", 31n],
      ["0X_1_f", 31n],
      ["0o17", 15n],
      ["0b_101", 5n],
      ["1_000", 1000n],
      ["-12", -12n],
      ["+7", 7n],
      [" 0_0 \t", 0n]
    ]
    for (const [text, value] of literal) assert.strictEqual(integerFromText(text, 0, 100), value)
    for (const text of ["", "-", "1__0", "_1", "1_", "0x", "0b2", "0o8", "012", "1.5", "x1", "1x", "--1", "0xg"]) {
      fails(() => integerFromText(text, 0, 100), "BadNumber")
    }
    assert.strictEqual(integerFromText("-0012_3", 10, 100), -123n)
    for (const text of ["0x1f", "1__2", "", "a1", "1a"]) fails(() => integerFromText(text, 10, 100), "BadNumber")
    assert.strictEqual(integerFromText("9".repeat(24), 10, 10), BigInt("9".repeat(24)))
    fails(() => integerFromText("9".repeat(25), 10, 10), "LimitExceeded")
  })
  it("INT is C's number first, or a boolean", () => {
    const read = (text: string) => intFromText(text, 10)
    assert.deepStrictEqual(["00", "01", "0", "1", "02", "010", "0x1F", "-17", " 5", "001"].map(read), [
      false,
      true,
      0,
      1,
      2,
      8,
      31,
      -17,
      5,
      1
    ])
    assert.strictEqual(read("9223372036854775808"), 2n ** 63n)
    assert.strictEqual(read("-9223372036854775808"), -(2n ** 63n))
    assert.strictEqual(read("0xffffffffffffffff"), 2n ** 64n - 1n)
    fails(() => read("01777777777777777777777"), "BadNumber")
    fails(() => read("9".repeat(25)), "LimitExceeded")
    for (const text of ["", "08", "1L", "x"]) fails(() => read(text), "BadNumber")
  })
  it("FLOAT is Python's syntax", () => {
    const texts = ["1", "1.", ".5", "-1.5e3", "1E-2", "+2.5", "inf", "-Infinity", "+inf"]
    assert.deepStrictEqual(texts.map(floatFromText), [1, 1, 0.5, -1500, 0.01, 2.5, Infinity, -Infinity, Infinity])
    assert.isNaN(floatFromText("nan"))
    assert.isNaN(floatFromText("-NaN"))
    for (const text of ["", ".", "1e", "e5", "1x", "x1", "infi", "nanx", "1e999", "0x1"]) {
      fails(() => floatFromText(text), "BadNumber")
    }
  })
  it("are NaN for values that are none", () => {
    assert.deepStrictEqual([1, 2n, true].map(numberOf), [1, 2, 1])
    for (const value of ["1", null, undefined, {}, [1]]) assert.isNaN(numberOf(value))
    assert.deepStrictEqual([1, "a", null, undefined, {}, [1], () => 1].map(labelOf), [
      "1",
      "a",
      "null",
      "undefined",
      "object",
      "object",
      "object"
    ])
  })
})

describe("Python's numbers", () => {
  it("floats print as in Python", () => {
    const texts: ReadonlyArray<readonly [number, string]> = [
      [NaN, "nan"],
      [Infinity, "inf"],
      [-Infinity, "-inf"],
      [0, "0.0"],
      [-0, "-0.0"],
      [1, "1.0"],
      [-1.5, "-1.5"],
      [123.25, "123.25"],
      [1e15, "1000000000000000.0"],
      [1e16, "1e+16"],
      [1.5e100, "1.5e+100"],
      [0.0001, "0.0001"],
      [-0.00012, "-0.00012"],
      [0.00001, "1e-05"],
      [-1.25e-10, "-1.25e-10"],
      [120, "120.0"]
    ]
    for (const [value, text] of texts) assert.strictEqual(floatText(value), text)
    assert.strictEqual(String(new PyFloat(-0)), "-0.0")
    assert.strictEqual(inspect(new PyFloat(1)), "PyFloat(1.0)")
    assert.strictEqual(JSON.stringify([new PyFloat(2), new PyFloat(NaN), new PyFloat(Infinity)]), "[2,null,null]")
    assert.strictEqual(+new PyFloat(2.5) + 1, 3.5)
  })
  it("Decimals are numbers, and equal to others of the same value", () => {
    const value = (text: string) => new Decimal(text).valueOf()
    assert.deepStrictEqual(["1.10", "-0", "1E+3", "Infinity", "-inf"].map(value), [1.1, -0, 1000, Infinity, -Infinity])
    assert.isNaN(value("NaN123"))
    assert.isNaN(value("sNaN"))
    const d = (text: string) => new Decimal(text)
    assert.strictEqual(distinct(d("1"), d("1.0"), d("0.1E1"), d("10E-1"), d("001.00"), 1, true), 1)
    assert.strictEqual(distinct(d("0"), d("-0.00"), d("0E9"), 0), 1)
    assert.strictEqual(distinct(d("0.5"), d("5E-1"), 0.5, new Fraction(1n, 2n)), 1)
    assert.strictEqual(distinct(d("-0.5"), -0.5, d("0.5")), 2)
    assert.strictEqual(distinct(d("0.1"), 0.1, new Fraction(1n, 10n)), 2)
    assert.strictEqual(distinct(d("1E5000"), 10n ** 5000n, d("10E4999")), 1)
    assert.strictEqual(distinct(d("1E5001"), d("10E5000"), d("-1E5001")), 2)
    assert.strictEqual(distinct(d("1E-5001"), d("10E-5002"), d("1E-5000")), 2)
    assert.strictEqual(distinct(d("inf"), Infinity, d("-inf"), -Infinity), 2)
    assert.strictEqual(distinct(d("NaN"), d("NaN")), 2)
    fails(() => distinct(d("snan")), "Unhashable")
    assert.strictEqual(distinct(d("no number"), d("no number")), 2)
    for (const text of ["1", "-.5", "1.", "1e5", "Inf", "-infinity", "NaN", "snan12"]) {
      assert.isTrue(isDecimalText(text))
    }
    for (const text of ["", ".", "e5", "1e", "infi", "x", "1 "]) assert.isFalse(isDecimalText(text))
    assert.deepStrictEqual([inspect(d("1.10")), JSON.stringify(d("1.10"))], ["Decimal(1.10)", "\"1.10\""])
  })
  it("Fractions and complex numbers print as in Python, and are equal by value", () => {
    assert.deepStrictEqual([new Fraction(-3n, 7n), new Fraction(2n, 1n)].map(String), ["-3/7", "2"])
    assert.strictEqual(+new Fraction(1n, 4n), 0.25)
    assert.strictEqual(distinct(new Fraction(1n, 3n), new Fraction(1n, 3n), 1 / 3), 2)
    assert.strictEqual(distinct(new Fraction(2n ** 60n + 1n, 2n), 2 ** 59), 2)
    assert.deepStrictEqual(
      [[1.5, -2], [0, 3], [-0, 3], [1, 0.5], [0, -1], [2, NaN], [1.05, 2]].map(([re, im]) =>
        String(new Complex(re!, im!))
      ),
      ["(1.5-2j)", "3j", "(-0+3j)", "(1+0.5j)", "-1j", "(2+nanj)", "(1.05+2j)"]
    )
    assert.strictEqual(distinct(new Complex(1, 0), 1, new Complex(1, 1), new Complex(1, 1), new Complex(0, 0), 0), 3)
    assert.deepStrictEqual([inspect(new Fraction(1n, 2n)), inspect(new Complex(1, 2))], [
      "Fraction(1/2)",
      "Complex((1+2j))"
    ])
  })
  it("ranges have lengths, items and equality by them", () => {
    const cases: ReadonlyArray<readonly [number, number, number, ReadonlyArray<number>]> = [
      [0, 3, 1, [0, 1, 2]],
      [0, 5, 2, [0, 2, 4]],
      [0, 6, 2, [0, 2, 4]],
      [5, 0, -2, [5, 3, 1]],
      [6, 0, -2, [6, 4, 2]],
      [0, 0, 1, []],
      [0, 3, -1, []],
      [3, 0, 1, []]
    ]
    for (const [start, stop, step, items] of cases) {
      const range = new Range(start, stop, step)
      assert.strictEqual(range.length, items.length)
      assert.deepStrictEqual<ReadonlyArray<unknown>>([...range], items)
    }
    assert.strictEqual(new Range(0, 2n ** 60n, 1).length, 2n ** 60n)
    assert.strictEqual(new Range(0, 2n ** 53n - 1n, 1).length, 2 ** 53 - 1)
    assert.deepStrictEqual([...new Range(2n ** 53n - 2n, 2n ** 53n + 1n, 1)], [2 ** 53 - 2, 2 ** 53 - 1, 2n ** 53n])
    assert.deepStrictEqual([new Range(0, 3, 1), new Range(0, 3, 2)].map(String), ["range(0, 3)", "range(0, 3, 2)"])
    assert.strictEqual(distinct(new Range(0, 3, 2), new Range(0, 4, 2), new Range(0, 5, 2)), 2)
    assert.strictEqual(distinct(new Range(0, 0, 1), new Range(5, 2, 1), new Range(1, 2, 5), new Range(1, 3, 9)), 2)
    assert.strictEqual(String(new Slice(1, null, 2)), "slice(1, None, 2)")
    assert.strictEqual(distinct(new Slice(1, 2, null), new Slice(1, 2, null), new Slice(1, 3, null)), 2)
    const inner = Tuple.of(1)
    assert.strictEqual(distinct(new Slice(inner, 2, null), new Slice(inner, 2, null)), 2)
  })
})

describe("the work of comparing keys", () => {
  it("is done to its limit, and no further", () => {
    const budget = { left: 3, max: 3 }
    spend(budget, 3)
    assert.strictEqual(budget.left, 0)
    assert.strictEqual((fails(() => spend(budget, 1), "LimitExceeded") as PickleError).limit, "equalityWork")
  })
})

describe("keys that Python cannot hash", () => {
  const index = new Index("Index", null, new Column({ dtype: "int64", kind: "int", length: 1, values: () => [1] }))
  it("are refused", () => {
    const array = new NdArray(new DType("u", 1, "|"), [1], "C", new Uint8Array(1), null)
    for (
      const key of [
        [1],
        new Map(),
        new PyDict(),
        new Dict(),
        Object.create(null),
        new PySet(),
        array,
        index,
        index.column,
        new Series(null, index, index.column),
        new DataFrame(index, index, [index.column]),
        new PyArray("b", new Int8Array(1)),
        new Tuple<unknown>(1, new PyDict())
      ]
    ) assert.strictEqual(fails(() => distinct(key)).reason, "Unhashable")
  })
})

const npText = (text: string) =>
  new NpScalar(new DType("U", 4 * text.length, "<"), new Uint8Array(4 * text.length), text)
const npBytes = (...bytes: ReadonlyArray<number>) =>
  new NpScalar(new DType("S", bytes.length, "|"), Uint8Array.from(bytes), Uint8Array.from(bytes))
const npDay = (count: bigint) =>
  new NpScalar(new DType("M", 8, "<", { unit: "D" }), new Uint8Array(8), new NpTime("datetime64", count, "D"))
/** A long double of x86, and the double nearest to it. */
const npLong = (exponent: number, mantissa: bigint, nearest: number) => {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, mantissa, true)
  view.setUint16(8, exponent, true)
  return new NpScalar(new DType("f", 16, "<"), bytes, nearest)
}

describe("keys and members, as Python compares them", () => {
  it("of every class", () => {
    const zone = new PyObject(new PyGlobal("m", "Zone"), [])
    const equal: ReadonlyArray<ReadonlyArray<unknown>> = [
      [1, 1n, true, new PyFloat(1), new NpScalar(new DType("i", 8, "<"), new Uint8Array(8), 1)],
      [2n ** 70n, 2 ** 70, new NpScalar(new DType("i", 8, "<"), new Uint8Array(8), 2n ** 70n)],
      [2n ** 70n + 1n, 2n ** 70n + 1n],
      ["1", npText("1"), npText("1")],
      [npText("b1"), "b1"],
      [npText("T<f8"), npText("T<f8")],
      [npText(""), ""],
      [null],
      [new Uint8Array([49]), npBytes(49), npBytes(49), new Uint8Array([49])],
      [npBytes(), new Uint8Array(0)],
      [new Tuple<unknown>("a", npBytes(1)), new Tuple<unknown>(npText("a"), new Uint8Array([1]))],
      [new Tuple<unknown>(npText("b1"), 1), new Tuple<unknown>("b1", 1)],
      [new Tuple<unknown>(new Uint8Array([49]), 1), new Tuple<unknown>(npBytes(49), true)],
      [new FrozenSet([npText("b1")]), new FrozenSet(["b1"])],
      [new FrozenSet([npBytes(49)]), new FrozenSet([new Uint8Array([49])])],
      [new Interval(npText("b1"), "c", "both"), new Interval("b1", npText("c"), "both")],
      [new Interval(new Uint8Array([49]), "c", "both")],
      [new NpTime("datetime64", 1n, "D"), new NpTime("datetime64", 1n, "D"), npDay(1n), npDay(1n)],
      [new NpTime("datetime64", 1n, "s")],
      [new NpTime("timedelta64", 1n, "D")],
      [0.1, npLong(0x3ffb, 0xcccccccccccccccdn & ~0x7ffn, 0.1), npLong(0x3ffb, 0xcccccccccccccccdn & ~0x7ffn, 0.1)],
      [npLong(0x3ffb, 0xcccccccccccccccdn, 0.1), npLong(0x3ffb, 0xcccccccccccccccdn, 0.1)],
      [npLong(0xbffb, 0xcccccccccccccccdn, -0.1)],
      [Infinity, npLong(0x7fff, 1n << 63n, Infinity)],
      [npLong(0x7ffe, 1n << 63n, Infinity)],
      [0, npLong(0, 0n, 0)],
      [npLong(1, 1n << 63n, 0)],
      [new Tuple<unknown>(1, "a"), new Tuple<unknown>(true, "a")],
      [new Tuple<unknown>(1, "a", null), new Tuple<unknown>(1, "a", null)],
      [new Tuple<unknown>(Tuple.of(1), 2), new Tuple<unknown>(Tuple.of(1), 2)],
      [new Tuple(new Tuple(1, 2))],
      [new FrozenSet([1, 2]), new FrozenSet([2, 1])],
      [new FrozenSet(["1", 2])],
      [new UUID("a"), new UUID("a")],
      [new UUID("b")],
      [new Path("pathlib.PosixPath", "A"), new Path("pathlib.PurePosixPath", "A")],
      [new Path("pathlib.PosixPath", "a")],
      [new Path("pathlib.WindowsPath", "A"), new Path("pathlib.WindowsPath", "a")],
      [new PyGlobal("m", "n"), new PyGlobal("m", "n")],
      [new PyGlobal("m", "N")],
      [new PyEnum("m.E", "A", 1), new PyEnum("m.E", "B", 1)],
      [new PyEnum("m.F", "A", 1)],
      [new PyDate(2020, 1, 2), new PyDate(2020, 1, 2)],
      [new PyDate(2020, 2, 1)],
      [new PyTimedelta(1, 2, 3), new PyTimedelta(1, 2, 3)],
      [new PyTimedelta(1, 2, 4)],
      [new Timedelta(1n, "ns"), new Timedelta(1n, "s")],
      [new Timezone(0), new Timezone(0, "UTC")],
      [new Timezone(1e6)],
      [new PyTime(1, 2, 3, 4, 0, null), new PyTime(1, 2, 3, 4, 1, null)],
      [new PyTime(1, 0, 0, 0, 0, new Timezone(3600e6)), new PyTime(0, 0, 0, 0, 0, new Timezone(0))],
      [
        new PyDateTime(2020, 1, 1, 1, 0, 0, 5, 0, new Timezone(3600e6)),
        new PyDateTime(2020, 1, 1, 0, 0, 0, 5, 0, new Timezone(0)),
        new Timestamp(1_577_836_800_000_005_000n, "us", new Timezone(0))
      ],
      [new PyDateTime(2020, 1, 1, 0, 0, 0, 5, 0, null), new Timestamp(1_577_836_800_000_005_000n, "ns", null)],
      [new PyDateTime(2020, 1, 1, 0, 0, 0, 5, 0, zone), new PyDateTime(2020, 1, 1, 0, 0, 0, 5, 0, zone)],
      [new Timestamp(1n, "ns", null), new Timestamp(1n, "ns", null)],
      [new Timestamp(1n, "ns", new Timezone(0))],
      [new Timestamp(-1_000n, "ns", null), new PyDateTime(1969, 12, 31, 23, 59, 59, 999_999, 0, null)],
      [new DType("f", 8, "<"), new DType("f", 8, "<")],
      [new DType("f", 8, ">")],
      [new Interval(1, 2, "right"), new Interval(1, 2, "right")],
      [new Interval(1, 3, "right")],
      [new Interval(0, 2, "right")],
      [new Interval(1, 2, "left")],
      [new Period(1, "M"), new Period(1n, "M")],
      [new Period(2, "M")]
    ]
    for (const keys of equal) assert.strictEqual(distinct(...keys), 1, inspect(keys))
    assert.strictEqual(distinct(...equal.flat()), equal.length)
    const dict = new PyDict<unknown, number>()
    equal.forEach((keys, at) => keys.forEach((key) => dict.set(key, at)))
    equal.forEach((keys, at) => keys.forEach((key) => assert.strictEqual(dict.get(key), at)))
    assert.deepStrictEqual([...dict.values()], equal.map((_, at) => at))
    for (const keys of equal) {
      assert.isTrue(dict.has(keys.at(-1)))
      assert.isTrue(dict.delete(keys.at(-1)))
      assert.isFalse(dict.has(keys[0]))
      assert.isFalse(dict.delete(keys[0]))
    }
    assert.strictEqual(dict.size, 0)
  })
  it("of texts in either order: the first one stays", () => {
    for (const [first, second] of [["a", npText("a")], [npText("a"), "a"], [npText("a"), npText("a")]]) {
      const dict = new PyDict<unknown, number>([["b", 0], [first, 1], [Tuple.of(1), 2], [second, 3], ["c", 4]])
      assert.deepStrictEqual([...dict.values()], [0, 3, 2, 4])
      assert.strictEqual([...dict.keys()][1], first)
      assert.strictEqual([...new PySet([first, second])][0], first)
      assert.isTrue(dict.delete(second))
      assert.isFalse(dict.has(first))
      dict.set(second, 5)
      assert.strictEqual([...dict.keys()].at(-1), second)
      assert.strictEqual(dict.get(first), 5)
    }
  })
  it("of numpy.void, each of which is itself", () => {
    const one = new NpScalar(new DType("V", 1, "|"), new Uint8Array(1), new Uint8Array(1))
    const two = new NpScalar(new DType("V", 1, "|"), new Uint8Array(1), new Uint8Array(1))
    assert.strictEqual(distinct(one, one, two, new Uint8Array(1)), 3)
  })
  it("of NaN, zeros and after deletion", () => {
    const set = new PySet<unknown>([NaN, NaN, -0, 0, 0n, false])
    assert.strictEqual(set.size, 3)
    assert.isTrue(set.has(0) && set.has(-0) && set.has(false))
    assert.isTrue(set.delete(0))
    assert.isFalse(set.has(-0))
    set.add(Tuple.of(1))
    assert.isTrue(set.has(Tuple.of(1)))
    set.clear()
    assert.isFalse(set.has(Tuple.of(1)))
    assert.strictEqual(set.size, 0)
    assert.strictEqual(distinct(Tuple.of(NaN), Tuple.of(NaN)), 2)
    const dict = new PyDict<unknown, number>([[NaN, 1], [NaN, 2], [-0, 3], [0, 4]])
    assert.deepStrictEqual([...dict.values()], [1, 2, 4])
    dict.clear()
    assert.isFalse(dict.has(0))
  })
  it("of strings that look like the keys of others", () => {
    assert.strictEqual(
      distinct(new Uint8Array([49]), "b1", new Tuple(), "t0()", new FrozenSet(), "f{}", new UUID("a"), "ua"),
      8
    )
    assert.strictEqual(
      distinct(new Tuple(new UUID("a")), new Tuple("ua"), new FrozenSet([new UUID("a")]), new FrozenSet(["ua"])),
      4
    )
    assert.strictEqual(distinct(new Tuple("a", "b"), new Tuple("a,s1:b"), new Tuple("as1:b"), new Tuple("ab")), 4)
  })
  it("of tuples a thousand deep, and no deeper", () => {
    const deep = (depth: number) => {
      let tuple: Tuple = new Tuple()
      for (let at = 1; at < depth; at++) tuple = Tuple.of(tuple) as Tuple
      return tuple
    }
    assert.strictEqual(distinct(deep(1_000), deep(1_000), deep(999)), 2)
    fails(() => distinct(deep(1_001)), "LimitExceeded")
  })
  it("of a dict object that are indexes of an array", () => {
    for (const key of ["0", "7", "10", "4294967294", "9999999999"]) assert.isTrue(isIndexKey(key), key)
    for (const key of ["", "00", "01", "-1", "1a", "a1", "1.5", "12345678901", ":", "/", "1:", "1/"]) {
      assert.isFalse(isIndexKey(key), key)
    }
    assert.isTrue(isDictObject(new Dict()))
    for (const value of [{}, [], null, "a", new Map()]) assert.isFalse(isDictObject(value))
    assert.isTrue(isDict(new Dict()) && isDict(new PyDict()) && isDict(Object.create(null)))
    for (const value of [{}, [], null, "a", new PyObject(null, [])]) assert.isFalse(isDict(value))
  })
})

describe("tuples, deques and sets", () => {
  it("give plain arrays, and fields by name", () => {
    assert.isFalse(new Tuple(1, 2).map((one) => one) instanceof Tuple)
    assert.isFalse(Deque.from([1, 2]).filter(() => true) instanceof Deque)
    const named = NamedTuple.from([1, 2]) as NamedTuple
    named.fields = ["a", "b"]
    assert.deepStrictEqual([named.field("a"), named.field("b"), named.field("c")], [1, 2, undefined])
    assert.deepStrictEqual(Object.entries(named.toObject()), [["a", 1], ["b", 2]])
  })
})

describe("NumPy's dtypes and items", () => {
  const little = (...values: ReadonlyArray<number>) => new Uint8Array(values)
  it("are named as NumPy names them", () => {
    const types: ReadonlyArray<readonly [DType, string, string]> = [
      [new DType("b", 1, "|"), "|b1", "bool"],
      [new DType("i", 2, "<"), "<i2", "int16"],
      [new DType("u", 4, ">"), ">u4", "uint32"],
      [new DType("f", 8, "<"), "<f8", "float64"],
      [new DType("c", 16, "<"), "<c16", "complex128"],
      [new DType("M", 8, "<", { unit: "ns" }), "<M8[ns]", "datetime64[ns]"],
      [new DType("m", 8, "<"), "<m8", "timedelta64"],
      [new DType("U", 16, "<"), "<U4", "str128"],
      [new DType("S", 3, "|"), "|S3", "bytes24"],
      [new DType("O", 8, "|"), "|O", "object"],
      [new DType("T", 16, "|"), "|T16", "StringDType128"],
      [new DType("V", 12, "|"), "|V12", "void96"]
    ]
    for (const [dtype, str, name] of types) {
      assert.deepStrictEqual([dtype.str, dtype.name, String(dtype)], [str, name, name])
    }
    const fields = [{ name: "a", dtype: types[0]![0], offset: 0 }, { name: "b", dtype: types[1]![0], offset: 1 }]
    assert.strictEqual(String(new DType("V", 3, "|", { fields })), "[a: bool, b: int16]")
    assert.deepStrictEqual([inspect(types[0]![0]), JSON.stringify(types[0]![0])], ["DType(bool)", "\"bool\""])
  })
  it("are typed arrays of their numbers, in either byte order", () => {
    const cases: ReadonlyArray<readonly [string, number, number, ReadonlyArray<number>, new() => object]> = [
      ["b", 1, 1, [1], Uint8Array],
      ["u", 1, 200, [200], Uint8Array],
      ["i", 1, -1, [255], Int8Array],
      ["i", 2, -2, [254, 255], Int16Array],
      ["u", 2, 258, [2, 1], Uint16Array],
      ["i", 4, -3, [253, 255, 255, 255], Int32Array],
      ["u", 4, 16_909_060, [4, 3, 2, 1], Uint32Array],
      ["f", 4, 1.5, [0, 0, 192, 63], Float32Array],
      ["f", 8, 1.5, [0, 0, 0, 0, 0, 0, 248, 63], Float64Array],
      ["f", 2, 1.5, [0, 62], Float32Array]
    ]
    for (const [kind, size, value, bytes, make] of cases) {
      for (const [order, stored] of [["<", bytes], [">", [...bytes].reverse()]] as const) {
        const two = little(...stored, ...stored)
        const values = typedArray(new DType(kind, size, size === 1 ? "|" : order), two)
        assert.instanceOf(values, make)
        assert.deepStrictEqual([...values!], [value, value])
        // At an odd place, it is a copy.
        const odd = little(0, ...two).subarray(1)
        assert.deepStrictEqual([...typedArray(new DType(kind, size, size === 1 ? "|" : order), odd)!], [value, value])
        assert.deepStrictEqual([...littleEndianBytes(new DType(kind, size, size === 1 ? "|" : order), two)], [
          ...bytes,
          ...bytes
        ])
      }
    }
    for (const kind of ["i", "M", "m"]) {
      assert.deepStrictEqual(
        [...typedArray(new DType(kind, 8, ">"), little(255, 255, 255, 255, 255, 255, 255, 254))!],
        [-2n]
      )
    }
    assert.deepStrictEqual([...typedArray(new DType("u", 8, "<"), new Uint8Array(8).fill(255))!], [2n ** 64n - 1n])
    assert.deepStrictEqual([...typedArray(new DType("c", 8, ">"), little(63, 192, 0, 0, 64, 0, 0, 0))!], [1.5, 2])
    for (const [kind, size] of [["U", 4], ["S", 1], ["V", 2], ["f", 3], ["O", 8]] as const) {
      assert.isNull(typedArray(new DType(kind, size, "<"), new Uint8Array(8)))
    }
  })
  it("half and long floats are the nearest numbers", () => {
    const half = (bits: number) => typedArray(new DType("f", 2, "<"), little(bits & 255, bits >> 8))![0]
    assert.deepStrictEqual([0x3c00, 0xbc00, 0x7c00, 0xfc00, 0x0001, 0x8001, 0x7bff, 0x0400].map(half), [
      1,
      -1,
      Infinity,
      -Infinity,
      2 ** -24,
      -(2 ** -24),
      65_504,
      2 ** -14
    ])
    assert.isNaN(half(0x7c01))
    const long = (high: number, ...mantissa: ReadonlyArray<number>) => {
      const bytes = new Uint8Array(16)
      bytes.set(mantissa, 8 - mantissa.length)
      bytes.set([high & 255, high >> 8], 8)
      return bytes
    }
    const read = (bytes: Uint8Array) => typedArray(new DType("f", 16, "<"), bytes)![0]
    assert.deepStrictEqual(
      [long(0x3fff, 0x80), long(0xbfff, 0xc0), long(0x4000, 0x80), long(0x7fff, 0x80), long(0xffff, 0x80), long(0)].map(
        read
      ),
      [1, -1.5, 2, Infinity, -Infinity, 0]
    )
    assert.isNaN(read(long(0x7fff, 0xc0)))
    assert.strictEqual(typedArray(new DType("f", 16, ">"), long(0x3fff, 0x80).reverse())![0], 1)
    assert.deepStrictEqual([
      ...typedArray(
        new DType("f", 12, "<"),
        new Uint8Array([...long(0x3fff, 0x80).slice(0, 12), ...long(0x4000, 0x80).slice(0, 12)])
      )!
    ], [1, 2])
  })
  const structured = new DType("V", 8, "|", {
    fields: [
      { name: "a", dtype: new DType("i", 2, ">"), offset: 1 },
      { name: "b", dtype: new DType("V", 4, "|", { base: new DType("u", 2, ">"), shape: [2] }), offset: 4 }
    ]
  })
  const item = little(9, 1, 2, 9, 0, 1, 0, 2)
  it("items are the values of item()", () => {
    const one = (dtype: DType, ...bytes: ReadonlyArray<number>) =>
      new NdArray(dtype, [], "C", little(...bytes), null).itemAt(0)
    assert.strictEqual(one(new DType("b", 1, "|"), 1), true)
    assert.strictEqual(one(new DType("b", 1, "|"), 0), false)
    assert.strictEqual(one(new DType("i", 8, "<"), 255, 255, 255, 255, 255, 255, 31, 0), 2 ** 53 - 1)
    assert.strictEqual(one(new DType("i", 8, "<"), 0, 0, 0, 0, 0, 0, 32, 0), 2n ** 53n)
    assert.strictEqual(one(new DType("i", 8, "<"), 0, 0, 0, 0, 0, 0, 224, 255), -(2n ** 53n))
    assert.deepStrictEqual(one(new DType("c", 8, "<"), 0, 0, 192, 63, 0, 0, 0, 64), new Complex(1.5, 2))
    assert.strictEqual(one(new DType("U", 12, "<"), 97, 0, 0, 0, 0, 0, 0, 0, 98, 0, 0, 0), "a\0b")
    assert.strictEqual(one(new DType("U", 8, ">"), 0, 1, 246, 0, 0, 0, 0, 0), "😀")
    fails(() => one(new DType("U", 4, "<"), 0, 0, 17, 0), "BadText")
    assert.strictEqual(one(new DType("U", 4, "<"), 255, 255, 16, 0), "\u{10ffff}")
    assert.deepStrictEqual(one(new DType("S", 4, "|"), 97, 0, 98, 0), little(97, 0, 98))
    assert.deepStrictEqual(one(new DType("V", 2, "|"), 0, 1), little(0, 1))
    assert.deepStrictEqual({ ...one(structured, ...item) as object }, { a: 258, b: [1, 2] })
    const time = (kind: string, ...bytes: ReadonlyArray<number>) =>
      one(new DType(kind, 8, "<", { unit: "s" }), ...bytes) as NpTime
    assert.deepStrictEqual(String(time("M", 60, 0, 0, 0, 0, 0, 0, 0)), "1970-01-01T00:01:00")
    assert.deepStrictEqual(String(time("m", 60, 0, 0, 0, 0, 0, 0, 0)), "60 s")
    assert.isNull(time("M", 0, 0, 0, 0, 0, 0, 0, 128).count)
    fails(() => new NdArray(new DType("u", 1, "|"), [2], "C", little(1), null).itemAt(1), "BadValue")
  })
  it("structured bytes are little endian field by field", () => {
    assert.deepStrictEqual([...littleEndianBytes(structured, little(...item, ...item))], [
      9,
      2,
      1,
      9,
      1,
      0,
      2,
      0,
      9,
      2,
      1,
      9,
      1,
      0,
      2,
      0
    ])
    const plain = new DType("V", 1, "|", { fields: [{ name: "a", dtype: new DType("u", 1, "|"), offset: 0 }] })
    const bytes = little(1, 2)
    assert.strictEqual(littleEndianBytes(plain, bytes), bytes)
    assert.deepStrictEqual({ ...recordOf(structured, [1, 2]) as object }, { a: 1, b: 2 })
    assert.strictEqual(recordOf(structured, 5), 5)
    assert.deepStrictEqual(recordOf(new DType("O", 8, "|"), [1]), [1])
  })
  it("arrays give items by index and in rows, in either order", () => {
    const dtype = new DType("u", 1, "|")
    const c = new NdArray(dtype, [2, 3], "C", little(1, 2, 3, 4, 5, 6), null)
    const f = new NdArray(dtype, [2, 3], "F", little(1, 4, 2, 5, 3, 6), null)
    const o = new NdArray(new DType("O", 8, "|"), [2, 3], "F", new Uint8Array(0), [1, 2, 3, 4, 5, 6])
    for (const array of [c, f, o]) {
      assert.deepStrictEqual(array.toList(), [[1, 2, 3], [4, 5, 6]])
      assert.deepStrictEqual(array.items(), [1, 2, 3, 4, 5, 6])
      assert.strictEqual(array.get(1, 0), 4)
      assert.strictEqual(array.get(1, 2), 6)
      assert.strictEqual(array.get(1), 4)
      for (const index of [[2, 0], [0, 3], [-1, 0], [NaN, 0]]) assert.isUndefined(array.get(...index))
      assert.strictEqual(array.size, 6)
    }
    assert.strictEqual(c.values, c.values)
    assert.isNull(o.values)
    assert.isNull(new NdArray(structured, [1], "C", item, null).values)
    assert.deepStrictEqual([...rowMajorPositions([2, 2, 2])], [0, 4, 2, 6, 1, 5, 3, 7])
    assert.deepStrictEqual([...rowMajorPositions([])], [0])
    assert.strictEqual(new NdArray(dtype, [], "C", little(7), null).toList(), 7)
    assert.deepStrictEqual([c, new NdArray(dtype, [], "C", little(7), null)].map(String), [
      "NdArray(uint8, 2x3)",
      "NdArray(uint8, ())"
    ])
    assert.match(inspect(c), /NdArray\(uint8, 2x3\).*\[ 1, 2, 3 \]/s)
    assert.match(inspect(new NdArray(dtype, [200], "C", new Uint8Array(200), null)), /100 (?:more|empty) items/)
    c.bytes = little(9, 9, 9, 9, 9, 9)
    assert.strictEqual(c.itemAt(0), 1)
    c.reset()
    assert.strictEqual(c.itemAt(0), 9)
  })
  it("scalars are their value", () => {
    const scalar = new NpScalar(new DType("f", 8, "<"), new Uint8Array(8), 1.5)
    assert.deepStrictEqual([String(scalar), +(scalar as unknown as number), inspect(scalar)], [
      "1.5",
      1.5,
      "NpScalar(float64) 1.5"
    ])
    const of = (value: unknown) => new NpScalar(new DType("f", 8, "<"), new Uint8Array(8), value)
    assert.strictEqual(distinct(of(true), 1, of(new Complex(2, 0)), 2, of(NaN), of(NaN)), 4)
  })
  it("times are counts of their unit", () => {
    const ns = (count: bigint, unit: string | null, isInstant = true) => unitToNanoseconds(count, unit, isInstant)
    assert.deepStrictEqual(["W", "D", "h", "m", "s", "ms", "us", "ns"].map((unit) => ns(2n, unit)), [
      1_209_600_000_000_000n,
      172_800_000_000_000n,
      7_200_000_000_000n,
      120_000_000_000n,
      2_000_000_000n,
      2_000_000n,
      2_000n,
      2n
    ])
    assert.strictEqual(ns(2n, "25s"), 50_000_000_000n)
    assert.deepStrictEqual([
      ns(1_999n, "ps"),
      ns(-1n, "ps"),
      ns(-1_000n, "ps"),
      ns(2_000_000n, "fs"),
      ns(1_000_000_000n, "as")
    ], [1n, -1n, -1n, 2n, 1n])
    assert.deepStrictEqual([ns(1n, "Y"), ns(1n, "M"), ns(-1n, "M")], [
      31_536_000_000_000_000n,
      2_678_400_000_000_000n,
      -2_678_400_000_000_000n
    ])
    assert.isNotNull(ns(3_000_000n, "M"))
    for (
      const none of [
        ns(3_000_001n, "M"),
        ns(-3_000_001n, "M"),
        ns(1n, "Y", false),
        ns(1n, null),
        ns(1n, "x"),
        ns(1n, "1 s")
      ]
    ) assert.isNull(none)
    assert.deepStrictEqual([0n, -1n, 1_500_000_000n, 1_000n, 1_000_000_001n, -1_000_000_000n].map(nanosecondsText), [
      "1970-01-01T00:00:00",
      "1969-12-31T23:59:59.999999999",
      "1970-01-01T00:00:01.500000",
      "1970-01-01T00:00:00.000001",
      "1970-01-01T00:00:01.000000001",
      "1969-12-31T23:59:59"
    ])
    assert.strictEqual(nanosecondsText(8_640_000_000_000_000_000_000n), "+275760-09-13T00:00:00")
    assert.strictEqual(nanosecondsText(8_640_000_000_001_000_000_000n), "8640000000001000000000 ns")
    assert.deepStrictEqual(
      [new NpTime("datetime64", null, "s"), new NpTime("timedelta64", 5n, null), new NpTime("datetime64", 5n, null)]
        .map(String),
      ["NaT", "5", "5"]
    )
    assert.strictEqual(inspect(new NpTime("timedelta64", 5n, "D")), "NpTime(timedelta64, 5 D)")
  })
})

describe("Python's times", () => {
  it("print as in Python", () => {
    assert.deepStrictEqual(
      [[1, 2, 3], [-1, 86_399, 0], [0, 3_661, 0], [2, 0, 0], [0, 36_000, 10]].map(([d, s, m]) =>
        String(new PyTimedelta(d!, s!, m!))
      ),
      ["1 day, 0:00:02.000003", "-1 day, 23:59:59", "1:01:01", "2 days, 0:00:00", "10:00:00.000010"]
    )
    assert.strictEqual(new PyTimedelta(1, 1, 500_000).totalSeconds, 86_401.5)
    assert.strictEqual(new PyTimedelta(999_999_999, 86_399, 999_999).totalSeconds, Number("86399999999999.999999"))
    assert.strictEqual(new PyTimedelta(-999_999_999, 0, 1).totalSeconds, Number("-86399999913599.999999"))
    assert.strictEqual(new PyTimedelta(-1, 0, 1).totalMicroseconds, -86_399_999_999)
    assert.strictEqual(String(new PyDate(800, 1, 9)), "0800-01-09")
    assert.strictEqual(new PyDate(99, 3, 1).toDate().toISOString(), "0099-03-01T00:00:00.000Z")
    assert.deepStrictEqual(
      [0, 3_600e6, -12_600e6, 59e6, -1, -17_762.000001e6].map(offsetText),
      ["+00:00", "+01:00", "-03:30", "+00:00:59", "-00:00:00.000001", "-04:56:02.000001"]
    )
    assert.deepStrictEqual([new Timezone(0), new Timezone(-3_600e6), new Timezone(0, "X")].map(String), [
      "UTC",
      "UTC-01:00",
      "X"
    ])
  })
  it("have the offset of their zone", () => {
    const unknown = new PyObject(new PyGlobal("m", "Zone"), [])
    const time = (zone: unknown) => new PyTime(23, 5, 9, 10, 0, zone)
    assert.deepStrictEqual(
      [null, new Timezone(3_600e6), new ZoneInfo("Europe/Berlin"), unknown].map((zone) => String(time(zone))),
      [
        "23:05:09.000010",
        "23:05:09.000010+01:00",
        "23:05:09.000010",
        "23:05:09.000010[m.Zone]"
      ]
    )
    assert.deepStrictEqual([null, new Timezone(0), unknown].map((zone) => time(zone).hasUnknownZone), [
      false,
      false,
      true
    ])
    const at = (zone: unknown, month = 1, fold = 0, hour = 2, day = 31) =>
      new PyDateTime(2021, month, day, hour, 30, 0, 1_500, fold, zone)
    const berlin = new ZoneInfo("Europe/Berlin")
    assert.deepStrictEqual(
      [at(null), at(new Timezone(-60e6)), at(berlin), at(berlin, 7), at(unknown), at(new ZoneInfo("No/Where"))].map(
        String
      ),
      [
        "2021-01-31T02:30:00.001500",
        "2021-01-31T02:30:00.001500-00:01",
        "2021-01-31T02:30:00.001500+01:00",
        "2021-07-31T02:30:00.001500+02:00",
        "2021-01-31T02:30:00.001500[m.Zone]",
        "2021-01-31T02:30:00.001500[No/Where]"
      ]
    )
    // The fold and the gap of 2021, and the hours around them.
    const offsets = (day: number, month: number, ...hours: ReadonlyArray<number>) =>
      hours.flatMap((hour) => [0, 1].map((fold) => at(berlin, month, fold, hour, day).utcOffset()! / 3_600e6))
    assert.deepStrictEqual(offsets(31, 10, 1, 2, 3), [2, 2, 2, 1, 1, 1])
    assert.deepStrictEqual(offsets(28, 3, 1, 2, 3), [1, 1, 1, 2, 2, 2])
    assert.deepStrictEqual([null, new Timezone(0), unknown].map((zone) => at(zone).hasUnknownZone), [
      false,
      false,
      true
    ])
    assert.strictEqual(at(new Timezone(3_600e6)).toDate().toISOString(), "2021-01-31T01:30:00.001Z")
    assert.strictEqual(at(null).toDate().toISOString(), "2021-01-31T02:30:00.001Z")
    assert.isNaN(at(unknown).toDate().getTime())
  })
  it("have zones of many libraries", () => {
    const zone = (module: string, name: string, args: ReadonlyArray<unknown> = [], state?: object) => {
      const out = new PyObject(new PyGlobal(module, name), args)
      if (state !== undefined) out.states = [Object.assign(new Dict(), state)]
      return zoneOf(out)
    }
    const fixed = (offset: number) => ({ offset: offset * 1e6, key: null })
    const keyed = (key: string, offset: number | null = null) => ({ offset, key })
    assert.deepStrictEqual(zone("pytz", "_UTC"), keyed("UTC", 0))
    assert.deepStrictEqual(zone("pytz", "_p", ["Europe/Berlin", 3600, 0, "CET"]), keyed("Europe/Berlin", 3_600e6))
    assert.deepStrictEqual(zone("pytz", "_p", ["Europe/Berlin"]), keyed("Europe/Berlin"))
    assert.deepStrictEqual(zone("pytz", "_FixedOffset", [-90]), fixed(-5_400))
    assert.deepStrictEqual(zone("pytz._FixedOffset", "X", [90]), fixed(5_400))
    assert.deepStrictEqual(zone("dateutil.tz.tz", "tzutc"), keyed("UTC", 0))
    assert.deepStrictEqual(zone("dateutil.tz.tz", "tzoffset", ["X", 60]), fixed(60))
    assert.deepStrictEqual(
      zone("dateutil.tz.tz", "tzoffset", [], { _offset: new PyTimedelta(-1, 82_800, 0) }),
      fixed(-3_600)
    )
    const offsets = (standard: number, summer: number, more: object = {}) => ({
      _std_offset: new PyTimedelta(0, standard, 0),
      _dst_offset: new PyTimedelta(0, summer, 0),
      ...more
    })
    assert.deepStrictEqual(zone("dateutil.tz.tz", "tzlocal", [], offsets(60, 60)), fixed(60))
    assert.deepStrictEqual(zone("dateutil.tz.tz", "tzrange", [], offsets(60, 120, { hasdst: false })), fixed(60))
    assert.deepStrictEqual(zone("dateutil.tz.tz", "tzstr", [], offsets(60, 120, { _hasdst: false })), fixed(60))
    assert.isNull(zone("dateutil.tz.tz", "tzlocal", [], offsets(60, 120, { _hasdst: true })))
    assert.deepStrictEqual(
      zone("dateutil.tz.tz", "tzfile", [null, "/usr/share/zoneinfo/Europe/Berlin"]),
      keyed("Europe/Berlin")
    )
    assert.deepStrictEqual(
      zone("dateutil.tz.tz", "tzfile", ["/opt/Python/zoneinfo/Europe/Berlin"]),
      keyed("Europe/Berlin")
    )
    assert.deepStrictEqual(
      zone("dateutil.zoneinfo", "tzfile", [], { _filename: "America/Argentina/Salta" }),
      keyed("America/Argentina/Salta")
    )
    assert.isNull(zone("dateutil.tz.tz", "tzfile", ["/etc/local time"]))
    assert.isNull(zone("dateutil.tz.tz", "tzfile"))
    assert.deepStrictEqual(zone("pendulum.tz.timezone", "FixedTimezone", [60]), fixed(60))
    assert.deepStrictEqual(zone("pendulum.tz.timezone", "Timezone", ["Asia/Tokyo"]), keyed("Asia/Tokyo"))
    assert.deepStrictEqual(zone("pendulum.tz.timezone", "X", [1, 2, "Asia/Tokyo"]), keyed("Asia/Tokyo"))
    assert.deepStrictEqual(zone("psycopg2.tz", "FixedOffsetTimezone", [60]), fixed(3_600))
    assert.deepStrictEqual(zone("psycopg2.tz", "FixedOffsetTimezone", [new PyTimedelta(0, 60, 0)]), fixed(60))
    assert.deepStrictEqual(zone("isodate.tzinfo", "Utc"), fixed(0))
    assert.deepStrictEqual(
      zone("isodate.tzinfo", "FixedOffset", [], { _FixedOffset__offset: new PyTimedelta(0, 60, 0) }),
      fixed(60)
    )
    assert.deepStrictEqual(
      zone("pytz_deprecation_shim._impl", "wrap_zone", [new ZoneInfo("Asia/Tokyo"), "x"]),
      keyed("Asia/Tokyo")
    )
    for (
      const none of [
        zone("pytz", "_p", [1]),
        zone("pytz", "FixedOffset", ["x"]),
        zone("pytz", "other", [1]),
        zone("pytz._FixedOffset", "X", ["x"]),
        zone("pendulum.tz.timezone", "FixedTimezone", ["x"]),
        zone("pendulum.tz.timezone", "Timezone", [1]),
        zone("psycopg2.tz", "FixedOffsetTimezone", [1_440]),
        zone("isodate.tzinfo", "FixedOffset"),
        zone("dateutil.tz.tz", "tzoffset", [null, 86_400]),
        zone("m", "Zone", ["Asia/Tokyo"]),
        zone("m", "FixedOffsetTimezone", [60]),
        zone("psycopg2.tz", "Other", [60]),
        zoneOf("Asia/Tokyo"),
        zoneOf(undefined)
      ]
    ) assert.isNull(none)
    assert.deepStrictEqual(
      ["UTC", "utc", "Z", "+0130", "UTC-05:00", "GMT+1:00", "-23:59", "pytz.FixedOffset(90)", "+00:00"].map((name) =>
        (zoneFromName(name) as Timezone).offset / 60e6
      ),
      [0, 0, 0, 90, -300, 60, -1439, 90, 0]
    )
    for (const name of ["Europe/Berlin", "x+01:00", "+01:00x", "+1", "pytz.FixedOffset(90", "xpytz.FixedOffset(90)"]) {
      assert.deepStrictEqual(zoneFromName(name), new ZoneInfo(name))
    }
  })
})

describe("pandas' scalars, columns and frames", () => {
  const day = 86_400_000_000_000n
  it("Timestamps and Timedeltas print as in pandas", () => {
    const at = new Timestamp(1_609_462_923_000_000_004n, "ns", new Timezone(3_600e6))
    assert.deepStrictEqual([String(at), at.utcText, at.tz, at.toDate().toISOString()], [
      "2021-01-01T02:02:03.000000004+01:00",
      "2021-01-01T01:02:03.000000004+00:00",
      "UTC+01:00",
      "2021-01-01T01:02:03.000Z"
    ])
    assert.deepStrictEqual(
      [
        null,
        new Timezone(0),
        new ZoneInfo("Asia/Tokyo"),
        new ZoneInfo("No/Where"),
        new PyObject(new PyGlobal("m", "Zone"), []),
        "Asia/Tokyo"
      ]
        .map((zone) => {
          const stamp = new Timestamp(0n, "ns", zone)
          return [String(stamp), stamp.tz, stamp.utcOffset(), stamp.hasUnknownZone]
        }),
      [
        ["1970-01-01T00:00:00", null, null, false],
        ["1970-01-01T00:00:00+00:00", "UTC", 0, false],
        ["1970-01-01T09:00:00+09:00", "Asia/Tokyo", 32_400e6, false],
        ["1970-01-01T00:00:00+00:00[No/Where]", "No/Where", null, true],
        ["1970-01-01T00:00:00+00:00[m.Zone]", "unknown", null, true],
        ["1970-01-01T00:00:00+00:00[unknown]", "Asia/Tokyo", null, true]
      ]
    )
    assert.strictEqual(new Timestamp(-1n, "ns", null).toDate().getTime(), -1)
    assert.strictEqual(new Timestamp(-1_000_000n, "ns", null).toDate().getTime(), -1)
    assert.deepStrictEqual([day, -1n, -day, day + 1_000_000_002n, 0n].map((ns) => String(new Timedelta(ns, "ns"))), [
      "1 days 00:00:00",
      "-1 days +23:59:59.999999999",
      "-1 days +00:00:00",
      "1 days 00:00:01.000000002",
      "0 days 00:00:00"
    ])
    assert.strictEqual(new Timedelta(1_500_000_000n, "ns").totalSeconds, 1.5)
    assert.strictEqual(JSON.stringify([NaT, NA, new Timedelta(day, "s")]), "[null,null,86400]")
    assert.deepStrictEqual([String(NaT), String(NA)], ["NaT", "<NA>"])
  })
  const column = new Column({
    dtype: "Int64",
    kind: "int",
    length: 3,
    values: () => [1, 2, NaN],
    nulls: new Uint8Array([0, 1, 0]),
    missing: NA,
    get: (values, i) => values[i] === 1 ? "one" : values[i]
  })
  it("columns have values, missing ones and what Python shows", () => {
    assert.deepStrictEqual(column.toArray(), ["one", NA, NaN])
    assert.deepStrictEqual([...column], ["one", NA, NaN])
    assert.deepStrictEqual([0, 1, 2].map((i) => column.isNull(i)), [false, true, true])
    assert.deepStrictEqual([column.unit, column.tz, column.categories, column.ordered], [null, null, null, false])
    for (const value of [null, undefined, NaN, NaT, NA]) assert.isTrue(isMissing(value))
    for (const value of [0, "", false, 1n]) assert.isFalse(isMissing(value))
    let made = 0
    const lazy = new Column({ dtype: "int64", kind: "int", length: 1, values: () => [++made] })
    assert.deepStrictEqual([lazy.at(0), lazy.at(0), made, lazy.isNull(0)], [1, 1, 1, false])
    assert.match(inspect(lazy), /Column\(int64, 1\)/)
  })
  it("frames have columns by label, and rows", () => {
    const labels = (...texts: ReadonlyArray<unknown>) =>
      new Index(
        "Index",
        null,
        new Column({ dtype: "object", kind: "object", length: texts.length, values: () => texts })
      )
    const frame = new DataFrame(labels("a", 1), labels("x", "y", "z"), [column, labels(4, 5, 6).column])
    assert.strictEqual(frame.length, 3)
    assert.strictEqual(frame.column("1"), frame.data[1])
    assert.isUndefined(frame.column("b"))
    assert.deepStrictEqual([...frame.rows()].map((row) => ({ ...row })), [{ a: "one", 1: 4 }, { a: NA, 1: 5 }, {
      a: NaN,
      1: 6
    }])
    assert.strictEqual(String(frame), "DataFrame(3 rows: a Int64, 1 object)")
    const series = new Series("s", frame.index, column)
    assert.deepStrictEqual(
      [String(series), String(new Series(null, frame.index, column)), series.length, series.at(0)],
      [
        "Series(s, Int64, 3)",
        "Series(Int64, 3)",
        3,
        "one"
      ]
    )
    assert.deepStrictEqual([...series], series.toArray())
    assert.deepStrictEqual([...frame.index, frame.index.at(1), frame.index.length, String(frame.index)], [
      "x",
      "y",
      "z",
      "y",
      3,
      "Index(Index, object, 3)"
    ])
    const long = labels(...Array.from({ length: 150 }, (_, i) => i))
    assert.match(inspect(long), /50 (?:more|empty) items/)
    assert.deepStrictEqual(labels("x").names, [null])
  })
  it("frequencies have the names of pandas' offsets", () => {
    const none = { month: null, weekday: null }
    assert.deepStrictEqual(
      [
        frequencyOf("YearEnd", none, 1),
        frequencyOf("BQuarterEnd", { month: 3, weekday: null }, 2),
        frequencyOf("Week", none, 1),
        frequencyOf("Week", { month: null, weekday: 0 }, 1),
        frequencyOf("MonthEnd", none, 1),
        frequencyOf("Hour", none, 6),
        frequencyOf("Minute", none, "x"),
        frequencyOf("toString", none, 1),
        frequencyOf("YearEnd", { month: 99, weekday: 99 }, 1)
      ],
      ["Y-DEC", "2Q-MAR", "W-SUN", "W-MON", "M", "6h", "min", null, "Y-DEC"]
    )
  })
})

describe("inert objects", () => {
  const dict = (entries: object) => Object.assign(new Dict(), entries)
  const object = (name: string, ...states: ReadonlyArray<unknown>) => {
    const out = new PyObject(new PyGlobal("m", name), [])
    out.states = states
    return out
  }
  it("have the attributes of their states", () => {
    const of = (...states: ReadonlyArray<unknown>) => Object.fromEntries(object("C", ...states).attributes())
    assert.deepStrictEqual(of(), {})
    assert.deepStrictEqual(of(dict({ a: 1 }), new Tuple<unknown>(null, dict({ b: 2 }))), { a: 1, b: 2 })
    assert.deepStrictEqual(of(new Tuple<unknown>(dict({ a: 1 }), dict({ a: 2 }))), { a: 2 })
    assert.deepStrictEqual(of(new Tuple<unknown>(dict({ a: 1 }), 1, 2)), {})
    assert.deepStrictEqual(of(new PyDict<unknown, unknown>([["a", 1], [2, 3]])), { a: 1 })
    assert.deepStrictEqual(
      of(dict({ __dict__: dict({ a: 1 }), __pydantic_fields_set__: 1, __pydantic_extra__: dict({ b: 2 }) })),
      { a: 1, b: 2 }
    )
    assert.deepStrictEqual(of(dict({ __dict__: dict({ a: 1 }), __fields_set__: 1 })), { a: 1 })
    assert.deepStrictEqual(of(dict({ __fields_set__: 1 })), { __fields_set__: 1 })
    const sql = new PyObject(new PyGlobal("sqlalchemy.orm.state", "InstanceState"), [])
    assert.deepStrictEqual(of(dict({ a: 1, _sa_instance_state: sql })), { a: 1 })
    assert.deepStrictEqual(Object.keys(of(dict({ _sa_instance_state: object("X") }))), ["_sa_instance_state"])
    assert.strictEqual(object("C", 1, 2).state, 2)
    assert.isUndefined(object("C").state)
  })
  it("have the name of their class, or of what made it", () => {
    const named = (cls: unknown) => new PyObject(cls, []).className
    const global = new PyGlobal("m", "C.D")
    const getattr = (...args: ReadonlyArray<unknown>) => new PyObject(new PyGlobal("builtins", "getattr"), args)
    assert.deepStrictEqual([
      named(global),
      named(getattr(global, "make")),
      named(getattr(global, 1)),
      named(new PyObject(global, [])),
      named(null),
      named("m.C")
    ], [
      "m.C.D",
      "m.C.D.make",
      "m.C.D",
      "m.C.D",
      "object",
      "object"
    ])
    const carried = (name: string, args: ReadonlyArray<unknown>, ...states: ReadonlyArray<unknown>) => {
      const cls = new Opaque("class", new PyGlobal("cloudpickle.cloudpickle", name), args)
      cls.states = states
      return named(cls)
    }
    assert.strictEqual(carried("_builtin_type", ["CodeType"]), "types.CodeType")
    assert.strictEqual(carried("_make_skeleton_class", [1, "C", 2, dict({ __module__: "shop" })]), "shop.C")
    assert.strictEqual(
      carried(
        "_make_skeleton_class",
        [1, "C"],
        new Tuple<unknown>(dict({ __module__: "shop", __qualname__: "f.C" }), 1)
      ),
      "shop.f.C"
    )
    assert.strictEqual(carried("_make_skeleton_class", [1, "C"], new PyDict([["__module__", "shop"]])), "shop.C")
    assert.strictEqual(carried("_make_skeleton_class", [1, 2]), "__main__.object")
    assert.strictEqual(carried("_make_skeleton_enum", [1, "E", "f.E", 2, "shop"]), "shop.f.E")
  })
  it("print with what they hold, and no more", () => {
    const full = new PyObject(new PyGlobal("m", "C"), [1], dict({ k: 2 }))
    full.items = [3]
    full.pairs = [[4, 5]]
    full.states = [dict({ a: 6 })]
    for (const part of ["m.C", "__args__", "__kwargs__", "__items__", "__pairs__", "a: 6"]) {
      assert.include(inspect(full, { depth: 5 }), part)
    }
    assert.notInclude(inspect(full), "__state__")
    const bare = inspect(object("C"))
    for (const part of ["__args__", "__kwargs__", "__items__", "__pairs__", "__state__"]) assert.notInclude(bare, part)
    assert.include(inspect(object("C", 7)), "__state__: 7")
  })
  it("print their class and their text", () => {
    const printed: ReadonlyArray<readonly [unknown, string]> = [
      [new Path("pathlib.PosixPath", "/a"), "Path(/a)"],
      [new UUID("a"), "UUID(a)"],
      [new PyGlobal("m", "n"), "PyGlobal(m.n)"],
      [new PyDate(2020, 1, 2), "PyDate(2020-01-02)"],
      [new PyTime(1, 2, 3, 0, 0, null), "PyTime(01:02:03)"],
      [new PyDateTime(2020, 1, 2, 3, 4, 5, 0, 0, null), "PyDateTime(2020-01-02T03:04:05)"],
      [new PyTimedelta(0, 1, 0), "PyTimedelta(0:00:01)"],
      [new Timezone(0), "Timezone(UTC)"],
      [new ZoneInfo("Asia/Tokyo"), "ZoneInfo(Asia/Tokyo)"],
      [new Timestamp(0n, "ns", null), "Timestamp(1970-01-01T00:00:00)"],
      [new Timedelta(0n, "ns"), "Timedelta(0 days 00:00:00)"],
      [new Period(0, "M"), "Period(1970-01, M)"],
      [new Interval(1, 2, "left"), "Interval[1, 2)"],
      [new Range(0, 1, 1), "range(0, 1)"],
      [new Slice(1, 2, 3), "slice(1, 2, 3)"]
    ]
    for (const [value, text] of printed) assert.strictEqual(inspect(value), text)
  })
  it("enumerations and arrays print as in Python", () => {
    assert.deepStrictEqual([new PyEnum("m.n.E", "A", 1), new PyEnum("E", null, 3)].map(String), ["E.A", "E.3"])
    const list = [1]
    assert.strictEqual(distinct(new PyEnum("m.E", "A", list), new PyEnum("m.E", "A", list)), 2)
    const array = new PyArray("h", new Int16Array([1, 2]))
    assert.deepStrictEqual([String(array), [...array], array.length], ["PyArray(h, 2)", [1, 2], 2])
  })
})
