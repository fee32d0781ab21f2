import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { Prefect3Result } from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as MemoryStorage from "@effect-prefect/results/MemoryStorage"
import * as Prefect3S3 from "@effect-prefect/results/Prefect3S3"
import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
import { ResultError } from "@effect-prefect/results/ResultError"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Recorded from "../../api/test/prefect3Server.ts"

const files = join(Recorded.fixtures, "files")
const Files = LocalStorage.layer({ mounts: [{ from: "/srv/prefect3", to: files }] })

const withServer = <A, E, E2 = never>(
  body: (server: Recorded.Prefect3Server) => Effect.Effect<A, E, PrefectApi | ResultStorage.ResultStorage>,
  options: {
    readonly storage?: Layer.Layer<ResultStorage.ResultStorage, E2>
    readonly reply?: Parameters<typeof Recorded.start>[0]
    readonly forBlock?: Prefect3Storage.Options["forBlock"]
    readonly includeSecrets?: boolean
  } = {}
) =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* Effect.acquireRelease(
      Effect.promise(() => Recorded.start(options.reply)),
      (server) => Effect.promise(() => server[Symbol.asyncDispose]())
    )
    const storage: Layer.Layer<ResultStorage.ResultStorage, unknown> = options.storage ?? Files
    const { forBlock, includeSecrets } = options
    const live = Layer.provideMerge(
      Prefect3Storage.layer(storage, { forBlock }),
      Prefect3Api.layer({ url: server.url, includeSecrets })
    )
    return yield* Effect.provide(body(server), Layer.orDie(live))
  }))

const rowsOf = (flow: string) => Recorded.taskRuns.filter((row) => row["flow_run_id"] === (Recorded.runs[flow] ?? flow))

const resultOf = (row: Recorded.Row) =>
  Effect.flatMap(TaskRun.fromTaskRunId(row["id"] as string), (run) => run.getResult)

const outcomesOf = (flowRunId: string) =>
  Effect.flatMap(FlowRun.fromFlowRunId(flowRunId), (flowRun) => Stream.runCollect(flowRun.results))

const reasonOf = (row: Recorded.Row) =>
  Effect.map(Effect.flip(resultOf(row)), (error) => {
    assert(error instanceof ResultError)
    return error.reason
  })

/** What each kind of value is, as JSON; a string where only its beginning matters is a regular expression. */
const kinds: Readonly<Record<string, JsonProjection.Json>> = {
  bigint: "1180591620717411303424",
  bool: true,
  bytes: "AP9hYg==",
  complex: "(1+2j)",
  dataclass: { __class__: "models_fx.Point", x: 1, y: 2.5, tags: ["q"] },
  date: "2024-02-29",
  datetime_naive: "2024-02-29T12:34:56",
  datetime_tz: "2024-02-29T12:34:56+02:00",
  datetime_utc: "2024-02-29T12:34:56.789012+00:00",
  decimal: "12345678901234567890.10",
  dict: { a: 1, b: { c: [1, 2] } },
  dict_intkeys: { 1: "one", 2: "two" },
  dict_of_datetime: { when: "2024-01-01T00:00:00+00:00", amount: "1.10" },
  empty_str: "",
  enum: { __class__: "models_fx.Colour", __args__: ["red"] },
  exception: { __class__: "builtins.ValueError", __args__: ["as a value"] },
  float: 1.5,
  inf: null,
  int: 42,
  list: [1, "a", null, [2.5, false]],
  list_of_pydantic: [
    { __class__: "models_fx.Item", id: 1, name: "a", nested: {} },
    { __class__: "models_fx.Item", id: 2, name: "b", nested: {} }
  ],
  nan: null,
  negint: -7,
  none: null,
  np_float64: 2.5,
  np_int64: 7,
  path: "/tmp/x",
  pd_ts: "2024-01-02T03:04:05+00:00",
  pydantic: { __class__: "models_fx.Item", id: 1, name: "n", nested: { k: 3 } },
  set: [1, 2, 3],
  str: "h\u00e9llo \u2603 \ud834\udd1e",
  time: "01:02:03",
  timedelta: 86402.000003,
  tuple: [1, "two", 3],
  uuid: "12345678-1234-5678-1234-567812345678"
}

/** JSON has no form for these, so Prefect rolled the run back. */
const notJson = new Set(["bytes", "lambda", "np_array", "np_int64", "path", "pd_df"])

describe("every kind of value by every serializer", () => {
  for (const serializer of ["pickle", "json", "compressed/pickle", "compressed/json"]) {
    it.effect(serializer, () =>
      withServer(() =>
        Effect.gen(function*() {
          const rows = rowsOf(`kinds:${serializer}`)
          assert.isAtLeast(rows.length, 39)
          let compared = 0
          for (const row of rows) {
            const kind = row["name"] as string
            if (serializer.endsWith("json") && notJson.has(kind)) {
              assert.strictEqual((yield* reasonOf(row))._tag, "NotPersisted", kind)
              continue
            }
            // Lambdas and NumPy's and pandas' values are compared elsewhere; `plain` is another task of that flow.
            if (!Object.hasOwn(kinds, kind)) continue
            const value = yield* resultOf(row)
            assert.deepStrictEqual(yield* JsonProjection.toJson(value), kinds[kind], kind)
            compared++
          }
          assert.isAtLeast(compared, 30)
        })
      ))
  }

  it.effect("NaN, infinities and large integers are kept whole", () =>
    withServer(() =>
      Effect.gen(function*() {
        for (const serializer of ["json", "compressed/json", "pickle"]) {
          const named = (name: string) => rowsOf(`kinds:${serializer}`).find((row) => row["name"] === name)!
          assert.deepStrictEqual(yield* resultOf(named("nan")), NaN)
          assert.strictEqual(yield* resultOf(named("inf")), Infinity)
          assert.strictEqual(yield* resultOf(named("bigint")), 2n ** 70n)
        }
      })
    ))
})

describe("what was not stored, or is not there", () => {
  it.effect("metadata without a file is ResultNotFound", () =>
    withServer(() =>
      Effect.gen(function*() {
        const [row] = rowsOf("dangling")
        assert.strictEqual((yield* reasonOf(row!))._tag, "ResultNotFound")
      })
    ))

  it.effect("by state: no data, not finished, crashed, rolled back", () =>
    withServer(() =>
      Effect.gen(function*() {
        const expected: Readonly<Record<string, string>> = {
          get_Completed_nodata: "NotPersisted",
          get_Failed_nodata: "NotPersisted",
          get_Crashed_nodata: "NotPersisted",
          get_TimedOut_nodata: "NotPersisted",
          get_AllGood_nodata: "NotPersisted",
          get_NotReady_nodata: "NotFinished",
          get_deferred: "NotFinished"
        }
        for (const [name, reason] of Object.entries(expected)) {
          const row = Recorded.exchange(`task_runs/${name}`).response as Recorded.Row
          assert.strictEqual((yield* reasonOf(row))._tag, reason, name)
        }
      })
    ))

  it.effect("a failed run's stored exception is its result, as data", () =>
    withServer(() =>
      Effect.gen(function*() {
        const row = Recorded.exchange("task_runs/get_Failed_data").response as Recorded.Row
        const value = yield* JsonProjection.toJson(yield* resultOf(row))
        assert.strictEqual((value as { readonly __class__: string }).__class__, "builtins.ValueError")
      })
    ))

  it.effect("a place that no root and no mount allows is ResultAccessDenied", () =>
    withServer(
      () =>
        Effect.gen(function*() {
          const row = Recorded.exchange("task_runs/get_Completed_data").response as Recorded.Row
          const reason = yield* reasonOf(row)
          assert.strictEqual(reason._tag, "ResultAccessDenied")
          assert.include(reason.message, "/srv/prefect3/storage")
        }),
      { storage: LocalStorage.layer({ mounts: [{ from: "/srv/prefect", to: files }] }) }
    ))
})

describe("storage blocks", () => {
  const named = (name: string) =>
    rowsOf("56d5a49a-73f4-41a1-a3b0-c1be5e1dc7cd").find((row) => (row["name"] as string).startsWith(name))!
  const values: ReadonlyArray<readonly [string, JsonProjection.Json]> = [
    ["expiring", 4],
    ["split_meta", { split: 3 }]
  ]

  it.effect("every result of a block, and one request for the block", () =>
    withServer((server) =>
      Effect.gen(function*() {
        const rows = rowsOf("56d5a49a-73f4-41a1-a3b0-c1be5e1dc7cd")
        assert.lengthOf(rows, 4)
        yield* Effect.forEach(rows, resultOf, { concurrency: 4 })
        assert.lengthOf(server.received.filter(({ path }) => path.startsWith("/block_documents/")), 1)
        for (const [name, value] of values) {
          assert.deepStrictEqual(yield* JsonProjection.toJson(yield* resultOf(named(name))), value)
        }
      })
    ))

  it.effect("an expired record is readable, and says that it has expired", () =>
    withServer(() =>
      Effect.gen(function*() {
        const run = yield* TaskRun.fromTaskRunId(named("expiring")["id"] as string)
        assert.strictEqual(yield* run.getResult, 4)
        const descriptor = State.resultDescriptor(run.view.state)
        assert(descriptor?._tag === "Prefect3Result")
        const expiration = Date.parse(descriptor.expiration!)
        assert.isFalse(descriptor.isExpired(expiration - 1))
        assert.isTrue(descriptor.isExpired(expiration))
        const other = State.resultDescriptor(
          (yield* TaskRun.fromTaskRunId(named("split_meta")["id"] as string)).view.state
        )
        assert(other?._tag === "Prefect3Result")
        assert.isFalse(other.isExpired(Number.MAX_SAFE_INTEGER))
      })
    ))

  const blockOf = (name: string) => (Recorded.exchange(`blocks/${name}`).response as Recorded.Row)["id"] as string
  const record = "{\"metadata\":{\"storage_key\":\"k\",\"serializer\":{\"type\":\"json\"}},\"result\":\"[1, 2]\"}"
  const inBlock = (id: string, key: string, block?: Recorded.Row) => ({
    reply: ({ path }: Recorded.Received) => {
      if (path.startsWith("/task_runs/")) {
        const data = { storage_key: key, storage_block_id: id, serializer: { type: "json" }, expiration: null }
        const state = { type: "COMPLETED", name: "Completed", state_details: {}, data }
        return { status: 200, body: { id: "t", name: "n", task_key: "k-00000000", flow_run_id: null, state } }
      }
      return block !== undefined && path.startsWith("/block_documents/")
        ? { status: 200, body: { ...(Recorded.exchange("blocks/local").response as Recorded.Row), ...block } }
        : undefined
    }
  })
  const block = (slug: string, data: Recorded.Row) => ({ block_type: { slug }, data })

  const places: ReadonlyArray<readonly [string, string, string, string, Recorded.Row | undefined]> = [
    // block, key, place
    ["LocalFileSystem", blockOf("local"), "a/k", "/srv/prefect3/blockstore/a/k", undefined],
    [
      "LocalFileSystem, absolute key",
      blockOf("local"),
      "/srv/prefect3/blockstore/k",
      "/srv/prefect3/blockstore/k",
      undefined
    ],
    ["LocalFileSystem in a home", "l", "a/k", "~/results/a/k", block("local-file-system", { basepath: "~/results/" })],
    ["LocalFileSystem, relative", "l", "a/k", "out/a/k", block("local-file-system", { basepath: "./out" })],
    ["LocalFileSystem without a folder", "l", "a/k", "a/k", block("local-file-system", { basepath: null })],
    ["S3Bucket with a folder", blockOf("s3"), "a/k", "s3://study-bucket/results/a/k", undefined],
    ["S3Bucket, key with its folder", blockOf("s3"), "results/k", "s3://study-bucket/results/k", undefined],
    ["S3Bucket without a folder", blockOf("s3_minio"), "k", "s3://study-bucket3/k", undefined],
    ["GcsBucket", "g", "k", "gs://b/dir/k", block("gcs-bucket", { bucket: "b", bucket_folder: "dir/" })],
    [
      "Azure",
      "z",
      "k",
      "azure://c/dir/k",
      block("azure-blob-storage-container", { container_name: "c", base_folder: "dir" })
    ],
    ["RemoteFileSystem on S3", "r", "k", "s3://b/dir/k", block("remote-file-system", { basepath: "s3://b/dir/" })],
    [
      "RemoteFileSystem, URL as key",
      "r",
      "s3://b/dir/x/k",
      "s3://b/dir/x/k",
      block("remote-file-system", { basepath: "s3://b/dir" })
    ],
    ["RemoteFileSystem on GCS", "r", "k", "gs://b/k", block("remote-file-system", { basepath: "gcs://b" })],
    [
      "RemoteFileSystem on Azure",
      "r",
      "k",
      "azure://c/d/k",
      block("remote-file-system", { basepath: "abfs://c@acc.dfs.core.windows.net/d" })
    ],
    ["RemoteFileSystem on files", "r", "k", "/data/k", block("remote-file-system", { basepath: "file:///data" })],
    ["Prefect 2's S3 block", "r", "k", "s3://b/dir/k", block("s3", { bucket_path: "b/dir" })]
  ]
  for (const [what, id, key, place, given] of places) {
    it.effect(`${what}: ${place}`, () => {
      const memory = MemoryStorage.make({ [place]: record })
      return withServer(() =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* resultOf({ id: "t" }), [1, 2])
          assert.strictEqual(memory.reads(), 1)
        }), { storage: memory.layer, ...inBlock(id, key, given) })
    })
  }

  const refused: ReadonlyArray<readonly [string, string, string, string, Recorded.Row | undefined]> = [
    ["a key that leads out of its folder", blockOf("local"), "../storage/x", "ResultAccessDenied", undefined],
    ["an absolute key elsewhere", blockOf("local"), "/etc/passwd", "ResultAccessDenied", undefined],
    [
      "a URL elsewhere",
      "r",
      "s3://other/dir/k",
      "ResultAccessDenied",
      block("remote-file-system", { basepath: "s3://b/dir" })
    ],
    ["a URL that climbs", "r", "../k", "ResultAccessDenied", block("remote-file-system", { basepath: "s3://b/dir" })],
    ["a key that leads out of a relative folder", "l", "../k", "ResultAccessDenied", block("local-file-system", {})],
    ["a block of a repository", "g", "k", "UnsupportedResultType", block("github", { repository: "a/b" })],
    ["a storage in memory", blockOf("remote"), "k", "UnsupportedResultType", undefined],
    ["a block of another type", "x", "k", "UnsupportedResultType", block("smb", {})],
    ["a block that is gone", "00000000-0000-4000-8000-000000000000", "k", "ResultNotFound", undefined]
  ]
  for (const [what, id, key, reason, given] of refused) {
    it.effect(`${what} is ${reason}, and nothing is read`, () => {
      const memory = MemoryStorage.make({})
      return withServer(() =>
        Effect.gen(function*() {
          assert.strictEqual((yield* reasonOf({ id: "t" }))._tag, reason)
          assert.strictEqual(memory.reads(), 0)
        }), { storage: memory.layer, ...inBlock(id, key, given) })
    })
  }

  it.effect("a block and its folder are looked up once for the results that wait to be read at once", () =>
    withServer((server) =>
      Effect.gen(function*() {
        const storage = yield* ResultStorage.ResultStorage
        const waits = ["a", "b", "c"].map((key) => {
          const resolved = storage.resolve(
            new Prefect3Result({ storageKey: key, storageBlockId: blockOf("local") })
          )?.resolved
          assert(resolved?._tag === "Allowed")
          return resolved.beforeReadAtOnce
        })
        yield* Effect.forEach(waits, (wait) => wait?.() ?? Effect.die("nothing to wait for"), { concurrency: 3 })
        assert.lengthOf(server.received.filter(({ path }) => path.startsWith("/block_documents/")), 1)
        for (const wait of waits) assert.isUndefined(wait?.())
      })
    ))

  it.effect("a storage for one block is made once, and with its secrets where they were asked for", () => {
    const made: Array<string> = []
    const memory = MemoryStorage.make({ "s3://study-bucket/results/k": record })
    return withServer(() =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* resultOf({ id: "t" }), [1, 2])
        assert.deepStrictEqual(yield* resultOf({ id: "t" }), [1, 2])
        assert.deepStrictEqual(made, ["fake-secret-not-real"])
      }), {
      includeSecrets: true,
      forBlock: ({ data }) => {
        const { aws_secret_access_key: secret } = data["credentials"] as { readonly [key: string]: unknown }
        assert(Redacted.isRedacted(secret))
        made.push(Redacted.value(secret) as string)
        return memory.layer
      },
      ...inBlock(blockOf("s3"), "k")
    })
  })

  it.effect("Prefect3S3 takes no masked credentials, and asks no endpoint that was not allowed", () =>
    withServer((server) =>
      Effect.gen(function*() {
        const blocks = (includeSecrets: boolean) =>
          Effect.provide(
            Effect.flatMap(
              PrefectApi,
              (api) =>
                Effect.forEach(["s3", "s3_inline", "s3_minio", "local"], (name) => api.storageBlock(blockOf(name)))
            ),
            Prefect3Api.layer({ url: server.url, includeSecrets })
          )
        const opened = (includeSecrets: boolean, options: Partial<Prefect3S3.Options> = {}) =>
          Effect.map(
            blocks(includeSecrets),
            (blocks) =>
              blocks.map((block) => Prefect3S3.forBlock({ buckets: ["study-bucket"], ...options })(block) !== undefined)
          )
        assert.deepStrictEqual(yield* opened(false), [false, false, false, false])
        assert.deepStrictEqual(yield* opened(true), [true, true, false, false])
        const allowEndpoint = (endpoint: string) => endpoint === "http://127.0.0.1:9"
        assert.deepStrictEqual(yield* opened(true, { allowEndpoint }), [true, true, true, false])
      })
    ))

  it.effect("a bucket without a storage for it is StorageNotProvided", () =>
    withServer(
      () => Effect.map(reasonOf({ id: "t" }), (reason) => assert.strictEqual(reason._tag, "StorageNotProvided")),
      inBlock(blockOf("s3"), "k")
    ))

  it.effect("a key without its storage is ResultAccessDenied", () =>
    withServer(
      () => Effect.map(reasonOf({ id: "t" }), (reason) => assert.strictEqual(reason._tag, "ResultAccessDenied")),
      {
        reply: ({ path }) => {
          if (!path.startsWith("/task_runs/")) return undefined
          const data = { storage_key: "some/key", storage_block_id: null, serializer: { type: "json" } }
          const state = { type: "COMPLETED", name: "Completed", state_details: {}, data }
          return { status: 200, body: { id: "t", name: "n", task_key: "k", flow_run_id: null, state } }
        }
      }
    ))
})

describe("a flow run", () => {
  it.effect("results of all its task runs, by task key, each object read once", () => {
    const rows = rowsOf("map250")
    const contents = new Map(rows.map((row) => {
      const key = ((row["state"] as Recorded.Row)["data"] as Recorded.Row)["storage_key"] as string
      return [key, readFileSync(join(files, key.replace("/srv/prefect3/", "")))] as const
    }))
    const memory = MemoryStorage.make(contents)
    return withServer((server) =>
      Effect.gen(function*() {
        const outcomes = yield* outcomesOf(Recorded.runs["map250"]!)
        assert.lengthOf(outcomes, 250)
        const values = outcomes.map(({ result }) => Result.getOrThrow(result) as number)
        assert.strictEqual(new Set(values).size, 250)
        assert.strictEqual(memory.reads(), 250)
        assert.lengthOf(server.received.filter(({ path }) => path === "/task_runs/filter"), 2)
        assert.isTrue(outcomes.every(({ taskRun }) => taskRun.view.mapIndex === -1))
      }), {
      storage: memory.layer,
      // This flow run itself was not recorded.
      reply: ({ path }) =>
        path === `/flow_runs/${Recorded.runs["map250"]}`
          ? { status: 200, body: { ...Recorded.flowRuns[0], id: Recorded.runs["map250"]! } }
          : undefined
    })
  })

  it.effect("a flow run with every kind of state", () =>
    withServer(() =>
      Effect.gen(function*() {
        const outcomes = yield* outcomesOf(Recorded.runs["structure"]!)
        assert.lengthOf(outcomes, rowsOf("structure").length)
        const slugs = outcomes.map(({ taskRun }) => taskRun.view.taskSlug!)
        assert.deepStrictEqual(slugs, slugs.toSorted())
        const reasons = new Set(
          outcomes.flatMap(({ result }) => Result.isFailure(result) ? [result.failure.reason._tag as string] : [])
        )
        assert.isTrue(reasons.has("NotPersisted"))
        assert.isFalse(reasons.has("ResultDecodeError"))
      })
    ))

  it.effect("iterMapped and outcomes of a task run are UnsupportedByBackend, and name siblings", () =>
    withServer(() =>
      Effect.gen(function*() {
        const run = yield* TaskRun.fromTaskRunId(rowsOf("map250")[0]!["id"] as string)
        for (const stream of [Stream.runDrain(run.iterMapped), Stream.runDrain(run.outcomes)]) {
          const error = yield* Effect.flip(stream)
          assert.strictEqual(error.reason._tag, "UnsupportedByBackend")
          assert.include(error.message, "siblings")
        }
      })
    ))

  it.effect("the stored bytes are those of the file", () =>
    withServer(() =>
      Effect.gen(function*() {
        const row = rowsOf("kinds:pickle").find((row) => row["name"] === "int")!
        const run = yield* TaskRun.fromTaskRunId(row["id"] as string)
        const bytes = yield* run.getResultBytes
        assert.deepStrictEqual(Buffer.from(bytes), readFileSync(join(files, "storage/kinds/pickle/int")))
      })
    ))
})
