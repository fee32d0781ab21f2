/** Decodes the fixtures that are named and prints, as JSON, the kind of each value or why there is none. */
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { Table } from "@effect-prefect/formats/Table"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const read = (name: string) =>
  ResultFormat.decode(
    readFileSync(fileURLToPath(new URL(`../../../../fixtures/formats/pandas-3/${name}`, import.meta.url))),
    { name, maxBytes: 1 << 20 }
  ).pipe(
    Effect.match({
      onFailure: (error) => `${error.reason._tag}: ${error.message}`,
      onSuccess: (value) => value instanceof Table ? "Table" : typeof value
    })
  )

console.log(JSON.stringify(await Effect.runPromise(Effect.forEach(process.argv.slice(2), read))))
