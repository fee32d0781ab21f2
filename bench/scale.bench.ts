/**
 * A mapped task run with up to 1 000 000 children, with a backend and a storage in this process that generate rows and
 * pickles: the cost of the traversal itself, its growth with the number of children, and its memory.
 */
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { liveHeap } from "./support/liveHeap.ts"
import { api, storage } from "./support/madeUpWorld.ts"
import type { Contender, Row } from "./support/row.ts"

const walk = (count: number, use: (seen: number) => void) =>
  Effect.runPromise(
    Effect.gen(function*() {
      const parent = yield* TaskRun.fromTaskRunId("parent")
      let seen = 0
      yield* Stream.runForEachArray(parent.outcomes, (outcomes) =>
        Effect.sync(() => {
          for (const { result } of outcomes) if (Result.isFailure(result)) throw result.failure
          seen += outcomes.length
          use(seen)
        }))
      if (seen !== count) throw new Error(`${seen} children instead of ${count}`)
    }).pipe(Effect.provide(Layer.merge(Layer.succeed(PrefectApi.PrefectApi, api(count)), storage)))
  )

const timed = (count: number, times = 1): Contender => ({
  name: times === 1 ? `${count} children` : `${times} × ${count} children`,
  run: async () => {
    const start = performance.now()
    await walk(count, () => {})
    return { measured: (performance.now() - start) * times }
  }
})

/** Ten times the children may take twelve times as long. */
const growth = (count: number): Row => ({
  work: `outcomes of ${count} children`,
  count,
  ours: timed(count),
  limit: timed(count / 10, 10),
  target: { limit: 10 / 12 },
  runs: 3
})

let early = Number.NaN

const memory: Row = {
  work: "live heap at 1 000 000 children of outcomes",
  count: 1_000_000,
  show: "MB",
  ours: {
    name: "after 1 000 000",
    run: async () => {
      early = Number.NaN
      let late = Number.NaN
      await walk(1_000_000, (seen) => {
        if (Number.isNaN(early) && seen >= 100_000) early = liveHeap()
        else if (Number.isNaN(late) && seen >= 990_000) late = liveHeap()
      })
      return { measured: late }
    }
  },
  limit: { name: "after 100 000", run: () => ({ measured: early }) },
  target: { limit: 1 / 1.1 },
  runs: 1,
  warmUp: false
}

export const rows: ReadonlyArray<Row> = [growth(10_000), growth(100_000), growth(1_000_000), memory]
