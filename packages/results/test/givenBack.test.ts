/** All memory that a walk or a load took is given back, however it ends. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { PrefectApiError, Unavailable } from "@effect-prefect/api/PrefectApiError"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import { ResultNotFound } from "@effect-prefect/results/ResultError"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { budgetOf } from "../src/internal/run/memory.ts"
import { flowRunId, mappedTables, numberOf, storageOf, success } from "./support/world.ts"

const size = 10_000
const count = 24
const bytes = (text: string) =>
  Effect.succeed({ _tag: "Bytes" as const, bytes: new TextEncoder().encode(text), name: "x.json" })
/** Not the texts of one length that are decoded at once. */
const whole = bytes(JSON.stringify(["x".repeat(size)]))
const yields = Effect.forEach(Array.from({ length: 50 }), () => Effect.yieldNow, { discard: true })
const parent = TaskRun.fromTaskRunId("parent")

type Required = PrefectApi | ResultStorage
/** What each walk gives, one by one. */
const walks: Record<string, Stream.Stream<unknown, unknown, Required>> = {
  outcomes: Stream.unwrap(Effect.map(parent, ({ outcomes }) => outcomes)),
  outcomesBetween: Stream.unwrap(Effect.map(parent, (run) => run.outcomesBetween(2, 18))),
  "iterMapped and getResult": Stream.unwrap(
    Effect.map(
      parent,
      ({ iterMapped }) => Stream.mapEffect(iterMapped, ({ getResult }) => getResult, { concurrency: 9 })
    )
  ),
  "getTable of children": Stream.unwrap(Effect.map(parent, (run) => run.getTable())),
  outcomesOf: TaskRun.outcomesOf(Stream.unwrap(Effect.map(PrefectApi, (api) => api.taskRuns({ flowRunId })))),
  "FlowRun.results": Stream.unwrap(Effect.map(FlowRun.fromFlowRunId(flowRunId), ({ results }) => results)),
  getResult: Stream.fromEffect(Effect.flatMap(parent, ({ getResult }) => getResult)),
  "getResult of one": Stream.fromEffect(
    Effect.flatMap(TaskRun.fromTaskRunId("child-20"), ({ getResult }) => getResult)
  ),
  getResultBytes: Stream.fromEffect(
    Effect.flatMap(TaskRun.fromTaskRunId("child-20"), ({ getResultBytes }) => getResultBytes)
  ),
  "a walk within the consumer of a walk": Stream.unwrap(
    Effect.map(
      parent,
      ({ outcomes }) =>
        Stream.flatMap(Stream.take(outcomes, 4), () => Stream.flatMap(Stream.take(outcomes, 4), () => outcomes))
    )
  )
}

interface Ending {
  readonly end: (walk: Stream.Stream<unknown, unknown, Required>) => Effect.Effect<unknown, unknown, Required>
  readonly read?: (index: number) => ReturnType<ResultStorage["Service"]["read"]>
  readonly breaks?: boolean
  readonly nMapStates?: number
}

const endings: Record<string, Ending> = {
  "all of it is taken": { end: Stream.runDrain },
  "the first is taken": { end: (walk) => Stream.runDrain(Stream.take(walk, 1)) },
  "a few are taken": { end: (walk) => Stream.runDrain(Stream.take(walk, 7)) },
  "the consumer fails": { end: (walk) => Stream.runForEach(walk, () => Effect.fail("no")) },
  "the consumer fails later": { end: (walk) => Stream.runForEach(Stream.drop(walk, 5), () => Effect.fail("no")) },
  "the consumer has a defect": { end: (walk) => Stream.runForEach(walk, () => Effect.die("no")) },
  "the consumer is interrupted": {
    end: (walk) =>
      Effect.gen(function*() {
        const begun = yield* Deferred.make<void>()
        const run = Stream.runForEach(walk, () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
        const fiber = yield* Effect.forkChild(Effect.ensuring(run, Deferred.succeed(begun, undefined)))
        yield* Deferred.await(begun)
        yield* yields
        yield* Fiber.interrupt(fiber)
      })
  },
  "it is interrupted while the storage does not answer": {
    read: (index) => index > 10 ? Effect.never : whole,
    end: (walk) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(Stream.runDrain(walk))
        yield* yields
        yield* Fiber.interrupt(fiber)
      })
  },
  "the storage fails in the middle": {
    read: (index) =>
      index > 10 ? Effect.fail(new ResultNotFound({ location: "there", detail: "it is not there" })) : whole,
    end: Stream.runDrain
  },
  "the storage has a defect in the middle": {
    read: (index) => index > 10 ? Effect.die("broken") : whole,
    end: Stream.runDrain
  },
  "the bytes are of no format in the middle": {
    read: (index) => index > 10 ? bytes(`{"a": ${"[".repeat(size)}`) : whole,
    end: Stream.runDrain
  },
  "one can never fit": {
    read: (index) => index === 5 ? bytes(JSON.stringify("x".repeat(30 * size))) : whole,
    end: Stream.runDrain
  },
  "the backend fails in the middle": { breaks: true, end: Stream.runDrain },
  "children are missing": { nMapStates: count + 1, end: Stream.runDrain }
}

describe.each(Object.entries(walks))("the memory of %s is given back when", (_, walk) => {
  it.effect.each(Object.entries(endings))("%s", ([, { breaks, end, nMapStates, read }]) => {
    const storage = storageOf((location) => read?.(numberOf(location)) ?? whole)
    const api = MemoryApi.layer(mappedTables(count, {
      ...(nMapStates === undefined ? {} : { nMapStates }),
      extra: [{ id: "alone", task_id: "other", flow_run_id: flowRunId, serialized_state: success("/srv/1.json") }]
    }))
    const broken = Layer.effect(
      PrefectApi,
      Effect.map(PrefectApi, (inner) =>
        PrefectApi.of({
          ...inner,
          mappedChildren: (place, options) =>
            Stream.concat(
              Stream.take(inner.mappedChildren(place, options), 15),
              Stream.fail(
                new PrefectApiError({ operation: "mappedChildren", reason: new Unavailable({ detail: "gone" }) })
              )
            )
        }))
    )
    const maxMemory = 12 * size
    return Effect.gen(function*() {
      const budget = budgetOf(yield* ResultStorage, maxMemory)
      yield* Effect.exit(end(walk))
      yield* yields
      assert.strictEqual(budget.held, 0)
      assert.isTrue(budget.hasRoom(maxMemory))
      for (const left of ["underWay", "decoding"]) assert.strictEqual(Reflect.get(budget, left), 0, left)
    }).pipe(Effect.provide(Layer.mergeAll(
      breaks === true ? Layer.provide(broken, api) : api,
      storage.layer,
      ResultOptions.layer({ maxMemory, pageSize: 5 })
    )))
  })
})
