/** The ids of rows, as an index stores and compares them. */

/** An id as stored in an index: 16 bytes for a UUID as Postgres writes it, otherwise a text. */
export type Key = Uint8Array | string

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
// SQLite ends a text at a NUL, and UTF-8 cannot encode half of a surrogate pair.
const unusual = /\0|\p{Surrogate}/u

export const keyOf = (id: string): Key =>
  id.length === 36 && uuid.test(id)
    ? Buffer.from(id.replaceAll("-", ""), "hex")
    : unusual.test(id)
    ? Buffer.concat([Buffer.of(0), Buffer.from(id, "utf16le")])
    : id

// Concatenation would make a tree of nine small strings of each id, which takes five times the memory of the text.
const uuidText = Buffer.from("00000000-0000-0000-0000-000000000000")
const digitPlaces = [...uuidText.keys()].filter((place) => uuidText[place] !== 0x2d)

/** The id of a key of 16 bytes, from their hexadecimal digits in lower case. */
const uuidOf = (hex: string): string => {
  for (let i = 0; i < 32; i++) uuidText[digitPlaces[i]!] = hex.charCodeAt(i)
  return uuidText.toString("latin1")
}

export const idOf = (key: Key): string => {
  if (typeof key === "string") return key
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength)
  return bytes.length === 16 ? uuidOf(bytes.toString("hex")) : bytes.toString("utf16le", 1)
}

/**
 * The columns that select an id as texts, which cost SQLite and the garbage collector half of what bytes do: the
 * hexadecimal digits of its bytes, and itself.
 */
export const idTexts = (column: string): string =>
  `CASE typeof(${column}) WHEN 'blob' THEN lower(hex(${column})) END, CASE typeof(${column}) WHEN 'text' THEN ${column} END`

/** The id of what `idTexts` selected. */
export const idOfTexts = (hex: string | null, text: string | null): string =>
  hex === null ? text ?? "" : hex.length === 32 ? uuidOf(hex) : idOf(Buffer.from(hex, "hex"))

/** The key of runs without a task: after every task, because SQLite sorts bytes after texts. */
export const noTask = Buffer.alloc(17, 0xff)
export const taskKeyOf = (id: string | null): Key => id === null ? noTask : keyOf(id)
export const taskIdOf = (key: Key): string | null =>
  typeof key !== "string" && key.length === 17 && key[0] === 0xff ? null : idOf(key)

export const textOf = (key: Key | null): string | null => key === null ? null : idOf(key)

const bytesOf = (key: Key): Uint8Array => typeof key === "string" ? Buffer.from(key) : key

export const isSameKey = (left: Key, right: Key): boolean =>
  typeof left === "string" || typeof right === "string" ? left === right : Buffer.compare(left, right) === 0

/** As SQLite compares: texts before bytes. */
export const compareKeys = (left: Key, right: Key): number =>
  typeof left === typeof right
    ? Buffer.compare(bytesOf(left), bytesOf(right))
    : typeof left === "string"
    ? -1
    : 1
