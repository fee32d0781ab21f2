/** The form of each state type in Prefect's JSON: its parent type and its own fields. */
import type * as Schema from "effect/Schema"
import * as ResultDescriptor from "../ResultDescriptor.ts"
import { type Field, makeReader, makeWriter, mostUnknown } from "./fields.ts"
import { isNullableObject, isNullableString, isObject, type JsonObject } from "./json.ts"

const isNullableInt = (json: Schema.Json): boolean => json === null || Number.isSafeInteger(json)

/** The maximum nesting of states in states; Prefect itself nests one or two. */
const maxWrapping = 32

const isWrapping = (json: Schema.Json, depth = 0): boolean =>
  json === null || isObject(json) && depth < maxWrapping && isWrapping(json["state"] ?? null, depth + 1)

/** Whether there are inputs of a task, which has no more parameters than anyone writes. */
const areInputs = (json: JsonObject): boolean => {
  let count = 0
  for (const key in json) if (++count > mostUnknown || !isObject(json[key])) return false
  return true
}

const readInputs = (json: Schema.Json) =>
  json === null
    ? null
    : Object.fromEntries(
      Object.entries(json as JsonObject).map(([key, value]) => [key, ResultDescriptor.fromJson(value as JsonObject)])
    )
const writeInputs = (inputs: Record<string, ResultDescriptor.ResultDescriptor> | null) =>
  inputs === null
    ? null
    : Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, ResultDescriptor.toJson(value)]))

const common: ReadonlyArray<Field> = [
  { name: "message", key: "message", accepts: isNullableString },
  { name: "context", key: "context", accepts: isNullableObject },
  {
    name: "cachedInputs",
    key: "cached_inputs",
    accepts: (json) => json === null || isObject(json) && areInputs(json),
    read: readInputs,
    write: writeInputs
  },
  {
    name: "result",
    key: "_result",
    accepts: isObject,
    read: (json) => ResultDescriptor.fromJson(json as JsonObject),
    write: ResultDescriptor.toJson
  },
  { name: "version", key: "__version__", accepts: isNullableString }
]
const text = (name: string, key: string): Field => ({ name, key, accepts: isNullableString })
const int = (name: string, key: string): Field => ({ name, key, accepts: isNullableInt })
const object = (name: string, key: string): Field => ({ name, key, accepts: isNullableObject })
const startTime = text("startTime", "start_time")

/** The field of the states that wrap another; its codec is the codec of all states, so it is added by `make`. */
const wrapped = "wrapped"

/** The parent type and the own fields of each type. */
const types = {
  Pending: { parent: null, fields: [] },
  Scheduled: { parent: "Pending", fields: [startTime] },
  Paused: { parent: "Scheduled", fields: [startTime] },
  Resume: { parent: "Scheduled", fields: [startTime] },
  Retrying: { parent: "Scheduled", fields: [startTime, int("runCount", "run_count")] },
  ClientFailed: { parent: null, fields: [wrapped] },
  Submitted: { parent: null, fields: [wrapped] },
  Queued: { parent: null, fields: [wrapped, startTime] },
  Running: { parent: null, fields: [] },
  Cancelling: { parent: "Running", fields: [] },
  Finished: { parent: null, fields: [] },
  Looped: { parent: "Finished", fields: [int("loopCount", "loop_count")] },
  Success: { parent: "Finished", fields: [] },
  Cached: {
    parent: "Success",
    fields: [
      object("cachedParameters", "cached_parameters"),
      text("cachedResultExpiration", "cached_result_expiration"),
      object("hashedInputs", "hashed_inputs")
    ]
  },
  Mapped: { parent: "Success", fields: [int("nMapStates", "n_map_states")] },
  Skipped: { parent: "Success", fields: [] },
  Cancelled: { parent: "Finished", fields: [] },
  Failed: { parent: "Finished", fields: [] },
  TimedOut: { parent: "Failed", fields: [] },
  TriggerFailed: { parent: "Failed", fields: [] },
  ValidationFailed: { parent: "Failed", fields: [] }
} as const satisfies Record<
  string,
  { readonly parent: string | null; readonly fields: ReadonlyArray<Field | typeof wrapped> }
>

/** The names of the 21 types. */
export type KnownType = keyof typeof types

const names = Object.keys(types) as Array<KnownType>

const ancestry = (type: KnownType): ReadonlyArray<string> => {
  const parent = types[type].parent
  return parent === null ? [type] : [type, ...ancestry(parent)]
}

/** A type and its subtypes. */
export const subtypes = (type: KnownType): ReadonlySet<string> =>
  new Set(names.filter((name) => ancestry(name).includes(type)))

export interface StateCodec<S> {
  /** undefined when a field is not one that Prefect writes. */
  readonly read: (json: JsonObject) => S | undefined
  readonly write: (state: object) => JsonObject
}

/**
 * The codecs of the types by name, for the classes of `State`. `nested` is the codec of a wrapped state.
 */
export const make = <S>(
  classes: { readonly [Type in KnownType]: { readonly prototype: S } },
  nested: { readonly fromJson: (json: Schema.Json) => S; readonly toJson: (state: S) => Schema.Json }
): ReadonlyMap<string, StateCodec<S>> => {
  const state: Field = {
    name: "state",
    key: "state",
    accepts: (json) => isNullableObject(json) && isWrapping(json),
    read: (json) => json === null ? null : nested.fromJson(json),
    write: (value: S | null) => value === null ? null : nested.toJson(value)
  }
  return new Map(names.map((type) => {
    const own = types[type].fields.map((field) => field === wrapped ? state : field)
    const fields = [...common, ...own]
    return [type, {
      read: makeReader<S & object>(classes[type].prototype as S & object, type, fields),
      write: makeWriter(type, fields)
    }]
  }))
}
