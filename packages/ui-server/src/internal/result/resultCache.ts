/**
 * Caches decoded results, so that paging, sorting and plots do not load them again.
 *
 * Values over 1 MiB, every Parquet file and whatever is compressed are held in a separate thread, the others here. The key
 * of a result consists of its task run and its location; failures are not cached.
 */
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import * as JsonText from "@effect-prefect/core/JsonText"
import { isPersisted, type ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Turn from "@effect-prefect/core/Turn"
import { FormatError, TooLarge, undecodable } from "@effect-prefect/formats/FormatError"
import * as ValueSize from "@effect-prefect/formats/ValueSize"
import {
  fromFormatError,
  type Reason,
  ResultDecodeError,
  ResultError,
  UnsupportedResultType
} from "@effect-prefect/results/ResultError"
import { ResultOptions } from "@effect-prefect/results/ResultOptions"
import { resultOptions, ResultStorage, type StoredResult } from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"
import { createHash } from "node:crypto"
import { answer, failureOf, type Streams } from "./answer.ts"
import { decode, decodePrefect3, isCompressed, isParquet } from "./decode.ts"
import { type Host, HostFailure, makeHost } from "./host.ts"
import { LoadedValue } from "./loadedValue.ts"
import type { Failure, Question } from "./protocol.ts"

/** The key of a result. Its descriptor may hold the value itself, of any size: a long one is known by its hash. */
export const resultKey = (view: TaskRunView): Effect.Effect<string> =>
  Effect.suspend(() => {
    const start = `${view.taskRunId} ${State.typeName(view.state)} `
    const descriptor = State.resultDescriptor(view.state) ?? null
    const short = JsonText.atOnce(descriptor)
    return short === undefined
      ? Effect.map(hashOf(descriptor), (hash) => start + hash)
      : Effect.succeed(start + short)
  })

const hashOf = Effect.fnUntraced(function*(value: object | null) {
  const hash = createHash("sha256")
  for (const piece of JsonText.pieces(value)) {
    if (Turn.isLong()) yield* Turn.next
    hash.update(piece)
  }
  return hash.digest("hex")
})

/** A query that does not match the value. */
export class ValueQueryError {
  readonly _tag = "ValueQueryError"
  readonly kind: "Query" | "Path" | "NotTabular" | "Fault"
  readonly parameter: string
  readonly message: string
  constructor(kind: ValueQueryError["kind"], parameter: string, message: string) {
    this.kind = kind
    this.parameter = parameter
    this.message = message
  }
}

export type LoadError = PrefectApiError | ResultError | ValueQueryError

/** The location of a stored result, and the formats of its bytes. */
export interface StoredInfo {
  readonly storage: string | null
  readonly location: string | null
  readonly stored_bytes: number | null
  readonly formats: ReadonlyArray<string>
}

/** The location of a result according to its state: a path, `s3://bucket/key`, … */
export const placeOf = (view: TaskRunView): StoredInfo => {
  const descriptor = State.resultDescriptor(view.state)
  const location = descriptor === undefined || !isPersisted(descriptor) ? null : locationOf(descriptor)
  return { storage: descriptor?._tag ?? null, location, stored_bytes: null, formats: [] }
}

const locationOf = (descriptor: ResultDescriptor): string | null => {
  const key = descriptor.location?.replace(/^\//, "") ?? ""
  switch (descriptor._tag) {
    case "S3Result":
      return `s3://${descriptor.bucket}/${key}`
    case "GCSResult":
      return `gs://${descriptor.bucket}/${key}`
    case "AzureResult":
      return `azure://${descriptor.container}/${key}`
    case "PrefectResult":
      // Here the location is the value itself.
      return null
    case "CustomResult":
      // A location that is no text may be the value, of any size.
      return typeof descriptor.raw["location"] === "object" ? null : descriptor.location
    default:
      return descriptor.location ?? null
  }
}

type Ask = Exclude<Question, { readonly op: "load" | "drop" }>

/** A value that is loaded. */
export interface Handle {
  readonly stored: StoredInfo
  readonly ask: (question: Ask) => Effect.Effect<unknown, LoadError>
}

interface Entry {
  readonly handle: Deferred.Deferred<Handle, LoadError>
  usedAt: number
  cost: number
  drop: () => void
  isStale: () => boolean
}

export interface Limits {
  /** The estimated bytes of decoded values in the cache. */
  readonly cacheBytes: number
  /** How long a value stays in the cache after its last use. */
  readonly cacheMillis: number
  /** The number of results that load concurrently. */
  readonly loads: number
  /** The number of stored bytes from which a value is decoded in the thread. */
  readonly threadBytes: number
}

export interface ResultCache {
  /** The result of a task run, loaded once for all requests that arrive while it loads. */
  readonly load: (view: TaskRunView) => Effect.Effect<Handle, LoadError>
  readonly nextStream: () => number
  /** Starts the thread for large results, so that the first of them does not wait for it. */
  readonly startThread: () => void
}

const isMapped = (view: TaskRunView): boolean => State.isMapped(view.state) && view.mapIndex < 0

export const make = Effect.fnUntraced(function*(limits: Limits) {
  const api = yield* PrefectApi
  const storage = yield* ResultStorage
  const options = yield* resultOptions
  const host: Host = yield* Effect.acquireRelease(
    Effect.sync(() => makeHost(Math.max(512, Math.ceil(limits.cacheBytes / 2 ** 20) * 4))),
    (host) => Effect.sync(() => host.close())
  )
  const permits = yield* Semaphore.make(limits.loads)
  const entries = new Map<string, Entry>()
  let keys = 0
  let streams = 0

  const resultError = (view: TaskRunView, reason: Reason) =>
    new ResultError({ taskRunId: view.taskRunId, taskSlug: view.taskSlug, mapIndex: view.mapIndex, reason })

  const fromFailure = (view: TaskRunView, failure: Failure): LoadError => {
    switch (failure._tag) {
      case "Undecodable":
        return resultError(view, fromFormatError(undecodable(failure.detail)))
      case "TooLarge": {
        const { limit, size } = failure
        return resultError(
          view,
          fromFormatError(new FormatError({ reason: new TooLarge({ limit, ...(size === undefined ? {} : { size }) }) }))
        )
      }
      case "Unsupported":
        return resultError(view, new UnsupportedResultType({ type: failure.type, detail: failure.detail }))
      case "Query":
        return new ValueQueryError("Query", failure.parameter, failure.message)
      case "Path":
        return new ValueQueryError("Path", "path", failure.message)
      case "NotTabular":
        return new ValueQueryError("NotTabular", "", failure.message)
      case "Fault":
        return resultError(
          view,
          new ResultDecodeError({ detail: "it needs more memory than this server gives to one value" })
        )
    }
  }

  const askHost = (view: TaskRunView, key: number, question: Question) =>
    Effect.tryPromise({
      try: (signal) => host.ask(key, question, signal),
      catch: (error) => fromFailure(view, error instanceof HostFailure ? error.failure : { _tag: "Fault" })
    })

  const here = (view: TaskRunView, value: unknown, stored: StoredInfo): Handle => {
    const loaded = new LoadedValue(value)
    const open: Streams = new Map()
    return {
      stored,
      ask: (question) =>
        Effect.try({
          try: () => answer(loaded, open, question),
          catch: (error) => fromFailure(view, failureOf(error))
        })
    }
  }

  /** Reads and decodes, here or in the thread. */
  const fetch = Effect.fnUntraced(function*(
    view: TaskRunView,
    entry: Entry
  ): Effect.fn.Return<Handle, LoadError> {
    const info = placeOf(view)
    const taskRun = yield* TaskRun.fromView(view).pipe(
      Effect.provideService(PrefectApi, api),
      Effect.provideService(ResultStorage, storage),
      Effect.provideService(ResultOptions, options)
    )
    const descriptor = State.resultDescriptor(view.state)
    // A result without bytes of its own fails, or is assembled, as in the library.
    if (isMapped(view) || !State.isFinished(view.state) || !isPersisted(descriptor)) {
      const value = yield* taskRun.getResult
      entry.cost = ValueSize.estimate(value)
      return here(view, value, info)
    }
    const stored: StoredResult | undefined = yield* storage.read(descriptor, options).pipe(
      Effect.catch(() => Effect.succeed(undefined))
    )
    // The library's error says why there is none.
    const prefect3 = stored?._tag === "Bytes" && stored.decode !== undefined && descriptor._tag === "Prefect3Result"
      ? { serializer: descriptor.serializer ?? null }
      : undefined
    if (
      stored === undefined || stored._tag === "Value" || (stored.decode !== undefined && prefect3 === undefined) ||
      options.registry.decoders.size > 0 || stored.bytes.length > options.maxBytes
    ) {
      const value = yield* taskRun.getResult
      const size = stored?._tag === "Bytes" ? stored.bytes.length : null
      entry.cost = Math.max((size ?? 1024) * 4, ValueSize.estimate(value))
      return here(view, value, { ...info, stored_bytes: size })
    }
    if (stored.bytes.length === 0 && stored.emptyIsNone === true) return here(view, null, { ...info, stored_bytes: 0 })
    const { bytes, name } = stored
    const size = bytes.length
    const format = options.format ?? stored.format
    if (size <= limits.threadBytes && !isParquet(bytes) && !isCompressed(bytes, prefect3?.serializer)) {
      const decoding = { name, format, maxBytes: options.maxBytes, registry: options.registry }
      const decoded = yield* Effect.mapError(
        prefect3 === undefined
          ? decode(bytes, decoding)
          : decodePrefect3(bytes, prefect3.serializer, decoding),
        (error) => resultError(view, error instanceof FormatError ? fromFormatError(error) : error)
      )
      entry.cost = Math.max(decoded.size * 4, ValueSize.estimate(decoded.value))
      return here(view, decoded.value, { ...info, stored_bytes: size, formats: decoded.formats })
    }
    const key = keys++
    const generation = host.generation()
    const answered = yield* askHost(view, key, {
      op: "load",
      bytes,
      name,
      format,
      maxBytes: options.maxBytes,
      prefect3
    })
    const { formats, size: decodedSize } = answered as { formats: ReadonlyArray<string>; size: number }
    entry.cost = decodedSize * 3
    entry.isStale = () => host.generation() !== generation
    entry.drop = () => {
      if (host.generation() === generation) void host.ask(key, { op: "drop" }).catch(() => {})
    }
    return {
      stored: { ...info, stored_bytes: size, formats },
      ask: (question) => askHost(view, key, question)
    }
  })

  const evict = (now: number) => {
    let total = 0
    for (const [key, entry] of entries) {
      if (now - entry.usedAt > limits.cacheMillis) {
        entries.delete(key)
        entry.drop()
      } else total += entry.cost
    }
    for (const [key, entry] of entries) {
      if (total <= limits.cacheBytes || entries.size === 1) break
      entries.delete(key)
      entry.drop()
      total -= entry.cost
    }
  }

  const load = (view: TaskRunView): Effect.Effect<Handle, LoadError> =>
    Effect.flatMap(resultKey(view), (key) => {
      const now = Date.now()
      const known = entries.get(key)
      if (known !== undefined && !known.isStale()) {
        known.usedAt = now
        // The most recently used is last.
        entries.delete(key)
        entries.set(key, known)
        return Deferred.await(known.handle)
      }
      const entry: Entry = {
        handle: Deferred.makeUnsafe(),
        usedAt: now,
        cost: 0,
        drop: () => {},
        isStale: () => false
      }
      entries.set(key, entry)
      const run = Semaphore.withPermit(permits)(fetch(view, entry)).pipe(
        Effect.onExit((exit) =>
          Effect.suspend(() => {
            if (Exit.isSuccess(exit)) evict(Date.now())
            else if (entries.get(key) === entry) entries.delete(key)
            return Deferred.done(entry.handle, exit)
          })
        )
      )
      // A client that disconnects early does not affect the others.
      return Effect.andThen(Effect.forkDetach(run), Deferred.await(entry.handle))
    })

  const sweep = setInterval(() => evict(Date.now()), 60_000)
  sweep.unref()
  yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(sweep)))

  return { load, nextStream: () => streams++, startThread: () => host.start() } satisfies ResultCache
})
