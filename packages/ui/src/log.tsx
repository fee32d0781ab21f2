/** A complete log, in order: filtered here, with only the visible lines in the document. */
import type { LogLine } from "@effect-prefect/ui-api/Models"
import type * as Effect from "effect/Effect"
import * as Eff from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ComponentChildren } from "preact"
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks"
import { type Failure, run } from "./api.ts"
import { Search, Select } from "./pages/flowRuns.tsx"
import { Alert, Empty, Loading, PassedOver, Stop, Stopped, useWidth, useZone } from "./parts.tsx"
import { href, useAddress } from "./router.ts"
import { mostShown, plural, shownPart, timeText, visibleAll, withoutAnsi } from "./text.ts"

const levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const
const rankOf = (level: string | null | undefined): number => {
  const at = levels.indexOf((level ?? "") as (typeof levels)[number])
  return at < 0 ? levels.length : at
}

type Query = { readonly after?: string }
type Load = (query: Query) => Effect.Effect<Stream.Stream<LogLine, unknown>, unknown>

const lineHeight = 19
const gap = 3
const maxLines = 200

/** The message for display: without a terminal's colours, and with invisible characters made visible. */
const textOf = (line: LogLine): string => {
  const text = visibleAll(withoutAnsi(line.message ?? ""), true)
  return text.endsWith("\n") ? text.slice(0, -1) : text
}

/** The position of the end of the last line that is shown, and the number of lines with the one that says so. */
const extentOf = (text: string): { readonly lines: number; readonly end: number } => {
  let lines = 1
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
    if (at > mostShown) break
    if (lines === maxLines) return { lines: maxLines + 1, end: at }
    lines++
  }
  return { lines, end: Math.min(text.length, mostShown) }
}

/** A message of very many lines or characters is shown in part; the search finds the rest too. */
const cut = (text: string): string => {
  const { end, lines } = extentOf(text)
  return lines > maxLines
    ? `${text.slice(0, end)}\n… ${plural(text.slice(end + 1).split("\n").length, "more line")}`
    : shownPart(text)
}

/** The text with search matches marked. */
const marked = (text: string, q: string): ComponentChildren => {
  if (q === "") return text
  const lower = text.toLowerCase()
  // Some letters change their length in lower case, which would shift the positions.
  if (lower.length !== text.length) return text
  const out: Array<ComponentChildren> = []
  let at = 0
  for (let found = lower.indexOf(q); found >= 0 && out.length < 200; found = lower.indexOf(q, at)) {
    if (found > at) out.push(text.slice(at, found))
    out.push(<mark>{text.slice(found, found + q.length)}</mark>)
    at = found + q.length
  }
  out.push(text.slice(at))
  return out
}

export const LogView = ({ grown, isLive, load, names, source, tools }: {
  readonly source: string
  readonly load: Load
  readonly grown: number
  readonly isLive: boolean
  readonly tools?: ComponentChildren
  readonly names?: ReadonlyMap<string, string>
}) => {
  const { query } = useAddress()
  const [zone] = useZone()
  const givenLevel = query.get("level") ?? ""
  const level = rankOf(givenLevel) < levels.length ? givenLevel : ""
  const q = (query.get("q") ?? "").toLowerCase()
  const task = query.get("task") ?? ""
  const givenLine = query.get("line") ?? ""
  const wanted = Number(givenLine)
  const isNoLine = givenLine !== "" && !(wanted > 0)
  const lines = useRef<Array<LogLine>>([])
  const texts = useRef<Array<string>>([])
  const [state, set] = useState<
    {
      readonly count: number
      readonly isRunning: boolean
      readonly isStopped: boolean
      readonly failure: Failure | undefined
    }
  >(
    { count: 0, isRunning: true, isStopped: false, failure: undefined }
  )
  const controller = useRef<AbortController | undefined>(undefined)
  const busy = useRef(false)
  const again = useRef(false)

  const pull = () => {
    if (busy.current) {
      again.current = true
      return
    }
    busy.current = true
    again.current = false
    const own = controller.current!
    const last = lines.current.at(-1)
    let frame = 0
    const draw = (isRunning: boolean, failure?: Failure) => {
      cancelAnimationFrame(frame)
      const count = lines.current.length
      if (!isRunning) return set({ count, isRunning, isStopped: false, failure })
      frame = requestAnimationFrame(() => {
        if (!own.signal.aborted) set({ count, isRunning, isStopped: false, failure: undefined })
      })
    }
    const end = (failure?: Failure) => {
      busy.current = false
      draw(false, failure)
      if (again.current && failure === undefined) pull()
    }
    set((before) => ({ ...before, isRunning: true, isStopped: false, failure: undefined }))
    run(
      Stream.runForEachArray(
        Stream.unwrap(load(last === undefined ? {} : { after: `${last.timestamp},${last.id}` })),
        (more) =>
          Eff.sync(() => {
            for (const line of more) {
              lines.current.push(line)
              texts.current.push(textOf(line))
            }
            draw(true)
          })
      ),
      own.signal,
      () => end(),
      (failure) => end(failure)
    )
  }
  const stop = () => {
    controller.current?.abort()
    controller.current = new AbortController()
    busy.current = false
    again.current = false
    set({ count: lines.current.length, isRunning: false, isStopped: true, failure: undefined })
  }
  useEffect(() => {
    lines.current = []
    texts.current = []
    busy.current = false
    controller.current = new AbortController()
    pull()
    return () => controller.current?.abort()
  }, [source])
  useEffect(() => {
    if (grown > 0) pull()
  }, [grown])

  /** The matching lines, and the position of each. */
  const [frame, width] = useWidth<HTMLDivElement>()
  // A narrow line begins with its number, time and level, and its message is below them.
  const headHeight = width > 0 && innerWidth <= 640 ? lineHeight : 0
  const { ends, shown } = useMemo(() => {
    const rank = level === "" ? -1 : rankOf(level)
    const passing: Array<number> = []
    for (let i = 0; i < state.count; i++) {
      const line = lines.current[i]!
      if (rank >= 0 && rankOf(line.level) < rank) continue
      if (task !== "" && line.task_run_id !== task) continue
      if (q !== "" && !texts.current[i]!.toLowerCase().includes(q)) continue
      passing.push(i)
    }
    const ends = new Float64Array(passing.length)
    let total = 0
    for (let i = 0; i < passing.length; i++) {
      total += extentOf(texts.current[passing[i]!]!).lines * lineHeight + headHeight + gap
      ends[i] = total
    }
    return { shown: passing, ends }
  }, [state.count, level, q, task, headHeight])

  const box = useRef<HTMLDivElement>(null)
  const [scroll, setScroll] = useState({ top: 0, view: 600 })
  const atEnd = useRef(isLive)
  const total = ends.length === 0 ? 0 : ends[ends.length - 1]!
  const find = (y: number): number => {
    let low = 0
    let high = ends.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (ends[middle]! > y) high = middle
      else low = middle + 1
    }
    return low
  }
  const first = ends.length === 0 ? 0 : Math.max(0, find(scroll.top) - 5)
  const last = ends.length === 0 ? 0 : Math.min(ends.length, find(scroll.top + scroll.view) + 6)
  useLayoutEffect(() => {
    const element = box.current
    if (element === null) return
    setScroll((before) => ({ ...before, view: element.clientHeight }))
    if (isLive && atEnd.current) element.scrollTop = element.scrollHeight
  }, [total, isLive])
  const brought = useRef(0)
  useLayoutEffect(() => {
    const at = shown.indexOf(wanted - 1)
    if (!(wanted > 0) || at < 0 || brought.current === wanted || box.current === null) return
    brought.current = wanted
    const start = at === 0 ? 0 : ends[at - 1]!
    box.current.scrollTop = Math.max(0, start - box.current.clientHeight / 3)
  }, [wanted, shown.length])

  const taskIds = useMemo(() => {
    const ids = new Set<string>()
    for (let i = 0; i < state.count && ids.size < 300; i++) {
      const id = lines.current[i]!.task_run_id
      if (id) ids.add(id)
    }
    return [...ids]
  }, [state.count])

  return (
    <div ref={frame}>
      <div class="filters" role="group" aria-label="Filters">
        <Search label="Search the log" />
        <Select
          label="Level"
          name="level"
          value={level}
          options={[["", "All levels"], ...levels.map((name) => [name, `${name} and above`] as const)]}
        />
        {taskIds.length < 2 && task === "" ? null : (
          <Select
            label="Task"
            name="task"
            value={task}
            options={[["", "All tasks"], ...taskIds.map((id) => [id, names?.get(id) ?? id.slice(0, 8)] as const)]}
          />
        )}
        {tools}
      </div>
      {level === givenLevel
        ? null
        : <PassedOver name="level" value={givenLevel}>is not there.</PassedOver>}
      {isNoLine || (!state.isRunning && !state.isStopped && state.failure === undefined && wanted > state.count)
        ? <PassedOver name="line" value={givenLine}>is not there.</PassedOver>
        : null}
      {state.failure === undefined ? null : <Alert failure={state.failure} onRetry={pull} />}
      {state.count === 0 && state.isRunning
        ? <Loading label="Loading the log" onStop={stop} />
        : state.count > 0 && state.isRunning && grown === 0
        ? (
          <p class="below" role="status">
            Loading the log <Stop key={source} onStop={stop} />
          </p>
        )
        : state.isStopped
        ? <Stopped label={`Stopped after ${plural(state.count, "line")}.`} onStart={pull} />
        : null}
      <div
        ref={box}
        class="log"
        role="log"
        aria-label="Log"
        aria-live="off"
        aria-busy={state.isRunning ? "true" : undefined}
        tabIndex={0}
        hidden={shown.length === 0}
        onScroll={(event) => {
          const { clientHeight, scrollHeight, scrollTop } = event.currentTarget
          atEnd.current = scrollTop + clientHeight >= scrollHeight - 30
          setScroll({ top: scrollTop, view: clientHeight })
        }}
      >
        <div role="list" aria-label="Lines" class="log-lines" style={{ height: `${total}px` }}>
          {shown.slice(first, last).map((index, i) => {
            const line = lines.current[index]!
            const text = texts.current[index]!
            const top = first + i === 0 ? 0 : ends[first + i - 1]!
            const number = index + 1
            return (
              <div
                key={index}
                role="listitem"
                aria-setsize={shown.length}
                aria-posinset={first + i + 1}
                class={`log-line level-${rankOf(line.level)}${number === wanted ? " wanted" : ""}`}
                style={{ transform: `translateY(${top}px)` }}
              >
                <a class="log-number" tabIndex={-1} href={lineHref(number)} aria-label={`Line ${number}`}>{number}</a>
                <time dateTime={line.timestamp} title={line.timestamp}>{timeText(line.timestamp, zone)}</time>
                <span class="log-level">{line.level ?? ""}</span>
                {names === undefined || taskIds.length === 0
                  ? null
                  : line.task_run_id
                  ? (
                    <a class="log-task" tabIndex={-1} href={href(["task-runs", line.task_run_id])}>
                      {names.get(line.task_run_id) ?? line.task_run_id.slice(0, 8)}
                    </a>
                  )
                  : <span class="log-task" />}
                <span class="log-message">{marked(cut(text), q)}</span>
              </div>
            )
          })}
        </div>
      </div>
      {shown.length === 0 && !state.isRunning && !state.isStopped && state.failure === undefined
        ? <Empty>{state.count === 0 ? "The log is empty." : "No line fits these filters."}</Empty>
        : (
          <p class="below">
            {plural(shown.length, "line")}
            {shown.length === state.count ? "" : ` of ${state.count.toLocaleString("en")}`}
          </p>
        )}
    </div>
  )
}

const lineHref = (number: number): string => {
  const params = new URLSearchParams(location.search)
  params.set("line", String(number))
  return `${location.pathname}?${params}`
}
