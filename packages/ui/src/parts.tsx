/** Small components of the pages. */
import type { ComponentChildren } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import { client, type Failure, run } from "./api.ts"
import { readSetting, useSetting } from "./data.ts"
import { colourOf, familyOf } from "./states.ts"
import { bytesText, durationText, short, timeText, visible, type Zone } from "./text.ts"

const shapes: Readonly<Record<string, string>> = {
  succeeded: "M4.2 8.3l2.5 2.5 5-5.4",
  failed: "M5 5l6 6M11 5l-6 6",
  running: "M6.2 4.8v6.4l5-3.2z",
  waiting: "M8 4.6v3.6l2.4 1.6",
  skipped: "M4.4 8h7.2"
}

/** A disc in the state's colour with the shape of its family, so that colour is never the only sign. */
export const Glyph = ({ name }: { readonly name: string }) => {
  const family = familyOf(name)
  const colour = colourOf(name)
  return (
    <svg class={`glyph glyph-${family}`} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <circle cx="8" cy="8" r="7" fill={colour} />
      <path
        d={shapes[family]}
        fill={family === "running" ? "#fff" : "none"}
        stroke={lightOn(colour) ? "#fff" : "#1d2433"}
        stroke-width="1.8"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  )
}

const lightOn = (colour: string): boolean => {
  const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16))
  return r! * 0.299 + g! * 0.587 + b! * 0.114 < 160
}

export const StateText = ({ name }: { readonly name: string }) => (
  <span class={`state state-${familyOf(name)}`}>
    <Glyph name={name} />
    <span class="state-name">{visible(name)}</span>
  </span>
)

/** A bar of counts by state, and the counts as text for screen readers. */
export const CountsBar = (
  { states, total }: { readonly states: Readonly<Record<string, number>>; readonly total: number }
) => {
  const entries = Object.entries(states).filter(([, count]) => count > 0)
    .sort(([left], [right]) => order(left) - order(right))
  return (
    <span class="counts" title={entries.map(([name, count]) => `${name} ${count}`).join(", ")}>
      <svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" width="100%" height="8" aria-hidden="true">
        {entries.map(([name, count], i) => {
          const before = entries.slice(0, i).reduce((sum, [, n]) => sum + n, 0)
          const width = Math.max(count / total * 100, 0.8)
          return (
            <rect
              key={name}
              x={before / total * 100}
              y="0"
              width={width}
              height="8"
              fill={colourOf(name)}
            />
          )
        })}
      </svg>
      <span class="visually-hidden">{entries.map(([name, count]) => `${name} ${count}`).join(", ")}</span>
    </span>
  )
}

const families = ["succeeded", "skipped", "running", "waiting", "failed"]
const order = (name: string): number => families.indexOf(familyOf(name))

export const useZone = (): readonly [Zone, (zone: Zone) => void] => {
  const fromQuery = new URLSearchParams(location.search).get("tz")
  return useSetting<Zone>(
    "zone",
    fromQuery === "local" || fromQuery === "UTC" ? fromQuery : readSetting<Zone>("zone", "UTC")
  )
}

export const Time = ({ value }: { readonly value: string | null | undefined }) => {
  const [zone] = useZone()
  if (value === null || value === undefined || value === "") return <span class="none">–</span>
  return <time dateTime={value} title={value}>{timeText(value, zone)}</time>
}

let follows: boolean | undefined

/** Whether the backend can change at all: an archive never does, whatever the states in it say. */
export const useFollows = (): boolean => {
  const [known, set] = useState(follows)
  useEffect(() => {
    if (known !== undefined) return
    const controller = new AbortController()
    run(client.backend.backend(), controller.signal, ({ can }) => set(follows = can.changes), () => {})
    return () => controller.abort()
  }, [])
  return known === true
}

/** The duration of a run; while it runs, the time since it started, updated continuously. */
export const Duration = ({ end, start, isOver }: {
  readonly start: string | null | undefined
  readonly end: string | null | undefined
  readonly isOver: boolean
}) => {
  const [, tick] = useState(0)
  const follows = useFollows()
  const isRunning = follows && !isOver && !!start && !end
  useEffect(() => {
    if (!isRunning) return
    const timer = setInterval(() => tick((n) => n + 1), 1000)
    return () => clearInterval(timer)
  }, [isRunning])
  if (!start || (!end && !isRunning)) return <span class="none">–</span>
  const millis = (end ? Date.parse(end) : Date.now()) - Date.parse(start)
  const text = durationText(millis)
  if (text === "") return <span class="none">–</span>
  return <span class="number">{text}{isRunning ? " so far" : ""}</span>
}

export const Alert = (
  { failure, onRetry }: { readonly failure: Failure; readonly onRetry?: (() => void) | undefined }
) => (
  <div class="alert" role="alert">
    <strong>{titleOf(failure)}</strong>
    <p>{visible(failure.message)}</p>
    {onRetry === undefined ? null : <button type="button" onClick={onRetry}>Try again</button>}
  </div>
)

const titleOf = ({ reason, tag }: Failure): string => tag === "Unauthenticated" ? "No access" : visible(reason)

/** A button that stops something which has taken two seconds. */
export const Stop = ({ onStop }: { readonly onStop: () => void }) => {
  const [isDue, set] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => set(true), 2000)
    return () => clearTimeout(timer)
  }, [])
  return isDue ? <button type="button" onClick={onStop}>Stop</button> : null
}

/** What takes the place of data that was stopped before it arrived. */
export const Stopped = ({ label = "Stopped before anything was loaded.", onStart }: {
  readonly label?: string
  readonly onStart: () => void
}) => (
  <p class="note" role="status">
    {label} <button type="button" onClick={onStart}>Load</button>
  </p>
)

/** A request whose data is not there yet: loading, stopped, or failed, which is shown elsewhere. */
export const Waiting = ({ label, query }: {
  readonly label: string
  readonly query: {
    readonly isLoading: boolean
    readonly isStopped: boolean
    readonly reload: () => void
    readonly stop: () => void
  }
}) =>
  query.isLoading
    ? <Loading label={label} onStop={query.stop} />
    : query.isStopped
    ? <Stopped onStart={query.reload} />
    : null

/** Shows that data is loading once it takes longer than a moment; after two seconds it can be stopped. */
export const Loading = ({ label, onStop }: { readonly label: string; readonly onStop?: (() => void) | undefined }) => {
  const [isDue, set] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => set(true), 200)
    return () => clearTimeout(timer)
  }, [])
  return (
    <div class="loading" role="status">
      {!isDue ? null : (
        <>
          <span class="loading-text">{label}</span>
          <span class="skeleton" />
          <span class="skeleton short" />
        </>
      )}
      {onStop === undefined ? null : <Stop onStop={onStop} />}
    </div>
  )
}

/** The buttons of a drawing that is shown in one of several sizes, of which `max` is the largest. */
export const ZoomButtons = (
  { max, onZoom, zoom }: { readonly zoom: number; readonly max: number; readonly onZoom: (zoom: number) => void }
) => (
  <>
    <button type="button" aria-label="Smaller" disabled={zoom === 0} onClick={() => onZoom(zoom - 1)}>−</button>
    <button type="button" aria-label="Larger" disabled={zoom === max} onClick={() => onZoom(zoom + 1)}>+</button>
  </>
)

export const Empty = ({ children }: { readonly children: ComponentChildren }) => <p class="empty">{children}</p>

/** Says what part of the address was passed over, and why: which … */
export const PassedOver = ({ children, name, value }: {
  readonly name: string
  readonly value: string
  readonly children: ComponentChildren
}) => (
  <p class="note" role="status">
    The address names {name} {visible(short(value, 80))}, which {children}
  </p>
)

/** Names and their values. Unknown values have no line. */
export const Facts = ({ rows }: { readonly rows: ReadonlyArray<readonly [string, ComponentChildren]> }) => (
  <dl class="facts">
    {rows.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
)

export const Copy = ({ label, text }: { readonly label: string; readonly text: string }) => {
  const [said, say] = useState("")
  return (
    <>
      <button
        type="button"
        class="small"
        onClick={() => {
          const done = () => {
            say("Copied")
            setTimeout(() => say(""), 2000)
          }
          navigator.clipboard?.writeText(text).then(done, () => say("Select and copy it by hand"))
        }}
      >
        {said === "Copied" ? "Copied" : label}
      </button>
      <span class="visually-hidden" role="status">{said}</span>
    </>
  )
}

export const Size = ({ bytes }: { readonly bytes: number | null }) =>
  bytes === null ? null : <span class="number" title={`${bytes} bytes`}>{bytesText(bytes)}</span>

/** The JSON of parameters and the like, indented, in a block that can be expanded when it is long. */
export const JsonBlock = ({ value }: { readonly value: unknown }) => {
  const text = JSON.stringify(value, null, 2) ?? "null"
  return <pre class="json" tabIndex={0}>{visible(text, true)}</pre>
}

/** Runs after the element is on the page, with its width whenever it changes. */
export const useWidth = <E extends HTMLElement>(): readonly [{ current: E | null }, number] => {
  const ref = useRef<E>(null)
  const [width, set] = useState(0)
  useEffect(() => {
    const element = ref.current
    if (element === null) return
    set(element.clientWidth)
    const observer = new ResizeObserver(() => set(element.clientWidth))
    observer.observe(element)
    return () => observer.disconnect()
  }, [])
  return [ref, width]
}
