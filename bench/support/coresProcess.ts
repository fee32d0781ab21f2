/**
 * A process that reads the results of a mapped task run from a folder, as often as it is asked to, and answers with the
 * milliseconds that it took. It is started on some of the machine's cores.
 */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import type { Measured } from "./row.ts"

export interface Reader {
  /** Reads all results; the elapsed time. */
  readonly read: () => Promise<Measured>
  readonly close: () => void
}

/** Starts a process on the first cores of the machine. */
export const readerOn = (cores: number, folder: string): Reader => {
  const list = Array.from({ length: cores }, (_, core) => core).join(",")
  const node = [process.execPath, "--conditions=@effect-prefect/source", import.meta.filename, folder]
  const child: ChildProcess = spawn("taskset", ["-c", list, ...node], {
    stdio: ["ignore", "inherit", "inherit", "ipc"]
  })
  const failed = once(child, "error").then(([error]) => {
    throw new Error(`taskset, of util-linux, is required: ${(error as Error).message}`)
  })
  failed.catch(() => {})
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`reading on ${cores} cores ended with ${code}`)
  })
  ended.catch(() => {})
  return {
    read: async () => {
      const answer = once(child, "message")
      child.send({})
      const [measured] = await Promise.race([answer, failed, ended])
      return { measured: measured as number }
    },
    close: () => void child.kill()
  }
}

const serve = (folder: string) => {
  const files = readdirSync(folder)
  const row = (mapIndex: number, state: object) => ({
    id: `r${mapIndex}`,
    flow_run_id: "f",
    task_id: "t",
    map_index: mapIndex,
    serialized_state: state
  })
  const children = files.map((name, index) =>
    row(index, { type: "Success", _result: { type: "LocalResult", dir: folder, location: join(folder, name) } })
  )
  const tables = {
    flow_run: [{ id: "f" }],
    task_run: [row(-1, { type: "Mapped", n_map_states: files.length }), ...children]
  }
  const runtime = ManagedRuntime.make(Layer.merge(MemoryApi.layer(tables), LocalStorage.layer({ roots: [folder] })))
  const readAll = Effect.flatMap(TaskRun.fromTaskRunId("r-1"), (run) => run.getResult)
  process.on("message", async () => {
    const start = performance.now()
    const values = await runtime.runPromise(readAll) as ReadonlyArray<unknown>
    const milliseconds = performance.now() - start
    if (values.length !== files.length) throw new Error(`${values.length} results instead of ${files.length}`)
    process.send?.(milliseconds)
  })
}

if (import.meta.main) serve(process.argv[2]!)
