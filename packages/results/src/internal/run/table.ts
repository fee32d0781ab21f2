/**
 * Reads a result as a table, part by part: from its storage if that supports parts, otherwise from the whole result.
 */
import { FormatError } from "@effect-prefect/formats/FormatError"
import type { Table } from "@effect-prefect/formats/Table"
import * as TableParts from "@effect-prefect/formats/TableParts"
import * as Tabular from "@effect-prefect/formats/Tabular"
import { estimate } from "@effect-prefect/formats/ValueSize"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { fromFormatError, type Reason, ResultDecodeError, type ResultError } from "../../ResultError.ts"
import type { StoredParts, StoredResult } from "../../ResultStorage.ts"
import { decodeStored, readStored, reserve, resolutionOf, resultError, type RunView, type Services } from "./load.ts"
import type { Lease } from "./memory.ts"
import type { TableOptions } from "./model.ts"

const always = () => true

/** A lease that ends with the scope. */
const leaseOf = (services: Services): Effect.Effect<Lease, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => services.memory.open(always).begin()),
    (lease) => Effect.sync(() => lease.release())
  )

/** The estimated memory of a part while it is decoded, as a multiple of its bytes. */
const guessedGrowth = 4

/** Fails with the reason of a failed read or of rejected bytes. */
const failed = (view: RunView) => (error: FormatError | Reason): ResultError =>
  resultError(view, error instanceof FormatError ? fromFormatError(error) : error)

/**
 * Opened parts as tables. Only one part holds memory at a time: from the request for its bytes to that of the next
 * part.
 */
const walk = <E extends Reason>(
  services: Services,
  view: RunView,
  opened: TableParts.Parts<E>,
  options: TableOptions
): Stream.Stream<Table, ResultError> =>
  Stream.unwrap(Effect.gen(function*() {
    const head = yield* leaseOf(services)
    yield* Effect.mapError(reserve(head, opened.headBytes), failed(view))
    head.settle(opened.headBytes)
    let current: Lease | undefined
    yield* Effect.addFinalizer(() => Effect.sync(() => current?.release()))
    const load = (part: TableParts.Part<E>): Effect.Effect<Table, FormatError | Reason> =>
      Effect.suspend(() => {
        current?.release()
        const lease = current = services.memory.open(always).begin()
        // An estimate is never the reason why a part does not fit.
        const room = Math.max(part.byteLength, Math.min(part.byteLength * guessedGrowth, lease.budget.limit))
        return Effect.flatMap(
          reserve(lease, room),
          () => Effect.tap(part.load, (table) => Effect.sync(() => lease.settle(estimate(table))))
        )
      })
    return Stream.mapError(TableParts.tables(opened, options, load), failed(view))
  }))

/** Whether the first bytes may show that the result has parts. */
const mayHaveParts = (format: string | undefined): boolean =>
  format === undefined || format === "parquet" || format === "feather"

const isTable = (view: RunView, value: unknown): Effect.Effect<Table, ResultError> =>
  Effect.flatMap(
    Tabular.fromValue(value),
    (table) =>
      table === undefined
        ? Effect.fail(resultError(view, ResultDecodeError.notTable()))
        : Effect.succeed(table)
  )

/** A result whose storage does not support parts: read as a whole, within the limits. */
const fromWhole = (
  services: Services,
  view: RunView,
  options: TableOptions
): Effect.Effect<Stream.Stream<Table, ResultError>, ResultError, Scope.Scope> =>
  Effect.gen(function*() {
    const lease = yield* leaseOf(services)
    const stored: StoredResult = yield* readStored(services, view, { lease })
    if (
      stored._tag === "Bytes" && stored.decode === undefined && mayHaveParts(services.options.format ?? stored.format)
    ) {
      const { bytes } = stored
      const opened = yield* Effect.mapError(
        TableParts.open(TableParts.sourceOf(bytes), { ...options, maxBytes: services.options.maxBytes }),
        failed(view)
      )
      if (opened !== undefined) {
        lease.settle(bytes.length)
        return walk(services, view, { ...opened, headBytes: 0 }, options)
      }
    }
    const table = yield* isTable(view, yield* decodeStored(services, view, stored, lease))
    return Stream.fromEffect(Effect.mapError(TableParts.narrow(table, options), failed(view)))
  })

/** A view's own result as a table, part by part. */
export const tables = (
  services: Services,
  view: RunView,
  options: TableOptions
): Stream.Stream<Table, ResultError> =>
  Stream.unwrap(Effect.gen(function*() {
    const resolution = resolutionOf(services, view)
    const { resolved } = resolution ?? {}
    if (resolved?._tag === "Allowed" && resolved.open !== undefined && mayHaveParts(services.options.format)) {
      const source: StoredParts | undefined = yield* Effect.mapError(resolved.open(), failed(view))
      const opened = source === undefined
        ? undefined
        : yield* Effect.mapError(
          TableParts.open(source, { ...options, maxBytes: services.options.maxBytes }),
          failed(view)
        )
      if (opened !== undefined) return walk(services, view, opened, options)
    }
    return yield* fromWhole(services, view, options)
  }))
