/** Times and durations in readable form. */

import { readlinkSync } from "node:fs"

export interface Times {
  /** `2022-03-01 12:00:08`; the text itself when it is not a time, and an empty text for null. */
  readonly time: (iso: string | null | undefined) => string
  /** The zone of the times: `UTC`, `Europe/Berlin`. It is named once, in a heading. */
  readonly zone: string
}

const two = (n: number) => String(n).padStart(2, "0")

/** The name of this machine's zone. The first use of `Intl` takes 14 ms, so the system's own record is read first. */
const localZone = (): string => {
  const variable = process.env["TZ"]
  if (variable === "UTC") return "UTC"
  if (variable === undefined && process.platform !== "win32") {
    try {
      const target = readlinkSync("/etc/localtime")
      const folder = "/zoneinfo/"
      const name = target.slice(target.lastIndexOf(folder) + folder.length)
      if (target.includes(folder) && /^[\w+/-]+$/.test(name)) return name === "Etc/UTC" ? "UTC" : name
    } catch {
      // Some systems have a copy of the zone there, or no file.
    }
  }
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions() as { readonly timeZone: string | undefined }
  // A TZ that names no zone leaves the process in UTC.
  return timeZone === undefined || timeZone === "Etc/Unknown" ? "UTC" : timeZone
}

export const make = ({ utc }: { readonly utc: boolean }): Times => ({
  get zone() {
    return utc ? "UTC" : localZone()
  },
  time: (iso) => {
    if (iso === null || iso === undefined) return ""
    const date = new Date(iso)
    if (Number.isNaN(date.getTime())) return iso
    return utc
      ? date.toISOString().slice(0, 19).replace("T", " ")
      : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
        `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  }
})

const units = [["d", 86_400], ["h", 3_600], ["m", 60], ["s", 1]] as const

/** `850ms`, `4.2s`, `1m 21s`, `3h 05m`, `2d 4h`: at most two units. */
export const duration = (milliseconds: number): string => {
  if (!Number.isFinite(milliseconds) || milliseconds < 0) return ""
  if (milliseconds < 999.5) return `${Math.round(milliseconds)}ms`
  if (milliseconds < 9_950) return `${(milliseconds / 1_000).toFixed(1)}s`
  let seconds = Math.round(milliseconds / 1_000)
  const parts: Array<string> = []
  for (const [unit, size] of units) {
    const count = Math.floor(seconds / size)
    seconds -= count * size
    if (count > 0 || parts.length > 0) parts.push(`${count}${unit}`)
    if (parts.length === 2) break
  }
  return parts.filter((part, at) => at === 0 || !part.startsWith("0")).join(" ")
}

/** The duration of a run, or its duration until now; empty when it has not started. */
export const between = (
  start: string | null | undefined,
  end: string | null | undefined,
  now?: number
): string => {
  if (start === null || start === undefined) return ""
  const to = end === null || end === undefined ? now : Date.parse(end)
  return to === undefined ? "" : duration(to - Date.parse(start))
}

/** `3 minutes ago`, `2 years ago`; `in 5 minutes` for the future. */
export const relative = (iso: string | null | undefined, now: number): string => {
  if (iso === null || iso === undefined) return ""
  const seconds = (now - Date.parse(iso)) / 1_000
  if (Number.isNaN(seconds)) return ""
  const steps = [["year", 31_557_600], ["month", 2_629_800], ["day", 86_400], ["hour", 3_600], ["minute", 60]] as const
  for (const [unit, size] of steps) {
    const count = Math.floor(Math.abs(seconds) / size)
    if (count >= 1) {
      const text = `${count} ${unit}${count === 1 ? "" : "s"}`
      return seconds < 0 ? `in ${text}` : `${text} ago`
    }
  }
  return "just now"
}
