/** Formats stored text, times and numbers for the page. */

const invisible = /[\p{Cc}\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu

/**
 * Text with control and bidirectional characters made visible, which would otherwise hide or reorder it. Line ends and
 * tabs are kept with `multiline`.
 */
export const visibleAll = (text: string, multiline = false): string =>
  text.replace(invisible, (character) => {
    if (multiline && (character === "\n" || character === "\t")) return character
    const code = character.codePointAt(0) ?? 0
    return code < 0x20
      ? String.fromCodePoint(0x2400 + code)
      : code === 0x7f
      ? "\u2421"
      : `\u2039U+${code.toString(16).toUpperCase().padStart(4, "0")}\u203a`
  })

/** The characters of one text that are shown. A browser takes minutes to lay out a line of megabytes. */
export const mostShown = 100_000

/** A text, or its beginning and how many more characters there are. */
export const shownPart = (text: string): string =>
  text.length <= mostShown
    ? text
    : `${text.slice(0, mostShown)}\u2026 (${plural(text.length - mostShown, "more character")})`

/** The same of no more of a text than a browser can lay out at once. */
export const visible = (text: string, multiline = false): string => visibleAll(shownPart(text), multiline)

/** Text without the colours and cursor movements of terminals. */
export const withoutAnsi = (text: string): string => text.replace(/\p{Cc}\[[0-9;?]{0,32}[ -/]{0,8}[@-~]/gu, "")

export type Zone = "UTC" | "local"

/** `2022-03-01 12:00:08` in a zone; the text itself when it is not a time. */
export const timeText = (iso: string, zone: Zone): string => {
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) return visible(iso)
  const shift = zone === "UTC" ? 0 : date.getTimezoneOffset() * 60_000
  return new Date(date.getTime() - shift).toISOString().replace(/T(.{8}).*/, " $1")
}

const withoutZero = (text: string): string => text.replace(/ 0 (?:s|min|h)$/, "")

/** `1.2 s`, `3 min 4 s`, `2 h 5 min`, `3 d 4 h`, `5.2 years`; `3 min` when nothing follows. */
export const durationText = (millis: number): string => {
  if (!Number.isFinite(millis) || millis < 0) return ""
  if (millis < 1000) return `${Math.round(millis)} ms`
  const seconds = millis / 1000
  if (seconds < 59.95) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
  const s = Math.round(seconds)
  if (s < 3600) return withoutZero(`${Math.floor(s / 60)} min ${s % 60} s`)
  const m = Math.round(s / 60)
  if (m < 24 * 60) return withoutZero(`${Math.floor(m / 60)} h ${m % 60} min`)
  const h = Math.round(m / 60)
  if (h < 24 * 1000) return withoutZero(`${Math.floor(h / 24)} d ${h % 24} h`)
  return `${(h / 24 / 365.25).toFixed(1)} years`
}

const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500].concat(
  [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400].map((s) => s * 1000)
)

/** The smallest round distance between ticks of a time axis that is at least this long, in milliseconds. */
export const tickStep = (millis: number): number => {
  const round = steps.find((step) => step >= millis)
  if (round !== undefined) return round
  const unit = 86_400_000 * (millis < 1000 * 86_400_000 ? 1 : 365.25)
  const power = 10 ** Math.floor(Math.log10(millis / unit))
  return ([1, 2, 5].find((digit) => digit * power * unit >= millis) ?? 10) * power * unit
}

/** A tick of a time axis: `0`, `20 s`, `1 min 30 s`, without parts that are zero. */
export const tickText = (millis: number): string =>
  millis === 0 ? "0" : durationText(millis).replace(/^(\d+)\.0 /, "$1 ")

/** The duration of a run, or its duration so far; empty when it has not started. */
export const between = (start: string | null | undefined, end: string | null | undefined): string => {
  if (!start || !end) return ""
  return durationText(Date.parse(end) - Date.parse(start))
}

const units = ["B", "kB", "MB", "GB", "TB"]

export const bytesText = (bytes: number): string => {
  let unit = 0
  let value = bytes
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** `12 rows`, `1 row`. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en")} ${count === 1 ? one : many}`

/** The text of a value's JSON projection in a cell. */
export const cellText = (json: unknown): string =>
  typeof json === "string" ? visible(json) : visible(JSON.stringify(json) ?? "null")

/** A name, which can be nothing but spaces. */
export const nameText = (name: string): string => name.trim() === "" ? `“${name}”` : visible(name)

/** A slug with the index of a mapped child: `score-1[7]`. */
export const slugText = (slug: string | null | undefined, mapIndex: number): string =>
  `${slug === null || slug === undefined ? "(no task)" : nameText(slug)}${mapIndex < 0 ? "" : `[${mapIndex}]`}`

export const short = (text: string, length: number): string =>
  text.length > length ? `${text.slice(0, length - 1)}\u2026` : text

/** A text in blocks of whole lines, without the line ends between them, of which the browser lays only the visible ones out. */
export const blocksOf = (text: string, size = 16_384): ReadonlyArray<string> => {
  const blocks: Array<string> = []
  for (let from = 0; from < text.length;) {
    const end = text.indexOf("\n", from + size)
    blocks.push(text.slice(from, end < 0 ? text.length : end))
    from = end < 0 ? text.length : end + 1
  }
  return blocks
}
