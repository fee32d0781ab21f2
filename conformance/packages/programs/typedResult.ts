/** A result by a schema: decimals, datetimes and integers of Python as values of their own. */
import { ArchiveApi } from "@effect-prefect/api"
import { LocalStorage, ResultSchema, TaskRun } from "@effect-prefect/results"
import * as Sample from "@effect-prefect/results/sample"
import { Effect, Layer, Schema } from "effect"

const Order = Schema.Struct({ id: Schema.Int, placed: ResultSchema.DateTime, amount: ResultSchema.Decimal })
const program = Effect.gen(function*() {
  const extract = yield* TaskRun.fromTaskSlug({ taskSlug: "extract-1", flowRunId: Sample.flowRunId })
  return yield* extract.getResultAs(ResultSchema.list(Order))
}).pipe(Effect.provide(
  Layer.merge(ArchiveApi.layer(Sample.directory), LocalStorage.layerArchive(Sample.directory))
))
console.log((await Effect.runPromise(program)).length === 24 ? "ok" : "another number of orders")
