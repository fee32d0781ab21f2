/**
 * npm run bench [-- FILTER … --peers --processor --runs N --markdown --json --assert]: measures the rows of
 * bench/*.bench.ts, each of which exports `rows`. A filter selects the rows whose file or work contains it. `--peers`
 * allows peers that require a Python (installed into .conformance/); `--processor` measures processor time, which other
 * programs on the machine hardly affect, and without those peers, which measure elapsed time; `--runs N` replaces the
 * number of runs of each row; `--markdown` prints the table as Markdown; `--assert` reports a missed target with the
 * exit code.
 */
import { readdirSync } from "node:fs"
import { cpus } from "node:os"
import { parseArgs } from "node:util"
import { measure, type Result } from "./support/measure.ts"
import type { Row } from "./support/row.ts"
import { json, markdown, table } from "./support/table.ts"

const { positionals: filters, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    peers: { type: "boolean", default: false },
    processor: { type: "boolean", default: false },
    runs: { type: "string" },
    markdown: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    assert: { type: "boolean", default: false }
  }
})

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".bench.ts")).toSorted()
const chosen: Array<Row> = []
for (const file of files) {
  const { rows } = await import(new URL(file, import.meta.url).href) as { readonly rows: ReadonlyArray<Row> }
  const matches = (row: Row) => filters.some((filter) => file.includes(filter) || row.work.includes(filter))
  chosen.push(...rows.filter((row) => filters.length === 0 || matches(row)))
}
if (chosen.length === 0) {
  console.error(`no benchmark matches ${filters.join(" ")}; the files are ${files.join(", ")}`)
  process.exit(2)
}

const runs = flags.runs === undefined ? undefined : Number(flags.runs)
if (runs !== undefined && !(Number.isInteger(runs) && runs > 0)) {
  console.error(`--runs ${flags.runs} is not a number of runs`)
  process.exit(2)
}
const results: Array<Result> = []
const failed: Array<string> = []
const seconds = () => Math.round(performance.now() / 1000)
for (const [at, row] of chosen.entries()) {
  console.error(`${seconds()} s, ${at + 1} of ${chosen.length}: ${row.work}`)
  try {
    results.push(await measure(row, { python: flags.peers && !flags.processor, processor: flags.processor, runs }))
  } catch (error) {
    // One row that cannot be measured here must not cost the others.
    console.error(error)
    failed.push(`${row.work}: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`)
  }
}
console.error(`${seconds()} s, done`)

const machine = { node: process.version, processor: cpus()[0]?.model ?? "unknown", cores: cpus().length }
if (flags.json) console.log(JSON.stringify({ ...machine, rows: results.map(json), failed }, null, 2))
else {
  console.log(`Node ${machine.node}, ${machine.cores} × ${machine.processor}`)
  console.log(flags.markdown ? `\n${markdown(results)}` : table(results))
}
for (const line of failed) console.error(`could not measure ${line}`)
if (failed.length > 0) process.exitCode = 1
if (flags.assert && results.some(({ met }) => met === false)) process.exitCode = 1
