/** The processor time of programs and of every process that they started, as a shell's `times` reports it. */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import type { Measured } from "./row.ts"

const root = join(import.meta.dirname, "..", "..")

/** Runs a command of a shell, with its arguments in `$@`; milliseconds. */
export const shellTime = (command: string, cwd: string, ...args: ReadonlyArray<string>): Measured => {
  const { status, stderr, stdout } = spawnSync("sh", [
    "-c",
    `{ ${command}; } > /dev/null || exit; times`,
    "sh",
    ...args
  ], {
    cwd,
    encoding: "utf8"
  })
  const times = [...stdout.matchAll(/(\d+)m([\d.]+)s/g)].map(([, minutes, seconds]) =>
    Number(minutes) * 60_000 + Number(seconds) * 1000
  )
  if (status !== 0 || times.length !== 4) throw new Error(`${command} ${args.join(" ")}: ${stderr}`)
  return { measured: times[2]! + times[3]! }
}

/** Runs Node with some arguments in the folder of the repository; milliseconds. */
export const processTime = (...args: ReadonlyArray<string>): Measured =>
  shellTime("\"$@\"", root, process.execPath, "--conditions=@effect-prefect/source", ...args)

/** The processor time of this process while it does something; milliseconds. */
export const ownTime = async (run: () => Promise<unknown>): Promise<Measured> => {
  const before = process.cpuUsage()
  await run()
  const { system, user } = process.cpuUsage(before)
  return { measured: (system + user) / 1000 }
}
