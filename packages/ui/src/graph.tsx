/** The tasks of a run and their edges, drawn on a canvas; the active task is a button in the document. */
import type { Graph, Task } from "@effect-prefect/ui-api/Models"
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks"
import { colours, fitText, prepare } from "./canvas.ts"
import { type Layout, layout } from "./graphLayout.ts"
import { Loading, useWidth, ZoomButtons } from "./parts.tsx"
import { base, href, navigate } from "./router.ts"
import { colourOf, familyOf, sortNames } from "./states.ts"
import { plural, slugText } from "./text.ts"

declare const WORKER_FILE: string

interface Policies {
  readonly createPolicy: (name: string, rules: { readonly createScriptURL: (url: string) => string }) => {
    readonly createScriptURL: (url: string) => string
  }
}

const workerUrl = (): string => {
  const url = `${location.origin}${base}/${WORKER_FILE}`
  const { trustedTypes } = globalThis as unknown as { readonly trustedTypes?: Policies }
  policy ??= trustedTypes?.createPolicy("ep-worker", {
    createScriptURL: (given) => {
      if (given !== url) throw new TypeError("not the page's worker")
      return given
    }
  })
  return policy === undefined ? url : policy.createScriptURL(url)
}
let policy: ReturnType<Policies["createPolicy"]> | undefined

/** Computes the layout in a worker, or here when there is none. */
const layOut = (count: number, edges: ReadonlyArray<readonly [number, number]>, signal: AbortSignal): Promise<Layout> =>
  new Promise((resolve) => {
    try {
      const worker = new Worker(workerUrl(), { type: "module" })
      worker.addEventListener("message", (event: MessageEvent<Layout>) => {
        worker.terminate()
        resolve(event.data)
      })
      worker.addEventListener("error", () => {
        worker.terminate()
        resolve(layout(count, edges))
      })
      signal.addEventListener("abort", () => worker.terminate())
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
      worker.postMessage({ count, edges })
    } catch {
      resolve(layout(count, edges))
    }
  })

const nodeWidth = 172
const nodeHeight = 34
const gapX = 60
const gapY = 14
const zooms = [0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1, 1.3, 1.7]
/** The smallest zoom that a graph is opened with, unless it is a large one. */
const readable = 3

export const GraphView = ({ graph, id, tasks }: {
  /** The flow run; undefined for the graph of a flow, whose tasks have no states. */
  readonly id: string | undefined
  readonly graph: Graph
  readonly tasks: ReadonlyArray<Task>
}) => {
  const count = graph.tasks.length
  const [laid, setLaid] = useState<Layout | undefined>(undefined)
  const [active, setActive] = useState(0)
  const [chosen, setZoom] = useState<number | undefined>(undefined)
  const [box, width] = useWidth<HTMLDivElement>()
  const canvas = useRef<HTMLCanvasElement>(null)
  useEffect(() => {
    const controller = new AbortController()
    void layOut(count, graph.edges.map(([up, down]) => [up, down] as const), controller.signal).then((laid) => {
      if (!controller.signal.aborted) setLaid(laid)
    })
    return () => controller.abort()
  }, [graph])
  const bySlug = useMemo(() => {
    const byId = new Map<string, Task>()
    for (const task of tasks) byId.set(task.task_id ?? task.task_run_id, task)
    return graph.tasks.map((node, i) => (node.task_id === null ? undefined : byId.get(node.task_id)) ?? tasks[i])
  }, [graph, tasks.length])
  const layers = laid?.layers ?? 1
  const widest = laid?.widest ?? 1
  // It opens as large as fits into the width, as long as its names can be read.
  const fitting = zooms.findLastIndex((scale) => scale <= 1 && (layers * (nodeWidth + gapX)) * scale <= width)
  const zoom = chosen ?? (count > 400 ? 1 : Math.max(readable, fitting))
  const scale = zooms[zoom]!
  const fullWidth = layers * (nodeWidth + gapX) * scale
  const fullHeight = (widest * (nodeHeight + gapY) + gapY * 2) * scale
  const height = Math.min(560, Math.max(120, fullHeight))
  const inLayer = useMemo(() => {
    const counts = new Map<number, number>()
    for (const layer of laid?.layer ?? []) counts.set(layer, (counts.get(layer) ?? 0) + 1)
    return counts
  }, [laid])
  const position = (i: number): readonly [number, number] => {
    const layer = laid?.layer[i] ?? 0
    const spare = (widest - (inLayer.get(layer) ?? 1)) * (nodeHeight + gapY) / 2
    return [gapX / 2 + layer * (nodeWidth + gapX), gapY + spare + (laid?.place[i] ?? 0) * (nodeHeight + gapY)]
  }
  const stateOf = (i: number): string => bySlug[i]?.state ?? (id === undefined ? "" : "Pending")
  const label = (i: number): string => slugText(graph.tasks[i]?.task_slug, -1)
  const mappedText = (i: number): string => {
    const mapped = bySlug[i]?.mapped
    return mapped === null || mapped === undefined ? "" : ` ×${mapped.found}`
  }
  const draw = () => {
    const view = box.current
    const element = canvas.current
    if (view === null || element === null || laid === undefined) return
    const context = prepare(element, view.clientWidth, height)
    if (context === null) return
    const c = colours()
    context.translate(-view.scrollLeft, -view.scrollTop)
    context.scale(scale, scale)
    const left = view.scrollLeft / scale - 20
    const right = (view.scrollLeft + view.clientWidth) / scale + 20
    const top = view.scrollTop / scale - 20
    const bottom = (view.scrollTop + height) / scale + 20
    context.lineWidth = 1.2
    for (const [up, down] of graph.edges) {
      const [x1, y1] = position(up)
      const [x2, y2] = position(down)
      const ax = x1 + nodeWidth
      const ay = y1 + nodeHeight / 2
      const by = y2 + nodeHeight / 2
      if (Math.max(ax, x2) < left || Math.min(ax, x2) > right || Math.max(ay, by) < top || Math.min(ay, by) > bottom) {
        continue
      }
      const near = up === active || down === active
      context.strokeStyle = near ? c.accent : c.dim
      context.globalAlpha = near ? 1 : 0.45
      context.beginPath()
      context.moveTo(ax, ay)
      const bend = Math.max(24, (x2 - ax) / 2)
      context.bezierCurveTo(ax + bend, ay, x2 - bend, by, x2, by)
      context.stroke()
    }
    context.globalAlpha = 1
    context.font = "13px system-ui, sans-serif"
    context.textBaseline = "middle"
    for (let i = 0; i < count; i++) {
      const [x, y] = position(i)
      if (x + nodeWidth < left || x > right || y + nodeHeight < top || y > bottom) continue
      context.beginPath()
      context.roundRect(x, y, nodeWidth, nodeHeight, 6)
      context.fillStyle = c.panel
      context.fill()
      context.strokeStyle = i === active ? c.accent : c.dim
      context.globalAlpha = i === active ? 1 : 0.4
      context.lineWidth = i === active ? 2.4 : 1.2
      context.stroke()
      context.globalAlpha = 1
      const mapped = bySlug[i]?.mapped
      if (mapped !== null && mapped !== undefined && mapped.found > 0) {
        let at = x + 8
        const room = nodeWidth - 16
        for (const name of sortNames(Object.keys(mapped.states))) {
          const part = Math.max(1.5, mapped.states[name]! / mapped.found * room)
          context.fillStyle = colourOf(name)
          context.fillRect(at, y + nodeHeight - 6, part, 3)
          at += part
        }
      }
      context.fillStyle = colourOf(stateOf(i))
      context.beginPath()
      context.roundRect(x, y, 6, nodeHeight, [6, 0, 0, 6])
      context.fill()
      if (scale >= 0.4) {
        context.fillStyle = c.text
        context.fillText(
          fitText(
            context,
            `${familyOf(stateOf(i)) === "failed" ? "✕ " : ""}${label(i)}${mappedText(i)}`,
            nodeWidth - 22
          ),
          x + 14,
          y + nodeHeight / 2
        )
      }
    }
  }
  const frame = useRef(0)
  useLayoutEffect(draw)
  useLayoutEffect(() => {
    if (laid === undefined) return
    // It opens at the task with which the run begins.
    const first = Math.max(0, laid.layer.findIndex((layer, i) => layer === 0 && laid.place[i] === 0))
    setActive(first)
    if (box.current !== null) {
      box.current.scrollTop = (position(first)[1] + nodeHeight / 2) * scale - box.current.clientHeight / 2
    }
  }, [laid])
  const bring = (i: number) => {
    const view = box.current
    if (view === null) return
    const [x, y] = position(i).map((n) => n * scale) as [number, number]
    if (x < view.scrollLeft + 10) view.scrollLeft = x - 30
    else if (x + nodeWidth * scale > view.scrollLeft + view.clientWidth) {
      view.scrollLeft = x + nodeWidth * scale - view.clientWidth + 30
    }
    if (y < view.scrollTop + 10) view.scrollTop = y - 20
    else if (y + nodeHeight * scale > view.scrollTop + height) view.scrollTop = y + nodeHeight * scale - height + 20
  }
  const go = (i: number | undefined) => {
    if (i === undefined) return
    setActive(i)
    bring(i)
  }
  /** The nearest task in another layer, or the next one in the same layer. */
  const neighbour = (dx: number, dy: number): number | undefined => {
    if (laid === undefined) return undefined
    if (dy !== 0) {
      const layer = laid.layer[active]
      const place = laid.place[active]! + dy
      const found = laid.layer.findIndex((one, i) => one === layer && laid.place[i] === place)
      return found < 0 ? undefined : found
    }
    const linked = graph.edges.flatMap(([up, down]) =>
      dx > 0 ? up === active ? [down] : [] : down === active ? [up] : []
    )
    if (linked[0] !== undefined) return linked[0]
    const y = position(active)[1]
    let best: number | undefined
    laid.layer.forEach((layer, i) => {
      if (layer !== laid.layer[active]! + dx) return
      if (best === undefined || Math.abs(position(i)[1] - y) < Math.abs(position(best)[1] - y)) best = i
    })
    return best
  }
  const open = (i: number) => {
    const task = bySlug[i]
    if (task !== undefined) navigate(href(["task-runs", task.task_run_id]))
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    switch (event.key) {
      case "ArrowRight":
        go(neighbour(1, 0))
        break
      case "ArrowLeft":
        go(neighbour(-1, 0))
        break
      case "ArrowDown":
        go(neighbour(0, 1))
        break
      case "ArrowUp":
        go(neighbour(0, -1))
        break
      case "Home":
        go(0)
        break
      case "End":
        go(count - 1)
        break
      case "+":
      case "=":
        setZoom(Math.min(zooms.length - 1, zoom + 1))
        break
      case "-":
        setZoom(Math.max(0, zoom - 1))
        break
      case "Enter":
        open(active)
        break
      default:
        return
    }
    event.preventDefault()
  }
  const at = (event: MouseEvent): number | undefined => {
    const view = box.current
    if (view === null || laid === undefined) return undefined
    const rect = view.getBoundingClientRect()
    const x = (event.clientX - rect.left + view.scrollLeft) / scale
    const y = (event.clientY - rect.top + view.scrollTop) / scale
    for (let i = 0; i < count; i++) {
      const [nx, ny] = position(i)
      if (x >= nx && x <= nx + nodeWidth && y >= ny && y <= ny + nodeHeight) return i
    }
    return undefined
  }
  const [x, y] = position(active)
  const edges = graph.edges.length
  return (
    <section class="panel">
      <div class="filters">
        <ZoomButtons zoom={zoom} max={zooms.length - 1} onZoom={setZoom} />
        {id === undefined ? null : <a href={href(["flow-runs", id, "tasks"])}>As a table</a>}
        <span class="dim">
          {plural(count, "task")}, {plural(edges, "edge")}
          {edges === 0 ? ": none was recorded" : ""}
        </span>
      </div>
      {laid === undefined ? <Loading label="Laying the graph out" /> : null}
      <div
        class="graph"
        role="application"
        aria-label={`Graph of ${count} tasks, ${edges} edges`}
        onKeyDown={onKeyDown}
      >
        <div
          ref={box}
          class="graph-scroll"
          style={{ height: `${height + 2}px` }}
          onScroll={() => {
            cancelAnimationFrame(frame.current)
            frame.current = requestAnimationFrame(draw)
          }}
          onClick={(event) => {
            const found = at(event)
            if (found !== undefined) setActive(found)
          }}
          onDblClick={(event) => {
            const found = at(event)
            if (found !== undefined) open(found)
          }}
        >
          <div class="graph-inner" style={{ width: `${Math.max(fullWidth, width - 2)}px`, height: `${fullHeight}px` }}>
            <canvas ref={canvas} class="graph-canvas" aria-hidden="true" />
            {laid === undefined ? null : (
              <button
                type="button"
                class="graph-active"
                aria-label={`${label(active)} ${stateOf(active)}`.trim()}
                style={{
                  left: `${x * scale}px`,
                  top: `${y * scale}px`,
                  width: `${nodeWidth * scale}px`,
                  height: `${nodeHeight * scale}px`
                }}
                onClick={(event) => {
                  event.stopPropagation()
                  open(active)
                }}
              />
            )}
          </div>
        </div>
      </div>
    </section>
  )
}
