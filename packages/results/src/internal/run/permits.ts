/** The reads of one storage, of all traversals together. */
import * as Effect from "effect/Effect"
import type { StorageReader } from "../../ResultStorage.ts"

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

const permits = new WeakMap<StorageReader, Map<number, Permits>>()

/** The permits of a storage under one limit. */
export const permitsOf = (reader: StorageReader, limit: number): Permits => {
  let byLimit = permits.get(reader)
  if (byLimit === undefined) permits.set(reader, byLimit = new Map())
  let found = byLimit.get(limit)
  if (found === undefined) byLimit.set(limit, found = new Permits(limit))
  return found
}
