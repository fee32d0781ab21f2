/** Answers a query about a loaded value, in the thread that holds the value. */
import { FormatError } from "@effect-prefect/formats/FormatError"
import { UnsupportedResultType } from "@effect-prefect/results/ResultError"
import { LoadedValue, NotTabular } from "./loadedValue.ts"
import type { Failure, Question } from "./protocol.ts"
import { PathNotFound, QueryError } from "./queryError.ts"

/** The open streams of one value, by number. */
export type Streams = Map<number, Generator<string, void>>

/** The answer, as data that can be sent to another thread. */
export const answer = (
  loaded: LoadedValue,
  streams: Streams,
  question: Exclude<Question, { readonly op: "load" | "drop" }>
): unknown => {
  switch (question.op) {
    case "describe":
      return loaded.describe()
    case "level":
      return loaded.level(question.path, question.offset, question.limit)
    case "rows":
      return loaded.rows(question.query)
    case "column":
      return loaded.column(question.index, question.where)
    case "close":
      return streams.delete(question.stream)
    case "chunk": {
      let stream = streams.get(question.stream)
      if (stream === undefined) {
        stream = question.kind === "csv" ? loaded.csv() : loaded.json()
        streams.set(question.stream, stream)
      }
      const next = stream.next()
      if (next.done === true) {
        streams.delete(question.stream)
        return null
      }
      return next.value
    }
  }
}

export const failureOf = (error: unknown): Failure => {
  if (error instanceof FormatError) {
    const { reason } = error
    return reason._tag === "TooLarge"
      ? { _tag: "TooLarge", limit: reason.limit, size: reason.size }
      : { _tag: "Undecodable", detail: reason.detail }
  }
  if (error instanceof UnsupportedResultType) return { _tag: "Unsupported", type: error.type, detail: error.detail }
  if (error instanceof QueryError) return { _tag: "Query", parameter: error.parameter, message: error.message }
  if (error instanceof PathNotFound) return { _tag: "Path", message: error.message }
  if (error instanceof NotTabular) return { _tag: "NotTabular", message: error.message }
  return { _tag: "Fault" }
}
