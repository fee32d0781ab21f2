/** Outcomes as the flat rows of collected parts, for CSV and Parquet. Loaded when one of these formats is written. */
import * as CollectFormat from "@effect-prefect/collect/CollectFormat"
import * as State from "@effect-prefect/core/State"
import { csvField, csvFieldParts } from "@effect-prefect/formats/TableEncoder"
import type { Outcome } from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { CommandFailed, UsageError } from "./errors.ts"
import { requireFields } from "./fields.ts"

/** A mapped parent's value consists of its children's, which have rows of their own. */
const rowOf = (outcome: Outcome): Effect.Effect<CollectFormat.Row> => {
  const { result, taskRun: { view } } = outcome
  return State.isMapped(view.state) && view.mapIndex < 0 && Result.isSuccess(result)
    ? Effect.succeed(
      CollectFormat.parentRow(
        outcome,
        view.state.nMapStates ?? (Array.isArray(result.success) ? result.success.length : 0)
      )
    )
    : CollectFormat.rowOf(outcome)
}

const cells: { readonly [column: string]: (row: CollectFormat.Row) => string | number | null } = {
  flow_run_id: ({ flowRunId }) => flowRunId,
  task_run_id: ({ taskRunId }) => taskRunId,
  task_slug: ({ taskSlug }) => taskSlug,
  map_index: ({ mapIndex }) => mapIndex,
  state: ({ state }) => state,
  mapped_children: ({ outcome }) => outcome._tag === "Mapped" ? outcome.children : null,
  value: ({ outcome }) => outcome._tag === "Value" ? outcome.json : null,
  error_reason: ({ outcome }) => outcome._tag === "Failure" ? outcome.reason : null,
  error_message: ({ outcome }) => outcome._tag === "Failure" ? outcome.message : null
}

/** A text of more characters is written in parts. */
const longText = 0x10000

const textOf = (value: string | number | null): string =>
  value === null ? "" : typeof value === "number" ? String(value) : value === "" ? "\"\"" : csvField(value)

/** The pieces of a line with a long text. */
function* pieces(values: ReadonlyArray<string | number | null>): Generator<string, void> {
  for (const [at, value] of values.entries()) {
    if (at > 0) yield ","
    if (typeof value === "string" && value.length > longText) yield* csvFieldParts(value)
    else yield textOf(value)
  }
  yield "\r\n"
}

const csv = <E, R>(rows: Stream.Stream<CollectFormat.Row, E, R>, columns: ReadonlyArray<string>) => {
  /** Lines that are short together, and a long one alone. */
  const grouped = (array: ReadonlyArray<CollectFormat.Row>): [string, ...Array<string | Iterator<string, void>>] => {
    const groups: [string, ...Array<string | Iterator<string, void>>] = [""]
    let short = ""
    for (const row of array) {
      const values = columns.map((column) => cells[column]!(row))
      if (values.every((value) => typeof value !== "string" || value.length <= longText)) {
        short += `${values.map(textOf).join(",")}\r\n`
      } else {
        groups.push(short, pieces(values))
        short = ""
      }
    }
    groups.push(short)
    return groups
  }
  const text = Stream.flatMap(
    Stream.mapArray(rows, grouped),
    (group) =>
      typeof group === "string" ? Stream.make(group) : Stream.unfold(group, () =>
        // Nothing is written of an empty piece, so nothing else lets other work run.
        Effect.map(
          Effect.andThen(Effect.yieldNow, Effect.sync(() => group.next())),
          (next) => next.done === true ? undefined : [next.value, group] as const
        ))
  )
  return Stream.concat(Stream.make(`${columns.join(",")}\r\n`), text)
}

export const outcomeRows = Effect.fnUntraced(function*<E, R>(
  outcomes: Stream.Stream<Outcome, E, R>,
  format: "csv" | "parquet",
  fields: ReadonlyArray<string> | undefined
): Effect.fn.Return<Stream.Stream<string | Uint8Array, E | CommandFailed, R>, UsageError | CommandFailed> {
  const rows = Stream.mapEffect(outcomes, rowOf)
  if (fields !== undefined) yield* requireFields(fields, Object.keys(cells))
  if (format === "csv") return csv(rows, fields ?? Object.keys(cells))
  if (fields !== undefined) {
    return yield* new UsageError({ message: "--fields goes with csv, jsonl and json; Parquet has every column" })
  }
  return Stream.mapError(
    CollectFormat.encode(rows, { format: "parquet", compression: "zstd", partRows: 50_000, columns: [] }),
    (error) =>
      (error as { readonly _tag?: unknown })._tag === "CollectError"
        ? new CommandFailed({ message: (error as Error).message })
        : error as E
  )
})
