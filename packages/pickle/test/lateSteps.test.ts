/** What a pickle needs of many values or characters at its end, or at a late key, is done in short steps. */
import { loads, loadsSteps, PyDict, Tuple } from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import { mostListedKeys } from "./listedKeys.ts"

const bytesOf = (pickle: string) => new Uint8Array(Buffer.from(pickle, "latin1"))

/** The value that steps give, with their number. */
const read = (pickle: string, depth = 100_000) => {
  const steps = loadsSteps(bytesOf(pickle), { limits: { depth } })
  for (let count = 0;; count++) {
    const step = steps.next()
    if (step.done === true) return { count, value: step.value }
  }
}

const count = 20_000
const short = (index: number) => `\x8c\x08k${String(index).padStart(7, "0")}K\x01`
const text = (index: number) => `Vk${String(index).padStart(7, "0")}\nI1\n`
const batches = (size: number, end: string, item = short) =>
  Array.from(
    { length: count / size },
    (_, batch) => `(${Array.from({ length: size }, (_, at) => item(batch * size + at)).join("")}${end}`
  ).join("")

describe("a large dict of texts with a late key that is none", () => {
  const rest = `${short(1)}K\x01K\x02${short(count)}`
  for (
    const [name, pickle] of [
      ["in batches", `\x80\x04}${batches(1_000, "u")}(${rest}u.`],
      ["in its last batch", `\x80\x04}${batches(1_000, "u").slice(0, -1)}${rest}u.`],
      ["on the stack", `\x80\x04}${batches(1_000, "u").slice(0, -1)}]0${rest}u.`],
      ["of one instruction", `\x80\x04}(${batches(1, "").replaceAll("(", "")}${rest}d.`],
      [
        "one by one",
        `\x80\x04}${Array.from({ length: count }, (_, at) => `${short(at)}s`).join("")}${short(1)}sK\x01K\x02s${
          short(count)
        }s.`
      ],
      [
        "in the text form",
        `(d${Array.from({ length: count }, (_, at) => `${text(at)}s`).join("")}I1\nI2\ns${text(count)}s.`
      ]
    ] as const
  ) {
    it(`${name}`, () => {
      const source = name === "of one instruction" ? pickle.replace("}", "") : pickle
      const listed = mostListedKeys()
      let value: unknown
      let steps = 0
      try {
        ;({ count: steps, value } = read(source))
      } finally {
        listed.stop()
      }
      assert.instanceOf(value, PyDict)
      assert.isTrue([...value as PyDict].join() === [...loads(bytesOf(source)) as PyDict].join())
      assert.strictEqual((value as PyDict).size, count + 2)
      assert.isAtMost(listed.most(), 8_192)
      assert.isAtLeast(steps, count / 8_192)
    })
  }

  it("is one value wherever it is referred to", () => {
    const { value } = read(`\x80\x04](}\x94${batches(1_000, "u")}h\0K\x01K\x02s](h\0h\0ee.`)
    const [first, second, inner] = value as [PyDict, PyDict, ReadonlyArray<PyDict>]
    assert.isTrue(first === second && inner.every((each) => each === first) && first.size === count + 1)
  })
})

describe("the depth of very many tuples", () => {
  const nested = (levels: number) => `${")"}${"\x85".repeat(levels)}`
  it("is found in steps", () => {
    const { count: steps, value } = read(`\x80\x04(${"K\x01\x85\x85".repeat(30_000)}t.`, 1_000)
    assert.isTrue(value instanceof Tuple && value.length === 30_000)
    assert.isAbove(steps, 90_000 / 8_192)
  })
  it("is refused where it is too deep, and counted once for what is shared", () => {
    assert.throws(() => read(`\x80\x04(${nested(1_100)}${nested(3)}t.`, 1_000), /nested too deep/)
    assert.throws(() => read(`\x80\x04](${nested(600)}\x94h\0${"\x85".repeat(500)}e.`, 1_000), /nested too deep/)
    assert.isArray(read(`\x80\x04](${nested(600)}\x94h\0${"\x85".repeat(300)}h\0e.`, 1_000).value)
  })
})

describe("escapes of long texts in protocol 0", () => {
  const pieces = ["\\u0430", "\\U0001f600", "\\\\u0041", "\\n", "a\xe9", "\\ud83d\\ude00"]
  for (const shift of [0, 1, 3, 6]) {
    it(`are what they are in a short text, ${shift} characters later`, () => {
      const line = "x".repeat(shift) + pieces.join("").repeat(9_000)
      const expected = "x".repeat(shift) + (loads(bytesOf(`V${pieces.join("")}\n.`)) as string).repeat(9_000)
      const { count: steps, value } = read(`V${line}\n.`)
      assert.isTrue(value === expected)
      assert.isAtLeast(steps, 1)
      const quoted = `S'${"x".repeat(shift)}${"\\x41\\101\\\\\\n\\q".repeat(20_000)}'\n.`
      assert.isTrue(read(quoted).value === `${"x".repeat(shift)}${"AA\\\n\\q".repeat(20_000)}`)
    })
  }
  it("fail where they are broken", () => {
    assert.throws(() => read(`V${"\\u0430".repeat(60_000)}\\u04\n.`), /broken \\u escape/)
    assert.throws(() => read(`S'${"\\x41".repeat(80_000)}\\x4'\n.`), /broken \\x escape/)
  })
})

describe("many long integers", () => {
  const digits = 4_000
  for (
    const [name, integer] of [
      ["of LONG4", `\x8b\xd0\x07\0\0${"w".repeat(2_000)}`],
      ["of LONG", `L${"7".repeat(digits)}L\n`],
      ["of INT", `I${"7".repeat(digits)}\n`]
    ] as const
  ) {
    it(`${name} take a step for a few dozen`, () => {
      const many = 1_000
      const { count: steps, value } = read(`\x80\x04](${integer.repeat(many)}e.`)
      assert.strictEqual((value as ReadonlyArray<unknown>).length, many)
      assert.isAtLeast(steps, many / 100)
    })
  }
})

describe("a large dict that is copied into", () => {
  for (const name of ["Counter", "OrderedDict"]) {
    it(`of a ${name}`, () => {
      const items = Array.from(
        { length: 40 },
        (_, batch) => `(${Array.from({ length: 1_000 }, (_, at) => short(batch * 1_000 + at)).join("")}u`
      ).join("")
      const pickle = `\x80\x04ccollections\n${name}\n}${items}\x85R.`
      const listed = mostListedKeys()
      let value: unknown
      let steps = 0
      try {
        ;({ count: steps, value } = read(pickle))
      } finally {
        listed.stop()
      }
      assert.instanceOf(value, PyDict)
      assert.strictEqual((value as PyDict).size, 40_000)
      assert.strictEqual([...(value as PyDict).keys()].at(-1), "k0039999")
      assert.isAtMost(listed.most(), 8_192)
      const before = read(`\x80\x04}${items}.`).count
      assert.isAtLeast(steps - before, 4)
    })
  }
})
