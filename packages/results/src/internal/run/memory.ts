/** The memory budget shared by all running loads, and by loaded results that have not been taken yet. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { ResultTooLarge } from "../../ResultError.ts"
import { perLimit } from "./perLimit.ts"

/** Called without an argument when there is room, or with the reason why there never will be. */
type Granted = (refusal: ResultTooLarge | undefined) => void

interface Waiter {
  readonly lease: Lease
  /** The bytes that are requested; undefined for a place among those that decode. */
  readonly bytes: number | undefined
  readonly granted: Granted
}

const nothing = () => {}

/**
 * The loads that decode at once. The values of one thread become no faster when more of them are half decoded, and all of
 * these hold memory that none of them can free before it is done. Some formats are decoded in other threads.
 */
const places = 4

/**
 * Memory that one load holds, from its start until its value is taken.
 *
 * Loads get memory in the order in which they began. When every load waits, one that a consumer depends on may exceed
 * the limit: so none waits forever, and at most one exceeds the limit at a time.
 */
export class Lease {
  readonly budget: Budget
  /** The order in which loads began. */
  readonly turn: number
  /** Whether a consumer waits for this value, rather than for an earlier one. */
  readonly isNeeded: () => boolean
  held = 0
  isUnderWay = false
  isDecoding = false
  /** The other loads that this one waits for. */
  private awaited = 0

  constructor(budget: Budget, turn: number, isNeeded: () => boolean) {
    this.budget = budget
    this.turn = turn
    this.isNeeded = isNeeded
  }

  /** The load has begun: from now on others may wait for it to free memory. */
  begin(): this {
    this.budget.begin(this)
    return this
  }

  /** Requests more bytes; calls back at once when there is room. Returns a function that cancels the request. */
  request(bytes: number, granted: Granted): () => void {
    return this.budget.request(this, bytes, granted)
  }

  /**
   * Requests a place among the few that decode, until the load ends; calls back at once when one is free. Returns a
   * function that cancels the request.
   */
  decode(granted: Granted): () => void {
    return this.budget.decode(this, granted)
  }

  /** The load waits for another one, until the returned function is called. */
  awaitOther(): () => void {
    if (this.awaited++ === 0) this.budget.block(this)
    return () => {
      if (--this.awaited === 0) this.budget.unblock(this)
    }
  }

  /** The load has ended with a value of that many bytes, which are held until the release. */
  settle(bytes: number): void {
    this.budget.settle(this, bytes)
  }

  release(): void {
    this.budget.settle(this, 0)
  }
}

export class Budget {
  readonly limit: number
  private used = 0
  private turns = 0
  private underWay = 0
  private decoding = 0
  /** Loads under way that wait for others. */
  private readonly blocked = new Set<Lease>()
  /** In the order in which their loads began. */
  private waiters: Array<Waiter> = []

  constructor(limit: number) {
    this.limit = limit
  }

  /** The bytes that are currently held. */
  get held(): number {
    return this.used
  }

  /** Whether a request for this number of bytes would be granted immediately. */
  hasRoom(bytes: number): boolean {
    return this.waiters.length === 0 && this.used + bytes <= this.limit
  }

  /** A lease for a load that has not begun. */
  open(isNeeded: () => boolean): Lease {
    return new Lease(this, this.turns++, isNeeded)
  }

  begin(lease: Lease): void {
    lease.isUnderWay = true
    this.underWay++
  }

  request(lease: Lease, bytes: number, granted: Granted): () => void {
    if (lease.held + bytes > this.limit) {
      granted(new ResultTooLarge({ limit: this.limit, unit: "memory", size: lease.held + bytes }))
      return nothing
    }
    if (this.hasRoom(bytes)) {
      this.used += bytes
      lease.held += bytes
      granted(undefined)
      return nothing
    }
    return this.wait({ lease, bytes, granted })
  }

  decode(lease: Lease, granted: Granted): () => void {
    if (this.waiters.length === 0 && this.decoding < places) {
      lease.isDecoding = true
      this.decoding++
      granted(undefined)
      return nothing
    }
    return this.wait({ lease, bytes: undefined, granted })
  }

  block(lease: Lease): void {
    if (!lease.isUnderWay) return
    this.blocked.add(lease)
    this.letIn()
  }

  unblock(lease: Lease): void {
    this.blocked.delete(lease)
  }

  private wait(waiter: Waiter): () => void {
    let at = this.waiters.length
    while (at > 0 && this.waiters[at - 1]!.lease.turn > waiter.lease.turn) at--
    this.waiters.splice(at, 0, waiter)
    this.letIn()
    return () => {
      const index = this.waiters.indexOf(waiter)
      if (index < 0) return
      this.waiters.splice(index, 1)
      this.letIn()
    }
  }

  settle(lease: Lease, bytes: number): void {
    this.used += bytes - lease.held
    lease.held = bytes
    if (lease.isUnderWay) {
      lease.isUnderWay = false
      this.underWay--
      this.blocked.delete(lease)
    }
    if (lease.isDecoding) {
      lease.isDecoding = false
      this.decoding--
    }
    this.letIn()
  }

  /** Memory or a place may have become free, or a waiting load may have become needed. */
  letIn(): void {
    while (this.waiters.length > 0) {
      const next = this.next()
      if (next === undefined) return
      this.waiters.splice(this.waiters.indexOf(next), 1)
      const { bytes, granted, lease } = next
      if (bytes === undefined) {
        lease.isDecoding = true
        this.decoding++
      } else {
        this.used += bytes
        lease.held += bytes
      }
      granted(undefined)
    }
  }

  private next(): Waiter | undefined {
    let atWork = this.decoding
    for (const lease of this.blocked) if (lease.isDecoding) atWork--
    for (const { bytes, lease } of this.waiters) {
      if (lease.isDecoding && bytes !== undefined && !this.blocked.has(lease)) atWork--
    }
    for (const waiter of this.waiters) {
      const { bytes } = waiter
      if (bytes === undefined ? atWork < places : this.used + bytes <= this.limit) return waiter
      // Whoever began later would take the memory that this one waits for.
      if (bytes !== undefined) break
    }
    // No running load will free memory or a place.
    return this.underWay - this.blocked.size <= this.waiters.length
      ? this.waiters.find(({ lease }) => lease.isNeeded())
      : undefined
  }
}

/** The load that a fiber belongs to. Each lane of a traversal sets it anew, so that a child takes no step more. */
export interface Current {
  lease: Lease | undefined
}

/** The load in which an effect runs: that of a storage or decoder which loads other results itself. */
export const CurrentLoad = Context.Reference<Current>("@effect-prefect/results/CurrentLoad", {
  defaultValue: (): Current => ({ lease: undefined })
})

/**
 * An effect that loads results. A load that waits for it neither frees memory nor a place, so that the loads within must
 * not wait for that.
 */
export const withinLoad = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const { lease } = fiber.getRef(CurrentLoad)
    if (lease === undefined) return effect
    const end = lease.awaitOther()
    return Effect.ensuring(effect, Effect.sync(end))
  })

/** The budget of all loads through one storage under one limit. */
export const budgetOf = perLimit<object, Budget>((limit) => new Budget(limit))

/** Memory of values that are collected into one result, until they are emitted. */
export class Hold {
  private readonly lease: Lease

  constructor(budget: Budget) {
    this.lease = budget.open(() => false)
  }

  readonly add = (bytes: number): void => this.lease.settle(this.lease.held + bytes)

  /** Gives back the memory of some of the values, which nothing refers to any more. */
  remove(bytes: number): void {
    this.add(-bytes)
  }

  /** The reason why the values are too many; undefined while they are within the limit. */
  get refusal(): ResultTooLarge | undefined {
    const { budget: { limit }, held } = this.lease
    return held <= limit ? undefined : new ResultTooLarge({ limit, unit: "memory", size: held })
  }

  release(): void {
    this.lease.release()
  }
}
