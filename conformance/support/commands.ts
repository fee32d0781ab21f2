/** The `effect-prefect` command, many times in one process, with an environment of its own. */
import { fork } from "node:child_process"
import { join } from "node:path"

interface Ran {
  readonly code: number
  /** Its bytes as Latin-1, so that stored bytes can be compared. */
  readonly stdout: string
  readonly stderr: string
}

export interface Commands extends AsyncDisposable {
  readonly run: (args: ReadonlyArray<string>) => Promise<Ran>
}

export const startCommands = (env: Readonly<Record<string, string | undefined>>): Commands => {
  const child = fork(join(import.meta.dirname, "commandProcess.ts"), {
    execArgv: ["--conditions=@effect-prefect/source"],
    env: { ...process.env, ...env }
  })
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const waiting = new Map<number, { readonly resolve: (ran: Ran) => void; readonly reject: (error: Error) => void }>()
  let id = 0
  child.on("message", (answer: Ran & { readonly id: number }) => {
    waiting.get(answer.id)?.resolve(answer)
    waiting.delete(answer.id)
  })
  void ended.then(() => {
    for (const { reject } of waiting.values()) reject(new Error("the process of the commands ended"))
  })
  return {
    run: (args) =>
      new Promise((resolve, reject) => {
        waiting.set(++id, { resolve, reject })
        child.send({ id, args })
      }),
    [Symbol.asyncDispose]: async () => {
      child.disconnect()
      await ended
    }
  }
}
