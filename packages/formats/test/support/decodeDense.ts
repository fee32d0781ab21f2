/**
 * Decodes a file whose value takes many times the memory of its bytes. Prints the reason why it is refused, or that it
 * is read.
 *
 * Run as: node --conditions=@effect-prefect/source decodeDense.ts NAME
 */
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as Effect from "effect/Effect"

const megabyte = 1_000_000

/** Files of so many megabytes. */
const inputs: Record<string, () => readonly [content: Buffer, name: string, format?: ResultFormat.Format]> = {
  "JSON of empty objects": () => [Buffer.from(`[${"{},".repeat(20 * megabyte)}1]`), "x"],
  "JSON of objects that all differ": () => [
    Buffer.from(`[${Array.from({ length: 3 * megabyte }, (_, i) => `{"k${i}":1}`).join(",")}]`),
    "x"
  ],
  "pandas JSON of empty rows": () => [Buffer.from(`[${"{},".repeat(12 * megabyte)}{}]`), "x", "pandas-json"],
  "CSV of empty cells": () => [Buffer.from(`${",".repeat(999)}\n`.repeat(60_000)), "x.csv"],
  "a pickle of integers":
    () => [Buffer.from(`\x80\x02](${`${"K\x01".repeat(1_000)}e(`.repeat(34_000)}e.`, "latin1"), "x"],
  "a pickle of integers in one batch":
    () => [Buffer.from(`\x80\x02](${"K\x01".repeat(45 * megabyte)}e.`, "latin1"), "x"],
  "a pickle of None": () => [Buffer.from(`\x80\x02](${"N".repeat(34 * megabyte)}e.`, "latin1"), "x"],
  "a pickle of empty lists": () => [Buffer.from(`\x80\x02](${"]".repeat(40 * megabyte)}e.`, "latin1"), "x"],
  "a pickle of empty dicts": () => [Buffer.from(`\x80\x02](${"}".repeat(40 * megabyte)}e.`, "latin1"), "x"],
  "a pickle of empty sets": () => [Buffer.from(`\x80\x04](${"\x8f".repeat(20 * megabyte)}e.`, "latin1"), "x"],
  "a pickle of a tuple": () => [Buffer.from(`\x80\x02(${"N".repeat(80 * megabyte)}t.`, "latin1"), "x"],
  "a pickle of objects":
    () => [Buffer.from(`\x80\x02cm\nC\nq\x000](${"h\x00)\x81".repeat(12 * megabyte)}e.`, "latin1"), "x"],
  "a pickle without a header": () => [Buffer.from(`(l${"I1\na".repeat(20 * megabyte)}.`), "x"]
}

const name = process.argv[2] ?? ""
if (name === "") console.log(JSON.stringify(Object.keys(inputs)))
else {
  const [content, file, format] = inputs[name]!()
  const outcome = await Effect.runPromise(
    Effect.match(
      ResultFormat.decode(content, { name: file, maxBytes: 2 ** 27, format }),
      { onFailure: ({ reason }) => `${reason._tag}: ${reason.message}`, onSuccess: () => "read" }
    )
  )
  console.log(outcome)
}
