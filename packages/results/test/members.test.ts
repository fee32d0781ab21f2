/** The rule of README: what depends on nothing is a value, what takes an argument, even an optional one, a function. */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as Sample from "@effect-prefect/results/sample"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Each member of A, by whether it takes an argument; a function without one fits neither. */
type Members<A> = {
  readonly [K in keyof A]-?: A[K] extends (...args: infer P) => unknown ? P["length"] extends 0 ? never : "function"
    : "value"
}

const taskRun: Members<TaskRun.TaskRun> = {
  view: "value",
  getResult: "value",
  getResultAs: "function",
  getTable: "function",
  getResultBytes: "value",
  iterMapped: "value",
  iterMappedAfter: "function",
  outcomes: "value",
  outcomesAfter: "function",
  outcomesBetween: "function",
  mappedStateCounts: "value",
  awaitResult: "function",
  states: "value",
  logs: "function",
  getLatest: "value"
}

const flowRun: Members<FlowRun.FlowRun> = {
  view: "value",
  parameters: "value",
  states: "value",
  flow: "value",
  taskRuns: "function",
  getTaskRun: "function",
  logs: "function",
  artifacts: "value",
  getResult: "value",
  getResultAs: "function",
  getResultBytes: "value",
  awaitResult: "function",
  results: "value",
  watch: "function",
  getLatest: "value"
}

const kinds = (object: object, names: object) =>
  Object.fromEntries(
    Object.keys(names).map((name) => {
      const kind = typeof Reflect.get(object, name)
      return [name, kind === "function" ? kind : kind === "object" ? "value" : kind]
    })
  )

const services = Layer.merge(ArchiveApi.layer(Sample.directory), LocalStorage.layerArchive(Sample.directory))

describe("the members that depend on nothing are values, those that take an argument functions", () => {
  it.live("of a task run", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(kinds(yield* TaskRun.fromTaskRunId(Sample.taskRunId), taskRun), taskRun)
    }).pipe(Effect.provide(services)))

  it.live("of a flow run", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(kinds(yield* FlowRun.fromFlowRunId(Sample.flowRunId), flowRun), flowRun)
    }).pipe(Effect.provide(services)))
})
