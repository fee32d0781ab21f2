/** Every parser of text with its worst input: four times the text takes about four times the processor time. */
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Location from "../src/internal/location.ts"
import * as Prefect3Location from "../src/internal/prefect3/location.ts"
import * as Prefect3Record from "../src/internal/prefect3/record.ts"

const latin1 = (text: string) => new Uint8Array(Buffer.from(text, "latin1"))

/** Decodes, and shows what came of it; what is refused is refused as quickly. */
const decoded = (make: (length: number) => string, name = "x", format?: ResultFormat.Format) => (length: number) => {
  const bytes = latin1(make(length))
  return Effect.ignore(Effect.flatMap(
    ResultFormat.decode(bytes, { name, maxBytes: 2 ** 28, ...(format === undefined ? {} : { format }) }),
    (value) => JsonProjection.toText(value)
  ))
}
const sync = (use: (length: number) => unknown) => (length: number) => Effect.sync(() => void use(length))
const block = (type: string, data: Record<string, unknown>) =>
  ({ id: "b", type, data }) as unknown as Parameters<typeof Prefect3Location.inBlock>[0]
const record = (make: (length: number) => string) => (length: number) =>
  Effect.ignore(
    Prefect3Record.decode(latin1(make(length)), { serializer: { type: "pickle" } }, { name: "x", maxBytes: 2 ** 28 })
  )

const parsers: Record<string, (length: number) => Effect.Effect<void>> = {
  "a location of ?": sync((length) => Location.shown(`/srv/${"?".repeat(length)}`)),
  "a location of ? and names of secrets": sync((length) => Location.shown("?sig".repeat(length / 4))),
  "a location of :": sync((length) => Location.shown(`x:/${":".repeat(length)}`)),
  "a location of :/": sync((length) => Location.shown(":/a:b".repeat(length / 5))),
  "a location that is parsed, of /": sync((length) => Location.parse(`s3://bucket/${"/".repeat(length)}x`)),
  "FLOAT of digits": decoded((length) => `F${"1".repeat(length)}x\n.`),
  "INT of digits": decoded((length) => `I${"1".repeat(length)}x\n.`),
  "a Decimal of zeros as a key": decoded((length) => `(dp0\ncdecimal\nDecimal\n(V1${"0".repeat(length)}1\ntRI1\ns.`),
  "a Decimal of digits": decoded((length) => `cdecimal\nDecimal\n(V${"1".repeat(length)}x\ntR.`),
  "a zone of dateutil": decoded((length) =>
    `cdatetime\ndatetime\n(I2022\nI1\nI1\nI1\nI1\nI1\nI1\ncdateutil.tz.tz\ntzfile\n(V${"A".repeat(length)}!\ntRtR.`
  ),
  "a path of parts": decoded((length) => `\x80\x04cpathlib\nPurePosixPath\n(${"\x8c\x01a".repeat(length / 3)}tR.`),
  "base64 of spaces": decoded((length) => `AAAA${" ".repeat(length)}!`),
  "base64 of line ends": decoded((length) => `QUFB${"\n".repeat(length)}!`),
  "CSV of one name in the header": decoded((length) => `${"a,".repeat(length / 2)}a\n1\n`, "x.csv"),
  "CSV of spaces": decoded((length) => `a\n${" ".repeat(length)}x\n1\n`, "x.csv"),
  "CSV of quotes": decoded((length) => `a\n"${"\"\"".repeat(length / 2)}"\n`, "x.csv"),
  "CSV of blank lines": decoded((length) => `a\n${"\n".repeat(length)}`, "x.csv"),
  "JSON of backslashes": decoded((length) => `["${"\\\\".repeat(length / 2)}"]`),
  "JSON of escaped quotes": decoded((length) => `["${"\\\"".repeat(length / 2)}"]`),
  "JSON of open brackets": decoded((length) => "[".repeat(length)),
  "JSON of objects in each other": decoded((length) => "{\"a\":".repeat(length / 5)),
  "JSON of short strings": decoded((length) => `[${"\"\",".repeat(length / 3)}1]`),
  "JSON with a long key": decoded((length) => `{"${"k".repeat(length)}":1}`),
  "pandas JSON of digits": decoded((length) => `{"a":{"0":"${"1".repeat(length)}x"}}`, "x", "pandas-json"),
  "a datetime": decoded((length) => `2020-01-01T00:00:00.${"1".repeat(length)}`, "x", "datetime"),
  "a record of line ends": record((length) => `QUFB${"\n".repeat(length)}!`),
  "a record of base64": record((length) => `{"metadata":{"storage_key":"k"},"result":"${"A".repeat(length)}="}`),
  "a block's folder of /": sync((length) =>
    Prefect3Location.inBlock(block("s3-bucket", { bucket_name: "b", bucket_folder: `${"/".repeat(length)}x` }), "k")
  ),
  "a block's path of /": sync((length) =>
    Prefect3Location.inBlock(
      block("remote-file-system", { basepath: `s3://b/${"/".repeat(length)}x` }),
      `${"/".repeat(length)}k`
    )
  ),
  "a key of Prefect 3": sync((length) => Prefect3Location.ofKey(`s3://${"/".repeat(length)}`))
}

/** Milliseconds of processor time of the quicker of two runs; one is enough that costs less than `enough`. */
const cost = (parse: (length: number) => Effect.Effect<void>, length: number, enough = 0) =>
  Effect.gen(function*() {
    let best = Infinity
    for (let run = 0; run < 2 && best >= enough; run++) {
      const before = process.cpuUsage()
      yield* parse(length)
      const { system, user } = process.cpuUsage(before)
      best = Math.min(best, (user + system) / 1000)
    }
    return best
  })

/** What is read in pieces, of which there are many. */
const inPieces: Record<string, (length: number) => Effect.Effect<void>> = {
  "a list of one text of backslashes": decoded((length) => `["${"\\\\".repeat(length / 2)}"]`),
  "one text of backslashes": decoded((length) => `"${"\\\\".repeat(length / 2)}"`)
}

describe("processor time per byte does not grow with the pieces of JSON", () => {
  const small = 4_000_000
  const large = 32_000_000
  for (const [name, parse] of Object.entries(inPieces)) {
    it.live(name, () =>
      Effect.gen(function*() {
        const few = yield* cost(parse, small)
        const most = 3 * Math.max(few, 30) * large / small
        const many = yield* cost(parse, large, most)
        assert.isBelow(many, most, `${few} ms, then ${many} ms`)
      }))
  }
})

describe("processor time per byte does not grow with the text", () => {
  const small = 30_000
  const large = 8 * small
  for (const [name, parse] of Object.entries(parsers)) {
    it.live(name, () =>
      Effect.gen(function*() {
        const few = yield* cost(parse, small)
        // Quadratic time would be eight times as much per byte; what is over in a moment cannot be measured.
        const most = Math.max(60, 4 * Math.max(few, 2) * large / small)
        const many = yield* cost(parse, large, most)
        assert.isBelow(many, most, `${few} ms, then ${many} ms`)
      }))
  }
})
