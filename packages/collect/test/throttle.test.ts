import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Throttle from "../src/internal/throttle.ts"

describe("a throttled storage", () => {
  it("reads nothing without waiting for its turn", () => {
    const stored: ResultStorage.StoredResult = { _tag: "Value", value: 1 }
    const storage = ResultStorage.make([{
      type: "LocalResult",
      concurrency: 1,
      resolve: () => ({
        _tag: "Allowed",
        location: "here",
        read: () => Effect.succeed(stored),
        readAtOnce: () => stored
      })
    }])
    const [reader] = Throttle.throttleStorage(storage, Throttle.make(1)).readers
    const resolved = reader?.resolve({ _tag: "LocalResult" } as never)
    assert.isTrue(resolved?._tag === "Allowed" && resolved.readAtOnce === undefined)
  })
})
