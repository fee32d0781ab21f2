/** A reader over a store that answers as the test says, without a network. */
import { S3Result } from "@effect-prefect/core/ResultDescriptor"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Readable } from "node:stream"
import { denied, unavailable } from "../src/internal/remote/failure.ts"
import type { Bucket } from "../src/internal/remote/options.ts"
import * as Reader from "../src/internal/remote/reader.ts"
import type { Client, Failure, Opened } from "../src/internal/remote/store.ts"
import type { ResolvedLocation } from "../src/ResultStorage.ts"

const location = "s3://data/a/b/key"

/** What an object is that a store of these buckets has, and what it answers. */
const resolve = (buckets: ReadonlyArray<Bucket>, key: string, answer: () => Opened | Failure) =>
  Effect.map(
    Reader.make({
      type: "S3Result",
      scheme: "s3",
      object: ({ bucket, location }: S3Result) => ({ bucket: bucket ?? "", key: location ?? "", version: undefined }),
      buckets,
      optionName: "S3Storage.layer({ buckets })",
      connect: () =>
        Effect.succeed(
          {
            open: async () => {
              const found = answer()
              if ("body" in found) return found
              throw found
            },
            failure: (error) => error as Failure,
            close: () => {}
          } satisfies Client
        )
    }, { attempts: 1 }),
    ([reader]) => reader!.resolve(new S3Result({ bucket: "data", location: key }) as never) as ResolvedLocation
  )

const busy = () => unavailable(location, "busy", "never")

describe("a reader of a store", () => {
  it.live("is as specific as the longest place that is allowed, in whichever order", () =>
    Effect.gen(function*() {
      const places: ReadonlyArray<Bucket> = ["data", { bucket: "data", prefix: "a/b" }, { bucket: "data", prefix: "a" }]
      for (const buckets of [places, places.toReversed()]) {
        for (
          const [key, place] of [["a/b/key", "s3://data/a/b"], ["a/c", "s3://data/a"], ["b", "s3://data"]] as const
        ) {
          const resolved = yield* resolve(buckets, key, busy)
          assert.strictEqual(resolved._tag === "Allowed" && resolved.specificity, place.length, key)
        }
      }
      assert.strictEqual((yield* resolve(["other"], "key", busy))._tag, "Denied")
    }))

  it.live("gives no parts only where its store gives none, and else says what the store says", () =>
    Effect.gen(function*() {
      const opened = Effect.fnUntraced(function*(answer: () => Opened | Failure) {
        const resolved = yield* resolve(["data"], "key", answer)
        if (resolved._tag !== "Allowed") return assert.fail("it may not be read")
        return yield* Effect.result(resolved.open!())
      })
      const long = new Uint8Array(100_000)
      const whole = (): Opened => ({
        body: Readable.from([long]),
        offset: 0,
        isPart: false,
        size: long.length,
        tag: "v1",
        checksum: undefined
      })
      const none = yield* opened(whole)
      assert.isTrue(none._tag === "Success" && none.success === undefined)
      for (
        const [answer, tag] of [[busy, "StorageUnavailable"], [
          () => denied(location, "no"),
          "ResultAccessDenied"
        ]] as const
      ) {
        const failed = yield* opened(answer)
        assert.strictEqual(failed._tag === "Failure" && failed.failure._tag, tag)
      }
    }))

  it.live("requests no name that no object can have, which a store could answer with a list of its objects", () =>
    Effect.gen(function*() {
      for (const key of ["", ".", "/", "a/..", "a\ud800"]) {
        const resolved = yield* resolve(["data"], key, () => assert.fail(`it was requested: ${JSON.stringify(key)}`))
        if (resolved._tag !== "Allowed") return assert.fail("it may not be read")
        const reason = yield* Effect.flip(resolved.read({ maxBytes: 100 }))
        assert.strictEqual(reason._tag, "ResultNotFound", JSON.stringify(key))
        assert.include(reason.message, "no object has such a name")
      }
    }))

  it.live("takes no part of an object that was changed since its beginning was read, though it keeps its tag", () =>
    Effect.gen(function*() {
      let size = 70_000
      let marks = ["version", "Monday"]
      const resolved = yield* resolve(["data"], "key", () => ({
        body: Readable.from([new Uint8Array(size === 70_000 && marks[1] === "Monday" ? 64 * 1024 : 10)]),
        offset: size === 70_000 && marks[1] === "Monday" ? 0 : 69_000,
        isPart: true,
        size,
        tag: "v1",
        marks,
        checksum: undefined
      }))
      if (resolved._tag !== "Allowed") return assert.fail("it may not be read")
      const parts = yield* resolved.open!()
      size = 70_001
      const other = yield* Effect.flip(parts!.read(69_000, 10))
      assert.include(other.message, "it was changed while it was read")
      size = 70_000
      marks = ["version", "Tuesday"]
      const later = yield* Effect.flip(parts!.read(69_000, 10))
      assert.include(later.message, "it was changed while it was read")
    }))

  it.live("keeps the beginning of an object, and requests only what is beyond it", () =>
    Effect.gen(function*() {
      const bytes = new Uint8Array(70_000).map((_, at) => at % 251)
      const headLength = 64 * 1024
      let asked: readonly [offset: number, length: number] = [0, headLength]
      let requests = 0
      const resolved = yield* resolve(["data"], "key", () => {
        requests++
        const [offset, length] = asked
        return {
          body: Readable.from([bytes.subarray(offset, offset + length)]),
          offset,
          isPart: true,
          size: bytes.length,
          tag: "v1",
          checksum: undefined
        }
      })
      if (resolved._tag !== "Allowed") return assert.fail("it may not be read")
      const parts = yield* resolved.open!()
      for (
        const [offset, length, more] of [
          [0, headLength, 0],
          [headLength - 1, 1, 0],
          [headLength - 1, 2, 1],
          [headLength, 1, 1]
        ] as const
      ) {
        asked = [offset, length]
        requests = 0
        assert.deepStrictEqual(yield* parts!.read(offset, length), bytes.subarray(offset, offset + length))
        assert.strictEqual(requests, more, `${offset} ${length}`)
      }
    }))
})
