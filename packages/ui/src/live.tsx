/** Follows a run that has not finished. */
import type { Change } from "@effect-prefect/ui-api/Models"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { useEffect, useRef, useState } from "preact/hooks"
import { client } from "./api.ts"

export interface Changes {
  /** Incremented with every state of a task run or of the run itself. */
  readonly states: number
  /** Incremented with new lines of the log. */
  readonly logs: number
  readonly isLost: boolean
  readonly said: string
}

const none: Changes = { states: 0, logs: 0, isLost: false, said: "" }

/** The shortest interval between refreshes of the shown data. */
const quietMillis = 1_000
const sayMillis = 5_000
const retryMillis = 2_000

/** Follows a flow run while it is not finished and the page is visible. */
export const useChanges = (flowRunId: string | null): Changes => {
  const [changes, set] = useState(none)
  const pending = useRef({ states: 0, logs: 0 })
  useEffect(() => {
    set(none)
    if (flowRunId === null) return
    let controller: AbortController | undefined
    let isOver = false
    let saidAt = 0
    let timer: ReturnType<typeof setTimeout> | undefined
    const flush = () => {
      timer = undefined
      const { logs, states } = pending.current
      pending.current = { states: 0, logs: 0 }
      const now = Date.now()
      const says = now - saidAt >= sayMillis
      if (says) saidAt = now
      set((before) => ({
        states: before.states + states,
        logs: before.logs + logs,
        isLost: false,
        said: says ? states > 0 ? "States have changed" : "New log lines" : before.said
      }))
    }
    /** The server follows the run from now on; what happened before has to be loaded. */
    const refresh = () => set(({ logs, said, states }) => ({ states: states + 1, logs: logs + 1, isLost: false, said }))
    const see = (change: Change) => {
      if (change.what === "log") pending.current.logs++
      else pending.current.states++
      timer ??= setTimeout(flush, quietMillis)
    }
    const connect = () => {
      if (document.hidden || isOver || controller !== undefined) return
      const own = new AbortController()
      controller = own
      const events = Stream.unwrap(Effect.tap(
        client.flowRuns.changes({ params: { id: flowRunId } }),
        () => Effect.sync(refresh)
      ))
      const watched = Stream.runForEach(events, (change) => Effect.sync(() => see(change)))
      void Effect.runPromiseExit(watched, { signal: own.signal }).then((exit) => {
        if (controller !== own) return
        controller = undefined
        if (isOver || own.signal.aborted) return
        if (exit._tag === "Success") {
          // The server ends the stream with the run; the page then shows that it has finished.
          see({ what: "run" })
          isOver = true
          return
        }
        set((before) => ({ ...before, isLost: true }))
        setTimeout(connect, retryMillis)
      })
    }
    const onVisibility = () => {
      if (document.hidden) {
        controller?.abort()
        controller = undefined
      } else connect()
    }
    document.addEventListener("visibilitychange", onVisibility)
    connect()
    return () => {
      isOver = true
      controller?.abort()
      clearTimeout(timer)
      document.removeEventListener("visibilitychange", onVisibility)
    }
  }, [flowRunId])
  return changes
}

export const LiveStatus = ({ changes, isLive }: { readonly changes: Changes; readonly isLive: boolean }) =>
  !isLive ? null : (
    <div class="live" role="status">
      <span class={`live-dot${changes.isLost ? " lost" : ""}`} aria-hidden="true" />
      {changes.isLost
        ? "The connection is lost: trying again"
        : changes.said === ""
        ? "Following the run"
        : changes.said}
    </div>
  )

/** Calls back when a number has grown since it was first seen. */
export const useGrown = (count: number, then: () => void): void => {
  const seen = useRef(count)
  const call = useRef(then)
  call.current = then
  useEffect(() => {
    if (count > seen.current) call.current()
    seen.current = count
  }, [count])
}
