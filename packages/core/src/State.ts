/**
 * The 21 states of Prefect 1, and `UnknownState` for anything else.
 *
 * A state records how far a run has come and where its result was stored. Fields keep Prefect's meaning under camelCase
 * names; a field absent from the stored JSON is absent, and one that was null is null.
 *
 * **Example** (A stored state)
 *
 * ```ts
 * import { State } from "@effect-prefect/core"
 *
 * const state = State.fromJson({ type: "Cached", message: "from the cache" })
 * export const answer = State.isFinished(state) ? State.typeName(state) : "not yet" // Cached
 * ```
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { equalityWithout } from "./internal/equality.ts"
import { isObject, type JsonObject } from "./internal/json.ts"
import * as Codec from "./internal/stateCodec.ts"
import { isPrefect3Json, prefect1Type, Prefect3State, resultDescriptor as prefect3Result } from "./Prefect3State.ts"
import * as ResultDescriptor from "./ResultDescriptor.ts"

const NullableString = Schema.optionalKey(Schema.NullOr(Schema.String))
const NullableInt = Schema.optionalKey(Schema.NullOr(Schema.Int))
const NullableObject = Schema.optionalKey(Schema.NullOr(Schema.JsonObject))
const Wrapped = Schema.optionalKey(Schema.NullOr(Schema.suspend((): Schema.Codec<State, unknown> => State)))

const common = {
  /** Written by Prefect or by the task's author. Not compared in equality. */
  message: NullableString,
  /** Arbitrary data that the run carried along, including `tags`. Not compared in equality. */
  context: NullableObject,
  /** Where the run's inputs were stored, by parameter name. */
  cachedInputs: Schema.optionalKey(
    Schema.NullOr(Schema.Record(Schema.String, ResultDescriptor.ResultDescriptor))
  ),
  /** Where the result was stored. Absent on a Mapped state, whose results are its children's. */
  result: Schema.optionalKey(ResultDescriptor.ResultDescriptor),
  /** The Prefect version that wrote the state. */
  version: NullableString,
  /** Fields that this library does not know, unchanged. */
  extra: Schema.optionalKey(Schema.JsonObject),
  /** The Prefect 3 state that this one was made from. Absent on Prefect 1. */
  prefect3: Schema.optionalKey(Prefect3State)
}

/** The fields that Prefect does not compare when it compares two states. */
const equality = equalityWithout(
  new Set(["message", "context", "cachedInputs", "version", "extra", "prefect3"])
)

/**
 * Not running yet.
 *
 * @category models
 * @since 0.1.0
 */
export class Pending extends Schema.TaggedClass<Pending>("@effect-prefect/core/Pending")("Pending", common) {}

/**
 * Waiting to run at `startTime`. A run without a stored state is Scheduled. A kind of Pending.
 *
 * @category models
 * @since 0.1.0
 */
export class Scheduled extends Schema.TaggedClass<Scheduled>("@effect-prefect/core/Scheduled")("Scheduled", {
  ...common,
  startTime: NullableString
}) {}

/**
 * Waiting until a user resumes it. A kind of Scheduled.
 *
 * @category models
 * @since 0.1.0
 */
export class Paused
  extends Schema.TaggedClass<Paused>("@effect-prefect/core/Paused")("Paused", { ...common, startTime: NullableString })
{}

/**
 * Resumed, to run at `startTime`. A kind of Scheduled.
 *
 * @category models
 * @since 0.1.0
 */
export class Resume
  extends Schema.TaggedClass<Resume>("@effect-prefect/core/Resume")("Resume", { ...common, startTime: NullableString })
{}

/**
 * Failed `runCount` times so far and waiting to run again at `startTime`. A kind of Scheduled.
 *
 * @category models
 * @since 0.1.0
 */
export class Retrying extends Schema.TaggedClass<Retrying>("@effect-prefect/core/Retrying")("Retrying", {
  ...common,
  startTime: NullableString,
  runCount: NullableInt
}) {}

/**
 * The client failed to set the wrapped `state`.
 *
 * @category models
 * @since 0.1.0
 */
export class ClientFailed
  extends Schema.TaggedClass<ClientFailed>("@effect-prefect/core/ClientFailed")("ClientFailed", {
    ...common,
    state: Wrapped
  })
{}

/**
 * Handed to an agent; wraps the `state` that it had.
 *
 * @category models
 * @since 0.1.0
 */
export class Submitted
  extends Schema.TaggedClass<Submitted>("@effect-prefect/core/Submitted")("Submitted", { ...common, state: Wrapped })
{}

/**
 * Held back by a concurrency limit; wraps the `state` that it had.
 *
 * @category models
 * @since 0.1.0
 */
export class Queued extends Schema.TaggedClass<Queued>("@effect-prefect/core/Queued")("Queued", {
  ...common,
  state: Wrapped,
  startTime: NullableString
}) {}

/**
 * Running.
 *
 * @category models
 * @since 0.1.0
 */
export class Running extends Schema.TaggedClass<Running>("@effect-prefect/core/Running")("Running", common) {}

/**
 * Being cancelled, but still running. A kind of Running.
 *
 * @category models
 * @since 0.1.0
 */
export class Cancelling
  extends Schema.TaggedClass<Cancelling>("@effect-prefect/core/Cancelling")("Cancelling", common)
{}

/**
 * Finished, neither a success nor a failure.
 *
 * @category models
 * @since 0.1.0
 */
export class Finished extends Schema.TaggedClass<Finished>("@effect-prefect/core/Finished")("Finished", common) {}

/**
 * One iteration of a loop ended, after `loopCount` so far. A kind of Finished.
 *
 * @category models
 * @since 0.1.0
 */
export class Looped
  extends Schema.TaggedClass<Looped>("@effect-prefect/core/Looped")("Looped", { ...common, loopCount: NullableInt })
{}

/**
 * Finished and successful. A kind of Finished.
 *
 * @category models
 * @since 0.1.0
 */
export class Success extends Schema.TaggedClass<Success>("@effect-prefect/core/Success")("Success", common) {}

/**
 * Successful without running: a cached result was used. A kind of Success.
 *
 * @category models
 * @since 0.1.0
 */
export class Cached extends Schema.TaggedClass<Cached>("@effect-prefect/core/Cached")("Cached", {
  ...common,
  cachedParameters: NullableObject,
  cachedResultExpiration: NullableString,
  hashedInputs: NullableObject
}) {}

/**
 * The parent of `nMapStates` mapped children. Successful at once, even while its children still run. A kind of Success.
 *
 * @category models
 * @since 0.1.0
 */
export class Mapped
  extends Schema.TaggedClass<Mapped>("@effect-prefect/core/Mapped")("Mapped", { ...common, nMapStates: NullableInt })
{}

/**
 * Skipped, which counts as a success. A kind of Success.
 *
 * @category models
 * @since 0.1.0
 */
export class Skipped extends Schema.TaggedClass<Skipped>("@effect-prefect/core/Skipped")("Skipped", common) {}

/**
 * Cancelled. A kind of Finished.
 *
 * @category models
 * @since 0.1.0
 */
export class Cancelled extends Schema.TaggedClass<Cancelled>("@effect-prefect/core/Cancelled")("Cancelled", common) {}

/**
 * Failed. A kind of Finished.
 *
 * @category models
 * @since 0.1.0
 */
export class Failed extends Schema.TaggedClass<Failed>("@effect-prefect/core/Failed")("Failed", common) {}

/**
 * Ran over its time limit. A kind of Failed.
 *
 * @category models
 * @since 0.1.0
 */
export class TimedOut extends Schema.TaggedClass<TimedOut>("@effect-prefect/core/TimedOut")("TimedOut", common) {}

/**
 * Never ran: its trigger did not accept the upstream states. A kind of Failed.
 *
 * @category models
 * @since 0.1.0
 */
export class TriggerFailed
  extends Schema.TaggedClass<TriggerFailed>("@effect-prefect/core/TriggerFailed")("TriggerFailed", common)
{}

/**
 * Ran, and its result did not pass validation. A kind of Failed.
 *
 * @category models
 * @since 0.1.0
 */
export class ValidationFailed
  extends Schema.TaggedClass<ValidationFailed>("@effect-prefect/core/ValidationFailed")("ValidationFailed", common)
{}

/**
 * A state whose type Prefect never had, or whose fields are not those that Prefect writes. `raw` is the whole object,
 * so a round trip loses nothing. No predicate except `isUnknown` holds for it.
 *
 * @category models
 * @since 0.1.0
 */
export class UnknownState
  extends Schema.TaggedClass<UnknownState>("@effect-prefect/core/UnknownState")("UnknownState", {
    raw: Schema.Json
  })
{
  /** The type that was recorded; null when there was none. */
  get type(): string | null {
    return isObject(this.raw) && typeof this.raw["type"] === "string" ? this.raw["type"] : null
  }
}

/**
 * @category models
 * @since 0.1.0
 */
export type State =
  | Pending
  | Scheduled
  | Paused
  | Resume
  | Retrying
  | ClientFailed
  | Submitted
  | Queued
  | Running
  | Cancelling
  | Finished
  | Looped
  | Success
  | Cached
  | Mapped
  | Skipped
  | Cancelled
  | Failed
  | TimedOut
  | TriggerFailed
  | ValidationFailed
  | UnknownState

/**
 * Any state. Switch on `_tag`, or use the predicates, which follow Prefect's class hierarchy.
 *
 * @category schemas
 * @since 0.1.0
 */
export const State = Schema.Union([
  Pending,
  Scheduled,
  Paused,
  Resume,
  Retrying,
  ClientFailed,
  Submitted,
  Queued,
  Running,
  Cancelling,
  Finished,
  Looped,
  Success,
  Cached,
  Mapped,
  Skipped,
  Cancelled,
  Failed,
  TimedOut,
  TriggerFailed,
  ValidationFailed,
  UnknownState
]).pipe(Schema.toTaggedUnion("_tag"))

/**
 * The names of the 21 types, and `UnknownState`.
 *
 * @category models
 * @since 0.1.0
 */
export type StateType = State["_tag"]

const classes = {
  Pending,
  Scheduled,
  Paused,
  Resume,
  Retrying,
  ClientFailed,
  Submitted,
  Queued,
  Running,
  Cancelling,
  Finished,
  Looped,
  Success,
  Cached,
  Mapped,
  Skipped,
  Cancelled,
  Failed,
  TimedOut,
  TriggerFailed,
  ValidationFailed
}

for (const { prototype } of Object.values(classes)) Object.assign(prototype, equality)

const codecs = Codec.make<State>(classes, {
  fromJson: (json) => fromJson(json),
  toJson: (state) => toJson(state)
})

/**
 * The state of a null `serialized_state`. Encoded as null again.
 *
 * @category models
 * @since 0.1.0
 */
export const scheduledFromNull: Scheduled = new Scheduled({})

const fromPrefect3 = (raw: JsonObject): State => {
  // It is JSON: the constructor would look through the values of the whole state, or take a microsecond not to.
  const prefect3 = { __proto__: Prefect3State.prototype, raw } as unknown as Prefect3State
  const type = prefect1Type(prefect3)
  const scheduled = prefect3.details["scheduled_time"]
  const state = codecs.get(type)!.read({ type, message: prefect3.message })
  if (state === undefined) return unknown(raw)
  const out = state as unknown as Record<string, unknown>
  const result = prefect3Result(prefect3)
  if (result !== undefined) out["result"] = result
  if (typeof scheduled === "string" && (type === "Scheduled" || type === "Retrying" || type === "Paused")) {
    out["startTime"] = scheduled
  }
  out["prefect3"] = prefect3
  return state
}

/** Not through the constructor, which would look through all of the JSON at once. */
const unknown = (raw: Schema.Json): UnknownState =>
  ({ __proto__: UnknownState.prototype, _tag: "UnknownState", raw }) as unknown as UnknownState

/**
 * The state of any stored JSON value: null is Scheduled, an unknown value becomes an `UnknownState`, and a Prefect 3
 * state becomes the corresponding Prefect 1 state with the original in `prefect3`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromJson = (json: Schema.Json): State => {
  if (json === null) return scheduledFromNull
  if (!isObject(json)) return unknown(json)
  const type = json["type"]
  if (typeof type !== "string") return unknown(json)
  const codec = codecs.get(type)
  if (codec !== undefined) return codec.read(json) ?? unknown(json)
  return isPrefect3Json(json) ? fromPrefect3(json) : unknown(json)
}

/**
 * The JSON value that Prefect itself would write.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toJson = (state: State): Schema.Json => {
  if (state._tag === "UnknownState") return state.raw
  if (state.prefect3 !== undefined) return state.prefect3.raw
  return state === scheduledFromNull ? null : codecs.get(state._tag)!.write(state)
}

/**
 * `State` from and to Prefect's own JSON (`serialized_state`).
 *
 * @category schemas
 * @since 0.1.0
 */
export const FromJson = Schema.Json.pipe(
  Schema.decodeTo(Schema.toType(State), SchemaTransformation.transform({ decode: fromJson, encode: toJson }))
)

const isKind = (kind: Codec.KnownType) => {
  const kinds = Codec.subtypes(kind)
  return (state: State): boolean => kinds.has(state._tag)
}

/**
 * Pending, Scheduled and its kinds.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isPending: (state: State) => boolean = isKind("Pending")

/**
 * Scheduled, Paused, Resume, Retrying.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isScheduled: (state: State) => boolean = isKind("Scheduled")

/**
 * Paused.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isPaused: (state: State) => boolean = isKind("Paused")

/**
 * Retrying.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isRetrying: (state: State) => boolean = isKind("Retrying")

/**
 * Queued.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isQueued: (state: State) => boolean = isKind("Queued")

/**
 * Submitted.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isSubmitted: (state: State) => boolean = isKind("Submitted")

/**
 * ClientFailed.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isClientFailed: (state: State) => boolean = isKind("ClientFailed")

/**
 * Running or Cancelling.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isRunning: (state: State) => boolean = isKind("Running")

/**
 * Cancelling.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isCancelling: (state: State) => boolean = isKind("Cancelling")

/**
 * A run that will not change any more. A Mapped parent is finished even while its children still run.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isFinished: (state: State) => boolean = isKind("Finished")

/**
 * Looped.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isLooped: (state: State) => boolean = isKind("Looped")

/**
 * Success, Cached, Mapped, Skipped.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isSuccessful: (state: State) => boolean = isKind("Success")

/**
 * Cached.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isCached: (state: State) => boolean = isKind("Cached")

/**
 * The parent of mapped children.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isMapped = isKind("Mapped") as (state: State) => state is Mapped

/**
 * Skipped.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isSkipped: (state: State) => boolean = isKind("Skipped")

/**
 * Cancelled.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isCancelled: (state: State) => boolean = isKind("Cancelled")

/**
 * Failed, TimedOut, TriggerFailed, ValidationFailed.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isFailed: (state: State) => boolean = isKind("Failed")

/**
 * TimedOut.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isTimedOut: (state: State) => boolean = isKind("TimedOut")

/**
 * TriggerFailed.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isTriggerFailed: (state: State) => boolean = isKind("TriggerFailed")

/**
 * ValidationFailed.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isValidationFailed: (state: State) => boolean = isKind("ValidationFailed")

/**
 * A state that wraps another: ClientFailed, Submitted, Queued.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isMetaState = (state: State): state is ClientFailed | Submitted | Queued =>
  state._tag === "ClientFailed" || state._tag === "Submitted" || state._tag === "Queued"

/**
 * A state of a type that this library does not know.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isUnknown = (state: State): state is UnknownState => state._tag === "UnknownState"

/**
 * A Prefect 3 run whose infrastructure died, which Prefect 1 could not distinguish from Failed.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isCrashed = (state: State): boolean => state._tag !== "UnknownState" && state.prefect3?.type === "CRASHED"

/**
 * The name to display: the type that Prefect recorded.
 *
 * @category accessors
 * @since 0.1.0
 */
export const typeName = (state: State): string =>
  state._tag === "UnknownState" ? state.type ?? "UnknownState" : state._tag

/**
 * The `typeName` of a stored JSON value, without decoding the rest of the state.
 *
 * @category accessors
 * @since 0.1.0
 */
export const typeNameFromJson = (json: Schema.Json): string => {
  // A state whose other fields are not those of its type is an `UnknownState`, which has the same name.
  if (isObject(json) && typeof json["type"] === "string" && codecs.has(json["type"])) return json["type"]
  return typeName(fromJson(json))
}

/**
 * The descriptor to use when reading the state's result; undefined when it has none. It is the state's own, except for
 * results of Prefect 0.10 (see `ResultDescriptor.readable`).
 *
 * @category accessors
 * @since 0.1.0
 */
export const resultDescriptor = (state: State): ResultDescriptor.ResultDescriptor | undefined =>
  state._tag === "UnknownState" || state.result === undefined ? undefined : ResultDescriptor.readable(state.result)
