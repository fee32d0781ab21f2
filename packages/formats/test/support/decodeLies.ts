/**
 * Decodes files in which lengths, counts and run lengths lie, and shows what comes of them. Prints the case before it
 * begins, so that the process that watches this one knows which one ended it.
 *
 * Run as: node --conditions=@effect-prefect/source decodeLies.ts GROUP COUNT [GROUP COUNT …]
 */
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as zlib from "node:zlib"

const fixtures = fileURLToPath(new URL("../../../../fixtures/", import.meta.url))
const json = Buffer.from(
  JSON.stringify(Array.from({ length: 2_000 }, (_, id) => ({ id, name: `row ${id}`, x: id / 7 })))
)

const csv = Buffer.from(
  `id,name,x\n${Array.from({ length: 2_000 }, (_, id) => `${id},"row ${id}",${id / 7}`).join("\n")}\n`
)

const files = (folder: string, ending: RegExp): ReadonlyArray<readonly [name: string, bytes: Uint8Array]> =>
  readdirSync(join(fixtures, folder)).toSorted().filter((name) => ending.test(name)).map((name) =>
    [name, readFileSync(join(fixtures, folder, name))] as const
  )

/** The files of each group. */
const groups: Record<string, () => ReadonlyArray<readonly [name: string, bytes: Uint8Array]>> = {
  arrow: () => [
    ...files("formats/pandas-3", /\.feather$/),
    ...files("formats/pandas-1.3", /\.feather$/)
  ],
  parquet: () => [...files("formats/pandas-3", /\.parquet$/), ...files("formats/parquet", /\.parquet$/)],
  pickle: () => [...files("formats/pandas-3", /\.pickle$/), ...files("pickle", /\.pkl$/)],
  // Two archives and the files before them, tensors in pickles, frames of protocol 4 and buffers of protocol 5.
  containers: () => [
    ...files("values", /\.(?:pt|pkl)$/),
    ...files("formats/pandas-3", /\.(?:p5\.pickle|lz4\.feather|lzma)$/),
    ...files("formats/pandas-1.3", /\.v1\.feather$/),
    ...files("pickle", /p5\.pkl$/)
  ],
  texts: () => [["x.json", json], ["x.csv", csv]],
  compressed: () => [
    ...files("formats", /\.(?:bz2|xz)$/),
    ...files("formats/xz", /./),
    ["x.gz", zlib.gzipSync(json)],
    ["x.zlib", zlib.deflateSync(json)],
    ...(zlib.zstdCompressSync === undefined ? [] : [["x.zst", zlib.zstdCompressSync(json)] as const])
  ]
}

/** Mulberry32: the same numbers for the same seed. */
const random = (seed: number) => {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  return (below: number) => Math.floor(next() * below)
}

const lies = [0, 1, 0x7f, 0xff, 0xffff, 0x10000, 0xffffff, 0x1000000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff]

/** A LEB128 number, as Thrift, xz and zstd have them. */
const varint = (value: number): ReadonlyArray<number> => {
  const out: Array<number> = []
  for (let left = value; left >= 128; left = Math.floor(left / 128)) out.push(128 + left % 128)
  return [...out, value % 128]
}

/** Places where a number stands that may be a length or a count of something in the file. */
const lengthsOf = (bytes: Uint8Array): ReadonlyArray<number> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const out: Array<number> = []
  for (let at = 0; at + 4 <= bytes.length; at++) {
    const value = view.getUint32(at, true)
    if (value > 0 && value <= bytes.length) out.push(at)
  }
  return out
}

/** An instruction of a pickle: its bytes, and what its argument is. */
interface Instruction {
  readonly bytes: Uint8Array
  readonly kind: "length" | "number" | "memo" | "frame" | "other"
}

const code = (letter: string) => letter.charCodeAt(0)

/** The instructions with an argument: its kind and its bytes, of which those of a length are followed by so many more. */
const opcodes = new Map<number, readonly [kind: Instruction["kind"], width: number]>([
  [code("K"), ["number", 1]],
  [code("M"), ["number", 2]],
  [code("J"), ["number", 4]],
  [0x8a, ["length", 1]],
  [0x8b, ["length", 4]],
  [code("X"), ["length", 4]],
  [code("B"), ["length", 4]],
  [code("T"), ["length", 4]],
  [code("U"), ["length", 1]],
  [code("C"), ["length", 1]],
  [0x8c, ["length", 1]],
  [0x8d, ["length", 8]],
  [0x8e, ["length", 8]],
  [0x96, ["length", 8]],
  [code("h"), ["memo", 1]],
  [code("q"), ["memo", 1]],
  [code("j"), ["memo", 4]],
  [code("r"), ["memo", 4]],
  [0x95, ["frame", 8]],
  [0x80, ["other", 1]],
  [code("G"), ["other", 8]]
])

/** The lines that follow an instruction of protocol 0. */
const lines = new Map([..."cILFSVPgpi"].map((letter) => [code(letter), letter === "c" || letter === "i" ? 2 : 1]))

const instructionsOf = (bytes: Uint8Array): ReadonlyArray<Instruction> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const out: Array<Instruction> = []
  for (let at = 0; at < bytes.length;) {
    const [kind, width] = opcodes.get(bytes[at]!) ?? ["other", 0]
    let end = at + 1 + width
    if (end > bytes.length) break
    if (kind === "length") {
      end += width === 1
        ? bytes[at + 1]!
        : width === 4
        ? view.getUint32(at + 1, true)
        : Number(view.getBigUint64(at + 1, true))
    }
    for (let left = lines.get(bytes[at]!) ?? 0; left > 0; left--) end = bytes.indexOf(10, end) + 1 || bytes.length
    out.push({ bytes: bytes.subarray(at, end), kind })
    at = end
  }
  return out
}

const little = (value: bigint, width: number) =>
  Buffer.from(BigUint64Array.of(BigInt.asUintN(64, value)).buffer).subarray(0, width)

const dtypes = ["V0", "U0", "S0", "V2000000000", "U99999999", "S1", "V65536", "O8", "M8", "i1", "f16", "c32", "T16"]

/** An instruction whose length, number, index or dtype lies. */
const lieIn = ({ bytes, kind }: Instruction, below: (limit: number) => number): Uint8Array => {
  const lie = BigInt(lies[below(lies.length)]!) << BigInt(below(3) === 0 ? below(33) : 0)
  const [op] = bytes
  switch (kind) {
    case "number":
      return below(3) === 0
        ? Buffer.concat([Buffer.of(0x8a, 8), little(below(2) === 0 ? lie : -lie, 8)])
        : Buffer.concat([Buffer.from("J"), little(lie, 4)])
    case "memo":
      return Buffer.concat([Buffer.from("j"), little(BigInt(below(64)), 4)])
    case "frame":
      return Buffer.concat([Buffer.of(op!), little(lie, 8)])
    default: {
      const width = opcodes.get(op!)![1]
      const content = Buffer.from(bytes.subarray(1 + width))
      if ((op === 0x8c || op === code("X")) && /^[<>|]?[a-zA-Z]\d*$/.test(content.toString("latin1"))) {
        const dtype = dtypes[below(dtypes.length)]!
        return Buffer.concat([Buffer.of(0x8c, dtype.length), Buffer.from(dtype)])
      }
      return Buffer.concat([Buffer.of(op!), little(lie, width), content])
    }
  }
}

/** A copy of a pickle in which the arguments of some instructions lie. */
const mutatePickle = (file: Uint8Array, below: (limit: number) => number): Uint8Array => {
  const all = instructionsOf(file)
  const isFramed = below(8) === 0
  // Frames of other lengths than they say would hide every other lie.
  const kept = isFramed ? all : all.filter(({ kind }) => kind !== "frame")
  const places = kept.flatMap(({ kind }, at) => kind !== "other" && (!isFramed || kind === "frame") ? [at] : [])
  const liars = new Set(Array.from({ length: 1 + below(3) }, () => places[below(Math.max(1, places.length))]))
  return Buffer.concat(kept.map((each, at) => liars.has(at) ? lieIn(each, below) : each.bytes))
}

/** The fields of the records of a ZIP archive, by the signatures of these: their places and widths. */
const zipFields: ReadonlyArray<readonly [signature: string, fields: ReadonlyArray<readonly [number, number]>]> = [
  ["PK\x01\x02", [[10, 2], [20, 4], [24, 4], [28, 2], [30, 2], [32, 2], [42, 4]]],
  ["PK\x03\x04", [[8, 2], [18, 4], [22, 4], [26, 2], [28, 2]]],
  ["PK\x05\x06", [[8, 2], [10, 2], [12, 4], [16, 4]]]
]

/** A copy of a ZIP archive in which some fields of its records lie. */
const mutateZip = (file: Uint8Array, below: (limit: number) => number): Uint8Array => {
  const out = Buffer.from(file)
  const fields: Array<readonly [number, number]> = []
  for (const [signature, places] of zipFields) {
    for (let at = out.indexOf(signature, 0, "latin1"); at >= 0; at = out.indexOf(signature, at + 4, "latin1")) {
      for (const [place, width] of places) if (at + place + width <= out.length) fields.push([at + place, width])
    }
  }
  for (let rounds = 1 + below(3); rounds > 0 && fields.length > 0; rounds--) {
    const [at, width] = fields[below(fields.length)]!
    out.set(little(BigInt(lies[below(lies.length)]!), width), at)
  }
  return out
}

/** A copy of a file in which some numbers lie. */
const mutate = (group: string, file: Uint8Array, below: (limit: number) => number): Uint8Array => {
  if (group === "texts") return mutateText(file, below)
  if (file[0] === 0x80 && below(4) > 0) return mutatePickle(file, below)
  if (file[0] === code("P") && file[1] === code("K") && below(2) > 0) return mutateZip(file, below)
  let bytes = Uint8Array.from(file)
  const lengths = lengthsOf(bytes)
  for (let rounds = 1 + below(3); rounds > 0; rounds--) {
    const lie = below(4) === 0 ? bytes.length + below(3) - 1 : lies[below(lies.length)]!
    const known = lengths[below(Math.max(1, lengths.length))] ?? 0
    const view = new DataView(bytes.buffer)
    const at = Math.min(below(2) === 0 ? known : below(bytes.length), Math.max(0, bytes.length - 8))
    switch (below(6)) {
      case 0:
        if (at + 8 <= bytes.length) view.setBigUint64(at, BigInt(lie) << BigInt(below(33)), true)
        break
      case 1:
        if (at + 4 <= bytes.length) view.setUint32(at, lie, false)
        break
      case 2: { // A number of variable length in the place of a byte.
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...varint(lie), ...bytes.subarray(at + 1)])
        break
      }
      case 3:
        if (at < bytes.length) bytes[at] = lie & 0xff
        break
      default:
        if (at + 4 <= bytes.length) view.setUint32(at, lie, true)
    }
  }
  return bytes
}

/** Parts of texts that are short, and larger than they look. */
const textLies: ReadonlyArray<(many: number) => string> = [
  (many) => "[".repeat(many),
  (many) => "{\"a\":".repeat(many),
  (many) => `${"[".repeat(many)}${"]".repeat(many)},`,
  (many) => "9".repeat(many),
  (many) => `1e${many}`,
  (many) => `0.${"0".repeat(many)}1e-${many}`,
  (many) => `{"${"k".repeat(many)}":1},`,
  (many) => `{${Array.from({ length: many }, (_, at) => `"${at}":0`).join(",")}},`,
  (many) => `{${"\"a\":0,".repeat(many)}"a":1},`,
  (many) => ",".repeat(many),
  (many) => "\"\",".repeat(many),
  (many) => "\n".repeat(many),
  (many) => "\"".repeat(many),
  (many) => "\\u0000".repeat(many),
  (many) => "[{},{}],".repeat(many)
]

/** A copy of a text with such a part somewhere, and sometimes without its end. */
const mutateText = (file: Uint8Array, below: (limit: number) => number): Uint8Array => {
  const at = below(file.length)
  const lie = textLies[below(textLies.length)]!(2 ** below(18))
  const rest = file.subarray(at, below(4) === 0 ? at : file.length)
  return Buffer.concat([file.subarray(0, at), Buffer.from(lie), rest])
}

const args = process.argv.slice(2)
for (let at = 0; at < args.length; at += 2) {
  const group = args[at]!
  const inputs = groups[group]!()
  for (let seed = 0; seed < Number(args[at + 1]); seed++) {
    const below = random(seed)
    const [name, file] = inputs[below(inputs.length)]!
    writeSync(1, `${group} ${seed} ${name}\n`)
    const bytes = mutate(group, file, below)
    await Effect.runPromise(
      ResultFormat.decode(bytes, { name, maxBytes: 2 ** 24 }).pipe(
        Effect.flatMap((value) => JsonProjection.validate(value, { maxValues: 2 ** 20 })),
        Effect.ignore
      )
    )
  }
  writeSync(1, `${group} end\n`)
}
