import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { FlowRunView } from "@effect-prefect/core/FlowRunView"
import { type CustomResult, isPersisted, type ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Turn from "@effect-prefect/core/Turn"
import { FormatError, TooLarge } from "@effect-prefect/formats/FormatError"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as ResultSchema from "@effect-prefect/formats/ResultSchema"
import { estimate } from "@effect-prefect/formats/ValueSize"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Progress from "../../Progress.ts"
import {
  fromFormatError,
  NotFinished,
  type Reason,
  ResultDecodeError,
  ResultError,
  ResultTooLarge,
  StorageNotProvided,
  UnsupportedResultType
} from "../../ResultError.ts"
import { type Options, ResultOptions } from "../../ResultOptions.ts"
import { optionsOf, type ReadOptions, type Resolution, ResultStorage, type StoredResult } from "../../ResultStorage.ts"
import { inAnotherTurn, Later } from "./later.ts"
import { type Budget, budgetOf, CurrentLoad, type Lease, withinLoad } from "./memory.ts"
import { notPersisted } from "./notPersisted.ts"
import * as Telemetry from "./telemetry.ts"

/**
 * The services that a task run captured when it was made, so that its members require none.
 */
export interface Services {
  readonly api: PrefectApi["Service"]
  readonly storage: ResultStorage["Service"]
  readonly options: Options
  readonly memory: Budget
}

/** What was last captured with a storage, from which options. */
interface Captured extends Services {
  readonly own: Options | undefined
  readonly given: Options
}

const captured = new WeakMap<ResultStorage["Service"], Captured>()

/** Captures them. A program makes each of its task runs from the same ones. */
export const services: Effect.Effect<Services, never, PrefectApi | ResultStorage> = Effect.withFiber<
  Services,
  never,
  PrefectApi | ResultStorage
>((fiber) => {
  const context = fiber.context as Context.Context<PrefectApi | ResultStorage>
  const api = Context.get(context, PrefectApi)
  const storage = Context.get(context, ResultStorage)
  const given = fiber.getRef(ResultOptions)
  const own = storage.options
  const last = captured.get(storage)
  if (last !== undefined && last.api === api && last.given === given && last.own === own) return Effect.succeed(last)
  return Effect.map(optionsOf(storage, given), (options) => {
    const made: Captured = { api, storage, options, memory: budgetOf(storage, options.maxMemory), own, given }
    captured.set(storage, made)
    return made
  })
})

/** A run that may have a result of its own. */
export type RunView = TaskRunView | FlowRunView

export const resultError = (view: RunView, reason: Reason): ResultError =>
  view instanceof FlowRunView
    ? new ResultError({ taskRunId: null, flowRunId: view.flowRunId, taskSlug: null, mapIndex: -1, reason })
    : new ResultError({ taskRunId: view.taskRunId, taskSlug: view.taskSlug, mapIndex: view.mapIndex, reason })

const unreadable: Record<string, { readonly detail: string; readonly hint?: string }> = {
  ConstantResult: {
    detail: "a constant of the flow's source was not stored",
    hint: "add ConstantStorage.layer to resolve it yourself"
  },
  SecretResult: { detail: "a secret is never stored", hint: "add SecretStorage.layer to resolve it yourself" }
}

/** The descriptor to use when reading a view's own result; undefined when there is none. */
export const readableDescriptor = (view: RunView): ResultDescriptor | undefined => {
  if (!State.isFinished(view.state)) return undefined
  const descriptor = State.resultDescriptor(view.state)
  return isPersisted(descriptor) && !isMalformed(descriptor) ? descriptor : undefined
}

const isMalformed = (descriptor: ResultDescriptor): descriptor is CustomResult =>
  descriptor._tag === "CustomResult" && descriptor.isMalformed

/** The descriptor to use when reading a view's own result, or the reason why there is none. */
const descriptorOf = (view: RunView): ResultDescriptor | Reason => {
  const state = view.state
  if (!State.isFinished(state)) return new NotFinished({ state: State.typeName(state) })
  const descriptor = State.resultDescriptor(state)
  if (!isPersisted(descriptor)) return notPersisted(state, view instanceof FlowRunView)
  return isMalformed(descriptor)
    ? new UnsupportedResultType({ type: descriptor.type, detail: "its fields are not those that Prefect writes" })
    : descriptor
}

const isReason = (value: unknown): value is Reason => value instanceof Error

/** The reader of a view's own result, and the location; undefined when there is no result, or no reader. */
export const resolutionOf = (services: Services, view: RunView): Resolution | undefined => {
  const descriptor = readableDescriptor(view)
  return descriptor === undefined ? undefined : services.storage.resolve(descriptor)
}

/** The information about a load before it starts. */
export interface Prepared {
  /** The memory that it holds. */
  readonly lease: Lease
  /** The reader and the location, if a traversal has already resolved them. */
  readonly resolution?: Resolution | undefined
  /** Whether reading and decoding have their own spans: not in traversals, which may cover millions of results. */
  readonly isTraced?: boolean | undefined
  /** What was read already, which then is not read again. */
  readonly known?: Known | undefined
  /** Whether what comes before reading at once has been waited for. */
  readonly isReady?: boolean | undefined
}

/** What was read at once, or the reason why it cannot be read. */
export type Known = StoredResult | Reason

/** Reads a view's own result. A traversal has already resolved the location, and passes it on. */
export const readStored = (
  services: Services,
  view: RunView,
  prepared: Prepared
): Effect.Effect<StoredResult, ResultError> => {
  const descriptor = descriptorOf(view)
  return isReason(descriptor)
    ? Effect.fail(resultError(view, descriptor))
    : Effect.mapError(
      readDescriptor(services, descriptor, prepared),
      (reason) => resultError(view, unsupported(descriptor, reason))
    )
}

const readDescriptor = (services: Services, descriptor: ResultDescriptor, { lease, resolution }: Prepared) => {
  const resolved = resolution?.resolved
  const options: ReadOptions = {
    maxBytes: services.options.maxBytes,
    reserve: (bytes, then) => lease.request(bytes, then)
  }
  return resolved?._tag === "Allowed" ? resolved.read(options) : services.storage.read(descriptor, options)
}

/** A type that no storage of this library reads is unsupported, rather than a missing storage. */
const unsupported = (descriptor: ResultDescriptor, reason: Reason): Reason => {
  if (!(reason instanceof StorageNotProvided)) return reason
  const why = descriptor._tag === "CustomResult"
    ? descriptor.isDocument
      ? { detail: "Prefect 2.0 to 2.5 use the encodings result, json, text and cloudpickle" }
      : { detail: "it is a custom class", hint: "add a reader for that type to ResultStorage" }
    : unreadable[descriptor._tag]
  return why === undefined ? reason : new UnsupportedResultType({ type: reason.type, ...why })
}

const always = () => true

/** Loads with memory from the budget, all of which is returned at the end. */
const withLease = <A, E>(services: Services, use: (prepared: Prepared) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  withinLoad(Effect.suspend(() => {
    const lease = services.memory.open(always).begin()
    return Effect.ensuring(
      Effect.provideService(use({ lease, isTraced: true }), CurrentLoad, { lease }),
      Effect.sync(() => lease.release())
    )
  }))

/**
 * A view's own result: read, unless it is known, and decoded. Mapped parents have none.
 */
export const load = (services: Services, view: RunView, known?: Known): Effect.Effect<unknown, ResultError> =>
  withLease(
    services,
    (prepared) => Effect.flatMap(loadPrepared(services, view, { ...prepared, known }), Effect.fromResult)
  )

/**
 * Like `load`, as data, with a lease that afterwards holds the memory of the value, or is still active after a failure.
 *
 * Every mapped child passes through it, so it takes few steps: one that reads, and one that decodes unless that can be
 * done at once.
 */
export const loadPrepared = (
  services: Services,
  view: RunView,
  prepared: Prepared
): Effect.Effect<Result.Result<unknown, ResultError>> =>
  Effect.withFiber((fiber) => {
    const { lease } = prepared
    const isTraced = prepared.isTraced === true && Telemetry.isObserved(fiber)
    const tell = telling(fiber, view)
    let bytes = 0
    const settled = (result: Result.Result<unknown, ResultError>): Result.Result<unknown, ResultError> => {
      tell(Result.isFailure(result) ? result.failure.reason._tag : undefined, bytes)
      return result
    }
    const failed = (error: ResultError) => Effect.succeed(settled(Result.fail(error)))
    const descriptor = descriptorOf(view)
    if (isReason(descriptor)) return failed(resultError(view, descriptor))
    const onSuccess = (stored: StoredResult) => {
      bytes = lengthOf(stored)
      const decoding = isTraced
        ? Telemetry.spanned(
          "ResultFormat.decode",
          {
            "prefect.result.bytes": bytes,
            "prefect.result.format": stored._tag === "Value" ? "value" : stored.format ?? "detected"
          },
          Effect.suspend(() => decodeStored(services, view, stored, lease))
        )
        : decodeStored(services, view, stored, lease)
      return Exit.isExit(decoding) && Exit.isSuccess(decoding)
        ? Effect.succeed(settled(Result.succeed(decoding.value)))
        : Effect.map(Effect.result(decoding), settled)
    }
    const errorOf = (reason: Reason) => resultError(view, unsupported(descriptor, reason))
    const isAtOnce = prepared.known === undefined && prepared.isTraced !== true
    const resolution = prepared.resolution ?? (isAtOnce ? services.storage.resolve(descriptor) : undefined)
    const known = isAtOnce ? readAtOnce(services, resolution, prepared.isReady) : prepared.known
    if (known instanceof Later) {
      return Effect.matchEffect(known.wait, {
        onFailure: (reason) => failed(errorOf(reason)),
        onSuccess: () =>
          loadPrepared(services, view, {
            ...prepared,
            resolution,
            isReady: prepared.isReady === true || known !== inAnotherTurn
          })
      })
    }
    if (known !== undefined) return isReason(known) ? failed(errorOf(known)) : onSuccess(known)
    const read = readDescriptor(services, descriptor, { lease, resolution })
    const reading: Effect.Effect<StoredResult, Reason | ResultError> = isTraced
      ? Telemetry.spanned(
        "ResultStorage.read",
        Telemetry.placeOf(view.state),
        Effect.mapError(read, errorOf),
        (span, stored) => {
          if (stored._tag === "Bytes") span.attribute("prefect.result.bytes", stored.bytes.length)
        }
      )
      : read
    return Effect.matchEffect(reading, {
      onFailure: (error) => failed(error instanceof ResultError ? error : errorOf(error)),
      onSuccess
    })
  })

/** What a load that waits for another turn knows already. */
export interface Waiting {
  resolution: Resolution | undefined
}

/**
 * The value of a view's own result if it can be read and decoded without an Effect, in a later turn if loads have taken
 * their part of this one. Otherwise `load` loads it or tells why it cannot, from what was read if that is given. It makes
 * no spans, and gives undefined where a tracer would receive them.
 */
export const loadAtOnce = (
  services: Services,
  view: RunView,
  fiber: Fiber.Fiber<unknown, unknown>,
  isReady: boolean,
  waiting: Waiting
): Exit.Success<unknown> | Later<Reason> | Known | undefined => {
  if (Telemetry.isObserved(fiber)) return undefined
  const resolution = waiting.resolution ?? resolutionOf(services, view)
  waiting.resolution = undefined
  if (resolution === undefined) return undefined
  const tell = telling(fiber, view)
  const stored = readAtOnce(services, resolution, isReady)
  // Most of many loads come after their turn is over, and would be resolved twice.
  if (stored === inAnotherTurn) waiting.resolution = resolution
  if (stored === undefined || stored instanceof Later || isReason(stored)) return stored
  const lease = services.memory.open(always).begin()
  try {
    const decoding = decodeStored(services, view, stored, lease)
    if (!Exit.isExit(decoding) || !Exit.isSuccess(decoding)) return stored
    tell(undefined, lengthOf(stored))
    return decoding as Exit.Success<unknown>
  } finally {
    lease.release()
  }
}

const readAtOnce = (
  { memory, options }: Services,
  resolution: Resolution | undefined,
  isReady = false
): Known | Later<Reason> | undefined => {
  const resolved = resolution?.resolved
  if (resolved?._tag !== "Allowed" || resolved.readAtOnce === undefined) return undefined
  if (!memory.hasRoom(ResultFormat.smallMemory)) return undefined
  if (Turn.isLong()) return inAnotherTurn
  const known = resolved.readAtOnce(options)
  if (known !== undefined || isReady) return known
  // Each of a hundred loads would do the steps of the first one, in which something is looked up, to wait for it.
  const before = resolved.beforeReadAtOnce?.()
  return before === undefined ? undefined : new Later(before)
}

const lengthOf = (stored: StoredResult): number => stored._tag === "Bytes" ? stored.bytes.length : 0

/** Counts a load that begins now, once it has ended: with the tag of the reason of a failure, and the bytes read. */
const telling = (fiber: Fiber.Fiber<unknown, unknown>, view: RunView) => {
  const start = performance.now()
  return (failure: string | undefined, bytes: number): void => {
    const millis = performance.now() - start
    Telemetry.record(fiber.context, Telemetry.storageOf(view.state), failure ?? "ok", bytes, millis)
    fiber.getRef(Progress.Current)?.onSettled(failure !== undefined, bytes)
  }
}

/** Waits until a lease has a number of additional bytes. */
export const reserve = (lease: Lease, bytes: number): Effect.Effect<void, ResultTooLarge> =>
  Effect.callback((resume) => {
    const cancel = lease.request(
      bytes,
      (refusal) => resume(refusal === undefined ? Effect.void : Effect.fail(refusal))
    )
    return Effect.sync(cancel)
  })

/** Waits until no more than a few loads decode. */
const place = (lease: Lease): Effect.Effect<void> =>
  Effect.callback((resume) => Effect.sync(lease.decode(() => resume(Effect.void))))

/** A reader of the caller's own may have given more bytes than it was allowed. */
const tooLong = (
  { options: { maxBytes } }: Services,
  { bytes: { length } }: Extract<StoredResult, { readonly _tag: "Bytes" }>
): ResultTooLarge | undefined =>
  length > maxBytes ? new ResultTooLarge({ limit: maxBytes, unit: "bytes", size: length }) : undefined

/** The value of a stored result, whose memory the lease then holds. */
export const decodeStored = (
  services: Services,
  view: RunView,
  stored: StoredResult,
  lease: Lease
): Effect.Effect<unknown, ResultError> => {
  if (stored._tag === "Value") return settle(view, lease, stored.value)
  const excess = tooLong(services, stored)
  if (excess !== undefined) return Effect.fail(resultError(view, excess))
  // A reader that did not know the size has not requested memory.
  const missing = stored.bytes.length - lease.held
  const hasMemory = missing <= 0 || lease.budget.hasRoom(missing)
  if (missing > 0 && hasMemory) lease.request(missing, () => {})
  return hasMemory
    ? decodeBytes(services, view, stored, lease)
    : Effect.flatMap(
      Effect.mapError(reserve(lease, missing), (reason) => resultError(view, reason)),
      () => decodeBytes(services, view, stored, lease)
    )
}

const decodeBytes = (
  services: Services,
  view: RunView,
  stored: Extract<StoredResult, { readonly _tag: "Bytes" }>,
  lease: Lease
): Effect.Effect<unknown, ResultError> => {
  if (stored.bytes.length === 0 && stored.emptyIsNone === true) return settle(view, lease, null)
  const { format, maxBytes, registry } = services.options
  const { bytes, name } = stored
  let refusal: ResultTooLarge | undefined
  const failed = (error: FormatError | Reason) =>
    Effect.fail(resultError(view, refusal ?? (error instanceof FormatError ? fromFormatError(error) : error)))
  const isSmall = ResultFormat.isSmall(bytes) && lease.budget.hasRoom(ResultFormat.smallMemory)
  if (isSmall) {
    const atOnce = stored.decode === undefined
      ? ResultFormat.decodeAtOnce(bytes, { name, maxBytes, registry, format: format ?? stored.format })
      : stored.decodeAtOnce?.(bytes, { name, maxBytes, registry })
    if (atOnce !== undefined) {
      return Result.isSuccess(atOnce) ? settle(view, lease, atOnce.success) : failed(atOnce.failure)
    }
  }
  const options: ResultFormat.DecodeOptions = {
    name,
    maxBytes,
    registry,
    reserve: (bytes, isGuess) => {
      // An estimate is never the reason why a result does not fit.
      const room = isGuess ? Math.min(bytes, lease.budget.limit - lease.held) : bytes
      return Effect.mapError(Effect.as(reserve(lease, room), room), (reason) => {
        refusal = reason
        return tooLarge(reason)
      })
    }
  }
  const decoded: Effect.Effect<unknown, FormatError | Reason> = stored.decode === undefined
    ? ResultFormat.decode(bytes, { ...options, format: format ?? stored.format })
    : stored.decode(bytes, options)
  return Effect.matchEffect(isSmall ? decoded : Effect.flatMap(place(lease), () => decoded), {
    onFailure: failed,
    onSuccess: (value) => settle(view, lease, value, isSmall ? undefined : lease.held)
  })
}

const tooLarge = ({ limit, size }: ResultTooLarge): FormatError =>
  new FormatError({ reason: new TooLarge({ limit, ...(size === undefined ? {} : { size }) }) })

/** From here on the lease only holds the value, of whose decoding it is known how much memory it asked for, or not. */
const settle = (
  view: RunView,
  lease: Lease,
  value: unknown,
  asked?: number | undefined
): Effect.Effect<unknown, ResultError> => {
  const size = estimate(value, asked)
  if (size > lease.budget.limit) {
    return Effect.fail(
      resultError(view, new ResultTooLarge({ limit: lease.budget.limit, unit: "memory", size }))
    )
  }
  const missing = size - lease.held
  if (missing <= 0 || lease.budget.hasRoom(missing)) {
    lease.settle(size)
    return Effect.succeed(value)
  }
  return Effect.matchEffect(reserve(lease, missing), {
    onFailure: (reason) => Effect.fail(resultError(view, reason)),
    onSuccess: () => {
      lease.settle(size)
      return Effect.succeed(value)
    }
  })
}

/**
 * A view's own result as it was stored.
 */
export const loadBytes = (services: Services, view: RunView): Effect.Effect<Uint8Array, ResultError> =>
  withLease(
    services,
    (prepared) =>
      Effect.flatMap(readStored(services, view, prepared), (stored) => {
        const refusal = stored._tag === "Bytes"
          ? tooLong(services, stored)
          : new ResultDecodeError({ detail: "its storage gives a value, which has no stored bytes" })
        return stored._tag === "Bytes" && refusal === undefined
          ? Effect.succeed(stored.bytes)
          : Effect.fail(resultError(view, refusal!))
      })
  )

/**
 * A run's result, decoded by a schema of the caller's.
 */
export const decodeAs = <A, E, RD, RE, E2>(
  view: RunView,
  result: Effect.Effect<unknown, E2>,
  schema: Schema.Codec<A, E, RD, RE>
): Effect.Effect<A, E2 | ResultError, RD> => {
  const decode = ResultSchema.decode(schema)
  return Effect.flatMap(
    result,
    (value) => Effect.mapError(decode(value), (error) => resultError(view, fromFormatError(error)))
  )
}
