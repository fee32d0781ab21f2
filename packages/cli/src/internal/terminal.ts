/**
 * What a terminal acts on: the one place that lets control sequences of the command's own through, and shows all others.
 */
import { randomBytes } from "node:crypto"

/** Nobody outside this process can write it into a text. */
const mark = `\uE0F0${randomBytes(12).toString("hex")}`

/** A control sequence of the command's own, as `visible` lets it through. */
export const own = (sequence: string): string => `${mark}${Buffer.from(sequence).toString("hex")};`

const marked = new RegExp(`${mark}([0-9a-f]*);`, "g")

// Controls but tab and line feed, the bidirectional ones, and the separators that some terminals break lines at.
// oxlint-disable-next-line no-control-regex -- these are what it looks for
const acted = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

const shown = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/**
 * A text as it may be printed: characters that a terminal acts on, or that turn the direction of what follows, are
 * written as `\u001b`. JSON stays the same JSON.
 */
export const visible = (text: string): string =>
  text.replace(acted, shown).replace(marked, (_, hex: string) => Buffer.from(hex, "hex").toString())

/** Writes a line to standard error where no effect runs, such as in an event's listener. */
export const complain = (text: string): void => {
  // oxlint-disable-next-line no-console -- there is no service to write by
  console.error(visible(`effect-prefect: ${text}`))
}
