/** A long answer of a database in pieces: a driver reads each value in one step, however long it is. */
import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"

type Row = Readonly<Record<string, string | Uint8Array | null>>

/** The bytes of an answer that are one value, and those of a piece of a longer one. */
const longText = 0x80000
const pieceBytes = 0x40000

/**
 * A statement of one row with the columns `root` and `rows` whose long `root` is rows of its own, each with a piece of its
 * bytes. The text is made once: `offset 0` keeps a subquery from being merged into the one around it.
 */
export const inPieces = (sql: string): string =>
  `select sent.root, sent.rows, part.piece::text as piece,
    substring(sent.bytes from part.piece * ${pieceBytes} + 1 for ${pieceBytes}) as bytes
  from (select found.rows, case when octet_length(found.root) <= ${longText} then found.root end as root,
      case when octet_length(found.root) > ${longText} then convert_to(found.root, 'UTF8') end as bytes
    from (select answer.root::text as root, answer.rows from (${sql}) answer offset 0) found offset 0) sent
  left join lateral generate_series(0, (octet_length(sent.bytes) - 1) / ${pieceBytes}) part(piece) on true`

/** The bytes of a piece, which some drivers give as Postgres's text of them. */
const bytesOf = (value: string | Uint8Array | null | undefined): Uint8Array =>
  typeof value === "string" ? Buffer.from(value.slice(2), "hex") : value ?? new Uint8Array(0)

/** The row that was sent in pieces. */
export const joinPieces = Effect.fnUntraced(function*(sent: ReadonlyArray<Row>) {
  const [first] = sent
  if (first === undefined) return []
  const rows = first["rows"] ?? null
  if ((first["piece"] ?? null) === null) return [{ root: first["root"] ?? null, rows }]
  const pieces = sent.toSorted((left, right) => Number(left["piece"]) - Number(right["piece"]))
  const size = pieces.reduce((size, { bytes }) => size + bytesOf(bytes).length, 0)
  const root = new Uint8Array(size)
  let at = 0
  for (const { bytes } of pieces) {
    if (Turn.isLong()) yield* Turn.next
    const piece = bytesOf(bytes)
    root.set(piece, at)
    at += piece.length
  }
  return [{ root, rows }]
})
