/** Rows as the lines of an archive's tables. */
import * as JsonText from "@effect-prefect/core/JsonText"
import * as Turn from "@effect-prefect/core/Turn"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Line } from "../PostgresSnapshot.ts"

/** The lines of rows, the text of a long one in parts. Others have their turns between two rows, and between two parts. */
export const linesOf = Effect.fnUntraced(function*(rows: ReadonlyArray<object>) {
  const lines: Array<Line> = []
  for (const row of rows) {
    if (Turn.isLong()) yield* Turn.next
    const short = JsonText.atOnce(row)
    if (short !== undefined) {
      lines.push(short)
      continue
    }
    const parts: Array<string> = []
    for (const piece of JsonText.pieces(row)) {
      if (Turn.isLong()) yield* Turn.next
      if (piece !== "") parts.push(piece)
    }
    lines.push(parts)
  }
  return lines
})

/** The same of a stream. */
export const ofStream = <E>(rows: Stream.Stream<object, E>): Stream.Stream<Line, E> =>
  Stream.mapArrayEffect(rows, (array) => linesOf(array) as unknown as Effect.Effect<NonEmptyReadonlyArray<Line>>)
