/** The events of a running flow run, as server-sent events. */
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import * as State from "@effect-prefect/core/State"
import type { Change } from "@effect-prefect/ui-api/Models"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const keepAliveMillis = 15_000

interface Seen {
  readonly run: string
  readonly tasks: ReadonlyMap<string, string>
  readonly log: { readonly timestamp: string; readonly id: string } | undefined
}

type Api = PrefectApi["Service"]

/** The state of a run and its time, which distinguishes two states of one type. */
const mark = (state: State.State): string => JSON.stringify(State.toJson(state) ?? null)

const look = Effect.fnUntraced(function*(api: Api, flowRunId: string, before: Seen | undefined) {
  const run = yield* api.flowRun(flowRunId)
  const tasks = new Map<string, string>()
  const mapped = yield* Effect.orElseSucceed(api.mappedTaskIds(flowRunId), () => new Set<string>())
  for (const view of yield* api.firstTaskRunOfEachTask(flowRunId)) {
    const counts = view.taskId !== null && (mapped.has(view.taskId) || State.isMapped(view.state))
      ? JSON.stringify(yield* api.countMappedChildren({ flowRunId, taskId: view.taskId }))
      : ""
    tasks.set(view.taskRunId, `${mark(view.state)} ${counts}`)
  }
  let log = before?.log
  const lines = api.logs({ flowRunId, after: log }, { pageSize: 500 })
  let isLogged = false
  yield* Stream.runForEach(lines, (entry) =>
    Effect.sync(() => {
      log = { timestamp: entry.timestamp, id: entry.id }
      isLogged = true
    }))
  const seen: Seen = { run: mark(run.state), tasks, log }
  const changes: Array<Change> = []
  if (before !== undefined) {
    for (const [id, text] of tasks) if (before.tasks.get(id) !== text) changes.push({ task_run_id: id, what: "state" })
    if (isLogged) changes.push({ what: "log" })
    if (before.run !== seen.run) changes.push({ what: "run" })
  }
  return { changes, seen, isFinished: State.isFinished(run.state) }
})

const event = (change: Change): string => `data: ${JSON.stringify(change)}\n\n`

/**
 * The changes of a run until it has finished; empty for a finished run, and for a backend that never changes. Requests
 * are repeated while the backend is unavailable.
 *
 * The effect succeeds when the run has been looked at: what a client loads after that is followed without a gap.
 */
export const changesOf = Effect.fnUntraced(function*(
  api: Api,
  view: FlowRunView,
  options: { readonly isStatic: boolean; readonly pollMillis: number }
): Effect.fn.Return<Stream.Stream<string>> {
  if (options.isStatic || State.isFinished(view.state)) return Stream.succeed(": finished\n\n")
  const flowRunId = view.flowRunId
  const first = yield* Effect.option(look(api, flowRunId, undefined))
  const polls = Stream.unwrap(Effect.sync(() => {
    let before = first._tag === "Some" ? first.value.seen : undefined
    let isOver = false
    let spokeAt = Date.now()
    const once = Effect.suspend(() => look(api, flowRunId, before)).pipe(
      Effect.map(({ changes, isFinished, seen }) => {
        // Whatever has changed while the run could not be looked at.
        if (before === undefined) changes.push({ what: "run" }, { what: "log" })
        before = seen
        isOver = isFinished
        if (isFinished && !changes.some(({ what }) => what === "run")) changes.push({ what: "run" })
        return changes
      }),
      Effect.orElseSucceed((): Array<Change> => [])
    )
    const hint = Effect.ignore(Stream.runDrain(Stream.take(api.flowRunSignals(flowRunId), 1)))
    const pause = Effect.raceFirst(Effect.sleep(options.pollMillis), hint)
    const text = Effect.map(once, (changes) => {
      const now = Date.now()
      const isDue = changes.length > 0 || now - spokeAt >= keepAliveMillis
      if (isDue) spokeAt = now
      return changes.length > 0 ? changes.map(event).join("") : isDue ? ": still here\n\n" : ""
    })
    return Stream.concat(
      Stream.fromEffect(text),
      Stream.fromEffectRepeat(Effect.andThen(pause, text)).pipe(Stream.takeUntil(() => isOver))
    ).pipe(Stream.takeUntil(() => isOver))
  }))
  return Stream.concat(Stream.succeed(": following\n\n"), Stream.filter(polls, (text) => text !== ""))
})
