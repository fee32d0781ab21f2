import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { vi } from "vitest"
import { RunLengths } from "../src/internal/childStates.ts"
import { LoadedValue } from "../src/internal/result/loadedValue.ts"
import { csvText } from "../src/internal/result/loadedValue.ts"
import { inTurns } from "../src/internal/streams.ts"

const names = ["Success", "Failed", "Skipped"] as const

it.prop(
  "run lengths give back every child's state, however the pages fall",
  [
    Schema.Array(Schema.Tuple([Schema.Literals(names), Schema.Boolean])),
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 7 }))
  ],
  ([children, pageSize]) => {
    const runs = new RunLengths(-1, children.length)
    const parts = []
    for (const [i, [name, isThere]] of children.entries()) {
      if (isThere) runs.see(i, name)
      if (i % pageSize === 0) parts.push(runs.take())
    }
    runs.finish()
    parts.push(runs.take())
    const known = parts.at(-1)!.names
    let at = 0
    for (const part of parts) {
      assert.strictEqual(part.after + 1, at)
      for (const [code, count] of part.runs) {
        for (let i = 0; i < count; i++, at++) {
          const [name, isThere] = children[at]!
          assert.strictEqual(code < 0 ? "missing" : known[code], isThere ? name : "missing")
        }
      }
    }
    assert.strictEqual(at, children.length)
    assert.strictEqual(runs.problem === undefined, children.every(([, isThere]) => isThere))
  }
)

it("cells of CSV are text to a spreadsheet", () => {
  assert.strictEqual(csvText("=1+1"), "'=1+1")
  assert.strictEqual(csvText("@x,y"), "\"'@x,y\"")
  assert.strictEqual(csvText("-12.5"), "-12.5")
  assert.strictEqual(csvText("a\"b"), "\"a\"\"b\"")
  assert.strictEqual(csvText("\tx"), "'\tx")
})

it("previews tell integers, bytes and containers apart", () => {
  const value = new LoadedValue({
    big: 9007199254740993n,
    bytes: new Uint8Array([1, 255]),
    list: ["x"],
    text: "a",
    none: null
  })
  assert.deepStrictEqual(value.level("", 0, 10).items.map(({ kind, preview }) => [kind, preview]), [
    ["number", "9007199254740993"],
    ["bytes", "bytes of length 2: 01 ff"],
    ["array", "[1 item]"],
    ["string", "\"a\""],
    ["null", "null"]
  ])
  assert.deepStrictEqual(value.level("/list", 0, 10).items, [{ key: "0", preview: "\"x\"", kind: "string", size: 0 }])
})

it.effect("a long array is sent in pieces, between which others have a turn", () =>
  Effect.gen(function*() {
    const all = Array.from({ length: 1000 }, (_, i) => i)
    let now = performance.now()
    const clock = vi.spyOn(performance, "now").mockImplementation(() => now)
    yield* Effect.addFinalizer(() => Effect.sync(() => clock.mockRestore()))
    let turns = 0
    let isOver = false
    const others = () => {
      turns++
      if (!isOver) setImmediate(others)
    }
    setImmediate(others)
    const pieces: Array<ReadonlyArray<number>> = []
    yield* Stream.runForEachArray(
      inTurns(Stream.concat(Stream.fromArray(all), Stream.succeed(-1)), 64),
      (piece) =>
        Effect.sync(() => {
          pieces.push(piece)
          now += 20
        })
    )
    isOver = true
    assert.deepStrictEqual(pieces.flat(), [...all, -1])
    assert.strictEqual(Math.max(...pieces.map((piece) => piece.length)), 64)
    assert.isAtLeast(turns, pieces.length - 1)
  }))
