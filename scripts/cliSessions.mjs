// Writes the terminal sessions of docs/cli.md: each block that begins with "$ effect-prefect" is run as written, in
// fixtures/, and its output replaces the text below the command. Times relative to now differ from day to day.
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { root } from "./packages.mjs"

const file = join(root, "docs", "cli.md")
const bin = join(root, "packages", "cli", "bin", "effect-prefect.js")
const home = mkdtempSync(join(tmpdir(), "cli-sessions-"))

/** A long output is truncated: the first lines show its form. @param {string} text */
const cut = (text) => {
  const lines = text.trimEnd().split("\n")
  return lines.length > 14 ? [...lines.slice(0, 12), `… ${lines.length - 12} more lines`].join("\n") : lines.join("\n")
}

/** @param {string} command */
const run = (command) => {
  const { stderr, stdout } = spawnSync("sh", [
    "-c",
    command.replaceAll(/(?<=^|&& )effect-prefect/g, `node ${JSON.stringify(bin)}`)
  ], {
    cwd: join(root, "fixtures"),
    encoding: "utf8",
    env: { PATH: process.env.PATH, HOME: home, TZ: "UTC", NO_COLOR: "1" }
  })
  return cut(
    `${stdout}${stderr}`.replaceAll("\r\n", "\n").replaceAll(home, "~").replaceAll(join(root, "fixtures"), "~/archives")
  )
}

const before = readFileSync(file, "utf8")
const after = before.replace(
  /```console\n\$ (effect-prefect[^\n]*)\n[^`]*```/g,
  (_, command) => "```console\n$ " + command + "\n" + run(command).replaceAll("```", "'''") + "\n```"
)
rmSync(home, { recursive: true, force: true })
if (before !== after) {
  writeFileSync(file, after)
  console.log("docs/cli.md written")
}
