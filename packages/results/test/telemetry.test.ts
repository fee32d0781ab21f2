/** Spans and metrics of loading: what they say, and that they hold no value. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as State from "@effect-prefect/core/State"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import { ResultNotFound } from "@effect-prefect/results/ResultError"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as Telemetry from "../src/internal/run/telemetry.ts"
import { flowRunId, json, mappedTables, numberOf, storageOf } from "./support/world.ts"

/** A tracer that keeps everything it is given. */
const recorder = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const exits: Array<unknown> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      const end = span.end.bind(span)
      span.end = (time, exit) => {
        exits.push(exit)
        end(time, exit)
      }
      spans.push(span)
      return span
    }
  })
  const named = (name: string) => spans.filter((span) => span.name === name)
  return { layer: Layer.succeed(Tracer.Tracer, tracer), spans, exits, named }
}

const canary = "CANARY-VALUE"
const storage = () => storageOf((location) => json(numberOf(location) === 1 ? canary : numberOf(location)))
const world = (count: number) =>
  Layer.mergeAll(MemoryApi.layer(mappedTables(count)), storage().layer, ResultOptions.layer({ pageSize: 10 }))

describe("spans", () => {
  it.effect("of getResult: the read and the decoding within it, with ids and bytes", () => {
    const recorded = recorder()
    return Effect.gen(function*() {
      yield* (yield* TaskRun.fromTaskRunId("child-1")).getResult
      const [getResult] = recorded.named("TaskRun.getResult")
      assert.strictEqual(getResult?.attributes.get("prefect.task_run.id"), "child-1")
      assert.strictEqual(recorded.named("TaskRun.fromTaskRunId")[0]?.attributes.get("prefect.task_run.id"), "child-1")
      for (const name of ["ResultStorage.read", "ResultFormat.decode"]) {
        const [span] = recorded.named(name)
        assert.strictEqual(span?.attributes.get("prefect.result.bytes"), canary.length + 2, name)
        assert.strictEqual(
          (span?.parent as { readonly value?: Tracer.Span } | undefined)?.value?.spanId,
          getResult?.spanId,
          name
        )
      }
      assert.strictEqual(
        recorded.named("ResultStorage.read")[0]?.attributes.get("prefect.result.storage"),
        "LocalResult"
      )
      assert.notInclude(JSON.stringify([recorded.exits, recorded.spans.map((span) => [...span.attributes])]), canary)
    }).pipe(Effect.provide(Layer.merge(world(3), recorded.layer)))
  })

  it.effect("of a walk: an event for each page, and the numbers of children and failures; none for each child", () => {
    const recorded = recorder()
    return Effect.gen(function*() {
      yield* Stream.runDrain((yield* TaskRun.fromTaskRunId("parent")).outcomes)
      const [walk] = recorded.named("TaskRun.outcomes")
      assert.strictEqual(walk?.attributes.get("prefect.children"), 25)
      assert.strictEqual(walk?.attributes.get("prefect.failures"), 0)
      const pages = walk?.events.map(([name, , attributes]) => [name, attributes?.["rows"]] as const) ?? []
      assert.isTrue(pages.every(([name]) => name === "page"))
      assert.isBelow(pages.length, 10)
      assert.strictEqual(pages.reduce((sum, [, rows]) => sum + Number(rows), 0), 25)
      assert.lengthOf(recorded.named("ResultStorage.read"), 0)
    }).pipe(Effect.provide(Layer.merge(world(25), recorded.layer)))
  })

  it.effect("of failures: the reason's tag, without what the message names", () => {
    const recorded = recorder()
    return Effect.gen(function*() {
      const flowRun = yield* FlowRun.fromFlowRunId(flowRunId)
      const parent = yield* TaskRun.fromTaskRunId("parent")
      const [outcome] = yield* Stream.runCollect(Stream.take(parent.outcomes, 1))
      assert.strictEqual(outcome?.result._tag, "Failure")
      const child = yield* TaskRun.fromTaskRunId("child-1")
      const failures = [
        yield* Effect.flip(child.getResult),
        yield* Effect.flip(parent.getResult),
        yield* Effect.flip(Stream.runDrain(child.getTable())),
        yield* Effect.flip(Stream.runDrain(child.outcomes))
      ]
      // The caller has the whole message.
      for (const failure of failures.slice(0, 3)) assert.include(failure.message, canary)
      yield* Stream.runDrain(flowRun.results)
      const told = recorded.exits.filter((exit): exit is Exit.Failure<unknown, unknown> =>
        Exit.isExit(exit) && Exit.isFailure(exit)
      ).map(({ cause }) =>
        Cause.prettyErrors(cause, { includeCauseInStack: true }).map(({ message, stack }) => [message, stack])
      )
      assert.isAtLeast(told.length, 5)
      assert.notInclude(JSON.stringify(told), canary)
      for (const name of ["ResultStorage.read", "TaskRun.getResult", "TaskRun.getTable"]) {
        assert.strictEqual(recorded.named(name)[0]?.attributes.get("error.type"), "ResultNotFound", name)
      }
      assert.strictEqual(recorded.named("TaskRun.outcomes")[1]?.attributes.get("error.type"), "NotMapped")
      assert.strictEqual(recorded.named("FlowRun.results")[0]?.attributes.get("prefect.failures"), 4)
    }).pipe(Effect.provide(Layer.mergeAll(
      MemoryApi.layer(mappedTables(3)),
      storageOf(() => Effect.fail(new ResultNotFound({ location: `s3://b/${canary}`, detail: "gone" }))).layer,
      recorded.layer
    )))
  })
})

describe("metrics", () => {
  it.effect("count loads, bytes and failures by storage and reason", () =>
    Effect.gen(function*() {
      const before = yield* counts
      yield* Stream.runDrain((yield* TaskRun.fromTaskRunId("parent")).outcomes)
      const after = yield* counts
      const grown = (id: string, attributes: Record<string, string>) => after(id, attributes) - before(id, attributes)
      assert.strictEqual(grown("prefect.results.loads", { storage: "LocalResult", outcome: "ok" }), 3)
      assert.strictEqual(grown("prefect.results.loads", { storage: "LocalResult", outcome: "ResultDecodeError" }), 1)
      assert.strictEqual(grown("prefect.results.bytes", { storage: "LocalResult" }), 3 + 3)
      const counters = (yield* Metric.snapshot).filter((one) => one.type === "Counter" && one.id.startsWith("prefect."))
      assert.isAtLeast(counters.length, 2)
      for (const { id, state } of counters) assert.propertyVal(state, "incremental", true, id)
    }).pipe(Effect.provide(Layer.mergeAll(
      MemoryApi.layer(mappedTables(4)),
      storageOf((location) =>
        Effect.succeed({
          _tag: "Bytes" as const,
          bytes: new TextEncoder().encode(numberOf(location) === 3 ? "???" : "1"),
          name: "x.json",
          format: "json" as const
        })
      ).layer
    ))))
})

describe("the place of a result", () => {
  it("is its storage, and the bucket or container without the key", () => {
    const place = (result: object) => Telemetry.placeOf(State.fromJson({ type: "Success", _result: { ...result } }))
    const stored = (type: string, bucket?: string) => ({
      "prefect.result.storage": type,
      ...(bucket === undefined ? {} : { "prefect.result.bucket": bucket })
    })
    assert.deepStrictEqual(place({ type: "S3Result", bucket: "b", location: "k" }), stored("S3Result", "b"))
    assert.deepStrictEqual(place({ type: "GCSResult", bucket: "b", location: "k" }), stored("GCSResult", "b"))
    assert.deepStrictEqual(place({ type: "AzureResult", container: "c", location: "k" }), stored("AzureResult", "c"))
    assert.deepStrictEqual(place({ type: "LocalResult", dir: "d", location: "k" }), stored("LocalResult"))
    assert.deepStrictEqual(Telemetry.placeOf(State.fromJson({ type: "Running" })), stored("none"))
  })
})

const counts = Effect.map(Metric.snapshot, (snapshots) => (id: string, attributes: Record<string, string>): number => {
  const found = snapshots.find((one) =>
    one.id === id &&
    Object.entries(attributes).every(([key, value]) => one.attributes?.[key] === value)
  )
  return found?.type === "Counter" ? Number(found.state.count) : 0
})
