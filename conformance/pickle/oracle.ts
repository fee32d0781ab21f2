/** The Pythons of this machine as oracles: processes that reply with the result of their own unpickler. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"

export interface Answer {
  readonly form?: unknown
  readonly data?: string
  readonly end?: number
  readonly literals?: ReadonlyArray<string>
  /** The exception's name. */
  readonly fail?: string
  readonly message?: string
  /** It took longer than a few seconds. */
  readonly late?: boolean
}

export interface Oracle {
  readonly version: string
  readonly ask: (job: unknown) => Promise<Answer>
  readonly close: () => void
}

/** The interpreters of pyenv, otherwise `python3`; at least one. */
export const interpreters = (): ReadonlyArray<readonly [version: string, path: string]> => {
  const versions = join(process.env["PYENV_ROOT"] ?? join(homedir(), ".pyenv"), "versions")
  const found = existsSync(versions)
    ? readdirSync(versions)
      .filter((name) => /^\d+\.\d+\.\d+$/.test(name) && existsSync(join(versions, name, "bin", "python")))
      .map((name) => [name, join(versions, name, "bin", "python")] as const)
    : []
  return found.length > 0 ? found : [["python3", "python3"]]
}

export const oracle = (version: string, path: string): Oracle => {
  let child: ChildProcess
  let lines: AsyncIterator<string>
  const start = () => {
    child = spawn(path, ["-u", join(import.meta.dirname, "oracle.py")], { stdio: ["pipe", "pipe", "ignore"] })
    child.stdin!.on("error", () => {})
    lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  }
  start()
  return {
    version,
    ask: async (job) => {
      child.stdin!.write(`${JSON.stringify(job)}\n`)
      const line = await lines.next()
      if (line.done === true) {
        // Its own unpickler crashed on the input.
        start()
        return { fail: "Crash", message: "the interpreter ended" }
      }
      return JSON.parse(line.value) as Answer
    },
    close: () => {
      child.stdin!.end()
      child.kill()
    }
  }
}

/** mulberry32: a small seeded random number generator. */
export const random = (seed: number) => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return { next, below: (n: number): number => Math.floor(next() * n) }
}

/**
 * A form in which equal values are equal text: ids in order, sets sorted, `-0.0` kept, arrays of the array module
 * alike.
 */
export const normalize = (form: unknown): string => JSON.stringify(numbered(sorted(form)))

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== "object" || value === null) return value
  const out: Record<string, unknown> = {}
  for (const key of Object.keys(value).toSorted()) {
    if (key !== "opaque") out[key] = sorted((value as Readonly<Record<string, unknown>>)[key])
  }
  const { t } = out
  if (t === "set" || t === "frozenset") {
    const anonymous = (member: unknown) =>
      JSON.stringify(member, (key, inner: unknown) => key === "id" ? undefined : inner)
    const members = (out["v"] as ReadonlyArray<unknown>).map((member) => [anonymous(member), member] as const)
    out["v"] = members.toSorted(([a], [b]) => a < b ? -1 : a > b ? 1 : 0).map(([, member]) => member)
  }
  return out
}

const numbered = (form: unknown): unknown => {
  const ids = new Map<unknown, number>()
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk)
    if (typeof value !== "object" || value === null) return value
    const out: Record<string, unknown> = {}
    for (const [key, inner] of Object.entries(value)) {
      if (key !== "id" || typeof inner !== "number") out[key] = walk(inner)
      else {
        if (!ids.has(inner)) ids.set(inner, ids.size + 1)
        out[key] = ids.get(inner)
      }
    }
    return out
  }
  return walk(form)
}

/** Fails where two forms begin to differ, and shows only that place. */
export const assertSameForm = (actual: string, expected: string, label: string): void => {
  if (actual === expected) return
  let at = 0
  while (actual[at] === expected[at]) at++
  const around = (text: string) => text.slice(Math.max(0, at - 120), at + 200)
  throw new Error(`${label}\n  here:   …${around(actual)}\n  Python: …${around(expected)}`)
}
