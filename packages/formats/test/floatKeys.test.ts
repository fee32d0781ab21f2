/** Pickles in which a float may be a key: whatever is looked into or changed for them, is in many short steps. */
import { empty } from "@effect-prefect/formats/ClassRegistry"
import { PyDict, PyFloat, PySet } from "@effect-prefect/pickle"
import { assert, describe, it, vi } from "@effect/vitest"
import { pickleSteps } from "../src/internal/readers/pickle.ts"
import type { Steps } from "../src/internal/steps.ts"

const float = (value: number): string => {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return `G${bytes.toString("latin1")}`
}

/** The items of many instructions. */
const each = (count: number, item: (at: number) => string): string =>
  Array.from({ length: count }, (_, at) => item(at)).join("")

const steps = (pickle: string) =>
  pickleSteps(new Uint8Array(Buffer.from(`\x80\x04${pickle}.`, "latin1")), empty, 2 ** 30)

/** The value, and the most calls of a function between two steps. */
const mostCalls = <A>(steps: Steps<A>, calls: () => number): readonly [value: A, most: number] => {
  let most = 0
  for (let before = calls();; before = calls()) {
    const step = steps.next()
    most = Math.max(most, calls() - before)
    if (step.done === true) return [step.value, most]
  }
}

const count = 40_000

describe("floats without a fraction beside others", () => {
  it("stay apart from integers as the keys of a dict", () => {
    const set = vi.spyOn(PyDict.prototype, "set")
    try {
      const pairs = each(count, (at) => `${float(at / 2)}${float(at)}`)
      const [value, most] = mostCalls(steps(`}(${pairs}u`), () => set.mock.calls.length)
      assert.instanceOf(value, PyDict)
      const dict = value as PyDict
      assert.deepStrictEqual([dict.size, dict.get(0.5), dict.get(7)], [count, 1, 14])
      const keys = [...dict.keys()]
      assert.deepStrictEqual([keys[1], keys[3]], [0.5, 1.5])
      assert.instanceOf(keys[2], PyFloat)
      assert.strictEqual(keys.length, count)
      assert.isAtMost(most, 10_000)
    } finally {
      set.mockRestore()
    }
  })

  it("are found without remembering what was visited, where each value has one place", () => {
    const few = 2_000
    const add = vi.spyOn(Set.prototype, "add")
    try {
      const [value] = mostCalls(steps(`](${each(few, () => `}K\x01${float(1)}s`)}e`), () => 0)
      assert.isBelow(add.mock.calls.length, few / 2)
      const dicts = value as ReadonlyArray<PyDict>
      assert.isTrue(dicts.length === few && dicts.every((dict) => dict.get(1) === 1))
    } finally {
      add.mockRestore()
    }
  })

  it("are found once in what is referred to again", () => {
    // Each list has the one before it twice: the last one would be visited 2^18 times.
    const lists = each(18, (at) => `]\x94(${`h${String.fromCharCode(at)}`.repeat(2)}e`)
    const reading = steps(`(}\x94K\x01${float(1)}s${lists}t`)
    let taken = 0
    let step = reading.next()
    for (; step.done !== true; step = reading.next()) taken++
    assert.isBelow(taken, 100)
    const [dict, list] = step.value as readonly [PyDict, ReadonlyArray<unknown>]
    assert.strictEqual(dict.get(1), 1)
    assert.isTrue(list[0] === dict && list[1] === dict)
  })

  it("are numbers in a set", () => {
    const add = vi.spyOn(PySet.prototype, "add")
    try {
      const pickle = `](}K\x01${float(1)}s\x8f(${each(count, (at) => float(at / 2))}\x88K\x05K\x06\x86\x90e`
      const [value, most] = mostCalls(steps(pickle), () => add.mock.calls.length)
      const [dict, set] = value as readonly [PyDict, PySet]
      assert.strictEqual(dict.get(1), 1)
      assert.deepStrictEqual([set.size, [...set].slice(0, 4)], [count + 1, [0, 0.5, 1, 1.5]])
      assert.isTrue(set.has(0.5) && set.has(7) && set.has(true))
      assert.isAtMost(most, 10_000)
    } finally {
      add.mockRestore()
    }
  })

  it("are numbers in lists, attributes and values, wherever they are", () => {
    const [value] = mostCalls(
      steps(`](}K\x01${float(1)}s](${float(2)}${float(0.5)}e${float(3)}c__main__\nA\n)\x81}\x8c\x01x${float(4)}sbe`),
      () => 0
    )
    const [dict, list, number, object] = value as readonly [
      PyDict,
      unknown,
      unknown,
      { attributes(): Map<string, unknown> }
    ]
    assert.deepStrictEqual([dict.get(1), list, number, object.attributes().get("x")], [1, [2, 0.5], 3, 4])
  })
})

describe("values that are looked into for such keys", () => {
  const dict = `}${float(0.5)}${float(1)}s`

  it("are not remembered where each is in one place", () => {
    const add = vi.spyOn(Set.prototype, "add")
    try {
      const [value] = mostCalls(steps(`](${each(count, () => dict)}e`), () => 0)
      assert.lengthOf(value as ReadonlyArray<unknown>, count)
      assert.isBelow(add.mock.calls.length, 100)
    } finally {
      add.mockRestore()
    }
  })

  it("are looked into once where they are in very many", () => {
    const last = 30
    const levels = each(
      last,
      (at) => `]\x94(h${String.fromCharCode(at).repeat(2).split("").join("h")}e${at === last - 1 ? "" : "0"}`
    )
    const [value] = mostCalls(steps(`}\x94${float(0.5)}${float(1)}s0${levels}`), () => 0)
    let inner = value
    for (let level = 0; level < last; level++) inner = (inner as ReadonlyArray<unknown>)[level % 2]
    assert.strictEqual((inner as PyDict).get(0.5), 1)
  })
})
