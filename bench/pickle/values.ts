/** The values that the pickle benchmarks read, the same in every run, and a writer that pickles them as CPython does. */

/** A float that is pickled as a float even if it is a whole number. */
export class Float {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

const random = (seed: number) => {
  let state = seed >>> 0
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const integers = () => {
  const next = random(1)
  return Array.from(
    { length: 1_000_000 },
    (_, i) => i % 2 === 0 ? Math.floor(next() * 70_000) : Math.floor((next() - 0.5) * 2e6)
  )
}

const floats = () => {
  const next = random(2)
  return Array.from({ length: 1_000_000 }, () => new Float(next() * 1_000))
}

const records = () => {
  const next = random(3)
  return Array.from({ length: 100_000 }, (_, i) => ({
    id: i,
    name: `user${i}`,
    email: `user${i}@example.com`,
    score: new Float(next() * 100),
    active: i % 3 === 0,
    note: null
  }))
}

const strings = () => Array.from({ length: 100_000 }, (_, i) => `string number ${i} of the list ${(i * 7_919) % 1_000}`)

const stringsToFloats = () => {
  const next = random(4)
  return Object.fromEntries(
    Array.from({ length: 100_000 }, (_, i) => [`key_${Math.floor(next() * 1e9)}_${i}`, new Float(next())])
  )
}

/** A document like a web service's: users with addresses, tags and friends. */
const nested = (count: number, randomKeys: boolean) => {
  const next = random(5)
  const key = (name: string) =>
    randomKeys ? `${name[0]}${Math.floor(next() * 2 ** 32).toString(16).padStart(8, "0")}` : name
  const object = (entries: ReadonlyArray<readonly [string, unknown]>) =>
    Object.fromEntries(entries.map(([name, value]) => [key(name), value]))
  return object([[
    "users",
    Array.from({ length: count }, (_, i) =>
      object([
        ["id", i],
        ["name", `name ${i}`],
        [
          "address",
          object([
            ["street", `${i} Main street`],
            ["city", ["Paris", "Oslo", "Tokyo"][i % 3]],
            ["geo", object([["lat", new Float(next() * 90)], ["lng", new Float(next() * 180)]])]
          ])
        ],
        ["tags", ["a", "bb", "ccc", "dddd"]],
        ["friends", [0, 1, 2].map((j) => object([["id", j], ["name", `friend ${j}`]]))],
        ["ok", i % 2 === 0],
        ["none", null],
        ["bio", `${"lorem ipsum dolor sit amet ".repeat(3)}${i}`]
      ]))
  ]])
}

const small = () =>
  Array.from(
    { length: 10_000 },
    (_, i) => ({ id: i, name: `n${i}`, ok: true, values: [1, 2, 3, i], f: new Float(i / 3) })
  )

export const values = {
  integers,
  floats,
  records,
  strings,
  stringsToFloats,
  nested: () => nested(46_000, false),
  nestedRandomKeys: () => nested(28_000, true),
  small
} as const

/** The same value in plain JavaScript, for JSON and v8. */
export const plain = (value: unknown): unknown => {
  if (value instanceof Float) return value.value
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}

/** Pickles a value in protocol 5, or 2 without frames: strings memoized, batches of 1 000, frames of 64 KiB, as CPython. */
export const dumps = (value: unknown, protocol: 2 | 5 = 5): Buffer => {
  const parts: Array<Buffer> = [Buffer.of(0x80, protocol)]
  let frame = Buffer.alloc(1 << 17)
  let size = 0
  let memoized = 0
  const memo = new Map<string, number>()

  const room = (length: number) => {
    if (size + length > frame.length) frame = Buffer.concat([frame], Math.max(frame.length * 2, size + length))
  }
  const commit = () => {
    if (protocol === 5 && size >= 4) {
      const head = Buffer.alloc(9)
      head[0] = 0x95
      head.writeBigUInt64LE(BigInt(size), 1)
      parts.push(head)
    }
    parts.push(Buffer.from(frame.subarray(0, size)))
    size = 0
  }
  const op = (...bytes: ReadonlyArray<number>) => {
    room(bytes.length)
    for (const byte of bytes) frame[size++] = byte
  }
  const index32 = (opcode: number, index: number) =>
    op(opcode, index & 255, (index >> 8) & 255, (index >> 16) & 255, index >>> 24)
  const memoize = (): number => {
    if (protocol === 5) op(0x94)
    else if (memoized < 256) op(0x71, memoized)
    else index32(0x72, memoized)
    return memoized++
  }
  const text = (string: string) => {
    const known = memo.get(string)
    if (known !== undefined) return known < 256 ? op(0x68, known) : index32(0x6a, known)
    const bytes = Buffer.from(string)
    if (protocol === 5 && bytes.length < 256) op(0x8c, bytes.length)
    else index32(0x58, bytes.length)
    room(bytes.length)
    bytes.copy(frame, size)
    size += bytes.length
    memo.set(string, memoize())
  }
  const float = (number: number) => {
    room(9)
    frame[size] = 0x47
    frame.writeDoubleBE(number, size + 1)
    size += 9
  }
  const batches = (count: number, one: number, many: number, item: (i: number) => void) => {
    for (let from = 0; from < count; from += 1_000) {
      const to = Math.min(count, from + 1_000)
      if (to - from > 1) op(0x28)
      for (let i = from; i < to; i++) item(i)
      op(to - from > 1 ? many : one)
    }
  }
  const save = (one: unknown): void => {
    if (protocol === 5 && size >= 65_536) commit()
    if (one === null || one === undefined) op(0x4e)
    else if (one === true) op(0x88)
    else if (one === false) op(0x89)
    else if (one instanceof Float) float(one.value)
    else if (typeof one === "number") {
      if (one >= 0 && one < 256) op(0x4b, one)
      else if (one >= 0 && one < 65_536) op(0x4d, one & 255, one >> 8)
      else index32(0x4a, one)
    } else if (typeof one === "string") text(one)
    else if (Array.isArray(one)) {
      op(0x5d)
      memoize()
      batches(one.length, 0x61, 0x65, (i) => save(one[i]))
    } else {
      const entries = Object.entries(one)
      op(0x7d)
      memoize()
      batches(entries.length, 0x73, 0x75, (i) => {
        save(entries[i]![0])
        save(entries[i]![1])
      })
    }
  }
  save(value)
  op(0x2e)
  commit()
  return Buffer.concat(parts)
}
