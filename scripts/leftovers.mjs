// Fails a test run that leaves a process behind, and ends the process. Processes are identified by a variable in their
// environment, which child processes of tests inherit; without /proc, nothing is checked. The temporary files of a run are
// in a folder of its own, which goes with it: vitest ends its processes before they can remove what they share.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { root } from "./packages.mjs"

export const name = "EFFECT_PREFECT_TEST_RUN"

/** Whether this system shows the environment of a process. */
export const canFind = existsSync("/proc/self/environ")

const read = (/** @type {string} */ file) => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    // It has ended, or belongs to another user.
    return ""
  }
}

/** The processes with this mark, except this one and vitest's workers. */
const marked = (/** @type {string} */ mark) =>
  readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid).flatMap((pid) => {
    if (!read(`/proc/${pid}/environ`).split("\0").includes(`${name}=${mark}`)) return []
    const command = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim()
    // A zombie process has no command. Vitest's own workers and watchers are identified by their titles.
    return command === "" || /^(node \()?vitest|\/vitest\/dist\/workers\//.test(command)
      ? []
      : [{ pid: Number(pid), command }]
  })

/**
 * Ends the processes with this mark, and fails when there are any.
 * @param {string} mark
 * @param {number} rounds tenths of a second in which one that a test has just ended may go by itself
 */
export const endLeftovers = async (mark, rounds = 100) => {
  let left = marked(mark)
  for (let round = 0; left.length > 0 && round < rounds; round++) {
    await sleep(100)
    left = marked(mark)
  }
  for (const { pid } of left) {
    try {
      process.kill(pid, "SIGKILL")
    } catch {
      // It has just ended.
    }
  }
  if (left.length > 0) {
    throw new Error(
      `processes were left behind:\n${left.map(({ command, pid }) => `${pid} ${command}`).join("\n")}`
    )
  }
}

/**
 * Empties each folder of a compile cache that has more entries than this.
 * @param {string} cache
 * @param {number} most
 */
export const boundCache = (cache, most) => {
  if (!existsSync(cache)) return
  for (const version of readdirSync(cache)) {
    const folder = join(cache, version)
    if (readdirSync(folder).length > most) rmSync(folder, { recursive: true, force: true })
  }
}

/** Linux has it in memory: what tests write is synced hundreds of times. */
const inMemory = "/dev/shm"
/** Containers may have a few megabytes of it. */
const fits = (/** @type {string} */ folder) => {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize >= 2 ** 30
}

/** vitest calls this before a run, and its return value after the run. */
export default () => {
  const temporary = mkdtempSync(
    join(existsSync(inMemory) && fits(inMemory) ? inMemory : tmpdir(), "effect-prefect-test-")
  )
  process.env["TMPDIR"] = temporary
  // Threads and processes of the tests load the same modules over and over: Node caches their compiled code.
  const cache = join(root, "node_modules/.cache/effect-prefect/compiled")
  process.env["NODE_COMPILE_CACHE"] ??= cache
  // vitest loads each test file under a new address in each run, so that its entry is never read again. All other
  // modules are about 1 500.
  boundCache(cache, 5_000)
  const mark = `${process.pid}-${Date.now()}`
  process.env[name] = mark
  return async () => {
    try {
      if (canFind) await endLeftovers(mark)
    } finally {
      rmSync(temporary, { recursive: true, force: true })
    }
  }
}
