/** Rows with very many keys or values: nothing looks at all of them in one step. */
import { manyKeys } from "@effect-prefect/core/ObjectKeys"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { maxKeys } from "../src/internal/depth.ts"
import { parseInPieces } from "../src/internal/http/pieces.ts"
import * as Kept from "../src/internal/kept.ts"
import * as Prefect3 from "../src/internal/prefect3/rows.ts"
import * as Rows from "../src/internal/rows.ts"
import { complete, type Row } from "../src/internal/tables/rowIndex.ts"

const id = "00000000-0000-4000-8000-000000000001"
const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, at]))

/** A row as it comes from a server: alone, and in an answer. */
const parsed = (row: object): ReadonlyArray<unknown> =>
  [true, false].map((isRow) => {
    const steps = parseInPieces(JSON.stringify(isRow ? row : [row]), (text) => JSON.parse(text), undefined, isRow)
    let step = steps.next()
    while (step.done !== true) step = steps.next()
    return isRow ? step.value : (step.value as ReadonlyArray<unknown>)[0]
  })

describe("a state with more keys than are listed in a moment is left out", () => {
  const wide = keys(maxKeys + 1)
  const states = [
    { type: "Success", ...wide },
    { type: "Success", cached_inputs: wide },
    { type: "Success", _result: { type: "S3Result", ...wide } },
    { type: "Submitted", state: { type: "Scheduled", ...wide } }
  ]
  for (const [at, state] of states.entries()) {
    it(`of Prefect 1: ${at}`, () => {
      const decoders: ReadonlyArray<Rows.Decoder<object>> = [
        Rows.decodeTaskRun,
        Rows.decodeStateRecord,
        Rows.decodeFlowRun
      ]
      for (const decode of decoders) {
        const row = { id, flow_run_id: id, task_id: id, map_index: -1, timestamp: null, serialized_state: state }
        for (const one of parsed(row)) {
          const made = Result.merge(Result.map(decode(one), () => "a view"))
          assert.strictEqual(made, "its state has more than 100000 keys")
        }
      }
    })
  }
  it("of Prefect 3", () => {
    for (const one of parsed({ id, state: { type: "COMPLETED", name: "x", state_details: wide } })) {
      const made = Prefect3.resultOf(Prefect3.taskRun)(one)
      assert.isTrue(Result.isFailure(made) && made.failure === "its state has more than 100000 keys")
    }
  })
  it("and so is a row with more columns than a table has, which nothing copies", () => {
    for (const row of parsed({ id, flow_run_id: id, task_id: id, map_index: -1, ...keys(manyKeys) })) {
      assert.strictEqual(complete("task_run", row as Row), row)
      for (
        const decode of [Rows.decodeTaskRun, Rows.decodeFlowRun, Rows.decodeLog, Prefect3.resultOf(Prefect3.taskRun)]
      ) {
        const made = (decode as Rows.Decoder<object>)(row)
        assert.strictEqual(Result.merge(Result.map(made, () => "a view")), "it has more than 32768 columns")
      }
    }
  })
  it("but not one whose data have them", () => {
    const row = {
      id,
      flow_run_id: id,
      task_id: id,
      map_index: -1,
      serialized_state: { type: "Success", context: wide }
    }
    for (const one of parsed(row)) assert.isTrue(Result.isSuccess(Rows.decodeTaskRun(one)))
  })
})

let now = performance.now() + 6_000_000

/** The turns that others have while an effect runs, each part of which takes longer than a part of a turn. */
const turnsOf = Effect.fnUntraced(function*(effect: Effect.Effect<unknown, unknown>) {
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now += 20)
  let turns = 0
  const count = () => {
    turns++
    timer = setImmediate(count)
  }
  let timer = setImmediate(count)
  yield* Effect.ensuring(
    effect,
    Effect.sync(() => {
      clock.mockRestore()
      clearImmediate(timer)
    })
  )
  return turns
})

it.live("rows that are kept are measured in steps", () =>
  Effect.gen(function*() {
    const row = { id, data: { keys: keys(50_000), list: Array.from({ length: 50_000 }, () => "abcd") } }
    assert.isAtLeast(yield* turnsOf(Kept.make("test").add([row])), 10)
    assert.strictEqual(Kept.bytesOf({ a: "abc", b: [1, { c: null }] }), 6 * 16 + 3)
    assert.strictEqual(Kept.bytesOf("abc"), 19)
    const refused = yield* Effect.flip(Kept.make("test", { bytes: 1_000_000 }).add([row]))
    assert.strictEqual(refused.reason._tag, "MalformedResponse")
  }))

it.live("a few rows are decoded with turns for others between them as soon as one is long", () =>
  Effect.gen(function*() {
    const context = { list: Array.from({ length: 20_000 }, () => 1) }
    const row = { id, flow_run_id: id, task_id: id, map_index: -1, serialized_state: null }
    const decoded = (rows: ReadonlyArray<object>) => turnsOf(Rows.decodeAll("task_run", Rows.decodeTaskRun, rows))
    const long = { ...row, serialized_state: { type: "Success", context } }
    assert.isAtLeast(yield* decoded(Array.from({ length: 20 }, () => long)), 10)
    assert.isAtMost(yield* decoded(Array.from({ length: 20 }, () => row)), 1)
  }))
