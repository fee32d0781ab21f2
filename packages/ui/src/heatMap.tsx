/** The heat map of a mapped task: one cell per child, drawn on a canvas; the active cell is in the document. */
import type { TaskRun } from "@effect-prefect/ui-api/Models"
import type { ComponentChildren } from "preact"
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks"
import { client } from "./api.ts"
import { type Following, useSetting, useStream } from "./data.ts"
import {
  addStates,
  countStates,
  emptyHeat,
  fitCells,
  type HeatData,
  maxCells,
  missingCode,
  nameAt,
  nextFailed,
  unknownCode
} from "./heatMapData.ts"
import { type Changes, useGrown } from "./live.tsx"
import { type OutcomeColours, Outcomes } from "./outcomes.tsx"
import { Alert, Empty, Glyph, Loading, PassedOver, Stop, Stopped, useWidth, ZoomButtons } from "./parts.tsx"
import { href, navigate, setQuery, useAddress } from "./router.ts"
import { colourOf, familyOf, mappedCount, sortNames } from "./states.ts"
import { plural, slugText, visible } from "./text.ts"

const parseColour = (colour: string): readonly [number, number, number] =>
  [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)) as unknown as [number, number, number]

const isDark = (): boolean => {
  const { theme } = document.documentElement.dataset
  return theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches)
}

/** The most rows of one bitmap: Firefox draws none that is higher than 32 767. */
const bandRows = 8192

/** Bitmaps of one pixel per child, a band of rows each: scaled up without smoothing, they are the map. */
const paint = (
  data: HeatData,
  columns: number,
  pressed: ReadonlySet<string>,
  highContrast: boolean,
  outcome: OutcomeColours | undefined
): ReadonlyArray<HTMLCanvasElement> => {
  const total = Math.min(data.total, maxCells)
  const rows = Math.max(1, Math.ceil(total / columns))
  const dark = isDark()
  const ground = dark ? [23, 27, 36] as const : [255, 255, 255] as const
  const pack = ([r, g, b]: readonly [number, number, number]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0
  const fade = ([r, g, b]: readonly [number, number, number]): readonly [number, number, number] => {
    const mix = (colour: number, under: number) => Math.round(colour * 0.18 + under * 0.82)
    return [mix(r, ground[0]), mix(g, ground[1]), mix(b, ground[2])]
  }
  const missing = pack(dark ? [60, 66, 80] : [214, 218, 226])
  const unknown = pack(dark ? [38, 43, 54] : [238, 240, 245])
  const colours = data.names.map((name) => {
    const colour = parseColour(colourOf(name, highContrast))
    return pack(pressed.size === 0 || pressed.has(name) ? colour : fade(colour))
  })
  const { codes } = data
  const pixelOf = (i: number): number => {
    const code = i < codes.length ? codes[i]! : unknownCode
    if (code === missingCode) return missing
    if (code === unknownCode) return unknown
    if (outcome === undefined) return colours[code] ?? unknown
    const colour = outcome.colourAt(i)
    return colour === undefined ? unknown : pack(parseColour(colour))
  }
  return Array.from({ length: Math.ceil(rows / bandRows) }, (_, band) => {
    const from = band * bandRows
    const canvas = document.createElement("canvas")
    canvas.width = columns
    canvas.height = Math.min(bandRows, rows - from)
    const context = canvas.getContext("2d")
    if (context === null) return canvas
    const image = context.createImageData(canvas.width, canvas.height)
    const pixels = new Uint32Array(image.data.buffer)
    const first = from * columns
    const count = Math.min(pixels.length, total - first)
    for (let i = 0; i < count; i++) pixels[i] = pixelOf(first + i)
    context.putImageData(image, 0, 0)
    return canvas
  })
}

/** What follows the pointer, rendered without the map, which is too much for each of its moves. */
const Pointed = ({ children, listener }: {
  readonly listener: { current: (index: number | undefined) => void }
  readonly children: (index: number | undefined) => ComponentChildren
}) => {
  const [index, set] = useState<number | undefined>(undefined)
  listener.current = set
  return <>{children(index)}</>
}

/** The states of all mapped children of a task run, loaded again as they change. */
export const useHeat = (id: string, expected: number, changes: Changes): Following<HeatData> => {
  const heat = useStream(
    `heat ${id}`,
    () => client.taskRuns.childStates({ params: { id }, query: {} }),
    () => emptyHeat(expected),
    (data, parts) => {
      let next = data
      for (const part of parts) next = addStates(next, part)
      return next
    }
  )
  useGrown(changes.states, heat.start)
  return heat
}

const mapHeight = 420
const zooms = [1, 2, 4, 8, 16]

export const HeatMap = ({ changes, run }: { readonly run: TaskRun; readonly changes: Changes }) => {
  const { query } = useAddress()
  const id = run.task_run_id
  const slug = slugText(run.task_slug, -1)
  const expected = mappedCount(run.state) ?? 0
  const heat = useHeat(id, expected, changes)
  const data = heat.value
  const [outcome, setOutcome] = useState<OutcomeColours | undefined>(undefined)
  const [contrast, setContrast] = useSetting<"on" | "off">("high contrast", "off")
  const [zoom, setZoom] = useState(0)
  const [box, width] = useWidth<HTMLDivElement>()
  const scroller = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const onPoint = useRef<(index: number | undefined) => void>(() => {})
  const pointFrame = useRef(0)
  const point = (index: number | undefined) => {
    cancelAnimationFrame(pointFrame.current)
    pointFrame.current = requestAnimationFrame(() => onPoint.current(index))
  }
  const domId = useId()
  const total = Math.min(data.total, maxCells)
  const pressed = useMemo(() => new Set(query.getAll("state")), [query.toString()])
  const fitted = fitCells(total, width, mapHeight)
  const cell = Math.min(64, fitted.cell * zooms[zoom]!)
  const { columns } = fitted
  const rows = Math.ceil(total / columns)
  const given = query.get("index")
  const wanted = given === null ? 0 : Number(given)
  const isGiven = given !== null && Number.isInteger(wanted) && wanted >= 0 && wanted < total
  const active = isGiven ? wanted : 0
  const counts = useMemo(() => countStates(data), [data.known, heat.isDone, heat.value])
  const theme = document.documentElement.dataset["theme"] ?? ""

  const bands = useMemo(
    () => paint(data, columns, pressed, contrast === "on", outcome),
    [data, data.known, columns, pressed, contrast, outcome, outcome?.version, theme, total, heat.isDone]
  )
  const draw = () => {
    const element = canvas.current
    const view = scroller.current
    if (element === null || view === null) return
    const ratio = Math.min(devicePixelRatio, 2)
    const w = Math.min(view.clientWidth, columns * cell)
    const h = Math.min(view.clientHeight, rows * cell)
    if (element.width !== Math.round(w * ratio) || element.height !== Math.round(h * ratio)) {
      element.width = Math.round(w * ratio)
      element.height = Math.round(h * ratio)
      element.style.width = `${w}px`
      element.style.height = `${h}px`
    }
    const context = element.getContext("2d")
    if (context === null) return
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    context.clearRect(0, 0, w, h)
    context.imageSmoothingEnabled = false
    bands.forEach((band, i) => {
      const y = i * bandRows * cell - view.scrollTop
      const bandHeight = band.height * cell
      if (y < h && y + bandHeight > 0) context.drawImage(band, -view.scrollLeft, y, columns * cell, bandHeight)
    })
    if (cell >= 6) {
      context.strokeStyle = isDark() ? "#171b24" : "#fff"
      context.lineWidth = cell >= 12 ? 2 : 1
      context.beginPath()
      for (let x = -(view.scrollLeft % cell); x <= w; x += cell) {
        context.moveTo(x, 0)
        context.lineTo(x, h)
      }
      for (let y = -(view.scrollTop % cell); y <= h; y += cell) {
        context.moveTo(0, y)
        context.lineTo(w, y)
      }
      context.stroke()
    }
  }
  const frame = useRef(0)
  const redraw = () => {
    cancelAnimationFrame(frame.current)
    frame.current = requestAnimationFrame(draw)
  }
  useLayoutEffect(draw, [bands, cell, width, rows])

  const bring = (index: number) => {
    const view = scroller.current
    if (view === null) return
    const x = (index % columns) * cell
    const y = Math.floor(index / columns) * cell
    if (x < view.scrollLeft) view.scrollLeft = x
    else if (x + cell > view.scrollLeft + view.clientWidth) view.scrollLeft = x + cell - view.clientWidth
    if (y < view.scrollTop) view.scrollTop = y
    else if (y + cell > view.scrollTop + view.clientHeight) view.scrollTop = y + cell - view.clientHeight
  }
  const go = (index: number) => {
    const to = Math.max(0, Math.min(total - 1, index))
    setQuery({ index: to })
    bring(to)
  }
  useEffect(() => {
    if (isGiven) bring(active)
  }, [cell, columns, isGiven])
  const childHref = (index: number) =>
    run.flow_run_id === null || run.task_slug === null
      ? href(["task-runs", id])
      : href(["flow-runs", run.flow_run_id, "tasks", run.task_slug, index])
  const toFailed = (step: 1 | -1) => {
    const to = nextFailed(data, given === null && step === 1 ? -1 : active, step)
    if (to !== undefined) go(to)
  }
  const page = Math.max(1, Math.floor(mapHeight / cell) - 1)
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.metaKey || event.altKey || event.target !== event.currentTarget) return
    const moves: Readonly<Record<string, number>> = {
      ArrowRight: active + 1,
      ArrowLeft: active - 1,
      ArrowDown: active + columns < total ? active + columns : active,
      ArrowUp: active - columns >= 0 ? active - columns : active,
      PageDown: Math.min(total - 1, active + page * columns),
      PageUp: active - page * columns >= 0 ? active - page * columns : active % columns,
      Home: event.ctrlKey ? 0 : active - active % columns,
      End: event.ctrlKey ? total - 1 : Math.min(total - 1, active - active % columns + columns - 1)
    }
    if (Object.hasOwn(moves, event.key)) go(moves[event.key]!)
    else if (event.ctrlKey) return
    else if (event.key === "n") toFailed(1)
    else if (event.key === "p") toFailed(-1)
    else if (event.key === "+" || event.key === "=") setZoom((zoom) => Math.min(zooms.length - 1, zoom + 1))
    else if (event.key === "-") setZoom((zoom) => Math.max(0, zoom - 1))
    else if (event.key === "Enter") {
      if (nameAt(data, active) !== "missing") navigate(childHref(active))
    } else return
    event.preventDefault()
  }
  const indexAt = (event: MouseEvent): number | undefined => {
    const view = scroller.current
    if (view === null) return undefined
    const box = view.getBoundingClientRect()
    const column = Math.floor((event.clientX - box.left + view.scrollLeft) / cell)
    const row = Math.floor((event.clientY - box.top + view.scrollTop) / cell)
    const index = row * columns + column
    return column >= 0 && column < columns && index >= 0 && index < total ? index : undefined
  }
  const name = (index: number) => `${slug}[${index}] ${visible(nameAt(data, index))}`
  const isReady = total > 0
  return (
    <section class="panel heat" aria-label="Children by state">
      {heat.failure === undefined ? null : <Alert failure={heat.failure} onRetry={heat.start} />}
      {data.problem === undefined || heat.isRunning ? null : (
        <div class="alert" role="alert">
          <strong>ChildrenIncomplete</strong>
          <p>{data.problem}</p>
        </div>
      )}
      {given !== null && !isGiven && heat.isDone
        ? <PassedOver name="child" value={given}>is not there: the first one is shown.</PassedOver>
        : null}
      {heat.isStopped
        ? (
          <Stopped
            label={`Stopped after ${plural(data.known, "child", "children")}.`}
            onStart={heat.start}
          />
        )
        : null}
      <div class="heat-tools">
        <div class="legend" role="group" aria-label="States">
          {sortNames(counts.states.keys()).map((name) => (
            <button
              key={name}
              type="button"
              class={`legend-button state-${familyOf(name)}`}
              aria-pressed={pressed.has(name) ? "true" : "false"}
              aria-label={`${visible(name)} ${counts.states.get(name)}`}
              onClick={() => {
                const next = new Set(pressed)
                if (!next.delete(name)) next.add(name)
                setQuery({ state: [...next] })
              }}
            >
              {contrast === "on"
                ? (
                  <svg width="14" height="14" aria-hidden="true">
                    <rect width="14" height="14" rx="2" fill={colourOf(name, true)} stroke="#888" />
                  </svg>
                )
                : <Glyph name={name} />}
              <span class="state-name">{visible(name)}</span> <span class="number">{counts.states.get(name)}</span>
            </button>
          ))}
          {counts.missing === 0 ? null : <span class="legend-missing">missing {counts.missing}</span>}
        </div>
        <div class="heat-controls">
          <label class="field inline">
            <span>Map index</span>
            <input
              type="number"
              aria-label="Map index"
              min={0}
              max={Math.max(0, total - 1)}
              value={active}
              onChange={(event) => {
                const value = event.currentTarget.valueAsNumber
                if (Number.isFinite(value)) go(Math.round(value))
              }}
            />
          </label>
          <button type="button" onClick={() => toFailed(-1)}>Previous failed</button>
          <button type="button" onClick={() => toFailed(1)}>Next failed</button>
          <ZoomButtons zoom={zoom} max={zooms.length - 1} onZoom={setZoom} />
          <button
            type="button"
            aria-pressed={contrast === "on" ? "true" : "false"}
            onClick={() => setContrast(contrast === "on" ? "off" : "on")}
          >
            High contrast
          </button>
        </div>
      </div>
      <div ref={box} class="heat-box">
        <div
          class="heat-grid"
          role="grid"
          aria-label={`Mapped children of ${slug}`}
          aria-rowcount={rows}
          aria-colcount={total === 0 ? 0 : columns}
          aria-busy={heat.isRunning ? "true" : "false"}
          aria-activedescendant={isReady ? `${domId}-cell` : undefined}
          data-total={data.total}
          data-columns={total === 0 ? 0 : columns}
          tabIndex={0}
          hidden={!isReady && !heat.isRunning}
          onKeyDown={onKeyDown}
        >
          <div
            ref={scroller}
            class="heat-scroll"
            role="presentation"
            style={{
              height: `${Math.min(mapHeight, Math.max(cell, rows * cell)) + (columns * cell > width ? 16 : 0)}px`
            }}
            onScroll={redraw}
            onMouseMove={(event) => point(indexAt(event))}
            onMouseLeave={() => point(undefined)}
            onClick={(event) => {
              const index = indexAt(event)
              if (index !== undefined) go(index)
            }}
            onDblClick={(event) => {
              const index = indexAt(event)
              if (index !== undefined && nameAt(data, index) !== "missing") navigate(childHref(index))
            }}
          >
            <div
              class="heat-inner"
              role="presentation"
              style={{ width: `${columns * cell}px`, height: `${rows * cell}px` }}
            >
              <canvas ref={canvas} class="heat-canvas" aria-hidden="true" />
              {isReady
                ? (
                  <div
                    role="row"
                    aria-rowindex={Math.floor(active / columns) + 1}
                    class={cell < 8 ? "heat-active heat-active-small" : "heat-active"}
                    style={{
                      left: `${(active % columns) * cell}px`,
                      top: `${Math.floor(active / columns) * cell}px`,
                      width: `${cell}px`,
                      height: `${cell}px`
                    }}
                  >
                    <div
                      role="gridcell"
                      id={`${domId}-cell`}
                      aria-label={name(active)}
                      aria-rowindex={Math.floor(active / columns) + 1}
                      aria-colindex={active % columns + 1}
                      aria-selected="true"
                    />
                  </div>
                )
                : null}
            </div>
          </div>
        </div>
      </div>
      {isReady
        ? (
          <p class="heat-status">
            <Pointed listener={onPoint}>
              {(pointed) => (
                <>
                  {pointed === undefined ? null : <Glyph name={nameAt(data, pointed)} />}
                  {name(pointed ?? active)}
                  {nameAt(data, pointed ?? active) === "missing"
                    ? null
                    : <a href={childHref(pointed ?? active)}>Open {slug}[{pointed ?? active}]</a>}
                </>
              )}
            </Pointed>
            {heat.isRunning
              ? (
                <span class="dim">
                  {data.known.toLocaleString("en")} loaded <Stop key={id} onStop={heat.stop} />
                </span>
              )
              : null}
            {data.total > maxCells
              ? <span class="dim">The map shows the first {maxCells.toLocaleString("en")} places, the list all.</span>
              : null}
          </p>
        )
        : heat.isRunning
        ? <Loading label="Loading the children" onStop={heat.stop} />
        : heat.isStopped || heat.failure !== undefined
        ? null
        : <Empty>It was mapped over nothing: there are no children.</Empty>}
      {isReady ? <Outcomes run={run} total={total} onColours={setOutcome} /> : null}
    </section>
  )
}
