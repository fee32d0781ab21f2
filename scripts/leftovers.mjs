// Fails a run of the tests that leaves a process behind, and ends it. Processes are told by a variable in their
// environment, which all that a test starts inherit; where there is no /proc, nothing is looked for.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"

const name = "EFFECT_PREFECT_TEST_RUN"

const read = (/** @type {string} */ file) => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    // It has ended, or belongs to somebody else.
    return ""
  }
}

/** The processes with this mark that are neither this one nor a worker of vitest. */
const marked = (/** @type {string} */ mark) =>
  readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid).flatMap((pid) => {
    if (!read(`/proc/${pid}/environ`).split("\0").includes(`${name}=${mark}`)) return []
    const command = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim()
    // A process that has ended and was not yet waited for has no command.
    // Vitest's own workers, and what watches over them, are named by their titles.
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
      // It has ended just now.
    }
  }
  if (left.length > 0) {
    throw new Error(
      `the tests left processes behind:\n${left.map(({ command, pid }) => `${pid} ${command}`).join("\n")}`
    )
  }
}

/** What vitest calls before a run; it calls what this gives after it. */
export default () => {
  if (!existsSync("/proc/self/environ")) return undefined
  const mark = `${process.pid}-${Date.now()}`
  process.env[name] = mark
  return () => endLeftovers(mark)
}
