/** Reads a Parquet file while the process has all the files open that it may have, and after it has closed them. */
import { FormatError } from "@effect-prefect/formats/FormatError"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as Effect from "effect/Effect"
import { closeSync, openSync, readFileSync } from "node:fs"

const path = new URL("../../../../fixtures/prefect-1/results/orders-etl/frame-1.parquet", import.meta.url)
const bytes: Uint8Array = readFileSync(path)
const files: Array<number> = []

const openAll = (): void => {
  try {
    for (;;) files.push(openSync("/dev/null", "r"))
  } catch {
    // There are no more.
  }
}

const close = (count: number): void => {
  for (const file of files.splice(0, count)) closeSync(file)
}

const tell = (what: string) =>
  ResultFormat.decode(bytes, { name: "frame.parquet", maxBytes: 0x1000000 }).pipe(
    Effect.match({
      onSuccess: () => "a table",
      onFailure: (error) => error instanceof FormatError ? `${error.reason._tag}: ${error.message}` : "no FormatError"
    }),
    Effect.catchDefect((defect) => Effect.succeed(String(defect))),
    Effect.map((outcome) => console.log(`${what}: ${outcome}`))
  )

openAll()
await Effect.runPromise(tell("none"))
for (const count of [4, 6, 8]) {
  close(count)
  await Effect.runPromise(tell("few"))
  openAll()
}
setTimeout(() => close(Infinity), 400)
await Effect.runPromise(tell("closed meanwhile"))
