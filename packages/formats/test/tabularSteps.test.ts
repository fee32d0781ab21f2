/** A list of objects becomes a table in steps, whatever its shape. */
import * as Tabular from "@effect-prefect/formats/Tabular"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const cells = 0x40000

/** The records of a list with that many columns, all of which share their values. */
const records = (columns: number) => {
  const keys = Array.from({ length: columns }, (_, at) => `c${at}`)
  return Array.from({ length: cells / columns }, () => Object.fromEntries(keys.map((key) => [key, 1])))
}

it.each([1, 16, 64, 1_024])("looks at the clock as often for %i columns", async (columns) => {
  const list = records(columns)
  const { now } = performance
  let looked = 0
  performance.now = () => {
    looked++
    return now.call(performance)
  }
  try {
    assert.isDefined(await Effect.runPromise(Tabular.fromValue(list)))
  } finally {
    performance.now = now
  }
  // The keys and the values of the records take steps.
  assert.isAtLeast(looked, 2 * cells / 0x2000 - 2)
})
