/** Programs of tests, several of which run side by side. */
import { execFile } from "node:child_process"

export interface Ended {
  /** The exit code; null after a signal. */
  readonly status: number | null
  readonly stderr: string
  readonly stdout: string
}

/** Runs a program to its end. */
export const run = (
  file: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv }
): Promise<Ended> =>
  new Promise((resolve) => {
    const child = execFile(file, args, options, (_, stdout, stderr) => {
      resolve({ status: child.exitCode, stderr, stdout })
    })
  })
