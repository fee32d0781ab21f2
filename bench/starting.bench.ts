/**
 * Starting the command: `effect-prefect --help`, compared with a script that imports the same Effect modules and does
 * nothing.
 */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Contender, Row } from "./support/row.ts"

const root = join(import.meta.dirname, "..")
const source = join(root, "packages/cli/src")

/** The Effect modules that `--help` imports. */
const effectModules = (): ReadonlyArray<string> => {
  const names = new Set<string>()
  const seen = new Set<string>()
  const visit = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    for (const [, type, name] of readFileSync(file, "utf8").matchAll(/^import (type )?[^;]*?from "([^"]+)"/gm)) {
      if (type !== undefined || name === undefined) continue
      if (name.startsWith(".")) visit(join(file, "..", name))
      else if (/^@?effect\//.test(name)) names.add(name)
    }
  }
  visit(join(source, "main.ts"))
  return [...names]
}

const program = (name: string, args: () => ReadonlyArray<string>): Contender => ({
  name,
  run: () => {
    const { status, stderr } = spawnSync(process.execPath, args(), { cwd: root, encoding: "utf8" })
    if (status !== 0) throw new Error(`${name}: ${stderr}`)
  }
})

export const rows: ReadonlyArray<Row> = [{
  work: "effect-prefect --help",
  count: 1,
  show: "ms",
  ours: program("effect-prefect", () => ["packages/cli/bin/effect-prefect.js", "--help"]),
  limit: program("the same Effect modules", () => ["bench/support/importAll.mjs", ...effectModules()]),
  target: { limit: 1 / 1.2 },
  runs: 15
}]
