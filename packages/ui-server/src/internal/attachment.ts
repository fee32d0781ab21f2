import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Stream from "effect/Stream"

/** The letters, digits, dots and dashes of a name, which have no special meaning in file systems and headers. */
export const fileName = (name: string, ending: string): string => {
  const safe = name.replaceAll(/[^A-Za-z0-9.-]+/g, "-").replaceAll(/^[.-]+|[.-]+$/g, "").slice(0, 100)
  return `${safe === "" ? "result" : safe}${ending}`
}

/** A stream as a file to download. The browser neither shows nor runs it. */
export const attachment = <E>(
  body: Stream.Stream<Uint8Array, E>,
  name: string,
  contentType: "application/octet-stream" | "text/csv"
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.stream(body, {
    contentType: contentType === "text/csv" ? "text/csv; charset=utf-8" : contentType,
    headers: {
      "content-disposition": `attachment; filename="${fileName(name, "")}"`,
      "content-security-policy": "sandbox"
    }
  })
