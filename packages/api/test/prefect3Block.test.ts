import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import { fromJson } from "../src/internal/prefect3/block.ts"

const shownAs = (value: unknown): unknown => {
  if (Redacted.isRedacted(value)) return "hidden"
  if (Array.isArray(value)) return value.map(shownAs)
  return typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shownAs(item)]))
    : value
}
const block = (data: object, secrets: ReadonlyArray<unknown>) =>
  fromJson({ id: "b", block_type: { slug: "x" }, block_schema: { fields: { secret_fields: secrets } }, data })

describe("the secret fields of a block", () => {
  it("are hidden with all that is below them, through names and wildcards", () => {
    const secrets = ["a.b", "headers.*", "list.*.pin", "*.deep.x", 1]
    const data = {
      a: { b: { c: 1, d: [2] }, e: 3 },
      b: 4,
      headers: { one: "x", two: { three: "y" } },
      list: [{ pin: 5, name: "z" }, { "*": 6 }],
      any: { deep: { x: 7, y: 8 } }
    }
    assert.deepStrictEqual(shownAs(block(data, secrets)?.data), {
      a: { b: { c: "hidden", d: ["hidden"] }, e: 3 },
      b: 4,
      headers: { one: "hidden", two: { three: "hidden" } },
      list: [{ pin: "hidden", name: "z" }, { "*": 6 }],
      any: { deep: { x: "hidden", y: 8 } }
    })
  })

  it("are all fields, where more are named than any block has", () => {
    const names = Array.from({ length: 1001 }, (_, index) => `*.f${index}`)
    assert.deepStrictEqual(shownAs(block({ a: { b: 1 }, c: ["d"] }, names)?.data), {
      a: { b: "hidden" },
      c: ["hidden"]
    })
    assert.deepStrictEqual(shownAs(block({ a: { b: 1 } }, names.slice(1))?.data), { a: { b: 1 } })
  })

  it("are shown where they say nothing: none, yes and no, and what the server hid itself", () => {
    const data = { none: null, isOn: true, hidden: "********", password: "x", port: 5 }
    assert.deepStrictEqual(shownAs(block(data, Object.keys(data))?.data), {
      none: null,
      isOn: true,
      hidden: "********",
      password: "hidden",
      port: "hidden"
    })
    assert.isUndefined(fromJson({ id: "b", block_type: { slug: 1 }, data: {} }))
  })

  it("are soon found, however many there are", () => {
    const names = Array.from({ length: 10_000 }, (_, index) => `f${index}`)
    const data = block(Object.fromEntries(names.map((name) => [name, 1])), names.map((name) => `${name}.x`))?.data
    assert.deepStrictEqual(Object.keys(data ?? {}), names)
  })
})
