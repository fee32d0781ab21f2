import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/** What one request holds until it is closed. */
export interface Account {
  /** In the unit of the room. */
  held: number
  /** Since when it depends on its client, and what ends the connection; undefined while it depends on the server. */
  transfer: { readonly since: number; readonly end: () => void } | undefined
}

/**
 * A room that all requests share: characters of responses that are being sent, or bodies that are being received. A
 * client that neither reads nor sends keeps its part: others wait until there is room again, and the connections whose
 * transfer began first are ended for them, `patience` milliseconds after that.
 */
export class Room {
  readonly max: number
  readonly patience: number
  readonly #accounts = new Set<Account>()
  #held = 0
  #change = Deferred.makeUnsafe<void>()

  constructor(max: number, patience: number) {
    this.max = max
    this.patience = patience
  }

  /** Whether a request may take more: one that holds something already is never kept waiting, because others wait for it. */
  admits(account: Account): boolean {
    return account.held > 0 || this.#held < this.max
  }

  open(): Account {
    const account: Account = { held: 0, transfer: undefined }
    this.#accounts.add(account)
    return account
  }

  add(account: Account, amount: number): void {
    if (!this.#accounts.has(account)) return
    account.held += amount
    this.#held += amount
  }

  /** Begins to send the response of a request, or to receive its body. */
  transfer(account: Account, since: number, end: () => void): void {
    account.transfer = { since, end }
    this.#changed()
  }

  /** Ends a transfer, whose request goes on. */
  settle(account: Account): void {
    account.transfer = undefined
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

  /** Waits until something changed, or the transfer that has taken longest is ended. */
  readonly wait: Effect.Effect<void> = Effect.gen({ self: this }, function*() {
    // There may be room since it was asked for, and nothing that changes then.
    if (this.#held < this.max) return
    const change = Deferred.await(this.#change)
    let slowest: Account | undefined
    for (const account of this.#accounts) {
      if (account.held === 0 || account.transfer === undefined) continue
      if (slowest?.transfer === undefined || account.transfer.since < slowest.transfer.since) slowest = account
    }
    if (slowest?.transfer === undefined) return yield* change
    const { end, since } = slowest.transfer
    const left = since + this.patience - (yield* Clock.currentTimeMillis)
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
