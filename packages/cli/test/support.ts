import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../../..", import.meta.url))
const bin = fileURLToPath(new URL("../bin/effect-prefect.js", import.meta.url))

export const archives = {
  "prefect-1": fileURLToPath(new URL("../../../fixtures/prefect-1", import.meta.url)),
  "prefect-0.15": fileURLToPath(new URL("../../../fixtures/prefect-0.15", import.meta.url))
} as const

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly bytes: Buffer
  readonly stderr: string
}

const environment = (env: Record<string, string>) => ({
  PATH: process.env["PATH"],
  HOME: "/nonexistent",
  TZ: "UTC",
  ...env
})

/** Runs the command as a user's shell does, in a pipe, with nothing of Prefect's in the environment. */
export const run = (args: ReadonlyArray<string>, env: Record<string, string> = {}): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, ...args], {
      env: environment(env)
    })
    const out: Array<Buffer> = []
    const err: Array<Buffer> = []
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk))
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk))
    child.on("error", reject)
    child.on("close", (code) => {
      const bytes = Buffer.concat(out)
      resolve({ code, bytes, stdout: bytes.toString(), stderr: Buffer.concat(err).toString() })
    })
  })

export interface Serving {
  readonly url: string
  /** Ends it as Ctrl-C does. */
  readonly stop: () => Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>
}

/** Starts `effect-prefect serve` and waits until it says where. */
export const serve = (args: ReadonlyArray<string>): Promise<Serving> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, "serve", ...args], { env: environment({}) })
    let stdout = ""
    let stderr = ""
    const closed = new Promise<number | null>((done) => child.on("close", done))
    const stop = async () => {
      child.kill("SIGINT")
      return { code: await closed, stdout, stderr }
    }
    child.stderr.on("data", (chunk: Buffer) => stderr += chunk.toString())
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString()
      const url = /http:\/\/[\w.:[\]]+/.exec(stdout)?.[0]
      if (url !== undefined) resolve({ url, stop })
    })
    void closed.then((code) => reject(new Error(`serve ended with ${code}: ${stderr}`)))
  })
