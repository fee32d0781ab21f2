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
}

/** The request that a handler answers. */
export const CurrentHolder = Context.Reference<Holder | undefined>("@effect-prefect/ui-server/CurrentHolder", {
  defaultValue: () => undefined
})

/**
 * Permits of requests. A client that does not read its response keeps its permit: those that have been idle for
 * `patience` milliseconds are disconnected when others wait for one.
 */
export class Permits {
  readonly patience: number
  readonly #semaphore: Semaphore.Semaphore
  readonly #holders = new Set<Holder>()

  constructor(count: number, patience: number) {
    this.#semaphore = Semaphore.makeUnsafe(count)
    this.patience = patience
  }

  /** Takes a permit for as long as the scope is open. `end` ends the connection. */
  take(end: () => void): Effect.Effect<Holder, never, Scope.Scope> {
    return this.takeFor({ end, idleSince: undefined })
  }

  /** Takes a permit for a request, which may have one of another kind, for as long as the scope is open. */
  takeFor(holder: Holder): Effect.Effect<Holder, never, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function*() {
        const isFree = yield* Semaphore.takeIfAvailable(this.#semaphore, 1)
        if (isFree) yield* Effect.addFinalizer(() => Semaphore.release(this.#semaphore, 1))
        else yield* restore(Effect.raceFirst(Semaphore.takeScoped(this.#semaphore, 1), this.#disconnect))
        this.#holders.add(holder)
        yield* Effect.addFinalizer(() => Effect.sync(() => this.#holders.delete(holder)))
        return holder
      })
    )
  }

  /** Disconnects a client that is idle for too long, again and again. */
  readonly #disconnect: Effect.Effect<never> = Effect.forever(
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      let longest: Holder | undefined
      for (const holder of this.#holders) {
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

/** A response that tells its holder whether its client takes what is sent. */
export const watched = (
  response: HttpServerResponse.HttpServerResponse,
  holder: Holder
): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.map(Effect.clockWith(Effect.succeed), (clock) => {
    const sent = () => {
      holder.idleSince = clock.currentTimeMillisUnsafe()
    }
    const { body } = response
    if (body._tag !== "Stream") {
      sent()
      return response
    }
    const stream = Stream.scoped(Stream.fromPull(Effect.map(Stream.toPull(body.stream), (pull) =>
      Effect.suspend(() => {
        holder.idleSince = undefined
        return Effect.tap(Effect.andThen(Turn.share, pull), () => Effect.sync(sent))
      }))))
    return HttpServerResponse.setBody(response, HttpBody.stream(stream, body.contentType, body.contentLength))
  })
