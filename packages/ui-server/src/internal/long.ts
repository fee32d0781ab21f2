/** Responses that have rows of any size: the database of a stranger decides how long one is. */
import * as JsonText from "@effect-prefect/core/JsonText"
import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"

/** Texts that are made on demand, with a turn for other requests between two of them. */
const inTurns = (texts: Iterable<string>): Stream.Stream<string> =>
  Stream.fromIterable(texts, { chunkSize: 1 }).pipe(
    Stream.mapEffect((text) => Effect.as(Turn.share, text)),
    Stream.filter((text) => text !== "")
  )

/**
 * A body that the schema of its route writes at once, unless it is long: then it is a response that is written in pieces.
 * Rows were looked through when they were read, so the schema would find no fault.
 */
export const answer = <A>(body: A): A =>
  JsonText.isShort(body)
    ? body
    // A handler may give the response of any route itself, which its type does not say.
    : HttpServerResponse.stream(Stream.encodeText(inTurns(JsonText.pieces(body))), {
      contentType: "application/json"
    }) as A

/** The characters of lines that are sent together. */
const pieceLength = 0x10000

function* linesOf(rows: ReadonlyArray<unknown>): Generator<string, void> {
  let text = ""
  for (const row of rows) {
    const short = JsonText.atOnce(row)
    if (short === undefined) {
      for (const piece of JsonText.pieces(row)) {
        yield text + piece
        text = ""
      }
      text = "\n"
    } else text += `${short}\n`
    if (text.length < pieceLength) continue
    yield text
    text = ""
  }
  yield text
}

/** Rows as newline-delimited JSON, a long one in pieces. */
export const lines = <A, E>(rows: Stream.Stream<A, E>): Stream.Stream<A, E> =>
  HttpServerResponse.stream(
    Stream.encodeText(Stream.flatMap(Stream.chunks(rows), (some) => inTurns(linesOf(some)))),
    { contentType: "application/x-ndjson" }
  ) as unknown as Stream.Stream<A, E>
