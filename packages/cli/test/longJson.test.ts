/** Values of any size are printed as JSON in pieces, and what is folded is made no further than it is shown. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import type { Outcome } from "@effect-prefect/results/TaskRun"
import { assert, it, vi } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { style } from "../src/internal/colors.ts"
import { report } from "../src/internal/flowRunReport.ts"
import * as Outcomes from "../src/internal/outcomes.ts"
import { Output } from "../src/internal/output.ts"
import * as Render from "../src/internal/render.ts"

const id = "00000000-0000-4000-8000-000000000001"
const long = { id, rows: Array.from({ length: 100_000 }, (_, n) => ({ n, name: `row ${n}` })) }

const written = Effect.fnUntraced(function*(effect: Effect.Effect<void, unknown, Output>) {
  const texts: Array<string> = []
  const sink = {
    write: (text: string) => Effect.sync(() => void texts.push(text)),
    writeData: () => Effect.void,
    isTerminal: false,
    colors: "none" as const,
    columns: undefined,
    flush: Effect.void
  }
  yield* Effect.provideService(effect, Output, { stdout: sink, stderr: sink })
  return texts
})

it.live("JSON of any size is printed in pieces, with turns for others between them", () =>
  Effect.gen(function*() {
    const values = [{ id: 1 }, long, { id: 2 }]
    const clock = vi.spyOn(performance, "now")
    let now = performance.now() + 7_000_000
    clock.mockImplementation(() => now += 20)
    let turns = 0
    const count = () => {
      turns++
      timer = setImmediate(count)
    }
    let timer = setImmediate(count)
    const texts = yield* Effect.ensuring(
      written(Render.jsonLines(Stream.fromIterable(values), (value) => value)),
      Effect.sync(() => {
        clock.mockRestore()
        clearImmediate(timer)
      })
    )
    assert.isTrue(texts.join("") === values.map((value) => `${JSON.stringify(value)}\n`).join(""))
    assert.isAtMost(Math.max(...texts.map(({ length }) => length)), 1_000_000)
    assert.isAtLeast(texts.length, 4)
    assert.isAtLeast(turns, 10)
    assert.deepStrictEqual(yield* written(Render.json([1, "a"])), ["1\n\"a\"\n"])
    assert.deepStrictEqual((yield* written(Render.jsonLines(Stream.empty, (value) => value))).join(""), "")
  }))

it.live("parameters are folded without the text of all of them", () =>
  Effect.gen(function*() {
    const tables = { flow_run: [{ id, name: "run", parameters: long }] }
    const api = Context.get(yield* Layer.build(MemoryApi.layer(tables)), PrefectApi)
    const view = yield* api.flowRun(id)
    const { stringify } = JSON
    let characters = 0
    const spy = vi.spyOn(JSON, "stringify").mockImplementation((value: unknown) => {
      const text = stringify(value)
      characters += text.length
      return text
    })
    const { text } = yield* Effect.ensuring(
      Effect.provideService(report(view, { paint: style("none"), utc: true, columns: 80 }), PrefectApi, api),
      Effect.sync(() => spy.mockRestore())
    )
    assert.include(text, "{\"id\":\"00000000-")
    assert.include(text, "…")
    assert.isBelow(characters, 1_000_000)
  }).pipe(Effect.scoped))

it.live("fields of a long line are chosen without its text being parsed again", () =>
  Effect.gen(function*() {
    const view = TaskRunView.fromRow({
      id,
      map_index: 3,
      serialized_state: { type: "Success" }
    }) as TaskRunView.TaskRunView
    const outcome = (result: Outcome["result"]) => ({ taskRun: { view }, result }) as Outcome
    const parse = vi.spyOn(JSON, "parse")
    const texts = yield* Effect.ensuring(
      Effect.all([
        Outcomes.line(outcome(Result.succeed(long)), ["outcome", "map_index"]),
        Outcomes.line(outcome(Result.succeed(long)), ["state", "task_slug"]),
        Outcomes.line(outcome(Result.succeed([1])))
      ]),
      Effect.sync(() => parse.mockRestore())
    )
    assert.strictEqual(parse.mock.calls.length, 0)
    assert.isTrue(texts[0] === `${JSON.stringify({ outcome: { value: long }, map_index: 3 })}\n`)
    assert.strictEqual(texts[1], `{"state":"Success","task_slug":null}\n`)
    assert.strictEqual(
      texts[2],
      `{"task_run_id":"${id}","task_slug":null,"map_index":3,"state":"Success","outcome":{"value":[1]}}\n`
    )
  }))
