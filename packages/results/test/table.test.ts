/** A table is walked part by part: from files, from buckets, from memory, and from whatever has to be read whole. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as MemoryStorage from "@effect-prefect/results/MemoryStorage"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import type { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { ByteWriter, parquetWrite } from "hyparquet-writer"
import { appendFileSync, closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { type Answer, httpDouble, partOf } from "./support/httpDouble.ts"
import { temporaryFolder } from "./support/temporaryFolder.ts"
import { mappedTables, single } from "./support/world.ts"

/** A Parquet file of `groups` row groups of `size` rows: `id` from 0 on, `name` by its group, `pad` that fills it. */
const parquet = (groups: number, size: number): Uint8Array => {
  const writer = new ByteWriter()
  const rows = Array.from({ length: groups * size }, (_, row) => row)
  parquetWrite({
    writer,
    columnData: [
      { name: "id", data: rows.map((row) => row), type: "INT32" },
      { name: "name", data: rows.map((row) => `g${Math.floor(row / size)}`), type: "STRING" },
      { name: "pad", data: rows.map((row) => Math.sin(row)), type: "DOUBLE" }
    ],
    rowGroupSize: size,
    codec: "UNCOMPRESSED"
  })
  return new Uint8Array(writer.getBuffer())
}

const file = parquet(10, 1000)

const provide = (
  storage: Layer.Layer<ResultStorage, unknown>,
  options: Partial<ResultOptions.Options> = {},
  result: unknown = { type: "LocalResult", location: "/srv/t.parquet", dir: "/srv" }
) =>
  Effect.provide(
    Layer.mergeAll(
      MemoryApi.layer(single({ type: "Success", _result: result })),
      storage,
      ResultOptions.layer(options)
    )
  )

const run = TaskRun.fromTaskRunId("run")
const getTable = (options?: TaskRun.TableOptions) => Stream.unwrap(Effect.map(run, (run) => run.getTable(options)))
const shapes = (options?: TaskRun.TableOptions) =>
  Effect.map(
    Stream.runCollect(getTable(options)),
    (tables) =>
      tables.map((table) => [table.numRows, table.columnNames.join(), table.row(0)?.[table.columnNames[0] ?? ""]])
  )

/** A store that gives parts, and what was asked of it. */
const bucket = Effect.fnUntraced(function*(
  bytes: Uint8Array,
  change: (answer: Answer, index: number) => Answer = (answer) => answer
) {
  const ranges: Array<string> = []
  const { url } = yield* httpDouble((request, response) => {
    const { range } = request.headers
    ranges.push(range ?? "all")
    const answer: Answer = (response) => {
      const part = partOf(bytes, range)
      if (part === undefined) {
        response.writeHead(200, { "content-length": bytes.length, etag: "\"one\"" })
        return response.end(bytes)
      }
      response.writeHead(206, { "content-length": part.body.length, etag: "\"one\"", ...part.headers })
      response.end(part.body)
    }
    change(answer, ranges.length - 1)(response, request)
  })
  const layer = S3Storage.layer({
    endpoint: url,
    region: "us-east-1",
    credentials: { accessKeyId: "KEY", secretAccessKey: Redacted.make("SECRET") },
    buckets: ["data"]
  })
  return { ranges, storage: layer }
})
const s3Result = { type: "S3Result", bucket: "data", location: "t.parquet" }

const folderWith = (name: string, bytes: Uint8Array) =>
  Effect.map(temporaryFolder, (folder) => {
    writeFileSync(join(folder, name), bytes)
    return LocalStorage.layer({ mounts: [{ from: "/srv", to: folder }] })
  })

describe("getTable of a Parquet file", () => {
  it.live("gives its row groups, in order", () =>
    Effect.gen(function*() {
      const storage = yield* folderWith("t.parquet", file)
      const groups = yield* shapes().pipe(provide(storage))
      assert.deepStrictEqual(groups, Array.from({ length: 10 }, (_, i) => [1000, "id,name,pad", i * 1000]))
    }).pipe(Effect.scoped))

  it.live("gives the rows and columns that are asked for, the columns in that order", () =>
    Effect.gen(function*() {
      const storage = yield* folderWith("t.parquet", file)
      const some = yield* shapes({
        columns: ["name", "id"],
        filter: [{ column: "id", op: ">=", value: 2500 }, { column: "id", op: "<", value: 4001n }]
      }).pipe(provide(storage))
      assert.deepStrictEqual(some, [[500, "name,id", "g2"], [1000, "name,id", "g3"], [1, "name,id", "g4"]])
      const byAnother = yield* shapes({ columns: ["id"], filter: [{ column: "name", op: "=", value: "g7" }] }).pipe(
        provide(storage)
      )
      assert.deepStrictEqual(byAnother, [[1000, "id", 7000]])
    }).pipe(Effect.scoped))

  it.live("gives its columns once when there is no row", () =>
    Effect.gen(function*() {
      const storage = yield* folderWith("t.parquet", file)
      const none = yield* shapes({ filter: [{ column: "id", op: "<", value: -1 }], columns: ["pad"] }).pipe(
        provide(storage)
      )
      assert.deepStrictEqual(none, [[0, "pad", undefined]])
    }).pipe(Effect.scoped))

  it.live("reads nothing before it is pulled, and the parts of a bucket by their ranges", () =>
    Effect.gen(function*() {
      const { ranges, storage } = yield* bucket(file)
      const first = yield* Stream.runCollect(Stream.take(getTable({ columns: ["id"] }), 1)).pipe(
        provide(storage, {}, s3Result)
      )
      assert.strictEqual(first[0]?.numRows, 1000)
      // The beginning, the last eight bytes, the footer; the first row group is in the beginning.
      assert.strictEqual(ranges.length, 3)
      assert.strictEqual(ranges[0], "bytes=0-65535")
      assert.strictEqual(ranges[1], `bytes=${file.length - 8}-${file.length - 1}`)
    }).pipe(Effect.scoped))

  it.live("asks a bucket for no column and no row group that is not needed", () =>
    Effect.gen(function*() {
      const large = parquet(4, 100_000)
      const { ranges, storage } = yield* bucket(large)
      const some = yield* shapes({ columns: ["id"], filter: [{ column: "id", op: ">", value: 250_000 }] }).pipe(
        provide(storage, {}, s3Result)
      )
      assert.deepStrictEqual(some.map(([rows]) => rows), [49_999, 100_000])
      const bytes = ranges.slice(3).map((range) => {
        const [, from, to] = /(\d+)-(\d+)/.exec(range) ?? []
        return Number(to) - Number(from) + 1
      })
      assert.strictEqual(bytes.length, 2)
      for (const length of bytes) assert.isBelow(length, 500_000)
    }).pipe(Effect.scoped))

  it.live("fails when the object is changed meanwhile", () =>
    Effect.gen(function*() {
      const { storage } = yield* bucket(file, (answer, index) =>
        index < 5 ? answer : (response, request) => {
          assert.strictEqual(request.headers["if-match"], "\"one\"")
          response.writeHead(412, { "content-type": "application/xml" })
          response.end("<Error><Code>PreconditionFailed</Code></Error>")
        })
      const error = yield* Effect.flip(shapes()).pipe(provide(storage, {}, s3Result))
      assert.include(String(error), "changed while it was read")
    }).pipe(Effect.scoped))

  it.live("reads a bucket whole that gives no parts", () =>
    Effect.gen(function*() {
      const { ranges, storage } = yield* bucket(file, () => (response) => {
        response.writeHead(200, { "content-length": file.length, etag: "\"one\"" })
        response.end(file)
      })
      assert.strictEqual((yield* shapes().pipe(provide(storage, {}, s3Result))).length, 10)
      assert.strictEqual(ranges.length, 2)
    }).pipe(Effect.scoped))

  it.live("reads an empty object whole, of which S3 gives no parts", () =>
    Effect.gen(function*() {
      const { ranges, storage } = yield* bucket(new Uint8Array(0), (_, index) => (response) => {
        response.writeHead(index === 0 ? 416 : 200, { "content-type": "application/xml" })
        response.end(index === 0 ? "<Error><Code>InvalidRange</Code></Error>" : undefined)
      })
      const error = yield* Effect.flip(shapes()).pipe(provide(storage, {}, s3Result))
      assert.include(String(error), "it is not a table")
      assert.deepStrictEqual(ranges, ["bytes=0-65535", "all"])
    }).pipe(Effect.scoped))

  it.live("goes on where a part was cut", () =>
    Effect.gen(function*() {
      const { ranges, storage } = yield* bucket(file, (answer, index) =>
        index !== 3 ? answer : (response, request) => {
          const [, from, to] = /(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? []
          const part = file.subarray(Number(from), Number(to) + 1)
          response.writeHead(206, {
            "content-length": part.length,
            "content-range": `bytes ${from}-${to}/${file.length}`,
            etag: "\"one\""
          })
          response.write(part.subarray(0, 100), () => setTimeout(() => response.destroy(), 10))
        })
      assert.strictEqual((yield* shapes().pipe(provide(storage, {}, s3Result))).length, 10)
      const [, from, to] = /(\d+)-(\d+)/.exec(ranges[3] ?? "") ?? []
      assert.strictEqual(ranges[4], `bytes=${Number(from) + 100}-${to}`)
    }).pipe(Effect.scoped))

  it.live("walks a file that is far larger than the limits", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const path = join(folder, "t.parquet")
      // A hole of 8 GiB between the groups and the footer: offsets of more than 32 bits, and no such read.
      const groups = parquet(2, 1000)
      const footer = groups.length - 8 - new DataView(groups.buffer).getUint32(groups.length - 8, true)
      const fd = openSync(path, "w")
      writeSync(fd, groups, 0, footer)
      ftruncateSync(fd, 2 ** 33)
      closeSync(fd)
      appendFileSync(path, groups.subarray(footer))
      const storage = LocalStorage.layer({ mounts: [{ from: "/srv", to: folder }] })
      const some = yield* shapes().pipe(provide(storage, { maxBytes: 200_000, maxMemory: 1_000_000 }))
      assert.deepStrictEqual(some.map(([rows]) => rows), [1000, 1000])
    }).pipe(Effect.scoped))

  it.live("refuses a row group over maxBytes, and reads some of its columns", () =>
    Effect.gen(function*() {
      const storage = yield* folderWith("t.parquet", file)
      const error = yield* Effect.flip(shapes()).pipe(provide(storage, { maxBytes: 8000 }))
      assert.strictEqual(error._tag === "ResultError" ? error.reason._tag : error._tag, "ResultTooLarge")
      assert.strictEqual((yield* shapes({ columns: ["id"] }).pipe(provide(storage, { maxBytes: 8000 }))).length, 10)
    }).pipe(Effect.scoped))

  it.live("fails when the file is changed meanwhile", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const path = join(folder, "t.parquet")
      writeFileSync(path, file)
      const walk = Stream.runForEach(getTable(), () => Effect.sync(() => appendFileSync(path, "x")))
      const error = yield* Effect.flip(walk).pipe(
        provide(LocalStorage.layer({ mounts: [{ from: "/srv", to: folder }] }))
      )
      assert.include(String(error), "changed while it was read")
    }).pipe(Effect.scoped))
})

describe("getTable of other results", () => {
  const fixture = (name: string) => readFileSync(new URL(`../../../fixtures/formats/${name}`, import.meta.url))
  const gives = (name: string, bytes: Uint8Array | string, expected: ReadonlyArray<number>) =>
    it.live(`${name} is ${expected.length === 1 ? "one part" : "a failure"}`, () =>
      Effect.gen(function*() {
        const { layer } = MemoryStorage.make({ [`/srv/${name}`]: bytes })
        const tables = yield* Stream.runCollect(getTable()).pipe(
          provide(layer, {}, { type: "LocalResult", location: `/srv/${name}`, dir: "/srv" }),
          Effect.result
        )
        if (expected.length === 0) {
          assert.include(tables._tag === "Failure" ? String(tables.failure) : "", "it is not a table")
        } else assert.deepStrictEqual(tables._tag === "Success" ? tables.success.map((t) => t.numRows) : [], expected)
      }))
  gives("a.csv", "a,b\n1,2\n3,4\n", [2])
  gives("list.json", "[{\"a\":1},{\"a\":2}]", [2])
  gives("t.parquet.gz", gzipSync(parquet(1, 10)), [10])
  gives("frame.pkl", fixture("pandas-3/mixed.pickle"), [3])
  gives("number.json", "1", [])

  it.live("rows and columns are asked for in the same way", () =>
    Effect.gen(function*() {
      const { layer } = MemoryStorage.make({ "/srv/t.csv": "a,b\n1,x\n2,y\n3,\n" })
      const result = { type: "LocalResult", location: "/srv/t.csv", dir: "/srv" }
      const of = (options: TaskRun.TableOptions) => shapes(options).pipe(provide(layer, {}, result))
      assert.deepStrictEqual(yield* of({ columns: ["b"], filter: [{ column: "a", op: "!=", value: 1 }] }), [[
        2,
        "b",
        "y"
      ]])
      assert.deepStrictEqual(yield* of({ filter: [{ column: "b", op: "=", value: null }] }), [[1, "a,b", 3]])
      for (
        const [options, message] of [
          [{ columns: ["c"] }, "it has no column \"c\""],
          [{ filter: [{ column: "c", op: "=", value: 1 }] }, "it has no column \"c\""],
          [{ filter: [{ column: "b", op: "=", value: 1 }] }, "cannot be compared with a number"],
          [{ filter: [{ column: "b", op: "<", value: null }] }, "compared with null by <"]
        ] as ReadonlyArray<[TaskRun.TableOptions, string]>
      ) assert.include(String(yield* Effect.flip(of(options))), message)
    }))

  it.live("a mapped parent gives the tables of its children", () =>
    Effect.gen(function*() {
      const { layer } = MemoryStorage.make({ "/srv/0.json": parquet(2, 5), "/srv/1.json": parquet(1, 7) })
      const tables = yield* Effect.flatMap(
        TaskRun.fromTaskRunId("parent"),
        (parent) => Stream.runCollect(parent.getTable({ columns: ["id"] }))
      ).pipe(Effect.provide(Layer.merge(MemoryApi.layer(mappedTables(2)), layer)))
      assert.deepStrictEqual(tables.map(({ numRows }) => numRows), [5, 5, 7])
    }))
})
