import type { ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import type { State } from "@effect-prefect/core/State"
import * as Schema from "effect/Schema"

type JsonObject = { readonly [key: string]: Schema.Json }
const isObject = (json: Schema.Json): json is JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json)

/**
 * Objects as a backend may store them: Prefect's keys with right and wrong values, and keys that it never had.
 */
export const ObjectLikePrefects = Schema.Struct({
  type: Schema.optionalKey(
    Schema.Union([
      Schema.Literals([
        "Success",
        "Mapped",
        "Scheduled",
        "Submitted",
        "Queued",
        "Cached",
        "Retrying",
        "Looped",
        "Failed"
      ]),
      Schema.Literals(["LocalResult", "S3Result", "SecretResult", "NoResultType", "MyState", ""]),
      Schema.Json
    ])
  ),
  message: Schema.optionalKey(Schema.Json),
  context: Schema.optionalKey(Schema.Union([Schema.JsonObject, Schema.Json])),
  cached_inputs: Schema.optionalKey(
    Schema.Union([
      Schema.Record(Schema.String, Schema.Struct({ type: Schema.String, location: Schema.Json })),
      Schema.Json
    ])
  ),
  _result: Schema.optionalKey(
    Schema.Union([
      Schema.Struct({ type: Schema.Literal("LocalResult"), location: Schema.NullOr(Schema.String) }),
      Schema.Json
    ])
  ),
  location: Schema.optionalKey(Schema.Union([Schema.String, Schema.Json])),
  state: Schema.optionalKey(
    Schema.Union([
      Schema.Struct({ type: Schema.Literals(["Pending", "Submitted", "Nothing"]), extra: Schema.Json }),
      Schema.Json
    ])
  ),
  start_time: Schema.optionalKey(Schema.Json),
  run_count: Schema.optionalKey(Schema.Json),
  n_map_states: Schema.optionalKey(Schema.Union([Schema.Int, Schema.Json])),
  extra: Schema.optionalKey(Schema.Json),
  prefect3: Schema.optionalKey(Schema.Json),
  __version__: Schema.optionalKey(Schema.Union([Schema.String, Schema.Json]))
})

/**
 * Whether a value is one that stored JSON can give: not the raw JSON of something that is known, nor a state that wraps
 * what is no object.
 */
export const isFromJson = (value: State | ResultDescriptor, isNested = false): boolean => {
  if (value._tag === "CustomResult" || value._tag === "UnknownState") {
    const json: Schema.Json = value.raw
    if (isObject(json)) return typeof json["type"] === "string"
    return value._tag === "UnknownState" && json !== null && !isNested
  }
  if ("prefect3" in value) return false
  const nested = [
    "result" in value ? value.result : undefined,
    "state" in value ? value.state : undefined,
    ...("cachedInputs" in value && value.cachedInputs ? Object.values(value.cachedInputs) : [])
  ]
  return nested.every((inner) => inner === undefined || inner === null || isFromJson(inner as State, true))
}
