import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const fixtures = fileURLToPath(new URL("../../../fixtures/", import.meta.url))
const maxBytes = 64 * 1024 * 1024

const lines = (path: string): Array<Record<string, unknown>> =>
  readFileSync(path, "utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))

interface Stored {
  readonly slug: string
  readonly mapIndex: number
  readonly file: string
  readonly expected: unknown
}

/** Every stored file of an archive whose value `expected.jsonl` knows. */
const storedIn = (archive: string): Array<Stored> => {
  const mounts = Object.entries(
    JSON.parse(readFileSync(`${fixtures}${archive}/mounts.json`, "utf8")) as Record<string, string>
  )
  const places = new Map<unknown, string>()
  for (const row of lines(`${fixtures}${archive}/tables/task_run.jsonl`)) {
    const state = row["serialized_state"] as { readonly _result?: Record<string, string | null> } | null
    const result = state?._result
    if (result?.["location"] == null) continue
    const place = result["bucket"] === undefined ? result["location"] : `s3://${result["bucket"]}/${result["location"]}`
    const mount = mounts.find(([from]) => place.startsWith(`${from}/`))
    if (mount !== undefined) places.set(row["id"], `${fixtures}${archive}/${mount[1]}${place.slice(mount[0].length)}`)
  }
  return lines(`${fixtures}${archive}/expected.jsonl`).flatMap((line) => {
    const outcome = line["outcome"] as { readonly value?: unknown }
    const file = places.get(line["task_run_id"])
    return file === undefined || !("value" in outcome)
      ? []
      : [{ slug: line["task_slug"] as string, mapIndex: line["map_index"] as number, file, expected: outcome.value }]
  })
}

/** Datetimes as instants and sets (`skus` of the flow's transform task) in any order. */
const normal = (value: unknown): unknown => {
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(value)) return Date.parse(value)
  if (Array.isArray(value)) return value.map(normal)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === "skus" && Array.isArray(item) ? item.toSorted() : normal(item)
    ])
  )
}

describe.each(["prefect-1", "prefect-0.15"])("the archive %s", (archive) => {
  const stored = storedIn(archive)
  it("has stored files of many formats", () => {
    assert.isAbove(stored.length, 60)
  })
  it.effect.each(stored)("$slug[$mapIndex]", ({ expected, file }) =>
    Effect.gen(function*() {
      const value = yield* ResultFormat.decode(readFileSync(file), { name: file, maxBytes })
      assert.deepStrictEqual(normal(yield* JsonProjection.toJson(value)), normal(expected))
    }))
  it.effect("decodes some of them at once, to the same values", () =>
    Effect.gen(function*() {
      let some = 0
      for (const { file } of stored) {
        const bytes = readFileSync(file)
        const atOnce = ResultFormat.decodeAtOnce(bytes, { name: file, maxBytes })
        if (atOnce === undefined) continue
        some++
        const value = yield* ResultFormat.decode(bytes, { name: file, maxBytes })
        assert.deepStrictEqual(yield* Effect.fromResult(atOnce), value)
      }
      assert.isAbove(some, 5)
      assert.isBelow(some, stored.length)
    }))
})

it("decodes small JSON at once, and leaves what JSON.parse reads otherwise than Python", () => {
  const options = { name: "result.json", maxBytes }
  const atOnce = (text: string, format?: ResultFormat.Format) =>
    ResultFormat.decodeAtOnce(new TextEncoder().encode(text), { ...options, format })
  for (const text of ["{\"a\": [1, 2.5, null]}", "[\"é\"]", "\"text\"", `[${"1, ".repeat(200)}1]`]) {
    assert.deepStrictEqual(atOnce(text), Result.succeed(JSON.parse(text)))
    assert.deepStrictEqual(atOnce(text, "json"), Result.succeed(JSON.parse(text)))
    for (const format of ["text", "csv", "pickle", "pandas-json"] as const) assert.isUndefined(atOnce(text, format))
  }
  for (const text of ["[NaN]", "[-0]", "[12345678901234567890]", "[1", `[${"1, ".repeat(10_000)}1]`]) {
    assert.isUndefined(atOnce(text))
  }
  assert.isUndefined(ResultFormat.decodeAtOnce(Uint8Array.of(0x22, 0xff, 0x22), options))
  assert.isUndefined(ResultFormat.decodeAtOnce(Uint8Array.of(0x5b, 0x5d), { ...options, name: "ORDERS.CSV.gz" }))
})

it("decodes nothing at once that is not a small pickle or JSON, or is to be read as something else", () => {
  const pickle = Uint8Array.of(0x80, 4, 0x4e, 0x2e)
  const options = { name: "result", maxBytes }
  assert.deepStrictEqual(ResultFormat.decodeAtOnce(pickle, options), Result.succeed(null))
  assert.isTrue(Result.isFailure(ResultFormat.decodeAtOnce(pickle.subarray(0, 3), options)!))
  for (const format of ["text", "json", "csv"] as const) {
    assert.isUndefined(ResultFormat.decodeAtOnce(pickle, { ...options, format }))
  }
  const large = new Uint8Array(65_537)
  large.set(pickle)
  for (const bytes of [large, new Uint8Array(0), new TextEncoder().encode("null")]) {
    assert.isUndefined(ResultFormat.decodeAtOnce(bytes, options))
  }
})
