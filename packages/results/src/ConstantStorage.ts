/**
 * `ConstantStorage`: results that are constants in a flow's source, of which Prefect keeps only the `repr`.
 *
 * **Example** (Constants by their repr)
 *
 * ```ts
 * import { ConstantStorage } from "@effect-prefect/results"
 * import { Effect } from "effect"
 *
 * export const Storage = ConstantStorage.layer((repr) => Effect.succeed(repr === "[1, 2]" ? [1, 2] : repr))
 * ```
 *
 * @since 0.1.0
 */
import type { ConstantResult } from "@effect-prefect/core/ResultDescriptor"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { StorageReason } from "./ResultError.ts"
import * as ResultStorage from "./ResultStorage.ts"

/**
 * Resolves `ConstantResult`s from Python's `repr` of the value, such as `[1, 2]` or `'a'`. Fail with
 * `UnsupportedResultType` for an unknown one.
 *
 * Without this layer, a constant fails with UnsupportedResultType.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(
  resolve: (repr: string) => Effect.Effect<unknown, StorageReason, R>
): Layer.Layer<ResultStorage.ResultStorage, never, R> =>
  ResultStorage.layer(
    Effect.contextWith((context: Context.Context<R>) => {
      const reader: ResultStorage.StorageReader<ConstantResult> = {
        type: "ConstantResult",
        concurrency: 8,
        resolve: ({ location }) => ({
          _tag: "Allowed",
          // The resolved value, and not the repr.
          location: "a constant",
          read: () =>
            resolve(location ?? "").pipe(
              Effect.map((value): ResultStorage.StoredResult => ({ _tag: "Value", value })),
              Effect.provideContext(context)
            )
        })
      }
      return Effect.succeed([reader])
    })
  )
