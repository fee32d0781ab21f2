/** The events of a running flow run, as server-sent events. */
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import * as JsonText from "@effect-prefect/core/JsonText"
import * as State from "@effect-prefect/core/State"
import type { Change } from "@effect-prefect/ui-api/Models"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

const keepAliveMillis = 15_000

interface Seen {
  readonly run: string
  readonly tasks: ReadonlyMap<string, string>
  readonly log: { readonly timestamp: string; readonly id: string } | undefined
}

type Api = PrefectApi["Service"]

/** The state of a run and its time, which distinguishes two states of one type. */
const mark = (state: State.State): Effect.Effect<string> => JsonText.make(State.toJson(state) ?? null)

const look = Effect.fnUntraced(function*(api: Api, flowRunId: string, before: Seen | undefined) {
  const run = yield* api.flowRun(flowRunId)
  const tasks = new Map<string, string>()
  const mapped = yield* Effect.orElseSucceed(api.mappedTaskIds(flowRunId), () => new Set<string>())
  for (const view of yield* api.firstTaskRunOfEachTask(flowRunId)) {
    const counts = view.taskId !== null && (mapped.has(view.taskId) || State.isMapped(view.state))
      ? JSON.stringify(yield* api.countMappedChildren({ flowRunId, taskId: view.taskId }))
      : ""
    tasks.set(view.taskRunId, `${yield* mark(view.state)} ${counts}`)
  }
  let log = before?.log
  const lines = api.logs({ flowRunId, after: log }, { pageSize: 500 })
  let isLogged = false
  yield* Stream.runForEach(lines, (entry) =>
    Effect.sync(() => {
      log = { timestamp: entry.timestamp, id: entry.id }
      isLogged = true
    }))
  const seen: Seen = { run: yield* mark(run.state), tasks, log }
  const changes: Array<Change> = []
  if (before !== undefined) {
    for (const [id, text] of tasks) if (before.tasks.get(id) !== text) changes.push({ task_run_id: id, what: "state" })
    if (isLogged) changes.push({ what: "log" })
    if (before.run !== seen.run) changes.push({ what: "run" })
  }
  return { changes, seen, isFinished: State.isFinished(run.state) }
})

const event = (change: Change): string => `data: ${JSON.stringify(change)}\n\n`

/** A client that follows a run: what it has not been told yet, each change once. */
class Follower {
  readonly #pending = new Map<string, Change>()
  readonly #woken = Latch.makeUnsafe()
  #isLast = false

  /** Whether it has been told the last change. */
  isOver = false

  tell(changes: ReadonlyArray<Change>, isLast: boolean): void {
    for (const change of changes) this.#pending.set(change.task_run_id ?? change.what, change)
    this.#isLast = isLast
    this.#woken.openUnsafe()
  }

  /** The next events, or a sign of life after a while. */
  readonly next: Effect.Effect<string> = Effect.map(
    Effect.suspend(() => Effect.timeoutOption(this.#woken.await, keepAliveMillis)),
    () => {
      const changes = [...this.#pending.values()]
      this.#pending.clear()
      this.#woken.closeUnsafe()
      this.isOver = this.#isLast
      return changes.length > 0 ? changes.map(event).join("") : ": still here\n\n"
    }
  )
}

/** A run that clients follow: it is looked at once for all of them. */
interface Followed {
  readonly followers: Set<Follower>
  readonly isOver: () => boolean
}

interface Options {
  readonly isStatic: boolean
  readonly pollMillis: number
}

const follow = Effect.fnUntraced(function*(
  api: Api,
  flowRunId: string,
  { pollMillis }: Options
): Effect.fn.Return<Followed, never, Scope.Scope> {
  const followers = new Set<Follower>()
  const first = yield* Effect.option(look(api, flowRunId, undefined))
  let before = first._tag === "Some" ? first.value.seen : undefined
  let isOver = false
  const poll = Effect.suspend(() => look(api, flowRunId, before)).pipe(
    Effect.map(({ changes, isFinished, seen }) => {
      // Whatever has changed while the run could not be looked at.
      if (before === undefined) changes.push({ what: "run" }, { what: "log" })
      before = seen
      isOver = isFinished
      if (isFinished) changes.push({ what: "run" })
      if (changes.length === 0) return
      for (const follower of followers) follower.tell(changes, isOver)
    }),
    Effect.ignore
  )
  const hint = Effect.ignore(Stream.runDrain(Stream.take(api.flowRunSignals(flowRunId), 1)))
  const pause = Effect.raceFirst(Effect.sleep(pollMillis), hint)
  yield* Effect.forkScoped(Effect.repeat(Effect.andThen(pause, poll), { until: () => isOver }))
  return { followers, isOver: () => isOver }
})

/**
 * Gives the changes of runs until they have finished; none for a finished run, and for a backend that never changes.
 * However many clients follow a run, it is looked at once for all of them. Requests are repeated while the backend is
 * unavailable.
 *
 * The effect succeeds when the run has been looked at: what a client loads after that is followed without a gap.
 */
export const makeChanges = Effect.fnUntraced(function*(api: Api, options: Options) {
  const runs = yield* RcMap.make({ lookup: (flowRunId: string) => follow(api, flowRunId, options) })
  return Effect.fnUntraced(function*(
    view: FlowRunView
  ): Effect.fn.Return<Stream.Stream<string>, never, Scope.Scope> {
    if (options.isStatic || State.isFinished(view.state)) return Stream.succeed(": finished\n\n")
    const { followers, isOver } = yield* RcMap.get(runs, view.flowRunId)
    const follower = new Follower()
    // It may have finished since the view was loaded.
    if (isOver()) follower.tell([{ what: "run" }], true)
    followers.add(follower)
    yield* Effect.addFinalizer(() => Effect.sync(() => followers.delete(follower)))
    return Stream.concat(
      Stream.succeed(": following\n\n"),
      Stream.takeUntil(Stream.fromEffectRepeat(follower.next), () => follower.isOver)
    )
  })
})
