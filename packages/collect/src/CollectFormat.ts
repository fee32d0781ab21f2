/**
 * `CollectFormat`: encodes rows as the bytes of a part, and counts the rows of an existing part for its record.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { CollectError, Unsupported } from "./CollectError.ts"
import type { OutputFormat } from "./CollectPlan.ts"
import * as Blocks from "./internal/blocks.ts"
import { giveWay } from "./internal/giveWay.ts"
import * as JsonLines from "./internal/jsonLines.ts"
import { Counter, type Row, type Summary } from "./internal/rows.ts"

export { parentRow, rowOf } from "./internal/outcomeRow.ts"
export { Counter, type Row, type RowOutcome, type Summary } from "./internal/rows.ts"

/**
 * The columns of every part, with the names of their types.
 *
 * @category columns
 * @since 0.1.0
 */
export const columnsOf = (output: OutputFormat): ReadonlyArray<{ readonly name: string; readonly type: string }> => [
  { name: "flow_run_id", type: "string" },
  { name: "task_run_id", type: "string" },
  { name: "task_slug", type: "string" },
  { name: "map_index", type: "int32" },
  { name: "state", type: "string" },
  ...(output.format === "jsonl"
    ? [{ name: "mapped_children", type: "int32" }, { name: "outcome", type: "object" }]
    : [
      { name: "mapped_children", type: "int32" },
      { name: "value", type: "json" },
      { name: "error_reason", type: "string" },
      { name: "error_message", type: "string" }
    ]),
  ...output.columns.map(({ name, type }) => ({ name: `v.${name}`, type }))
]

const parquet = Effect.tryPromise({
  try: () => import("./internal/parquet.ts"),
  catch: () =>
    new CollectError({
      reason: new Unsupported({
        detail: "Parquet needs the package hyparquet-writer: install it, or write JSON Lines (--format jsonl)"
      })
    })
})

/**
 * Encodes the rows of one part. Equal rows give equal bytes, however the stream splits them into arrays.
 *
 * At most one row group of Parquet (20 000 rows or 1 MiB of text), or one block of JSON Lines, is in memory.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = <E, R>(
  rows: Stream.Stream<Row, E, R>,
  output: OutputFormat
): Stream.Stream<Uint8Array, E | CollectError, R> =>
  output.format === "jsonl"
    ? Blocks.compress(JsonLines.encode(rows, output.columns), output.compression)
    : Stream.unwrap(Effect.map(parquet, (module) => module.encode(rows, output)))

/**
 * The totals of the rows in an existing part.
 *
 * @category decoding
 * @since 0.1.0
 */
export const summarize = (bytes: Uint8Array, output: OutputFormat): Effect.Effect<Summary, CollectError> =>
  Effect.gen(function*() {
    const counter = new Counter()
    const unreadable = () =>
      new CollectError({ reason: new Unsupported({ detail: "a part that is there is not one of this collection" }) })
    if (output.format === "jsonl") {
      const text = yield* Effect.tryPromise({
        try: () => Blocks.decompress(bytes, output.compression),
        catch: unreadable
      })
      yield* Effect.catchDefect(giveWay(() => JsonLines.count(text, counter)), () => Effect.fail(unreadable()))
    } else {
      const module = yield* parquet
      yield* Effect.mapError(module.count(bytes, counter), unreadable)
    }
    return counter.summary
  })
