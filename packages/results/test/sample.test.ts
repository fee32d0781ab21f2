import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as Sample from "@effect-prefect/results/sample"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as InlineStorage from "../src/InlineStorage.ts"

const fixture = join(import.meta.dirname, "../../../fixtures/prefect-1")
const Prefect = Layer.merge(
  ArchiveApi.layer(Sample.directory),
  ResultStorage.layerMerge([LocalStorage.layerArchive(Sample.directory), InlineStorage.layer])
)

describe("the sample", () => {
  it("has nothing that Prefect did not write", () => {
    const tables = readdirSync(join(Sample.directory, "tables"))
    assert.isAbove(tables.length, 5)
    for (const table of tables) {
      const recorded = new Set(readFileSync(join(fixture, "tables", table), "utf8").split("\n"))
      for (const row of readFileSync(join(Sample.directory, "tables", table), "utf8").split("\n")) {
        assert.isTrue(recorded.has(row), table)
      }
    }
    for (const file of readdirSync(Sample.directory, { recursive: true, withFileTypes: true })) {
      if (!file.isFile() || file.parentPath.endsWith("tables") || file.name === "mounts.json") continue
      const path = join(file.parentPath, file.name)
      assert.deepStrictEqual(readFileSync(path), readFileSync(path.replace(Sample.directory, fixture)))
    }
  })

  it.live("gives a result by id, and the results of its flow run", () =>
    Effect.gen(function*() {
      const taskRun = yield* TaskRun.fromTaskRunId(Sample.taskRunId)
      assert.deepStrictEqual(yield* taskRun.getResult, { orders: 24, total_cents: 1283888 })
      const flowRun = yield* FlowRun.fromFlowRunId(Sample.flowRunId)
      const outcomes = yield* Stream.runCollect(flowRun.results)
      const reasons = outcomes.flatMap(({ result }) =>
        result._tag === "Failure" && result.failure._tag === "ResultError" ? [result.failure.reason._tag] : []
      )
      assert.isAbove(outcomes.length, 90)
      assert.notInclude(reasons, "ResultNotFound")
      assert.notInclude(reasons, "StorageNotProvided")
    }).pipe(Effect.provide(Prefect)))
})
