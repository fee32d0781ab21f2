/** The processor time of a program and of every process that it started, as a shell's `times` reports it. */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import type { Measured } from "./row.ts"

const root = join(import.meta.dirname, "..", "..")

/** Runs Node with some arguments in the folder of the repository; milliseconds. */
export const processTime = (...args: ReadonlyArray<string>): Measured => {
  const { status, stderr, stdout } = spawnSync(
    "sh",
    ["-c", "\"$@\" > /dev/null || exit; times", "sh", process.execPath, "--conditions=@effect-prefect/source", ...args],
    { cwd: root, encoding: "utf8" }
  )
  const times = [...stdout.matchAll(/(\d+)m([\d.]+)s/g)].map(([, minutes, seconds]) =>
    Number(minutes) * 60_000 + Number(seconds) * 1000
  )
  if (status !== 0 || times.length !== 4) throw new Error(`${args.join(" ")}: ${stderr}`)
  return { measured: times[2]! + times[3]! }
}
