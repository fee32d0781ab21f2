import { assert, describe, it, vi } from "@effect/vitest"
import builtin, * as zlib from "node:zlib"
import { toEnd } from "../src/internal/steps.ts"
import { isZip, openZip } from "../src/internal/zip.ts"

interface File {
  readonly name: string
  readonly content: string
  readonly method?: number
  /** Whether its sizes and its place are in the fields of 64 bits. */
  readonly is64?: boolean
  readonly size?: number
  readonly checksum?: number
}

const none = 0xffffffff
const u16 = (value: number) => {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
const u64 = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

interface Options {
  readonly comment?: string
  /** Whether the end is written in its form of 64 bits too, with these numbers in the short one. */
  readonly end64?: { readonly count: number; readonly at?: number }
  readonly count?: number
}

const zip = (files: ReadonlyArray<File>, { comment = "", count = files.length, end64 }: Options = {}) => {
  const parts: Array<Buffer> = []
  const directory: Array<Buffer> = []
  let at = 0
  for (const { checksum, content, is64 = false, method = 0, name, size } of files) {
    const plain = Buffer.from(content)
    const stored = method === 8 ? zlib.deflateRawSync(plain) : plain
    const length = size ?? plain.length
    // An extra field of somebody else's comes first.
    const extra = is64
      ? Buffer.concat([u16(9), u16(2), u16(7), u16(1), u16(24), u64(length), u64(stored.length), u64(at)])
      : Buffer.alloc(0)
    const local = Buffer.concat([
      Buffer.from("PK\x03\x04"),
      Buffer.alloc(22),
      u16(name.length),
      u16(3),
      Buffer.from(name),
      Buffer.from("ext"),
      stored
    ])
    directory.push(
      Buffer.from("PK\x01\x02"),
      Buffer.alloc(6),
      u16(method),
      Buffer.alloc(4),
      u32(checksum ?? zlib.crc32(plain)),
      u32(is64 ? none : stored.length),
      u32(is64 ? none : length),
      u16(name.length),
      u16(extra.length),
      u16(2),
      Buffer.alloc(8),
      u32(is64 ? none : at),
      Buffer.from(name),
      extra,
      Buffer.from("hi")
    )
    parts.push(local)
    at += local.length
  }
  const listing = Buffer.concat(directory)
  const long = end64 === undefined ? Buffer.alloc(0) : Buffer.concat([
    Buffer.from("PK\x06\x06"),
    Buffer.alloc(28),
    u64(count),
    Buffer.alloc(8),
    u64(at),
    Buffer.from("PK\x06\x07"),
    Buffer.alloc(4),
    u64(at + listing.length),
    Buffer.alloc(4)
  ])
  return Buffer.concat([
    ...parts,
    listing,
    long,
    Buffer.from("PK\x05\x06"),
    Buffer.alloc(6),
    u16(end64?.count ?? count),
    u32(listing.length),
    u32(end64?.at ?? at),
    u16(comment.length),
    Buffer.from(comment)
  ])
}

const read = (bytes: Uint8Array, maxBytes = 1000) => {
  const { names, read } = toEnd(openZip(bytes, maxBytes))
  return Object.fromEntries(names.map((name) => [name, Buffer.from(toEnd(read(name))!).toString()]))
}
const files: ReadonlyArray<File> = [
  { name: "first", content: "stored" },
  { name: "second", content: "deflated ".repeat(20), method: 8 },
  { name: "third", content: "in fields of 64 bits", is64: true },
  { name: "empty", content: "", method: 8 }
]
const expected = Object.fromEntries(files.map(({ content, name }) => [name, content]))
const damaged = (body: () => unknown) => assert.throws(body, "the ZIP archive is damaged")

describe("a ZIP archive", () => {
  it("is told by its first bytes", () => {
    const bytes = zip(files)
    assert.isTrue(isZip(bytes))
    assert.isTrue(isZip(bytes.subarray(0, 22)))
    assert.isFalse(isZip(bytes.subarray(0, 21)))
    for (const at of [0, 1, 2, 3]) {
      const other = Uint8Array.from(bytes)
      other[at] = 0xff
      assert.isFalse(isZip(other), String(at))
    }
  })

  it("gives its files, stored or deflated, with sizes of 32 or 64 bits", () => {
    assert.deepStrictEqual(read(zip(files)), expected)
    const { names, read: one } = toEnd(openZip(zip(files), 1000))
    assert.deepStrictEqual(names, files.map(({ name }) => name))
    assert.isUndefined(toEnd(one("fourth")))
    // A view of a part of a larger buffer.
    const within = Buffer.concat([Buffer.from("before"), zip(files)]).subarray(6)
    assert.deepStrictEqual(read(within), expected)
  })

  it("may end in a comment of up to 65 535 bytes", () => {
    for (const length of [1, 21, 22, 0xffff]) {
      assert.deepStrictEqual(read(zip(files, { comment: "c".repeat(length) })), expected)
    }
    damaged(() => toEnd(openZip(Buffer.concat([zip(files, { comment: "c".repeat(0xffff) }), Buffer.alloc(1)]), 1000)))
    damaged(() => toEnd(openZip(Buffer.alloc(22), 1000)))
    damaged(() => toEnd(openZip(Buffer.alloc(10), 1000)))
    assert.deepStrictEqual(read(zip([])), {})
  })

  it("has its directory where the end of 64 bits says, when the short one cannot", () => {
    assert.deepStrictEqual(read(zip(files, { end64: { count: 0xffff, at: 0 } })), expected)
    assert.deepStrictEqual(read(zip(files, { end64: { count: 1, at: none } })), expected)
    damaged(() => toEnd(openZip(zip(files, { count: 0xffff }), 1000)))
    // Where it can, the short one counts.
    assert.deepStrictEqual(read(zip([files[0]!], { end64: { count: 1 }, count: 9 })), { first: "stored" })
  })

  it("has its directory read in steps", () => {
    const bytes = zip(Array.from({ length: 5_000 }, (_, at) => ({ name: `file ${at}`, content: "" })))
    const steps = openZip(bytes, 1000)
    let count = 0
    let step = steps.next()
    for (; step.done !== true; step = steps.next()) count++
    assert.lengthOf(step.value.names, 5_000)
    assert.strictEqual(count, 4)
  })

  it("has as many entries as it says, and a million at most", () => {
    damaged(() => toEnd(openZip(zip(files, { count: files.length + 1 }), 1000)))
    damaged(() => toEnd(openZip(zip(files, { count: 1_000_001, end64: { count: 0xffff, at: none } }), 1000)))
    assert.deepStrictEqual(Object.keys(read(zip(files, { count: 1 }))), ["first"])
    // What it says is looked at before its entries are, which are read in steps.
    const many = Array.from({ length: 2_000 }, (_, at) => ({ name: `file ${at}`, content: "" }))
    const opened = (count: number) => openZip(zip(many, { count, end64: { count: 0xffff, at: none } }), 1000).next()
    assert.isFalse(opened(1_000_000).done)
    damaged(() => opened(1_000_001))
  })

  it("has the signatures of its entries, and of the end of 64 bits", () => {
    const bytes = zip(files, { end64: { count: 0xffff, at: none } })
    assert.deepStrictEqual(read(bytes), expected)
    for (const at of [bytes.lastIndexOf("PK\x01\x02"), bytes.indexOf("PK\x06\x06")]) {
      const other = Uint8Array.from(bytes)
      other[at] = 0
      damaged(() => toEnd(openZip(other, 1000)))
    }
  })

  it("has in fields of 64 bits only what does not fit", () => {
    const [whole] = [zip([{ name: "a", content: "content", is64: true }])]
    const at = whole.indexOf("PK\x01\x02")
    assert.deepStrictEqual(read(whole), { a: "content" })
    const numbers = { size: [24, 7], stored: [20, 7], offset: [42, 0] } as const
    for (const kept of ["size", "stored", "offset"] as const) {
      const bytes = Buffer.from(whole)
      for (const [name, [place, value]] of Object.entries(numbers)) {
        if (name !== kept) bytes.writeUInt32LE(value, at + place)
      }
      // The one that does not fit comes first.
      bytes.writeBigUInt64LE(BigInt(numbers[kept][1]), at + 46 + 1 + 6 + 4)
      bytes.fill(0xee, at + 46 + 1 + 6 + 4 + 8, at + 46 + 1 + 6 + 4 + 24)
      assert.deepStrictEqual(read(bytes), { a: "content" }, kept)
    }
  })

  it("has large files decompressed in another thread, and checked in steps", async () => {
    const mebibyte = 1 << 20
    for (
      const [length, method, expectedSteps] of [
        [mebibyte, 8, ["number"]],
        [mebibyte + 1, 8, ["number", "promise", "turn"]],
        [2 * mebibyte, 0, ["turn"]],
        [2 * mebibyte + 1, 0, ["turn", "turn"]],
        [0, 0, []]
      ] as const
    ) {
      const content = "x".repeat(length)
      const steps = toEnd(openZip(zip([{ name: "a", content, method }]), length)).read("a")
      const seen: Array<string> = []
      let step = steps.next()
      while (step.done !== true) {
        const { value } = step
        seen.push(typeof value === "number" ? "number" : value === undefined ? "turn" : "promise")
        if (typeof value === "number") assert.strictEqual(value, length)
        step = steps.next(await value)
      }
      assert.isTrue(Buffer.from(step.value!).equals(Buffer.from(content)))
      assert.deepStrictEqual(seen, [...expectedSteps])
    }
    // What zlib refuses in its thread.
    const bytes = zip([{ name: "a", content: "x".repeat(2 * mebibyte), method: 8 }])
    bytes.fill(0xff, 40, 50)
    const steps = toEnd(openZip(bytes, 2 * mebibyte)).read("a")
    steps.next()
    const error = await (steps.next().value as Promise<unknown>).catch((error: unknown) => error)
    assert.instanceOf(error, Error)
    damaged(() => steps.throw(error))
  })

  it("has all its files within the limit together, and says how much those are that it decompresses", () => {
    const { read: one } = toEnd(openZip(zip(files), 206))
    assert.deepStrictEqual(toEnd(one("first"))!.length, 6)
    assert.strictEqual(one("second").next().value, 186)
    assert.deepStrictEqual(toEnd(one("third"))!.length, 20)
    assert.throws(() => toEnd(one("first")))
  })

  it("is not believed what it says of a file", () => {
    const [first, second] = files
    damaged(() => read(zip([{ ...first!, size: 5 }])))
    damaged(() => read(zip([{ ...first!, size: 7 }])))
    damaged(() => read(zip([{ ...second!, size: 5 }])))
    damaged(() => read(zip([{ ...second!, size: 999 }])))
    damaged(() => read(zip([{ ...first!, checksum: 1 }])))
    damaged(() => read(zip([{ ...second!, checksum: 1 }])))
    assert.throws(() => read(zip([{ ...first!, method: 12 }])), "a compression that is not read")
    // What is no deflated data, of the size and with the checksum that it says.
    const raw = zip([first!])
    raw.writeUInt16LE(8, raw.indexOf("PK\x01\x02") + 10)
    damaged(() => read(raw))
    const garbled = zip([{ ...second!, name: "x" }])
    garbled.fill(0xff, 34, 40)
    damaged(() => read(garbled))
  })

  it("gives a file of exactly the limit, and none that is larger", () => {
    assert.deepStrictEqual(read(zip([files[0]!]), 6), { first: "stored" })
    assert.throws(() => read(zip([files[0]!]), 5))
    assert.throws(() => read(zip([files[1]!]), 179))
    assert.deepStrictEqual(read(zip([files[1]!]), 180), { second: files[1]!.content })
  })

  it("that is cut off anywhere is damaged", () => {
    const bytes = zip(files)
    assert.deepStrictEqual(read(bytes), expected)
    for (let length = 0; length < bytes.length; length++) damaged(() => read(bytes.subarray(0, length)))
  })

  it("has its files inside of itself", () => {
    const bytes = zip([files[0]!])
    assert.deepStrictEqual(read(bytes), { first: "stored" })
    const directory = bytes.indexOf("PK\x01\x02")
    for (const offset of [bytes.length - 29, bytes.length - 30, bytes.length, 0x7fffffff]) {
      const moved = Buffer.from(bytes)
      moved.writeUInt32LE(offset, directory + 42)
      damaged(() => read(moved))
    }
    const long = Buffer.from(bytes)
    long.writeUInt32LE(bytes.length - 30 - 5 - 3 + 1, directory + 20)
    long.writeUInt32LE(bytes.length - 30 - 5 - 3 + 1, directory + 24)
    damaged(() => read(long))
    const deflated = zip([files[1]!])
    deflated.writeUInt32LE(deflated.length, deflated.indexOf("PK\x01\x02") + 20)
    damaged(() => read(deflated))
  })

  it("has no more decompressed of it than it says", () => {
    const spy = vi.spyOn(builtin, "inflateRawSync")
    read(zip([files[1]!, files[3]!]))
    const asked = spy.mock.calls.map(([, options]) => options)
    spy.mockRestore()
    assert.deepStrictEqual(asked, [{ maxOutputLength: 180 }, { maxOutputLength: 1 }])
  })
})
