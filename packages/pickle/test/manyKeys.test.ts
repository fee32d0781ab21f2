/** V8 becomes very slow at objects of more than eight million keys: a pickle of such a dict is refused before. */
import { PickleError } from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import { Machine } from "../src/machine/machine.ts"
import { Dict } from "../src/values/dict.ts"

const machine = () => new Machine(new Uint8Array(0), 0, {})
const million = 1_000_000

const refused = (body: () => void): PickleError => {
  try {
    body()
  } catch (error) {
    assert.instanceOf(error, PickleError)
    return error as PickleError
  }
  return assert.fail("it is not refused")
}

describe("the keys of a dict object", () => {
  it("may be eight million", () => {
    const one = machine()
    const dict = new Dict()
    for (let count = 0; count < 8 * million; count += 1_000) one.grown(dict, 1_000)
    const error = refused(() => one.grown(dict, 400_000))
    assert.strictEqual(error.reason, "LimitExceeded")
    assert.include(error.found, "a dict of more keys")
  })

  it("are counted when they are set one by one, and among those of many other dicts", () => {
    const one = machine()
    const dict = new Dict()
    for (let count = 0; count < 5; count++) one.grown(new Dict(), million)
    const error = refused(() => {
      for (let count = 0; count < 5 * million; count++) {
        one.grown(dict, 1)
        if (count % 16 === 0) one.grown(new Dict(), 1)
      }
    })
    assert.strictEqual(error.reason, "LimitExceeded")
  })

  it("may be any number in many dicts", () => {
    const one = machine()
    assert.doesNotThrow(() => {
      for (let count = 0; count < 20 * million; count += 100) one.grown(new Dict(), 100)
    })
  })
})
