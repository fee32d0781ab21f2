/** Programs that a conformance script or a benchmark runs: to completion, or as servers that it stops again. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { connect, createServer } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

export interface Options {
  readonly cwd?: string
  /** Added to this process's environment; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The user to run as, by number: some servers refuse to run as root. */
  readonly uid?: number
  readonly gid?: number
  /** The program's standard input; empty by default. */
  readonly input?: string | Uint8Array
}

export interface Output {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

const spawned = (command: string, args: ReadonlyArray<string>, options: Options): ChildProcess =>
  spawn(command, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
    env: { ...process.env, ...options.env },
    // A process group of its own, so that a server's workers end with it.
    detached: true,
    stdio: "pipe"
  })

const text = (child: ChildProcess) => {
  const kept = { stdout: "", stderr: "" }
  child.stdout?.setEncoding("utf8").on("data", (part: string) => kept.stdout += part)
  child.stderr?.setEncoding("utf8").on("data", (part: string) => kept.stderr += part)
  return kept
}

const lastLines = (kept: { readonly stdout: string; readonly stderr: string }, lines = 20) =>
  `${kept.stdout}${kept.stderr}`.trimEnd().split("\n").slice(-lines).join("\n")

const running = new Set<ChildProcess>()
const signal = (child: ChildProcess, name: NodeJS.Signals) => {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, name)
  } catch {
    // It has ended.
  }
}
process.on("exit", () => {
  for (const child of running) signal(child, "SIGKILL")
})
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => process.exit(1))

const track = (child: ChildProcess) => {
  running.add(child)
  child.once("exit", () => running.delete(child))
}

/** Runs a program to its end; `allowFailure` returns its exit code instead of throwing. */
export const run = async (
  command: string,
  args: ReadonlyArray<string>,
  options: Options & { readonly allowFailure?: boolean } = {}
): Promise<Output> => {
  const child = spawned(command, args, options)
  track(child)
  const kept = text(child)
  child.stdin?.on("error", () => {})
  child.stdin?.end(options.input ?? "")
  const [code, name] = await once(child, "close") as [number | null, string | null]
  if (code !== 0 && options.allowFailure !== true) {
    throw new Error(`${command} ${args.join(" ")} ended with ${name ?? `exit code ${code}`}\n${lastLines(kept)}`)
  }
  return { ...kept, code: code ?? 1 }
}

/** A TCP port of 127.0.0.1 that is currently free. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  if (address === null || typeof address === "string") throw new Error("no TCP address")
  return address.port
}

const accepts = (port: number, host: string) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ port, host })
    socket.once("connect", () => (socket.destroy(), resolve(true)))
    socket.once("error", () => (socket.destroy(), resolve(false)))
  })

export interface Server extends AsyncDisposable {
  readonly pid: number
  /** Its output so far, of both streams. */
  readonly output: () => string
  /** Ends it and all its child processes. */
  readonly stop: () => Promise<void>
}

/**
 * Starts a server and waits until it is ready: until `port` accepts connections, `ready` matches its output, and
 * `probe` returns true (each when given). It is stopped by `stop`, `await using`, or at the end of this process.
 */
export const startServer = async (
  command: string,
  args: ReadonlyArray<string>,
  options: Options & {
    readonly port?: number
    readonly host?: string
    readonly ready?: RegExp
    readonly probe?: () => Promise<boolean>
    /** Milliseconds until it counts as failed; 300 000 by default, for any load of the machine. */
    readonly timeout?: number
  } = {}
): Promise<Server> => {
  const child = spawned(command, args, options)
  track(child)
  const kept = text(child)
  child.stdin?.on("error", () => {})
  if (options.input !== undefined) child.stdin?.end(options.input)
  let ended: string | undefined
  child.once("error", (error) => ended = error.message)
  child.once("exit", (code, name) => ended = name ?? `exit code ${code}`)
  const stop = async () => {
    if (child.pid === undefined || ended !== undefined) return
    const exit = once(child, "exit")
    signal(child, "SIGTERM")
    const late = setTimeout(() => signal(child, "SIGKILL"), 5000)
    await exit
    clearTimeout(late)
  }
  const isReady = async () =>
    (options.ready === undefined || options.ready.test(kept.stdout + kept.stderr)) &&
    (options.port === undefined || await accepts(options.port, options.host ?? "127.0.0.1")) &&
    (options.probe === undefined || await options.probe().catch(() => false))
  const deadline = performance.now() + (options.timeout ?? 300_000)
  while (!(await isReady())) {
    if (ended !== undefined) throw new Error(`${command} ended early with ${ended}\n${lastLines(kept)}`)
    if (performance.now() > deadline) {
      await stop()
      throw new Error(`${command} was not ready in ${options.timeout ?? 300_000} ms\n${lastLines(kept)}`)
    }
    await sleep(50)
  }
  return { pid: child.pid ?? -1, output: () => kept.stdout + kept.stderr, stop, [Symbol.asyncDispose]: stop }
}
