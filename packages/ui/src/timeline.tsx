/** A bar for each task from its start to its end; a mapped task's bar expands to those of its children. */
import type { ChildTimes, FlowRun, Task } from "@effect-prefect/ui-api/Models"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks"
import { client, type Failure, run as request } from "./api.ts"
import { colours, fitText, prepare } from "./canvas.ts"
import { Alert, Empty, Stop, useWidth, ZoomButtons } from "./parts.tsx"
import { href, navigate } from "./router.ts"
import { colourOf } from "./states.ts"
import { durationText, slugText, tickStep, tickText } from "./text.ts"

const rowHeight = 26
const zooms = [1, 2, 4, 8, 16]

interface Bar {
  readonly name: string
  readonly state: string
  readonly start: number | null
  readonly end: number | null
  readonly to: string
  readonly task: Task | undefined
  readonly depth: number
}

interface Opened {
  names: ReadonlyArray<string>
  readonly rows: Array<ChildTimes["rows"][number]>
}

const millis = (iso: string | null): number | null => {
  const value = iso === null ? NaN : Date.parse(iso)
  return Number.isNaN(value) ? null : value
}

export const Timeline = (
  { id, run, tasks }: { readonly id: string; readonly run: FlowRun; readonly tasks: ReadonlyArray<Task> }
) => {
  const [opened, setOpened] = useState<ReadonlyMap<string, Opened>>(new Map())
  const [failure, fail] = useState<Failure | undefined>(undefined)
  const [loading, setLoading] = useState<Bar | undefined>(undefined)
  const controller = useRef<AbortController | undefined>(undefined)
  useEffect(() => () => controller.current?.abort(), [id])
  const [active, setActive] = useState(0)
  const [zoom, setZoom] = useState(0)
  const [box, width] = useWidth<HTMLDivElement>()
  const canvas = useRef<HTMLCanvasElement>(null)
  const openedRows = [...opened.values()].reduce((sum, { rows }) => sum + rows.length, 0)
  const bars = useMemo((): ReadonlyArray<Bar> => {
    const own = tasks.map((task): Bar => ({
      name: slugText(task.task_slug, -1),
      state: task.state,
      start: millis(task.start_time),
      end: millis(task.end_time),
      to: href(["task-runs", task.task_run_id]),
      task,
      depth: 0
    })).sort((left, right) => (left.start ?? Infinity) - (right.start ?? Infinity) || (left.name < right.name ? -1 : 1))
    return own.flatMap((bar) => {
      const children = opened.get(bar.task!.task_run_id)
      if (children === undefined) return [bar]
      return [
        bar,
        ...children.rows.map(([index, code, start, end]): Bar => ({
          name: `${bar.name}[${index}]`,
          state: children.names[code] ?? "Pending",
          start,
          end,
          to: href(["flow-runs", id, "tasks", bar.task!.task_slug ?? "", index]),
          task: undefined,
          depth: 1
        }))
      ]
    })
  }, [tasks, tasks.length, opened, openedRows])
  const range = useMemo(() => {
    let start = millis(run.start_time ?? null) ?? Infinity
    let end = millis(run.end_time ?? null) ?? -Infinity
    for (const bar of bars) {
      if (bar.start !== null) start = Math.min(start, bar.start)
      if (bar.end !== null) end = Math.max(end, bar.end)
      else if (bar.start !== null) end = Math.max(end, bar.start)
    }
    if (!Number.isFinite(start)) return { start: 0, end: 1 }
    return { start, end: Math.max(end, start + 1) }
  }, [bars])
  const named = Math.min(220, Math.max(110, width * 0.28))
  const room = Math.max(100, (width - named - 12) * zooms[zoom]!)
  const view = Math.min(bars.length, 22) * rowHeight + 24
  const x = (time: number): number => named + (time - range.start) / (range.end - range.start) * room
  const draw = () => {
    const scroller = box.current
    const element = canvas.current
    if (scroller === null || element === null) return
    const w = scroller.clientWidth
    const context = prepare(element, w, view)
    if (context === null) return
    const c = colours()
    const left = scroller.scrollLeft
    context.font = "12px system-ui, sans-serif"
    context.textBaseline = "middle"
    const length = range.end - range.start
    const step = tickStep(length / Math.max(2, Math.floor(room / 110)))
    context.fillStyle = c.dim
    context.strokeStyle = c.line
    context.lineWidth = 1
    for (let time = 0; time <= length; time += step) {
      const at = named + room * time / length - left
      if (at < named - 1 || at > w) continue
      context.beginPath()
      context.moveTo(at, 20)
      context.lineTo(at, view)
      context.stroke()
      const text = tickText(time)
      if (at + 6 + context.measureText(text).width < w) context.fillText(text, at + 3, 10)
    }
    const first = Math.floor(scroller.scrollTop / rowHeight)
    const last = Math.min(bars.length, first + Math.ceil(view / rowHeight) + 1)
    context.save()
    context.beginPath()
    context.rect(0, 22, w, view)
    context.clip()
    for (let i = first; i < last; i++) {
      const bar = bars[i]!
      const y = 24 + i * rowHeight - scroller.scrollTop
      if (i === active) {
        context.fillStyle = c.line
        context.globalAlpha = 0.5
        context.fillRect(0, y, w, rowHeight)
        context.globalAlpha = 1
      }
      if (bar.start !== null) {
        const from = x(bar.start) - left
        const to = x(bar.end ?? (bar.task !== undefined && bar.state === "Running" ? range.end : bar.start)) - left
        const start = Math.max(named, from)
        const length = Math.max(2, to - start)
        if (to >= named && from <= w) {
          const mapped = bar.task?.mapped
          context.fillStyle = colourOf(bar.state)
          if (mapped !== null && mapped !== undefined && mapped.found > 0) {
            let at = start
            for (const [name, count] of Object.entries(mapped.states)) {
              const part = length * count / mapped.found
              context.fillStyle = colourOf(name)
              context.fillRect(at, y + 6, Math.max(1, part), rowHeight - 12)
              at += part
            }
          } else {
            context.beginPath()
            context.roundRect(start, y + 6, length, rowHeight - 12, 3)
            context.fill()
          }
          if (bar.end !== null) {
            const text = durationText(bar.end - bar.start)
            context.fillStyle = c.dim
            if (start + length + 6 + context.measureText(text).width < w) {
              context.fillText(text, start + length + 6, y + rowHeight / 2)
            }
          }
        }
      }
      context.fillStyle = c.panel
      context.fillRect(0, y, named - 6, rowHeight)
      if (i === active) {
        context.fillStyle = c.line
        context.globalAlpha = 0.5
        context.fillRect(0, y, named - 6, rowHeight)
        context.globalAlpha = 1
      }
      context.fillStyle = colourOf(bar.state)
      context.beginPath()
      context.arc(12 + bar.depth * 12, y + rowHeight / 2, 4, 0, 7)
      context.fill()
      context.fillStyle = c.text
      const isMapped = bar.task !== undefined && bar.task.mapped !== null
      const mark = isMapped ? opened.has(bar.task!.task_run_id) ? "▾ " : "▸ " : ""
      context.fillText(
        fitText(context, `${mark}${bar.name}`, named - 34 - bar.depth * 12),
        22 + bar.depth * 12,
        y + rowHeight / 2
      )
    }
    context.restore()
  }
  const frame = useRef(0)
  useLayoutEffect(draw)
  const toggle = (bar: Bar | undefined) => {
    const task = bar?.task
    if (task === undefined || task.mapped === null) return
    const next = new Map(opened)
    if (next.delete(task.task_run_id)) return setOpened(next)
    controller.current?.abort()
    const own = new AbortController()
    controller.current = own
    fail(undefined)
    setLoading(bar)
    const children: Opened = { names: [], rows: [] }
    request(
      Stream.runForEach(
        Stream.unwrap(client.taskRuns.childTimes({ params: { id: task.task_run_id } })),
        ({ names, rows }) =>
          Effect.sync(() => {
            children.names = names
            for (const row of rows) children.rows.push(row)
          })
      ),
      own.signal,
      () => {
        setLoading(undefined)
        setOpened((before) => new Map(before).set(task.task_run_id, children))
      },
      (problem) => {
        setLoading(undefined)
        fail(problem)
      }
    )
  }
  const bring = (i: number) => {
    const scroller = box.current
    if (scroller === null) return
    const y = i * rowHeight
    if (y < scroller.scrollTop) scroller.scrollTop = y
    else if (y + rowHeight > scroller.scrollTop + view - 24) scroller.scrollTop = y + rowHeight - view + 24
  }
  const go = (i: number) => {
    const to = Math.max(0, Math.min(bars.length - 1, i))
    setActive(to)
    bring(to)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    switch (event.key) {
      case "ArrowDown":
        go(active + 1)
        break
      case "ArrowUp":
        go(active - 1)
        break
      case "PageDown":
        go(active + 20)
        break
      case "PageUp":
        go(active - 20)
        break
      case "Home":
        go(0)
        break
      case "End":
        go(bars.length - 1)
        break
      case "ArrowRight":
        if (!opened.has(bars[active]?.task?.task_run_id ?? "")) toggle(bars[active])
        break
      case "ArrowLeft":
        if (opened.has(bars[active]?.task?.task_run_id ?? "")) toggle(bars[active])
        break
      case " ":
        toggle(bars[active])
        break
      case "Enter":
        if (bars[active] !== undefined) navigate(bars[active].to)
        break
      case "+":
      case "=":
        setZoom((zoom) => Math.min(zooms.length - 1, zoom + 1))
        break
      case "-":
        setZoom((zoom) => Math.max(0, zoom - 1))
        break
      default:
        return
    }
    event.preventDefault()
  }
  const rowUnder = (event: MouseEvent): number | undefined => {
    const scroller = box.current
    if (scroller === null) return undefined
    const row = Math.floor((event.clientY - scroller.getBoundingClientRect().top - 24 + scroller.scrollTop) / rowHeight)
    return row >= 0 && row < bars.length ? row : undefined
  }
  const bar = bars[Math.min(active, bars.length - 1)]
  const isMapped = bar?.task !== undefined && bar.task.mapped !== null
  return (
    <section class="panel">
      {failure === undefined ? null : <Alert failure={failure} onRetry={() => toggle(bar)} />}
      <div class="filters">
        <ZoomButtons zoom={zoom} max={zooms.length - 1} onZoom={setZoom} />
        <button type="button" disabled={!isMapped} onClick={() => toggle(bar)}>
          {isMapped && opened.has(bar!.task!.task_run_id) ? "Close children" : "Open children"}
        </button>
        <a href={href(["flow-runs", id, "tasks"])}>As a table</a>
        {loading === undefined ? null : (
          <span role="status">
            Loading the children of {loading.name}{" "}
            <Stop
              key={loading.name}
              onStop={() => {
                controller.current?.abort()
                setLoading(undefined)
              }}
            />
          </span>
        )}
      </div>
      <div class="timeline" role="application" aria-label={`Timeline of ${tasks.length} tasks`} onKeyDown={onKeyDown}>
        <div
          ref={box}
          class="graph-scroll"
          style={{ height: `${view + (zoom > 0 ? 16 : 0) + 2}px` }}
          onScroll={() => {
            cancelAnimationFrame(frame.current)
            frame.current = requestAnimationFrame(draw)
          }}
          onClick={(event) => {
            const row = rowUnder(event)
            if (row !== undefined) {
              setActive(row)
              const rect = box.current!.getBoundingClientRect()
              if (event.clientX - rect.left < named) toggle(bars[row])
            }
          }}
          onDblClick={(event) => {
            const row = rowUnder(event)
            if (row !== undefined) navigate(bars[row]!.to)
          }}
        >
          <div
            class="graph-inner"
            style={{
              width: `${zoom === 0 ? width - 2 : named + room + 12}px`,
              height: `${bars.length * rowHeight + 24}px`
            }}
          >
            <canvas ref={canvas} class="graph-canvas" aria-hidden="true" />
            {bar === undefined ? null : (
              <button
                type="button"
                class="timeline-active"
                aria-label={`${bar.name} ${bar.state}`}
                style={{
                  top: `${24 + active * rowHeight}px`,
                  width: `${Math.max(100, width - 4)}px`,
                  height: `${rowHeight}px`
                }}
                onClick={(event) => {
                  event.stopPropagation()
                  navigate(bar.to)
                }}
              />
            )}
          </div>
        </div>
      </div>
      {bars.some(({ start }) => start !== null) ? null : <Empty>None of its tasks has a time.</Empty>}
      <p class="below">
        {bar === undefined ? null : (
          <>
            <a href={bar.to}>{bar.name}</a> {bar.state}
            {bar.start !== null && bar.end !== null
              ? `, ${durationText(bar.end - bar.start)}`
              : bar.start === null
              ? ", no times"
              : ""}
          </>
        )}
      </p>
    </section>
  )
}
