import * as State from "@effect-prefect/core/State"

/** The colours that Prefect 1 gives its states. */
const palette: Record<string, string> = {
  Pending: "7ebdff",
  Scheduled: "ffab00",
  Resume: "f58c0c",
  Submitted: "ffdf5d",
  Queued: "ffea7f",
  ClientFailed: "eb0000",
  Running: "3d67ff",
  Cancelling: "e8e8e8",
  Finished: "003ccb",
  Looped: "003ccb",
  Success: "28a745",
  Cached: "34d058",
  Failed: "eb0000",
  ValidationFailed: "ff5131",
  TimedOut: "ff4e33",
  TriggerFailed: "ff5131",
  Cancelled: "bdbdbd",
  Skipped: "62757f",
  Mapped: "003ccb",
  Retrying: "f66a0a",
  Paused: "99a8e8"
}

const rgb = (hex: string): string =>
  [0, 2, 4].map((start) => Number.parseInt(hex.slice(start, start + 2), 16)).join(";")

export interface Style {
  readonly state: (state: State.State, text: string) => string
  readonly dim: (text: string) => string
  readonly bold: (text: string) => string
  readonly red: (text: string) => string
}

const plain: Style = { state: (_, text) => text, dim: (text) => text, bold: (text) => text, red: (text) => text }

const sgr = (code: string) => (text: string) => `\u001b[${code}m${text}\u001b[0m`

const coloured: Style = {
  state: (state, text) => {
    const hex = palette[state._tag]
    return hex === undefined ? text : sgr(`38;2;${rgb(hex)}`)(text)
  },
  dim: sgr("2"),
  bold: sgr("1"),
  red: sgr("31")
}

export const style = (hasColors: boolean): Style => hasColors ? coloured : plain
