/** A small writer of pickles, for tests: every value in any of the ways that the protocols allow, as dice say. */

/** mulberry32: a small generator of random numbers that a seed fixes. */
export const random = (seed: number) => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (n: number): number => Math.floor(next() * n)
  return { next, below, pick: <A>(from: ReadonlyArray<A>): A => from[below(from.length)]! }
}

export type Random = ReturnType<typeof random>

/** What the writer writes: each value with the Python type that it has there. */
export type Model =
  | { readonly t: "none" }
  | { readonly t: "bool"; readonly v: boolean }
  | { readonly t: "int"; readonly v: bigint }
  | { readonly t: "float"; readonly v: number }
  | { readonly t: "str"; readonly v: string }
  | { readonly t: "bytes"; readonly v: ReadonlyArray<number> }
  | { readonly t: "list" | "tuple"; readonly v: ReadonlyArray<Model> }
  | { readonly t: "dict"; readonly v: ReadonlyArray<readonly [Model, Model]> }
  /** A value that was written before, by its place among the containers. */
  | { readonly t: "again"; readonly at: number }

const alphabets = [
  "abc",
  "\u00e9\u00ff",
  "\u65e5\u672c",
  "\ud83d\ude00x",
  "\n\r\\'\"\0",
  "0123456789",
  "\ufeff\ufffd",
  "\ud800\udfff"
]

export const anyText = (rng: Random): string => {
  const letters = [...rng.pick(alphabets)]
  return Array.from({ length: rng.pick([0, 1, 2, 5, 8, 9, 13, 60, 199, 201, 260]) }, () => rng.pick(letters)).join("")
}

const anyInteger = (rng: Random): bigint => {
  const size = BigInt(rng.pick([0, 7, 8, 15, 16, 31, 32, 47, 48, 52, 53, 54, 63, 64, 200, 2_100]))
  const value = rng.below(3) === 0 ? 0n : BigInt(rng.below(1 << 30))
  return (rng.below(2) === 0 ? 1n : -1n) * ((1n << size) + value - BigInt(rng.below(2)))
}

const anyFloat = (rng: Random): number =>
  rng.pick([
    0,
    -0,
    1,
    -1.5,
    Infinity,
    -Infinity,
    NaN,
    5e-324,
    1.7976931348623157e308,
    2 ** 53,
    rng.next() * 1e10,
    rng.next()
  ])

/** A model of a value; `containers` counts the lists and dicts made, any of which may come again. */
export const anyModel = (rng: Random, depth: number, containers: { count: number }): Model => {
  const kind = depth === 0 ? rng.below(7) : rng.below(13)
  switch (kind) {
    case 0:
      return rng.pick<Model>([{ t: "none" }, { t: "bool", v: true }, { t: "bool", v: false }])
    case 1:
    case 2:
      return { t: "int", v: rng.below(2) === 0 ? BigInt(rng.below(70_000)) : anyInteger(rng) }
    case 3:
      return { t: "float", v: anyFloat(rng) }
    case 4:
    case 5:
      return { t: "str", v: anyText(rng) }
    case 6:
      return { t: "bytes", v: Array.from({ length: rng.pick([0, 1, 20, 255, 256, 300]) }, () => rng.below(256)) }
    case 7:
      return containers.count === 0 ? { t: "none" } : { t: "again", at: rng.below(containers.count) }
    case 8:
    case 9:
      return { t: "tuple", v: Array.from({ length: rng.below(6) }, () => anyModel(rng, depth - 1, containers)) }
    case 10: {
      const size = rng.pick([0, 1, 3, 8, 1_100])
      containers.count++
      return size > 8
        ? { t: "list", v: Array.from({ length: size }, () => anyModel(rng, 0, containers)) }
        : { t: "list", v: Array.from({ length: size }, () => anyModel(rng, depth - 1, containers)) }
    }
    default: {
      containers.count++
      const entries = new Map<string, readonly [Model, Model]>()
      for (let i = rng.below(9); i > 0; i--) {
        const key: Model = rng.below(4) === 0 ? { t: "int", v: BigInt(rng.below(20)) } : { t: "str", v: anyText(rng) }
        const id = `${key.t}${key.v}`
        if (!entries.has(id)) entries.set(id, [key, anyModel(rng, depth - 1, containers)])
      }
      return { t: "dict", v: [...entries.values()] }
    }
  }
}

const utf8 = (text: string): Array<number> => {
  const out: Array<number> = []
  for (const character of text) {
    const code = character.codePointAt(0)!
    if (code < 0x80) out.push(code)
    else if (code < 0x800) out.push(0xc0 | (code >> 6), 0x80 | (code & 63))
    else if (code < 0x10000) out.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
    else out.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
  }
  return out
}

const little = (value: bigint, size: number): Array<number> =>
  Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 255n))

const ascii = (text: string): Array<number> => Array.from(text, (character) => character.charCodeAt(0))

/** Writes a model; `protocol` limits the instructions to those it has. */
export const write = (rng: Random, protocol: number, model: Model): Uint8Array => {
  const out: Array<number> = protocol >= 2 ? [0x80, protocol] : []
  let memo = 0
  /** The memo index of every container, in the order in which they begin. */
  const places: Array<number> = []

  const put = (): number => {
    const index = memo++
    if (protocol >= 4 && rng.below(2) === 0) out.push(0x94)
    else if (protocol === 0) out.push(0x70, ...ascii(`${index}\n`))
    else if (index < 256 && rng.below(4) > 0) out.push(0x71, index)
    else out.push(0x72, ...little(BigInt(index), 4))
    return index
  }
  const get = (index: number): void => {
    if (protocol === 0) out.push(0x67, ...ascii(`${index}\n`))
    else if (index < 256 && rng.below(4) > 0) out.push(0x68, index)
    else out.push(0x6a, ...little(BigInt(index), 4))
  }
  const integer = (value: bigint): void => {
    if (protocol === 0) {
      out.push(
        ...ascii(
          rng.below(2) === 0 && BigInt.asIntN(63, value) === value && value !== 0n && value !== 1n
            ? `I${value}\n`
            : `L${value}L\n`
        )
      )
      return
    }
    if (value >= 0n && value < 256n && rng.below(3) > 0) out.push(0x4b, Number(value))
    else if (value >= 0n && value < 65_536n && rng.below(3) > 0) out.push(0x4d, ...little(value, 2))
    else if (BigInt.asIntN(32, value) === value && rng.below(3) > 0) out.push(0x4a, ...little(value, 4))
    else if (protocol < 2) out.push(...ascii(`L${value}L\n`))
    else {
      let size = 0
      while (BigInt.asIntN(8 * size, value) !== value) size++
      if (size < 256) out.push(0x8a, size, ...little(value, size))
      else out.push(0x8b, ...little(BigInt(size), 4), ...little(value, size))
    }
  }
  const float = (value: number): void => {
    if (protocol === 0) {
      const text = Number.isNaN(value) ? "nan" : Object.is(value, -0) ? "-0.0" : `${value}`.replace("Infinity", "inf")
      out.push(...ascii(`F${text}\n`))
      return
    }
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setFloat64(0, value)
    out.push(0x47, ...bytes)
  }
  const text = (value: string): void => {
    if (protocol === 0) {
      out.push(0x56)
      for (const character of value) {
        const code = character.codePointAt(0)!
        if (code > 0xffff) out.push(...ascii(`\\U${code.toString(16).padStart(8, "0")}`))
        else if (code > 255 || code === 10 || code === 13 || code === 0 || code === 0x5c || code === 0x1a) {
          out.push(...ascii(`\\u${code.toString(16).padStart(4, "0")}`))
        } else out.push(code)
      }
      out.push(10)
    } else {
      const bytes = utf8(value)
      if (protocol >= 4 && bytes.length < 256 && rng.below(4) > 0) out.push(0x8c, bytes.length)
      else if (protocol >= 4 && rng.below(6) === 0) out.push(0x8d, ...little(BigInt(bytes.length), 8))
      else out.push(0x58, ...little(BigInt(bytes.length), 4))
      for (const byte of bytes) out.push(byte)
    }
    if (rng.below(2) === 0) put()
  }
  const bytes = (value: ReadonlyArray<number>): void => {
    if (protocol < 3) {
      // As Python does: the text of the bytes, encoded once more.
      out.push(...ascii("c_codecs\nencode\n("))
      text(String.fromCharCode(...value))
      text("latin1")
      out.push(0x74, 0x52)
    } else {
      if (value.length < 256) out.push(0x43, value.length)
      else if (protocol >= 4 && rng.below(2) === 0) out.push(0x8e, ...little(BigInt(value.length), 8))
      else out.push(0x42, ...little(BigInt(value.length), 4))
      out.push(...value)
    }
  }
  const container = (opcode: number, old: ReadonlyArray<number>): void => {
    if (protocol === 0) out.push(...old)
    else out.push(opcode)
    places.push(put())
  }
  const items = (values: ReadonlyArray<() => void>, one: number, many: number): void => {
    let at = 0
    while (at < values.length) {
      const size = protocol === 0 ? 1 : rng.pick([1, 2, 1_000])
      const batch = values.slice(at, at + size)
      if (batch.length === 1 && (protocol === 0 || rng.below(2) === 0)) {
        batch[0]!()
        out.push(one)
      } else {
        out.push(0x28)
        for (const each of batch) each()
        out.push(many)
      }
      at += size
    }
  }
  const value = (one: Model): void => {
    switch (one.t) {
      case "none":
        return void out.push(0x4e)
      case "bool":
        return void out.push(...(protocol >= 2 ? [one.v ? 0x88 : 0x89] : ascii(one.v ? "I01\n" : "I00\n")))
      case "int":
        return integer(one.v)
      case "float":
        return float(one.v)
      case "str":
        return text(one.v)
      case "bytes":
        return bytes(one.v)
      case "again":
        return get(places[one.at]!)
      case "tuple": {
        const size = one.v.length
        if (protocol >= 2 && size > 0 && size <= 3 && rng.below(4) > 0) {
          for (const item of one.v) value(item)
          out.push(0x84 + size)
        } else if (size === 0 && protocol > 0) out.push(0x29)
        else {
          out.push(0x28)
          for (const item of one.v) value(item)
          out.push(0x74)
        }
        if (rng.below(3) === 0) put()
        return
      }
      case "list":
        container(0x5d, [0x28, 0x6c])
        return items(one.v.map((item) => () => value(item)), 0x61, 0x65)
      case "dict":
        container(0x7d, [0x28, 0x64])
        return items(
          one.v.map(([key, item]) => () => {
            value(key)
            value(item)
          }),
          0x73,
          0x75
        )
    }
  }
  value(model)
  out.push(0x2e)
  return Uint8Array.from(out)
}
