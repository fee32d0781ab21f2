/**
 * Pickles of Python libraries, in several versions of each: zones, columns, tables, arrays, rows. The JSON projection,
 * `JSON.stringify` and schemas are compared with the results of the same Python for the same pickle.
 */
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as ResultSchema from "@effect-prefect/formats/ResultSchema"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { join } from "node:path"
import { isDeepStrictEqual } from "node:util"
import * as zlib from "node:zlib"
import { check } from "./support/check.ts"
import { venv } from "./support/python.ts"
import { environments } from "./values/environments.ts"

interface Case {
  readonly name: string
  readonly data: string
  readonly json: unknown
  readonly instant: number | null
}

/** The pixels of a PNG without interlacing and filters, as this library writes it. */
const pixelsOf = (png: Buffer): Buffer => {
  const parts: Array<Buffer> = []
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at)
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(png.subarray(at + 8, at + 8 + length))
    at += 12 + length
  }
  const lines = zlib.inflateSync(Buffer.concat(parts))
  const row = lines.length / png.readUInt32BE(20)
  return Buffer.concat(
    Array.from({ length: png.readUInt32BE(20) }, (_, y) => lines.subarray(y * row + 1, (y + 1) * row))
  )
}

/** An image by its pixels, as in Pillow. */
const withPixels = (json: unknown, expected: unknown): unknown => {
  const { png } = (json ?? {}) as { readonly png?: string }
  if (png === undefined || !(typeof expected === "object" && expected !== null && "pixels" in expected)) return json
  const { mode, size } = json as { readonly mode: string; readonly size: unknown }
  const pixels = pixelsOf(Buffer.from(png, "base64"))
  return { mode, size, pixels: (mode.startsWith("I;16") ? pixels.swap16() : pixels).toString("base64") }
}

const options = { name: "value.pkl", maxBytes: 0x1000000 }

const problemOf = ({ data, instant, json }: Case): Effect.Effect<string | undefined> =>
  Effect.gen(function*() {
    const value = yield* ResultFormat.decode(Buffer.from(data, "base64"), options)
    const found = withPixels(yield* JsonProjection.toJson(value), json)
    if (!isDeepStrictEqual(found, json)) {
      return `here ${JSON.stringify(found).slice(0, 400)}\n    Python ${JSON.stringify(json).slice(0, 400)}`
    }
    const projected: unknown = JSON.parse(yield* JsonProjection.toText(value))
    // For plain lists and dicts, JSON.stringify is the language's own, which supports neither bytes nor large integers.
    const text: unknown = typeof value === "object" && value !== null && "toJSON" in value
      ? JSON.parse(JSON.stringify(value))
      : projected
    if (!isDeepStrictEqual(text, projected)) return `JSON.stringify ${JSON.stringify(text).slice(0, 300)}`
    if (instant !== null) {
      const { epochMilliseconds } = yield* ResultSchema.decode(ResultSchema.DateTime)(value)
      if (epochMilliseconds !== instant) {
        return `the instant ${DateTime.formatIso(DateTime.makeUnsafe(epochMilliseconds))}`
      }
    }
    if (
      Array.isArray(json) && json.length > 0 &&
      json.every((row) =>
        typeof row === "object" && row !== null && !Array.isArray(row) && !("__class__" in row) && !("type" in row)
      )
    ) {
      const rows = yield* ResultSchema.decode(ResultSchema.table(Schema.Record(Schema.String, Schema.Unknown)))(value)
      if (rows.length !== json.length) return `${rows.length} rows`
    }
    return undefined
  }).pipe(Effect.catchCause((cause) => Effect.succeed(String(cause).slice(0, 400))))

for (const environment of environments) {
  const python = await venv(environment)
  const { stdout } = await python.run([join(import.meta.dirname, "values", "make.py")])
  const lines = stdout.split("\n").filter((line) => line !== "")
  const failures: Array<string> = []
  for (const line of lines) {
    const one = JSON.parse(line) as Case
    const problem = await Effect.runPromise(problemOf(one))
    if (problem !== undefined) failures.push(`${one.name}: ${problem}`)
  }
  await check(`${lines.length} values of ${environment.name}`, () => {
    if (lines.length < 200) throw new Error(`only ${lines.length} values were made`)
    if (failures.length > 0) {
      throw new Error(
        `${failures.length} of ${lines.length}\n  ${
          failures.slice(0, Number(process.env["VALUES_SHOW"] ?? "10")).join("\n  ")
        }`
      )
    }
  })
}
