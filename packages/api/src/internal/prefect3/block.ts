/**
 * Block documents of Prefect 3. Secret fields are masked by the server (`********`) or, when they were requested,
 * Redacted here; fields that the server never masks although they grant access (access key ids, all settings of a
 * RemoteFileSystem) are always Redacted.
 */
import * as Redacted from "effect/Redacted"
import type { StorageBlock } from "../../Backend.ts"
import { isObject } from "../isObject.ts"

const mask = /^\*+$/
const suspicious =
  /secret|password|passwd|token|key|credential|connection_string|sas|service_account|root_user|username/i

/** The most secret fields that are looked up one by one. With more, which no type of block has, all is secret. */
const maxSecretFields = 1000

/** The largest block document in bytes: those of storage have few settings and a credential. */
export const maxBytes = 0x40000

/** Secret fields by the parts of their paths (`credentials.aws_secret_access_key`, `headers.*`), so that each is one step. */
interface Fields {
  isSecret: boolean
  readonly next: Map<string, Fields>
}

const noFields = (): Fields => ({ isSecret: false, next: new Map() })

const addSecret = (fields: Fields, path: ReadonlyArray<string>): void => {
  let at = fields
  for (const part of path) {
    const next = at.next.get(part) ?? noFields()
    at.next.set(part, next)
    at = next
  }
  at.isSecret = true
}

/** The fields below some fields that a name leads to. */
const below = (fields: ReadonlyArray<Fields>, name: string): ReadonlyArray<Fields> => {
  if (fields.length === 0) return fields
  const found: Array<Fields> = []
  for (const { next } of fields) {
    for (const part of name === "*" ? ["*"] : [name, "*"]) {
      const field = next.get(part)
      if (field !== undefined) found.push(field)
    }
  }
  return found
}

/** The storage block of a block document; undefined when it is not a block document. */
export const fromJson = (json: unknown): StorageBlock | undefined => {
  if (!isObject(json) || typeof json["id"] !== "string" || !isObject(json["data"])) return undefined
  const type = isObject(json["block_type"]) ? json["block_type"]["slug"] : undefined
  if (typeof type !== "string") return undefined
  const schema = isObject(json["block_schema"]) ? json["block_schema"]["fields"] : undefined
  const named = isObject(schema) ? schema["secret_fields"] : undefined
  const paths = Array.isArray(named) ? named : []
  const isAllSecret = paths.length > maxSecretFields
  const secrets = noFields()
  for (const path of isAllSecret ? [] : paths) {
    if (typeof path === "string") addSecret(secrets, path.split("."))
  }
  if (type === "remote-file-system") addSecret(secrets, ["settings"])
  const hide = (
    value: unknown,
    path: string,
    fields: ReadonlyArray<Fields>,
    name: string,
    isBelow: boolean
  ): unknown => {
    const isSecret = isBelow || fields.some((field) => field.isSecret)
    if (Array.isArray(value)) {
      return value.map((item, index) =>
        hide(item, `${path}.${index}`, isSecret ? [] : below(fields, String(index)), name, isSecret)
      )
    }
    if (isObject(value)) return hideAll(value, `${path}.`, fields, isSecret)
    if (value === null || typeof value === "boolean" || typeof value === "string" && mask.test(value)) return value
    return isSecret || suspicious.test(name) ? Redacted.make(value, { label: path }) : value
  }
  const hideAll = (
    object: { readonly [key: string]: unknown },
    path: string,
    fields: ReadonlyArray<Fields>,
    isSecret: boolean
  ) =>
    Object.fromEntries(
      Object.entries(object).map((
        [key, value]
      ) => [key, hide(value, path + key, isSecret ? [] : below(fields, key), key, isSecret)])
    )
  return { id: json["id"], type, data: hideAll(json["data"], "", [secrets], isAllSecret) }
}
