import * as ArchiveCache from "@effect-prefect/api/ArchiveCache"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { onTestFinished } from "vitest"
import { cacheOf } from "../../server/test/support/pglite.ts"
import { kind } from "../src/internal/serveArchive.ts"
import { exitCode, program } from "../src/program.ts"
import { captured } from "./captured.ts"

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

/** Where Node keeps the compiled code of all processes of the run. */
export const compileCache: Record<string, string> = process.env["NODE_COMPILE_CACHE"] === undefined
  ? {}
  : { NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] }

/** What a user has who set nothing of Prefect's. */
const environment = (env: Record<string, string>): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "",
  HOME: "/dev/null",
  TZ: "UTC",
  // The end of the run looks for processes by it.
  EFFECT_PREFECT_TEST_RUN: process.env["EFFECT_PREFECT_TEST_RUN"] ?? "",
  ...compileCache,
  ...env
})

const realClock = Effect.runSync(Clock.clockWith(Effect.succeed))

const begin = (args: ReadonlyArray<string>, env: Record<string, string>, clock: Clock.Clock) => {
  const { err, layer, out } = captured()
  const fiber = Effect.runFork(
    Effect.provide(
      program(args),
      Layer.mergeAll(
        NodeServices.layer,
        layer,
        Layer.succeed(Clock.Clock, clock),
        ConfigProvider.layer(ConfigProvider.fromEnv({ env }))
      )
    )
  )
  return { fiber, out, err }
}

/** Gives this process another environment, until what it gives is called. */
const become = (wanted: Record<string, string>): () => void => {
  const own = { ...process.env }
  const set = (env: NodeJS.ProcessEnv) => {
    for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name]
    Object.assign(process.env, env)
  }
  set(wanted)
  return () => set(own)
}

let before: Promise<unknown> = Promise.resolve()

/**
 * Runs the command in this process as in a pipe, with nothing of Prefect's in the environment. Commands wait for one
 * another, since a process has one environment. A test of signals or closed pipes starts a process of its own.
 */
export const run = (
  args: ReadonlyArray<string>,
  env: Record<string, string> = {},
  clock: Clock.Clock = realClock
): Promise<Ran> => {
  const ran = before.then(async () => {
    const theirs = environment(env)
    const back = become(theirs)
    try {
      const { err, fiber, out } = begin(args, theirs, clock)
      const exit = await Effect.runPromise(Fiber.await(fiber))
      const bytes = Buffer.concat(out)
      return { code: exitCode(exit), bytes, stdout: bytes.toString(), stderr: Buffer.concat(err).toString() }
    } finally {
      back()
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

/** Commands that go on in this process, and what gives it back the environment that it had before the first. */
let goingOn = 0
let own = () => {}

/**
 * Starts a command that goes on, in this process, which has its environment until it ends. An interruption ends it, as
 * Ctrl-C does.
 */
export const startHere = (
  args: ReadonlyArray<string>,
  env: Record<string, string> = {}
): Omit<Running, "closeOutput"> => {
  const theirs = environment(env)
  const back = become(theirs)
  if (goingOn++ === 0) own = back
  const { err, fiber, out } = begin(args, theirs, realClock)
  const closed = Effect.runPromise(Fiber.await(fiber)).then(exitCode).finally(() => {
    if (--goingOn === 0) own()
  })
  const end = () => fiber.interruptUnsafe()
  return {
    said: {
      get stdout() {
        return Buffer.concat(out).toString()
      },
      get stderr() {
        return Buffer.concat(err).toString()
      }
    },
    closed,
    kill: end,
    [Symbol.asyncDispose]: async () => {
      end()
      await closed
    }
  }
}

/** Starts the command as a user's shell does, in a pipe, or with an open file as its standard output. */
export const start = (
  args: ReadonlyArray<string>,
  env: Record<string, string> = {},
  output: "pipe" | number = "pipe"
): Running => {
  // An embedded database runs for a moment: compiling its WebAssembly once more, for speed, takes longer.
  const child = spawn(process.execPath, ["--liftoff-only", bin, ...args], {
    env: environment(env),
    stdio: ["ignore", output, "pipe"]
  })
  // This process may end without an answer to what it waits for.
  const orphaned = () => child.kill("SIGKILL")
  process.once("exit", orphaned)
  const said = { stdout: "", stderr: "" }
  child.stdout?.setEncoding("utf8").on("data", (text: string) => said.stdout += text)
  child.stderr?.setEncoding("utf8").on("data", (text: string) => said.stderr += text)
  const closed = once(child, "close").then(([code]) => {
    process.off("exit", orphaned)
    return code as number | null
  })
  return {
    said,
    closed,
    kill: (signal) => void child.kill(signal),
    closeOutput: () => void child.stdout?.destroy(),
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

/** Waits until a command that serves says where. */
const serving = async (child: Omit<Running, "closeOutput">): Promise<Serving> => {
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
      const code = await child.closed
      return { code, stdout: child.said.stdout, stderr: child.said.stderr }
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]()
  }
}

/** Starts `effect-prefect serve` in a process of its own. */
export const serve = (args: ReadonlyArray<string>, env: Record<string, string> = {}): Promise<Serving> =>
  serving(start(["serve", ...args], env))

/** Starts `effect-prefect serve` in this process. */
export const serveHere = (args: ReadonlyArray<string>, env: Record<string, string> = {}): Promise<Serving> =>
  serving(startHere(["serve", ...args], env))

/** A cache folder for the time of a test, and the variables by which the command finds it. */
export const cacheFolder = async () => {
  const folder = await mkdtemp(join(tmpdir(), "cache-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const keep = async (owner: string, kind: ArchiveCache.Kind, bytes: Uint8Array, notes?: unknown): Promise<void> => {
    const cache = join(folder, "effect-prefect", "archives")
    const options = { since: Date.now(), notes, cache }
    const isKept = await Effect.runPromise(
      ArchiveCache.keep(owner, kind, (path) => writeFile(path, bytes), options)
    )
    if (!isKept) throw new Error(`${kind.name} is not kept`)
  }
  return { folder, keep, env: { XDG_CACHE_HOME: folder } }
}

/** Variables of a cache in which `serve` finds what an archive loads into, as after an earlier start. */
export const loadedBefore = async (directory: string): Promise<Record<string, string>> => {
  const { env, keep } = await cacheFolder()
  const kept = await cacheOf(directory).read()
  await keep(directory, kind(), new Uint8Array(await kept!.snapshot.arrayBuffer()), kept!.reports)
  return env
}
