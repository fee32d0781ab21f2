import { assert, it } from "@effect/vitest"
import { causeOf } from "../src/internal/tables/failure.ts"

it("a system error says what to do about it, and others keep their code", () => {
  assert.match(causeOf({ code: "EMFILE" }), /^EMFILE: .*ulimit -n$/)
  assert.strictEqual(causeOf({ code: "EISDIR" }), "EISDIR")
  assert.strictEqual(causeOf(new Error()), "an unknown failure")
  assert.strictEqual(causeOf({ code: "constructor" }), "constructor")
})
