/** A table as CSV. */
import { ArchiveApi } from "@effect-prefect/api"
import * as TableEncoder from "@effect-prefect/formats/TableEncoder"
import { LocalStorage, Table, TaskRun } from "@effect-prefect/results"
import * as Sample from "@effect-prefect/results/sample"
import { Effect, Layer } from "effect"

const program = Effect.gen(function*() {
  const frame = yield* TaskRun.fromTaskSlug({ taskSlug: "frame_csv-1", flowRunId: Sample.flowRunId })
  const table = yield* frame.getResult
  if (!(table instanceof Table.Table)) return "no table"
  const names = table.columns.map(({ name }) => name)
  const csv = [names, ...table.toRows().map((row) => names.map((name) => row[name]))]
    .map((cells) => cells.map((cell) => TableEncoder.csvField(String(cell))).join(",")).join("\n")
  return csv.split("\n").length === table.numRows + 1 ? "ok" : csv
}).pipe(Effect.provide(
  Layer.merge(ArchiveApi.layer(Sample.directory), LocalStorage.layerArchive(Sample.directory))
))
console.log(await Effect.runPromise(program))
