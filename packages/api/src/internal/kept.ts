import * as ObjectKeys from "@effect-prefect/core/ObjectKeys"
import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"
import { MalformedResponse, PrefectApiError } from "../PrefectApiError.ts"

/** The most rows, and about the most bytes of them, that an answer of many pages keeps in memory. */
const maxRows = 1_000_000
const maxBytes = 512 * 1024 * 1024

/** The most rows of one listing. For each, the id is kept to recognize it; a Map holds not many more. */
export const maxListed = 10_000_000

/** The values that are looked at in one step. */
const atOnce = 4_096

/** Estimates the memory of a value that was parsed from JSON, without recursion, in steps. */
export function* bytesSteps(value: unknown): Generator<undefined, number> {
  const waiting = [value]
  let bytes = typeof value === "object" && value !== null ? 16 : 0
  let steps = 0
  const look = (part: unknown) => {
    bytes += 16
    if (typeof part === "string") bytes += part.length
    else if (typeof part === "object" && part !== null) waiting.push(part)
    return ++steps % atOnce === 0
  }
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (typeof next !== "object" || next === null) look(next)
    else if (Array.isArray(next)) { for (const part of next) if (look(part)) yield }
    else for (const key of ObjectKeys.of(next)) if (look((next as Record<string, unknown>)[key])) yield
  }
  return bytes
}

/** The same of a small value, at once. */
export const bytesOf = (value: unknown): number => {
  const steps = bytesSteps(value)
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value
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
    add: Effect.fnUntraced(function*(rows: ReadonlyArray<Row>): Effect.fn.Return<void, PrefectApiError> {
      for (const row of rows) {
        const steps = bytesSteps(row)
        let step = steps.next()
        for (; step.done !== true; step = steps.next()) if (Turn.isLong()) yield* Turn.next
        bytes += step.value
        if (items.length >= mostRows || bytes > most) {
          const detail = items.length >= mostRows ? `${mostRows} rows` : `${most / 2 ** 20} MiB of rows`
          return yield* new PrefectApiError({
            operation,
            reason: new MalformedResponse({ detail: `the answer has more than ${detail}, the most that is kept` })
          })
        }
        items.push(row)
      }
    })
  }
}
