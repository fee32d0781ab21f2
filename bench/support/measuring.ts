/**
 * Measures rows in one process for each file, which is started by this module and whose entry point it is too: so rows
 * share neither a heap nor compiled code with those of other files, and a process that ends costs one row.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { measure, type Options, type Result } from "./measure.ts"
import type { Row } from "./row.ts"

export interface Chosen {
  /** The URL of a module that exports rows, and the place of the row among them. */
  readonly file: string
  readonly index: number
  readonly work: string
}

export interface Measuring {
  readonly options: Options
  /** After so many minutes the row that is being measured fails, and so do those after it. Default: no limit. */
  readonly minutes?: number | undefined
  /** The arguments of the processes. */
  readonly args: ReadonlyArray<string>
  readonly onRow: (row: Chosen, at: number) => void
  readonly onResult: (result: Result) => void
  readonly onFailure: (row: Chosen, reason: string) => void
}

interface Job {
  readonly file: string
  readonly indexes: ReadonlyArray<number>
  readonly options: Options
}

/** The reason of rows that were not measured, or not to the end, when the time was over. */
export const timeIsOver = "the time was over"

/** Node's timers take no more. */
const largestTimeout = 0x7fffffff

type Message =
  | { readonly begins: number }
  | { readonly result: Result }
  | { readonly failed: string }

/** The process that is measuring now. */
let current: ChildProcess | undefined

/** To it and those in its group, which are Pythons and servers. */
const signal = (name: NodeJS.Signals) => {
  try {
    if (current?.pid !== undefined) process.kill(-current.pid, name)
  } catch {
    // It has ended.
  }
}

/** Measures what a process can until it ends, and gives what is left. */
const measureSome = async (
  rows: ReadonlyArray<Chosen>,
  at: number,
  deadline: number,
  { args, onFailure, onResult, onRow, options }: Measuring
): Promise<ReadonlyArray<Chosen>> => {
  const execArgv = ["--conditions=@effect-prefect/source", "--expose-gc"]
  const child = fork(import.meta.filename, args, { detached: true, execArgv, serialization: "advanced" })
  current = child
  const reached = performance.now() + largestTimeout < deadline ? [] : [
    // At first so that it can end servers with groups of their own.
    setTimeout(signal, deadline - performance.now(), "SIGTERM"),
    setTimeout(signal, deadline - performance.now() + 5000, "SIGKILL")
  ]
  let done = 0
  child.on("message", (message: Message) => {
    if ("begins" in message) return onRow(rows[done]!, at + done)
    const row = rows[done++]!
    if ("result" in message) onResult(message.result)
    else onFailure(row, message.failed)
  })
  const job: Job = { file: rows[0]!.file, indexes: rows.map(({ index }) => index), options }
  child.send(job)
  // Its messages have all come when it is disconnected.
  const [[code, name]] = await Promise.all([once(child, "exit"), once(child, "disconnect")])
  for (const timer of reached) clearTimeout(timer)
  current = undefined
  if (done < rows.length) {
    const isLate = performance.now() >= deadline
    onFailure(rows[done++]!, isLate ? timeIsOver : `its process ended with ${name ?? `exit code ${code}`}`)
  }
  return rows.slice(done)
}

/** Measures rows, those of one file after another. */
export const measureAll = async (chosen: ReadonlyArray<Chosen>, measuring: Measuring): Promise<void> => {
  const deadline = performance.now() + (measuring.minutes ?? Number.POSITIVE_INFINITY) * 60_000
  process.once("exit", () => signal("SIGTERM"))
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => process.exit(1))
  for (let left = chosen; left.length > 0;) {
    if (performance.now() >= deadline) {
      for (const row of left) measuring.onFailure(row, timeIsOver)
      return
    }
    const next = left.findIndex(({ file }) => file !== left[0]!.file)
    const rows = next === -1 ? left : left.slice(0, next)
    const others = left.slice(rows.length)
    left = [...await measureSome(rows, chosen.length - left.length, deadline, measuring), ...others]
  }
}

/** The process of a file. */
const serve = async ({ file, indexes, options }: Job) => {
  const send = (message: Message) => new Promise<void>((resolve) => process.send!(message, () => resolve()))
  const module: Promise<{ readonly rows: ReadonlyArray<Row> }> = import(file)
  for (const index of indexes) {
    await send({ begins: index })
    try {
      await send({ result: await measure((await module).rows[index]!, options) })
    } catch (error) {
      await send({ failed: error instanceof Error ? error.stack ?? error.message : String(error) })
    }
  }
  process.exit()
}

if (process.send !== undefined && import.meta.main) {
  process.once("message", (job: Job) => void serve(job))
  process.once("disconnect", () => process.exit())
}
