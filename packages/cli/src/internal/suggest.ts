/** Suggestions for mistyped names. */

/** The number of characters that are compared: names that differ only after it are equally near. */
const compared = 64

/** The number of characters to insert, delete, replace or swap with a neighbour to get from one text to the other. */
const distance = (from: string, to: string): number => {
  const a = from.slice(0, compared).toLowerCase()
  const b = to.slice(0, compared).toLowerCase()
  let before: Array<number> = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      let cost = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1)
      next.push(cost)
    }
    before = row
    row = next
  }
  return row[b.length]!
}

/** The names, the nearest to a text first. A name that begins with the text counts as near. */
export const nearest = (text: string, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const wanted = text.toLowerCase()
  return [...new Set(names)]
    .map((name) => ({ name, far: name.toLowerCase().startsWith(wanted) ? 0.5 : distance(text, name) }))
    .toSorted((a, b) => a.far - b.far)
    .map(({ name }) => name)
}

/** The nearest name, when it is near enough to be meant. */
export const nearEnough = (text: string, names: ReadonlyArray<string>): string | undefined => {
  const [first] = nearest(text, names)
  if (first === undefined || text === "") return undefined
  return first.toLowerCase().startsWith(text.toLowerCase()) ||
      distance(text, first) <= Math.max(1, Math.floor(Math.min(text.length, compared) / 3))
    ? first
    : undefined
}
