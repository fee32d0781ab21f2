import * as Effect from "effect/Effect"
import { MalformedResponse, PrefectApiError } from "../PrefectApiError.ts"

/** The most rows, and about the most bytes of them, that an answer of many pages keeps in memory. */
const maxRows = 1_000_000
const maxBytes = 512 * 1024 * 1024

/** The most rows of one listing. For each, the id is kept to recognize it; a Map holds not many more. */
export const maxListed = 10_000_000

/** Estimates the memory of a value that was parsed from JSON, without recursion. */
export const bytesOf = (value: unknown): number => {
  const waiting = [value]
  let bytes = 0
  while (waiting.length > 0) {
    const next = waiting.pop()
    bytes += 16
    if (typeof next === "string") bytes += next.length
    else if (typeof next === "object" && next !== null) { for (const part of Object.values(next)) waiting.push(part) }
  }
  return bytes
}

/** The rows of all pages of an answer: fails when they are too many to keep, as those of a server that never ends are. */
export const make = <Row extends object>(
  operation: string,
  { bytes: most = maxBytes, rows: mostRows = maxRows } = {}
) => {
  const items: Array<Row> = []
  let bytes = 0
  return {
    items: items as ReadonlyArray<Row>,
    add: (rows: ReadonlyArray<Row>): Effect.Effect<void, PrefectApiError> => {
      for (const row of rows) {
        bytes += bytesOf(row)
        if (items.length >= mostRows || bytes > most) {
          const detail = items.length >= mostRows ? `${mostRows} rows` : `${most / 2 ** 20} MiB of rows`
          return Effect.fail(
            new PrefectApiError({
              operation,
              reason: new MalformedResponse({ detail: `the answer has more than ${detail}, the most that is kept` })
            })
          )
        }
        items.push(row)
      }
      return Effect.void
    }
  }
}
