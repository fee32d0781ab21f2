import { loads, PickleError } from "@effect-prefect/pickle"
import { describe } from "@effect-prefect/pickle/testing"
import { assert, describe as suite, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

const folder = new URL("../../../fixtures/pickle/", import.meta.url)

interface Case {
  readonly file: string
  readonly group: string
  readonly expect: { readonly t?: string; readonly full?: unknown; readonly fail?: string }
  readonly opts?: { readonly encoding: "latin1" | "bytes" }
}

const cases = JSON.parse(readFileSync(new URL("manifest.json", folder), "utf8")) as ReadonlyArray<Case>

/** Ids numbered in the order of the text, sets sorted: what two equal forms may differ in. */
const normalize = (form: unknown, ids: Map<unknown, number> = new Map()): unknown => {
  if (Array.isArray(form)) return form.map((item) => normalize(item, ids))
  if (typeof form !== "object" || form === null) return form
  const out: Record<string, unknown> = {}
  const source = form as Readonly<Record<string, unknown>>
  for (const key of Object.keys(source).sort()) {
    if (key === "opaque") continue
    if (key !== "id" || source["t"] === undefined) out[key] = normalize(source[key], ids)
    else {
      if (!ids.has(source[key])) ids.set(source[key], ids.size + 1)
      out[key] = ids.get(source[key])
    }
  }
  if (out["t"] === "set" || out["t"] === "frozenset") {
    out["v"] = (out["v"] as ReadonlyArray<unknown>).map((item) => JSON.stringify(item)).sort()
  }
  return out
}

suite("the corpus of pickles that real Pythons wrote", () => {
  it("has all its files", () => {
    assert.strictEqual(cases.length, 934)
  })
  for (const group of new Set(cases.map((one) => one.group))) {
    it(`${group}: every value is as CPython loads it`, () => {
      for (const { expect, file, group: of, opts } of cases) {
        if (of !== group) continue
        const bytes = readFileSync(new URL(file, folder))
        const read = () => describe(loads(bytes, { floats: "typed", ...opts }))
        if (expect.fail !== undefined) {
          assert.throws(read, PickleError, /Python 2 string/, file)
          continue
        }
        const wanted = expect.t === "opaque" ? expect.full : expect
        assert.deepStrictEqual(normalize(read()), normalize(wanted), file)
      }
    })
  }
})
