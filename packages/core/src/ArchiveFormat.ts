/**
 * `ArchiveFormat`: the names, limits and rules that every reader and writer of an archive folder follows.
 *
 * ```
 * DIR/tables/task_run.jsonl   the rows of a table, a JSON object a line; the other tables beside it
 * DIR/mounts.json             the folders of DIR that hold what workers and buckets held
 * DIR/manifest.jsonl          the size and SHA-256 of each result
 * DIR/incomplete.jsonl        what an export could not have, if anything
 * DIR/archive.json            the record of a finished export, written last
 * DIR/export.json             the record of an export that is under way, or was cut off
 * ```
 *
 * It does no I/O.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { isObject } from "./internal/json.ts"

/**
 * The folder of the tables, inside the archive's folder.
 *
 * @category names
 * @since 0.1.0
 */
export const tablesFolder = "tables"

/**
 * The file that maps locations on workers and in buckets to folders of the archive.
 *
 * @category names
 * @since 0.1.0
 */
export const mountsFile = "mounts.json"

/**
 * The record of a finished export.
 *
 * @category names
 * @since 0.1.0
 */
export const finishedFile = "archive.json"

/**
 * The record of an export in progress.
 *
 * @category names
 * @since 0.1.0
 */
export const startedFile = "export.json"

/**
 * The lock of an export in progress. The system releases it when the process ends, however it ends.
 *
 * @category names
 * @since 0.1.0
 */
export const lockFile = "export.lock"

/**
 * The size and SHA-256 of each result, one JSON object per line: `{ "file", "bytes", "sha256" }`.
 *
 * @category names
 * @since 0.1.0
 */
export const manifestFile = "manifest.jsonl"

/**
 * The results and rows that could not be exported, one JSON object per line. Absent when everything was exported.
 *
 * @category names
 * @since 0.1.0
 */
export const incompleteFile = "incomplete.jsonl"

/**
 * The index of the tables: a SQLite database that only makes reading faster.
 *
 * @category names
 * @since 0.1.0
 */
export const indexFile = "index.sqlite"

/**
 * The record of the index: the size and SHA-256 of each table that it was built from, and of the index itself.
 *
 * @category names
 * @since 0.1.0
 */
export const indexRecordFile = "index.json"

/**
 * The file of a table, relative to the archive's folder, with `/` as the separator.
 *
 * @category names
 * @since 0.1.0
 */
export const tableFile = (table: string): string => `${tablesFolder}/${table}.jsonl`

/**
 * The longest line of a table in bytes, without its line feed: 256 MiB. Longer lines are not rows.
 *
 * @category limits
 * @since 0.1.0
 */
export const maxLineBytes = 256 * 1024 * 1024

/**
 * The largest `mounts.json` in bytes: 1 MiB.
 *
 * @category limits
 * @since 0.1.0
 */
export const maxMountsBytes = 1024 * 1024

/**
 * The content of `mounts.json`, which maps a location (a directory of a worker, `s3://BUCKET`, `gs://BUCKET` or
 * `azure://CONTAINER`) to the folder that holds its files, relative to the archive's folder.
 *
 * **Details**
 *
 * In a folder that is given as a string, files are named by their keys, so any copying tool can have made it. In a
 * folder with `names: "encoded"`, each key has a file of its own whatever its characters, so that no file system
 * confuses two keys; the bucket in `from` is then percent-encoded as in a URL.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Mounts = Schema.Record(
  Schema.String,
  Schema.Union([
    Schema.NonEmptyString,
    Schema.Struct({ folder: Schema.NonEmptyString, names: Schema.Literal("encoded") })
  ])
).check(
  // A record drops a key that its schema rejects.
  Schema.makeFilter((mounts) => !Object.hasOwn(mounts, ""), { expected: "places that are non-empty strings" })
)

/**
 * A line of a table that is not blank.
 *
 * @category models
 * @since 0.1.0
 */
export interface Line {
  /** Counted from 1; blank lines count. */
  readonly number: number
  /** The position of its first byte in the file. */
  readonly offset: number
  /** The number of its bytes without the line feed. */
  readonly length: number
  /**
   * Its bytes without the line feed, valid until the next chunk is pushed; undefined when the line is longer than
   * {@link maxLineBytes}, or than the `longBytes` of {@link splitLines}.
   */
  readonly bytes: Uint8Array | undefined
  /**
   * The text in parts of a line that is longer than the `longBytes` of {@link splitLines}; undefined for any other line,
   * and when it is not UTF-8.
   */
  readonly parts?: ReadonlyArray<string> | undefined
}

/**
 * A row of a table and the text of its line.
 *
 * @category models
 * @since 0.1.0
 */
export interface Row {
  readonly text: string
  readonly row: { readonly [column: string]: unknown }
}

/**
 * The problem of a line that is longer than {@link maxLineBytes}.
 *
 * @category lines
 * @since 0.1.0
 */
export const tooLong = "it is longer than 256 MiB"

// Part of every runtime, but not of the language's own type definitions.
declare const TextDecoder: new(encoding: string, options: object) => {
  readonly decode: (bytes?: Uint8Array, options?: { readonly stream: boolean }) => string
}

const strict = () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const decoder = strict()

/**
 * Reads the row of a line: a JSON object in UTF-8. Returns the problem as a string when the line is not a row. The
 * problem never quotes the line.
 *
 * @category lines
 * @since 0.1.0
 */
export const parseLine = (bytes: Uint8Array): Row | string => {
  let text: string
  let row: unknown
  try {
    text = decoder.decode(bytes)
    row = JSON.parse(text)
  } catch {
    return "it is not JSON in UTF-8"
  }
  return isObject(row) ? { text, row } : "it is not a JSON object"
}

const lineFeed = 0x0a
const longestBlank = 200

const isBlank = (bytes: Uint8Array) =>
  bytes.length <= longestBlank && bytes.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09)

/**
 * The bytes of a file without the byte order mark of UTF-8 that it may start with.
 *
 * @category lines
 * @since 0.1.0
 */
export const withoutMark = (bytes: Uint8Array): Uint8Array =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes

const join = (parts: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/**
 * Decodes UTF-8 that comes in chunks to a text in parts, so that neither the bytes nor the text of a long line are joined,
 * which would be one long step.
 *
 * **Example** (A character in two chunks)
 *
 * ```ts
 * import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
 *
 * const text = ArchiveFormat.decodeParts()
 * text.push(Uint8Array.of(0x22, 0xc3))
 * text.push(Uint8Array.of(0xa9, 0x22))
 * export const parts = text.end() // ["\"", "é\""]
 * ```
 *
 * @category lines
 * @since 0.1.0
 */
export const decodeParts = (): {
  readonly push: (chunk: Uint8Array) => void
  /** The text; undefined when it is not UTF-8. */
  readonly end: () => ReadonlyArray<string> | undefined
} => {
  const decoder = strict()
  let parts: Array<string> | undefined = []
  const add = (decode: () => string) => {
    try {
      const part = decode()
      if (part !== "") parts?.push(part)
    } catch {
      parts = undefined
    }
  }
  return {
    push: (chunk) => {
      if (parts !== undefined) add(() => decoder.decode(chunk, { stream: true }))
    },
    end: () => {
      add(() => decoder.decode())
      return parts
    }
  }
}

/** Half of them may be lines, each of which takes microseconds where it is no row. */
const pieceBytes = 8_192

/**
 * Cuts a chunk of a table into pieces of 8 KiB or little more that end with a line, so that the lines of each are read in
 * a moment, however many they are. A longer line is not cut.
 *
 * @category lines
 * @since 0.1.0
 */
export function* piecesOf(chunk: Uint8Array): Generator<Uint8Array, void> {
  for (let start = 0; start < chunk.length;) {
    const last = chunk.indexOf(lineFeed, start + pieceBytes - 1)
    const end = last < 0 ? chunk.length : last + 1
    yield chunk.subarray(start, end)
    start = end
  }
}

/**
 * Splits the bytes of a table into its lines: `push` takes chunks of any size, and `end` returns a last line that has
 * no line feed. Only line feeds end a line, because JSON text may contain every other separator. Blank lines and a byte
 * order mark at the start of the file are omitted.
 *
 * Lines of more than `longBytes` are decoded as they come, and have `parts` instead of `bytes`.
 *
 * Holds at most {@link maxLineBytes} and one chunk in memory.
 *
 * @category lines
 * @since 0.1.0
 */
export const splitLines = (
  use: (line: Line) => void,
  { longBytes = maxLineBytes }: { readonly longBytes?: number | undefined } = {}
): { readonly push: (chunk: Uint8Array) => void; readonly end: () => void } => {
  let number = 0
  let offset = 0
  let carried: Array<Uint8Array> = []
  let carriedBytes = 0
  /** The text of a long line so far, and the bytes of the mark before it. */
  let text: ReturnType<typeof decodeParts> | undefined
  let markBytes = 0

  const add = (chunk: Uint8Array) => {
    if (text !== undefined) return text.push(chunk)
    text = decodeParts()
    const first = join([...carried, chunk], carried.reduce((length, part) => length + part.length, chunk.length))
    carried = []
    const rest = number === 0 ? withoutMark(first) : first
    markBytes = first.length - rest.length
    text.push(rest)
  }

  const emit = (last: Uint8Array, terminator: number) => {
    const length = carriedBytes + last.length
    if (length > maxLineBytes) use({ number: ++number, offset, length, bytes: undefined })
    else if (length > longBytes) {
      add(last)
      const line = { offset: offset + markBytes, length: length - markBytes, bytes: undefined, parts: text!.end() }
      use({ number: ++number, ...line })
    } else {
      const whole = carriedBytes === 0 ? last : join([...carried, last], length)
      const bytes = number++ === 0 ? withoutMark(whole) : whole
      if (!isBlank(bytes)) use({ number, offset: offset + whole.length - bytes.length, length: bytes.length, bytes })
    }
    offset += length + terminator
    carried = []
    carriedBytes = 0
    text = undefined
    markBytes = 0
  }

  return {
    push: (chunk) => {
      let start = 0
      for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
        emit(chunk.subarray(start, end), 1)
        start = end + 1
      }
      if (start === chunk.length) return
      carriedBytes += chunk.length - start
      if (carriedBytes > maxLineBytes) {
        carried = []
        text = undefined
      } else if (carriedBytes > longBytes) add(chunk.subarray(start))
      // A copy, because the caller may reuse its buffer.
      else carried.push(new Uint8Array(chunk.subarray(start)))
    },
    end: () => {
      if (carriedBytes > 0) emit(new Uint8Array(0), 0)
    }
  }
}
