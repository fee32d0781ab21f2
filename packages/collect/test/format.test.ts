/** Rows to bytes: equal rows give equal bytes, and Parquet that others read. */
import * as CollectFormat from "@effect-prefect/collect/CollectFormat"
import type { OutputFormat } from "@effect-prefect/collect/CollectPlan"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { parquetMetadata, parquetReadObjects } from "hyparquet"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as zlib from "node:zlib"
import { longestTurn } from "../../core/test/longestTurn.ts"
import { runs } from "../../core/test/seeds.ts"

const output = (given: Partial<OutputFormat>): OutputFormat => ({
  format: "jsonl",
  compression: "none",
  partRows: 100,
  columns: [],
  ...given
})

const rowsOf = (count: number): Array<CollectFormat.Row> =>
  Array.from({ length: count }, (_, index) => ({
    flowRunId: index % 4 === 3 ? "another \"run\"" : "run",
    taskRunId: `task-run-${index}`,
    taskSlug: index % 5 === 4 ? null : "score-1",
    state: index % 3 === 0 ? "Success" : "Cached",
    mapIndex: index - 1,
    outcome: index === 0
      ? { _tag: "Mapped", children: count - 1 }
      : index % 7 === 3
      ? { _tag: "Failure", reason: "ResultNotFound", message: `it is "gone"\n${index}` }
      : { _tag: "Value", json: JSON.stringify({ name: "ü\u2028", index, ratio: index / 2, ok: index % 2 === 0 }) }
  }))

const encode = (rows: ReadonlyArray<CollectFormat.Row>, format: OutputFormat, chunk = rows.length) =>
  Effect.map(
    Stream.runCollect(CollectFormat.encode(Stream.rechunk(Stream.fromIterable(rows), Math.max(1, chunk)), format)),
    (chunks) => Buffer.concat(chunks)
  )

const compressors = {
  ZSTD: (input: Uint8Array) => zlib.zstdDecompressSync(input),
  GZIP: (input: Uint8Array) => zlib.gunzipSync(input)
}

const readParquet = (bytes: Buffer) =>
  parquetReadObjects({
    file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
    compressors
  })

const formats = (["jsonl", "parquet"] as const).flatMap((format) =>
  (["none", "gzip", "zstd"] as const).map((compression) => output({ format, compression }))
)

describe("bytes", () => {
  it.effect.prop(
    "do not depend on how the rows come",
    [Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 300 })))],
    ([count]) =>
      Effect.gen(function*() {
        const rows = rowsOf(count)
        for (const format of formats) {
          const whole = yield* encode(rows, format)
          assert.deepStrictEqual(yield* encode(rows, format, 1), whole)
          assert.deepStrictEqual(yield* encode(rows, format, 7), whole)
        }
      }),
    { arbitrary: runs(3, 10) }
  )

  it.effect("of large parts neither", () =>
    Effect.gen(function*() {
      for (const format of formats) {
        // A whole row group, and texts for several arrays of bytes.
        const rows = rowsOf(format.format === "parquet" ? 20_000 : 5_000)
        assert.isTrue((yield* encode(rows, format, 101)).equals(yield* encode(rows, format, 3000)))
      }
    }))

  it.effect("of a part tell what its record says", () =>
    Effect.gen(function*() {
      for (const count of [0, 1, 2, 50]) {
        const rows = rowsOf(count)
        const counter = new CollectFormat.Counter()
        for (const row of rows) counter.addRow(row)
        for (const format of formats) {
          assert.deepStrictEqual(yield* CollectFormat.summarize(yield* encode(rows, format), format), counter.summary)
        }
      }
      for (const format of formats) {
        const error = yield* Effect.flip(CollectFormat.summarize(Buffer.from("not a part"), format))
        assert.strictEqual(error.reason._tag, "Unsupported")
      }
    }))
})

describe("JSON Lines", () => {
  it.effect("are a row each, compressed or not", () =>
    Effect.gen(function*() {
      const rows = rowsOf(30)
      const plain = yield* encode(rows, output({}))
      const lines = plain.toString().trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.strictEqual(lines.length, 30)
      assert.deepStrictEqual(Object.keys(lines[1]!), [
        "flow_run_id",
        "task_run_id",
        "task_slug",
        "map_index",
        "state",
        "outcome"
      ])
      assert.deepStrictEqual(
        lines.map((line) =>
          ["flow_run_id", "task_run_id", "task_slug", "map_index", "state"].map((name) => line[name])
        ),
        rows.map((row) => [row.flowRunId, row.taskRunId, row.taskSlug, row.mapIndex, row.state])
      )
      assert.deepStrictEqual(lines[3]!["outcome"], { error: { reason: "ResultNotFound", message: `it is "gone"\n3` } })
      assert.strictEqual(lines[0]!["mapped_children"], 29)
      assert.deepStrictEqual(zlib.gunzipSync(yield* encode(rows, output({ compression: "gzip" }))), plain)
      assert.deepStrictEqual(zlib.zstdDecompressSync(yield* encode(rows, output({ compression: "zstd" }))), plain)
    }))
})

describe("Parquet", () => {
  it.effect("has the documented columns, and every row", () =>
    Effect.gen(function*() {
      const rows = rowsOf(40)
      for (const compression of ["none", "gzip", "zstd"] as const) {
        const read = yield* Effect.promise(async () =>
          readParquet(await Effect.runPromise(encode(rows, output({ format: "parquet", compression }))))
        )
        assert.deepStrictEqual(
          read,
          rows.map(({ flowRunId, mapIndex, outcome, state, taskRunId, taskSlug }) => ({
            flow_run_id: flowRunId,
            task_run_id: taskRunId,
            task_slug: taskSlug,
            map_index: mapIndex,
            state,
            mapped_children: outcome._tag === "Mapped" ? outcome.children : null,
            value: outcome._tag === "Value" ? outcome.json : null,
            error_reason: outcome._tag === "Failure" ? outcome.reason : null,
            error_message: outcome._tag === "Failure" ? outcome.message : null
          }))
        )
      }
    }))

  it.live("gives other work a turn within a row group", () =>
    Effect.gen(function*() {
      let turns = 0
      let isOver = false
      const turn = () => {
        turns++
        if (!isOver) setImmediate(turn)
      }
      const chunk = Stream.fromArray(rowsOf(49_000))
      const bytes = CollectFormat.encode(chunk, output({ format: "parquet", compression: "gzip" }))
      // The rows are one array: without turns of its own, all columns would be encoded in one.
      setImmediate(turn)
      yield* Stream.runDrain(bytes)
      isOver = true
      assert.isAbove(turns, 3)
    }))

  it.effect("has smaller row groups of large values and messages", () =>
    Effect.gen(function*() {
      const large = "x".repeat(512 * 1024)
      const rows = rowsOf(20).map((row, at): CollectFormat.Row => ({
        ...row,
        outcome: at % 2 === 0
          ? { _tag: "Value", json: JSON.stringify(large) }
          : { _tag: "Failure", reason: "ResultDecodeError", message: large }
      }))
      const bytes = yield* encode(rows, output({ format: "parquet", compression: "zstd" }))
      const metadata = parquetMetadata(
        bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
      )
      assert.deepStrictEqual(metadata.row_groups.map(({ num_rows }) => num_rows), Array.from({ length: 10 }, () => 2n))
      assert.deepStrictEqual(
        (yield* Effect.promise(() => readParquet(bytes))).map((row) => [row["value"], row["error_message"]]),
        rows.map((_, at) => at % 2 === 0 ? [JSON.stringify(large), null] : [null, large])
      )
    }))

  it.effect("has row groups of 20 000 rows with statistics, and names its writer without a version", () =>
    Effect.gen(function*() {
      const rows = rowsOf(20_001).map((row): CollectFormat.Row =>
        row.outcome._tag === "Value" ? { ...row, outcome: { _tag: "Value", json: String(row.mapIndex) } } : row
      )
      const bytes = yield* encode(rows, output({ format: "parquet", compression: "zstd" }))
      const metadata = parquetMetadata(
        bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
      )
      assert.deepStrictEqual(metadata.row_groups.map(({ num_rows }) => num_rows), [20_000n, 1n])
      assert.strictEqual(metadata.created_by, "effect-prefect")
      const columns = metadata.row_groups[0]!.columns.map((column) => column.meta_data!)
      const index = columns.find(({ path_in_schema }) => path_in_schema[0] === "map_index")!
      assert.strictEqual(index.statistics?.min_value, -1)
      assert.strictEqual(index.statistics?.max_value, 19_998)
      assert.isTrue(columns.every(({ codec }) => codec === "ZSTD"))
      const state = columns.find(({ path_in_schema }) => path_in_schema[0] === "state")!
      assert.isDefined(state.dictionary_page_offset)
    }))

  it("holds long values no longer than their row group", async () => {
    const script = `
      import * as CollectFormat from "@effect-prefect/collect/CollectFormat"
      import * as Effect from "effect/Effect"
      import * as Stream from "effect/Stream"
      const row = (index) => ({
        flowRunId: "run",
        taskRunId: "task-run-" + index,
        taskSlug: "score-1",
        state: "Success",
        mapIndex: index,
        outcome: { _tag: "Value", json: JSON.stringify(String.fromCharCode(97 + index % 26).repeat(2_000_000)) }
      })
      const rows = Stream.map(Stream.rechunk(Stream.range(0, 39), 1), row)
      const output = { format: "parquet", compression: "zstd", partRows: 1_000, columns: [] }
      await Effect.runPromise(Stream.runDrain(CollectFormat.encode(rows, output)))
      console.log("encoded")
    `
    // Of the texts there are 80 MB in all.
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--conditions=@effect-prefect/source",
      "--no-warnings",
      "--max-old-space-size=60",
      "--input-type=module",
      "--eval",
      script
    ], { cwd: fileURLToPath(new URL(".", import.meta.url)) })
    assert.strictEqual(stdout, "encoded\n")
  })

  it.effect("has typed columns, null where a member is missing or does not fit", () =>
    Effect.gen(function*() {
      const values = [
        { i: 1, d: 1.5, b: true, s: "x", t: "2020-01-02T03:04:05.678901+01:00" },
        { i: "9223372036854775807", d: 2, b: 1, s: 5, t: "2020-01-02T03:04:05" },
        { i: 1.5, d: "1", t: "2020-02-30T00:00:00Z" },
        { i: "12", d: null, t: "0001-01-01T00:00:00Z" },
        [1, 2],
        { i: "9223372036854775808", t: "1969-12-31T23:59:59.999Z" }
      ]
      const columns = [
        { name: "i", type: "int64" },
        { name: "d", type: "double" },
        { name: "b", type: "bool" },
        { name: "s", type: "string" },
        { name: "t", type: "timestamp" }
      ] as const
      const rows = values.map((value, index): CollectFormat.Row => ({
        flowRunId: "run",
        taskRunId: String(index),
        taskSlug: null,
        state: "Success",
        mapIndex: index,
        outcome: { _tag: "Value", json: JSON.stringify(value) }
      }))
      const bytes = yield* encode(rows, output({ format: "parquet", columns }))
      const read = yield* Effect.promise(() => readParquet(bytes))
      const typed = read.map((row) => columns.map(({ name }) => row[`v.${name}`] as unknown))
      assert.deepStrictEqual(typed.map((row) => row.slice(0, 4)), [
        [1n, 1.5, true, "x"],
        [9223372036854775807n, 2, null, null],
        [null, null, null, null],
        [null, null, null, null],
        [null, null, null, null],
        [null, null, null, null]
      ])
      assert.deepStrictEqual(
        typed.map((row) => row[4] === null ? null : (row[4] as Date).toISOString()),
        ["2020-01-02T02:04:05.678Z", null, null, "0001-01-01T00:00:00.000Z", null, "1969-12-31T23:59:59.999Z"]
      )
      assert.deepStrictEqual(read.map((row) => row["value"] as string), values.map((value) => JSON.stringify(value)))
      const lines = (yield* encode(rows, output({ columns }))).toString().split("\n")
      assert.include(lines[0]!, `"v.i":1,"v.d":1.5,"v.b":true,"v.s":"x","v.t":"2020-01-02T03:04:05.678901+01:00"}`)
      assert.include(lines[1]!, `"v.i":9223372036854775807,"v.d":2,"v.b":null,"v.s":null,"v.t":null}`)
    }))
})

it.live("many parts that are counted at a time share the turns of the event loop", () =>
  Effect.gen(function*() {
    const format = output({})
    const bytes = yield* encode(rowsOf(300), format)
    const many = Effect.all(Array.from({ length: 12 }, () => CollectFormat.summarize(bytes, format)), {
      concurrency: "unbounded",
      discard: true
    })
    assert.isAtMost(yield* longestTurn(many), 50)
  }))
