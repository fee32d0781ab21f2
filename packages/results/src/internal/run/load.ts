import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { isPersisted, type ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import { FormatError } from "@effect-prefect/formats/FormatError"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as Effect from "effect/Effect"
import * as Progress from "../../Progress.ts"
import {
  fromFormatError,
  NotFinished,
  NotPersisted,
  type Reason,
  ResultDecodeError,
  ResultError,
  StorageNotProvided,
  UnsupportedResultType
} from "../../ResultError.ts"
import { type Options, ResultOptions } from "../../ResultOptions.ts"
import { ResultStorage, type Stored } from "../../ResultStorage.ts"

/**
 * What a task run took from its layers when it was made, so that everything on it needs no services.
 */
export interface Env {
  readonly api: PrefectApi["Service"]
  readonly storage: ResultStorage["Service"]
  readonly options: Options
}

/** Takes them. */
export const env: Effect.Effect<Env, never, PrefectApi | ResultStorage> = Effect.gen(function*() {
  return { api: yield* PrefectApi, storage: yield* ResultStorage, options: yield* ResultOptions }
})

export const resultError = (view: TaskRunView, reason: Reason): ResultError =>
  new ResultError({ taskRunId: view.taskRunId, taskSlug: view.taskSlug, mapIndex: view.mapIndex, reason })

const unreadable: Record<string, string> = {
  ConstantResult: "a constant of the flow's source was not stored; add ConstantStorage.layer to resolve it yourself",
  SecretResult: "a secret is never stored; add SecretStorage.layer to resolve it yourself"
}

/**
 * Why a view's own result cannot be asked for, or the descriptor to ask with.
 */
const descriptorOf = (view: TaskRunView): ResultDescriptor | Reason => {
  const state = view.state
  if (!State.isFinished(state)) return new NotFinished({ state: State.typeName(state) })
  const descriptor = State.resultDescriptor(state)
  if (!isPersisted(descriptor)) return new NotPersisted({ state: State.typeName(state) })
  return descriptor._tag === "CustomResult" && descriptor.isMalformed
    ? new UnsupportedResultType({ type: descriptor.type, problem: "its fields are not those that Prefect writes" })
    : descriptor
}

const isReason = (value: ResultDescriptor | Reason): value is Reason => value instanceof Error

/**
 * What a store has for a view's own result.
 */
export const readStored = (env: Env, view: TaskRunView): Effect.Effect<Stored, ResultError> => {
  const descriptor = descriptorOf(view)
  if (isReason(descriptor)) return Effect.fail(resultError(view, descriptor))
  return Effect.mapError(
    env.storage.read(descriptor, env.options),
    (reason) => resultError(view, unsupported(descriptor, reason))
  )
}

/**
 * A type that no storage of ours reads is unsupported, rather than a storage that was forgotten.
 */
const unsupported = (descriptor: ResultDescriptor, reason: Reason): Reason => {
  if (!(reason instanceof StorageNotProvided)) return reason
  const problem = descriptor._tag === "CustomResult"
    ? "it is a custom class; give ResultStorage a reader for that type"
    : unreadable[descriptor._tag]
  return problem === undefined ? reason : new UnsupportedResultType({ type: reason.type, problem })
}

/**
 * A view's own result: read and decoded. Mapped parents have none.
 */
export const load = (env: Env, view: TaskRunView): Effect.Effect<unknown, ResultError> =>
  Effect.withFiber((fiber) => {
    const observer = fiber.getRef(Progress.Listener)
    if (observer === undefined) return Effect.flatMap(readStored(env, view), (stored) => decode(env, view, stored))
    let bytes = 0
    return Effect.flatMap(readStored(env, view), (stored) => {
      if (stored._tag === "Bytes") bytes = stored.bytes.length
      return decode(env, view, stored)
    }).pipe(
      Effect.tap(() => Effect.sync(() => observer.settled(false, bytes))),
      Effect.tapError(() => Effect.sync(() => observer.settled(true, bytes)))
    )
  })

const decode = (env: Env, view: TaskRunView, stored: Stored): Effect.Effect<unknown, ResultError> => {
  if (stored._tag === "Value") return Effect.succeed(stored.value)
  if (stored.bytes.length === 0 && stored.emptyIsNone === true) return Effect.succeed(null)
  const { format, maxBytes, registry } = env.options
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
export const loadBytes = (env: Env, view: TaskRunView): Effect.Effect<Uint8Array, ResultError> =>
  Effect.flatMap(readStored(env, view), (stored) =>
    stored._tag === "Bytes"
      ? Effect.succeed(stored.bytes)
      : Effect.fail(
        resultError(view, new ResultDecodeError({ problem: "its storage gives a value, which has no stored bytes" }))
      ))
