/** What all loads through one storage under one limit share: made when first needed, and gone with the storage. */
export const perLimit = <Storage extends object, A>(
  make: (limit: number) => A
): (storage: Storage, limit: number) => A => {
  const made = new WeakMap<Storage, Map<number, A>>()
  return (storage, limit) => {
    let byLimit = made.get(storage)
    if (byLimit === undefined) made.set(storage, byLimit = new Map())
    let found = byLimit.get(limit)
    if (found === undefined) byLimit.set(limit, found = make(limit))
    return found
  }
}
