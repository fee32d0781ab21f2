import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { need, versionOf } from "../src/internal/serverPackages.ts"

describe("the packages of serve", () => {
  it("have the versions that the server gets", () => {
    assert.match(versionOf("graphql") ?? "", /^\d+\.\d+\.\d+/)
    assert.match(versionOf("@electric-sql/pglite") ?? "", /^\d+\.\d+\.\d+/)
    assert.strictEqual(versionOf("no-such-package"), undefined)
  })

  it.effect("are asked for in one sentence", () =>
    Effect.gen(function*() {
      yield* need("graphql", "@electric-sql/pglite")
      const error = yield* Effect.flip(need("graphql", "no-such-package", "@no/such"))
      assert.strictEqual(
        error.message,
        "serve needs no-such-package and @no/such, which only it needs: npm install no-such-package @no/such " +
          "beside effect-prefect"
      )
    }))
})
