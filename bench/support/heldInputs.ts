/** What bench/held.bench.ts decodes: for each format, values of many bytes. */
import * as Flechette from "@uwdata/flechette"
import { spawnSync } from "node:child_process"
import { crc32, deflateSync, gzipSync, zstdCompressSync } from "node:zlib"
import { Table as ArrowTable, writeParquet } from "parquet-wasm"

export type Format =
  | "JSON"
  | "JSON in UTF-16"
  | "JSON in UTF-32"
  | "JSON of one text"
  | "JSON of one object"
  | "JSON of pandas"
  | "text"
  | "CSV"
  | "CSV of one cell"
  | "CSV of many columns"
  | "pickle of a list"
  | "pickle of records"
  | "pickle of records in protocol 0"
  | "pickle of escapes in protocol 0"
  | "pickle of a dict with a late key"
  | "pickle of a dict"
  | "pickle of a set"
  | "pickle of a set in protocol 2"
  | "pickle of one text"
  | "pickle in base64"
  | "transposed tensor"
  | "tensor in a ZIP"
  | "CBOR of a polars Series"
  | "Arrow of floats"
  | "Arrow of texts"
  | "Parquet"
  | "Parquet of texts"
  | "gzip of CSV"
  | "zlib of CSV"
  | "zstd of CSV"
  | "bz2 of CSV"
  | "xz of CSV"
  | "lzma of CSV"

/** Bytes that are made block by block, because one text of them would be longer than texts can be. */
const blocks = (
  count: number,
  of: (index: number) => string,
  start = "",
  end = "",
  encoding: BufferEncoding = "latin1"
): Uint8Array => {
  const parts = [Buffer.from(start, "latin1")]
  for (let at = 0; at < count; at += 20_000) {
    let block = ""
    for (let index = at; index < Math.min(count, at + 20_000); index++) block += of(index)
    parts.push(Buffer.from(block, encoding))
  }
  return Buffer.concat([...parts, Buffer.from(end, "latin1")])
}

const float64 = (value: number): string => {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return bytes.toString("latin1")
}

const uint64 = (value: number): Buffer => Buffer.from(BigUint64Array.of(BigInt(value)).buffer)

/** The archive of a `torch.save` from 1.6 on, whose files are stored without compression. */
const zip = (files: Readonly<Record<string, Uint8Array>>): Uint8Array => {
  const parts: Array<Uint8Array> = []
  const directory: Array<Uint8Array> = []
  let offset = 0
  for (const [name, bytes] of Object.entries(files)) {
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt32LE(crc32(bytes), 10)
    common.writeUInt32LE(bytes.length, 14)
    common.writeUInt32LE(bytes.length, 18)
    common.writeUInt16LE(name.length, 22)
    const entry = Buffer.alloc(46)
    entry.write("PK\x01\x02", "latin1")
    common.copy(entry, 6)
    entry.writeUInt32LE(offset, 42)
    directory.push(entry, Buffer.from(name))
    parts.push(Buffer.from("PK\x03\x04"), common, Buffer.from(name), bytes)
    offset += 30 + name.length + bytes.length
  }
  const end = Buffer.alloc(22)
  end.write("PK\x05\x06", "latin1")
  for (const at of [8, 10]) end.writeUInt16LE(Object.keys(files).length, at)
  end.writeUInt32LE(directory.reduce((size, part) => size + part.length, 0), 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...parts, ...directory, end])
}

/** The pickle of a polars Series as versions before 0.20 wrote it. */
const series = (megabytes: number): Uint8Array => {
  const count = megabytes * 200_000
  const text = (value: string) => String.fromCharCode(0x60 + value.length) + value
  const head = Buffer.from(
    `\xa3${text("name")}${text("a")}${text("datatype")}${text("Int64")}${text("values")}\x9a${
      Buffer.from(Uint32Array.of(count).buffer).reverse().toString("latin1")
    }`,
    "latin1"
  )
  const values = Buffer.alloc(count * 5)
  for (let at = 0; at < count; at++) {
    values[5 * at] = 0x1a
    values.writeUInt32BE(100_000 + at, 5 * at + 1)
  }
  return Buffer.concat([
    Buffer.from("\x80\x04cpolars.series.series\nSeries\n)\x81\x8e", "latin1"),
    uint64(head.length + values.length),
    head,
    values,
    Buffer.from("b.")
  ])
}

export const records = (megabytes: number) =>
  Array.from({ length: megabytes * 20_000 }, (_, id) => ({ id, name: `row ${id}`, share: id / 7 }))

const key = (index: number): string => `X\x0a\0\0\0k${String(index).padStart(9, "0")}`

/** A pickle of an empty container, to which batches of a thousand items are added. */
const batches = (start: string, end: string, count: number, item: (index: number) => string): string =>
  `\x80\x04${start}${
    Array.from({ length: Math.ceil(count / 1_000) }, (_, batch) =>
      `(${
        Array.from({ length: 1_000 }, (_, index) => item(batch * 1_000 + index)).join("")
      }${end}`).join("")
  }.`

const uint32 = (value: number): string => Buffer.from(Uint32Array.of(value).buffer).toString("latin1")

const csv = (megabytes: number): Uint8Array =>
  blocks(megabytes * 28_000, (id) => `${id},row ${id},${id / 7}\n`, "id,name,share\n")

const list = (megabytes: number): string =>
  `\x80\x02](${
    Array.from({ length: megabytes * 100 }, (_, batch) =>
      `${batch === 0 ? "" : "("}${`K\x01X\x04\0\0\0abcd`.repeat(900)}e`).join("")
  }.`

/** A file of `torch.save` before 1.6: the transpose of a matrix of 32-bit floats. */
const tensor = (megabytes: number): Uint8Array => {
  const [rows, columns] = [512, megabytes * 488]
  const count = rows * columns
  const shape = `J${uint32(columns)}J${uint32(rows)}\x86`
  const strides = `K\x01J${uint32(columns)}\x86`
  const storage = `(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0aX\x03\0\0\0cpuJ${uint32(count)}tQ`
  const parts = [
    "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.",
    `\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(${storage}K\0${shape}${strides}\x89NtR.`,
    `\x80\x02]X\x01\0\0\0aa.${uint32(count)}\0\0\0\0`
  ]
  return Buffer.concat([Buffer.from(parts.join(""), "latin1"), Buffer.alloc(count * 4, 1)])
}

const stream = (megabytes: number, type: "floats" | "texts"): Uint8Array =>
  Flechette.tableToIPC(
    Flechette.tableFromArrays(
      type === "floats"
        ? { share: Float64Array.from({ length: megabytes * 125_000 }, (_, id) => id / 7) }
        : { name: Array.from({ length: megabytes * 40_000 }, (_, id) => `row ${id % 50_000}, and more`) }
    ),
    { format: "stream" }
  )!

const compressed = (megabytes: number, program: string, ...flags: Array<string>): Uint8Array =>
  spawnSync(program, flags, { input: csv(megabytes), maxBuffer: 2 ** 30 }).stdout

/** An input of about this number of megabytes. */
export const inputs: Record<Format, (megabytes: number) => string | Uint8Array> = {
  JSON: (megabytes) =>
    blocks(
      megabytes * 17_000,
      (id) => `${id === 0 ? "" : ","}${JSON.stringify({ id, name: `row ${id}`, share: id / 7 })}`,
      "[",
      "]"
    ),
  "JSON in UTF-32": (megabytes) => {
    const text = JSON.stringify(records(megabytes / 4))
    return new Uint8Array(Uint32Array.from({ length: text.length }, (_, at) => text.charCodeAt(at)).buffer)
  },
  "JSON of pandas": (megabytes) =>
    blocks(
      megabytes * 30_000,
      (id) => `${id === 0 ? "" : ","}[${id},"row ${id}",${id / 7}]`,
      "{\"columns\":[\"id\",\"name\",\"share\"],\"data\":[",
      "]}"
    ),
  text: (megabytes) => Buffer.alloc(megabytes * 1e6, "ab\u00e9"),
  "JSON in UTF-16": (megabytes) => Buffer.from(`\ufeff${JSON.stringify(records(megabytes / 2))}`, "utf16le"),
  "JSON of one text": (megabytes) =>
    Buffer.concat([Buffer.from("[\""), Buffer.alloc(megabytes * 1e6, "ab"), Buffer.from("\"]")]),
  "JSON of one object": (megabytes) =>
    `{${Array.from({ length: megabytes * 66_000 }, (_, id) => `"k${String(id).padStart(9, "0")}":1`).join(",")}}`,
  CSV: csv,
  "CSV of one cell": (megabytes) => Buffer.concat([Buffer.from("a,b\n1,"), Buffer.alloc(megabytes * 1e6, "ab")]),
  "CSV of many columns": (megabytes) =>
    `${Array.from({ length: megabytes * 66_000 }, (_, id) => `c${id}`).join(",")}\n${
      "12345,".repeat(megabytes * 66_000 - 1)
    }1\n`,
  "pickle of a list": list,
  "pickle of records": (megabytes) =>
    blocks(
      megabytes * 19_000,
      (id) =>
        `${id % 1_000 === 0 ? "(" : ""}}(\x8c\x02idJ${uint32(id)}\x8c\x04name\x8c\x0crow ${
          String(id).padStart(8, "0")
        }\x8c\x05shareG${float64(id / 7)}u${id % 1_000 === 999 ? "e" : ""}`,
      "\x80\x04]",
      "."
    ),
  "pickle of records in protocol 0": (megabytes) =>
    blocks(megabytes * 17_000, (id) => `(dVid\nI${id}\nsVname\nVrow ${id}\nsVshare\nF${id / 7}\nsa`, "(l", "."),
  "pickle of escapes in protocol 0": (megabytes) =>
    Buffer.concat([Buffer.from("V"), Buffer.alloc(megabytes * 999_996, "\\u0430"), Buffer.from("\n.")]),
  "pickle of a dict with a late key": (megabytes) =>
    `${batches("}", "u", megabytes * 58_000, (index) => `${key(index)}K\x01`).slice(0, -1)}K\x01K\x01s.`,
  "pickle of a dict": (megabytes) => batches("}", "u", megabytes * 58_000, (index) => `${key(index)}K\x01`),
  "pickle of a set": (megabytes) => batches("\x8f", "\x90", megabytes * 66_000, key),
  "pickle of a set in protocol 2": (megabytes) =>
    `${batches("cbuiltins\nset\n]", "e", megabytes * 66_000, key).slice(0, -1)}\x85R.`,
  "pickle of one text": (megabytes) =>
    Buffer.concat([
      Buffer.from(`\x80\x04X${uint32(megabytes * 1e6)}`, "latin1"),
      Buffer.alloc(megabytes * 1e6, "ab"),
      Buffer.from(".")
    ]),
  "pickle in base64": (megabytes) => Buffer.from(list(megabytes * 0.75), "latin1").toString("base64"),
  "transposed tensor": tensor,
  "tensor in a ZIP": (megabytes) => {
    const count = megabytes * 250_000
    const storage = `(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuJ${uint32(count)}tQ`
    return zip({
      "a/data.pkl": Buffer.from(
        `\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(${storage}K\0J${uint32(count)}\x85K\x01\x85\x89NtR.`,
        "latin1"
      ),
      "a/data/0": new Uint8Array(Float32Array.from({ length: count }, (_, at) => at / 7).buffer)
    })
  },
  "CBOR of a polars Series": series,
  "Arrow of floats": (megabytes) => stream(megabytes, "floats"),
  "Arrow of texts": (megabytes) => stream(megabytes, "texts"),
  Parquet: (megabytes) => writeParquet(ArrowTable.fromIPCStream(stream(megabytes, "floats"))),
  "Parquet of texts": (megabytes) => writeParquet(ArrowTable.fromIPCStream(stream(megabytes, "texts"))),
  "gzip of CSV": (megabytes) => gzipSync(csv(megabytes), { level: 1 }),
  "zlib of CSV": (megabytes) => deflateSync(csv(megabytes), { level: 1 }),
  "zstd of CSV": (megabytes) => zstdCompressSync(csv(megabytes)),
  "bz2 of CSV": (megabytes) => compressed(megabytes, "bzip2", "-1"),
  "xz of CSV": (megabytes) => compressed(megabytes, "xz", "-0"),
  "lzma of CSV": (megabytes) => compressed(megabytes, "xz", "-0", "--format=lzma")
}
