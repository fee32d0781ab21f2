/** Limits a worker to its share of the cluster's requests per second. */
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

export interface Throttle {
  /** Waits for a turn. */
  readonly wait: Effect.Effect<void>
  /** Divides the limit by the number of workers. A worker has at least one request per second. */
  readonly share: (workers: number) => void
}

/** Turns with the interval of the limit, in requests per second. */
export const make = (limit: number): Throttle => {
  let interval = 1000 / limit
  let next = 0
  return {
    share: (workers) => {
      interval = 1000 / Math.max(1, limit / Math.max(1, workers))
    },
    wait: Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const turn = Math.max(now, next)
      next = turn + interval
      return turn - now < 1 ? Effect.void : Effect.sleep(turn - now)
    })
  }
}

type Storage = ResultStorage.ResultStorage["Service"]

/** A storage whose reads wait for their turn. */
export const throttleStorage = (storage: Storage, throttle: Throttle): Storage =>
  ResultStorage.make(storage.readers.map((reader) => ({
    ...reader,
    resolve: (descriptor) => {
      const resolved = reader.resolve(descriptor)
      return resolved._tag === "Denied" ? resolved : {
        ...resolved,
        read: (options) => Effect.andThen(throttle.wait, resolved.read(options)),
        readAtOnce: undefined,
        beforeReadAtOnce: undefined
      }
    }
  })))

type Api = PrefectApi.PrefectApi["Service"]

/** A backend whose lookups wait for their turn; its pages do by `PrefectApi.BeforePage`. */
export const throttleApi = (api: Api, { wait }: Throttle): Api =>
  PrefectApi.PrefectApi.of({
    ...api,
    taskRun: (id) => Effect.andThen(wait, api.taskRun(id)),
    firstTaskRunOfEachTask: (id) => Effect.andThen(wait, api.firstTaskRunOfEachTask(id)),
    mappedTaskIds: (id) => Effect.andThen(wait, api.mappedTaskIds(id)),
    countMappedChildren: (task) => Effect.andThen(wait, api.countMappedChildren(task))
  })
