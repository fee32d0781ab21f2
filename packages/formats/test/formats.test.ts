import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { differs, normal } from "../../../conformance/support/formats.ts"

const fixtures = fileURLToPath(new URL("../../../fixtures/formats/", import.meta.url))

interface Line {
  readonly file: string
  readonly format: ResultFormat.Format | null
  readonly value: unknown
}

const linesOf = (folder: string): Array<Line> =>
  readFileSync(`${fixtures}${folder}/expected.jsonl`, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line))

describe.each([["pandas-3", "3.1.1"], ["pandas-1.3", "1.3.5"], ["pandas-0.25", "0.25.3"]])(
  "files written by %s",
  (folder, pandas) => {
    const lines = linesOf(folder)
    it("are of every format", () => {
      for (
        const ending of [
          ".pickle",
          ".parquet",
          ".feather",
          ".arrows",
          ".csv",
          ".json",
          ".gz",
          ".zlib",
          ".bz2",
          ".xz",
          ".lzma"
        ]
      ) {
        assert.isTrue(lines.some(({ file }) => file.endsWith(ending)), ending)
      }
    })
    it.effect.each(lines.filter(({ file }) => !differs(file, pandas)))(
      "$file",
      ({ file, format, value }) =>
        Effect.gen(function*() {
          const decoded = yield* ResultFormat.decode(readFileSync(`${fixtures}${folder}/${file}`), {
            name: file,
            maxBytes: 1 << 26,
            format: format ?? undefined
          })
          assert.deepStrictEqual(normal(yield* JsonProjection.toJson(decoded)), normal(value))
        })
    )
  }
)
