import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Column } from "../CollectPlan.ts"
import type { Counter, Row } from "./rows.ts"
import { typedMembers } from "./typed.ts"

/** Characters that are converted to bytes at once. */
const textLength = 64 * 1024

/** JSON of a text, which is mostly the one of the row before. */
const quoter = (): (text: string | null) => string => {
  let last: string | null = null
  let quoted = "null"
  return (text) => {
    if (text !== last) {
      quoted = JSON.stringify(text)
      last = text
    }
    return quoted
  }
}

const liner = (columns: ReadonlyArray<Column>): (row: Row) => string => {
  const flowRun = quoter()
  const slug = quoter()
  const stateName = quoter()
  return ({ flowRunId, mapIndex, outcome, state, taskRunId, taskSlug }) => {
    const head = `{"flow_run_id":${flowRun(flowRunId)},"task_run_id":${JSON.stringify(taskRunId)},"task_slug":${
      slug(taskSlug)
    },"map_index":${mapIndex},"state":${stateName(state)}`
    switch (outcome._tag) {
      case "Value": {
        const typed = columns.length === 0 ? "" : typedMembers(outcome.json, columns)
        return `${head},"outcome":{"value":${outcome.json}}${typed}}\n`
      }
      case "Failure":
        return `${head},"outcome":${JSON.stringify({ error: { reason: outcome.reason, message: outcome.message } })}}\n`
      case "Mapped":
        return `${head},"mapped_children":${outcome.children}}\n`
    }
  }
}

export const encode = <E, R>(
  rows: Stream.Stream<Row, E, R>,
  columns: ReadonlyArray<Column>
): Stream.Stream<Uint8Array, E, R> =>
  Stream.suspend(() => {
    let text = ""
    const line = liner(columns)
    const lines = Stream.mapArrayEffect(rows, (rows) =>
      Effect.sync(() => {
        const out: Array<Uint8Array> = []
        for (const row of rows) {
          text += line(row)
          if (text.length < textLength) continue
          out.push(Buffer.from(text))
          text = ""
        }
        return [out] as [Array<Uint8Array>]
      }))
    return Stream.flattenIterable(Stream.concat(lines, Stream.sync(() => text === "" ? [] : [Buffer.from(text)])))
  })

/** Counts the lines of a part. Yields after each. */
export function* count(bytes: Uint8Array, counter: Counter): Generator<void, void> {
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(10, start)
    const stop = end < 0 ? bytes.length : end
    const row = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + start, stop - start).toString("utf8")) as {
      readonly map_index: number
      readonly outcome?: { readonly error?: { readonly reason: string } }
    }
    counter.add(row.map_index, row.outcome?.error?.reason, row.outcome !== undefined && "value" in row.outcome)
    start = stop + 1
    yield
  }
}
