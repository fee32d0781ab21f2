/** A stored DataFrame as a CSV file, and the rows of it that a filter leaves. */
import { ArchiveApi } from "@effect-prefect/api"
import * as TableEncoder from "@effect-prefect/formats/TableEncoder"
import { LocalStorage, Table, TaskRun } from "@effect-prefect/results"
import * as Sample from "@effect-prefect/results/sample"
import { Effect, Layer } from "effect"
import assert from "node:assert/strict"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

const program = Effect.gen(function*() {
  const frame = yield* TaskRun.fromTaskSlug({ taskSlug: "frame_csv-1", flowRunId: Sample.flowRunId })
  const table = yield* frame.getResult
  assert.ok(table instanceof Table.Table)
  return table
}).pipe(Effect.provide(
  Layer.merge(ArchiveApi.layer(Sample.directory), LocalStorage.layerArchive(Sample.directory))
))

const table = await Effect.runPromise(program)
const folder = await mkdtemp(join(tmpdir(), "csv-"))
try {
  await writeFile(join(folder, "frame.csv"), TableEncoder.csv(table))
  const lines = (await readFile(join(folder, "frame.csv"), "utf8")).trimEnd().split("\r\n")
  assert.equal(lines.length, table.numRows + 1)
  assert.deepEqual(lines[0]?.split(","), [...table.index, ...table.columns].map(({ name }) => name))
} finally {
  await rm(folder, { recursive: true })
}
console.log("ok")
