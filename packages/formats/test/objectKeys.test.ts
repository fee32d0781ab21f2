import * as ObjectKeys from "@effect-prefect/core/ObjectKeys"
import { jsonForm, keysOf, knownKeys, loads, loadsSteps, manyKeys, toJson } from "@effect-prefect/pickle"
import { assert, describe, it, vi } from "@effect/vitest"
import { exactJsonSteps } from "../src/internal/json.ts"
import { jsonBytesSteps } from "../src/internal/jsonPieces.ts"
import { rewrite } from "../src/internal/python/rewrite.ts"
import { toEnd } from "../src/internal/steps.ts"
import * as JsonProjection from "../src/JsonProjection.ts"
import * as Tabular from "../src/Tabular.ts"
import * as ValueSize from "../src/ValueSize.ts"

const count = manyKeys + 10

/** Compares the order of keys too, in a tenth of the time of `deepStrictEqual`. */
const isSame = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other)

const key = (index: number) => `key ${String(index).padStart(6, "0")}`
const keys = (from: number, to: number, each: (index: number) => string) =>
  Array.from({ length: to - from }, (_, at) => each(from + at))

const latin1 = (text: string) => new Uint8Array(Buffer.from(text, "latin1"))
const jsonOf = (names: ReadonlyArray<string>) => `{${names.map((name, at) => `"${name}":${at}`).join(",")}}`

const shuffled = keys(0, count, (index) => String(index * 7_919 % count * 31))
const edges = ["4294967294", "4294967295", "01", "-1", "1e3", "", "__proto__", "toString", "10000000000"]

const cases: { readonly [name: string]: ReadonlyArray<string> } = {
  texts: keys(0, count, key),
  "indices in order": keys(0, count, String),
  "indices in any order": shuffled,
  both: keys(0, count, (index) => index % 2 === 0 ? String(count - index) : key(index)),
  "texts after very many indices": [...keys(0, 2 * manyKeys + 10_000, String), ...keys(0, 20, key), "5", "900000"],
  "few texts beside indices": [...edges.slice(2, 8), ...shuffled, "4294967294"],
  "the first and the last of their kind": [...edges, ...keys(0, count, key), "7"],
  "equal ones": [...keys(0, count, key), ...keys(500, 900, key), "__proto__", "__proto__", ...shuffled, "31"]
}

/** What both parsers read. */
const hardest = new Set(["texts after very many indices", "equal ones"])

const parsers: { readonly [name: string]: (text: string) => unknown } = {
  "in pieces": (text) => toEnd(jsonBytesSteps(latin1(text))),
  "without JSON.parse": (text) => toEnd(exactJsonSteps([text]))
}

const pickleOf = (names: ReadonlyArray<string>, isSingle: boolean) => {
  const pairs = names.map((name, at) =>
    `\x8c${String.fromCharCode(name.length)}${name}K${String.fromCharCode(at & 127)}`
  )
  if (isSingle) return latin1(`\x80\x04}${pairs.map((pair) => `${pair}s`).join("")}.`)
  let out = "\x80\x04}"
  for (let at = 0; at < pairs.length; at += 1_000) out += `(${pairs.slice(at, at + 1_000).join("")}u`
  return latin1(`${out}.`)
}

const pickleTexts = [...keys(0, count, key), ...keys(500, 900, key), "__proto__", "toString"]

describe("the keys of a large object", () => {
  for (const [parser, parse] of Object.entries(parsers)) {
    for (const [name, names] of Object.entries(cases)) {
      if (parser !== "in pieces" && !hardest.has(name)) continue
      it(`of JSON ${parser}: ${name}`, () => {
        // In a list beside another value, of more bytes than are read at once.
        const text = `[${jsonOf(names)},"${"x".repeat(0x40000)}"]`
        const { value } = parse(text) as { readonly value: readonly [object, string] }
        const [object] = value
        const [expected] = JSON.parse(text) as [object]
        assert.isTrue(isSame(object, expected))
        const listed = knownKeys(object)
        assert.isTrue(isSame(listed, Object.keys(expected)))
        assert.strictEqual(ObjectKeys.known(object), listed)
        assert.isFalse(Object.isExtensible(object))
      })
    }
  }

  for (const [name, isSingle] of [["in batches", false], ["one by one", true]] as const) {
    it(`of a pickle, ${name}`, () => {
      const bytes = pickleOf(pickleTexts, isSingle)
      const object = toEnd(loadsSteps(bytes)) as object
      const expected = loads(bytes) as object
      assert.isTrue(isSame(object, expected))
      assert.isTrue(isSame(knownKeys(object), Object.keys(expected)))
      assert.isFalse(Object.isExtensible(object))
      assert.isTrue(Object.isExtensible(expected))
    })
  }

  it("is not remembered where what a caller gave may have added others", () => {
    const bytes = pickleOf(pickleTexts, false)
    const object = toEnd(loadsSteps(bytes, { persistentLoad: () => null })) as object
    assert.isUndefined(knownKeys(object))
    assert.isTrue(Object.isExtensible(object))
  })

  it("is not remembered of an object that another was made from", () => {
    const { value } = parsers["in pieces"]!(`[${jsonOf(cases["texts"]!)}]`) as { readonly value: readonly [object] }
    const copy: object = { ...value[0] }
    assert.isUndefined(knownKeys(copy))
    Object.assign(copy, { more: 1 })
    assert.lengthOf(keysOf(copy), count + 1)
    assert.isTrue(Object.isExtensible(structuredClone(value[0])))
  })
})

describe("an object of very many attributes", () => {
  const names = [...keys(0, count, key), "__class__", "__args__"]
  const bytes = latin1(
    `\x80\x04c__main__\nC\nK\x07\x85\x81}(${
      names.map((name, at) => `\x8c${String.fromCharCode(name.length)}${name}K${String.fromCharCode(at & 127)}`).join(
        ""
      )
    }ub.`
  )

  it("is shown as one of few, without a Map of them", () => {
    const set = vi.spyOn(Map.prototype, "set")
    try {
      const value = toEnd(loadsSteps(bytes))
      const shown = Array.from(JsonProjection.toChunks(value)).join("")
      const level = JsonProjection.level(value)
      assert.isBelow(set.mock.calls.length, 1_000)
      set.mockRestore()
      assert.isTrue(shown === Array.from(JsonProjection.toChunks(loads(bytes))).join(""))
      assert.isTrue(isSame(toJson(value), toJson(loads(bytes))))
      if (level._tag !== "Object") return assert.fail(level._tag)
      assert.isTrue(isSame(Object.fromEntries(level.keys.map((name, at) => [name, level.items.at(at)])), toJson(value)))
    } finally {
      set.mockRestore()
    }
  })
})

describe("a large object", () => {
  const decoded = () => {
    const text = `[${jsonOf(cases["both"]!)},"${"x".repeat(0x40000)}"]`
    const { value } = parsers["in pieces"]!(text) as { readonly value: readonly [Record<string, unknown>, string] }
    return { object: value[0], expected: (JSON.parse(text) as [Record<string, unknown>])[0] }
  }

  const uses: { readonly [name: string]: (value: object) => unknown } = {
    "JsonProjection.toChunks": (value) => Array.from(JsonProjection.toChunks(value)),
    "JsonProjection.toLines": (value) => Array.from(JsonProjection.toLines([value])),
    "JsonProjection.level": (value) => JsonProjection.level(value),
    "Tabular.fromValueSync": (value) => Tabular.fromValueSync([value, value]),
    "ValueSize.estimate": (value) => ValueSize.estimate(value),
    jsonForm: (value) => jsonForm(value),
    toJson: (value) => toJson(value),
    rewrite: (value) => toEnd(rewrite(value, (inner) => inner))
  }
  const { object: shared } = decoded()
  for (const [name, use] of Object.entries(uses)) {
    it(`is not listed again by ${name}`, () => {
      const spies = (["keys", "values", "entries"] as const).map((method) => vi.spyOn(Object, method))
      try {
        use(shared)
        for (const spy of spies) assert.isFalse(spy.mock.calls.some(([listed]) => listed === shared))
      } finally {
        for (const spy of spies) spy.mockRestore()
      }
    })
  }

  it("is shown without the keys that were deleted", () => {
    const { expected, object } = decoded()
    for (const name of ["2", key(101), key(count - 1)]) {
      delete object[name]
      delete expected[name]
    }
    object[key(103)] = expected[key(103)] = null
    assert.isTrue(Array.from(JsonProjection.toChunks(object)).join("") === JSON.stringify(expected))
    assert.isTrue(isSame(toJson(object), expected))
  })

  it("has its first level by the positions of its keys", () => {
    const expected = JSON.parse(jsonOf(cases["both"]!)) as object
    const level = JsonProjection.level(shared)
    assert.strictEqual(level._tag, "Object")
    if (level._tag !== "Object") return
    assert.isTrue(isSame(level.keys, Object.keys(expected)))
    assert.strictEqual(level.items.length, count)
    assert.strictEqual(level.items.at(700), Object.values(expected)[700])
    assert.isUndefined(level.items.at(count))
    assert.isTrue(isSame([...level.items], Object.values(expected)))
  })
})
