/** The reads of one storage, of all traversals together. */
import * as Effect from "effect/Effect"
import type { StorageReader } from "../../ResultStorage.ts"
import { perLimit } from "./perLimit.ts"

/** Permits that are given in the order in which they were asked for. */
export class Permits {
  private free: number
  private readonly waiting = new Set<() => void>()

  constructor(count: number) {
    this.free = count
  }

  /** Takes a permit if there is one. */
  tryTake(): boolean {
    if (this.free === 0) return false
    this.free--
    return true
  }

  /** Waits for a permit, and says so at the moment at which it is taken: an interruption may come between that and after. */
  readonly take = (onTaken: () => void): Effect.Effect<void> =>
    Effect.callback((resume) => {
      const taken = () => {
        onTaken()
        resume(Effect.void)
      }
      if (this.tryTake()) return taken()
      this.waiting.add(taken)
      return Effect.sync(() => void this.waiting.delete(taken))
    })

  /** Gives a permit back. */
  give(): void {
    for (const next of this.waiting) {
      this.waiting.delete(next)
      return next()
    }
    this.free++
  }
}

/** The permits of a storage under one limit. */
export const permitsOf = perLimit<StorageReader, Permits>((limit) => new Permits(limit))
