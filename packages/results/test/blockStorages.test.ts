/** The storages of blocks with credentials of their own, over layers that note when they are made and closed. */
import type { StorageBlock } from "@effect-prefect/api/Backend"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as BlockStorages from "../src/internal/prefect3/blockStorages.ts"
import * as MemoryStorage from "../src/MemoryStorage.ts"
import { ResultStorage } from "../src/ResultStorage.ts"

const block = (id: string, secret = "one"): StorageBlock => ({
  id,
  type: "s3-bucket",
  data: { bucket_name: "data", credentials: { aws_secret_access_key: Redacted.make(secret) } }
})

const subject = Effect.gen(function*() {
  const memory = MemoryStorage.make({})
  const scope = yield* Scope.make()
  const open = new Set<string>()
  const made: Array<string> = []
  const left: Array<string> = []
  const making = { wait: Effect.void as Effect.Effect<unknown> }
  const closing = { wait: Effect.void as Effect.Effect<unknown> }
  const inner = yield* Effect.provide(ResultStorage, memory.layer)
  const storages = BlockStorages.make(
    inner,
    ({ data, id }) => {
      const name = `${id} ${
        Redacted.value(
          (data as { credentials: Record<string, Redacted.Redacted> }).credentials["aws_secret_access_key"]!
        )
      }`
      made.push(name)
      return Layer.provideMerge(
        memory.layer,
        Layer.effectDiscard(
          Effect.andThen(
            Effect.suspend(() => making.wait),
            Effect.acquireRelease(
              Effect.sync(() => open.add(name)),
              () => Effect.andThen(closing.wait, Effect.sync(() => open.delete(name)))
            )
          )
        )
      )
    },
    scope,
    (id) => left.push(id)
  )
  const use = (one: StorageBlock) => storages.use(one.id, one, () => Effect.void)
  return { storages, use, open, made, making, closing, left, close: Scope.close(scope, Exit.void) }
})

describe("the storages of blocks", () => {
  it.effect("are made once for equal blocks, and closed with the layer", () =>
    Effect.gen(function*() {
      const { close, made, open, use } = yield* subject
      yield* use(block("a"))
      yield* use(block("a"))
      assert.deepStrictEqual(made, ["a one"])
      assert.deepStrictEqual([...open], ["a one"])
      yield* close
      assert.strictEqual(open.size, 0)
    }))

  it.effect("are no more than 64, however many blocks a server names", () =>
    Effect.gen(function*() {
      const { left, open, use } = yield* subject
      for (let number = 0; number < 100; number++) {
        yield* use(block(`${number}`))
        yield* use(block("0"))
      }
      assert.strictEqual(open.size, 64)
      assert.strictEqual(left.length, 36)
      assert.isTrue(open.has("0 one") && open.has("99 one"))
    }))

  it.effect("are made anew for a block that has changed, and closed only after the reads from them", () =>
    Effect.gen(function*() {
      const { left, open, storages, use } = yield* subject
      const begun = yield* Deferred.make<void>()
      const end = yield* Deferred.make<void>()
      const reading = yield* Effect.forkChild(
        storages.use("a", block("a"), () => Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(end)))
      )
      yield* Deferred.await(begun)
      yield* use(block("a", "two"))
      assert.deepStrictEqual([...open], ["a one", "a two"])
      assert.deepStrictEqual(left, ["a"])
      yield* Deferred.succeed(end, undefined)
      yield* Fiber.join(reading)
      assert.deepStrictEqual([...open], ["a two"])
    }))

  it.effect("are made once for a block by reads that begin together, also while another one is closed", () =>
    Effect.gen(function*() {
      const { closing, made, open, use } = yield* subject
      for (let number = 0; number < 64; number++) yield* use(block(`${number}`))
      closing.wait = Effect.yieldNow
      yield* Effect.all([use(block("a")), use(block("a"))], { concurrency: 2 })
      assert.deepStrictEqual(made.filter((name) => name === "a one"), ["a one"])
      assert.strictEqual(open.size, 64)
    }))

  it.effect("are made for the next read when the one that they were made for is interrupted", () =>
    Effect.gen(function*() {
      const { making, open, use } = yield* subject
      const begun = yield* Deferred.make<void>()
      making.wait = Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
      const first = yield* Effect.forkChild(use(block("a")))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(first)
      making.wait = Effect.void
      yield* use(block("a"))
      assert.deepStrictEqual([...open], ["a one"])
    }))
})
