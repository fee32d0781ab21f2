import type * as State from "@effect-prefect/core/State"
import { styleText } from "node:util"
import { own } from "./terminal.ts"

/**
 * Prefect 1's colours of states, each in a shade with a contrast of at least 4.5:1 on black and on white, because the
 * background of a terminal is unknown.
 */
export const shades: { readonly [state: string]: string } = {
  Pending: "0072e9",
  Scheduled: "9f6b00",
  Resume: "ae6307",
  Submitted: "8e7200",
  Queued: "8a7400",
  ClientFailed: "ec0000",
  Running: "3d67ff",
  Cancelling: "757575",
  Finished: "2a69ff",
  Looped: "2a69ff",
  Success: "208738",
  Cached: "1f8737",
  Failed: "ec0000",
  ValidationFailed: "e52400",
  TimedOut: "e71f00",
  TriggerFailed: "e52400",
  Cancelled: "757575",
  Skipped: "657883",
  Mapped: "2a69ff",
  Retrying: "c35407",
  Paused: "546dd9"
}

type Basic = "green" | "red" | "blue" | "yellow" | "gray"

/** The nearest of the 16 colours that every terminal has and users choose. */
const basics: { readonly [state: string]: Basic } = {
  Pending: "blue",
  Scheduled: "yellow",
  Resume: "yellow",
  Submitted: "yellow",
  Queued: "yellow",
  ClientFailed: "red",
  Running: "blue",
  Cancelling: "gray",
  Finished: "blue",
  Looped: "blue",
  Success: "green",
  Cached: "green",
  Failed: "red",
  ValidationFailed: "red",
  TimedOut: "red",
  TriggerFailed: "red",
  Cancelled: "gray",
  Skipped: "gray",
  Mapped: "blue",
  Retrying: "yellow",
  Paused: "blue"
}

/** The colours of a stream: none, the 16 of every terminal, or 24-bit. */
export type Colors = "none" | "basic" | "full"

export interface Style {
  readonly state: (state: State.State, text: string) => string
  /** The same for a state's name alone. */
  readonly stateName: (name: string, text: string) => string
  readonly dim: (text: string) => string
  readonly bold: (text: string) => string
  readonly red: (text: string) => string
}

const plain: Style = {
  state: (_, text) => text,
  stateName: (_, text) => text,
  dim: (text) => text,
  bold: (text) => text,
  red: (text) => text
}

const paint = (format: "dim" | "bold" | Basic) => {
  const [open = "", close = ""] = styleText(format, "\0", { validateStream: false }).split("\0").map(own)
  return (text: string): string => open + text + close
}

const rgb = (hex: string, text: string): string =>
  own(`\u001b[38;2;${[0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join(";")}m`) + text +
  own("\u001b[39m")

const coloured = (colors: "basic" | "full"): Style => {
  const stateName = (name: string, text: string): string => {
    if (colors === "full") return shades[name] === undefined ? text : rgb(shades[name], text)
    return basics[name] === undefined ? text : paint(basics[name])(text)
  }
  return {
    state: (state, text) => stateName(state._tag, text),
    stateName,
    dim: paint("dim"),
    bold: paint("bold"),
    red: paint("red")
  }
}

const styles = { none: plain, basic: coloured("basic"), full: coloured("full") }

export const style = (colors: Colors): Style => styles[colors]
