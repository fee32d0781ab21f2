/**
 * npm run bench [-- FILTER … --peers --processor --runs N --seconds N --minutes N --markdown --json --out FILE
 * --assert]: measures the rows of bench/*.bench.ts, each of which exports `rows`. A filter selects the rows whose file or
 * work contains it. `--peers` allows peers that require a Python (installed into .conformance/); `--processor` measures
 * processor time, which other programs on the machine hardly affect, and without those peers, which measure elapsed
 * time; `--runs N` replaces the number of runs of each row, and `--seconds N` begins no further one after that time;
 * `--minutes N` ends the whole, with the rows that were measured until then; `--markdown` prints the table as Markdown;
 * `--out FILE` writes it after each row too; `--assert` reports a missed target with the exit code.
 *
 * Each file is measured in a process of its own (support/measuring.ts), because what the rows of another one keep makes
 * V8's collections longer. A process that ends too early costs the row that it was measuring.
 */
import { readdirSync, writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { parseArgs } from "node:util"
import type { Result } from "./support/measure.ts"
import { measureAll, timeIsOver } from "./support/measuring.ts"
import type { Row } from "./support/row.ts"
import { markdown, table } from "./support/table.ts"

const { positionals: filters, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    peers: { type: "boolean", default: false },
    processor: { type: "boolean", default: false },
    runs: { type: "string" },
    seconds: { type: "string" },
    minutes: { type: "string" },
    markdown: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    out: { type: "string" },
    assert: { type: "boolean", default: false }
  }
})

const above0 = (name: "runs" | "seconds" | "minutes", isWhole: boolean): number | undefined => {
  const text = flags[name]
  if (text === undefined) return undefined
  const value = Number(text)
  if (value > 0 && (!isWhole || Number.isInteger(value))) return value
  console.error(`--${name} ${text} is not a number of ${name}`)
  return process.exit(2)
}
const runs = above0("runs", true)
const seconds = above0("seconds", false)
const minutes = above0("minutes", false)

/** The file with the most rows, and the longest. */
const last = "held.bench.ts"
const files = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith(".bench.ts"))
  .toSorted((left, right) => Number(left === last) - Number(right === last) || left.localeCompare(right, "en"))
const chosen: Array<{ readonly file: string; readonly index: number; readonly work: string }> = []
for (const file of files) {
  const url = new URL(file, import.meta.url).href
  const { rows } = await import(url) as { readonly rows: ReadonlyArray<Row> }
  for (const [index, { work }] of rows.entries()) {
    const matches = filters.length === 0 || filters.some((filter) => file.includes(filter) || work.includes(filter))
    if (matches) chosen.push({ file: url, index, work })
  }
}
if (chosen.length === 0) {
  console.error(`no benchmark matches ${filters.join(" ")}; the files are ${files.join(", ")}`)
  process.exit(2)
}

const results: Array<Result> = []
const failed: Array<{ readonly work: string; readonly reason: string }> = []
const machine = { node: process.version, processor: cpus()[0]?.model ?? "unknown", cores: cpus().length }
/** Very many rows can have one reason: the time was over. */
const failures = (): ReadonlyArray<string> =>
  [...new Set(failed.map(({ reason }) => reason))].flatMap((reason) => {
    const works = failed.filter((one) => one.reason === reason).map(({ work }) => work)
    return works.length <= 3
      ? works.map((work) => `${work}: ${reason}`)
      : [`${works.length} rows, from "${works[0]}" to "${works.at(-1)}": ${reason}`]
  })
const report = () =>
  flags.json
    ? JSON.stringify({ ...machine, rows: results, failed: failures() }, null, 2)
    : [
      `Node ${machine.node}, ${machine.cores} × ${machine.processor}`,
      flags.markdown ? `\n${markdown(results)}` : table(results),
      ...failures().map((line) => `could not measure ${line}`)
    ].join("\n")

const elapsed = () => Math.round(performance.now() / 1000)
await measureAll(chosen, {
  options: { python: flags.peers && !flags.processor, processor: flags.processor, runs, seconds },
  minutes,
  // Some files look for the flags themselves.
  args: process.argv.slice(2),
  onRow: ({ work }, at) => console.error(`${elapsed()} s, ${at + 1} of ${chosen.length}: ${work}`),
  onResult: (result) => {
    results.push(result)
    if (flags.out !== undefined) writeFileSync(flags.out, `${report()}\n`)
  },
  // One row that cannot be measured here must not cost the others.
  onFailure: ({ work }, reason) => {
    if (reason !== timeIsOver) console.error(`could not measure ${work}: ${reason}`)
    failed.push({ work, reason: reason.split("\n")[0]! })
  }
})
console.error(`${elapsed()} s, done`)

if (flags.out !== undefined) writeFileSync(flags.out, `${report()}\n`)
console.log(report())
if (failed.length > 0) process.exitCode = 1
if (flags.assert && results.some(({ met }) => met === false)) process.exitCode = 1
