// Draws docs/pictures/cli: what each command prints on terminals of 60, 80 and 130 columns, recorded on a pseudo-terminal
// (python3) and drawn as SVG. `node scripts/cliPictures.mjs WORD …` draws the commands that contain a word.
import { displayWidth } from "effect/cli/CliOutput"
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { root } from "./packages.mjs"

const bin = join(root, "packages", "cli", "bin", "effect-prefect.js")
const out = join(root, "docs", "pictures", "cli")
const home = mkdtempSync(join(tmpdir(), "cli-pictures-"))
const here = join(home, "archives")
cpSync(join(root, "fixtures", "prefect-1"), join(here, "prefect-1"), { recursive: true })
process.on("exit", () => rmSync(home, { recursive: true, force: true }))

/** Each command by the name of its picture. */
const commands = {
  "help": "--help",
  "flow-run-list-help": "flow-run list --help",
  "flow-list": "flow list",
  "flow-run-list": "flow-run list",
  "flow-run-show": "flow-run show orders-etl/latest",
  "flow-run-task-runs": "flow-run task-runs orders-etl/latest --no-mapped",
  "flow-run-results": "flow-run results orders-etl/latest",
  "flow-run-result": "flow-run result orders-etl/latest",
  "flow-run-logs": "flow-run logs orders-etl/latest --tail 12",
  "flow-run-states": "flow-run states orders-etl/latest",
  "flow-run-artifacts": "flow-run artifacts orders-etl/latest",
  "flow-run-watch": "flow-run watch orders-etl/latest --level error",
  "task-run-list": "task-run list --state Failed",
  "task-run-show": "task-run show --slug score-1 --map-index 7 -F orders-etl/latest",
  "task-run-result": "task-run result --slug frame-1 -F orders-etl/latest",
  "task-run-mapped": "task-run mapped --slug score-1 -F orders-etl/latest",
  "task-run-logs": "task-run logs --slug flaky-1 -F orders-etl/latest",
  "task-run-states": "task-run states --slug flaky-1 -F orders-etl/latest",
  "archive-verify": "archive verify prefect-1",
  "archive-index": "archive index prefect-1",
  "collect": "collect --flow orders-etl --output orders",
  "collect-status": "collect status orders",
  "collect-verify": "collect verify orders",
  "profile-list": "profile list",
  "doctor": "doctor",
  "mistakes": "task-run result --slug summary -F orders-etl/latest"
}

/** Commands that make an archive's answers take no part in: these have no flags of a backend. */
const withoutBackend = /--help|^archive|^collect (status|verify)|^profile/

const widths = [60, 80, 130]
const mostLines = 30

/** @param {string} command @param {number} columns */
const record = (command, columns) => {
  const asked = {
    args: [process.execPath, bin, ...command.split(" ")],
    columns,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      LANG: "C.UTF-8",
      TERM: "xterm-256color",
      COLORTERM: "truecolor",
      TZ: "Europe/Berlin",
      ...(withoutBackend.test(command) ? {} : { EFFECT_PREFECT_ARCHIVE: "prefect-1" })
    },
    steps: [],
    stdout: null,
    seconds: 120
  }
  const { stderr, stdout } = spawnSync("python3", [join(root, "conformance", "terminal.pty.py")], {
    cwd: here,
    encoding: "utf8",
    input: JSON.stringify(asked)
  })
  if (stdout === "") throw new Error(stderr)
  const { text } = JSON.parse(stdout)
  return text.replaceAll(home, "~")
}

/** The colours of 16 that the command uses, legible on black and on white. */
const palette = { 31: "#e5484d", 32: "#208738", 33: "#9f6b00", 34: "#3d67ff", 36: "#0b84a5", 90: "#757575" }

/** @typedef {{ text: string, color?: string | undefined, bold?: boolean, dim?: boolean }} Span */

/** What a terminal shows of a recording: lines of spans. Long lines are wrapped as terminals do. @param {string} text @param {number} columns */
const screen = (text, columns) => {
  /** @type {Array<Array<Span>>} */
  const lines = [[]]
  /** @type {Omit<Span, "text">} */
  let style = {}
  let column = 0
  // oxlint-disable-next-line no-control-regex -- these are what it draws
  for (const part of text.split(/(\u001b\[[\d;]*[A-Za-z]|\r\n|\n|\r)/)) {
    if (part === "\r\n" || part === "\n") {
      lines.push([])
      column = 0
    } else if (part === "\r") {
      column = 0
    } else if (part.startsWith("\u001b[")) {
      if (part.endsWith("K")) {
        lines[lines.length - 1] = []
        continue
      }
      const codes = part.slice(2, -1).split(";").map(Number)
      if (codes[0] === 38) style = { ...style, color: `rgb(${codes.slice(2).join(",")})` }
      else {
        for (const code of codes) {
          if (code === 0) style = {}
          else if (code === 1) style = { ...style, bold: true }
          else if (code === 2) style = { ...style, dim: true }
          else if (code === 22) style = { ...style, bold: false, dim: false }
          else if (code === 39) style = { ...style, color: undefined }
          else if (code in palette) style = { ...style, color: palette[/** @type {keyof typeof palette} */ (code)] }
        }
      }
    } else {
      let run = ""
      for (const character of part) {
        const width = displayWidth(character)
        if (column + width > columns) {
          lines.at(-1)?.push({ ...style, text: run })
          run = ""
          lines.push([])
          column = 0
        }
        run += character
        column += width
      }
      if (run !== "") lines.at(-1)?.push({ ...style, text: run })
    }
  }
  while (lines.length > 0 && lines.at(-1)?.length === 0) lines.pop()
  return lines.length > mostLines
    ? [...lines.slice(0, mostLines - 1), [{ text: `… ${lines.length - mostLines + 1} more lines`, dim: true }]]
    : lines
}

const cell = { width: 7.8, height: 17 }
const margin = 12
/** @param {string} text */
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** One terminal at a height of the picture. @param {string} command @param {number} columns @param {number} top */
const terminal = (command, columns, top) => {
  const lines = [
    ...screen(`\u001b[2m$ \u001b[22m\u001b[1meffect-prefect ${command}\u001b[22m`, columns),
    ...screen(record(command, columns), columns)
  ]
  const width = columns * cell.width + 2 * margin
  const height = lines.length * cell.height + 2 * margin + 14
  const rows = lines.map((spans, row) => {
    let column = 0
    return spans.map(({ bold, color, dim, text }) => {
      const x = margin + column * cell.width
      const columns = displayWidth(text)
      column += columns
      if (text.trim() === "") return ""
      const look = [bold ? "b" : "", dim ? "d" : ""].join("")
      return `<text x="${x.toFixed(1)}" y="${top + margin + 14 + (row + 1) * cell.height - 4}" textLength="${
        (columns * cell.width).toFixed(1)
      }"${look === "" ? "" : ` class="${look}"`}${color === undefined ? "" : ` fill="${color}"`}>${
        escaped(text)
      }</text>`
    }).join("")
  }).join("\n")
  return {
    width,
    height,
    svg: `<rect class="screen" x="0" y="${top}" width="${width}" height="${height}" rx="6"/>
<text class="d" x="${margin}" y="${top + 15}" font-size="10">${columns} columns</text>
${rows}
`
  }
}

/** @param {string} command */
const picture = (command) => {
  let height = 0
  let width = 0
  let body = ""
  for (const columns of widths) {
    const drawn = terminal(command, columns, height)
    height += drawn.height + 10
    width = Math.max(width, drawn.width)
    body += drawn.svg
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${
    height - 10
  }" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13" xml:space="preserve">
<style>svg { fill: #1f2328 } text { white-space: pre } .screen { fill: #ffffff; stroke: #d0d7de } .b { font-weight: bold } .d { opacity: .65 } @media (prefers-color-scheme: dark) { svg { fill: #e6edf3 } .screen { fill: #0d1117; stroke: #30363d } }</style>
${body}</svg>
`
}

mkdirSync(out, { recursive: true })
const profile = spawnSync(process.execPath, [bin, "profile", "set", "old", "--archive", "prefect-1"], {
  cwd: here,
  env: { PATH: process.env.PATH, HOME: home }
})
if (profile.status !== 0) throw new Error(String(profile.stderr))
const words = process.argv.slice(2)
for (const [name, command] of Object.entries(commands)) {
  if (words.length > 0 && !words.some((word) => name.includes(word))) continue
  writeFileSync(join(out, `${name}.svg`), picture(command))
  console.log(`docs/pictures/cli/${name}.svg`)
}
