/** The connections of a server by the addresses of its clients. */

/** What belongs to one client: an address, or of the sixth version of the protocol the network, of which one has all. */
export const addressOf = (remote: string | undefined): string => {
  if (remote === undefined || !remote.includes(":") || remote.includes(".")) return remote ?? ""
  const [left = "", right] = remote.split("::")
  const before = left === "" ? [] : left.split(":")
  const after = right === undefined || right === "" ? [] : right.split(":")
  const zeros = right === undefined ? 0 : 8 - before.length - after.length
  return [...before, ...Array.from({ length: Math.max(0, zeros) }, () => "0"), ...after].slice(0, 4).join(":")
}

/** Connections of type `A`, each with what is known of it, of type `B`, in the order in which they were kept. */
export class Clients<A, B> {
  readonly #byAddress = new Map<string, Map<A, B>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Adds a connection as the last one of its address. */
  keep(address: string, connection: A, known: B): void {
    this.forget(address, connection)
    const own = this.#byAddress.get(address)
    if (own === undefined) this.#byAddress.set(address, new Map([[connection, known]]))
    else own.set(connection, known)
    this.#size++
  }

  /** Whether it was there. */
  forget(address: string, connection: A): boolean {
    const own = this.#byAddress.get(address)
    if (own?.delete(connection) !== true) return false
    this.#size--
    if (own.size === 0) this.#byAddress.delete(address)
    return true
  }

  /** The number of connections of an address. */
  count(address: string): number {
    return this.#byAddress.get(address)?.size ?? 0
  }

  /** The first one that is meant, of the address with most among those that have one. */
  find(isMeant: (connection: A, known: B) => boolean): readonly [A, B] | undefined {
    let found: readonly [A, B] | undefined
    let most = 0
    for (const own of this.#byAddress.values()) {
      if (own.size <= most) continue
      for (const [connection, known] of own) {
        if (!isMeant(connection, known)) continue
        found = [connection, known]
        most = own.size
        break
      }
    }
    return found
  }

  /**
   * Whether an address has more than its part of a number of connections, of which each address with one in use has as many
   * as another, and as many are left for one that comes.
   */
  hasMoreThanItsPart(address: string, most: number, isInUse: (known: B) => boolean): boolean {
    let parts = 1
    for (const own of this.#byAddress.values()) {
      for (const known of own.values()) {
        if (!isInUse(known)) continue
        parts++
        break
      }
    }
    return this.count(address) > most / parts
  }
}
