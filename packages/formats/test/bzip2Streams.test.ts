import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

it.live("bzip2 of very many empty streams lets others work, and needs no block for each", () =>
  Effect.gen(function*() {
    const empty = Buffer.from("425a683917724538509000000000", "hex")
    const bytes = new Uint8Array(Buffer.concat(Array.from({ length: 300_000 }, () => empty)))
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const result = yield* Effect.result(ResultFormat.decode(bytes, { name: "x", maxBytes: 1 << 20 }))
    clearInterval(timer)
    assert.strictEqual(result._tag, "Failure")
    assert.isAbove(turns, 0)
  }))
