import * as Collect from "@effect-prefect/collect/Collect"
import { CollectOutput } from "@effect-prefect/collect/CollectOutput"
import * as S3Output from "@effect-prefect/collect/S3Output"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { afterAll } from "vitest"
import { UploadSizes } from "../src/internal/uploadSizes.ts"
import { outputContract } from "./outputContract.ts"
import { type FakeS3, startFakeS3 } from "./support/fakeS3.ts"
import { inTime, mapped, single, tables, world } from "./support/world.ts"

const servers: Array<FakeS3> = []
const start = (options: Parameters<typeof startFakeS3>[0] = {}) =>
  Effect.promise(async () => {
    const server = await startFakeS3(options)
    servers.push(server)
    return server
  })
afterAll(() => Promise.all(servers.map((server) => server.stop())))

const layerOf = (server: FakeS3, attempts?: number) =>
  S3Output.layer({
    attempts,
    bucket: "bucket",
    prefix: "some/table/",
    endpoint: server.url,
    region: "us-east-1",
    credentials: { accessKeyId: "id", secretAccessKey: Redacted.make("secret") }
  })

/** Loses one answer in five. */
const loses = (request: number) => request % 5 === 3

outputContract("S3", () => Effect.map(start(), layerOf) as never)
outputContract("S3 that loses one answer in five", () => Effect.map(start({ loses }), layerOf) as never, true)

describe("S3", () => {
  it.live("a store that writes one object over another is refused, and nothing but the probe was written", () =>
    Effect.gen(function*() {
      const server = yield* start({ conditions: false })
      const error = yield* Effect.flip(
        Effect.provide(Effect.flatMap(CollectOutput, (output) => output.prepare("job")), layerOf(server))
      )
      assert.strictEqual(error.reason._tag, "Unsupported")
      assert.include(error.message, "s3://bucket/some/table")
      assert.deepStrictEqual([...server.objects.keys()], ["some/table/_probe-job"])
    }))

  it.live("a large object goes in pieces, and is created only once too", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* UploadSizes, { whole: 64 * 1024 * 1024, piece: 16 * 1024 * 1024 })
      const server = yield* start()
      const large = Buffer.alloc(65_000, "0123456789")
      yield* Effect.provide(
        Effect.gen(function*() {
          const output = yield* CollectOutput
          assert.isTrue((yield* output.create("part-000000.jsonl", Stream.make(large))).isNew)
          // It is begun and completed.
          assert.strictEqual(server.requests(), 2 + 5)
          assert.isFalse((yield* output.create("part-000000.jsonl", Stream.make(large, large))).isNew)
          const before = server.requests()
          assert.isTrue((yield* output.create("part-000001.jsonl", Stream.make(large.subarray(0, 64_000)))).isNew)
          assert.strictEqual(server.requests(), before + 1)
        }),
        Layer.provide(layerOf(server), Layer.succeed(UploadSizes, { whole: 64_000, piece: 16_000 }))
      )
      assert.isTrue(server.objects.get("some/table/part-000000.jsonl")!.equals(large))
    }))

  it.live("a collection whose answers are lost has the bytes of a quiet one, and leaves no probe", () =>
    Effect.gen(function*() {
      const data = tables({ run: [single("run", "a-1"), mapped("run", "b-1", 12)] })
      const run = (server: FakeS3) =>
        Collect.run({ selection: { all: true }, output: { format: "jsonl", partRows: 3 } }).pipe(
          Effect.provide(layerOf(server)),
          Effect.provide(world(data, new Map()))
        )
      const quiet = yield* start()
      yield* run(quiet)
      const lossy = yield* start({ loses })
      yield* run(lossy)
      const shown = (server: FakeS3) =>
        Object.fromEntries(
          [...server.objects].filter(([name]) => !/_plan|_records/.test(name)).sort(([left], [right]) =>
            left < right ? -1 : 1
          ).map(([name, bytes]) => [name, bytes.toString()])
        )
      assert.deepStrictEqual(shown(lossy), shown(quiet))
      assert.isAbove(Object.keys(shown(quiet)).length, 5)
    }))

  it.effect("is asked again when the SDK has given up on a busy store, or on one that loses answers", () =>
    inTime(Effect.forEach(
      [{ refuses: (request: number) => request < 2 }, { loses: (request: number) => request < 2 }],
      (options) =>
        Effect.gen(function*() {
          const server = yield* start(options)
          yield* Effect.provide(
            Effect.gen(function*() {
              const output = yield* CollectOutput
              const { sha256 } = yield* output.create("part-000000.jsonl", Stream.make(Buffer.from("{}\n")))
              assert.deepStrictEqual(yield* output.digest("part-000000.jsonl"), { bytes: 3, sha256 })
            }),
            layerOf(server, 2)
          )
          assert.strictEqual(server.requests(), 4)
        }),
      { concurrency: "unbounded" }
    )))

  it.live("says what the store answered, without what it was sent", () =>
    Effect.gen(function*() {
      const server = yield* start()
      yield* Effect.promise(() => server.stop())
      const layer = S3Output.layer({
        bucket: "bucket",
        endpoint: server.url,
        region: "us-east-1",
        credentials: { accessKeyId: "id", secretAccessKey: Redacted.make("hunter2") },
        attempts: 1
      })
      const error = yield* Effect.flip(
        Effect.provide(Effect.flatMap(CollectOutput, (output) => output.prepare("job")), layer)
      )
      assert.strictEqual(error.reason._tag, "OutputUnavailable")
      assert.match(error.message, /^s3:\/\/bucket: cannot write \(ECONNREFUSED/)
    }))
})
