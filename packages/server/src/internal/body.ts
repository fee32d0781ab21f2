/** Reads the bodies of requests, of which few large ones are in memory at a time. */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { HttpServerError } from "effect/http/HttpServerError"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Room } from "./room.ts"

/** The number of large request bodies that are in memory at a time; others are not read to their end yet. */
const maxLargeBodies = 8
/** The bytes that a body may have before it counts as large. */
const smallBody = 64 * 1024
/** How long a large body may take, in milliseconds, while others wait. */
const patience = 5_000

/** The body was not read: it is too large, or others were for too long. */
export class BodyRefused extends Data.TaggedError("BodyRefused")<{ readonly reason: "TooLarge" | "Busy" }> {}

export interface Body {
  readonly text: string
  /** Lets others have their large bodies read; when the scope closes at the latest. */
  readonly release: Effect.Effect<void>
}

/** Makes a reader of bodies of at most `maxBytes`. `end` closes the connection of a request that is too slow. */
export const makeReader = (maxBytes: number) => {
  const room = new Room(maxLargeBodies, patience)
  return Effect.fnUntraced(function*(
    request: HttpServerRequest.HttpServerRequest,
    end: () => void
  ): Effect.fn.Return<Body, BodyRefused | HttpServerError, Scope.Scope> {
    if (Number(request.headers["content-length"]) > maxBytes) return yield* new BodyRefused({ reason: "TooLarge" })
    const account = yield* Effect.acquireRelease(
      Effect.sync(() => room.open()),
      (account) => Effect.sync(() => room.close(account))
    )
    const enter: Effect.Effect<void> = Effect.suspend(() =>
      room.admits(account) ? Effect.sync(() => room.add(account, 1)) : Effect.andThen(room.wait, enter)
    )
    const chunks: Array<Uint8Array> = []
    let size = 0
    yield* Stream.runForEach(request.stream, (chunk) =>
      Effect.gen(function*() {
        size += chunk.length
        if (size > maxBytes) return yield* new BodyRefused({ reason: "TooLarge" })
        chunks.push(chunk)
        if (size <= smallBody || account.held > 0) return
        yield* Effect.timeoutOrElse(enter, {
          duration: "10 seconds",
          orElse: () => Effect.fail(new BodyRefused({ reason: "Busy" }))
        })
        room.transfer(account, yield* Clock.currentTimeMillis, end)
      }))
    room.settle(account)
    return { text: Buffer.concat(chunks).toString(), release: Effect.sync(() => room.close(account)) }
  })
}
