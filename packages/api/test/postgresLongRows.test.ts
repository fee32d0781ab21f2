/** A long row of a database arrives in pieces, and is parsed in steps. */
import * as PostgresApi from "@effect-prefect/api/PostgresApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { isDeepStrictEqual } from "node:util"
import { startPglite } from "./pglite.ts"

const ids = Array.from({ length: 5 }, (_, n) => `00000000-0000-4000-8000-00000000000${n}`)
/** No row is like another. */
const valueOf = (id: string) => ({
  text: `${id} é€🦊\\"`.repeat(100_000),
  rows: Array.from({ length: 20_000 }, (_, n) => ({ n, id }))
})
const isLong = (at: number) => at % 2 === 1

describe("long rows of Postgres", () => {
  it.live("are the rows that were stored, between the others, and no step parses all of one", () =>
    Effect.gen(function*() {
      const [id] = ids
      const { url } = yield* startPglite({
        flow: [{ id, name: "f", serialized_flow: { edges: [], ...valueOf(id!) } }],
        flow_run: ids.map((id, at) => ({
          id,
          flow_id: ids[0],
          created: `2022-03-0${5 - at}T00:00:00+00:00`,
          parameters: isLong(at) ? valueOf(id) : { at }
        })),
        task_run: ids.map((taskRun, at) => ({
          id: taskRun,
          flow_run_id: id,
          map_index: at,
          serialized_state: { type: "Success", context: isLong(at) ? valueOf(taskRun) : { at } }
        }))
      })
      const api = Context.get(
        yield* Layer.build(PostgresApi.layer({ url: Redacted.make(url), maxConnections: 1 })),
        PrefectApi.PrefectApi
      )
      let longest = 0
      const { parse } = JSON
      const spy = vi.spyOn(JSON, "parse").mockImplementation((text, reviver) => {
        longest = Math.max(longest, text.length)
        return parse(text, reviver) as unknown
      })
      const [flow, flowRun, flowRuns, taskRuns] = yield* Effect.ensuring(
        Effect.all([
          api.flow(id!),
          api.flowRun(ids[1]!),
          Stream.runCollect(api.flowRuns()),
          Stream.runCollect(api.taskRuns({ flowRunId: id! }))
        ]),
        Effect.sync(() => spy.mockRestore())
      )
      assert.isBelow(longest, 0x80000)
      assert.isTrue(isDeepStrictEqual(flow.serializedFlow, { edges: [], ...valueOf(id!) }))
      assert.deepStrictEqual(flowRuns.map(({ flowRunId }) => flowRunId) as ReadonlyArray<string>, ids)
      const expected = (at: number) => isLong(at) ? valueOf(ids[at]!) : { at }
      for (const [at, { parameters }] of [...flowRuns.entries(), [1, flowRun] as const]) {
        assert.isTrue(isDeepStrictEqual(parameters, expected(at)), `flow run ${at}`)
      }
      for (const [at, { mapIndex, state }] of taskRuns.entries()) {
        const context = state._tag === "Success" ? state.context : undefined
        assert.isTrue(isDeepStrictEqual(context, expected(mapIndex)), `task run ${at}`)
      }
      assert.lengthOf(taskRuns, ids.length)
    }))
})
