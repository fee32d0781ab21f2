/**
 * Lengths, counts and run lengths that lie take no memory and no time. Both are watched from another process: one that runs
 * out of memory, or never comes back, cannot say so itself.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFile, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const script = fileURLToPath(new URL("support/decodeLies.ts", import.meta.url))

/** Megabytes of heap of the process that decodes, and of all its memory, with that of Parquet's threads. */
const maxHeap = 192
const maxResident = 768

/** Seconds of processor time for a case, which a busy machine does not take. */
const maxSeconds = 20

interface Usage {
  readonly megabytes: number
  readonly seconds: number
}

/** What a process has used so far; nothing where there is no `/proc` or the process is gone. */
const usageOf = (pid: number): Usage | undefined => {
  try {
    const resident = /VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0"
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
    return { megabytes: Number(resident) / 1024, seconds: (Number(fields[11]) + Number(fields[12])) / 100 }
  } catch {
    return undefined
  }
}

const watch = (
  group: string,
  first: number,
  count: number
): Promise<{ readonly problem: string; readonly last: string }> =>
  new Promise((resolve) => {
    const args = ["--conditions=@effect-prefect/source", "--no-warnings", `--max-old-space-size=${maxHeap}`]
    const child = spawn(process.execPath, [...args, script, group, String(first), String(count)])
    let last = "no case"
    let problem = ""
    let began = 0
    let errors = ""
    const look = () => {
      const usage = usageOf(child.pid!)
      if (usage === undefined || problem !== "") return
      if (usage.megabytes > maxResident) problem = `${Math.round(usage.megabytes)} MB`
      else if (usage.seconds - began > maxSeconds) problem = `${Math.round(usage.seconds - began)} s`
      if (problem !== "") child.kill("SIGKILL")
    }
    const timer = setInterval(look, 100)
    child.stdout.on("data", (chunk: Buffer) => {
      last = chunk.toString().trim().split("\n").at(-1)!
      began = usageOf(child.pid!)?.seconds ?? began
    })
    child.stderr.on("data", (chunk: Buffer) => errors = (errors + chunk.toString()).slice(-2_000))
    child.on("close", (code) => {
      clearInterval(timer)
      if (problem === "" && (code !== 0 || last !== "end")) problem = `exit code ${code}: ${errors}`
      resolve({ problem, last })
    })
  })

describe("numbers that lie", () => {
  const counts = { arrow: 400, parquet: 40, pickle: 1_500, compressed: 200, containers: 400, texts: 150 }
  for (const [group, count] of Object.entries(counts)) {
    it(`${group}: ${count} files end within the limits`, async () => {
      const { last, problem } = await watch(group, 0, count)
      assert.strictEqual(problem, "", `at ${last}`)
    })
  }
})

const dense = fileURLToPath(new URL("support/decodeDense.ts", import.meta.url))

/** What a process prints that may have a gigabyte of heap. */
const outcomeOf = (name: string): Promise<string> =>
  promisify(execFile)(
    process.execPath,
    [
      "--conditions=@effect-prefect/source",
      "--no-warnings",
      "--max-old-space-size=1024",
      // Threads that collect garbage beside it take more processor time than it.
      "--single-threaded-gc",
      dense,
      name
    ]
  ).then(({ stdout }) => stdout.trim())

// `decodeDense.ts` has more of them, each of which takes seconds.
describe("a value of many times the memory of its bytes", () => {
  it.each(["JSON of empty objects", "a pickle of empty sets"])(
    "%s is refused before the memory is taken",
    async (name) => assert.match(await outcomeOf(name), /^TooLarge: /)
  )

  it("more items than V8 makes an array for at once are read", async () => {
    assert.strictEqual(await outcomeOf("a pickle of integers"), "read")
  })

  it("more values on the stack than an array can hold are refused", async () => {
    assert.match(await outcomeOf("a pickle of None"), /too many values at once/)
  })
})
