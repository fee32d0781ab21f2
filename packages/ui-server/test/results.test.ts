import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { gzipSync } from "node:zlib"
import { isCompressed } from "../src/internal/result/decode.ts"
import { type Host, makeHost } from "../src/internal/result/host.ts"
import { LoadedValue } from "../src/internal/result/loadedValue.ts"

const Row = Schema.Struct({
  number: Schema.NullOr(Schema.Literals([-2, -1, 0, 1, 2])),
  text: Schema.NullOr(Schema.Literals(["", "a", "ab", "b", "B"]))
})

it.prop(
  "rows are sorted by a number or a text, stably, those without a value last in their order",
  [Schema.Array(Row), Schema.Literals(["number", "text"]), Schema.Boolean],
  ([rows, key, descending]) => {
    // At least two objects are a table.
    const records = [...rows, { number: 0, text: "a" }, { number: 1, text: "b" }].map((one, row) => ({ row, ...one }))
    const present = records.filter((record) => record[key] !== null).toSorted((left, right) => {
      const [a, b] = [left[key]!, right[key]!]
      return a === b ? 0 : (a < b) === descending ? 1 : -1
    })
    const expected = [...present, ...records.filter((record) => record[key] === null)].map(({ row }) => row)
    const loaded = new LoadedValue(records)
    const query = { offset: 0, limit: 1_000, columns: ["row"], sort: `${descending ? "-" : ""}${key}` }
    assert.deepStrictEqual(loaded.rows({ ...query, where: [] }).columns[0], expected)
    assert.deepStrictEqual(loaded.rows({ ...query, where: ["row>4"] }).columns[0], expected.filter((row) => row > 4))
  }
)

const loadJson = (host: Host, key: number, bytes: Uint8Array) =>
  host.ask(key, { op: "load", bytes, name: "a.json", format: undefined, maxBytes: 1e6, prefect3: undefined })

it.effect("the thread of large results leaves the bytes of a storage as they are", () =>
  Effect.gen(function*() {
    const host = yield* Effect.acquireRelease(
      Effect.sync(() => makeHost(512)),
      (host) => Effect.sync(() => host.close())
    )
    const bytes = new TextEncoder().encode(`[${"1,".repeat(2_000)}1]`)
    const whole = new Uint8Array(bytes)
    const load = (key: number) => Effect.promise(() => loadJson(host, key, whole))
    const first = yield* load(0)
    assert.deepStrictEqual(whole, bytes)
    assert.deepStrictEqual(yield* load(1), first)
  }))

it.effect("the thread of large results ends when it holds no value any more, and starts again for the next", () =>
  Effect.gen(function*() {
    const host = yield* Effect.acquireRelease(
      Effect.sync(() => makeHost(512, 0)),
      (host) => Effect.sync(() => host.close())
    )
    const load = (key: number, text: string) =>
      Effect.promise(() => loadJson(host, key, new TextEncoder().encode(text)).catch((error: unknown) => error))
    const ends = (generation: number) =>
      Effect.promise(async () => {
        while (host.generation() === generation) await new Promise((resolve) => setTimeout(resolve, 1))
      })
    yield* load(0, "[1]")
    yield* load(1, "[2]")
    yield* Effect.promise(() => host.ask(0, { op: "drop" }))
    const level = () => host.ask(1, { op: "level", path: "", offset: 0, limit: 10 })
    // It would have ended by then.
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
    yield* Effect.promise(level)
    assert.strictEqual(host.generation(), 0)
    yield* Effect.ignore(Effect.tryPromise(() => host.ask(1, { op: "drop" })))
    yield* ends(0)
    yield* load(2, "[3]")
    yield* Effect.ignore(Effect.tryPromise(() => host.ask(2, { op: "drop" })))
    yield* ends(1)
    // What could not be read is not held either.
    assert.instanceOf(yield* load(3, "[4"), Error)
    yield* ends(2)
  }))

it.effect("the thread of large results is not asked what nobody waits for any more", () =>
  Effect.gen(function*() {
    const host = yield* Effect.acquireRelease(
      Effect.sync(() => makeHost(512)),
      (host) => Effect.sync(() => host.close())
    )
    const chunk = (signal?: AbortSignal) => host.ask(0, { op: "chunk", stream: 0, kind: "json" }, signal)
    const leaving = new AbortController()
    const loaded = loadJson(host, 0, new TextEncoder().encode(`[${"123456,".repeat(40_000)}1]`))
    void chunk(leaving.signal)
    const first = chunk()
    leaving.abort()
    yield* Effect.promise(() => loaded)
    assert.match(String(yield* Effect.promise(() => first)), /^\[/)
    // One that was answered can no longer be taken back.
    const asked = new AbortController()
    assert.match(String(yield* Effect.promise(() => chunk(asked.signal))), /^[\d,]+$/)
    asked.abort()
    assert.match(String(yield* Effect.promise(() => chunk())), /^[\d,]+/)
  }))

it.effect("the thread of large results answers what was asked before its last value was dropped", () =>
  Effect.gen(function*() {
    const host = yield* Effect.acquireRelease(
      Effect.sync(() => makeHost(512, 0)),
      (host) => Effect.sync(() => host.close())
    )
    const rows = Array.from({ length: 100_000 }, (_, row) => `{"name":"${(row * 7_919) % 100_003}"}`)
    yield* Effect.promise(() =>
      host.ask(0, {
        op: "load",
        bytes: new TextEncoder().encode(`[${rows.join(",")}]`),
        name: "a.json",
        format: undefined,
        maxBytes: 1e8,
        prefect3: undefined
      })
    )
    const query = { offset: 0, limit: 1, columns: ["name"], sort: "name", where: [] }
    const asked = Array.from({ length: 5 }, () => host.ask(0, { op: "rows", query }))
    const dropped = host.ask(0, { op: "drop" })
    const answers = yield* Effect.promise(() => Promise.all(asked))
    for (const answer of answers) assert.deepInclude(answer, { columns: [["0"]] })
    yield* Effect.promise(() => dropped)
    yield* Effect.promise(async () => {
      while (host.generation() === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    })
  }))

it("whatever is compressed is decoded in the thread of large results", () => {
  const json = new TextEncoder().encode("[1]")
  const compressed = [
    [gzipSync(json), undefined],
    [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 1), undefined],
    [json, { type: "compressed/json", compressionlib: "bz2" }]
  ] as const
  for (const [bytes, serializer] of compressed) assert.isTrue(isCompressed(bytes, serializer))
  for (const serializer of [undefined, null, "compressed/json", { type: "json" }, { type: 1 }]) {
    assert.isFalse(isCompressed(json, serializer))
  }
})
