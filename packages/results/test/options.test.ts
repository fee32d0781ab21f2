import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import { optionsOf, type ResultStorage } from "@effect-prefect/results/ResultStorage"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const given = (options: Partial<ResultOptions.Options>) =>
  ResultOptions.ResultOptions.pipe(Effect.provide(ResultOptions.layer(options)))
const storageOf = (options: ResultOptions.Options | undefined) => ({ options }) as ResultStorage["Service"]

describe("the options of a load", () => {
  it.effect("are the program's, where they are not the defaults, and otherwise the storage's", () =>
    Effect.gen(function*() {
      const program = yield* given({ pageSize: 7 })
      const storage = storageOf(yield* given({ pageSize: 3, maxChildren: 5 }))
      assert.deepInclude(yield* optionsOf(storage, program), { pageSize: 7, maxChildren: 5 })
      assert.deepInclude(yield* optionsOf(storage, yield* given({})), { pageSize: 3, maxChildren: 5 })
      assert.deepStrictEqual(yield* optionsOf(storageOf(undefined), program), program)
    }))
})
