/**
 * `GCSOutput`: a collection in a Google Cloud Storage bucket.
 *
 * Requires the package `@google-cloud/storage`.
 *
 * **Example** (A folder of a bucket)
 *
 * ```ts
 * import * as GCSOutput from "@effect-prefect/collect/GCSOutput"
 *
 * export const Output = GCSOutput.layer({ bucket: "collections", prefix: "orders" })
 * ```
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import { addAbortSignal } from "node:stream"
import type { CollectError } from "./CollectError.ts"
import { CollectOutput } from "./CollectOutput.ts"
import { addressText, keyPrefix, loadSdk, make as makeOutput, rethrow } from "./internal/objectOutput.ts"

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
  /** The server, when it is not Google's. */
  readonly endpoint?: string | URL | Redacted.Redacted | undefined
}

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown }).code

/**
 * A collection in a Google Cloud Storage bucket, with the application's default credentials.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<CollectOutput, CollectError> =>
  Layer.effect(
    CollectOutput,
    Effect.gen(function*() {
      const { Storage } = yield* loadSdk("@google-cloud/storage", () => import("@google-cloud/storage").catch(rethrow))
      const endpoint = options.endpoint === undefined ? undefined : addressText(options.endpoint)
      const bucket = new Storage(endpoint === undefined ? {} : { apiEndpoint: endpoint }).bucket(options.bucket)
      const prefix = keyPrefix(options.prefix)
      return CollectOutput.of(makeOutput({
        name: `gs://${options.bucket}/${prefix}`.replace(/\/$/, ""),
        conditionHint: "choose one that supports ifGenerationMatch, or collect to a folder",
        // The SDK takes no signal: a request that was left goes on until the store ends it.
        create: async (key, bytes) => {
          try {
            await bucket.file(key).save(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), {
              resumable: false,
              preconditionOpts: { ifGenerationMatch: 0 }
            })
            return true
          } catch (error) {
            if (codeOf(error) === 412) return false
            throw error
          }
        },
        read: (key, signal) => addAbortSignal(signal, bucket.file(key).createReadStream({ decompress: false })),
        isMissing: (error) => codeOf(error) === 404,
        list: async function*(prefix) {
          let pageToken: string | undefined
          do {
            const [files, next] = await bucket.getFiles({
              prefix,
              delimiter: "/",
              autoPaginate: false,
              ...(pageToken === undefined ? {} : { pageToken })
            })
            yield files.map((file) => file.name)
            pageToken = (next as { readonly pageToken?: string } | null | undefined)?.pageToken
          } while (pageToken !== undefined)
        },
        remove: async (key) => {
          await bucket.file(key).delete({ ignoreNotFound: true })
        }
      }, prefix))
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
