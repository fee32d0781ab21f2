/**
 * A state as a Prefect 2 or 3 server returns it, kept whole beside the Prefect 1 state that it corresponds to.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { isObject, type JsonObject } from "./internal/json.ts"
import * as ResultDescriptor from "./ResultDescriptor.ts"

export type { JsonObject } from "./internal/json.ts"

/**
 * The state types of Prefect 2 and 3. State names are free text; types are not.
 *
 * @category models
 * @since 0.1.0
 */
export const types = [
  "SCHEDULED",
  "PENDING",
  "RUNNING",
  "COMPLETED",
  "FAILED",
  "CANCELLED",
  "CRASHED",
  "PAUSED",
  "CANCELLING"
] as const
/**
 * The type of a Prefect 2 or 3 state.
 *
 * @category models
 * @since 0.1.0
 */
export type Prefect3StateType = (typeof types)[number]

/**
 * A state of Prefect 2 or 3.
 *
 * @category models
 * @since 0.1.0
 */
export class Prefect3State extends Schema.Class<Prefect3State>("@effect-prefect/core/Prefect3State")({
  /** The state object as the server returned it. */
  raw: Schema.JsonObject
}) {
  /** One of `types`. */
  get type(): Prefect3StateType {
    return this.raw["type"] as Prefect3StateType
  }
  /** Free text: `Completed`, `Cached`, `AwaitingRetry`, or whatever the flow's author chose. */
  get name(): string | null {
    return stringOr(this.raw["name"])
  }
  get message(): string | null {
    return stringOr(this.raw["message"])
  }
  /** When the state was set, ISO 8601. */
  get timestamp(): string | null {
    return stringOr(this.raw["timestamp"])
  }
  /** `state_details` unchanged: flow run id, cache key, scheduled time, retriable, … */
  get details(): JsonObject {
    const details = this.raw["state_details"]
    return isObject(details) ? details : {}
  }
}

const stringOr = (value: unknown): string | null => typeof value === "string" ? value : null

const known = new Set<unknown>(types)

/**
 * Whether a state object is Prefect 3's: its types are upper case, Prefect 1's are not.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isPrefect3Json = (json: JsonObject): boolean => known.has(json["type"])

/**
 * The Prefect 1 type that a Prefect 3 state corresponds to. Follows the type, and the name only where Prefect itself
 * gives that name a meaning of its own.
 *
 * `RolledBack` ends COMPLETED but its value is gone, so it is Finished and not a Success; CRASHED has no Prefect 1
 * class and is a Failed state whose `prefect3.type` says so; `NotReady` is not final, so it stays Pending.
 *
 * @category conversions
 * @since 0.1.0
 */
export const prefect1Type = (state: Prefect3State) => {
  const name = state.name
  switch (state.type) {
    case "COMPLETED":
      return name === "Cached" ? "Cached" : name === "RolledBack" ? "Finished" : "Success"
    case "FAILED":
      return name === "TimedOut" ? "TimedOut" : "Failed"
    case "CRASHED":
      return "Failed"
    case "RUNNING":
      return name === "Retrying" ? "Retrying" : "Running"
    case "PENDING":
      return "Pending"
    case "SCHEDULED":
      return name === "AwaitingRetry" ? "Retrying" : "Scheduled"
    case "PAUSED":
      return "Paused"
    case "CANCELLING":
      return "Cancelling"
    case "CANCELLED":
      return "Cancelled"
  }
}

const inState = (value: Schema.Json): ResultDescriptor.PrefectResult =>
  new ResultDescriptor.PrefectResult({ location: JSON.stringify(value) })

const isText = (value: unknown): value is string => typeof value === "string"

/** A document of Prefect 2.0 to 2.5: a text and how it was encoded. */
const ofDocument = (data: JsonObject, encoding: string, blob: string): ResultDescriptor.ResultDescriptor => {
  switch (encoding) {
    case "result": {
      const stored = parseObject(blob)
      if (!isText(stored?.["key"])) break
      const block = stored["filesystem_document_id"]
      return new ResultDescriptor.Prefect3Result({
        storageKey: stored["key"],
        storageBlockId: isText(block) ? block : null
      })
    }
    case "json":
      return new ResultDescriptor.PrefectResult({ location: blob })
    case "text":
      return inState(blob)
    case "cloudpickle":
    case "pickle":
      return new ResultDescriptor.Prefect3Result({ storageKey: null, serializer: { type: "pickle" }, payload: blob })
  }
  return new ResultDescriptor.CustomResult({ raw: data })
}

const parseObject = (text: string): JsonObject | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/**
 * The descriptor of a state's result; undefined when there is none.
 *
 * | `data` of the state | written by | descriptor |
 * |---|---|---|
 * | null, `{ type: "unpersisted" }` | all versions | undefined |
 * | `{ encoding, blob }` | 2.0 to 2.5 | where the result is, or the value |
 * | `{ type: "reference" \| "literal" \| "unknown", … }` | 2.6 to 3.0 | where the result is, or the value |
 * | `{ storage_key, … }` | 3 | where the result is |
 * | any other JSON | a client that set the state itself | the value |
 *
 * A RolledBack state has no result, whatever its data says: Prefect discarded it.
 *
 * @category conversions
 * @since 0.1.0
 */
export const resultDescriptor = (state: Prefect3State): ResultDescriptor.ResultDescriptor | undefined => {
  const data = state.raw["data"] ?? null
  if (data === null || state.type === "COMPLETED" && state.name === "RolledBack") return undefined
  if (!isObject(data)) return inState(data)
  const { blob, encoding, type } = data
  if (isText(encoding) && isText(blob)) return ofDocument(data, encoding, blob)
  if (type === "unpersisted") return undefined
  if ((type === "literal" || type === "unknown") && "value" in data) return inState(data["value"] ?? null)
  if (type === "reference" && "storage_key" in data) {
    const serializer = data["serializer_type"]
    return ResultDescriptor.fromJson({
      storage_key: data["storage_key"] ?? null,
      storage_block_id: data["storage_block_id"] ?? null,
      expiration: data["expiration"] ?? null,
      serializer: isText(serializer) ? { type: serializer } : null
    })
  }
  if ("storage_key" in data) {
    const found = ResultDescriptor.fromJson(data)
    // A value that happens to have such a key.
    if (found._tag === "Prefect3Result") return found
  }
  return inState(data)
}
