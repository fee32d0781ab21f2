import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import type { ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as Effect from "effect/Effect"

export const flowRunId = "flow-run"

export const local = (location: string | null) => ({ type: "LocalResult", location, dir: "/srv" })
export const success = (location: string | null) => ({ type: "Success", _result: local(location) })

/** A mapped task `score-1` whose child `i` is stored at `/srv/i.json`, changed by `change`. */
export const mappedTables = (
  count: number,
  options: {
    readonly nMapStates?: number | null
    readonly change?: (index: number) => Partial<MemoryApi.TaskRunRow> | undefined
    readonly extra?: ReadonlyArray<MemoryApi.TaskRunRow>
  } = {}
): MemoryApi.Tables => {
  const nMapStates = options.nMapStates === undefined ? count : options.nMapStates
  return {
    flow_run: [{ id: flowRunId, name: "run" }],
    task: [{ id: "task", slug: "score-1" }],
    task_run: [
      {
        id: "parent",
        task_id: "task",
        flow_run_id: flowRunId,
        serialized_state: { type: "Mapped", ...(nMapStates === null ? {} : { n_map_states: nMapStates }) }
      },
      ...Array.from({ length: count }, (_, index) => ({
        id: `child-${index}`,
        task_id: "task",
        flow_run_id: flowRunId,
        map_index: index,
        serialized_state: success(`/srv/${index}.json`),
        ...options.change?.(index)
      })),
      ...(options.extra ?? [])
    ]
  }
}

/** One task run `run` of the task `extract-1` in this state. */
export const single = (serialized_state: unknown): MemoryApi.Tables => ({
  flow_run: [{ id: flowRunId, name: "run" }],
  task: [{ id: "task", slug: "extract-1" }],
  task_run: [{ id: "run", task_id: "task", flow_run_id: flowRunId, serialized_state }]
})

/** A storage for LocalResult under `/srv/`, and what was asked of it. */
export const storageOf = (read: (location: string) => ReturnType<ResultStorage.ResultStorage["Service"]["read"]>) => {
  const reads: Array<string> = []
  let running = 0
  let most = 0
  const layer = ResultStorage.layer(Effect.succeed([{
    type: "LocalResult",
    concurrency: 8,
    resolve: (descriptor: ResultDescriptor): ResultStorage.ResolvedLocation => {
      const location = String(descriptor.location)
      if (!location.startsWith("/srv/")) return { _tag: "Denied", location, hint: "allow it" }
      return {
        _tag: "Allowed",
        location,
        read: () =>
          Effect.suspend(() => {
            reads.push(location)
            most = Math.max(most, ++running)
            return read(location)
          }).pipe(Effect.ensuring(Effect.sync(() => running--)))
      }
    }
  }]))
  return { layer, reads, most: () => most }
}

/** Bytes that hold a value as JSON. */
export const json = (value: unknown) =>
  Effect.succeed({
    _tag: "Bytes" as const,
    bytes: new TextEncoder().encode(JSON.stringify(value)),
    name: "value.json"
  })

export const numberOf = (location: string): number => Number(/(\d+)\.json$/.exec(location)?.[1])

/** Files `/srv/N.json` that hold N. */
export const numbers = () => storageOf((location) => json(numberOf(location)))

/** A backend of tables that counts what it is asked. */
export const countingApi = (tables: MemoryApi.Tables) => {
  let requests = 0
  const layer = MemoryApi.layer(Effect.sync(() => {
    requests++
    return tables
  }))
  return { layer, requests: () => requests }
}
