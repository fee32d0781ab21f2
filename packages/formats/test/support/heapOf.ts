/** Prints the heap that decoded values take, and their estimates. Run with --expose-gc, in a process of its own. */
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as ValueSize from "@effect-prefect/formats/ValueSize"
import * as Flechette from "@uwdata/flechette"
import * as Effect from "effect/Effect"
import { parquetWriteBuffer } from "hyparquet-writer"
import { once } from "node:events"
import { parentPort, Worker } from "node:worker_threads"
import * as zlib from "node:zlib"
import { settledHeap } from "../../../core/test/settledHeap.ts"

/** The content, its name and its format. */
type Input = readonly [content: string | Uint8Array, name: string, format?: ResultFormat.Format]

const list = <A>(length: number, make: (index: number) => A) => Array.from({ length }, (_, index) => make(index))
const json = (value: unknown) => [JSON.stringify(value), "x.json"] as const

const int32 = (value: number) => String.fromCharCode(value & 255, (value >> 8) & 255, (value >> 16) & 255, value >> 24)
const integer = (value: number) => `J${int32(value)}`
const float = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return `G${bytes.toString("latin1")}`
}
const text = (value: string) => `X${int32(value.length)}${value}`
const filled = (length: number) => `B${int32(length)}${"\x01\x02\x03\x04".repeat(length / 4)}`
const pickled = (content: string, start = ""): Input => [Buffer.from(`\x80\x04${start}${content}`, "latin1"), "x"]

/** Objects whose keys many others have too, but few in the same order. */
const fewOfMany = (index: number) =>
  Object.fromEntries(list(5, (at) => [`key${(index * 7_919 + at * (31 + index % 53)) % 200}`, index]))
const mostOfFew = (index: number) => {
  let state = index * 7_919
  const isTaken = () => (state = Math.imul(state, 0x41c64e6d) + 12_345) >>> 16 & 1
  return Object.fromEntries(list(20, (at) => [`key${at}`, index] as const).filter(isTaken))
}
const dict = (value: Readonly<Record<string, number>>) =>
  `}(${Object.entries(value).map(([key, number]) => text(key) + integer(number)).join("")}u`

/** A NumPy array of one dimension, or of rows. */
const ndarray = (dtype: string, order: string, length: number, data: string, rows = 0) => {
  const isTime = dtype === "M8"
  const kind = `cnumpy\ndtype\n${text(dtype)}\x89\x88\x87R(K${isTime ? "\x04" : "\x03"}${text(order)}NNNJ${int32(-1)}J${
    int32(-1)
  }K\0${isTime ? "}(C\x02nsK\x01K\x01K\x01t\x86" : ""}tb`
  const shape = rows === 0 ? `${integer(length)}\x85` : `${integer(rows)}${integer(length)}\x86`
  return `cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R(K\x01${shape}${kind}\x89${data}tb`
}

let columns = 0
const block = (rows: number, dtype: string, order: string, data: string) => (length: number) => {
  const from = columns
  columns += rows
  return `cpandas._libs.internals\n_unpickle_block\n${ndarray(dtype, order, length, data, rows)}cbuiltins\nslice\n${
    integer(from)
  }${integer(columns)}K\x01\x87RK\x02\x87R`
}

const range = (stop: number) =>
  `cpandas.core.indexes.base\n_new_Index\ncpandas\nRangeIndex\n}(${text("name")}N${text("start")}K\0${text("stop")}${
    integer(stop)
  }${text("step")}K\x01u\x86R`

/** A pickled Series of objects. */
const series = (length: number, data: string): Input =>
  pickled(
    `cpandas\nSeries\n)\x81}(${text("_mgr")}cpandas.core.internals.managers\nSingleBlockManager\n)\x81(]]]}(${
      text("0.14.1")
    }}(${text("axes")}](${range(length)}e${text("blocks")}](}(${text("values")}${ndarray("O8", "|", length, data)}${
      text("mgr_locs")
    }cbuiltins\nslice\nK\x00${integer(length)}K\x01\x87Rueuutb${text("_typ")}${text("series")}ub.`
  )

/** A pickled DataFrame of some blocks of columns. */
const frame = (length: number, ...blocks: ReadonlyArray<(length: number) => string>): Input =>
  pickled(`${frameOf(length, ...blocks)}.`)

const frameOf = (length: number, ...blocks: ReadonlyArray<(length: number) => string>): string => {
  columns = 0
  const content = blocks.map((each) => each(length)).join("")
  return (
    `cpandas\nDataFrame\n)\x81}(${text("_mgr")}cpandas.core.internals.managers\nBlockManager\n(${content}t](${
      range(columns)
    }${range(length)}e\x86R${text("_typ")}${text("dataframe")}ub`
  )
}

const arrow = (arrays: Record<string, Flechette.TypedArray | Array<unknown>>, types = {}) =>
  Flechette.tableToIPC(Flechette.tableFromArrays(arrays, { types }), { format: "stream" })!

const parquet = (columnData: Parameters<typeof parquetWriteBuffer>[0]["columnData"]) =>
  new Uint8Array(parquetWriteBuffer({ columnData }))

const inputs: Record<string, () => Input | Promise<Input>> = {
  "json integers": () => json(list(100_000, (i) => i)),
  "json floats": () => json(list(150_000, (i) => i + 0.5)),
  "json texts": () => json(list(20_000, (i) => `row number ${i} of it`)),
  "json one repeated text": () => json(list(200, () => "a text of some length ".repeat(200))),
  "json one repeated short text": () => json(list(80_000, () => "yes")),
  "json objects of one repeated text": () => json(list(12_000, (id) => ({ id, kind: "of the same kind" }))),
  "json objects": () => json(list(10_000, (id) => ({ id, name: `n${id}`, share: id + 0.5 }))),
  "json lists": () => json(list(10_000, (i) => [i, i + 1, i + 2, i + 3])),
  "json one object": () => json(Object.fromEntries(list(12_000, (i) => [`key${i}`, i]))),
  csv: () => [`id,name,share\n${list(15_000, (i) => `${i},name ${i} of many,${i + 0.5}`).join("\n")}`, "x.csv"],
  "pandas json": () => [JSON.stringify(list(15_000, (id) => ({ id, name: `name ${id}` }))), "x", "pandas-json"],
  "pickle texts": () => [
    `(l${list(20_000, (i) => `Vrow number ${i} of it\na`).join("")}.`,
    "x",
    "pickle"
  ],
  text: () => ["hello wörld ".repeat(100_000), "x", "text"],
  "json in gzip": () => [zlib.gzipSync(JSON.stringify(list(10_000, (i) => ({ a: i, b: [i] })))), "x"],
  "csv of numbers": () => [`a,b\n${list(100_000, (i) => `${i},${i + 0.5}`).join("\n")}`, "x.csv"],
  "csv of one repeated text": () => [`a,b\n${list(50_000, (i) => `yes,${i}`).join("\n")}`, "x.csv"],
  "csv of one repeated long text":
    () => [`a,b\n${list(50_000, (i) => `a text of some length,${i}`).join("\n")}`, "x.csv"],
  "csv of many columns":
    () => [`${list(2_500, (i) => `c${i}`).join(",")}\n${"1,".repeat(2_499)}1\n`.repeat(2), "x.csv"],
  "pickle integers": () => pickled(`(${list(100_000, integer).join("")}e.`, "]"),
  "pickle floats": () => pickled(`(${list(150_000, (i) => float(i + 0.5)).join("")}e.`, "]"),
  "pickle one repeated text": () => pickled(`(${list(15_000, () => text("a text of some length")).join("")}e.`, "]"),
  "pickle one text many times": () => pickled(`${text("a text of some length")}\x940](${"h\0".repeat(100_000)}e.`),
  "pickle mixed": () => pickled(`(${list(20_000, (i) => `N${float(i + 0.5)}\x88${integer(i)}`).join("")}e.`, "]"),
  "pickle lists": () => pickled(`(${list(6_000, (i) => `](${integer(i)}${integer(i + 1)}e`).join("")}e.`, "]"),
  "pickle tuples": () => pickled(`(${list(10_000, (i) => `${integer(i)}${text(`t${i}`)}\x86`).join("")}e.`, "]"),
  "pickle dicts": () =>
    pickled(
      `(${
        list(8_000, (i) => `}(${text("id")}${integer(i)}${text("inner")}}(${text("x")}${float(i + 0.5)}uu`).join("")
      }e.`,
      "]"
    ),
  "pickle dicts of 30 keys": () =>
    pickled(
      `(${list(600, (i) => `}(${list(30, (key) => text(`column ${key}`) + integer(i)).join("")}u`).join("")}e.`,
      "]"
    ),
  "json objects of 100 keys": () =>
    json(list(1_000, (i) => Object.fromEntries(list(100, (key) => [`column ${key}`, i])))),
  "pickle set of tuples": () => pickled(`(${list(5_000, (i) => `${integer(i)}K\x01\x86`).join("")}\x90.`, "\x8f"),
  "pickle lists of 20": () =>
    pickled(`(${list(2_500, (i) => `](${list(20, (at) => integer(i + at)).join("")}e`).join("")}e.`, "]"),
  "pickle lists of floats": () =>
    pickled(`(${list(5_000, (i) => `](${list(3, (at) => float(i / 7 + at)).join("")}e`).join("")}e.`, "]"),
  "pickle large numbers": () => pickled(`(${list(40_000, (i) => `\x8a\x06${int32(i)}\x01\x01`).join("")}e.`, "]"),
  "pickle UUIDs": () =>
    pickled(
      `(${
        list(5_000, (i) => `cuuid\nUUID\n)\x81}${text("int")}\x8a\x10${int32(i).repeat(3)}\x01\x02\x03\x04sb`).join("")
      }e.`,
      "]"
    ),
  "pickle one dict": () => pickled(`(${list(12_000, (i) => text(`key${i}`) + integer(i)).join("")}u.`, "}"),
  "pickle dict of integers": () => pickled(`(${list(15_000, (i) => integer(i) + text(`value ${i}`)).join("")}u.`, "}"),
  "pickle small dicts of integers": () =>
    pickled(
      `(${list(5_000, (i) => `}(${integer(i)}${integer(i)}u`).join("")}e.`,
      "]"
    ),
  "pickle set": () => pickled(`(${list(20_000, (i) => text(`item ${i}`)).join("")}\x90.`, "\x8f"),
  "pickle empty sets": () => pickled(`(${"\x8f".repeat(6_000)}e.`, "]"),
  "pickle empty lists": () => pickled(`(${"]".repeat(30_000)}e.`, "]"),
  "pickle empty dicts": () => pickled(`(${"}".repeat(60_000)}e.`, "]"),
  "pickle empty tuples": () => pickled(`(${")".repeat(12_000)}e.`, "]"),
  "json objects that all differ": () => json(list(6_000, (i) => ({ [`key${i}`]: i }))),
  "json objects of many keys that all differ": () =>
    json(list(5_000, (i) => Object.fromEntries(list(10, (key) => [`key${i}of${key}`, key])))),
  "json objects of a few of many keys": () => json(list(2_000, fewOfMany)),
  "json objects of most of few keys": () => json(list(1_500, mostOfFew)),
  "json objects of one of few orders": () => json(list(8_000, (i) => mostOfFew(i % 12))),
  "pickle dicts of a few of many keys": () => pickled(`(${list(2_000, (i) => dict(fewOfMany(i))).join("")}e.`, "]"),
  "pickle dicts of most of few keys": () => pickled(`(${list(1_500, (i) => dict(mostOfFew(i))).join("")}e.`, "]"),
  "json lists one in the other": () => [
    `[${list(4, () => `${"[".repeat(9_000)}${"]".repeat(9_000)}`).join(",")}]`,
    "x.json"
  ],
  "pickle lists one in the other": () =>
    pickled(`(${list(60, () => `${"]".repeat(150)}${"a".repeat(149)}`).join("")}e.`, "]"),
  "json empty objects": () => json(list(15_000, () => ({}))),
  "json empty lists": () => json(list(30_000, () => [])),
  "json short texts": () => json(list(30_000, (i) => String(i))),
  "pickle small sets": () => pickled(`(${list(6_000, (i) => `\x8f(${integer(i)}\x90`).join("")}e.`, "]"),
  "pickle bytes": () => pickled(`(${list(10_000, (i) => `C\x14${`number ${i}`.padEnd(20)}`).join("")}e.`, "]"),
  "pickle large bytes": () => pickled(`(${list(100, () => `B\x10\x27\0\0${"x".repeat(10_000)}`).join("")}e.`, "]"),
  "pickle Decimals": () =>
    pickled(
      `(${list(15_000, (i) => `cdecimal\nDecimal\n${text(`${i}.25`)}\x85R`).join("")}e.`,
      "]"
    ),
  "pickle datetimes": () =>
    pickled(
      `(${
        list(8_000, (i) => `cdatetime\ndatetime\nC\x0a\x07\xe4\x01${String.fromCharCode(1 + i % 28)}\0\0\0\0\0\0\x85R`)
          .join("")
      }e.`,
      "]"
    ),
  "pickle objects": () =>
    pickled(
      `(${list(2_000, (i) => `cm\nC\n)\x81}(${text("a")}${integer(i)}${text("b")}${integer(i)}ub`).join("")}e.`,
      "]"
    ),
  "pickle large integers": () =>
    pickled(
      `(${list(30_000, (i) => `\x8a\x0a${int32(i)}\x01\x01\x01\x01\x01\x01`).join("")}e.`,
      "]"
    ),
  "pickle objects that all differ": () =>
    pickled(`(${list(6_000, (i) => `}(${text(`key${i}`)}K\x01u`).join("")}e.`, "]"),
  "pickle array": () => pickled(`${ndarray("f8", "<", 150_000, filled(150_000 * 8))}.`),
  "pickle arrays": () => pickled(`(${list(1_200, () => ndarray("f8", "<", 40, filled(320))).join("")}e.`, "]"),
  "pickle array of objects": () =>
    pickled(
      `${ndarray("O8", "|", 30_000, `](${list(30_000, (i) => text(`object ${i}`)).join("")}e`)}.`
    ),
  "pickle DataFrame of numbers": () =>
    frame(
      60_000,
      block(2, "i8", "<", filled(60_000 * 16)),
      block(1, "i1", "|", filled(60_000))
    ),
  "pickle dict of DataFrames": () =>
    pickled(
      `(${text("numbers")}${frameOf(40_000, block(2, "f8", "<", filled(40_000 * 16)))}${text("texts")}${
        frameOf(10_000, block(1, "O8", "|", `](${list(10_000, (i) => text(`object ${i}`)).join("")}e`))
      }u.`,
      "}"
    ),
  "pickle Series of objects": () => series(30_000, `](${list(30_000, (i) => text(`object ${i}`)).join("")}e`),
  "pickle short texts that repeat": () => pickled(`(${list(40_000, (i) => text(`t${i % 50}`)).join("")}e.`, "]"),
  "pickle array of numbers and texts": () =>
    pickled(
      `${
        ndarray(
          "O8",
          "|",
          60_000,
          `](${list(60_000, (i) => i % 3 === 0 ? text(`text ${i}`) : integer(i)).join("")}e`
        )
      }.`
    ),
  "json objects of numbers as keys": () => json(Object.fromEntries(list(80_000, (i) => [i, i]))),
  "json short texts of which many repeat": () => json(list(100_000, (i) => String(10 + i % 90))),
  "pickle DataFrame of times": () => frame(150_000, block(1, "M8", "<", filled(150_000 * 8))),
  "pickle DataFrame of objects": () =>
    frame(
      30_000,
      block(1, "O8", "|", `](${list(30_000, (i) => text(`object ${i}`)).join("")}e`)
    ),
  "pickle DataFrame of a repeated text": () =>
    frame(
      16_000,
      block(1, "O8", "|", `](${list(16_000, () => text("a text of some length")).join("")}e`)
    ),
  "pickle DataFrame of all": () =>
    frame(
      6_000,
      block(1, "i8", "<", filled(6_000 * 8)),
      block(2, "f8", "<", filled(6_000 * 16)),
      block(
        3,
        "O8",
        "|",
        `](${list(6_000, (i) => text(`name number ${i}`)).join("")}${
          list(6_000, (i) => text(`kind ${i % 9} of it`)).join("")
        }${list(6_000, (i) => float(i + 0.5)).join("")}e`
      )
    ),
  "pickle DataFrame of many columns in one block": () => frame(10, block(1_400, "f8", "<", filled(1_400 * 80))),
  "pickle DataFrame of many columns": () =>
    frame(
      10,
      ...list(800, () => block(1, "f8", "<", filled(80)))
    ),
  "arrow numbers": () => [
    arrow({ a: Int32Array.from(list(80_000, (i) => i)), b: Float64Array.from(list(80_000, (i) => i / 7)) }),
    "x"
  ],
  "arrow texts": () => [arrow({ a: list(50_000, (i) => `text number ${i}`) }, { a: Flechette.utf8() }), "x"],
  "arrow dictionary": () => [arrow({ a: list(200_000, (i) => `customer ${i % 500}`) }), "x"],
  "arrow lists": () => [arrow({ a: list(50_000, (i) => [i, i + 1]) }, { a: Flechette.list(Flechette.int32()) }), "x"],
  "parquet": () => [
    parquet([
      { name: "id", data: list(25_000, (i) => i), type: "INT32" },
      { name: "x", data: list(25_000, (i) => i / 7), type: "DOUBLE" },
      { name: "name", data: list(25_000, (i) => `name number ${i}`), type: "STRING" }
    ]),
    "x"
  ],
  "parquet of many columns": () => [
    parquet(list(1_000, (column) => ({ name: `column${column}`, data: list(5, (i) => i / 7), type: "DOUBLE" }))),
    "x"
  ],
  "parquet of many columns of texts": () => [
    parquet(list(1_000, (column) => ({ name: `column${column}`, data: list(5, (i) => `t${i}`), type: "STRING" }))),
    "x"
  ],
  "arrow of many columns": () => [
    arrow(Object.fromEntries(list(1_000, (column) => [`column${column}`, Float64Array.from([column, 1.5, 2.5])]))),
    "x"
  ],
  "parquet dictionary": () => [
    parquet([{ name: "name", data: list(50_000, (i) => `customer number ${i % 500}`), type: "STRING" }]),
    "x"
  ]
}

const threads = 5

const decode = (bytes: Uint8Array, name: string, format?: ResultFormat.Format, onAsked?: (bytes: number) => void) =>
  Effect.runPromise(
    ResultFormat.decode(bytes, {
      name,
      maxBytes: 2 ** 28,
      reserve: (bytes) => Effect.sync(() => (onAsked?.(bytes), bytes)),
      ...(format === undefined ? {} : { format })
    })
  )

const bytesOf = (content: string | Uint8Array) =>
  typeof content === "string" ? new TextEncoder().encode(content) : new Uint8Array(content)

/** The values that were measured last, and the heap with them. */
let kept: Array<unknown> = []
let before = 0

/** Values that are kept, so that the heap with one is that before the next; more would take more time to mark. */
const most = 3

const measure = async (kind: string) => {
  if (kept.length % most === 0) {
    kept = []
    await decode(bytesOf("[1]"), "x.json")
    before = await settledHeap()
  }
  let input: Input | undefined = await inputs[kind]!()
  let asked = 0
  const value = await decode(bytesOf(input[0]), input[1], input[2], (bytes) => asked += bytes)
  input = undefined
  const after = await settledHeap()
  const used = after - before
  const estimate = ValueSize.estimate(value, asked)
  kept.push(value)
  before = after
  return { used, estimate }
}

if (parentPort !== null) {
  const measured: Record<string, unknown> = {}
  for (const kind of process.argv.slice(2)) measured[kind] = await measure(kind)
  parentPort.postMessage(measured, [])
} else {
  const kinds = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(inputs)
  const measured: Record<string, unknown> = {}
  // A thread for a few kinds that differ: code that has read similar ones before makes lists of another representation.
  for (let first = 0; first < threads; first++) {
    const argv = kinds.filter((_, index) => index % threads === first)
    if (argv.length === 0) continue
    const thread = new Worker(new URL(import.meta.url), { argv })
    const [sizes] = await once(thread, "message")
    Object.assign(measured, sizes)
    await thread.terminate()
  }
  console.log(JSON.stringify(measured))
}
