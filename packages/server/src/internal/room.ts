import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/** How long a response may be sent while others wait for its room. */
const patience = 15_000

/** What one request holds in memory: the JSON that was read for it, until its response is sent. */
export interface Account {
  /** Characters. */
  held: number
  /** When its response began to be sent, and what ends the connection; undefined before. */
  sending: { readonly since: number; readonly end: () => void } | undefined
}

/**
 * The room for the responses of all requests. A client that does not read keeps its response in memory: statements of
 * other requests wait until there is room again, and the connections that were slowest to read are ended for them.
 */
export class Room {
  readonly max: number
  readonly #accounts = new Set<Account>()
  #held = 0
  #change = Deferred.makeUnsafe<void>()

  constructor(max: number) {
    this.max = max
  }

  /** Whether a request may read: one that holds something already is never kept waiting, because others wait for it. */
  admits(account: Account): boolean {
    return account.held > 0 || this.#held < this.max
  }

  open(): Account {
    const account: Account = { held: 0, sending: undefined }
    this.#accounts.add(account)
    return account
  }

  add(account: Account, characters: number): void {
    if (!this.#accounts.has(account)) return
    account.held += characters
    this.#held += characters
  }

  /** Begins to send the response of a request. */
  send(account: Account, since: number, end: () => void): void {
    account.sending = { since, end }
    this.#changed()
  }

  close(account: Account): void {
    if (!this.#accounts.delete(account)) return
    this.#held -= account.held
    this.#changed()
  }

  #changed(): void {
    const change = this.#change
    this.#change = Deferred.makeUnsafe()
    Deferred.doneUnsafe(change, Effect.void)
  }

  /** Waits until a response was sent, or the one that has been sent for longest is ended. */
  readonly wait: Effect.Effect<void> = Effect.gen({ self: this }, function*() {
    // There may be room since it was asked for, and nothing that changes then.
    if (this.#held < this.max) return
    const change = Deferred.await(this.#change)
    let slowest: Account | undefined
    for (const account of this.#accounts) {
      if (account.held === 0 || account.sending === undefined) continue
      if (slowest?.sending === undefined || account.sending.since < slowest.sending.since) slowest = account
    }
    if (slowest?.sending === undefined) return yield* change
    const { end, since } = slowest.sending
    const left = since + patience - (yield* Clock.currentTimeMillis)
    yield* Effect.raceFirst(
      change,
      Effect.andThen(
        Effect.sleep(Math.max(0, left)),
        Effect.sync(() => {
          end()
          this.close(slowest)
        })
      )
    )
  })
}
