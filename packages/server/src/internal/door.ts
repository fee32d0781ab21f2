/** How long requests are begun in a row, in milliseconds. */
const slice = 5
/** Turns of the event loop between two slices. */
const turns = 4

/** Requests that wait; a further one is refused. */
const mostWaiting = 1_000

interface Waiting {
  /** Of the client. */
  readonly address: string
  readonly begin: () => void
  readonly isGone: () => boolean
  /** Is called instead of `begin` when too many wait. */
  readonly refuse: () => void
}

/**
 * A door through which requests enter one after another: what they do at once is done in slices of a few milliseconds.
 * An event loop accepts one connection in a turn, and reads from each of the others, so clients that come while a
 * thousand requests are begun would wait for all of them, and nothing would show that the clients of those have gone. The
 * addresses of clients take turns, so that however many requests one has, others wait for one of them.
 */
export class Door {
  /** The most turns between two slices, while connections are accepted. */
  readonly mostTurns: number
  readonly mostWaiting: number
  /** By address, from the one whose turn is next; those of one in the order in which they came. */
  readonly #waiting = new Map<string, Array<Waiting>>()
  #count = 0
  /** When the slice began; undefined when the next request begins one. */
  #since: number | undefined
  #turn = 0
  #hasAccepted = false

  constructor(mostTurns: number, most = mostWaiting) {
    this.mostTurns = mostTurns
    this.mostWaiting = most
  }

  /** A client connected in this turn, and others may be about to. */
  accepted(): void {
    this.#hasAccepted = true
  }

  /**
   * Begins a request at once or in its turn, unless its client has gone by then. Of too many, the last one of the
   * address that has most is refused.
   */
  enter(one: Waiting): void {
    if (this.#count > 0 || this.#isOver()) return this.#add(one)
    if (this.#since === undefined) this.#start()
    one.begin()
  }

  #add(one: Waiting): void {
    const own = this.#waiting.get(one.address)
    if (own === undefined) this.#waiting.set(one.address, [one])
    else own.push(one)
    if (++this.#count <= this.mostWaiting) return
    let most: [address: string, queue: Array<Waiting>] = [one.address, own ?? []]
    for (const each of this.#waiting) if (each[1].length > most[1].length) most = each
    const [address, queue] = most
    const here = queue.filter((waiting) => !waiting.isGone())
    this.#count -= queue.length - here.length
    const refused = this.#count > this.mostWaiting ? here.pop() : undefined
    if (refused !== undefined) this.#count--
    if (here.length === 0) this.#waiting.delete(address)
    else this.#waiting.set(address, here)
    refused?.refuse()
  }

  /** The next one in turn. */
  #take(): Waiting | undefined {
    for (const [address, queue] of this.#waiting) {
      const one = queue.shift()
      this.#waiting.delete(address)
      if (queue.length > 0) this.#waiting.set(address, queue)
      this.#count--
      return one
    }
    return undefined
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
    if (this.#count === 0) return
    this.#start()
    while (this.#count > 0 && !this.#isOver()) {
      const one = this.#take()
      if (one?.isGone() === false) one.begin()
    }
  }
}
