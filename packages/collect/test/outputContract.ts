import { CollectOutput, type Creation, digestOf } from "@effect-prefect/collect/CollectOutput"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

const bytes = (text: string) => Buffer.from(text)
/** What is listed, without the probe that some outputs keep until the end. */
const listed = (output: CollectOutput["Service"], folder: string) =>
  Effect.map(
    Stream.runCollect(output.list(folder)),
    (names) => names.filter((name) => !name.startsWith("_probe-")).sort()
  )
const body = (...texts: ReadonlyArray<string>) => Stream.fromIterable(texts.map(bytes))

/** What every output does. Each call of `fresh` gives a layer over an empty place. */
export const outputContract = (
  name: string,
  fresh: () => Effect.Effect<Layer.Layer<CollectOutput>>,
  /** Whether answers are lost: a writer may then take its own file for another's, and has to look what is there. */
  isLossy = false
) => {
  const assertCreated = (created: Creation) => isLossy || assert.isTrue(created.isNew)
  const test = (title: string, run: (output: CollectOutput["Service"]) => Effect.Effect<void, unknown>) =>
    it.live(title, () =>
      Effect.flatMap(fresh(), (layer) =>
        Effect.provide(
          Effect.gen(function*() {
            const output = yield* CollectOutput
            yield* output.prepare("job")
            yield* run(output)
          }),
          layer
        )))

  // Each has a place of its own, and some wait for what asks again.
  describe(`${name}`, { concurrent: true }, () => {
    test("creates a file whole, and says what it wrote", (output) =>
      Effect.gen(function*() {
        const created = yield* output.create("part-000000.jsonl", body("a", "", "bc"))
        assertCreated(created)
        assert.deepStrictEqual({ ...created, isNew: true }, { isNew: true, ...digestOf(bytes("abc")) })
        assert.deepStrictEqual(Buffer.from((yield* output.read("part-000000.jsonl"))!), bytes("abc"))
        assert.deepStrictEqual(yield* output.digest("part-000000.jsonl"), digestOf(bytes("abc")))
      }))

    test("leaves a file of that name as it is", (output) =>
      Effect.gen(function*() {
        yield* output.create("_records/part-000000.json", body("first"))
        const second = yield* output.create("_records/part-000000.json", body("second"))
        assert.deepStrictEqual(second, { isNew: false, ...digestOf(bytes("second")) })
        assert.strictEqual(Buffer.from((yield* output.read("_records/part-000000.json"))!).toString(), "first")
      }))

    test("lets one of many writers win", (output) =>
      Effect.gen(function*() {
        const created = yield* Effect.all(
          Array.from({ length: 20 }, (_, index) => output.create("_manifest.json", body(`writer ${index}`))),
          { concurrency: "unbounded" }
        )
        const winners = created.filter(({ isNew }) => isNew)
        assert.isAtMost(winners.length, 1)
        if (!isLossy) assert.strictEqual(winners.length, 1)
        const there = (yield* output.digest("_manifest.json"))?.sha256
        assert.strictEqual(there, winners[0]?.sha256 ?? there)
        assert.include(created.map(({ sha256 }) => sha256), there)
      }))

    test("leaves nothing of a body that fails or is interrupted", (output) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(
          output.create("part-000000.jsonl", Stream.concat(body("a"), Stream.fail("broken" as const)))
        )
        assert.strictEqual(error, "broken")
        yield* Effect.timeoutOption(
          output.create("part-000001.jsonl", Stream.concat(body("a"), Stream.never)),
          "20 millis"
        )
        assert.deepStrictEqual(yield* listed(output, ""), [])
        assertCreated(yield* output.create("part-000001.jsonl", body("b")))
        assert.deepStrictEqual(yield* output.digest("part-000001.jsonl"), digestOf(bytes("b")))
      }))

    test("knows what is not there", (output) =>
      Effect.gen(function*() {
        assert.isUndefined(yield* output.read("_plan.json"))
        assert.isUndefined(yield* output.digest("_plan.json"))
        assert.deepStrictEqual(yield* Stream.runCollect(output.list("_records/")), [])
      }))

    test("lists the files of a folder, without those of others", (output) =>
      Effect.gen(function*() {
        for (
          const name of ["_plan.json", "part-000000.jsonl", "_records/part-000000.json", "_records/part-000001.json"]
        ) {
          yield* output.create(name, body("x"))
        }
        assert.deepStrictEqual(yield* listed(output, ""), [
          "_plan.json",
          "part-000000.jsonl"
        ])
        assert.deepStrictEqual(yield* listed(output, "_records/"), [
          "_records/part-000000.json",
          "_records/part-000001.json"
        ])
        yield* output.finish
        assert.deepStrictEqual(yield* listed(output, ""), [
          "_plan.json",
          "part-000000.jsonl"
        ])
      }))

    test("takes bodies of any size", (output) =>
      Effect.gen(function*() {
        const large = Buffer.alloc(3 * 1024 * 1024, "0123456789")
        const created = yield* output.create("part-000000.jsonl", Stream.make(large, large, Buffer.alloc(0)))
        assertCreated(created)
        assert.deepStrictEqual(yield* output.digest("part-000000.jsonl"), digestOf(Buffer.concat([large, large])))
        assertCreated(yield* output.create("part-000001.jsonl", Stream.empty))
        assert.strictEqual((yield* output.digest("part-000001.jsonl"))?.bytes, 0)
      }))
  })
}
