/**
 * Pickles: read here, by CPython's C unpickler (`--peers`), by npm packages, and the same values by `JSON.parse` and
 * `v8.deserialize`. Times are processor times.
 */
import { loads, type LoadsOptions } from "@effect-prefect/pickle"
import jpickle from "jpickle"
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { deserialize, serialize } from "node:v8"
import { Parser } from "pickleparser"
import { folder } from "../conformance/support/folder.ts"
import { type Requirements, venv } from "../conformance/support/python.ts"
import { objectsOf } from "./pickle/objects.ts"
import { dumps, plain, values } from "./pickle/values.ts"
import { type PythonPeer, pythonPeer } from "./support/python.ts"
import type { Contender, Measured, Row } from "./support/row.ts"

const place = folder("pickle-bench-data")
const script = join(import.meta.dirname, "pickle", "peer.py")
const bare: Requirements = { name: "pickle-bench", packages: [] }
const withPandas3: Requirements = {
  name: "pandas-3",
  python: "3.11",
  packages: ["pandas>=3,<4", "numpy>=2", "pyarrow"]
}
const withPandas1: Requirements = { name: "pandas-1.3", python: "3.7", packages: ["pandas==1.3.5", "numpy==1.21.6"] }

const pickled = (name: keyof typeof values): string => {
  const path = join(place, `${name}.pkl`)
  if (!existsSync(path)) {
    mkdirSync(place, { recursive: true })
    const value = values[name]()
    writeFileSync(
      path,
      name === "small" ? framed((value as ReadonlyArray<unknown>).map((one) => dumps(one))) : dumps(value)
    )
  }
  return path
}

/** Each preceded by its length in four bytes. */
const framed = (pickles: ReadonlyArray<Buffer>): Buffer =>
  Buffer.concat(pickles.flatMap((one) => {
    const head = Buffer.alloc(4)
    head.writeUInt32LE(one.length)
    return [head, one]
  }))

const unframed = (bytes: Buffer): ReadonlyArray<Buffer> => {
  const out: Array<Buffer> = []
  for (let at = 0; at < bytes.length;) {
    const size = bytes.readUInt32LE(at)
    out.push(bytes.subarray(at + 4, at + 4 + size))
    at += 4 + size
  }
  return out
}

/**
 * The processor time of some work on its thread, in milliseconds. Unlike elapsed time, it does not depend on the load
 * of the machine. V8's helpers, which collect garbage on other cores, are not included.
 */
const processorTime = (work: () => void): Measured => {
  const before = process.threadCpuUsage()
  work()
  const { system, user } = process.threadCpuUsage(before)
  return { measured: (system + user) / 1_000 }
}

const warmUp = 6
/** Milliseconds after which code is compiled in any case. */
const longWarmUp = 2_500

/** Reads pickles that are made, or read from disk, before the first run. */
const reader = (name: string, open: () => ReadonlyArray<Buffer>, read: (bytes: Buffer) => unknown): Contender => {
  let pickles: ReadonlyArray<Buffer> = []
  return {
    name,
    open: () => {
      pickles = open()
      // V8 compiles code that runs often: this measures a program that has been reading for a while.
      const start = performance.now()
      for (let i = 0; i < warmUp && performance.now() - start < longWarmUp; i++) for (const one of pickles) read(one)
    },
    run: () =>
      processorTime(() => {
        for (const one of pickles) read(one)
      }),
    close: () => {
      pickles = []
    }
  }
}

const cpython = (requirements: Requirements, job: () => object, name = "CPython"): Contender => {
  let peer: PythonPeer | undefined
  return {
    name,
    python: true,
    open: async () => {
      peer = pythonPeer(await venv(requirements), script)
    },
    run: () => peer!.run(job()),
    close: () => peer?.close()
  }
}

const ours = (open: () => ReadonlyArray<Buffer>, options: LoadsOptions = {}): Contender =>
  reader("ours", open, (bytes) => loads(bytes, options))

/** The least that any reader does for a document whose keys do not repeat: its objects, without reading anything. */
const objectsAlone = (name: keyof typeof values): Contender => {
  let objects: ReturnType<typeof objectsOf> | undefined
  return {
    name: "the same objects from ready keys and values",
    open: () => {
      objects = objectsOf(values[name]())
      for (let i = 0; i < warmUp; i++) objects.make(objects.keys())
    },
    run: () => {
      const keys = objects!.keys()
      return processorTime(() => void objects!.make(keys))
    },
    close: () => {
      objects = undefined
    }
  }
}

const row = (
  name: keyof typeof values,
  work: string,
  target: number,
  options: { readonly read?: LoadsOptions; readonly jpickle?: boolean; readonly peers?: ReadonlyArray<Contender> } = {}
): Row => {
  const many = name === "small"
  const open = () => {
    const bytes = readFileSync(pickled(name))
    return many ? unframed(bytes) : [bytes]
  }
  const each = (encode: (value: unknown) => Buffer) => () => {
    const value = values[name]()
    return many ? (value as ReadonlyArray<unknown>).map((one) => encode(plain(one))) : [encode(plain(value))]
  }
  const old = () => {
    const value = values[name]()
    return many ? (value as ReadonlyArray<unknown>).map((one) => dumps(one, 2)) : [dumps(value, 2)]
  }
  return {
    work,
    count: 1,
    show: "ms",
    ours: ours(open, options.read),
    peers: [
      cpython(bare, () => ({ path: pickled(name), many })),
      reader("pickleparser", open, (bytes) => new Parser().parse(bytes)),
      reader("jpickle", old, (bytes) => jpickle.loads(bytes.toString("binary"))),
      reader(
        "JSON.parse",
        each((value) => Buffer.from(JSON.stringify(value))),
        (bytes) => JSON.parse(bytes.toString("utf8"))
      ),
      reader("v8.deserialize", each(serialize), (bytes) => deserialize(bytes)),
      ...(options.peers ?? [])
    ],
    target: { peer: target },
    runs: 5
  }
}

/** Made only by Python, when `--peers` allows one. */
const made = (kind: "array" | "frame", requirements: Requirements, work: string, target = 1): Row => {
  const path = join(place, `${kind}-${requirements.name}.pkl`)
  let bytes: Buffer = Buffer.alloc(0)
  return {
    work,
    count: 1,
    show: "ms",
    ours: {
      name: "ours",
      open: async () => {
        mkdirSync(place, { recursive: true })
        const peer = pythonPeer(await venv(requirements), script)
        if (!existsSync(path)) await peer.run({ make: kind, path })
        peer.close()
        bytes = readFileSync(path)
        for (let i = 0; i < warmUp; i++) loads(bytes)
      },
      run: () =>
        processorTime(() => {
          loads(bytes)
        })
    },
    peers: [cpython(requirements, () => ({ path }))],
    target: { peer: target },
    runs: 5
  }
}

const memory = (reader: string, file: () => string): Contender => ({
  name: reader,
  run: () => {
    const args = [
      "--conditions=@effect-prefect/source",
      join(import.meta.dirname, "pickle", "memory.ts"),
      reader,
      file()
    ]
    return { measured: Number(execFileSync(process.execPath, args, { encoding: "utf8" })) }
  }
})

const nestedAs = (name: string, encode: (value: unknown) => Uint8Array | string) => () => {
  const path = join(place, name)
  if (!existsSync(path)) writeFileSync(path, encode(plain(values.nested())))
  return path
}

export const rows: ReadonlyArray<Row> = [
  row("integers", "pickle: 1 000 000 ints", 0.8),
  row("floats", "pickle: 1 000 000 floats", 0.8),
  row("records", "pickle: 100 000 records of 6 fields", 1),
  row("strings", "pickle: 100 000 strings", 0.8),
  row("stringsToFloats", "pickle: dict of 100 000 str to float, as an object", 0.3),
  row("stringsToFloats", "pickle: dict of 100 000 str to float, as a Map", 1, { read: { dicts: "map" } }),
  row("nested", "pickle: a nested document of 12 MB", 1),
  row("nestedRandomKeys", "pickle: the same with random keys, as objects", 1, {
    peers: [objectsAlone("nestedRandomKeys")]
  }),
  row("nestedRandomKeys", "pickle: the same with random keys, as Maps", 1, { read: { dicts: "map" } }),
  row("small", "pickle: 10 000 small pickles", 1.1),
  ...(process.argv.includes("--peers")
    ? [
      made("array", withPandas3, "pickle: a float64 array of 40 MB"),
      made("frame", withPandas1, "pickle: a DataFrame of 100 000 × 6, pandas 1.3", 1.1),
      made("frame", withPandas3, "pickle: a DataFrame of 100 000 × 6, pandas 3")
    ]
    : []),
  {
    work: "pickle: peak memory of the nested document",
    count: 1,
    show: "MB",
    ours: memory("ours", () => pickled("nested")),
    peers: [
      memory("pickleparser", () => pickled("nested")),
      memory("JSON.parse", nestedAs("nested.json", JSON.stringify)),
      memory("v8.deserialize", nestedAs("nested.v8", serialize))
    ],
    target: { peer: 1 },
    runs: 3
  }
]
