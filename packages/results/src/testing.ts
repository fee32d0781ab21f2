/**
 * The contract of `ResultStorage` as a suite of `@effect/vitest`, for storages of your own: bytes come whole and apart,
 * limits hold, nothing that was not allowed is read, reads can be interrupted, and a closed layer says so.
 *
 * Needs the packages `vitest` and `@effect/vitest`; `docs/adding-a-storage.md` shows a storage that is tested by it.
 *
 * @since 0.1.0
 */
import type { ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { ResultStorage } from "./ResultStorage.ts"

/**
 * A store to test: how the suite puts objects into it, and how results name them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  /** The storage over the store. */
  readonly layer: Layer.Layer<ResultStorage, unknown>
  /** Puts an object into the store. */
  readonly put: (key: string, bytes: Uint8Array) => Promise<unknown>
  /** The descriptor of an object that is allowed. */
  readonly descriptor: (key: string) => ResultDescriptor
  /** Descriptors of places that exist and were not allowed. */
  readonly outside: ReadonlyArray<ResultDescriptor>
  /** Whether empty bytes are None, as in Prefect's own object stores. */
  readonly emptyIsNone: boolean
  /**
   * Whether parts of a result can be read, by `open` of what a reader resolves. Default true. False for a storage that
   * has no `open`, and for a store that cannot tell whether an object has changed: then `open` gives undefined.
   */
  readonly hasParts?: boolean | undefined
  /** How often the store was asked for anything, where that can be counted. */
  readonly asked?: () => number
}

const maxBytes = 8 * 1024 * 1024

/**
 * The bytes of a descriptor; a storage that gives a ready value has none.
 *
 * @category reading
 * @since 0.1.0
 */
export const readBytes = (descriptor: ResultDescriptor, limit = maxBytes) =>
  Effect.gen(function*() {
    const storage = yield* ResultStorage
    const stored = yield* storage.read(descriptor, { maxBytes: limit })
    if (stored._tag !== "Bytes") return assert.fail(`it gave a ${stored._tag}`)
    return stored
  })

/**
 * The reason why a descriptor cannot be read.
 *
 * @category reading
 * @since 0.1.0
 */
export const readReason = (descriptor: ResultDescriptor, limit = maxBytes) => Effect.flip(readBytes(descriptor, limit))

let pattern = new Uint8Array(0)

/** The first bytes of a pattern, in an array of their own: a store may keep or change what it is given. */
const bytesOf = (length: number): Uint8Array => {
  if (pattern.length < length) {
    pattern = new Uint8Array(length)
    for (let index = 0; index < length; index++) pattern[index] = (index * 31 + (index >> 8)) & 255
  }
  return pattern.slice(0, length)
}

// Assertions on megabytes compare buffers: assert.deepStrictEqual walks them element by element.
const same = (actual: Uint8Array, expected: Uint8Array) => {
  assert.strictEqual(actual.length, expected.length)
  assert.isTrue(Buffer.compare(actual, expected) === 0, "the bytes differ")
}

const oddKeys = [
  "with space.prefect",
  "pergamén/ünïcode-日本.prefect",
  "percent%2Fslash%2e%2e.prefect",
  "plus+and&and=and;.prefect",
  "hash#and?question.prefect",
  "quote'and\"double.prefect",
  "..dots.prefect",
  "deep/er/and/deeper/still.prefect",
  "2020-01-01T00:00:00+00:00.prefect"
]

/**
 * Defines the suite for a storage. `make` starts the store; what it acquires is released at the end of each test.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = <E>(name: string, make: Effect.Effect<Subject, E, Scope.Scope>) => {
  const test = <A, F>(title: string, body: (subject: Subject) => Effect.Effect<A, F, ResultStorage | Scope.Scope>) =>
    it.live(title, () =>
      Effect.gen(function*() {
        const subject = yield* make
        return yield* body(subject).pipe(Effect.provide(subject.layer))
      }).pipe(Effect.scoped))
  const put = (subject: Subject, key: string, bytes: Uint8Array) => Effect.promise(() => subject.put(key, bytes))

  describe(`the storage contract: ${name}`, () => {
    test("gives the bytes and the name", (subject) =>
      Effect.gen(function*() {
        yield* put(subject, "a/b.prefect", bytesOf(1000))
        const stored = yield* readBytes(subject.descriptor("a/b.prefect"))
        same(stored.bytes, bytesOf(1000))
        assert.isTrue(stored.name.endsWith("b.prefect"), stored.name)
      }))

    test("gives empty bytes, and says when they are None", (subject) =>
      Effect.gen(function*() {
        yield* put(subject, "empty.prefect", new Uint8Array(0))
        const stored = yield* readBytes(subject.descriptor("empty.prefect"))
        assert.strictEqual(stored.bytes.length, 0)
        assert.strictEqual(stored.emptyIsNone ?? false, subject.emptyIsNone)
      }))

    test("gives large bytes whole", (subject) =>
      Effect.gen(function*() {
        yield* put(subject, "large.prefect", bytesOf(3_000_001))
        same((yield* readBytes(subject.descriptor("large.prefect"))).bytes, bytesOf(3_000_001))
      }))

    test("takes keys that are odd for files and URLs", (subject) =>
      Effect.gen(function*() {
        for (const [index, key] of oddKeys.entries()) yield* put(subject, key, bytesOf(100 + index))
        for (const [index, key] of oddKeys.entries()) {
          same((yield* readBytes(subject.descriptor(key))).bytes, bytesOf(100 + index))
        }
      }))

    test("fails with ResultNotFound where nothing is, and names the place", (subject) =>
      Effect.gen(function*() {
        yield* put(subject, "there.prefect", bytesOf(10))
        const reason = yield* readReason(subject.descriptor("not-there.prefect"))
        assert.strictEqual(reason._tag, "ResultNotFound")
        assert.include(reason.message, "not-there.prefect")
      }))

    test("takes exactly the limit of bytes and fails with ResultTooLarge above it", (subject) =>
      Effect.gen(function*() {
        yield* put(subject, "hundred.prefect", bytesOf(100))
        const descriptor = subject.descriptor("hundred.prefect")
        same((yield* readBytes(descriptor, 100)).bytes, bytesOf(100))
        const reason = yield* readReason(descriptor, 99)
        if (reason._tag !== "ResultTooLarge") return assert.fail(reason._tag)
        assert.strictEqual(reason.limit, 99)
        assert.strictEqual(reason.size, 100)
      }))

    test("refuses what was not allowed without asking the store", (subject) =>
      Effect.gen(function*() {
        assert.isAbove(subject.outside.length, 0)
        const before = subject.asked?.()
        for (const descriptor of subject.outside) {
          assert.strictEqual((yield* readReason(descriptor))._tag, "ResultAccessDenied", JSON.stringify(descriptor))
        }
        assert.strictEqual(subject.asked?.(), before)
      }))

    test("gives parts of large bytes, and none of what has changed", (subject) =>
      Effect.gen(function*() {
        const descriptor = subject.descriptor("parts.prefect")
        const bytes = bytesOf(3_000_001)
        yield* put(subject, "parts.prefect", bytes)
        const resolved = (yield* ResultStorage).resolve(descriptor)?.resolved
        if (resolved?._tag !== "Allowed") return assert.fail("it may not be read")
        if (subject.hasParts === false) return assert.isUndefined(yield* resolved.open?.() ?? Effect.undefined)
        if (resolved.open === undefined) return assert.fail("it gives no parts")
        const parts = yield* resolved.open()
        if (parts === undefined) return assert.fail("it gives no parts")
        assert.strictEqual(parts.size, bytes.length)
        const spans = [[0, 8], [100, 65_000], [65_530, 10], [2_999_993, 8], [1_000_000, 1_500_000], [
          0,
          3_000_001
        ]] as const
        const read = yield* Effect.forEach(spans, ([offset, length]) => parts.read(offset, length), { concurrency: 3 })
        for (const [i, [offset, length]] of spans.entries()) {
          same(read[i]!, bytes.subarray(offset, offset + length))
        }
        yield* put(subject, "parts.prefect", bytesOf(3_000_000))
        const reason = yield* Effect.flip(parts.read(1_000_000, 1_000_000))
        assert.strictEqual(reason._tag, "StorageUnavailable")
      }))

    test("gives parts of small bytes", (subject) =>
      Effect.gen(function*() {
        for (const length of [1, 100]) {
          yield* put(subject, `small-${length}`, bytesOf(length))
          const resolved = (yield* ResultStorage).resolve(subject.descriptor(`small-${length}`))?.resolved
          if (resolved?._tag === "Allowed" && subject.hasParts === false) {
            assert.isUndefined(yield* resolved.open?.() ?? Effect.undefined)
            continue
          }
          const parts = resolved?._tag === "Allowed" ? yield* resolved.open!() : undefined
          same(yield* parts!.read(0, length), bytesOf(length))
        }
      }))

    test("reads many at once and keeps them apart", (subject) =>
      Effect.gen(function*() {
        const lengths = Array.from({ length: 60 }, (_, index) => index * 7)
        yield* Effect.forEach(lengths, (length) => put(subject, `many/${length}`, bytesOf(length)), { concurrency: 8 })
        const all = yield* Effect.forEach(lengths, (length) => readBytes(subject.descriptor(`many/${length}`)), {
          concurrency: "unbounded"
        })
        for (const [index, stored] of all.entries()) same(stored.bytes, bytesOf(index * 7))
      }))

    test("can be interrupted and read again", (subject) =>
      Effect.gen(function*() {
        yield* put(subject, "again.prefect", bytesOf(2_000_000))
        const descriptor = subject.descriptor("again.prefect")
        for (let turn = 0; turn < 5; turn++) {
          const fiber = yield* Effect.forkChild(readBytes(descriptor), { startImmediately: true })
          if (turn > 0) yield* Effect.sleep(turn)
          yield* Fiber.interrupt(fiber)
        }
        same((yield* readBytes(descriptor)).bytes, bytesOf(2_000_000))
      }))

    test("says how much it reads at once", (subject) =>
      Effect.gen(function*() {
        const storage = yield* ResultStorage
        assert.isAbove(storage.resolve(subject.descriptor("any"))?.reader.concurrency ?? 0, 1)
      }))

    it.live("fails clearly once its layer has closed", () =>
      Effect.gen(function*() {
        const subject = yield* make
        yield* Effect.promise(() => subject.put("late.prefect", bytesOf(10)))
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(subject.layer, scope)
        yield* readBytes(subject.descriptor("late.prefect")).pipe(Effect.provide(context))
        yield* Scope.close(scope, Exit.void)
        const reason = yield* readReason(subject.descriptor("late.prefect")).pipe(Effect.provide(context))
        assert.strictEqual(reason._tag, "StorageUnavailable")
        assert.include(reason.message, "closed")
      }).pipe(Effect.scoped))
  })
}
