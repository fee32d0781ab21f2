/**
 * npm run bench [-- FILTER … --peers --processor --json --assert]: measures the rows of bench/*.bench.ts, each of which exports
 * `rows`. A filter selects the rows whose file or work contains it. `--peers` allows peers that require a Python
 * (installed into .conformance/); `--processor` measures processor time, which other programs on the machine hardly
 * affect; `--assert` reports a missed target with the exit code.
 */
import { readdirSync } from "node:fs"
import { cpus } from "node:os"
import { parseArgs } from "node:util"
import { measure, type Result } from "./support/measure.ts"
import type { Row } from "./support/row.ts"
import { json, table } from "./support/table.ts"

const { positionals: filters, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    peers: { type: "boolean", default: false },
    processor: { type: "boolean", default: false },
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

const results: Array<Result> = []
for (const row of chosen) {
  console.error(`measuring ${row.work}`)
  results.push(await measure(row, { python: flags.peers, processor: flags.processor }))
}

const machine = { node: process.version, processor: cpus()[0]?.model ?? "unknown", cores: cpus().length }
if (flags.json) console.log(JSON.stringify({ ...machine, rows: results.map(json) }, null, 2))
else {
  console.log(`Node ${machine.node}, ${machine.cores} × ${machine.processor}`)
  console.log(table(results))
}
if (flags.assert && results.some(({ met }) => met === false)) process.exitCode = 1
