import { CollectOutput } from "@effect-prefect/collect/CollectOutput"
import * as GCSOutput from "@effect-prefect/collect/GCSOutput"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { afterAll } from "vitest"
import { outputContract } from "./outputContract.ts"
import { type FakeGcs, startFakeGcs } from "./support/fakeGcs.ts"

const servers: Array<FakeGcs> = []
const start = (options: Parameters<typeof startFakeGcs>[0] = {}) =>
  Effect.promise(async () => {
    const server = await startFakeGcs(options)
    servers.push(server)
    return server
  })
afterAll(() => Promise.all(servers.map((server) => server.stop())))

const layerOf = (server: FakeGcs) => GCSOutput.layer({ bucket: "bucket", prefix: "some/table", endpoint: server.url })

outputContract("Google Cloud Storage", () => Effect.map(start(), layerOf) as never)

describe("Google Cloud Storage", () => {
  it.live("a store that writes one object over another is refused, and nothing but the probe was written", () =>
    Effect.gen(function*() {
      const server = yield* start({ conditions: false })
      const error = yield* Effect.flip(
        Effect.provide(Effect.flatMap(CollectOutput, (output) => output.prepare("job")), layerOf(server))
      )
      assert.strictEqual(error.reason._tag, "Unsupported")
      assert.include(error.message, "gs://bucket/some/table")
      assert.deepStrictEqual([...server.objects.keys()], ["some/table/_probe-job"])
    }))

  it.live("an object that arrives otherwise than it is stored is an error", () =>
    Effect.gen(function*() {
      const server = yield* start({ damage: () => Buffer.from("other") })
      server.objects.set("some/table/_plan.json", Buffer.from("plan"))
      const output = Effect.flatMap(CollectOutput, (output) => output.read("_plan.json"))
      const error = yield* Effect.flip(Effect.provide(output, layerOf(server)))
      assert.strictEqual(error.reason._tag, "OutputUnavailable")
      assert.include(error.message, "checksum")
    }))
})
