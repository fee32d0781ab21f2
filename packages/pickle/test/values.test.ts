/** What inert objects of libraries stand for, and the classes of pandas and SciPy that are values. */
import {
  Column,
  DType,
  Index,
  Interval,
  loads,
  mayBePlain,
  NamedTuple,
  NaT,
  NdArray,
  NpScalar,
  Period,
  PickleError,
  plainOf,
  PyDict,
  PyEnum,
  PyFloat,
  PyGlobal,
  PyObject,
  pythonRepr,
  pythonStr,
  SparseMatrix,
  Timestamp,
  Timezone,
  toJson,
  Tuple,
  zoneFromName,
  ZoneInfo,
  zoneOf
} from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

interface Recorded {
  readonly name: string
  readonly data: string
  readonly json: unknown
}

// polars and Pillow need more than this package has; a key or an end that may have been a float needs `floats: "typed"`.
const others = /^(?:p3-)?(?:polars|pil|image)|^interval$|^keys$|cut floats|pendulum-3/
const recorded = readFileSync(new URL("../../../fixtures/values/values.jsonl", import.meta.url), "utf8").trim()
  .split("\n").map((line) => JSON.parse(line) as Recorded).filter(({ name }) => !others.test(name))

const dict = (entries: object): object => Object.assign(Object.create(null) as object, entries)
const object = (module: string, name: string, args: ReadonlyArray<unknown> = [], state?: unknown): PyObject => {
  const out = new PyObject(new PyGlobal(module, name), args)
  if (state !== undefined) out.states = [state]
  return out
}

describe("an array of characters", () => {
  it("is read where protocol 2 keeps it as a list of them", () => {
    assert.deepStrictEqual(
      toJson(loads(Buffer.from("gAJjYXJyYXkKYXJyYXkKcQBYAQAAAHVxAV1xAihYAQAAAGFxA1gCAAAAw6lxBGWGcQVScQYu", "base64"))),
      ["a", "é"]
    )
  })
})

describe("a time zone by its name", () => {
  it("has its offset in the years before 1, too", () => {
    const zone = zoneFromName("America/New_York")
    const at = new Timestamp(-62_135_596_800_000_000_000n, "s", zone)
    assert.strictEqual(String(at), "0000-12-31T19:03:58-04:56:02")
  })
})

describe("recorded values", () => {
  it.each(recorded)("$name", ({ data, json }) => {
    assert.deepStrictEqual(toJson(loads(Buffer.from(data, "base64"))), json)
  })
})

describe("Period", () => {
  it.each<readonly [ordinal: number | bigint, freq: string, text: string]>([
    [-1, "Y-DEC", "1969"],
    [-1170, "A-DEC", "0800"],
    [0, "Q-DEC", "1970Q1"],
    [-1, "Q-MAR", "1969Q4"],
    [203, "2Q-MAR", "2020Q4"],
    [-1, "M", "1969-12"],
    [-14036, "M", "0800-05"],
    [1, "W-SUN", "1969-12-29/1970-01-04"],
    [2610, "W", "2019-12-30/2020-01-05"],
    [0, "W-WED", "1969-12-25/1969-12-31"],
    [-61029, "W-WED", "0800-05-04/0800-05-10"],
    [-2, "D", "1969-12-30"],
    [13047, "B", "2020-01-06"],
    [-2, "B", "1969-12-30"],
    [-305149, "B", "0800-05-05"],
    [-48, "h", "1969-12-30 00:00"],
    [26300405, "T", "2020-01-03 04:05"],
    [-172800, "s", "1969-12-30 00:00:00"],
    [-1, "ms", "1969-12-31 23:59:59.999"],
    [1, "us", "1970-01-01 00:00:00.000001"],
    [1n, "N", "1970-01-01 00:00:00.000000001"],
    [3, "fortnight", "Period(3, fortnight)"]
  ])("%s of %s", (ordinal, freq, text) => {
    assert.strictEqual(String(new Period(ordinal, freq)), text)
    assert.strictEqual(JSON.stringify(new Period(ordinal, freq)), JSON.stringify(text))
  })
  it("is a key by its frequency and number", () => {
    const map = new PyDict<unknown, number>([[new Period(1, "M"), 1], [new Period(1, "D"), 2], [
      new Period(1n, "M"),
      3
    ]])
    assert.deepStrictEqual([...map.values()], [3, 2])
    assert.strictEqual(pythonRepr(new Period(600, "M")), "Period('2020-01', 'M')")
  })
})

describe("Interval", () => {
  it.each<readonly [Interval, string]>([
    [new Interval(1, 2, "right"), "(1, 2]"],
    [new Interval(1, 2, "left"), "[1, 2)"],
    [new Interval(0.5, 2, "both", true), "[0.5, 2.0]"],
    [new Interval(new PyFloat(1), 2, "neither"), "(1.0, 2)"],
    [
      new Interval(new Timestamp(0n, "ns", null), new Timestamp(1n, "ns", null), "right"),
      "(1970-01-01 00:00:00, 1970-01-01 00:00:00.000000001]"
    ]
  ])("%s", (interval, text) => {
    assert.strictEqual(String(interval), text)
    assert.deepStrictEqual(toJson([interval]), [text])
  })
  it("is equal by its ends and side", () => {
    const map = new PyDict<unknown, number>([
      [new Interval(1, 2, "right"), 1],
      [new Interval(new PyFloat(1), 2, "right"), 2],
      [new Interval(1, 2, "left"), 3]
    ])
    assert.deepStrictEqual([...map.values()], [2, 3])
    assert.strictEqual(pythonRepr(new Interval(1, 2, "left")), "Interval(1, 2, closed='left')")
  })
})

describe("SparseMatrix", () => {
  const int = (...values: ReadonlyArray<number>) =>
    new NdArray(new DType("i", 4, "<"), [values.length], "C", new Uint8Array(new Int32Array(values).buffer), null)
  const dense = [[1, 0, 2], [0, 0, 3]]
  const matrix = (format: string, parts: object, shape: ReadonlyArray<number> = [2, 3]) =>
    new SparseMatrix(`scipy.sparse.${format}_matrix`, format, shape, new Map(Object.entries(parts)))
  const square = (values: ReadonlyArray<number>, shape: ReadonlyArray<number>) => {
    const array = int(...values)
    array.shape = shape
    return array
  }
  const scalar = (value: number) => new NpScalar(new DType("i", 4, "<"), new Uint8Array(4), value)
  it.each<readonly [string, SparseMatrix, unknown]>([
    ["csr", matrix("csr", { data: int(1, 2, 3), indices: int(0, 2, 2), indptr: int(0, 2, 3) }), dense],
    ["csc", matrix("csc", { data: int(1, 2, 3), indices: int(0, 0, 1), indptr: int(0, 1, 1, 3) }), dense],
    ["coo", matrix("coo", { data: int(1, 2, 3), row: int(0, 0, 1), col: int(0, 2, 2) }), dense],
    ["coo with a place twice", matrix("coo", { data: int(1, 2), row: int(0, 0), col: int(1, 1) }), [[0, 3, 0], [
      0,
      0,
      0
    ]]],
    ["coo of one dimension", matrix("coo", { data: int(1, 2), coords: [int(0, 2)] }, [3]), [[1, 0, 2]]],
    ["dok", matrix("dok", { data: [scalar(1), 3], coords: [[0, 1], [scalar(0), 2]] }), [[1, 0, 0], [0, 0, 3]]],
    ["lil", matrix("lil", { data: [[1, 2], [3]], rows: [[0, 2], [2]] }), dense],
    ["dia", matrix("dia", { data: square([1, 5, 0, 7, 8, 2], [2, 3]), offsets: int(0, 2) }), [[1, 0, 2], [0, 5, 0]]],
    ["dia below", matrix("dia", { data: square([9, 1, 1], [1, 3]), offsets: int(-1) }), [[0, 0, 0], [9, 0, 0]]],
    [
      "bsr",
      matrix("bsr", { data: square([1, 2, 3, 4], [1, 2, 2]), indices: int(1), indptr: int(0, 0, 1) }, [4, 4]),
      [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 2], [0, 0, 3, 4]]
    ]
  ])("%s", (_, sparse, expected) => {
    assert.deepStrictEqual(sparse.toDense(), expected)
  })
  it("is not written out beyond a limit or outside of its shape", () => {
    const far = matrix("coo", { data: int(1), row: int(5), col: int(0) })
    assert.throws(() => far.toDense(), PickleError, /outside/)
    assert.throws(() => matrix("coo", { data: int(1), row: int(0), col: int(3) }).toDense(), PickleError, /outside/)
    const wide = matrix("csr", { data: int(), indices: int(), indptr: int(0) }, [2 ** 40, 0])
    assert.throws(() => wide.toDense(), PickleError, /maxItems/)
    assert.strictEqual(matrix("csr", { data: int(), indices: int(), indptr: int(0, 0) }, [1, 6]).toDense(6).length, 1)
    assert.throws(() => far.toDense(5), PickleError, /maxItems/)
  })
})

describe("plainOf", () => {
  const chain = (...maps: ReadonlyArray<unknown>) => object("collections", "ChainMap", [], dict({ maps }))
  const first = dict({ a: 1, b: 2 })
  const second = dict({ c: 3, a: 9 })
  const doubledChain = (levels: number) => {
    let value: unknown = first
    for (let i = 0; i < levels; i++) value = chain(value, value)
    return value as PyObject
  }
  const deepChain = (levels: number) => {
    let value: unknown = first
    for (let i = 0; i < levels; i++) value = chain(value)
    return value as PyObject
  }
  it.each<readonly [string, PyObject, unknown]>([
    ["an IPv4 address", object("ipaddress", "IPv4Address", [0xffffffff]), "255.255.255.255"],
    ["an IPv6 address", object("ipaddress", "IPv6Address", [1n << 112n]), "1::"],
    [
      "the longest run of zeros left out",
      object("ipaddress", "IPv6Address", [0x1_0000_0000_0000_0000_0001n]),
      "0:0:1::1"
    ],
    [
      "an address of eight groups",
      object("ipaddress", "IPv6Address", [BigInt(`0x${"0001".repeat(8)}`)]),
      "1:1:1:1:1:1:1:1"
    ],
    ["an address with a scope", object("ipaddress", "IPv6Address", ["fe80::1%eth0"]), "fe80::1%eth0"],
    ["a mapping proxy", object("types", "MappingProxyType", [dict({ a: 1 })]), { a: 1 }],
    ["an enumeration", object("http", "HTTPStatus", [404]), 404],
    ["a fixed zone", object("pytz", "FixedOffset", [90]), "UTC+01:30"],
    ["a chain of maps", object("collections", "ChainMap", [], dict({ maps: [dict({ a: 1 }), dict({ a: 2, b: 3 })] })), {
      a: 1,
      b: 3
    }],
    ["a chain that is in another twice, and so on", doubledChain(60), { a: 1, b: 2 }],
    ["a chain in a chain, very deep", deepChain(20_000), { a: 1, b: 2 }]
  ])("%s", (_, value, expected) => {
    assert.deepStrictEqual(toJson(value), expected)
  })
  it("a chain in a chain, with the values of the first map, and its keys from the last map on", () => {
    const json = toJson(chain(chain(first, second), second, chain(first, dict({ d: 4 }))))
    assert.deepStrictEqual(Object.entries(json as object), [["d", 4], ["a", 1], ["b", 2], ["c", 3]])
  })
  it.each<readonly [string, PyObject]>([
    ["an address out of range", object("ipaddress", "IPv4Address", [2 ** 32])],
    ["a negative address", object("ipaddress", "IPv6Address", [-1])],
    ["a proxy of no dict", object("types", "MappingProxyType", [1])],
    ["a UserDict with attributes", object("collections", "UserDict", [], dict({ data: dict({}), more: 1 }))],
    ["a list with attributes", Object.assign(object("shop", "Orders", [], dict({ owner: "x" })), { items: [1] })],
    ["a Row without data", object("sqlalchemy.engine.row", "rowproxy_reconstructor", [1, dict({})])],
    ["a sparse matrix without data", object("scipy.sparse._csr", "csr_matrix", [], dict({ _shape: new Tuple(1, 1) }))],
    [
      "an Arrow array that contradicts itself",
      object("pyarrow.lib", "_restore_array", [
        new Tuple<unknown>(
          object("pyarrow.lib", "type_for_alias", ["int64"]),
          10,
          0,
          0,
          [null, new Uint8Array(1)],
          [],
          null
        )
      ])
    ],
    ["a class of the flow's own", object("shop", "Order", [1])]
  ])("leaves %s as it is", (_, value) => {
    assert.strictEqual(plainOf(value), value)
  })
  it("makes lists and dicts of subclasses that hold nothing else", () => {
    // pickle.dumps([Sublist([1, 2]), Subdict(a=1)], 2) with both classes in the module shop
    const bytes = Buffer.from(
      "\x80\x02](cshop\nSublist\n)\x81(K\x01K\x02ecshop\nSubdict\n)\x81X\x01\x00\x00\x00aK\x01se.",
      "latin1"
    )
    const [list, map] = loads(bytes) as [PyObject, PyObject]
    assert.deepStrictEqual(plainOf(list), [1, 2])
    assert.deepStrictEqual({ ...plainOf(map) as object }, { a: 1 })
    const kwargs = object("shop", "Sublist")
    kwargs.items = [1]
    kwargs.kwargs = dict({ a: 1 })
    assert.strictEqual(plainOf(kwargs), kwargs)
  })
  it("names the fields of named tuples", () => {
    const url = plainOf(object("urllib.parse", "DefragResult", ["x", "y"]))
    assert.instanceOf(url, NamedTuple)
    assert.strictEqual((url as NamedTuple).field("fragment"), "y")
    const time = plainOf(object("time", "struct_time", [Tuple.from([1970, 1, 1, 0, 0, 0, 3, 1, 0]), dict({})]))
    assert.strictEqual((time as NamedTuple).field("tm_year"), 1970)
    const row = plainOf(object("sqlalchemy.engine._row_cy", "rowproxy_reconstructor", [
      new PyGlobal("sqlalchemy.engine.row", "Row"),
      dict({
        _parent: object("sqlalchemy.engine.cursor", "X", [], dict({ _keys: ["a", "b"] })),
        _data: new Tuple(1, 2)
      })
    ]))
    assert.deepStrictEqual({ ...(row as NamedTuple).toObject() }, { a: 1, b: 2 })
  })
  it("is asked only of names that it may know", () => {
    assert.isTrue(mayBePlain(new PyGlobal("pandas.core.frame", "DataFrame")))
    assert.isTrue(mayBePlain(new PyGlobal("http", "HTTPStatus")))
    assert.isTrue(mayBePlain(new PyGlobal("signal", "SIGINT")))
    assert.isFalse(mayBePlain(new PyGlobal("shop", "Order")))
    assert.isFalse(mayBePlain(new PyGlobal("pandasql", "DataFrame")))
    const collection = new PyGlobal("shop", "Orders")
    collection.isCollection = true
    assert.isTrue(mayBePlain(collection))
    assert.deepStrictEqual(toJson([new PyGlobal("signal", "SIGTERM"), new PyGlobal("socket", "AF_INET6")]), [15, 10])
  })
})

describe("zones", () => {
  it.each<readonly [string, Timezone | ZoneInfo]>([
    ["UTC", new Timezone(0)],
    ["+02:00", new Timezone(7_200e6)],
    ["-0330", new Timezone(-12_600e6)],
    ["+00:00", new Timezone(0)],
    ["UTC+01:00", new Timezone(3_600e6)],
    ["pytz.FixedOffset(-90)", new Timezone(-5_400e6)],
    ["Europe/Berlin", new ZoneInfo("Europe/Berlin")]
  ])("the name %s", (name, zone) => {
    assert.deepStrictEqual(zoneFromName(name), zone)
  })
  const unpickle = (args: ReadonlyArray<unknown>) =>
    new PyObject(object("builtins", "getattr", [new PyGlobal("shop", "Zone"), "_unpickle"]), args)
  it("a subclass of ZoneInfo by its key, and no other call", () => {
    assert.deepStrictEqual(zoneOf(unpickle(["Asia/Tokyo", true])), { offset: null, key: "Asia/Tokyo" })
    assert.deepStrictEqual(zoneOf(unpickle(["Asia/Tokyo", 1])), { offset: null, key: "Asia/Tokyo" })
    assert.isNull(zoneOf(unpickle([1, true])))
    assert.isNull(zoneOf(unpickle(["Asia/Tokyo", "x"])))
    assert.isNull(zoneOf(object("shop", "Zone", ["Asia/Tokyo"])))
    assert.isNull(zoneOf(null))
  })
  it("an offset of a day or more is none", () => {
    const offset = (seconds: number) => zoneOf(object("dateutil.tz.tz", "tzoffset", [null, seconds]))
    assert.deepStrictEqual(offset(86_399), { offset: 86_399e6, key: null })
    assert.isNull(offset(86_400))
    assert.isNull(offset(-86_400))
  })
})

describe("toJson", () => {
  it("shows keys as Python's str, and the last of equal texts", () => {
    const map = new PyDict<unknown, unknown>([
      [1, "a"],
      ["1", "b"],
      [object("ipaddress", "IPv4Address", [1]), "c"],
      [new Tuple<unknown>(1, "x"), "d"],
      ["__proto__", "e"]
    ])
    const json = toJson(map) as Record<string, unknown>
    assert.deepStrictEqual(Object.entries(json), [["1", "b"], ["0.0.0.1", "c"], ["(1, 'x')", "d"], ["__proto__", "e"]])
    assert.strictEqual(pythonStr(NaT), "NaT")
  })
  it("stops at what contains itself, is nested too deep or holds too much", () => {
    const list: Array<unknown> = []
    list.push(list)
    assert.throws(() => toJson(list), PickleError, /nested too deep, or contains itself/)
    let deep: unknown = 1
    for (let i = 0; i < 999; i++) deep = [deep]
    assert.strictEqual(JSON.stringify(toJson(deep)).length, 1_999)
    assert.throws(() => toJson([[deep]]), PickleError, /nested too deep/)
  })
  it("shows a large container once, however often it comes, and counts it as often as it comes", () => {
    const numbers = Array.from({ length: 2_000 }, (_, i) => i)
    const twice = (levels: number) => {
      let value: unknown = numbers
      for (let i = 0; i < levels; i++) value = i % 2 === 0 ? new Tuple(value, value) : dict({ a: value, b: value })
      return value
    }
    const [first, second] = toJson(twice(3)) as ReadonlyArray<unknown>
    assert.strictEqual(first, second)
    assert.deepStrictEqual(first, { a: [numbers, numbers], b: [numbers, numbers] })
    assert.strictEqual(JSON.stringify(twice(3)), JSON.stringify([first, second]))
    assert.doesNotThrow(() => toJson(twice(15)))
    assert.throws(() => toJson(twice(16)), PickleError, /more values than can be shown/)
    // Nothing could go through as many values as these are.
    assert.throws(() => toJson(twice(900)), PickleError, /more values than can be shown/)
  })
  it("stops at a large container that comes again where it is too deep", () => {
    const nested = (levels: number, value: unknown): unknown => {
      let out = value
      for (let i = 0; i < levels; i++) out = [out]
      return out
    }
    const deep = nested(599, Array.from({ length: 2_000 }, (_, i) => i))
    assert.doesNotThrow(() => toJson([deep, nested(399, deep)]))
    assert.throws(() => toJson([deep, nested(400, deep)]), PickleError, /nested too deep/)
    assert.throws(() => toJson([[deep], deep, nested(399, [deep])]), PickleError, /nested too deep/)
  })
  it("shows a masked structured array field by field", () => {
    const dtype = new DType("V", 2, "|", {
      fields: [
        { name: "a", dtype: new DType("u", 1, "|"), offset: 0 },
        { name: "b", dtype: new DType("u", 1, "|"), offset: 1 }
      ]
    })
    const array = new NdArray(dtype, [2], "C", new Uint8Array([1, 2, 3, 4]), null)
    array.mask = new Uint8Array([0, 1, 1, 0])
    assert.deepStrictEqual(toJson(array), [[1, null], [null, 4]])
  })
  it("shows enumerations by their value, and columns and indexes as arrays", () => {
    const column = new Column({ dtype: "int64", kind: "int", length: 2, values: () => [1, NaN] })
    assert.deepStrictEqual(toJson([new PyEnum("shop.Color", "RED", 2n ** 60n), new Index("Index", null, column)]), [
      `${2n ** 60n}`,
      [1, null]
    ])
  })
})
