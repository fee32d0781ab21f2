/** Loads rows into the Postgres of a conformance script, and runs the command against it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { statementsOf, type TableRows } from "../../packages/api/test/pglite.ts"
import { root } from "../support/folder.ts"
import { type Output, run } from "../support/process.ts"

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`

/** The SQL that creates Prefect's tables with these rows in them. */
export const sqlOf = (rows: TableRows): string =>
  statementsOf(rows).map(([sql, parameter]) =>
    `${parameter === undefined ? sql : sql.replace("$1", () => quoted(parameter))};\n`
  ).join("")

/** The rows of an archive's tables. */
export const readTables = (archive: string): TableRows =>
  Object.fromEntries(
    readdirSync(join(archive, "tables")).map((file) => [
      file.replace(".jsonl", ""),
      readLines(join(archive, "tables", file)) as ReadonlyArray<object>
    ])
  )

/** The values of a file with one JSON value a line. */
export const readLines = (path: string): ReadonlyArray<unknown> =>
  readFileSync(path, "utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))

const bin = join(root, "packages/cli/bin/effect-prefect.js")

/** Runs `effect-prefect` as a shell does. */
export const command = (
  args: ReadonlyArray<string>,
  options: { readonly allowFailure?: boolean; readonly env?: Readonly<Record<string, string>> } = {}
): Promise<Output> => run(process.execPath, [bin, ...args], options)

/** A folder that is removed when the process ends. */
export const temporaryFolder = (): string => {
  const path = mkdtempSync(join(tmpdir(), "conformance-"))
  process.on("exit", () => rmSync(path, { recursive: true, force: true }))
  return path
}
