/** The types of a task run: TaskRun.ts re-exports them, and the modules beside this one implement them. */
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { LogEntry, LogLevel } from "@effect-prefect/core/LogEntry"
import type { StateRecord } from "@effect-prefect/core/StateRecord"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import type { Table } from "@effect-prefect/formats/Table"
import type { Condition } from "@effect-prefect/formats/TableParts"
import type * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { ResultError } from "../../ResultError.ts"
import type { WaitTimeout } from "../../Watch.ts"
import type { PollOptions } from "./polling.ts"

/**
 * The errors of loading a result. `PrefectApiError` occurs only for mapped parents, whose children the backend lists.
 *
 * @category errors
 * @since 0.1.0
 */
export type TaskRunError = ResultError | PrefectApiError

/**
 * The outcome of loading one result, as data.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  readonly taskRun: TaskRun
  readonly result: Result.Result<unknown, TaskRunError>
}

/**
 * The number of mapped children in each state.
 *
 * @category models
 * @since 0.1.0
 */
export interface MappedStateCounts {
  /** `n_map_states`; null when the state does not contain it. */
  readonly expected: number | null
  /** The number of children that exist. */
  readonly found: number
  /** The number of children by state name. */
  readonly states: Readonly<Record<string, number>>
}

/**
 * The rows and columns of a table to read.
 *
 * @category models
 * @since 0.1.0
 */
export interface TableOptions {
  /** Only these columns, in this order. Default: all. */
  readonly columns?: ReadonlyArray<string> | undefined
  /** Only rows that match all these conditions. Default: all. */
  readonly filter?: ReadonlyArray<Condition> | undefined
}

/**
 * A task run. Every member is lazy and requires no services: they were captured when it was made.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskRun {
  /** The view that the backend returned when this was made. */
  readonly view: TaskRunView
  /**
   * The result, as plain data. It is loaded at the first call, once for any number of concurrent callers; a success is
   * cached, a failure is not. A mapped parent returns the results of its children in map order, or fails with the error
   * of the first child that failed.
   */
  readonly getResult: Effect.Effect<unknown, TaskRunError>
  /**
   * The result, decoded by a schema. A value that does not match fails with ResultDecodeError, which never shows the
   * value.
   */
  readonly getResultAs: <A, E, RD, RE>(
    schema: Schema.Codec<A, E, RD, RE>
  ) => Effect.Effect<A, TaskRunError, RD>
  /**
   * The result as a table, part by part: the row groups of a Parquet file, the record batches of an Arrow file or
   * stream. Each part is read when it is pulled, from a file or a bucket only its own bytes. `maxBytes` is the limit of
   * one part and of the footer, and the memory of a part counts against `maxMemory` until the next one is pulled.
   * Nothing is cached.
   *
   * Of a Parquet file, only the requested columns are read, and no row group whose statistics rule out the filter. Any
   * other table (a pickled DataFrame, CSV, a compressed file) is read as a whole and is one part. A mapped parent emits
   * the tables of its children in map order. Parts without rows are omitted; a table without rows is one empty part,
   * with its columns. A result that is not a table fails with ResultDecodeError.
   */
  readonly getTable: (options?: TableOptions) => Stream.Stream<Table, TaskRunError>
  /** The stored bytes. They are not cached. */
  readonly getResultBytes: Effect.Effect<Uint8Array, ResultError>
  /** The mapped children in map order, page by page on demand. */
  readonly iterMapped: Stream.Stream<TaskRun, TaskRunError>
  /** Like `iterMapped`, starting after this map index. */
  readonly iterMappedAfter: (mapIndex: number) => Stream.Stream<TaskRun, TaskRunError>
  /** The outcome of each mapped child in map order, loaded concurrently on demand. Failures are data. */
  readonly outcomes: Stream.Stream<Outcome, TaskRunError>
  /** Like `outcomes`, starting after this map index. */
  readonly outcomesAfter: (mapIndex: number) => Stream.Stream<Outcome, TaskRunError>
  /**
   * Like `outcomes`, for the children with a map index above `after` and below `until` (null: no end). Reads no rows
   * and no results beyond the range, and does not check that the children in it are complete.
   */
  readonly outcomesBetween: (after: number, until: number | null) => Stream.Stream<Outcome, TaskRunError>
  /** The number of mapped children in each state, counted by the backend in one query. */
  readonly mappedStateCounts: Effect.Effect<MappedStateCounts, TaskRunError>
  /**
   * Waits until the run, and for a mapped parent its children, have finished, then loads the result. Fails with
   * WaitTimeout after `timeout`.
   */
  readonly awaitResult: (options?: PollOptions) => Effect.Effect<unknown, TaskRunError | WaitTimeout>
  /** The states that it went through, oldest first. */
  readonly states: Effect.Effect<ReadonlyArray<StateRecord>, PrefectApiError>
  /** The log in the order of (timestamp, id), at a level and above. */
  readonly logs: (options?: { readonly level?: LogLevel | undefined }) => Stream.Stream<LogEntry, PrefectApiError>
  /**
   * Requests the task run again. A loaded result is kept as long as the state, and with it the descriptor, is
   * unchanged.
   */
  readonly getLatest: Effect.Effect<TaskRun, PrefectApiError>
}
