import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { PrefectApiError, RateLimited, Unavailable } from "@effect-prefect/api/PrefectApiError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

/**
 * A flow run that goes on as the clock does: it is scheduled, runs, maps over three children of which one is retried and
 * another fails, and ends Failed after 20 seconds. Some of its lines share a timestamp, some come late, one of them
 * after the end.
 */
export const flowRunId = "00000000-0000-4000-8000-00000000000f"

/** When the flow run ends, in milliseconds, and when its last line is there. */
export const end = 20_000
export const lastLineAt = 23_000

const iso = (millis: number): string => new Date(millis).toISOString()
const id = (kind: number, index: number): string =>
  `${String(kind).padStart(8, "0")}-0000-4000-8000-${String(index).padStart(12, "0")}`

const stored = (index: number) => ({ type: "LocalResult", location: `/srv/${index}.json`, dir: "/srv" })

interface Step {
  readonly at: number
  readonly state: Record<string, unknown>
}

export const flowStates: ReadonlyArray<Step> = [
  { at: 0, state: { type: "Scheduled" } },
  { at: 1000, state: { type: "Running" } },
  { at: end, state: { type: "Failed", message: "Some reference tasks failed." } }
]

const taskRuns: ReadonlyArray<{ readonly mapIndex: number; readonly steps: ReadonlyArray<Step> }> = [
  {
    mapIndex: -1,
    steps: [{ at: 1000, state: { type: "Pending" } }, { at: 5000, state: { type: "Mapped", n_map_states: 3 } }]
  },
  {
    mapIndex: 0,
    steps: [{ at: 5000, state: { type: "Running" } }, { at: 7000, state: { type: "Success", _result: stored(0) } }]
  },
  {
    mapIndex: 1,
    steps: [
      { at: 6000, state: { type: "Running" } },
      { at: 8000, state: { type: "Retrying", run_count: 1 } },
      { at: 12_000, state: { type: "Running" } },
      { at: 14_000, state: { type: "Success", _result: stored(1) } }
    ]
  },
  {
    mapIndex: 2,
    steps: [{ at: 6000, state: { type: "Running" } }, { at: 19_000, state: { type: "Failed" } }]
  }
]

/** Each line's own time, and when the server has it. */
export const lines: ReadonlyArray<{ readonly time: number; readonly seen: number; readonly message: string }> = [
  { time: 1000, seen: 1000, message: "beginning" },
  { time: 5000, seen: 5000, message: "mapping 0" },
  { time: 5000, seen: 5000, message: "mapping 1" },
  { time: 5000, seen: 5000, message: "mapping 2" },
  { time: 5000, seen: 9000, message: "mapping, told late" },
  { time: 8000, seen: 8000, message: "retrying" },
  { time: 10_000, seen: 13_000, message: "late" },
  { time: 19_000, seen: 19_000, message: "failing" },
  { time: 19_500, seen: lastLineAt, message: "after the end" }
]

const upTo = (steps: ReadonlyArray<Step>, now: number) => steps.filter(({ at }) => at <= now)

const tablesAt = (now: number): MemoryApi.Tables => ({
  flow: [{ id: id(9, 0), name: "live" }],
  flow_run: [{
    id: flowRunId,
    flow_id: id(9, 0),
    name: "live",
    serialized_state: upTo(flowStates, now).at(-1)?.state ?? null
  }],
  flow_run_state: upTo(flowStates, now).map(({ at, state }, index) => ({
    id: id(1, index),
    flow_run_id: flowRunId,
    timestamp: iso(at),
    version: index + 1,
    serialized_state: state
  })),
  task: [{ id: id(2, 0), slug: "score-1" }],
  task_run: taskRuns.filter(({ steps }) => steps[0]!.at <= now).map(({ mapIndex, steps }) => ({
    id: id(3, mapIndex + 1),
    task_id: id(2, 0),
    flow_run_id: flowRunId,
    map_index: mapIndex,
    serialized_state: upTo(steps, now).at(-1)!.state
  })),
  log: lines.flatMap(({ message, seen, time }, index) =>
    seen > now ? [] : [{
      id: id(4, index),
      flow_run_id: flowRunId,
      timestamp: iso(time),
      level: index === 7 ? "ERROR" : "INFO",
      message
    }]
  )
})

/** The task run that is mapped, and its child `index`. */
export const parentId = id(3, 0)
export const childId = (index: number): string => id(3, index + 1)

const faults = [
  () => new Unavailable({ detail: "the connection was reset" }),
  () => new RateLimited({})
]

/**
 * The live run behind a backend of which some requests fail: `isBad` says whether the nth one does. A log breaks off in
 * its middle.
 */
export const layer = (isBad: (request: number) => boolean) =>
  Layer.effect(
    PrefectApi,
    Effect.gen(function*() {
      const api = yield* MemoryApi.make(Effect.map(Clock.currentTimeMillis, tablesAt))
      let requests = 0
      const fault = () => new PrefectApiError({ operation: "test", reason: faults[requests % faults.length]!() })
      const query = <Args extends ReadonlyArray<unknown>, A>(
        ask: (...args: Args) => Effect.Effect<A, PrefectApiError>
      ) =>
      (...args: Args): Effect.Effect<A, PrefectApiError> =>
        Effect.suspend(() => isBad(requests++) ? Effect.fail(fault()) : ask(...args))
      return PrefectApi.of({
        ...api,
        flowRun: query(api.flowRun),
        taskRun: query(api.taskRun),
        flowRunStates: query(api.flowRunStates),
        countMappedChildren: query(api.countMappedChildren),
        logs: (logsQuery, options) =>
          Stream.suspend(() =>
            isBad(requests++)
              ? Stream.concat(Stream.take(api.logs(logsQuery, options), 2), Stream.fail(fault()))
              : api.logs(logsQuery, options)
          )
      })
    })
  )
