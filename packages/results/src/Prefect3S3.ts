/**
 * `Prefect3S3`: buckets of Prefect 2's and 3's storage blocks, accessed with the credentials in the blocks.
 *
 * Requires `includeSecrets: true` in `Prefect3Api.layer`; without it the server masks the credentials, and the storage
 * that was given to `Prefect3Storage.layer` reads the bucket with its own.
 *
 * @since 0.1.0
 */
import type { StorageBlock } from "@effect-prefect/api/Backend"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as ResultStorage from "./ResultStorage.ts"
import * as S3Storage from "./S3Storage.ts"

/**
 * The buckets that may be read, and their options. Credentials, endpoint and region come from the block.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<S3Storage.Options, "client" | "credentials" | "endpoint" | "region"> {
  /** Whether the endpoint of a block may be contacted. Default: only AWS itself. */
  readonly allowEndpoint?: ((endpoint: string) => boolean) | undefined
}

type Dict = { readonly [key: string]: unknown }

const dict = (value: unknown): Dict =>
  typeof value === "object" && value !== null && !Redacted.isRedacted(value) ? value as Dict : {}

/** A text from the server; undefined when the server masked it. */
const text = (...values: ReadonlyArray<unknown>): string | undefined => {
  for (const value of values) {
    const plain = Redacted.isRedacted(value) ? Redacted.value(value) : value
    if (typeof plain === "string" && plain !== "" && !/^\*+$/.test(plain)) return plain
  }
  return undefined
}

const access = ({ data, type }: StorageBlock) => {
  switch (type) {
    case "s3-bucket": {
      const credentials = dict(data["credentials"])
      return {
        accessKeyId: text(credentials["aws_access_key_id"], credentials["minio_root_user"]),
        secretAccessKey: text(credentials["aws_secret_access_key"], credentials["minio_root_password"]),
        sessionToken: text(credentials["aws_session_token"]),
        region: text(credentials["region_name"]),
        endpoint: text(dict(credentials["aws_client_parameters"])["endpoint_url"])
      }
    }
    case "s3":
      return {
        accessKeyId: text(data["aws_access_key_id"]),
        secretAccessKey: text(data["aws_secret_access_key"])
      }
    case "remote-file-system": {
      // In the form that fsspec's S3FileSystem takes.
      const settings = dict(data["settings"])
      const client = dict(settings["client_kwargs"])
      return {
        accessKeyId: text(settings["key"], client["aws_access_key_id"]),
        secretAccessKey: text(settings["secret"], client["aws_secret_access_key"]),
        sessionToken: text(settings["token"], client["aws_session_token"]),
        region: text(client["region_name"]),
        endpoint: text(settings["endpoint_url"], client["endpoint_url"])
      }
    }
    default:
      return {}
  }
}

/**
 * For the option `forBlock` of `Prefect3Storage.layer`: reads the named buckets with the credentials of their block.
 *
 * The server never decides what is opened: neither another bucket, nor a host other than AWS unless `allowEndpoint`
 * accepts it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const forBlock =
  (options: Options) => (block: StorageBlock): Layer.Layer<ResultStorage.ResultStorage> | undefined => {
    const { accessKeyId, endpoint, region, secretAccessKey, sessionToken } = access(block) as {
      readonly [key: string]: string | undefined
    }
    if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
    if (endpoint !== undefined && options.allowEndpoint?.(endpoint) !== true) return undefined
    return S3Storage.layer({
      ...options,
      endpoint,
      region,
      credentials: {
        accessKeyId,
        secretAccessKey: Redacted.make(secretAccessKey),
        sessionToken: sessionToken === undefined ? undefined : Redacted.make(sessionToken)
      }
    })
  }
