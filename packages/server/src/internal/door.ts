/** How long requests are begun in a row, in milliseconds. */
const slice = 5
/** Turns of the event loop between two slices. */
const turns = 4

interface Waiting {
  readonly begin: () => void
  readonly isGone: () => boolean
}

/**
 * A door through which requests enter one after another: what they do at once is done in slices of a few milliseconds.
 * An event loop accepts one connection in a turn, and reads from each of the others, so clients that come while a
 * thousand requests are begun would wait for all of them, and nothing would show that the clients of those have gone.
 */
export class Door {
  /** The most turns between two slices, while connections are accepted. */
  readonly mostTurns: number
  /** In the order in which they came; those before `#next` have entered. */
  #waiting: Array<Waiting> = []
  #next = 0
  /** When the slice began; undefined when the next request begins one. */
  #since: number | undefined
  #turn = 0
  #hasAccepted = false

  constructor(mostTurns: number) {
    this.mostTurns = mostTurns
  }

  /** A client connected in this turn, and others may be about to. */
  accepted(): void {
    this.#hasAccepted = true
  }

  /** Begins a request at once or in its turn, unless its client has gone by then. */
  enter(one: Waiting): void {
    if (!this.#isEmpty || this.#isOver()) return void this.#waiting.push(one)
    if (this.#since === undefined) this.#start()
    one.begin()
  }

  get #isEmpty(): boolean {
    return this.#next === this.#waiting.length
  }

  #isOver(): boolean {
    return this.#since !== undefined && performance.now() - this.#since > slice
  }

  #start(): void {
    this.#since = performance.now()
    this.#turn = 0
    setImmediate(this.#onTurn)
  }

  readonly #onTurn = (): void => {
    const most = this.#hasAccepted ? this.mostTurns : turns
    this.#hasAccepted = false
    if (this.#turn++ < most) return void setImmediate(this.#onTurn)
    this.#since = undefined
    if (this.#isEmpty) return
    this.#start()
    while (!this.#isEmpty && !this.#isOver()) {
      const { begin, isGone } = this.#waiting[this.#next++]!
      if (!isGone()) begin()
    }
    if (!this.#isEmpty && this.#next < 1_000) return
    this.#waiting = this.#waiting.slice(this.#next)
    this.#next = 0
  }
}
