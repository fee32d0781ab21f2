import * as ClassRegistry from "@effect-prefect/formats/ClassRegistry"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

class Order extends Schema.Class<Order>("Order")({ id: Schema.Int, customer: Schema.String }) {}

// A pickle of protocol 2: a list of two references to one mypkg.Order(id=7, customer="zoe"), and one mypkg.Money(5).
const pickle = Buffer.from(
  "\x80\x02]q\x00(cmypkg\nOrder\nq\x01)\x81q\x02}q\x03(X\x02\x00\x00\x00idK\x07X\x08\x00\x00\x00customerX\x03\x00\x00\x00zoeub" +
    "h\x02cmypkg\nMoney\nK\x05\x85R\x65.",
  "latin1"
)

const decode = (registry?: ClassRegistry.ClassRegistry) =>
  ResultFormat.decode(pickle, { name: "orders", maxBytes: 1_000, registry })

describe("ClassRegistry", () => {
  it.effect("makes the caller's own types of objects", () =>
    Effect.gen(function*() {
      const registry = ClassRegistry.make({
        "mypkg.Order": ClassRegistry.schema(Order),
        "mypkg.Money": ({ args, className }) => `${className} ${String(args[0])}`
      })
      const value = (yield* decode(registry)) as ReadonlyArray<unknown>
      assert.isTrue(value[0] instanceof Order)
      assert.deepStrictEqual({ ...(value[0] as Order) }, { id: 7, customer: "zoe" })
      assert.strictEqual(value[0], value[1])
      assert.strictEqual(value[2], "mypkg.Money 5")
    }))
  it.effect("leaves other classes inert", () =>
    Effect.gen(function*() {
      const value = (yield* decode(ClassRegistry.make({ "mypkg.Other": () => 1 }))) as ReadonlyArray<
        { className: string }
      >
      assert.deepStrictEqual(value.map(({ className }) => className), ["mypkg.Order", "mypkg.Order", "mypkg.Money"])
    }))
  it.effect("names the class that its schema refuses, and no value", () =>
    Effect.gen(function*() {
      const registry = ClassRegistry.make({
        "mypkg.Order": ClassRegistry.schema(Schema.Struct({ customer: Schema.Int }))
      })
      const error = yield* Effect.flip(decode(registry))
      assert.strictEqual(error.reason._tag, "Undecodable")
      assert.include(error.message, "mypkg.Order")
      assert.include(error.message, "customer: expected")
      assert.notInclude(error.message, "zoe")
    }))
  it.effect("turns what a decoder throws into a failure that does not quote it", () =>
    Effect.gen(function*() {
      const registry = ClassRegistry.make({
        "mypkg.Money": ({ args }) => {
          throw new Error(`secret ${String(args[0])}`)
        }
      })
      const error = yield* Effect.flip(decode(registry))
      assert.include(error.message, "mypkg.Money")
      assert.notInclude(error.message, "secret")
    }))
  it("merges, the last first", () => {
    const merged = ClassRegistry.merge(
      ClassRegistry.make({ a: () => 1, b: () => 2 }),
      ClassRegistry.make({ b: ClassRegistry.enumValue })
    )
    assert.deepStrictEqual([...merged.decoders.keys()], ["a", "b"])
    assert.strictEqual(merged.decoders.get("b"), ClassRegistry.enumValue)
  })
})
