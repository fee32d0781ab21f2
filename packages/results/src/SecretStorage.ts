/**
 * `SecretStorage`: results that are secrets, which Prefect never stores, from the caller's own secret store.
 *
 * **Example** (Secrets from the environment)
 *
 * ```ts
 * import { ResultError, SecretStorage } from "@effect-prefect/results"
 * import { Config, Effect } from "effect"
 *
 * export const Storage = SecretStorage.layer((name) =>
 *   Effect.mapError(Config.Redacted(name), () => new ResultError.ResultNotFound({ location: name, detail: "it is not set" }))
 * )
 * ```
 *
 * @since 0.1.0
 */
import type { SecretResult } from "@effect-prefect/core/ResultDescriptor"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { StorageReason } from "./ResultError.ts"
import * as ResultStorage from "./ResultStorage.ts"

/**
 * Resolves `SecretResult`s by the name of the secret. The value of such a result is the `Redacted` itself, so it is not
 * printed by accident; fail with `ResultNotFound` for an unknown name.
 *
 * Without this layer, a secret fails with UnsupportedResultType.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(
  resolve: (name: string) => Effect.Effect<Redacted.Redacted<unknown>, StorageReason, R>
): Layer.Layer<ResultStorage.ResultStorage, never, R> =>
  ResultStorage.layer(
    Effect.contextWith((context: Context.Context<R>) => {
      const reader: ResultStorage.StorageReader<SecretResult> = {
        type: "SecretResult",
        concurrency: 8,
        resolve: ({ location }) => ({
          _tag: "Allowed",
          location: `the secret ${JSON.stringify(location ?? "")}`,
          read: () =>
            resolve(location ?? "").pipe(
              Effect.map((value): ResultStorage.StoredResult => ({
                _tag: "Value",
                // An untyped caller could return the bare secret.
                value: Redacted.isRedacted(value) ? value : Redacted.make(value)
              })),
              Effect.provideContext(context)
            )
        })
      }
      return Effect.succeed([reader])
    })
  )
