/** The outcomes of mapped children as rows for a table of one's own, a batch at a time. */
import { ArchiveApi } from "@effect-prefect/api"
import type { FormatError } from "@effect-prefect/formats"
import { JsonProjection, LocalStorage, TaskRun } from "@effect-prefect/results"
import * as Sample from "@effect-prefect/results/sample"
import { Effect, Layer, Stream } from "effect"

interface Row {
  readonly map_index: number
  readonly value: string | null
  readonly error: string | null
}
const inserted: Array<ReadonlyArray<Row>> = []
const program = Effect.gen(function*() {
  const score = yield* TaskRun.fromTaskSlug({ taskSlug: "score-1", flowRunId: Sample.flowRunId })
  yield* score.outcomes.pipe(
    Stream.mapEffect(({ result, taskRun: { view } }): Effect.Effect<Row, FormatError.FormatError> =>
      result._tag === "Failure"
        ? Effect.succeed({ map_index: view.mapIndex, value: null, error: result.failure.reason._tag })
        : Effect.map(
          JsonProjection.toText(result.success),
          (value) => ({ map_index: view.mapIndex, value, error: null })
        )
    ),
    Stream.grouped(10),
    Stream.runForEach((rows) => Effect.sync(() => inserted.push(rows)))
  )
}).pipe(Effect.provide(
  Layer.merge(ArchiveApi.layer(Sample.directory), LocalStorage.layerArchive(Sample.directory))
))
await Effect.runPromise(program)
console.log(inserted.flat().length === 24 && inserted.length === 3 ? "ok" : inserted)
