/** The command as a process with child processes, and the processor time that all of them take. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** The script that users start: it keeps compiled code, so that child processes do not compile again. */
const script = fileURLToPath(new URL("../../packages/cli/bin/effect-prefect.js", import.meta.url))

/** Milliseconds of a tick of `/proc`. */
const tick = 10

interface Process {
  readonly parent: number
  readonly milliseconds: number
}

/** The processes of this machine. Those that end meanwhile are left out. */
const processes = (): ReadonlyMap<number, Process> => {
  const found = new Map<number, Process>()
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue
    try {
      // The name of the program, in parentheses, may contain spaces.
      const fields = readFileSync(`/proc/${name}/stat`, "latin1").replace(/^.*\) /s, "").split(" ")
      const ticks = Number(fields[11]) + Number(fields[12])
      found.set(Number(name), { parent: Number(fields[1]), milliseconds: ticks * tick })
    } catch {
      // It has ended.
    }
  }
  return found
}

/** Runs the command, and returns the processor time of each of its processes in milliseconds, its own first. */
export const commandCpu = async (...args: ReadonlyArray<string>): Promise<ReadonlyArray<number>> => {
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ["ignore", "ignore", "inherit"]
  })
  const own = child.pid!
  const times = new Map<number, number>([[own, 0]])
  const look = () => {
    for (const [pid, { milliseconds, parent }] of processes()) {
      if (pid === own || parent === own) times.set(pid, milliseconds)
    }
  }
  const timer = setInterval(look, 50)
  const [code] = await once(child, "exit") as [number | null]
  clearInterval(timer)
  if (code !== 0) throw new Error(`effect-prefect ${args.join(" ")} ended with ${code}`)
  return [...times.values()]
}
