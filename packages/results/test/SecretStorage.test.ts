import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as ConstantStorage from "@effect-prefect/results/ConstantStorage"
import * as InlineStorage from "@effect-prefect/results/InlineStorage"
import { ResultNotFound } from "@effect-prefect/results/ResultError"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as SecretStorage from "@effect-prefect/results/SecretStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import { single } from "./support/world.ts"

const secret = (name: string) =>
  MemoryApi.layer(single({ type: "Success", _result: { type: "SecretResult", location: name, secret_type: "x" } }))
const constant = MemoryApi.layer(single({ type: "Success", _result: { type: "ConstantResult", location: "'CANARY'" } }))

const result = Effect.flatMap(TaskRun.fromTaskRunId("run"), (run) => run.getResult)

/** Where a backend keeps its secrets. */
class Vault extends Context.Service<Vault, { readonly secrets: Record<string, string> }>()("test/Vault") {}

const secrets = SecretStorage.layer((name) =>
  Effect.flatMap(Vault, ({ secrets }) =>
    secrets[name] === undefined
      ? Effect.fail(new ResultNotFound({ location: name, detail: "the vault does not have it" }))
      : Effect.succeed(Redacted.make(secrets[name])))
).pipe(Layer.provide(Layer.succeed(Vault, { secrets: { TOKEN: "CANARY" } })))

describe("SecretStorage", () => {
  it.effect("gives the secret of a name, which nothing prints", () =>
    Effect.gen(function*() {
      const run = yield* TaskRun.fromTaskRunId("run")
      const value = yield* run.getResult
      assert.isTrue(Redacted.isRedacted(value))
      assert.strictEqual(Redacted.value(value as Redacted.Redacted), "CANARY")
      assert.notInclude(JSON.stringify(value) + String(value) + inspect(value) + inspect(run, { depth: 9 }), "CANARY")
      assert.strictEqual((yield* Effect.flip(run.getResultBytes)).reason._tag, "ResultDecodeError")
    }).pipe(Effect.provide([secret("TOKEN"), ResultStorage.layerMerge([InlineStorage.layer, secrets])])))

  it.effect("fails as the resolver does", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* Effect.flip(result)).reason._tag, "ResultNotFound")
    }).pipe(Effect.provide([secret("OTHER"), secrets])))

  it.effect("hides what a caller without types gives bare", () =>
    Effect.gen(function*() {
      assert.notInclude(inspect(yield* result), "CANARY")
    }).pipe(Effect.provide([
      secret("TOKEN"),
      SecretStorage.layer((() => Effect.succeed("CANARY")) as unknown as () => Effect.Effect<Redacted.Redacted>)
    ])))

  it.effect("is needed for secrets", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(result)
      assert.strictEqual(error.reason._tag, "UnsupportedResultType")
      assert.include(error.message, "SecretStorage.layer")
    }).pipe(Effect.provide([secret("TOKEN"), InlineStorage.layer])))
})

describe("ConstantStorage", () => {
  it.effect("gives what the caller makes of the repr", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* result, "CANARY")
    }).pipe(Effect.provide([constant, ConstantStorage.layer((repr) => Effect.succeed(repr.slice(1, -1)))])))

  it.effect("is needed for constants, whose value no error shows", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(result)
      assert.strictEqual(error.reason._tag, "UnsupportedResultType")
      assert.include(error.message, "ConstantStorage.layer")
      assert.notInclude(error.message, "CANARY")
    }).pipe(Effect.provide([constant, InlineStorage.layer])))
})
