import * as NodeServices from "@effect/platform-node/NodeServices"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { format } from "node:util"
import { Output, type Sink } from "../src/internal/output.ts"
import { exitCode, program } from "../src/program.ts"

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

/** What a user has who set nothing of Prefect's. */
const environment = (env: Record<string, string>): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "",
  HOME: "/dev/null",
  TZ: "UTC",
  // The end of the run looks for processes by it.
  EFFECT_PREFECT_TEST_RUN: process.env["EFFECT_PREFECT_TEST_RUN"] ?? "",
  ...env
})

const sink = (chunks: Array<Buffer>): Sink => ({
  isTerminal: false,
  colors: "none",
  columns: undefined,
  write: (text) => Effect.sync(() => void chunks.push(Buffer.from(text))),
  writeData: (data) => Effect.sync(() => void chunks.push(Buffer.from(data)))
})

const runHere = async (args: ReadonlyArray<string>, env: Record<string, string>): Promise<Ran> => {
  const out: Array<Buffer> = []
  const err: Array<Buffer> = []
  const into = (chunks: Array<Buffer>) => (...words: ReadonlyArray<unknown>) =>
    void chunks.push(Buffer.from(`${format(...words)}\n`))
  const testConsole: Console.Console = Object.assign(Object.create(console) as Console.Console, {
    log: into(out),
    error: into(err)
  })
  const exit = await Effect.runPromiseExit(
    program(args).pipe(
      Effect.provide(Layer.mergeAll(
        NodeServices.layer,
        Layer.succeed(Output, Output.of({ stdout: sink(out), stderr: sink(err) })),
        Layer.succeed(Console.Console, testConsole),
        ConfigProvider.layer(ConfigProvider.fromEnv({ env }))
      ))
    )
  )
  const bytes = Buffer.concat(out)
  return { code: exitCode(exit), bytes, stdout: bytes.toString(), stderr: Buffer.concat(err).toString() }
}

let before: Promise<unknown> = Promise.resolve()

/**
 * Runs the command in this process as in a pipe, with nothing of Prefect's in the environment. Commands wait for one
 * another, since a process has one environment. A test of signals or closed pipes starts a process of its own.
 */
export const run = (args: ReadonlyArray<string>, env: Record<string, string> = {}): Promise<Ran> => {
  const ran = before.then(async () => {
    const own = { ...process.env }
    const theirs = environment(env)
    const become = (wanted: NodeJS.ProcessEnv) => {
      for (const name of Object.keys(process.env)) if (!(name in wanted)) delete process.env[name]
      Object.assign(process.env, wanted)
    }
    become(theirs)
    try {
      return await runHere(args, theirs)
    } finally {
      become(own)
    }
  })
  before = ran.catch(() => {})
  return ran
}

/** A process of the command; `await using` ends it, whatever becomes of the test. */
export interface Running extends AsyncDisposable {
  /** Its standard output and standard error up to now. */
  readonly said: { readonly stdout: string; readonly stderr: string }
  /** Its exit code. */
  readonly closed: Promise<number | null>
  readonly kill: (signal: NodeJS.Signals) => void
  readonly closeOutput: () => void
}

/** Starts the command as a user's shell does, in a pipe. */
export const start = (args: ReadonlyArray<string>, env: Record<string, string> = {}): Running => {
  const child = spawn(process.execPath, [bin, ...args], {
    env: environment(env),
    stdio: ["ignore", "pipe", "pipe"]
  })
  // This process may end without an answer to what it waits for.
  const orphaned = () => child.kill("SIGKILL")
  process.once("exit", orphaned)
  const said = { stdout: "", stderr: "" }
  child.stdout.setEncoding("utf8").on("data", (text: string) => said.stdout += text)
  child.stderr.setEncoding("utf8").on("data", (text: string) => said.stderr += text)
  const closed = once(child, "close").then(([code]) => {
    process.off("exit", orphaned)
    return code as number | null
  })
  return {
    said,
    closed,
    kill: (signal) => void child.kill(signal),
    closeOutput: () => void child.stdout.destroy(),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL")
      await closed
    }
  }
}

export interface Serving extends AsyncDisposable {
  readonly url: string
  /** Ends it as Ctrl-C does. */
  readonly stop: () => Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>
}

/** Starts `effect-prefect serve` and waits until it says where. */
export const serve = async (args: ReadonlyArray<string>, env: Record<string, string> = {}): Promise<Serving> => {
  const child = start(["serve", ...args], env)
  const listening = async () => {
    for (;;) {
      const url = /http:\/\/[\w.:[\]]+/.exec(child.said.stdout)?.[0]
      if (url !== undefined) return url
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const url = await Promise.race([listening(), child.closed])
  if (typeof url !== "string") throw new Error(`serve ended with ${url}: ${child.said.stderr}`)
  return {
    url,
    stop: async () => {
      child.kill("SIGINT")
      return { code: await child.closed, ...child.said }
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]()
  }
}
