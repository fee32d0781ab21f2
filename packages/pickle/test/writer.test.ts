import { floatText, loads, type LoadsOptions } from "@effect-prefect/pickle"
import { describe } from "@effect-prefect/pickle/testing"
import { assert, describe as suite, it } from "@effect/vitest"
import { seeds } from "../../core/test/seeds.ts"
import { anyModel, type Model, random, write } from "./writer.ts"

const base64 = (bytes: ReadonlyArray<number>) => Buffer.from(bytes).toString("base64")

/** What `describe` has to say of a model. */
const formOf = (model: Model): unknown => {
  const forms: Array<Record<string, unknown>> = []
  let ids = 0
  const form = (one: Model): unknown => {
    switch (one.t) {
      case "none":
        return { t: "none" }
      case "bool":
      case "str":
        return { t: one.t, v: one.v }
      case "int":
        return { t: "int", v: `${one.v}` }
      case "float":
        return { t: "float", v: floatText(one.v) }
      case "bytes":
        return { t: "bytes", v: base64(one.v) }
      case "tuple":
        return { t: "tuple", v: one.v.map(form) }
      case "again": {
        const known = forms[one.at]!
        if (known["id"] === undefined) known["id"] = ++ids
        return { t: "ref", id: known["id"] }
      }
      case "list": {
        const out: Record<string, unknown> = { t: "list" }
        forms.push(out)
        out["v"] = one.v.map(form)
        return out
      }
      case "dict": {
        const out: Record<string, unknown> = { t: "dict" }
        forms.push(out)
        out["v"] = one.v.map(([key, item]) => [form(key), form(item)])
        return out
      }
    }
  }
  return form(model)
}

suite("pickles written at random", () => {
  for (const protocol of [0, 1, 2, 3, 4, 5]) {
    it(`protocol ${protocol}: what was written is read, types, order and identity`, () => {
      for (let seed = 1; seed <= seeds(36, 150); seed++) {
        const rng = random(seed * 10 + protocol)
        const model = anyModel(rng, 4, { count: 0 })
        const bytes = write(rng, protocol, model)
        const options: LoadsOptions = { floats: "typed", ...(seed % 3 === 0 ? { strings: "separate" } : {}) }
        const value = loads(bytes, seed % 4 === 0 ? { ...options, dicts: "map", integers: "bigint" } : options)
        assert.deepStrictEqual(describe(value), formOf(model), `seed ${seed}, protocol ${protocol}`)
      }
    })
  }
})
