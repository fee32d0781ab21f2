/** Long lists of an archive's entries are sorted in steps, and as `sort` does. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { sortSteps } from "../src/internal/sorting.ts"
import { type Entry, Groups } from "../src/internal/tables/rowIndex.ts"

interface Timed extends Entry {
  readonly time: number
}

/** Times that are in no order, but the same in each run. */
const entries = (count: number, time: (at: number) => number): Array<Timed> =>
  Array.from({ length: count }, (_, place) => ({ place, id: "", time: time(place) }))
const inNoOrder = (at: number) => Math.imul(at, 2_654_435_761) % 10_007

const order = (left: Timed, right: Timed) => left.time - right.time || left.place - right.place

const sorted = (list: Array<Timed>) => {
  let compared = 0
  let most = 0
  const steps = sortSteps(list, (left, right) => {
    compared++
    return order(left, right)
  })
  for (let turns = 0;; turns++) {
    compared = 0
    const step = steps.next()
    most = Math.max(most, compared)
    if (step.done === true) return { list: step.value, turns, most }
  }
}

describe("a list that is sorted in steps", () => {
  for (
    const [name, time] of Object.entries({
      "in no order": inNoOrder,
      "in order": (at: number) => at,
      "in the other order": (at: number) => -at,
      "of one time": () => 1
    })
  ) {
    it(`is what sort makes of it, ${name}`, () => {
      for (const count of [0, 1, 16_384, 16_385, 50_000]) {
        const found = sorted(entries(count, time))
        assert.isTrue(entries(count, time).sort(order).every(({ place }, at) => found.list[at]!.place === place), name)
        assert.strictEqual(found.list.length, count)
      }
    })
  }

  it("takes more steps where it is longer, and no longer ones", () => {
    const [some, many] = [40_000, 160_000].map((count) => sorted(entries(count, inNoOrder)))
    assert.isAbove(many!.turns, 4 * some!.turns)
    assert.isBelow(many!.most, 1.1 * some!.most)
  })

  it.effect("is that of a key, when all its entries are there", () =>
    Effect.gen(function*() {
      let compared = 0
      const groups = new Groups<Timed>((left, right) => {
        compared++
        return order(left, right)
      })
      for (const entry of entries(20_000, inNoOrder)) {
        groups.add("long", entry)
        if (entry.place < 100) groups.add("short", entry)
      }
      yield* groups.sortLong
      compared = 0
      assert.deepStrictEqual(groups.get("long"), entries(20_000, inNoOrder).sort(order))
      assert.strictEqual(compared, 0)
      assert.deepStrictEqual(groups.get("short"), entries(100, inNoOrder).sort(order))
      assert.isAbove(compared, 0)
    }))
})
