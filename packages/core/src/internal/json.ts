import type * as Schema from "effect/Schema"

/**
 * A JSON object.
 *
 * @category models
 * @since 0.1.0
 */
export type JsonObject = { readonly [key: string]: Schema.Json }

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const isNullableString = (value: unknown): value is string | null => value === null || typeof value === "string"

export const isNullableObject = (value: unknown): value is JsonObject | null => value === null || isObject(value)

/** Sets a key that may be `__proto__`, which a plain assignment would turn into a prototype. */
export const setKey = (target: Record<string, Schema.Json>, key: string, value: Schema.Json): void => {
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  } else target[key] = value
}
