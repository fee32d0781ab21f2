import { AzureResult, GCSResult, LocalResult, S3Result } from "@effect-prefect/core/ResultDescriptor"
import * as MemoryStorage from "@effect-prefect/results/MemoryStorage"
import { StorageUnavailable } from "@effect-prefect/results/ResultError"
import { readBytes, readReason } from "@effect-prefect/results/testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

describe("MemoryStorage", () => {
  it.effect("gives bytes, text and failures by place, and counts reads", () => {
    const failure = new StorageUnavailable({ location: "/srv/broken", detail: "the disk is on fire" })
    const memory = MemoryStorage.make({
      "/srv/a": new Uint8Array([1, 2]),
      "s3://bucket/a/b": "text",
      "gs://bucket/a": "gs",
      "azure://container/a": "azure",
      "/srv/broken": failure,
      "/srv/slow": Effect.succeed(new Uint8Array([3]))
    })
    return Effect.gen(function*() {
      const bytes = (yield* readBytes(new LocalResult({ location: "a", dir: "/srv" }))).bytes
      assert.deepStrictEqual([...bytes], [1, 2])
      yield* readBytes(new LocalResult({ location: "/srv/a" }))
      const object = yield* readBytes(new S3Result({ bucket: "bucket", location: "a/b" }))
      assert.strictEqual(new TextDecoder().decode(object.bytes), "text")
      assert.isTrue(object.emptyIsNone)
      yield* readBytes(new GCSResult({ bucket: "bucket", location: "a" }))
      yield* readBytes(new AzureResult({ container: "container", location: "a" }))
      assert.deepStrictEqual([...(yield* readBytes(new LocalResult({ location: "/srv/slow" }))).bytes], [3])
      assert.strictEqual(yield* readReason(new LocalResult({ location: "/srv/broken" })), failure)
      assert.strictEqual((yield* readReason(new LocalResult({ location: "/srv/none" })))._tag, "ResultNotFound")
      assert.strictEqual((yield* readReason(new LocalResult({ location: "/srv/a" }), 1))._tag, "ResultTooLarge")
      assert.strictEqual(memory.reads("/srv/a"), 3)
      assert.strictEqual(memory.reads("/srv/never"), 0)
      assert.strictEqual(memory.reads(), 9)
    }).pipe(Effect.provide(memory.layer))
  })

  it.effect("sees what a Map holds at the time", () => {
    const contents = new Map([["/srv/a", "one"]])
    const read = Effect.map(
      readBytes(new LocalResult({ location: "/srv/a" })),
      ({ bytes }) => new TextDecoder().decode(bytes)
    )
    return Effect.gen(function*() {
      assert.strictEqual(yield* read, "one")
      contents.set("/srv/a", "two")
      assert.strictEqual(yield* read, "two")
    }).pipe(Effect.provide(MemoryStorage.layer(contents)))
  })
})
