import * as Effect from "effect/Effect"

/**
 * Runs a promise that is aborted by its signal. Interruption waits for its end, so that its cleanup is complete before
 * the process ends.
 */
export const abortable = <A, E>(options: {
  readonly try: (signal: AbortSignal) => Promise<A>
  readonly catch: (error: unknown) => E
}): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const controller = new AbortController()
    let running: Promise<A> | undefined
    return Effect.tryPromise({
      try: () => running = options.try(controller.signal),
      catch: options.catch
    }).pipe(
      Effect.onInterrupt(() =>
        Effect.promise(async () => {
          controller.abort()
          await running?.catch(() => {})
        })
      )
    )
  })
