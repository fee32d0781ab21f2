/** Results as Prefect 1.4.1 and 0.15.13 stored them, with the values that Python projected. */
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as Pickle from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"

interface Recorded {
  readonly name: string
  readonly pickle: string
  readonly value: unknown
}

const recorded = JSON.parse(
  readFileSync(new URL("../../results/test/fixtures/projection.json", import.meta.url), "utf8")
) as ReadonlyArray<Recorded>

describe("recorded results", () => {
  it.effect.each(recorded)("$name", ({ pickle, value }) =>
    Effect.gen(function*() {
      const decoded = yield* ResultFormat.decode(Buffer.from(pickle, "base64"), { name: "result", maxBytes: 1 << 20 })
      assert.deepStrictEqual(yield* JsonProjection.toJson(decoded), value)
    }))

  it.effect.each<readonly [name: string, args: ReadonlyArray<unknown>, value: unknown]>([
    ["date.Date", [Uint8Array.of(7, 229, 1, 2)], "2021-01-02"],
    ["time.Time", [1, 2, 3, 0, null], "01:02:03"],
    ["duration.Duration", [1, 7_200, 5], 93_600.000005],
    ["period.Period", [new Pickle.PyDate(2020, 1, 1), new Pickle.PyDate(2020, 5, 1), false], 10_454_400],
    ["period.Period", [new Pickle.PyDate(2020, 5, 1), new Pickle.PyDate(2020, 1, 1), true], 10_454_400],
    ["duration.Duration", ["1 day"], { __class__: "pendulum.duration.Duration", __args__: ["1 day"] }]
  ])("pendulum.%s", ([name, args, value]) =>
    Effect.gen(function*() {
      const object = new Pickle.PyObject(
        new Pickle.PyGlobal(`pendulum.${name.split(".")[0]}`, name.split(".")[1]!),
        args
      )
      assert.deepStrictEqual(yield* JsonProjection.toJson(object), value)
    }))

  it.effect("floats past 2^53 are read back as floats by who reads long integers too", () =>
    Effect.gen(function*() {
      const text = yield* JsonProjection.toText([1.2345678901234567e19, -(2 ** 53), 1.5, 2 ** 53 - 1])
      assert.strictEqual(text, "[1.2345678901234567e+19,-9.007199254740992e+15,1.5,9007199254740991]")
    }))
})
