/**
 * A state as a Prefect 3 server gives it, kept whole beside the Prefect 1 state it stands for.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { isObject, type JsonObject } from "./internal/json.ts"

/**
 * The state types of Prefect 3. State names are free text; types are not.
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
 * The type of a Prefect 3 state.
 *
 * @category models
 * @since 0.1.0
 */
export type Prefect3StateType = (typeof types)[number]

/**
 * Prefect 3's own view of a state.
 *
 * @category models
 * @since 0.1.0
 */
export class Prefect3State extends Schema.Class<Prefect3State>("@effect-prefect/core/Prefect3State")({
  /** The state object as the server gave it. */
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
  /** `state_details` as it was: flow run id, cache key, scheduled time, retriable, … */
  get details(): JsonObject {
    const details = this.raw["state_details"]
    return isObject(details) ? details : {}
  }
}

const stringOr = (value: unknown): string | null => typeof value === "string" ? value : null

const known = new Set<unknown>(types)

/**
 * Whether a state object is Prefect 3's: its types are in capitals, Prefect 1's are not.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isPrefect3Json = (json: JsonObject): boolean => known.has(json["type"])

/**
 * The Prefect 1 type that a Prefect 3 state stands for. It follows the type, and the name only where Prefect itself
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

/**
 * The result metadata of a state in the form that Prefect has written since 3.1; undefined when there is none.
 *
 * Prefect 2 and 3.0 wrote `{ "type": "reference" | "literal" | "unpersisted", … }`: a reference becomes such metadata, a
 * literal a value kept in the state itself. What a RolledBack state once stored is gone, whatever its data says.
 *
 * @category conversions
 * @since 0.1.0
 */
export const resultJson = (state: Prefect3State): JsonObject | undefined => {
  const data = state.raw["data"]
  if (!isObject(data) || state.type === "COMPLETED" && state.name === "RolledBack") return undefined
  switch (data["type"]) {
    case "unpersisted":
      return undefined
    case "literal":
      return { type: "PrefectResult", location: JSON.stringify(data["value"] ?? null) }
    case "reference": {
      const serializer = data["serializer_type"]
      return {
        storage_key: data["storage_key"] ?? null,
        storage_block_id: data["storage_block_id"] ?? null,
        expiration: data["expiration"] ?? null,
        serializer: typeof serializer === "string" ? { type: serializer } : null
      }
    }
    default:
      return data
  }
}
