import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as Collect from "@effect-prefect/collect/Collect"
import * as CollectOutput from "@effect-prefect/collect/CollectOutput"
import type { ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import { ResultNotFound, StorageUnavailable } from "@effect-prefect/results/ResultError"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as TestClock from "effect/testing/TestClock"

export const success = (location: string) => ({
  type: "Success",
  _result: { type: "LocalResult", location, dir: "/srv" }
})

type Row = MemoryApi.TaskRunRow

/** A task without children. */
export const single = (
  flowRunId: string,
  slug: string,
  state: unknown = success(`/srv/${flowRunId}-${slug}.json`)
) => ({
  tasks: [{ id: `task-${slug}`, slug }],
  rows: [{
    id: `${flowRunId}-${slug}`,
    task_id: `task-${slug}`,
    flow_run_id: flowRunId,
    serialized_state: state
  }] as Array<Row>
})

/** A mapped task with so many children. */
export const mapped = (
  flowRunId: string,
  slug: string,
  count: number,
  options: {
    readonly nMapStates?: number | null
    readonly indices?: ReadonlyArray<number>
    readonly parent?: boolean
    readonly state?: (index: number) => unknown
  } = {}
) => {
  const nMapStates = options.nMapStates === undefined ? count : options.nMapStates
  const indices = options.indices ?? Array.from({ length: count }, (_, index) => index)
  return {
    tasks: [{ id: `task-${slug}`, slug }],
    rows: [
      ...(options.parent === false ? [] : [{
        id: `${flowRunId}-${slug}`,
        task_id: `task-${slug}`,
        flow_run_id: flowRunId,
        serialized_state: { type: "Mapped", ...(nMapStates === null ? {} : { n_map_states: nMapStates }) }
      }]),
      ...indices.map((index, at) => ({
        id: `${flowRunId}-${slug}-${index}-${at}`,
        task_id: `task-${slug}`,
        flow_run_id: flowRunId,
        map_index: index,
        serialized_state: options.state?.(index) ?? success(`/srv/${index}.json`)
      }))
    ] as Array<Row>
  }
}

/** Tables of flow runs with these tasks; each was created a second after the one before. */
export const tables = (
  flowRuns: Record<string, ReadonlyArray<ReturnType<typeof single>>>,
  options: { readonly state?: unknown } = {}
): MemoryApi.Tables => {
  const groups = Object.values(flowRuns).flat()
  return {
    flow: [{ id: "flow", name: "nightly" }],
    flow_run: Object.keys(flowRuns).map((id, at) => ({
      id,
      name: id,
      flow_id: "flow",
      created: new Date(Date.UTC(2022, 0, 1, 0, 0, at)).toISOString(),
      serialized_state: options.state ?? { type: "Success" }
    })),
    task: [...new Map(groups.flatMap(({ tasks }) => tasks).map((task) => [task.id, task])).values()],
    task_run: groups.flatMap(({ rows }) => rows)
  }
}

type Read = Effect.Effect<ResultStorage.StoredResult, ResultNotFound | StorageUnavailable>

export const json = (value: unknown): Read =>
  Effect.succeed({ _tag: "Bytes", bytes: new TextEncoder().encode(JSON.stringify(value)), name: "value.json" })

export const notFound = (location: string): Read =>
  Effect.fail(new ResultNotFound({ location, detail: "it is not there" }))

export const unavailable = (location: string): Read =>
  Effect.fail(new StorageUnavailable({ location, detail: "it does not answer" }))

/** A storage of everything below `/srv/`, and what was read of it. */
export const storage = (read: (location: string) => Read = (location) => json({ at: location })) => {
  const reads: Array<string> = []
  const layer = ResultStorage.layer(Effect.succeed([{
    type: "LocalResult",
    concurrency: 8,
    resolve: (descriptor: ResultDescriptor): ResultStorage.ResolvedLocation => {
      const location = String(descriptor.location)
      return location.startsWith("/srv/")
        ? {
          _tag: "Allowed",
          location,
          read: () =>
            Effect.suspend(() => {
              reads.push(location)
              return read(location)
            })
        }
        : { _tag: "Denied", location, hint: "allow it" }
    }
  }]))
  return { layer, reads }
}

export const queue = PersistedQueue.layer.pipe(Layer.provide(PersistedQueue.layerStoreMemory))

export type Options = Parameters<typeof Collect.run>[0]

/** Everything but a queue. */
export const places = (
  data: MemoryApi.Tables,
  files: Map<string, Uint8Array>,
  options: {
    readonly storage?: Layer.Layer<ResultStorage.ResultStorage>
    readonly output?: CollectOutput.Output
    readonly api?: Layer.Layer<PrefectApi>
  } = {}
) =>
  Layer.mergeAll(
    options.api ?? MemoryApi.layer(data),
    options.storage ?? storage().layer,
    Layer.succeed(CollectOutput.CollectOutput, options.output ?? CollectOutput.makeMemory(files))
  )

export const world = (...args: Parameters<typeof places>) => Layer.merge(places(...args), queue)

/** Lets time pass until an effect has ended. */
export const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    while (fiber.pollUnsafe() === undefined) {
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* TestClock.adjust("1 second")
    }
    return yield* Fiber.join(fiber)
  })

export const text = (files: Map<string, Uint8Array>, name: string): string =>
  Buffer.from(files.get(name)!).toString("utf8")

/** The parts of a collection, with their bytes. */
export const parts = (files: Map<string, Uint8Array>): Record<string, string> =>
  Object.fromEntries(
    [...files].filter(([name]) => name.startsWith("part-")).sort(([left], [right]) => left < right ? -1 : 1).map(([
      name,
      bytes
    ]) => [name, Buffer.from(bytes).toString("base64")])
  )

/** The rows of a collection of JSON Lines, over all parts in order. */
export const rows = (files: Map<string, Uint8Array>): Array<Record<string, unknown>> =>
  [...files.keys()].filter((name) => name.startsWith("part-")).sort().flatMap((name) =>
    text(files, name).split("\n").filter((line) => line !== "").map((line) =>
      JSON.parse(line) as Record<string, unknown>
    )
  )
