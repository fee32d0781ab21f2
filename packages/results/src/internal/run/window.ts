// Measured: bench/mapped.bench.ts
/** Loads children in a sliding window: as many concurrently as their storages allow, emitted in order. */
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Resolution, StorageReader } from "../../ResultStorage.ts"
import { type Prepared, readableDescriptor, type Services } from "./load.ts"
import { type Current, CurrentLoad, type Lease } from "./memory.ts"
import { type Permits, permitsOf } from "./permits.ts"

/**
 * The number of children that are being loaded or wait for an earlier one. A slow child blocks the others only when the
 * window is full, and no more results than these are in memory.
 */
const windowSize = 2048

/** The part of the memory, as a divisor, that an array of emitted values may take. */
const emittedAtOnce = 16

/** A child from when it enters the window until it is emitted. */
interface Slot<A> {
  readonly view: TaskRunView
  /** The reader and the location, which are resolved once: no location when the reader does not matter. */
  readonly prepared: Prepared
  loaded: { readonly value: A } | undefined
  /** The next child. */
  next: Slot<A> | undefined
  /** The next child of the same storage. */
  nextOfLanes: Slot<A> | undefined
}

/** The queue of one storage, and the number of its running lanes. */
interface Lanes<A> {
  readonly limit: number
  /**
   * What each lane but one needs for a load, so that all traversals together do not read more than one may. The first
   * child is never behind others that wait, since one lane goes on without.
   */
  readonly permits: Permits | undefined
  running: number
  /** Whether a lane is running that needs no permit. */
  hasFree: boolean
  first: Slot<A> | undefined
  last: Slot<A> | undefined
}

/** Loads a view, whose location may already be resolved, with memory of the window. */
type Load<A> = (view: TaskRunView, prepared: Prepared) => Effect.Effect<A>

class Window<A, E> {
  private readonly services: Services
  private readonly source: Pull.Pull<NonEmptyReadonlyArray<TaskRunView>, E>
  private readonly load: Load<A>
  private readonly scope: Scope.Scope
  private readonly onTaken: ((bytes: number) => void) | undefined
  private readonly lanes = new Map<StorageReader | undefined, Lanes<A>>()
  /** The children in the window. */
  private first: Slot<A> | undefined
  private last: Slot<A> | undefined
  private size = 0
  /** The latest rows, of which those from `at` on wait for room. */
  private rows: ReadonlyArray<TaskRunView> = []
  private at = 0
  private pulls = 0
  private end: Cause.Cause<E | Cause.Done> | undefined
  private defect: Cause.Cause<never> | undefined
  /** The memory of the values that the consumer is at work on. */
  private taken: Array<Lease> = []
  private wakeFeeder: (() => void) | undefined
  private wakeConsumer: (() => void) | undefined

  constructor(
    services: Services,
    source: Pull.Pull<NonEmptyReadonlyArray<TaskRunView>, E>,
    load: Load<A>,
    scope: Scope.Scope,
    onTaken: ((bytes: number) => void) | undefined
  ) {
    this.services = services
    this.source = source
    this.load = load
    this.scope = scope
    this.onTaken = onTaken
  }

  readonly pull: Pull.Pull<NonEmptyReadonlyArray<A>, E> = Effect.suspend(() => {
    this.releaseTaken()
    return this.pulls++ === 0
      ? Effect.flatMap(Effect.forkIn(this.feed, this.scope, { startImmediately: true }), () => this.take)
      : this.wantsRows()
      ? Effect.suspend(() => {
        this.wakeFeeder?.()
        return this.take
      })
      : this.take
  })

  private releaseTaken(): void {
    if (this.taken.length === 0) return
    for (const lease of this.taken) lease.release()
    this.taken = []
  }

  /** Returns the memory of values that will never be emitted. */
  readonly close: Effect.Effect<void> = Effect.sync(() => {
    this.releaseTaken()
    for (let slot = this.first; slot !== undefined; slot = slot.next) slot.prepared.lease.release()
    this.first = undefined
  })

  private readonly take: Pull.Pull<NonEmptyReadonlyArray<A>, E> = Effect.suspend(() => {
    if (this.first?.loaded !== undefined) return this.give()
    if (this.defect !== undefined) return Effect.failCause(this.defect)
    if (this.size === 0 && this.end !== undefined) return Effect.failCause(this.end)
    return Effect.flatMap(this.untilReady, () => this.take)
  })

  private isReady(): boolean {
    return this.first?.loaded !== undefined || this.defect !== undefined || (this.size === 0 && this.end !== undefined)
  }

  /** Yields once more, so that results loaded in the same turn are emitted as one array. */
  private readonly untilReady = Effect.andThen(
    Effect.callback<void>((resume) => {
      if (this.isReady()) return resume(Effect.void)
      this.wakeConsumer = () => {
        this.wakeConsumer = undefined
        resume(Effect.void)
      }
      // The first child has become needed.
      this.services.memory.letIn()
    }),
    Effect.yieldNow
  )

  private give(): Pull.Pull<NonEmptyReadonlyArray<A>, E> {
    const values: Array<A> = []
    const most = this.services.memory.limit / emittedAtOnce
    let bytes = 0
    let slot = this.first
    const taken: Array<Lease> = []
    for (; slot?.loaded !== undefined && bytes < most; slot = slot.next) {
      values.push(slot.loaded.value)
      const { lease } = slot.prepared
      bytes += lease.held
      if (lease.held > 0) taken.push(lease)
    }
    this.first = slot
    if (slot === undefined) this.last = undefined
    this.size -= values.length
    if (this.onTaken === undefined) this.taken = taken
    else {
      // Not earlier: loads that get their memory may complete at once, and would be emitted too.
      for (const lease of taken) {
        this.onTaken(lease.held)
        lease.release()
      }
    }
    this.services.memory.letIn()
    return Effect.as(this.admit, values as unknown as NonEmptyReadonlyArray<A>)
  }

  /** Lets rows in while there is room, and passes them to the lanes of their storage. */
  private readonly admit: Effect.Effect<void> = Effect.suspend(() => {
    let idle: Array<{ readonly lanes: Lanes<A>; readonly isFree: boolean }> | undefined
    for (; this.size < windowSize && this.at < this.rows.length; this.at++, this.size++) {
      const view = this.rows[this.at]!
      const resolution = this.resolve(view)
      const lease = this.services.memory.open(() => this.first === slot && this.wakeConsumer !== undefined)
      const prepared: Prepared = { lease, resolution }
      const slot: Slot<A> = { view, prepared, loaded: undefined, next: undefined, nextOfLanes: undefined }
      if (this.last === undefined) this.first = slot
      else this.last.next = slot
      this.last = slot
      const lanes = this.lanesOf(resolution?.reader)
      if (lanes.last === undefined) lanes.first = slot
      else lanes.last.nextOfLanes = slot
      lanes.last = slot
      if (lanes.running < lanes.limit || !lanes.hasFree) {
        const isFree = !lanes.hasFree
        lanes.running++
        lanes.hasFree = true
        idle ??= []
        idle.push({ lanes, isFree })
      }
    }
    if (this.wantsRows()) this.wakeFeeder?.()
    if (idle === undefined) return Effect.void
    return Effect.forEach(
      idle,
      ({ isFree, lanes }) => Effect.forkIn(this.lane(lanes, isFree), this.scope, { startImmediately: true }),
      { discard: true }
    )
  })

  private resolve(view: TaskRunView): Resolution | undefined {
    const { options, storage } = this.services
    const descriptor = options.concurrency === undefined ? readableDescriptor(view) : undefined
    return descriptor === undefined ? undefined : storage.resolve(descriptor)
  }

  private lanesOf(reader: StorageReader | undefined): Lanes<A> {
    const { options } = this.services
    let lanes = this.lanes.get(reader)
    if (lanes === undefined) {
      const limit = Math.max(1, options.concurrency ?? reader?.concurrency ?? 1)
      const permits = reader === undefined ? undefined : permitsOf(reader, limit)
      this.lanes.set(reader, lanes = { limit, permits, running: 0, hasFree: false, first: undefined, last: undefined })
    }
    return lanes
  }

  /** Loads one child after the other until none waits. */
  private lane(lanes: Lanes<A>, isFree: boolean): Effect.Effect<void> {
    let slot: Slot<A> | undefined
    const current: Current = { lease: undefined }
    const permits = isFree ? undefined : lanes.permits
    let hasPermit = false
    const takePermit = () => {
      hasPermit = true
    }
    const loadNext = (): Effect.Effect<A | undefined> => {
      slot = lanes.first
      if (slot === undefined) return Effect.undefined
      lanes.first = slot.nextOfLanes
      if (lanes.first === undefined) lanes.last = undefined
      current.lease = slot.prepared.lease.begin()
      return this.load(slot.view, slot.prepared)
    }
    const givePermit = () => {
      if (!hasPermit) return
      hasPermit = false
      permits!.give()
    }
    return Effect.onExit(
      Effect.provideService(
        Effect.whileLoop({
          while: () => {
            if (lanes.first !== undefined) return true
            lanes.running--
            if (isFree) lanes.hasFree = false
            return false
          },
          body: () => {
            if (permits === undefined) return loadNext()
            if (!permits.tryTake()) return Effect.flatMap(permits.take(takePermit), loadNext)
            takePermit()
            return loadNext()
          },
          step: (value) => {
            givePermit()
            if (slot === undefined) return
            slot.loaded = { value: value as A }
            // A failure holds no memory.
            if (slot.prepared.lease.isUnderWay) slot.prepared.lease.release()
            if (slot === this.first) this.wakeConsumer?.()
          }
        }),
        CurrentLoad,
        current
      ),
      (exit) =>
        Effect.sync(() => {
          givePermit()
          if (Exit.isSuccess(exit)) return
          this.defect ??= exit.cause
          this.wakeConsumer?.()
        })
    )
  }

  /**
   * Whether to request the next rows: not those after the first page before the consumer pulls again, so that taking a
   * few elements costs little.
   */
  private wantsRows(): boolean {
    return this.at >= this.rows.length && (this.pulls > 1 || this.size === 0)
  }

  private readonly untilWanted = Effect.callback<void>((resume) => {
    if (this.wantsRows()) return resume(Effect.void)
    this.wakeFeeder = () => {
      this.wakeFeeder = undefined
      resume(Effect.void)
    }
  })

  private readonly feed: Effect.Effect<void> = Effect.suspend(() => this.source).pipe(
    Effect.flatMap((rows) => {
      this.rows = rows
      this.at = 0
      return this.admit
    }),
    Effect.andThen(this.untilWanted),
    Effect.forever,
    Effect.catchCause((cause) =>
      Effect.sync(() => {
        this.end = cause
        this.wakeConsumer?.()
      })
    )
  )
}

/**
 * Loads each view, in order, each storage with its own concurrency. Results after a slow one are loaded meanwhile;
 * nothing is loaded before it is pulled, and no more than a window ahead. The memory of an emitted value is held until
 * the next pull, unless `onTaken` receives it.
 */
export const load = <A, E, R = never>(
  services: Services,
  views: Stream.Stream<TaskRunView, E, R>,
  load: Load<A>,
  onTaken?: (bytes: number) => void
): Stream.Stream<A, E, R> =>
  Stream.transformPull(views, (pull, scope) =>
    Effect.withFiber((fiber) => {
      const end = fiber.getRef(CurrentLoad).lease?.awaitOther()
      const window = new Window(services, pull, load, scope, onTaken)
      const close = end === undefined ? window.close : Effect.andThen(window.close, Effect.sync(end))
      return Effect.as(Scope.addFinalizer(scope, close), window.pull)
    }))
