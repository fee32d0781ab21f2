/** The outcomes of mapped children as rows of a Postgres table of one's own, a batch at a time. */
import { ArchiveApi } from "@effect-prefect/api"
import { JsonProjection, LocalStorage, TaskRun } from "@effect-prefect/results"
import * as Sample from "@effect-prefect/results/sample"
import { PgClient } from "@effect/sql-pg"
import { Config, Effect, Layer, Stream } from "effect"
import { SqlClient } from "effect/sql"
import assert from "node:assert/strict"

const row = Effect.fnUntraced(function*({ result, taskRun: { view } }: TaskRun.Outcome) {
  return {
    task_run_id: view.taskRunId,
    map_index: view.mapIndex,
    value: result._tag === "Success" ? yield* JsonProjection.toText(result.success) : null,
    error: result._tag === "Failure" ? result.failure.reason._tag : null
  }
})

const table = `scores_${process.pid}`
const program = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE ${sql(table)} (task_run_id uuid PRIMARY KEY, map_index int, value jsonb, error text)`
  const score = yield* TaskRun.fromTaskSlug({ taskSlug: "score-1", flowRunId: Sample.flowRunId })
  yield* score.outcomes.pipe(
    Stream.mapEffect(row),
    Stream.grouped(10),
    Stream.runForEach((rows) => sql`INSERT INTO ${sql(table)} ${sql.insert(rows)}`)
  )
  return yield* sql`SELECT count(*)::int, count(value)::int AS scored, max(error) AS error FROM ${sql(table)}`
})
const rows = await Effect.runPromise(program.pipe(Effect.provide(Layer.mergeAll(
  ArchiveApi.layer(Sample.directory),
  LocalStorage.layerArchive(Sample.directory),
  PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })
))))
assert.deepEqual(rows, [{ count: 24, scored: 22, error: "NotPersisted" }])
console.log("ok")
