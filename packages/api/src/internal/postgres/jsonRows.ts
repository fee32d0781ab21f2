/**
 * Rows of JSON, which arrive as text. The driver reads each value of a row in one step, and the text of a long row would
 * be one value: it is sent in pieces, and parsed in steps.
 */
import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"
import type { Fragment } from "effect/sql/Statement"
import type { PrefectApiError } from "../../PrefectApiError.ts"
import { Body } from "../http/body.ts"
import { parseLong, textOf } from "../http/pieces.ts"
import { isObject } from "../isObject.ts"
import { type Connection, rowTooLarge } from "./connection.ts"

/** Every statement returns one JSON object per row, so a column that an older server lacks is absent, not an error. */
export interface Found {
  readonly row: unknown
}

export interface Keyed extends Found {
  /** The value that the row is sorted by, as text. */
  readonly key: string
  readonly id: string
}

/** A short row, or a piece of a long one. */
interface Sent {
  /** Counted from 1, in the order of the statement. */
  readonly number: number
  readonly row: string | null
  readonly piece: number | null
  readonly bytes: Uint8Array | null
  readonly key?: string
  readonly id?: string
}

/** The column of a row that is too large with the bytes that it has. */
const replaced = "effect_prefect_bytes"

/** The problem with a row that the database was asked to replace by its keys; undefined for any other row. */
export const tooLargeOf = (row: unknown): string | undefined =>
  isObject(row) && typeof row[replaced] === "string"
    ? `the row ${rowTooLarge}; it has ${row[replaced]} bytes`
    : undefined

/** The bytes that a row may have beside its JSON: its keys, as text, and their lengths. */
const besideRow = 256

/** The bytes of a row that are parsed in one step, and those of a piece of a longer one. */
const longRow = 0x80000
const pieceBytes = 0x40000

/** The columns by which rows are known, and after which listings continue. */
const keyColumns = ["id", "task_id", "map_index"]

/** The most characters that are parsed without giving way. */
const smallPage = 0x10000

const parse = (text: string): unknown => JSON.parse(text)

/** Makes the function that runs a statement for its rows. `isKeyed` says that it has the columns `key` and `id`, too. */
export const make = ({ client: sql, maxRowBytes, run }: Pick<Connection, "client" | "maxRowBytes" | "run">) => {
  const most = Math.max(0, maxRowBytes - besideRow)
  const short = Math.min(longRow, most)
  const keys = keyColumns.map((name) => `'${name}', made.row -> '${name}'`).join(", ")

  // Each text is made once: `offset 0` keeps a subquery from being merged into the one around it.
  const inPieces = (statement: Fragment, isKeyed: boolean) => {
    const beside = (table: string) => isKeyed ? `${table}.key, ${table}.id, ` : ""
    return sql<Sent>`select ${sql.literal(beside("sent"))}sent.number, sent.row, part.piece,
        substring(sent.bytes from part.piece * ${sql.literal(String(pieceBytes))} + 1 for ${
      sql.literal(String(pieceBytes))
    }) as bytes
      from (select ${sql.literal(beside("made"))}made.number,
          case when octet_length(made.text) <= ${sql.literal(String(short))} then made.text
            when octet_length(made.text) > ${sql.literal(String(most))} then jsonb_build_object(${
      sql.literal(`${keys}, '${replaced}', octet_length(made.text)::text`)
    })::text end as row,
          case when octet_length(made.text) > ${sql.literal(String(short))} and octet_length(made.text) <= ${
      sql.literal(String(most))
    } then convert_to(made.text, 'UTF8') end as bytes
        from (select ${
      sql.literal(beside("found"))
    }found.row, found.row::text as text, (row_number() over ())::int as number
          from (${statement}) found offset 0) made offset 0) sent
      left join lateral generate_series(0, (octet_length(sent.bytes) - 1) / ${
      sql.literal(String(pieceBytes))
    }) part(piece) on true`
  }

  const found = Effect.fnUntraced(function*(sent: ReadonlyArray<Sent>) {
    const rows: Array<Found & Partial<Keyed>> = []
    const isInOrder = (left: Sent, right: Sent) => left.number - right.number || left.piece! - right.piece!
    const sorted = sent.toSorted(isInOrder)
    let characters = 0
    for (let at = 0; at < sorted.length;) {
      // Who asks for little waits for none of the others.
      if (characters > smallPage) {
        characters = 0
        if (Turn.isLong()) yield* Turn.next
      }
      const first = sorted[at]!
      const beside = isKeyedRow(first) ? { key: first.key, id: first.id } : {}
      if (first.row !== null) {
        characters += first.row.length
        rows.push({ ...beside, row: parse(first.row) })
        at++
        continue
      }
      const body = new Body()
      for (; sorted[at]?.number === first.number; at++) body.add(sorted[at]!.bytes!)
      const parsed = yield* parseLong(yield* textOf(body), parse, Infinity, true)
      if (typeof parsed === "string") return yield* Effect.die(new Error("the JSON of a row is not JSON"))
      rows.push({ ...beside, row: parsed.value })
    }
    return rows
  })

  return <A extends Found = Found>(
    operation: string,
    statement: Fragment,
    isKeyed = false
  ): Effect.Effect<ReadonlyArray<A>, PrefectApiError> =>
    Effect.flatMap(run(operation, inPieces(statement, isKeyed)), found) as unknown as Effect.Effect<
      ReadonlyArray<A>,
      PrefectApiError
    >
}

const isKeyedRow = (sent: Sent): sent is Sent & Keyed => sent.key !== undefined
