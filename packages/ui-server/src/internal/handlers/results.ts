import { isPersisted } from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import { ResultError } from "@effect-prefect/results/ResultError"
import { ResultStorage, type StoredParts } from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { UiApi } from "@effect-prefect/ui-api/Api"
import type * as Models from "@effect-prefect/ui-api/Models"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Stream from "effect/Stream"
import { attachment, fileName } from "../attachment.ts"
import * as Long from "../long.ts"
import type { Limits } from "../options.ts"
import { CurrentHolder, Permits } from "../permits.ts"
import { type Failure, orProblem } from "../problem.ts"
import { type Handle, make, placeOf } from "../result/resultCache.ts"
import { started } from "../streams.ts"
import { defaultLimit, nonEmpty, take } from "./services.ts"

/**
 * `patience` are the milliseconds for which a client may leave what was sent while others wait; `onThread` receives what
 * starts the thread for large results.
 */
export const ResultHandlers = (limits: Limits, patience: number, onThread: (start: () => void) => void) =>
  HttpApiBuilder.group(
    UiApi,
    "results",
    Effect.fnUntraced(function*(handlers) {
      const { api, provide } = yield* take
      const cache = yield* make({
        cacheBytes: limits.cacheBytes ?? 512 * 2 ** 20,
        cacheMillis: Duration.toMillis(limits.cacheTime ?? "10 minutes"),
        loads: limits.loads ?? 8,
        threadBytes: limits.threadBytes ?? 2 ** 20
      })

      onThread(cache.startThread)

      const storage = yield* ResultStorage
      const whole = new Permits(limits.loads ?? 8, patience)

      /** The stored bytes of a result, to be read in parts; undefined when its store has none, or it cannot be read. */
      const opened = (view: TaskRunView) => {
        const descriptor = State.isFinished(view.state) ? State.resultDescriptor(view.state) : undefined
        const resolved = descriptor !== undefined && isPersisted(descriptor)
          ? storage.resolve(descriptor)?.resolved
          : undefined
        return resolved?._tag === "Allowed" && resolved.open !== undefined
          ? Effect.orElseSucceed(resolved.open(), () => undefined)
          : Effect.undefined
      }

      const readPart = (view: TaskRunView, parts: StoredParts, start: number) => {
        const { mapIndex, taskRunId, taskSlug } = view
        return Effect.mapError(
          parts.read(start, Math.min(partBytes, parts.size - start)),
          (reason) => new ResultError({ taskRunId, taskSlug, mapIndex, reason })
        )
      }

      /** The stored bytes of a result: in parts, or as a whole, of which there are a few at a time. */
      const storedBytes = Effect.fnUntraced(function*(id: string) {
        const run = yield* provide(TaskRun.fromTaskRunId(id))
        const parts = yield* opened(run.view)
        if (parts !== undefined && parts.size > 0) {
          const first = yield* readPart(run.view, parts, 0)
          const starts = Array.from({ length: Math.ceil(parts.size / partBytes) }, (_, index) => index * partBytes)
          const body = Stream.concat(
            Stream.fromIterable(pieceBytes(first)),
            Stream.flatMap(
              Stream.mapEffect(Stream.fromIterable(starts.slice(1)), (start) => readPart(run.view, parts, start)),
              (part) => Stream.fromIterable(pieceBytes(part))
            )
          )
          return { view: run.view, body }
        }
        const holder = yield* CurrentHolder
        if (holder !== undefined) yield* whole.takeFor(holder)
        return { view: run.view, body: Stream.fromIterable(pieceBytes(yield* run.getResultBytes)) }
      })

      const load = (id: string) =>
        Effect.flatMap(api.taskRun(id), (view) => Effect.map(cache.load(view), (handle) => ({ view, handle })))

      /** The pieces of a value's text, made on demand. */
      const pieces = (handle: Handle, kind: "json" | "csv"): Stream.Stream<Uint8Array, Failure> =>
        Stream.unwrap(Effect.sync(() => {
          const stream = cache.nextStream()
          const next = handle.ask({ op: "chunk", stream, kind })
          return Stream.fromEffectRepeat(next).pipe(
            Stream.takeWhile((piece) => piece !== null),
            Stream.map(String),
            Stream.encodeText,
            Stream.ensuring(Effect.ignore(handle.ask({ op: "close", stream })))
          )
        }))

      const download = (id: string, kind: "json" | "csv") =>
        orProblem(Effect.gen(function*() {
          const { handle, view } = yield* load(id)
          const body = yield* started(pieces(handle, kind))
          const index = view.mapIndex < 0 ? "" : `-${view.mapIndex}`
          return attachment(
            body,
            fileName(`${view.taskSlug ?? view.taskRunId}${index}`, `.${kind}`),
            kind === "csv" ? "text/csv" : "application/octet-stream"
          )
        }))

      return handlers.handleAll({
        show: ({ params }) =>
          orProblem(Effect.gen(function*() {
            const { handle } = yield* load(params.id)
            const description = yield* handle.ask({ op: "describe" })
            return Long.answer({ ...description as object, ...handle.stored } as Models.Result)
          })),
        stored: ({ params }) => orProblem(Effect.map(api.taskRun(params.id), placeOf)),
        value: ({ params, query }) =>
          orProblem(Effect.gen(function*() {
            const { handle } = yield* load(params.id)
            const level = yield* handle.ask({
              op: "level",
              path: query.path ?? "",
              offset: query.offset ?? 0,
              limit: query.limit ?? defaultLimit
            })
            return Long.answer(level as Models.ValueLevel)
          })),
        rows: ({ params, query }) =>
          orProblem(Effect.gen(function*() {
            const { handle } = yield* load(params.id)
            const rows = yield* handle.ask({
              op: "rows",
              query: {
                offset: query.offset ?? 0,
                limit: query.limit ?? defaultLimit,
                columns: columnsOf(query.columns),
                sort: nonEmpty(query.sort),
                where: query.where?.filter((text) => text !== "") ?? []
              }
            })
            return Long.answer(rows as Models.Rows)
          })),
        column: ({ params, query }) =>
          orProblem(Effect.gen(function*() {
            const { handle } = yield* load(params.id)
            const where = query.where?.filter((text) => text !== "") ?? []
            const summary = yield* handle.ask({ op: "column", index: params.index, where })
            return Long.answer(summary as Models.ColumnSummary)
          })),
        json: ({ params }) => download(params.id, "json"),
        csv: ({ params }) => download(params.id, "csv"),
        bytes: ({ params }) =>
          orProblem(Effect.map(storedBytes(params.id), ({ body, view }) => {
            const { mapIndex, taskRunId, taskSlug } = view
            return attachment(
              body,
              fileName(`${taskSlug ?? taskRunId}${mapIndex < 0 ? "" : `-${mapIndex}`}`, ".stored"),
              "application/octet-stream"
            )
          }))
      })
    })
  )

/** Column names separated by commas, or a JSON array of names when a name contains a comma. */
const columnsOf = (text: string | undefined): ReadonlyArray<string> | undefined => {
  if (text === undefined || text === "") return undefined
  if (text.startsWith("[")) {
    try {
      const names: unknown = JSON.parse(text)
      if (Array.isArray(names)) return names.map(String)
    } catch {
      // It is a name that begins like that.
    }
  }
  return text.split(",")
}

/** The bytes of a stored result that are in memory for each client. */
const partBytes = 1024 * 1024

function* pieceBytes(bytes: Uint8Array): Generator<Uint8Array, void> {
  const size = 256 * 1024
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}
