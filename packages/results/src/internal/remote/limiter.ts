// Measured: bench/storage-s3.bench.ts
/** Limits the concurrent requests to a store: fewer when it reports too many, then slowly more again. */
import * as Effect from "effect/Effect"

export interface Limiter {
  /** Runs an effect once there is room for it. */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Halves the limit, at most once for all requests that were pending at the same time. */
  readonly throttled: (startedIn: number) => void
  /** Counts a success; about as many as the limit raise it by one. */
  readonly succeeded: () => void
  /** Changes each time the limit is halved; a request remembers it when it starts. */
  readonly epoch: () => number
  readonly limit: () => number
}

/** Additive increase, multiplicative decrease, between 1 and `most`. */
export const make = (most: number): Limiter => {
  let limit = most
  let running = 0
  let epoch = 0
  const waiting = new Set<() => void>()

  const start = () => {
    for (const next of waiting) {
      if (running >= Math.floor(limit)) return
      waiting.delete(next)
      running++
      next()
    }
  }
  const release = Effect.sync(() => {
    running--
    start()
  })
  const acquire = Effect.callback<void>((resume) => {
    if (waiting.size === 0 && running < Math.floor(limit)) {
      running++
      return resume(Effect.void)
    }
    let granted = false
    const next = () => {
      granted = true
      resume(Effect.void)
    }
    waiting.add(next)
    return Effect.suspend(() => {
      waiting.delete(next)
      // Granted and interrupted at the same moment: the slot must be given back here.
      return granted ? release : Effect.void
    })
  })

  return {
    run: (effect) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(acquire), () => Effect.ensuring(restore(effect), release))
      ),
    throttled: (startedIn) => {
      if (startedIn !== epoch) return
      epoch++
      limit = Math.max(1, limit / 2)
    },
    succeeded: () => {
      if (limit >= most) return
      limit = Math.min(most, limit + 1 / limit)
      start()
    },
    epoch: () => epoch,
    limit: () => limit
  }
}
