/**
 * `S3Output`: a collection in a bucket of S3 or of a compatible store.
 *
 * Requires the package `@aws-sdk/client-s3`.
 *
 * **Example** (A folder of a bucket)
 *
 * ```ts
 * import * as S3Output from "@effect-prefect/collect/S3Output"
 *
 * export const Output = S3Output.layer({ bucket: "collections", prefix: "orders" })
 * ```
 *
 * @since 0.1.0
 */
import type { CompletedPart, S3Client } from "@aws-sdk/client-s3"
import { loadTls, sharedPrograms, type TlsOptions } from "@effect-prefect/api/Network"
import type { Credentials } from "@effect-prefect/results/S3Storage"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import { Readable } from "node:stream"
import { CollectError, Unsupported } from "./CollectError.ts"
import { CollectOutput } from "./CollectOutput.ts"
import {
  addressText,
  collected,
  keyPrefix,
  loadSdk,
  make as makeOutput,
  networkAgents,
  type ObjectStore,
  rethrow
} from "./internal/objectOutput.ts"
import { UploadSizes } from "./internal/uploadSizes.ts"

/**
 * The destination of the collection, and how to reach the store.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  readonly bucket: string
  /** The folder in the bucket. Default: the root. */
  readonly prefix?: string | undefined
  /** The server, when it is not AWS, e.g. `http://localhost:9000`. */
  readonly endpoint?: string | URL | Redacted.Redacted | undefined
  /** `http://host/bucket/key` instead of `http://bucket.host/key`. Default true with `endpoint`, otherwise false. */
  readonly forcePathStyle?: boolean | undefined
  /** Default: that of the AWS configuration. */
  readonly region?: string | undefined
  /** Default: those of the AWS configuration. */
  readonly credentials?: Credentials | undefined
  /** Attempts per request. Default 5. */
  readonly attempts?: number | undefined
  /**
   * Certificate authorities, and a client's certificate. Proxies are those of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
   * `NO_PROXY`, in either case, on Node.js 22.21, 24.5 and newer. Default: the authorities of `AWS_CA_BUNDLE`.
   */
  readonly tls?: TlsOptions | undefined
}

const statusOf = (error: unknown): number | undefined =>
  (error as { readonly $metadata?: { readonly httpStatusCode?: number } }).$metadata?.httpStatusCode

const checksum = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("base64")

const storeOf = async (
  client: S3Client,
  bucket: string,
  name: string,
  { piece, whole }: UploadSizes
): Promise<ObjectStore> => {
  const sdk = await import("@aws-sdk/client-s3").catch(rethrow)
  client.middlewareStack.add(
    (next, { commandName }) => async (args) => {
      const result = await next(args)
      const response = result.response as { readonly statusCode: number; body?: unknown }
      const isError = response.statusCode >= 300
      if (response.body instanceof Readable && (isError || commandName !== "GetObjectCommand")) {
        response.body = await collected(name, isError, response.body)
      }
      return result
    },
    { step: "deserialize", priority: "low", name: "boundAnswer" }
  )

  const single = (Key: string, bytes: Uint8Array, abortSignal: AbortSignal) =>
    client.send(
      new sdk.PutObjectCommand({
        Bucket: bucket,
        Key,
        Body: bytes,
        IfNoneMatch: "*",
        ChecksumSHA256: checksum(bytes)
      }),
      { abortSignal }
    )

  const inPieces = async (Key: string, bytes: Uint8Array, abortSignal: AbortSignal) => {
    const { UploadId } = await client.send(
      new sdk.CreateMultipartUploadCommand({ Bucket: bucket, Key, ChecksumAlgorithm: "SHA256" }),
      { abortSignal }
    )
    try {
      const Parts: Array<CompletedPart> = []
      for (let at = 0; at < bytes.length; at += piece) {
        const Body = bytes.subarray(at, at + piece)
        const PartNumber = Parts.length + 1
        const ChecksumSHA256 = checksum(Body)
        const { ETag } = await client.send(
          new sdk.UploadPartCommand({ Bucket: bucket, Key, UploadId, PartNumber, Body, ChecksumSHA256 }),
          { abortSignal }
        )
        Parts.push({ PartNumber, ETag, ChecksumSHA256 })
      }
      await client.send(
        new sdk.CompleteMultipartUploadCommand({
          Bucket: bucket,
          Key,
          UploadId,
          IfNoneMatch: "*",
          MultipartUpload: { Parts }
        }),
        { abortSignal }
      )
    } catch (error) {
      // Abandoned parts of an upload cost money.
      await client.send(new sdk.AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId })).catch(() => {})
      throw error
    }
  }

  return {
    name,
    conditionHint: "choose one that supports If-None-Match on PUT, or collect to a folder",
    credentials: sharedPrograms(() => client.config.credentials()),
    create: async (key, bytes, signal) => {
      for (let attempt = 1;; attempt++) {
        try {
          await (bytes.length > whole ? inPieces : single)(key, bytes, signal)
          return true
        } catch (error) {
          const status = statusOf(error)
          // Also the response to our own retry, when the response to the first request was lost.
          if (status === 412) return false
          // Another writer is uploading at the moment: the winner is undecided.
          if (status === 409 && attempt < 10) {
            await new Promise((resolve) => setTimeout(resolve, 100 * attempt))
            continue
          }
          throw error
        }
      }
    },
    read: async function*(Key, abortSignal) {
      const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key }), { abortSignal })
      if (Body !== undefined) yield* Body as Readable
    },
    isMissing: (error) => statusOf(error) === 404 && (error as { readonly name?: unknown }).name === "NoSuchKey",
    list: async function*(Prefix, abortSignal) {
      const pages = sdk.paginateListObjectsV2(
        { client },
        { Bucket: bucket, Prefix, Delimiter: "/" },
        { abortSignal }
      )
      for await (const { Contents = [] } of pages) yield Contents.flatMap(({ Key }) => Key ?? [])
    },
    remove: async (Key, abortSignal) => {
      await client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key }), { abortSignal })
    }
  }
}

/**
 * A collection in an S3 bucket. The store must support conditional writes (`If-None-Match: *`), which is tested before
 * anything else is written.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<CollectOutput, CollectError> =>
  Layer.effect(
    CollectOutput,
    Effect.gen(function*() {
      const { S3Client } = yield* loadSdk("@aws-sdk/client-s3", () => import("@aws-sdk/client-s3").catch(rethrow))
      const { attempts, bucket, credentials, forcePathStyle, region } = options
      const endpoint = options.endpoint === undefined ? undefined : addressText(options.endpoint)
      const agents = yield* networkAgents(
        options.tls === undefined ? loadTls("AWS_CA_BUNDLE") : Effect.succeed(options.tls),
        ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"]
      )
      const client = yield* Effect.acquireRelease(
        Effect.try({
          try: () =>
            new S3Client({
              maxAttempts: attempts ?? 5,
              ...(endpoint === undefined ? {} : { endpoint }),
              // Any region works for a server that is not AWS.
              ...(region !== undefined
                ? { region }
                : endpoint !== undefined && process.env["AWS_REGION"] === undefined
                ? { region: "us-east-1" }
                : {}),
              ...(credentials === undefined ? {} : {
                credentials: {
                  accessKeyId: credentials.accessKeyId,
                  secretAccessKey: Redacted.value(credentials.secretAccessKey),
                  ...(credentials.sessionToken === undefined
                    ? {}
                    : { sessionToken: Redacted.value(credentials.sessionToken) })
                }
              }),
              forcePathStyle: forcePathStyle ?? endpoint !== undefined,
              followRegionRedirects: true,
              requestHandler: { httpAgent: agents.http, httpsAgent: agents.https }
            }),
          catch: () =>
            new CollectError({
              reason: new Unsupported({ detail: "the region or another setting of S3 cannot be used: check it" })
            })
        }),
        (client) => Effect.sync(() => client.destroy())
      )
      const prefix = keyPrefix(options.prefix)
      const sizes = yield* UploadSizes
      const store = yield* Effect.promise(() =>
        storeOf(client, bucket, `s3://${bucket}/${prefix}`.replace(/\/$/, ""), sizes)
      )
      return CollectOutput.of(makeOutput(store, prefix))
    })
  )

/**
 * Like `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<CollectOutput, CollectError | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))
