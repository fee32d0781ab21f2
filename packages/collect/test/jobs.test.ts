/** The progress of a cluster's job in its database. */
import * as Collect from "@effect-prefect/collect/Collect"
import * as CollectCluster from "@effect-prefect/collect/CollectCluster"
import * as CollectOutput from "@effect-prefect/collect/CollectOutput"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Jobs from "../src/internal/jobs.ts"
import { queueOf } from "../src/internal/work.ts"
import { startDatabase } from "./support/database.ts"
import { mapped, single, tables, world } from "./support/world.ts"

const data = tables({ first: [single("first", "a-1"), mapped("first", "b-1", 9)] })

it.live("a job that is finished has all parts of its output, though their workers ended before they told", () =>
  Effect.gen(function*() {
    const { url } = yield* startDatabase
    const files = new Map<string, Uint8Array>()
    const output = CollectOutput.makeMemory(files)
    const { manifest, plan } = yield* Effect.provide(
      Collect.run({ selection: { all: true }, output: { format: "jsonl", partRows: 3 } }),
      world(data, files)
    )
    yield* Effect.gen(function*() {
      const jobs = yield* Jobs.make
      const key = Jobs.keyOf(plan.job, "memory")
      yield* jobs.open(key, plan, { place: "memory", maxAttempts: 1, allowFailed: false })
      // The table of the queue, in which none of its parts waits.
      yield* queueOf(key, 1)
      yield* jobs.enqueued(key)
      assert.deepInclude(yield* jobs.progress(key), { publishedParts: 0, rows: 0 })
      assert.isTrue((yield* jobs.settle(key, plan, output))?.isFinished)
      assert.deepInclude(yield* jobs.progress(key), { publishedParts: plan.parts.length, rows: manifest.rows })
    }).pipe(Effect.provide(CollectCluster.layer({ url })))
    assert.isAbove(plan.parts.length, 1)
  }).pipe(Effect.scoped))
