/** What runs work in steps gives it: the results of its promises, memory as it asks for it, and the rest of a turn. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { vi } from "vitest"
import { undecodable } from "../src/FormatError.ts"
import { giveWay, type Steps } from "../src/internal/steps.ts"

const failed = (error: unknown) => undecodable((error as Error).message)

describe("steps", () => {
  it.live("go on with what a promise gives, or with the error that it is rejected with", () =>
    Effect.gen(function*() {
      function* steps(): Steps<ReadonlyArray<unknown>> {
        const given = yield Promise.resolve(2)
        try {
          yield Promise.reject(new Error("no"))
        } catch (error) {
          return [given, (error as Error).message]
        }
        return []
      }
      assert.deepStrictEqual(yield* giveWay(steps, failed), [2, "no"])
      const error = yield* Effect.flip(giveWay(function*(): Steps<void> {
        yield Promise.reject(new Error("no"))
      }, failed))
      assert.include(error.message, "no")
    }))

  it.live("ask for memory once it is a megabyte more than they were allowed", () =>
    Effect.gen(function*() {
      const megabyte = 2 ** 20
      const asked: Array<number> = []
      const sizes = [1, megabyte, megabyte + 1, 2 * megabyte + 1, 2 * megabyte + 2, 9, 4 * megabyte]
      const steps = function*(): Steps<string> {
        yield* sizes
        return "done"
      }
      const grow = (bytes: number) => Effect.sync(() => (asked.push(bytes), bytes))
      assert.strictEqual(yield* giveWay(steps, failed, grow), "done")
      assert.deepStrictEqual(asked, [megabyte + 1, 2 * megabyte + 2, 4 * megabyte])
      assert.strictEqual(yield* giveWay(steps, failed), "done")
    }))

  it.live("are all done in one turn as long as it is not long", () =>
    Effect.gen(function*() {
      const clock = vi.spyOn(performance, "now").mockReturnValue(performance.now())
      yield* Effect.addFinalizer(() => Effect.sync(() => clock.mockRestore()))
      const short = giveWay(function*(): Steps<number> {
        yield undefined
        return 1
      }, failed)
      for (let count = 0; count < 3; count++) {
        const fiber = yield* Effect.forkChild(short, { startImmediately: true })
        assert.isDefined(fiber.pollUnsafe())
      }
    }))
})
