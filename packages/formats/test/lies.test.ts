/**
 * Lengths, counts and run lengths that lie take no memory and no time. Both are watched from another process: one that runs
 * out of memory, or never comes back, cannot say so itself.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFile, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { seeds } from "../../core/test/seeds.ts"

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

interface Outcome {
  readonly problem: string
  /** The last case that began. */
  readonly last: string
  /** The groups that have ended. */
  readonly ended: ReadonlySet<string>
}

/** One process for all groups: to load the sources takes longer than most of them. */
const watch = (counts: Readonly<Record<string, number>>): Promise<Outcome> =>
  new Promise((resolve) => {
    const args = ["--conditions=@effect-prefect/source", "--no-warnings", `--max-old-space-size=${maxHeap}`]
    const child = spawn(process.execPath, [...args, script, ...Object.entries(counts).flat().map(String)])
    let output = ""
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
      output += chunk.toString()
      began = usageOf(child.pid!)?.seconds ?? began
    })
    child.stderr.on("data", (chunk: Buffer) => errors = (errors + chunk.toString()).slice(-2_000))
    child.on("close", (code) => {
      clearInterval(timer)
      const lines = output.trim().split("\n")
      const ended = new Set(lines.filter((line) => line.endsWith(" end")).map((line) => line.slice(0, -" end".length)))
      if (problem === "" && (code !== 0 || ended.size < Object.keys(counts).length)) {
        problem = `exit code ${code}: ${errors}`
      }
      resolve({ problem, last: lines.at(-1)!, ended })
    })
  })

describe("numbers that lie", () => {
  const counts = {
    arrow: seeds(80, 800),
    parquet: seeds(12, 80),
    pickle: seeds(300, 3_000),
    compressed: seeds(40, 400),
    containers: seeds(80, 800),
    texts: seeds(45, 300)
  }
  let outcome: Promise<Outcome> | undefined
  for (const [group, count] of Object.entries(counts)) {
    it(`${group}: ${count} files end within the limits`, async () => {
      const { ended, last, problem } = await (outcome ??= watch(counts))
      assert.strictEqual(ended.has(group) ? "" : problem, "", `at ${last}`)
    })
  }
})

const dense = fileURLToPath(new URL("support/decodeDense.ts", import.meta.url))

/** What a process prints of files that may have a share of the largest ones' memory, in megabytes of heap. */
const outcomesOf = (heap: number, share: number, ...names: ReadonlyArray<string>): Promise<ReadonlyArray<string>> =>
  promisify(execFile)(
    process.execPath,
    [
      "--conditions=@effect-prefect/source",
      "--no-warnings",
      `--max-old-space-size=${heap}`,
      // Threads that collect garbage beside it take more processor time than it.
      "--single-threaded-gc",
      dense,
      String(share),
      ...names
    ]
  ).then(({ stdout }) => stdout.trim().split("\n"))

// `decodeDense.ts` has more of them.
describe("a value of many times the memory of its bytes", () => {
  const share = seeds(8, 1)
  const refused = ["JSON of empty objects", "a pickle of empty sets"]
  // The tests of the machine of pickles have these with fewer items.
  const read = share === 1 ? ["a pickle of integers", "a pickle of None"] : []
  let outcomes: Promise<ReadonlyArray<string>> | undefined
  /** One process for all. */
  const outcomeOf = async (name: string) => {
    const names = [...refused, ...read]
    return (await (outcomes ??= outcomesOf(share === 1 ? 1_024 : 160, share, ...names)))[names.indexOf(name)]!
  }

  it.each(refused)("%s is refused before the memory is taken", async (name) => {
    assert.match(await outcomeOf(name), /^TooLarge: /)
  })

  it.each(read)("%s, more than V8 makes an array for at once, ends", async (name) => {
    assert.match(await outcomeOf(name), name.endsWith("None") ? /too many values at once/ : /^read$/)
  })
})
