/** The objects of a document by themselves: what is left of reading it when all keys and values are there already. */
import { plain } from "./values.ts"

interface Entries {
  readonly keys: ReadonlyArray<string>
  readonly values: ReadonlyArray<unknown>
}

const entriesOf = (value: unknown, out: Array<Entries> = []): ReadonlyArray<Entries> => {
  if (typeof value !== "object" || value === null) return out
  for (const item of Object.values(value)) entriesOf(item, out)
  if (!Array.isArray(value)) out.push({ keys: Object.keys(value), values: Object.values(value) })
  return out
}

/** Makes all objects of a document, each time from keys that V8 has not seen. */
export const objectsOf = (document: unknown) => {
  const entries = entriesOf(plain(document))
  const text = Buffer.from(entries.flatMap(({ keys }) => keys).join(""), "latin1")
  const lengths = entries.map(({ keys }) => keys.map((key) => key.length))
  return {
    /** New texts of all keys. */
    keys: (): ReadonlyArray<ReadonlyArray<string>> => {
      let at = 0
      return lengths.map((list) => list.map((length) => text.toString("latin1", at, at += length)))
    },
    /** As hash tables, which are the quickest for keys that do not repeat. */
    make: (keys: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<object> =>
      entries.map(({ values }, index) => {
        const object = Object.create(null) as Record<string, unknown>
        const list = keys[index]!
        for (let i = 0; i < list.length; i++) object[list[i]!] = values[i]
        return object
      })
  }
}
