/** A Python that does a peer's work: a long-lived process, so that its start and imports are not counted. */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import type { Venv } from "../../conformance/support/python.ts"
import type { Measured } from "./row.ts"

export interface PythonPeer {
  /** Sends one job and waits for its answer: the peer's own time. */
  readonly run: (job: unknown) => Promise<Measured>
  readonly close: () => void
}

/**
 * Starts a script that reads one JSON job per line from its standard input and answers each with one line of JSON,
 * `{"ms": 12.5}` or `{"error": "…"}`, on its standard output.
 */
export const pythonPeer = (
  venv: Venv,
  script: string,
  env: Readonly<Record<string, string>> = {}
): PythonPeer => {
  const child = spawn(venv.python, ["-u", script], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"]
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  child.stdin.on("error", () => {})
  return {
    run: async (job) => {
      child.stdin.write(`${JSON.stringify(job)}\n`)
      const line = await lines.next()
      if (line.done === true) throw new Error(`${script} ended without an answer`)
      const answer = JSON.parse(line.value) as { readonly ms?: number; readonly error?: string }
      if (answer.ms === undefined) throw new Error(`${script}: ${answer.error ?? line.value}`)
      return { measured: answer.ms }
    },
    close: () => {
      child.stdin.end()
      child.kill()
    }
  }
}
