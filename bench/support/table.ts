/** Formats results as an aligned table or as Markdown. */
import type { Figure, Result } from "./measure.ts"

const round = (value: number) =>
  value >= 100 ? Math.round(value).toLocaleString("en-US").replaceAll(",", " ") : value.toPrecision(value >= 10 ? 3 : 2)

const shown = ({ count, show }: Result, figure: Figure) =>
  show === "ms"
    ? `${round(figure.median)} ms`
    : show === "MB"
    ? `${round(figure.median)} MB`
    : `${round(count / figure.median * 1000)}/s`

const named = (result: Result, figure: Figure) => `${shown(result, figure)} ${figure.name}`

const cells = (result: Result): ReadonlyArray<string> => {
  const { limit, limitRatio, met, ours, peerRatios, peers, target, work } = result
  const { limit: limitTarget, peer: peerTarget } = target ?? {}
  const targets = [
    ...(peerTarget === undefined ? [] : [`${peerTarget}× peer`]),
    ...(limitTarget === undefined ? [] : [`${Number(limitTarget.toFixed(2))} of limit`])
  ]
  return [
    work,
    shown(result, ours),
    peers.map((peer) => named(result, peer)).join(", "),
    limit === undefined ? "" : named(result, limit),
    [
      ...peerRatios.map((ratio) => `${round(ratio)}×`),
      ...(limitRatio === undefined ? [] : [`${limitRatio.toFixed(2)} of limit`])
    ].join(", "),
    targets.length === 0 ? "" : `${targets.join(", ")} ${met === undefined ? "not compared" : met ? "met" : "MISSED"}`
  ]
}

const header = ["work", "ours", "peer", "limit", "ratios", "target"]

const lineOf = (cells: ReadonlyArray<string>) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`

/** The table as Markdown. */
export const markdown = (results: ReadonlyArray<Result>): string =>
  [lineOf(header), lineOf(header.map(() => "---")), ...results.map((result) => lineOf(cells(result)))].join("\n")

/** The table, one line per row. */
export const table = (results: ReadonlyArray<Result>): string => {
  const rows = [header, ...results.map(cells)]
  const widths = header.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: ReadonlyArray<string>) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ").trimEnd()
  return [line(header), widths.map((width) => "-".repeat(width)).join("-|-"), ...results.map(cells).map(line)].join(
    "\n"
  )
}
