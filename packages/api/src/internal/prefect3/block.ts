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

/** Whether a path is, or is under, one of a schema's secret fields: `credentials.aws_secret_access_key`, `headers.*`. */
const isUnder = (path: ReadonlyArray<string>, secret: ReadonlyArray<string>): boolean =>
  secret.length <= path.length && secret.every((part, at) => part === "*" || part === path[at])

/** The storage block of a block document; undefined when it is not a block document. */
export const fromJson = (json: unknown): StorageBlock | undefined => {
  if (!isObject(json) || typeof json["id"] !== "string" || !isObject(json["data"])) return undefined
  const type = isObject(json["block_type"]) ? json["block_type"]["slug"] : undefined
  if (typeof type !== "string") return undefined
  const schema = isObject(json["block_schema"]) ? json["block_schema"]["fields"] : undefined
  const named = isObject(schema) ? schema["secret_fields"] : undefined
  const secrets = (Array.isArray(named) ? named : []).flatMap((path) =>
    typeof path === "string" ? [path.split(".")] : []
  )
  if (type === "remote-file-system") secrets.push(["settings"])
  const hide = (value: unknown, path: ReadonlyArray<string>, name: string): unknown => {
    if (Array.isArray(value)) return value.map((item, index) => hide(item, [...path, String(index)], name))
    if (isObject(value)) return hideAll(value, path)
    if (value === null || typeof value === "boolean" || typeof value === "string" && mask.test(value)) return value
    return suspicious.test(name) || secrets.some((secret) => isUnder(path, secret))
      ? Redacted.make(value, { label: path.join(".") })
      : value
  }
  const hideAll = (object: { readonly [key: string]: unknown }, path: ReadonlyArray<string>) =>
    Object.fromEntries(Object.entries(object).map(([key, value]) => [key, hide(value, [...path, key], key)]))
  return { id: json["id"], type, data: hideAll(json["data"], []) }
}
