/**
 * Builds an index in a separate process. Sorting takes seconds, during which SQLite runs nothing else: in a separate
 * process it delays no other work, and can be ended at any time.
 */
import { type ChildProcess, fork } from "node:child_process"
import { existsSync } from "node:fs"
import { stat } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { build, type Digest, type Source } from "./indexFile.ts"

export interface BuildRequest {
  readonly sources: ReadonlyArray<Source>
  readonly target: string
}

export type BuildAnswer =
  | { readonly _tag: "Read"; readonly bytes: number }
  | { readonly _tag: "Made"; readonly digests: Readonly<Record<string, Digest>> }
  | { readonly _tag: "Failed"; readonly code: string }

/** Smaller tables are sorted within tens of milliseconds, less than a process takes to start. */
const leastApart = 16 * 1024 * 1024

const isSource = import.meta.url.endsWith(".ts")
const entry = new URL(`./indexProcess.${isSource ? "ts" : "js"}`, import.meta.url)

/** A new process; undefined when a program was bundled without its file, or may not start one. */
const start = (): ChildProcess | undefined => {
  try {
    const path = fileURLToPath(entry)
    return existsSync(path)
      ? fork(path, {
        // A process does not always inherit the condition that resolves this workspace's packages to their sources.
        execArgv: isSource ? ["--conditions=@effect-prefect/source"] : [],
        stdio: ["ignore", "ignore", "ignore", "ipc"]
      })
      : undefined
  } catch {
    return undefined
  }
}

const failed = (code: string) => Object.assign(new Error(), { code })

/** Like `build`; large tables are processed in a process that the signal ends at once. */
export const buildApart = async (
  sources: ReadonlyArray<Source>,
  target: string,
  signal: AbortSignal,
  onProgress: (bytes: number) => void = () => {}
): Promise<Readonly<Record<string, Digest>>> => {
  let bytes = 0
  for (const { path } of sources) bytes += (await stat(path)).size
  signal.throwIfAborted()
  const child = bytes < leastApart ? undefined : start()
  if (child === undefined) return build(sources, target, signal, onProgress)
  let digests: Readonly<Record<string, Digest>> | undefined
  let code: string | undefined
  const end = () => child.kill("SIGKILL")
  signal.addEventListener("abort", end)
  try {
    await new Promise<void>((resolve) => {
      child.on("message", (answer: BuildAnswer) => {
        if (answer._tag === "Read") return onProgress(answer.bytes)
        if (answer._tag === "Made") digests = answer.digests
        else code = answer.code
        end()
      })
      child.once("error", () => {
        end()
        if (child.pid === undefined) resolve()
      })
      child.once("exit", () => resolve())
      child.send({ sources, target } satisfies BuildRequest, (error) => {
        if (error !== null) end()
      })
    })
  } finally {
    signal.removeEventListener("abort", end)
  }
  signal.throwIfAborted()
  if (digests !== undefined) return digests
  throw failed(code ?? "the process that makes it ended")
}
