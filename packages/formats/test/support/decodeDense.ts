/**
 * Decodes files whose values take many times the memory of their bytes. Prints for each, on a line, the reason why it is
 * refused, or that it is read.
 *
 * Run as: node --conditions=@effect-prefect/source decodeDense.ts SHARE NAME [NAME …], where both the files and the memory
 * that values may take are a SHARE of the largest ones.
 */
import { FormatError, TooLarge } from "@effect-prefect/formats/FormatError"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as Effect from "effect/Effect"

const [share = "1", ...names] = process.argv.slice(2)
const megabyte = 1_000_000 / Number(share)

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

/** Lets values take a share of the memory that they may take otherwise. */
const limited = (limit: number): ResultFormat.Reserve => {
  let taken = 0
  return (bytes) =>
    Effect.suspend(() => {
      taken += bytes
      return taken <= limit
        ? Effect.succeed(bytes)
        : Effect.fail(new FormatError({ reason: new TooLarge({ limit, size: taken }) }))
    })
}

if (names.length === 0) console.log(JSON.stringify(Object.keys(inputs)))
for (const name of names) {
  const [content, file, format] = inputs[name]!()
  const outcome = await Effect.runPromise(
    Effect.match(
      ResultFormat.decode(content, {
        name: file,
        maxBytes: 2 ** 27,
        format,
        reserve: share === "1" ? undefined : limited(2 ** 29 / Number(share))
      }),
      { onFailure: ({ reason }) => `${reason._tag}: ${reason.message}`, onSuccess: () => "read" }
    )
  )
  console.log(outcome)
}
