import * as Effect from "effect/Effect"

/**
 * A promise that ends when its signal aborts. Interruption waits until it has, so that what it cleans up is gone before the
 * process is.
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
