/**
 * Control characters of terminals: the one place that lets the command's own control sequences through and shows all
 * others.
 */
import { randomBytes } from "node:crypto"

/** Text from outside this process cannot contain it. */
const mark = `\uE0F0${randomBytes(12).toString("hex")}`

/** A control sequence of the command's own, which `visible` lets through. */
export const own = (sequence: string): string => `${mark}${Buffer.from(sequence).toString("hex")};`

const marked = new RegExp(`${mark}([0-9a-f]*);`, "g")

// Controls except tab and line feed, bidirectional controls, and separators at which some terminals break lines.
// oxlint-disable-next-line no-control-regex -- these are what it looks for
const acted = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

const shown = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/**
 * A text that is safe to print: characters that control a terminal, or change the text direction, are written as
 * `\u001b`. JSON stays equivalent JSON.
 */
export const visible = (text: string): string =>
  text.replace(acted, shown).replace(marked, (_, hex: string) => Buffer.from(hex, "hex").toString())

/** A text on one line: line breaks in it could pass for the command's own output. */
export const oneLine = (text: string): string => text.replace(/[\n\r\v\f\u0085\u2028\u2029]+/g, " ")

/** Writes a line to standard error outside any effect, such as in an event listener. */
export const complain = (text: string): void => {
  // oxlint-disable-next-line no-console -- there is no service to write by
  console.error(visible(`effect-prefect: ${oneLine(text)}`))
}
