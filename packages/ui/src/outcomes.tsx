/** The results of mapped children, loaded on request, which then colour the map. */
import type { Outcome, TaskRun } from "@effect-prefect/ui-api/Models"
import { useEffect, useMemo, useState } from "preact/hooks"
import { client } from "./api.ts"
import { useStream } from "./data.ts"
import { Alert } from "./parts.tsx"
import { plural, visible } from "./text.ts"

export interface OutcomeColours {
  readonly version: number
  readonly colourAt: (index: number) => string | undefined
}

const valueColour = "#2b7de9"
const reasonColours = ["#eb0000", "#f58c0c", "#9b51e0", "#62757f", "#b5179e", "#8d6e63", "#00838f"]

/**
 * From blue over yellow to red, with even steps in lightness, so that they can be distinguished without seeing green.
 */
const scale = (part: number): string => {
  const stops: ReadonlyArray<readonly [number, number, number]> = [[44, 75, 160], [88, 160, 190], [235, 215, 110], [
    230,
    120,
    50
  ], [165, 20, 60]]
  const at = Math.min(0.9999, Math.max(0, part)) * (stops.length - 1)
  const low = stops[Math.floor(at)]!
  const high = stops[Math.floor(at) + 1]!
  const f = at - Math.floor(at)
  return `#${low.map((c, i) => Math.round(c + (high[i]! - c) * f).toString(16).padStart(2, "0")).join("")}`
}

interface Loaded {
  readonly reasons: Map<number, string>
  readonly values: Map<number, unknown>
  readonly keys: Set<string>
  count: number
}

const add = (loaded: Loaded, outcomes: ReadonlyArray<Outcome>): Loaded => {
  for (const { map_index, outcome } of outcomes) {
    loaded.count++
    if ("error" in outcome) {
      loaded.reasons.set(map_index, outcome.error.reason)
      continue
    }
    const { value } = outcome
    if (typeof value === "number") {
      loaded.keys.add("value")
      loaded.values.set(map_index, { value })
    } else if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      const numbers: Record<string, number> = {}
      for (const [key, one] of Object.entries(value)) {
        if (typeof one !== "number" || (loaded.keys.size >= 50 && !loaded.keys.has(key))) continue
        loaded.keys.add(key)
        numbers[key] = one
      }
      loaded.values.set(map_index, numbers)
    } else loaded.values.set(map_index, {})
  }
  return loaded
}

export const Outcomes = ({ onColours, run, total }: {
  readonly run: TaskRun
  readonly total: number
  readonly onColours: (colours: OutcomeColours | undefined) => void
}) => {
  const [by, setBy] = useState("state")
  const loading = useStream(
    `child outcomes ${run.task_run_id}`,
    () => client.taskRuns.childOutcomes({ params: { id: run.task_run_id }, query: {} }),
    (): Loaded => ({ reasons: new Map(), values: new Map(), keys: new Set(), count: 0 }),
    add,
    { auto: false }
  )
  const { count, keys, reasons, values } = loading.value
  const reasonNames = useMemo(() => [...new Set(reasons.values())].sort(), [count])
  const range = useMemo(() => {
    let min = Infinity
    let max = -Infinity
    if (by.startsWith("number:")) {
      for (const value of values.values()) {
        const number = (value as Readonly<Record<string, number>>)[by.slice(7)]
        if (number === undefined) continue
        if (number < min) min = number
        if (number > max) max = number
      }
    }
    return { min, max }
  }, [count, by])
  const reasonColour = (reason: string) => reasonColours[reasonNames.indexOf(reason) % reasonColours.length]!
  useEffect(() => {
    if (by === "state") return onColours(undefined)
    onColours({
      version: count,
      colourAt: (index) => {
        const reason = reasons.get(index)
        const value = values.get(index) as Readonly<Record<string, number>> | undefined
        if (by === "outcome") {
          return reason !== undefined
            ? reasonColour(reason)
            : value === undefined
            ? undefined
            : valueColour
        }
        const number = value?.[by.slice(7)]
        return number === undefined ? undefined : scale((number - range.min) / (range.max - range.min || 1))
      }
    })
  }, [by, count])
  return (
    <div class="outcomes">
      {loading.isRunning
        ? (
          <>
            <progress max={total} value={count} aria-label="Results loaded" />
            <button type="button" onClick={loading.stop}>Stop</button>
          </>
        )
        : <button type="button" onClick={loading.start}>Load results</button>}
      <span role="status" class="dim">
        {count === 0
          ? loading.isRunning ? "Loading results" : "Colours the map by what the children returned."
          : `${plural(count, "result")}${loading.isRunning ? " so far" : loading.isDone ? "" : ", then stopped"}`}
      </span>
      {count === 0 ? null : (
        <label class="field inline">
          <span>Colour by</span>
          <select aria-label="Colour by" value={by} onChange={(event) => setBy(event.currentTarget.value)}>
            <option value="state">State</option>
            <option value="outcome">Outcome</option>
            {[...keys].map((key) => <option key={key} value={`number:${key}`}>{visible(key)}</option>)}
          </select>
        </label>
      )}
      {by === "outcome"
        ? (
          <ul class="outcome-legend">
            <Swatch colour={valueColour} text={`value ${values.size}`} />
            {reasonNames.map((reason) => (
              <Swatch
                key={reason}
                colour={reasonColour(reason)}
                text={`${reason} ${[...reasons.values()].filter((one) => one === reason).length}`}
              />
            ))}
          </ul>
        )
        : by.startsWith("number:") && Number.isFinite(range.min)
        ? (
          <span class="scale">
            <span class="number">{Number(range.min.toPrecision(6))}</span>
            <svg width="120" height="12" aria-hidden="true">
              {Array.from(
                { length: 24 },
                (_, i) => <rect key={i} x={i * 5} width="5" height="12" fill={scale(i / 23)} />
              )}
            </svg>
            <span class="number">{Number(range.max.toPrecision(6))}</span>
          </span>
        )
        : null}
      {loading.failure === undefined ? null : <Alert failure={loading.failure} onRetry={loading.start} />}
    </div>
  )
}

const Swatch = ({ colour, text }: { readonly colour: string; readonly text: string }) => (
  <li>
    <svg width="12" height="12" aria-hidden="true">
      <rect width="12" height="12" rx="2" fill={colour} />
    </svg>
    {text}
  </li>
)
