import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { FlowRunView } from "@effect-prefect/core/FlowRunView"
import { type CustomResult, isPersisted, type ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import { FormatError } from "@effect-prefect/formats/FormatError"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as ResultSchema from "@effect-prefect/formats/ResultSchema"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Progress from "../../Progress.ts"
import {
  fromFormatError,
  NotFinished,
  type Reason,
  ResultDecodeError,
  ResultError,
  StorageNotProvided,
  UnsupportedResultType
} from "../../ResultError.ts"
import { type Options, override, ResultOptions } from "../../ResultOptions.ts"
import { type Resolution, ResultStorage, type StoredResult } from "../../ResultStorage.ts"
import { notPersisted } from "./notPersisted.ts"

/**
 * The services that a task run captured when it was made, so that its members require none.
 */
export interface Services {
  readonly api: PrefectApi["Service"]
  readonly storage: ResultStorage["Service"]
  readonly options: Options
}

/** Captures them. */
export const services: Effect.Effect<Services, never, PrefectApi | ResultStorage> = Effect.gen(function*() {
  const api = yield* PrefectApi
  const storage = yield* ResultStorage
  return { api, storage, options: optionsOf(storage, yield* ResultOptions) }
})

/** The options in force: those of the program, and where it has none, those that the storage was built with. */
export const optionsOf = (storage: ResultStorage["Service"], options: Options): Options =>
  storage.options === undefined ? options : override(storage.options, options)

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

/** The descriptor to read a view's own result with; undefined when there is none. */
export const readableDescriptor = (view: RunView): ResultDescriptor | undefined => {
  if (!State.isFinished(view.state)) return undefined
  const descriptor = State.resultDescriptor(view.state)
  return isPersisted(descriptor) && !isMalformed(descriptor) ? descriptor : undefined
}

const isMalformed = (descriptor: ResultDescriptor): descriptor is CustomResult =>
  descriptor._tag === "CustomResult" && descriptor.isMalformed

/**
 * The descriptor to read a view's own result with, or the reason why there is none.
 */
const descriptorOf = (view: RunView): ResultDescriptor | Reason => {
  const state = view.state
  if (!State.isFinished(state)) return new NotFinished({ state: State.typeName(state) })
  const descriptor = State.resultDescriptor(state)
  if (!isPersisted(descriptor)) return notPersisted(state, view instanceof FlowRunView)
  return isMalformed(descriptor)
    ? new UnsupportedResultType({ type: descriptor.type, detail: "its fields are not those that Prefect writes" })
    : descriptor
}

const isReason = (value: ResultDescriptor | Reason): value is Reason => value instanceof Error

/**
 * Reads a view's own result. A traversal has resolved the location before, and passes it on.
 */
export const readStored = (
  services: Services,
  view: RunView,
  resolution?: Resolution | undefined
): Effect.Effect<StoredResult, ResultError> => {
  const descriptor = descriptorOf(view)
  if (isReason(descriptor)) return Effect.fail(resultError(view, descriptor))
  const resolved = resolution?.resolved
  return Effect.mapError(
    resolved?._tag === "Allowed"
      ? resolved.read(services.options)
      : services.storage.read(descriptor, services.options),
    (reason) => resultError(view, unsupported(descriptor, reason))
  )
}

/**
 * A type that no storage of ours reads is unsupported, rather than a storage that was forgotten.
 */
const unsupported = (descriptor: ResultDescriptor, reason: Reason): Reason => {
  if (!(reason instanceof StorageNotProvided)) return reason
  const why = descriptor._tag === "CustomResult"
    ? descriptor.isDocument
      ? { detail: "Prefect 2.0 to 2.5 come with the encodings result, json, text and cloudpickle" }
      : { detail: "it is a custom class", hint: "give ResultStorage a reader for that type" }
    : unreadable[descriptor._tag]
  return why === undefined ? reason : new UnsupportedResultType({ type: reason.type, ...why })
}

/**
 * A view's own result: read and decoded. Mapped parents have none.
 */
export const load = (
  services: Services,
  view: RunView,
  resolution?: Resolution | undefined
): Effect.Effect<unknown, ResultError> =>
  Effect.withFiber((fiber) => {
    const callbacks = fiber.getRef(Progress.Current)
    if (callbacks === undefined) {
      return Effect.flatMap(readStored(services, view, resolution), (stored) => decode(services, view, stored))
    }
    let bytes = 0
    return Effect.flatMap(readStored(services, view, resolution), (stored) => {
      if (stored._tag === "Bytes") bytes = stored.bytes.length
      return decode(services, view, stored)
    }).pipe(
      Effect.tap(() => Effect.sync(() => callbacks.onSettled(false, bytes))),
      Effect.tapError(() => Effect.sync(() => callbacks.onSettled(true, bytes)))
    )
  })

const decode = (services: Services, view: RunView, stored: StoredResult): Effect.Effect<unknown, ResultError> => {
  if (stored._tag === "Value") return Effect.succeed(stored.value)
  if (stored.bytes.length === 0 && stored.emptyIsNone === true) return Effect.succeed(null)
  const { format, maxBytes, registry } = services.options
  const { bytes, name } = stored
  const decoded: Effect.Effect<unknown, FormatError | Reason> = stored.decode === undefined
    ? ResultFormat.decode(bytes, { name, format: format ?? stored.format, maxBytes, registry })
    : stored.decode(bytes, { name, maxBytes, registry })
  return Effect.mapError(
    decoded,
    (error) => resultError(view, error instanceof FormatError ? fromFormatError(error) : error)
  )
}

/**
 * A view's own result as it was stored.
 */
export const loadBytes = (services: Services, view: RunView): Effect.Effect<Uint8Array, ResultError> =>
  Effect.flatMap(readStored(services, view), (stored) =>
    stored._tag === "Bytes"
      ? Effect.succeed(stored.bytes)
      : Effect.fail(
        resultError(view, new ResultDecodeError({ detail: "its storage gives a value, which has no stored bytes" }))
      ))

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
