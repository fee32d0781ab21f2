// conformance/RESULTS.md: the last results of checks that CI does not run, one table per kind of check, each row with
// its date and commit. A new measurement replaces the row of the same name; the others stay.
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./packages.mjs"
import { run } from "./run.mjs"

const file = join(root, "conformance", "RESULTS.md")

/** The sections in order, each with its introduction and columns. */
const sections = {
  conformance: {
    title: "Conformance",
    text: "`npm run conformance` compares with real Prefects, Pythons, databases, storages and browsers.",
    columns: ["script", "date", "commit", "passed", "failed", "seconds", "ran against"]
  },
  mutation: {
    title: "Mutation",
    text: "`npm run mutation` changes one thing in a module and runs the tests that are about it\n" +
      "(`scripts/mutation/areas.mjs`): a mutant is killed when one of them fails. An area without a row was not measured yet.\n" +
      "Mutants that make no difference are listed, with the reason, in `scripts/mutation/equivalent.mjs`; they are not counted\n" +
      "as mutants. \"120 of 800\": a sample, spread evenly over the code.",
    columns: ["module", "date", "commit", "mutants", "killed", "score", "no difference"]
  }
}

/** @typedef {keyof typeof sections} Section */

const cells = (/** @type {string} */ line) => line.split("|").slice(1, -1).map((cell) => cell.trim())

const read = () => {
  /** @type {Record<Section, Map<string, Array<string>>>} */
  const rows = { conformance: new Map(), mutation: new Map() }
  if (!existsSync(file)) return rows
  /** @type {Section | undefined} */
  let section
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line.startsWith("## ")) {
      section = /** @type {Array<Section>} */ (Object.keys(sections)).find((key) =>
        sections[key].title === line.slice(3)
      )
    }
    if (section === undefined || !line.startsWith("| ")) continue
    const row = cells(line)
    if (row[0] !== sections[section].columns[0]) rows[section].set(row[0] ?? "", row)
  }
  return rows
}

const table = (
  /** @type {ReadonlyArray<string>} */ columns,
  /** @type {ReadonlyArray<ReadonlyArray<string>>} */ rows
) =>
  [
    `| ${columns.join(" | ")} |`,
    `|${columns.map(() => "---").join("|")}|`,
    ...rows.map((row) => `| ${row.join(" | ")} |`)
  ].join("\n")

/** Today, and the checked-out commit, with a plus when files differ from it. */
export const now = async () => {
  const commit = (await run("git", ["rev-parse", "--short", "HEAD"]).catch(() => "none")).trim()
  const changed = (await run("git", ["status", "--porcelain", "--", ".", ":!conformance/RESULTS.md"]).catch(() => ""))
    .trim()
  return { date: new Date().toISOString().slice(0, 10), commit: changed === "" ? commit : `${commit}+` }
}

/**
 * Writes rows into a section; the first cell identifies the row to replace.
 * @param {Section} section
 * @param {ReadonlyArray<ReadonlyArray<string | number>>} rows
 * @param {(name: string) => boolean} exists whether the row of that name is still about something that there is
 */
export const record = (section, rows, exists = () => true) => {
  const all = read()
  for (const row of rows) {
    all[section].set(
      String(row[0]),
      row.map((cell) => String(cell).replaceAll("|", "\\|").replaceAll("\n", " "))
    )
  }
  for (const name of all[section].keys()) if (!exists(name)) all[section].delete(name)
  const parts = /** @type {Array<Section>} */ (Object.keys(sections)).map((key) => {
    const { columns, text, title } = sections[key]
    const sorted = [...all[key].values()].toSorted((left, right) => (left[0] ?? "") < (right[0] ?? "") ? -1 : 1)
    return `## ${title}\n\n${text}\n\n${table(columns, sorted)}\n`
  })
  const head = "# What was last tried, and when\n\n" +
    "Written by `npm run conformance` and `npm run mutation`. A plus after a commit: files had been changed.\n\n"
  writeFileSync(file, head + parts.join("\n"))
}
