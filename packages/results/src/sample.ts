/**
 * A small archive of one flow run that a real Prefect 1.4.1 recorded, for examples and first steps: task runs with
 * results as pickles, JSON, CSV, Parquet and text, in files and in a bucket, and tasks that were mapped over 24 orders.
 *
 * **Example** (A result without a server)
 *
 * ```ts
 * import { ArchiveApi } from "@effect-prefect/api"
 * import { LocalStorage, TaskRun } from "@effect-prefect/results"
 * import * as Sample from "@effect-prefect/results/sample"
 * import { Effect, Layer } from "effect"
 *
 * export const summary = Effect.gen(function*() {
 *   const taskRun = yield* TaskRun.fromTaskSlug({ taskSlug: "summary-1", flowRunId: Sample.flowRunId })
 *   return yield* taskRun.getResult
 * }).pipe(Effect.provide(Layer.merge(
 *   ArchiveApi.layer(Sample.directory),
 *   LocalStorage.layerArchive(Sample.directory)
 * )))
 * ```
 *
 * @since 0.1.0
 */
import { fileURLToPath } from "node:url"

// In a form that no bundler takes for a file to copy.
const here = import.meta.url

/**
 * The folder of the archive, in the installed package: a bundle does not have it.
 *
 * @category constants
 * @since 0.1.0
 */
export const directory: string = fileURLToPath(new URL("../sample", here))

/**
 * The id of its flow run.
 *
 * @category constants
 * @since 0.1.0
 */
export const flowRunId = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"

/**
 * The id of a task run in it, whose result is `{ orders: 24, total_cents: 1283888 }`.
 *
 * @category constants
 * @since 0.1.0
 */
export const taskRunId = "17938764-72a9-5e1a-a67b-d93a5ba52e6a"
