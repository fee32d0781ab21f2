// Measured: bench/mapped.bench.ts
import type * as Schema from "effect/Schema"
import { isObject, type JsonObject, setKey } from "./json.ts"

/**
 * The codec of one field of a class: its key in Prefect's JSON, the values it accepts, and how it is read and written
 * where the two differ.
 */
export interface Field {
  readonly name: string
  readonly key: string
  readonly accepts: (json: Schema.Json) => boolean
  readonly read?: (json: Schema.Json) => unknown
  readonly write?: (value: never) => Schema.Json
}

/** More keys that no field has than Prefect could have written: to copy them takes long. */
export const mostUnknown = 10_000

/**
 * Reads the fields of one tagged class. Prefect's rows are decoded by the hundred thousand, so this is one pass over
 * the keys of the object. A key that no field has goes to `extra`. A value that a field does not accept, or more than
 * 10 000 such keys, make the whole object unknown (`undefined`) instead of being lost.
 */
export const makeReader = <A extends object>(prototype: A, tag: string, fields: ReadonlyArray<Field>) => {
  const byKey = new Map(fields.map((field) => [field.key, field]))
  return (json: JsonObject): A | undefined => {
    const out = { __proto__: prototype, _tag: tag } as unknown as Record<string, unknown>
    let extra: Record<string, Schema.Json> | undefined
    let unknown = 0
    for (const key in json) {
      const value = json[key]!
      const field = byKey.get(key)
      if (field === undefined) {
        if (key === "type") continue
        if (++unknown > mostUnknown) return undefined
        setKey(extra ??= {}, key, value)
      } else if (field.accepts(value)) {
        out[field.name] = field.read === undefined ? value : field.read(value)
      } else return undefined
    }
    if (extra !== undefined) out["extra"] = extra
    return out as A
  }
}

/**
 * Writes what `makeReader` reads.
 */
export const makeWriter =
  (type: string, fields: ReadonlyArray<Field>) => (value: object): { readonly [key: string]: Schema.Json } => {
    const source = value as Record<string, unknown>
    const out: Record<string, Schema.Json> = { type }
    for (const field of fields) {
      const fieldValue = source[field.name]
      if (fieldValue === undefined) continue
      out[field.key] = field.write === undefined ? (fieldValue as Schema.Json) : field.write(fieldValue as never)
    }
    const extra = source["extra"]
    if (isObject(extra)) { for (const key of Object.keys(extra)) setKey(out, key, extra[key]!) }
    return out
  }
