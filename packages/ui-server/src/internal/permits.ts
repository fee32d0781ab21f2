import * as Turn from "@effect-prefect/core/Turn"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"

/** A request with a permit, until its response is sent. */
export interface Holder {
  /** Ends the connection. */
  readonly end: () => void
  /** Since when its client has not taken what was sent; undefined while the server has nothing to send. */
  idleSince: number | undefined
  /** The bytes of its response that are in memory as a whole. */
  bytes: number
}

/** The request that a handler answers. */
export const CurrentHolder = Context.Reference<Holder | undefined>("@effect-prefect/ui-server/CurrentHolder", {
  defaultValue: () => undefined
})

/** Clients that may be sent responses while they do not read, as a multiple of the permits. */
const mostLent = 4
/** The bytes of their responses that are in memory. */
const mostLentBytes = 64 * 1024 * 1024

interface Held {
  /** Whether it has a permit now. */
  hasPermit: boolean
}

/**
 * Permits of requests. A client that does not read its response keeps its permit: those that have been idle for
 * `patience` milliseconds are disconnected when others wait for one.
 */
export class Permits {
  readonly patience: number
  readonly #count: number
  readonly #semaphore: Semaphore.Semaphore
  readonly #holders = new Map<Holder, Held>()
  /** Those whose permits others have, from the one that has been idle for longest. */
  readonly #lent = new Set<Holder>()
  #lentBytes = 0

  constructor(count: number, patience: number) {
    this.#count = count
    this.#semaphore = Semaphore.makeUnsafe(count)
    this.patience = patience
  }

  /** Takes a permit for as long as the scope is open. `end` ends the connection. */
  take(end: () => void): Effect.Effect<Holder, never, Scope.Scope> {
    return this.takeFor({ end, idleSince: undefined, bytes: 0 })
  }

  /** Takes a permit for a request, which may have one of another kind, for as long as the scope is open. */
  takeFor(holder: Holder): Effect.Effect<Holder, never, Scope.Scope> {
    const held: Held = { hasPermit: false }
    const give = Effect.suspend(() => {
      this.#holders.delete(holder)
      this.#keep(holder)
      return this.#release(held)
    })
    return Effect.andThen(Effect.addFinalizer(() => give), this.#acquire(held)).pipe(
      Effect.map(() => {
        this.#holders.set(holder, held)
        return holder
      })
    )
  }

  /**
   * Lends the permit of a holder to others, until it is taken back. Of too many clients that do not read meanwhile, those
   * that have not for longest are disconnected.
   */
  lend(holder: Holder): Effect.Effect<void> {
    return Effect.suspend(() => {
      const held = this.#holders.get(holder)
      if (held === undefined) return Effect.void
      this.#lent.add(holder)
      this.#lentBytes += holder.bytes
      for (const longest of this.#lent) {
        if (this.#lent.size <= mostLent * this.#count && this.#lentBytes <= mostLentBytes) break
        this.#keep(longest)
        longest.end()
      }
      return this.#release(held)
    })
  }

  /** Takes back what was lent, when there is a permit. */
  takeBack(holder: Holder): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#keep(holder)
      const held = this.#holders.get(holder)
      return held === undefined ? Effect.void : this.#acquire(held)
    })
  }

  #keep(holder: Holder): void {
    if (this.#lent.delete(holder)) this.#lentBytes -= holder.bytes
  }

  #release(held: Held): Effect.Effect<void> {
    if (!held.hasPermit) return Effect.void
    held.hasPermit = false
    return Effect.asVoid(Semaphore.release(this.#semaphore, 1))
  }

  #acquire(held: Held): Effect.Effect<void> {
    const acquired = (isTaken: boolean) => {
      held.hasPermit = isTaken
      return isTaken
    }
    return Effect.suspend(() => {
      if (held.hasPermit) return Effect.void
      return Effect.flatMap(
        Effect.uninterruptible(Effect.map(Semaphore.takeIfAvailable(this.#semaphore, 1), acquired)),
        (isFree) =>
          isFree ? Effect.void : Effect.raceFirst(
            Effect.uninterruptibleMask((restore) =>
              Effect.map(restore(Semaphore.take(this.#semaphore, 1)), () => void acquired(true))
            ),
            this.#disconnect
          )
      )
    })
  }

  /** Disconnects a client that is idle for too long, again and again. */
  readonly #disconnect: Effect.Effect<never> = Effect.forever(
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      let longest: Holder | undefined
      for (const holder of this.#holders.keys()) {
        if (this.#lent.has(holder)) continue
        if (holder.idleSince !== undefined && holder.idleSince < (longest?.idleSince ?? Infinity)) longest = holder
      }
      const left = longest?.idleSince === undefined ? this.patience : longest.idleSince + this.patience - now
      if (longest === undefined || left > 0) return Effect.sleep(Math.max(1, left))
      this.#holders.delete(longest)
      longest.end()
      // One is enough for one that waits, unless another was quicker.
      return Effect.sleep(this.patience)
    })
  )
}

/** The bytes of a body that is sent in pieces, as its client takes them. */
const longBody = 64 * 1024

const inPieces = (bytes: Uint8Array): Stream.Stream<Uint8Array> =>
  Stream.rechunk(
    Stream.fromIterable((function*() {
      for (let start = 0; start < bytes.length; start += longBody) yield bytes.subarray(start, start + longBody)
    })()),
    1
  )

/**
 * A response that tells its holder whether its client takes what is sent. Meanwhile others may have the permit of
 * `lender`.
 */
export const watched = (
  response: HttpServerResponse.HttpServerResponse,
  holder: Holder,
  lender?: Permits
): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.map(Effect.clockWith(Effect.succeed), (clock) => {
    const sent = () => {
      holder.idleSince = clock.currentTimeMillisUnsafe()
    }
    const { body } = response
    const isLong = body._tag === "Uint8Array" && body.body.length > longBody
    if (body._tag !== "Stream" && !isLong) {
      sent()
      return response
    }
    if (isLong) holder.bytes = body.body.length
    const pieces = isLong ? inPieces(body.body) : body._tag === "Stream" ? body.stream : Stream.empty
    const stream = Stream.scoped(Stream.fromPull(Effect.map(Stream.toPull(pieces), (pull) =>
      Effect.suspend(() => {
        holder.idleSince = undefined
        const isBack = lender === undefined ? Effect.void : lender.takeBack(holder)
        return Effect.andThen(isBack, Effect.andThen(Turn.share, pull)).pipe(
          Effect.tap(() => {
            sent()
            return lender === undefined ? Effect.void : lender.lend(holder)
          })
        )
      }))))
    return HttpServerResponse.setBody(response, HttpBody.stream(stream, body.contentType, body.contentLength))
  })
