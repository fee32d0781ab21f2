import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { vi } from "vitest"
import * as Turn from "../src/Turn.ts"

describe("Turn", () => {
  it.live("is shared by all fibers, whose promises count as well, and leaves others many turns between two", () =>
    Effect.gen(function*() {
      let now = performance.now() + 1_000_000
      const clock = vi.spyOn(performance, "now").mockImplementation(() => now)
      yield* Effect.addFinalizer(() => Effect.sync(() => clock.mockRestore()))
      // The milliseconds of work in each turn of the event loop.
      const turns = [0]
      const next = () => {
        turns.push(0)
        timer = setImmediate(next)
      }
      let timer = setImmediate(next)
      yield* Effect.addFinalizer(() => Effect.sync(() => clearImmediate(timer)))
      const work = () => {
        now += 2
        turns[turns.length - 1]! += 2
      }
      const order: Array<number> = []
      const fiber = Effect.fnUntraced(function*(id: number) {
        for (let step = 0; step < 8; step++) {
          yield* Turn.share
          work()
          yield* Effect.promise(() => Promise.resolve().then(work))
          order.push(id)
        }
      })
      yield* Effect.forEach(Array.from({ length: 64 }, (_, id) => id), fiber, { concurrency: "unbounded" })
      assert.strictEqual(turns.reduce((sum, ms) => sum + ms), 64 * 8 * 4)
      // All fibers begin before the first part is over.
      const later = turns.slice(turns.findIndex((ms) => ms > 0) + 1)
      const parts = later.filter((ms) => ms > 0)
      assert.isAtLeast(parts.length, 100)
      assert.isAtMost(Math.max(...parts), 16)
      assert.isAtLeast(later.length, 16 * parts.length)
      // In the order in which they came: none has a second part before all others have one.
      const served = order.filter((id, at) => at >= 64 && id !== order[at - 1])
      assert.strictEqual(new Set(served.slice(0, 64)).size, 64)
    }))
  it.live("does not keep who is alone waiting before the part is over", () =>
    Effect.gen(function*() {
      const clock = vi.spyOn(performance, "now").mockReturnValue(performance.now() + 2_000_000)
      yield* Effect.addFinalizer(() => Effect.sync(() => clock.mockRestore()))
      let isCalled = false
      yield* Turn.share
      Turn.onNext(() => isCalled = true)
      assert.isTrue(isCalled)
      assert.isFalse(Turn.isLong())
    }))
  it.live("leaves others more turns as long as they come, but not all", () =>
    Effect.gen(function*() {
      let now = performance.now() + 3_000_000
      const clock = vi.spyOn(performance, "now").mockImplementation(() => now)
      yield* Effect.addFinalizer(() => Effect.sync(() => clock.mockRestore()))
      let isOver = false
      let turn = 0
      const next = () => {
        turn++
        Turn.leave()
        if (!isOver) setImmediate(next)
      }
      setImmediate(next)
      const worked: Array<number> = []
      yield* Effect.forEach(Array.from({ length: 8 }), () =>
        Effect.gen(function*() {
          yield* Turn.share
          now += 20
          worked.push(turn)
        }))
      isOver = true
      const most = Math.max(...worked.map((turn, index) => turn - (worked[index - 1] ?? turn)))
      assert.isAtLeast(most, 120)
      assert.isAtMost(most, 140)
    }))

  /** A clock that tests move, in another hour than those of other tests; Turn keeps its state between them. */
  const movableClock = (hour: number) => {
    let now = performance.now() + hour * 3_600_000
    return Effect.as(
      Effect.acquireRelease(
        Effect.sync(() => vi.spyOn(performance, "now").mockImplementation(() => now)),
        (clock) => Effect.sync(() => clock.mockRestore())
      ),
      (milliseconds: number) => {
        now += milliseconds
      }
    )
  }
  /** Begins a turn of long work and takes all of its part. */
  const takeAll = (pass: (milliseconds: number) => void) =>
    Effect.gen(function*() {
      // What is left of the turn of another test.
      for (let turn = 0; turn < 100; turn++) {
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
      assert.isFalse(Turn.isLong())
      pass(10)
      assert.isFalse(Turn.isLong())
      pass(1)
      assert.isTrue(Turn.isLong())
    })

  for (const [host, missing] of [["Node", []], ["a browser", ["setImmediate", "process"]]] as const) {
    it.live(`lets as many go on in one turn of ${host} as there is time for`, () =>
      Effect.gen(function*() {
        const pass = yield* movableClock(missing.length + 2)
        const turn = missing.length === 0 ? setImmediate : (then: () => void) => setTimeout(then, 0)
        yield* takeAll(pass)
        yield* Effect.acquireRelease(
          Effect.sync(() => missing.forEach((name) => vi.stubGlobal(name, undefined))),
          () => Effect.sync(() => vi.unstubAllGlobals())
        )
        const parts: Array<Array<number>> = [[]]
        let left = 24
        yield* Effect.promise(() =>
          new Promise<void>((resolve) => {
            const next = () => {
              if (left === 0) return resolve()
              if (parts.at(-1)!.length > 0) parts.push([])
              turn(next)
            }
            for (let id = 0; id < 24; id++) {
              Turn.onNext(() => {
                pass(2)
                parts.at(-1)!.push(id)
                left--
              })
            }
            turn(next)
          })
        )
        assert.deepStrictEqual(parts.flat(), Array.from({ length: 24 }, (_, id) => id))
        // Six take two milliseconds each: a part is over after ten.
        assert.deepStrictEqual(parts.filter((part) => part.length > 0).map(({ length }) => length), [6, 6, 6, 6])
      }))
  }

  it.live("gives what has waited one step, and then asks it to wait again", () =>
    Effect.gen(function*() {
      const pass = yield* movableClock(6)
      yield* takeAll(pass)
      const answers = yield* Effect.promise(() =>
        new Promise<ReadonlyArray<boolean>>((resolve) =>
          Turn.onNext(() => {
            pass(11)
            resolve([Turn.isLong(), Turn.isLong()])
          })
        )
      )
      assert.deepStrictEqual(answers, [false, true])
    }))

  const immediates = (count: number) =>
    Effect.promise(async () => {
      for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
    })

  it.live("is a new one once nobody waits, and then asks for no other", () =>
    Effect.gen(function*() {
      const pass = yield* movableClock(7)
      yield* takeAll(pass)
      yield* immediates(2)
      const asked = vi.spyOn(globalThis, "setImmediate")
      yield* Effect.addFinalizer(() => Effect.sync(() => asked.mockRestore()))
      yield* immediates(4)
      assert.strictEqual(asked.mock.calls.length, 4)
      assert.isFalse(Turn.isLong())
    }))

  it.live("goes on once all promises of what went before are settled", () =>
    Effect.gen(function*() {
      const pass = yield* movableClock(8)
      yield* takeAll(pass)
      let steps = 0
      const seen = yield* Effect.promise(() =>
        new Promise<number>((resolve) => {
          Turn.onNext(async () => {
            for (; steps < 8; steps++) {
              await Promise.resolve()
              pass(1)
            }
          })
          Turn.onNext(() => resolve(steps))
        })
      )
      assert.strictEqual(seen, 8)
    }))

  it.live("leaves others more turns only after one in which they came", () =>
    Effect.gen(function*() {
      const pass = yield* movableClock(9)
      yield* takeAll(pass)
      Turn.leave()
      const turns = yield* Effect.promise(() =>
        new Promise<ReadonlyArray<number>>((resolve) => {
          let turn = 0
          let isOver = false
          const next = () => {
            turn++
            if (!isOver) setImmediate(next)
          }
          setImmediate(next)
          const parts: Array<number> = []
          for (let id = 0; id < 3; id++) {
            Turn.onNext(() => {
              pass(11)
              parts.push(turn)
              isOver = parts.length === 3
              if (isOver) resolve(parts.map((at, index) => at - (parts[index - 1] ?? 0)))
            })
          }
        })
      )
      assert.isAtMost(Math.max(...turns), 20)
    }))
})
