import {
  ByteArray,
  type Column,
  Complex,
  DataFrame,
  Decimal,
  Deque,
  enumDecoder,
  Fraction,
  loads,
  loadsAll,
  loadsAt,
  type LoadsOptions,
  NamedTuple,
  namedTupleDecoder,
  NdArray,
  offsetText,
  OrderedDict,
  PickleError,
  PyDateTime,
  PyDict,
  PyEnum,
  PyFloat,
  PyGlobal,
  PyObject,
  PySet,
  PyTime,
  Range,
  stateOf,
  Timestamp,
  Timezone,
  Tuple,
  ZoneInfo,
  zoneOf
} from "@effect-prefect/pickle"
import { describe } from "@effect-prefect/pickle/testing"
import { assert, describe as suite, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, "latin1"))
const read = (text: string, options: LoadsOptions = {}) => loads(bytes(text), options)
const fixture = (name: string) => readFileSync(new URL(`../../../fixtures/pickle/${name}`, import.meta.url))

suite("several pickles in one buffer", () => {
  it("loadsAll reads all, loadsAt says where one ends, loads looks at the first", () => {
    const three = bytes("K\x01.K\x02.\x80\x04N.")
    assert.deepStrictEqual(loadsAll(three), [1, 2, null])
    assert.deepStrictEqual(loadsAt(three, 3), { value: 2, end: 6 })
    assert.strictEqual(loads(three), 1)
    assert.deepStrictEqual(loadsAll(new Uint8Array(0)), [])
    assert.throws(() => loadsAll(bytes("K\x01.K")), PickleError, /end of the input/)
  })
  it("takes an ArrayBuffer and a view into a larger one", () => {
    const whole = bytes("xxK\x07.xx")
    assert.strictEqual(loads(whole.buffer.slice(2, 5)), 7)
    assert.strictEqual(loads(whole.subarray(2)), 7)
  })
})

suite("long lists", () => {
  const float = "G\x3f\xe0\0\0\0\0\0\0"
  const frame = bytes("\x95\0\0\0\0\0\0\0\0")
  const [open, close] = [bytes("("), bytes("e")]
  const expected = (index: number) => index % 3 === 0 ? 0.5 : index % 256
  const batch = (start: number) =>
    bytes(
      Array.from({ length: 1_000 }, (_, i) =>
        (start + i) % 3 === 0 ? float : `K${String.fromCharCode((start + i) % 256)}`).join("")
    )
  /** All different batches. */
  const batches = Array.from({ length: 96 }, (_, at) => batch(at * 1_000))
  const listOf = (...parts: ReadonlyArray<Uint8Array>) =>
    loads(Buffer.concat([bytes("\x80\x04]"), ...parts, bytes(".")])) as ReadonlyArray<unknown>
  const wrong = (list: ReadonlyArray<unknown>, from: number) =>
    list.findIndex((item, index) => index >= from && item !== expected(index))

  it("are read whole: numbers in more batches than are filled in at once, and others among them", () => {
    const parts = Array.from({ length: 1_300 }, (_, at) => [open, batches[at % 96]!, close])
    for (let at = 4; at < parts.length; at += 5) parts[at]!.unshift(frame)
    parts[900]![1] = Buffer.concat([bytes("\x8c\x01a"), batches[900 % 96]!.subarray(float.length)])
    const list = listOf(...parts.flat())
    assert.strictEqual(list.length, 1_300_000)
    assert.strictEqual(wrong(list, 0), 900_000)
    assert.strictEqual(list[900_000], "a")
    assert.strictEqual(wrong(list, 900_001), -1)
  })

  it("are read whole when one batch has more numbers than are filled in at once", () => {
    const rest = Array.from({ length: 1_200 }, (_, at) => batches[(at + 1) % 96]!)
    const list = listOf(open, batches[0]!, close, open, ...rest, close)
    assert.strictEqual(list.length, 1_201_000)
    assert.strictEqual(wrong(list, 0), -1)
  })
})

suite("options", () => {
  it("integers: always bigint", () => {
    assert.deepStrictEqual(read("](K\x01M\x00\x01J\xff\xff\xff\xff\x8a\x01\x05I7\nL8L\ne.", { integers: "bigint" }), [
      1n,
      256n,
      -1n,
      5n,
      7n,
      8n
    ])
  })
  it("integers: a bigint only where a number is not exact", () => {
    assert.deepStrictEqual(
      read("](L9007199254740991L\nL9007199254740992L\nL-9007199254740991L\nL-9007199254740992L\ne."),
      [
        9007199254740991,
        9007199254740992n,
        -9007199254740991,
        -9007199254740992n
      ]
    )
  })
  it("floats: typed", () => {
    const value = read("G?\xf0\x00\x00\x00\x00\x00\x00.", { floats: "typed" })
    assert.instanceOf(value, PyFloat)
    assert.strictEqual(String(value), "1.0")
  })
  it("dicts: always a Map", () => {
    assert.instanceOf(read("}X\x01\x00\x00\x00aNs.", { dicts: "map" }), PyDict)
  })
  it("a run of strings of every kind: memoized, by number, not at all, fetched", () => {
    const text = (one: string) => Uint8Array.from(Buffer.from(one, "latin1"))
    const put = "]\x94(\x8c\x01a\x94\x8c\x01bj\x01\0\0\0j\0\0\0\0\x8c\x01cq\x01j\x01\0\0\0\x8c\x02\xc3\xa9\x94e."
    const list = loads(text(put)) as Array<unknown>
    assert.strictEqual(list[3], list)
    assert.deepStrictEqual(list.filter((one) => one !== list), ["a", "b", "a", "c", "c", "\u00e9"])
    const one = "G?\xf0\0\0\0\0\0\0"
    const pairs = `}\x94(\x8c\x011\x94${one}\x8c\x01b${one}\x8c\x01dq\x02N\x8c\x01e\x94j\x02\0\0\0u.`
    assert.deepStrictEqual([...loads(text(pairs)) as PyDict], [["1", 1], ["b", 1], ["d", null], ["e", "d"]])
  })
  it("encoding of Python 2 strings", () => {
    assert.strictEqual(read("U\x02\xe9A.", { encoding: "latin1" }), "éA")
    assert.deepStrictEqual(read("U\x02\xe9A.", { encoding: "bytes" }), Uint8Array.of(0xe9, 0x41))
    assert.strictEqual(read("U\x02\xc3\xa9.", { encoding: "utf-8" }), "é")
    assert.strictEqual(read("U\x02\xd0\xb0.", { encoding: "koi8-r" }), "п╟")
    assert.strictEqual(read("U\x02\xe9A.", { errors: "replace" }), "\ufffdA")
    assert.strictEqual(read("U\x02\xe9A.", { errors: "surrogateescape" }), "\udce9A")
    assert.throws(() => read("U\x02\xe9A."), PickleError, /latin1/)
  })
  it("fixImports: Python 2's names of Python 3's modules, in its protocols only", () => {
    assert.strictEqual(String(read("c__builtin__\nxrange\n.")), "builtins.range")
    assert.strictEqual(String(read("c__builtin__\nxrange\n.", { fixImports: false })), "__builtin__.xrange")
    assert.strictEqual(String(read("\x80\x03c__builtin__\nxrange\n.")), "__builtin__.xrange")
  })
  it("persistentLoad", () => {
    assert.deepStrictEqual(read("(Pabc\nK\x05Ql.", { persistentLoad: (id) => ({ id }) }), [{ id: "abc" }, { id: 5 }])
  })
  it("extensions", () => {
    for (const pickle of ["\x82\x07.", "\x83\x07\x00.", "\x84\x07\x00\x00\x00."]) {
      assert.deepStrictEqual(read(pickle, { extensions: { 7: "a.b.C" } }), new PyGlobal("a.b", "C"))
    }
    assert.strictEqual(String(read("\x83\x00\x01.", { extensions: new Map([[256, "a.b.C"]]) })), "a.b.C")
  })
  it("buffers", () => {
    const buffers = [Uint8Array.of(1), Uint8Array.of(2)]
    const value = read("(\x97\x97\x98l.", { buffers }) as ReadonlyArray<Uint8Array>
    assert.strictEqual(value[0], buffers[0])
    assert.strictEqual(value[1], buffers[1])
    assert.throws(() => read("(\x97\x97\x97l.", { buffers }), PickleError)
  })
  it("bytes: views of the input, or copies", () => {
    const input = bytes("](C\x02ab\x96\x01\x00\x00\x00\x00\x00\x00\x00ce.")
    const views = loads(input) as ReadonlyArray<Uint8Array>
    const copies = loads(input, { bytes: "copy" }) as ReadonlyArray<Uint8Array>
    input.fill(0)
    assert.deepStrictEqual([...views[0]!], [0, 0])
    assert.deepStrictEqual([...copies[0]!], [97, 98])
    assert.instanceOf(copies[1], ByteArray)
    assert.deepStrictEqual([...copies[1]!], [99])
  })
  it("unknown: refuse", () => {
    const refused = (pickle: string) =>
      assert.throws(() => read(pickle, { unknown: "refuse" }), PickleError, /unknown class/)
    refused("cos\nsystem\n.")
    refused("cbuiltins\neval\n(Vx\ntR.")
    refused("cshop\nOrder\n)\x81.")
    assert.instanceOf(read("cdecimal\nDecimal\nV1\n\x85R.", { unknown: "refuse" }), Decimal)
    assert.instanceOf(read("cbuiltins\nValueError\nV1\n\x85R.", { unknown: "refuse" }), PyObject)
    assert.instanceOf(
      read("cshop\nColor\nK\x01\x85R.", { unknown: "refuse", classes: { "shop.Color": enumDecoder({ RED: 1 }) } }),
      PyEnum
    )
    assert.instanceOf(loads(fixture("pd3_df.p5.pkl"), { unknown: "refuse" }), DataFrame)
  })
})

suite("texts of numbers and strings", () => {
  it("integers of every base that Python reads", () => {
    const numbers = { "0o17": 15, "0O1_7": 15, "0x1f": 31, "0X_1F": 31, "0b11": 3, "-0o7": -7, "1_000": 1000, "00": 0 }
    for (const [text, value] of Object.entries(numbers)) assert.strictEqual(read(`L${text}L\n.`), value, text)
    for (const text of ["0a7", "0o8", "0o", "07", "1__0", "_1", "0b2", "0xg"]) {
      assert.throws(() => read(`L${text}L\n.`), PickleError, /integer|number/, text)
    }
  })
  it("escapes of Python 2's strings", () => {
    assert.strictEqual(read("S'\\101\\x42\\n\\0\\7c\\1234'\n."), "AB\n\0\x07cS4")
  })
  it("text that is no UTF-8", () => {
    for (const wrong of ["\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80"]) {
      for (const before of ["", "x".repeat(40), "x".repeat(240)]) {
        const text = before + wrong
        assert.throws(() => read(`X${String.fromCharCode(text.length % 256)}\0\0\0${text}.`), PickleError)
      }
    }
    const first = { "\xe0\xa0\x80": "\u0800", "\xf0\x90\x80\x80": "\u{10000}", "\xf4\x8f\xbf\xbf": "\u{10ffff}" }
    for (const [text, value] of Object.entries(first)) {
      assert.strictEqual(read(`X${String.fromCharCode(text.length)}\0\0\0${text}.`), value)
    }
  })
})

suite("classes of the caller", () => {
  const classes = {
    "shop.Color": enumDecoder({ RED: 1, GREEN: 2 }),
    "shop.Point": namedTupleDecoder(["x", "y"]),
    "shop.Bag": {
      create: (args: ReadonlyArray<unknown>) => ({ args, seen: [] as Array<unknown> }),
      setState: (bag: { seen: Array<unknown> }, state: unknown) => bag.seen.push(["state", state]),
      append: (bag: { seen: Array<unknown> }, item: unknown) => bag.seen.push(["item", item]),
      setItem: (bag: { seen: Array<unknown> }, key: unknown, item: unknown) => bag.seen.push([key, item])
    }
  } satisfies NonNullable<LoadsOptions["classes"]>
  it("an Enum and a named tuple", () => {
    const color = read("cshop\nColor\nK\x02\x85R.", { classes }) as PyEnum
    assert.deepStrictEqual([color.className, color.name, color.value, String(color)], [
      "shop.Color",
      "GREEN",
      2,
      "Color.GREEN"
    ])
    const point = read("cshop\nPoint\nK\x02K\x03\x86\x81.", { classes }) as NamedTuple
    assert.deepStrictEqual([point.field("y"), { ...point.toObject() }, point.length], [3, { x: 2, y: 3 }, 2])
  })
  it("an object that is filled after it was made, and contains itself", () => {
    const bag = read("cshop\nBag\nK\x09\x85R\x94(K\x01K\x02eVk\nK\x03s}Vself\nh\x00sb.", { classes }) as {
      readonly args: ReadonlyArray<unknown>
      readonly seen: ReadonlyArray<ReadonlyArray<unknown>>
    }
    assert.deepStrictEqual([...bag.args], [9])
    assert.deepStrictEqual(bag.seen.slice(0, 3), [["item", 1], ["item", 2], ["k", 3]])
    assert.strictEqual((bag.seen[3]![1] as Record<string, unknown>)["self"], bag)
  })
  it("classes of the package may be replaced", () => {
    assert.strictEqual(
      read("cdecimal\nDecimal\nV1.50\n\x85R.", {
        classes: new Map([["decimal.Decimal", { create: ([text]) => Number(text) }]])
      }),
      1.5
    )
  })
  it("Enums and named tuples that cloudpickle stored by value", () => {
    const value = loads(fixture("cloudpickle_enum_and_named_tuple.pkl")) as Record<string, unknown>
    assert.deepInclude(value["c"], { className: "__main__.Color", name: "GREEN", value: "g" })
    assert.deepStrictEqual((value["d"] as ReadonlyArray<PyEnum>).map(({ name }) => name), ["RED", "RED"])
    assert.strictEqual((value["p"] as NamedTuple).field("x"), 1)
  })
})

suite("keys and members, as Python compares them", () => {
  const dict = (...keys: ReadonlyArray<string>) =>
    read(`}(${keys.map((key, i) => `${key}K${String.fromCharCode(i)}`).join("")}u.`) as PyDict
  const one = "K\x01", yes = "\x88", float = "G?\xf0\x00\x00\x00\x00\x00\x00"
  it("1, True and 1.0 are one key, the first of them", () => {
    assert.deepStrictEqual([...dict(one, yes, float)], [[1, 2]])
    assert.deepStrictEqual([...dict(yes, one)], [[true, 1]])
    assert.strictEqual(dict(yes).get(1), 0)
    assert.isTrue(dict(one).has(true))
    assert.isFalse(dict(one).has("1"))
  })
  it("Decimal and Fraction are numbers, text is not", () => {
    const half = "G?\xe0\x00\x00\x00\x00\x00\x00"
    assert.strictEqual(
      dict(half, "cdecimal\nDecimal\nV0.50\n\x85R", "cfractions\nFraction\nV1/2\n\x85R", "V0.5\n").size,
      2
    )
    assert.strictEqual(dict("L1000000000000000000000L\n", "cdecimal\nDecimal\nV1E+21\n\x85R", "F1e21\n").size, 1)
  })
  it("equal tuples, bytes, frozensets are one key; different ones are not", () => {
    assert.strictEqual(dict("K\x01Va\n\x86", `${float}Va\n\x86`, "K\x01C\x01a\x86").size, 2)
    assert.strictEqual(dict("C\x01a", "C\x01a", "Va\n").size, 2)
    assert.strictEqual(dict("(K\x01K\x02\x91", "(K\x02K\x01\x91").size, 1)
    assert.isTrue((read("\x8f(K\x01K\x02\x86e\x90.".replace("e", "")) as PySet).has(Tuple.from([1, 2])))
  })
  it("NaN is equal to nothing, -0.0 to 0 and keeps its sign", () => {
    const nan = "G\x7f\xf8\x00\x00\x00\x00\x00\x00"
    assert.strictEqual(dict(nan, nan).size, 2)
    const zeros = dict("G\x80\x00\x00\x00\x00\x00\x00\x00", "K\x00")
    assert.strictEqual(zeros.size, 1)
    assert.strictEqual(String([...zeros.keys()][0]), "-0.0")
  })
  it("delete and clear", () => {
    const map = dict(yes, "K\x01K\x02\x86", "Va\n")
    assert.isTrue(map.delete(1))
    assert.isFalse(map.has(true))
    map.set(1, "again")
    assert.deepStrictEqual([...map.keys()].map(String), ["1,2", "a", "1"])
    map.clear()
    assert.isFalse(map.has("a"))
  })
  it("a dict is an object until a key says otherwise, and stays the same dict for all who hold it", () => {
    assert.deepStrictEqual(Object.keys(read("}(Vb\nK\x01Va\nK\x02u.") as object), ["b", "a"])
    const late = read("(}q\x00(Va\nh\x00Vb\nK\x01uh\x00K\x05K\x06sh\x00l.") as ReadonlyArray<PyDict>
    assert.instanceOf(late[0], PyDict)
    assert.strictEqual(late[0], late[1])
    assert.strictEqual(late[0], late[2])
    assert.strictEqual(late[0]!.get("a"), late[0])
    assert.strictEqual(late[0]!.get(5), 6)
    for (const key of ["0k", "3fa85f64-5717", "007", "12345678901", "1.5"]) {
      const short = `}(\x8c${String.fromCharCode(key.length)}${key}Nu.`
      const long = `}(X${String.fromCharCode(key.length)}\x00\x00\x00${key}Nu.`
      for (const pickle of [short, long]) assert.deepStrictEqual(Object.keys(read(pickle) as object), [key])
    }
    assert.instanceOf(read("}(\x8c\x0212Nu."), PyDict)
    assert.deepStrictEqual([...(read("}(Vb\nK\x01V10\nK\x02u.") as PyDict).keys()], ["b", "10"])
  })
})

suite("dates and zones", () => {
  const at = (zone: unknown, fold = 0, month = 7) => new PyDateTime(2023, month, 5, 1, 30, 0, 5, fold, zone)
  it("the offset of a zone by name, in summer, winter, fold and gap", () => {
    const paris = new ZoneInfo("Europe/Paris")
    const york = new ZoneInfo("America/New_York")
    assert.strictEqual(at(paris).toString(), "2023-07-05T01:30:00.000005+02:00")
    assert.strictEqual(at(paris, 0, 1).toString(), "2023-01-05T01:30:00.000005+01:00")
    assert.strictEqual(at(york, 0, 11).utcOffset(), -14_400e6)
    assert.strictEqual(at(york, 1, 11).utcOffset(), -18_000e6)
    const gap = (fold: number) => new PyDateTime(2023, 3, 12, 2, 30, 0, 0, fold, york).utcOffset()
    assert.deepStrictEqual([gap(0), gap(1)], [-18_000e6, -14_400e6])
    assert.isNull(at(new ZoneInfo("Nowhere/Land")).utcOffset())
  })
  it("zones of pytz, dateutil and pendulum", () => {
    const zone = (pickle: string) => zoneOf(read(pickle))
    assert.deepStrictEqual(zone("cpytz\n_UTC\n)R."), { offset: 0, key: "UTC" })
    assert.deepStrictEqual(zone("cpytz\n_p\n(VEurope/Paris\nM\x10\x0eK\x00VCET\ntR."), {
      offset: 3_600e6,
      key: "Europe/Paris"
    })
    assert.deepStrictEqual(zone("cdateutil.tz.tz\ntzutc\n)R."), { offset: 0, key: "UTC" })
    assert.deepStrictEqual(zone("cdateutil.tz.tz\ntzoffset\n(NM\x10\x0etR."), { offset: 3_600e6, key: null })
    assert.deepStrictEqual(zone("cdateutil.tz.tz\ntzfile\n(NV/usr/share/zoneinfo/Europe/Paris\ntR."), {
      offset: null,
      key: "Europe/Paris"
    })
    assert.deepStrictEqual(zone("cpendulum.tz.timezone\nTimezone\nVAsia/Tokyo\n\x85R."), {
      offset: null,
      key: "Asia/Tokyo"
    })
    assert.isNull(zone("cmy\nZone\n)R."))
  })
  it("text and Date of a datetime, offsets with seconds and microseconds", () => {
    assert.strictEqual(
      new PyDateTime(1, 2, 3, 4, 5, 6, 0, 0, new Timezone(-17762000001)).toString(),
      "0001-02-03T04:05:06-04:56:02.000001"
    )
    assert.strictEqual(offsetText(19_800e6), "+05:30")
    assert.strictEqual(at(new Timezone(3_600e6)).toDate().toISOString(), "2023-07-05T00:30:00.000Z")
    assert.strictEqual(new PyTime(1, 2, 3, 0, 0, new Timezone(0)).toString(), "01:02:03+00:00")
    assert.strictEqual(
      new Timestamp(1704063600000000004n, "ns", new ZoneInfo("Europe/Paris")).toString(),
      "2024-01-01T00:00:00.000000004+01:00"
    )
  })
})

suite("objects", () => {
  it("attributes of plain, slotted and pydantic objects", () => {
    const slotted = read("cm\nC\n)\x81(N}Va\nK\x01stb.") as PyObject
    assert.deepStrictEqual([...slotted.attributes()], [["a", 1]])
    const model = read(
      "cm\nM\n)\x81}(V__dict__\n}Vid\nK\x01sV__pydantic_extra__\nNV__pydantic_fields_set__\n\x8fV__pydantic_private__\nNub."
    ) as PyObject
    assert.deepStrictEqual([...model.attributes()], [["id", 1]])
  })
  it("the state of what has no place for one", () => {
    const value = read("ccollections\nOrderedDict\n)R}Vnote\nVx\nsb.") as OrderedDict
    assert.instanceOf(value, OrderedDict)
    assert.deepStrictEqual({ ...(stateOf(value) as object) }, { note: "x" })
  })
  it("a deque keeps its bound", () => {
    const value = read("ccollections\ndeque\n)K\x02\x86R(K\x01K\x02K\x03e.") as Deque
    assert.deepStrictEqual([[...value], value.maxlen], [[2, 3], 2])
  })
  it("a range is not counted out", () => {
    const value = read("cbuiltins\nrange\n(K\x00L1000000000000000000000L\nK\x03tR.") as Range
    assert.strictEqual(value.length, 333333333333333333334n)
    assert.strictEqual(String(value), "range(0, 1000000000000000000000, 3)")
  })
  it("numbers print as in Python", () => {
    assert.strictEqual(String(new Complex(1.5, -0)), "(1.5-0j)")
    assert.strictEqual(String(new Fraction(-3n, 7n)), "-3/7")
    assert.strictEqual(String(read("cdecimal\nDecimal\n(K\x01(K\x01K\x05tJ\xfe\xff\xff\xfft\x85R.")), "-0.15")
  })
})

suite("arrays and frames", () => {
  it("numbers are a view of the input where they are aligned", () => {
    const source = fixture("np_f8.p4.pkl")
    for (let shift = 0; shift < 8; shift++) {
      const input = new Uint8Array(source.length + shift).subarray(shift)
      input.set(source)
      const array = loads(input) as NdArray
      assert.deepStrictEqual([...array.values as Float64Array], [0, 1, 2, 3, 4, 5])
      assert.strictEqual(array.bytes.buffer, input.buffer)
      assert.strictEqual(array.values!.buffer === input.buffer, array.bytes.byteOffset % 8 === 0)
    }
  })
  it("items by index, in either order", () => {
    for (const name of ["np_f8.p5.pkl", "np_f8_F.p5.pkl"]) {
      const array = loads(fixture(name)) as NdArray
      assert.deepStrictEqual(array.toList(), [[0, 1, 2], [3, 4, 5]])
      assert.deepStrictEqual([array.get(1, 0), array.get(0, 2), array.get(2, 0)], [3, 2, undefined])
    }
  })
  it("structured items are objects, text is text, half floats are numbers", () => {
    const [row] = (loads(fixture("np_struct.p5.pkl")) as NdArray).items() as [Record<string, unknown>]
    assert.deepStrictEqual([row["a"], row["b"]], [1, 2.5])
    assert.deepStrictEqual((loads(fixture("np_U.p5.pkl")) as NdArray).toList(), ["ab", "cdeé", ""])
    assert.deepStrictEqual((loads(fixture("np_f2.p5.pkl")) as NdArray).toList(), [1.5])
  })
  it("columns: raw data, mask, dtype, values and rows", () => {
    const frame = loads(fixture("pd3_df.p5.pkl")) as DataFrame
    assert.deepStrictEqual(frame.columns.toArray(), ["i", "f", "s", "b", "d"])
    const column = (label: string) => frame.column(label) as Column
    assert.deepStrictEqual(frame.data.map(({ dtype, kind }) => [dtype, kind]), [
      ["int64", "int"],
      ["float64", "float"],
      ["str", "string"],
      ["bool", "bool"],
      ["datetime64[us]", "datetime"]
    ])
    assert.instanceOf(column("i").values, BigInt64Array)
    assert.deepStrictEqual(column("s").toArray(), ["a", NaN, "c"])
    assert.deepStrictEqual([...column("s").nulls!], [0, 1, 0])
    assert.deepStrictEqual([0, 1, 2].map((i) => column("d").isNull(i)), [false, true, false])
    assert.deepStrictEqual([...frame.rows()].map((row) => row["b"]), [true, false, true])
  })
  it("a frame whose parts do not fit is refused", () => {
    const source = Buffer.from(fixture("old_py38_df.p5.pkl")).toString("latin1")
    assert.throws(
      () => read(source.replace("\x8c\x04stop\x94K\x03", "\x8c\x04stop\x94K\x07")),
      PickleError,
      /as the index has/
    )
  })
})

suite("the typed form of a value", () => {
  it("counts what it describes", () => {
    assert.throws(() => describe([1, 2, 3], { maxValues: 3 }), PickleError, /maxValues/)
  })
})

suite("a long text", () => {
  const pickleOf = (text: Uint8Array) => {
    const head = Buffer.alloc(7)
    head.write("\x80\x02X", "latin1")
    head.writeUInt32LE(text.length, 3)
    return Buffer.concat([head, text, Buffer.from(".")])
  }

  it("is whole wherever its characters lie among the pieces that are decoded at once", () => {
    for (const end of ["😀", "€", "é", "x"]) {
      for (let before = 0; before < 5; before++) {
        const text = "x".repeat(0x40000 - before) + end.repeat(0x20000)
        assert.isTrue(loads(pickleOf(Buffer.from(text))) === text, `${before} bytes before ${end}`)
      }
    }
  })

  it("is refused where it is no UTF-8", () => {
    const bytes = Buffer.alloc(0x80000, 0x80)
    assert.throws(() => loads(pickleOf(bytes)), PickleError)
    bytes.fill("x", 0, 0x40000 - 8)
    assert.throws(() => loads(pickleOf(bytes)), PickleError)
  })
})
