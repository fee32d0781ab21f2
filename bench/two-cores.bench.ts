/**
 * `getResult` of local pickles by the same program on two cores and on one, in elapsed time: large values of several
 * kinds, and small ones; and compressed pickles beside zlib on one thread. Elapsed in every mode: other cores do not save
 * processor time.
 */
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { loads } from "@effect-prefect/pickle"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib"
import { dumps, Float } from "./pickle/values.ts"
import { type Reader, readerOn } from "./support/coresProcess.ts"
import { smallPickle } from "./support/mappedWorld.ts"
import type { Contender, Measured, Row } from "./support/row.ts"

const files = 24

/** A NumPy array of a megabyte, as protocol 3 writes it; its numbers repeat as measured ones do. */
const array = (): Uint8Array => {
  const length = 125_000
  const bytes = Buffer.from(Float64Array.from({ length }, (_, i) => (i * 7_919 % 100_003) / 7).buffer)
  const uint32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer).toString("latin1")
  const dtype = "cnumpy\ndtype\nX\x02\0\0\0f8\x89\x88\x87R(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
  const head = `\x80\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R(K\x01J${
    uint32(length)
  }\x85${dtype}\x89B${uint32(bytes.length)}`
  return Buffer.concat([Buffer.from(head, "latin1"), bytes, Buffer.from("tb.", "latin1")])
}

const records = () =>
  dumps(Array.from({ length: 13_000 }, (_, i) => ({
    id: i,
    name: `user${i}`,
    email: `user${i}@example.com`,
    score: new Float(i / 7),
    active: i % 3 === 0,
    tags: ["a", "b"]
  })))

/** Each of about a megabyte. */
const kinds = {
  "NumPy arrays": array,
  "NumPy arrays in gzip": () => gzipSync(array()),
  "NumPy arrays in zstd": () => zstdCompressSync(array()),
  "lists of records": records,
  "lists of records in gzip": () => gzipSync(records()),
  "nested lists": () => dumps(Array.from({ length: 60_000 }, (_, i) => [i, i + 1, [i * 2]])),
  texts: () => dumps("a long text of a report, ".repeat(40_000))
} as const

const rowOf = (what: string, count: number, make: () => (index: number) => Uint8Array, target: number): Row => {
  let folder = ""
  const contender = (name: string, cores: number): Contender => {
    let reader: Reader | undefined
    return {
      name,
      open: async () => {
        if (folder === "") {
          folder = mkdtempSync(join(tmpdir(), "bench-two-cores-"))
          const bytes = make()
          for (let index = 0; index < count; index++) writeFileSync(join(folder, `${index}.pickle`), bytes(index))
        }
        reader = readerOn(cores, folder)
        for (let i = 0; i < 2; i++) await reader.read()
      },
      run: () => reader!.read(),
      close: () => {
        reader?.close()
        if (folder !== "") rmSync(folder, { recursive: true, force: true })
        folder = ""
      }
    }
  }
  return {
    work: `getResult of ${count} ${what}: two cores against one`,
    count,
    runs: 7,
    ours: contender("on two cores", 2),
    peers: [contender("on one core", 1)],
    target: { peer: target }
  }
}

const packedCount = 64
const atOnce = 8
/** Pickles of 1 MB each, of bytes with as much repetition as measured numbers have, compressed. */
const makePacked = (): ReadonlyArray<Uint8Array> => {
  const numbers = new Uint8Array(Float64Array.from({ length: 125_000 }, (_, i) => (i * 7_919 % 100_003) / 7).buffer)
  const start = Buffer.from("\x80\x03B\0\0\0\0", "latin1")
  start.writeUInt32LE(numbers.length, 3)
  const packed = gzipSync(Buffer.concat([start, numbers, Buffer.from(".")]))
  return Array.from({ length: packedCount }, () => Uint8Array.from(packed))
}
let packed: ReadonlyArray<Uint8Array> = []

const elapsed = async (work: () => unknown): Promise<Measured> => {
  const before = performance.now()
  await work()
  return { measured: performance.now() - before }
}

const decodeOne = (bytes: Uint8Array) => ResultFormat.decode(bytes, { name: "result", maxBytes: 1 << 28 })

export const rows: ReadonlyArray<Row> = [
  ...Object.entries(kinds).map(([kind, make]) =>
    rowOf(
      `${kind} of 1 MB`,
      files,
      () => {
        const bytes = make()
        return () => bytes
      },
      1.6
    )
  ),
  rowOf("small pickles", 10_000, () => smallPickle, 0.95),
  {
    work: `decode ${packedCount} compressed pickles of 1 MB: all cores against zlib on this thread`,
    count: packedCount,
    ours: {
      name: `ResultFormat.decode, ${atOnce} at once`,
      open: () => {
        packed = makePacked()
      },
      run: () =>
        elapsed(() => Effect.runPromise(Effect.forEach(packed, decodeOne, { concurrency: atOnce, discard: true })))
    },
    peers: [{
      name: "zlib and the pickle decoder, on this thread",
      run: () =>
        elapsed(() => {
          for (const bytes of packed) loads(gunzipSync(bytes))
        })
    }, {
      name: "the same, told the size of what comes",
      run: () =>
        elapsed(() => {
          for (const bytes of packed) loads(gunzipSync(bytes, { chunkSize: 1_000_009 }))
        })
    }],
    target: { peer: 1.6 }
  }
]
