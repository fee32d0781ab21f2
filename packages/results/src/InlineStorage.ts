/**
 * `InlineStorage`: results that Prefect kept in its database, whose location is the value.
 *
 * **Example** (Beside another storage)
 *
 * ```ts
 * import { InlineStorage, LocalStorage } from "@effect-prefect/results"
 * import { Layer } from "effect"
 *
 * export const Storage = Layer.merge(InlineStorage.layer, LocalStorage.layer({ roots: ["/srv/prefect"] }))
 * ```
 *
 * @since 0.1.0
 */
import type { PrefectResult } from "@effect-prefect/core/ResultDescriptor"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { ResultTooLarge } from "./ResultError.ts"
import * as ResultStorage from "./ResultStorage.ts"

const encoder = new TextEncoder()

// No JSON text begins like this: a number would end after the year.
const datetime = /^\d{4}-\d\d-\d\d/

const reader: ResultStorage.StorageReader<PrefectResult> = {
  type: "PrefectResult",
  concurrency: 64,
  resolve: ({ location }) => ({
    _tag: "Allowed",
    location: "the database",
    read: ({ maxBytes }) => {
      const text = location ?? ""
      const bytes = encoder.encode(text)
      return bytes.length > maxBytes
        ? Effect.fail(new ResultTooLarge({ limit: maxBytes, unit: "bytes", size: bytes.length }))
        : Effect.succeed({
          _tag: "Bytes",
          bytes,
          name: "PrefectResult",
          format: datetime.test(text) ? "datetime" : "json"
        })
    }
  })
}

/**
 * Reads `PrefectResult`s: JSON as Python writes it, or an ISO 8601 datetime.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ResultStorage.ResultStorage> = ResultStorage.layer(Effect.succeed([reader]))
