/** `effect-prefect serve` as a process, and clients of it. */
import { readFileSync } from "node:fs"
import { request } from "node:http"
import { join } from "node:path"
import { root } from "./folder.ts"
import { freePort, startServer } from "./process.ts"

export const command = join(root, "packages/cli/bin/effect-prefect.js")

export interface Answered {
  /** The HTTP status; undefined when there was no complete answer. */
  readonly status: number | undefined
  readonly data: Readonly<Record<string, unknown>> | null | undefined
  /** The code of the first error. */
  readonly code: string | undefined
  readonly text: string
  readonly ms: number
}

export interface Served extends AsyncDisposable {
  readonly port: number
  readonly pid: number
  readonly url: string
  /** Its memory in megabytes. */
  readonly memory: () => number
  readonly stop: () => Promise<void>
}

/** Starts `serve` with these flags and waits until it is healthy. */
export const serve = async (
  flags: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Promise<Served> => {
  const port = await freePort()
  const server = await startServer(process.execPath, [command, "serve", "--port", String(port), ...flags], {
    port,
    env: { NO_COLOR: "1", ...env },
    probe: async () => (await fetch(`http://127.0.0.1:${port}/health`)).status === 200
  })
  return {
    port,
    pid: server.pid,
    url: `http://127.0.0.1:${port}`,
    memory: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1] ?? 0) / 1024,
    stop: server.stop,
    [Symbol.asyncDispose]: server.stop
  }
}

interface GraphQLError {
  readonly extensions?: { readonly code?: string }
}

/** The rows of a list in a response; undefined when it is missing. */
export const rowsOf = (answer: Answered, field: string): ReadonlyArray<unknown> | undefined => {
  const value = answer.data?.[field]
  return Array.isArray(value) ? value : undefined
}

/** The count of an aggregate in a response; undefined when it is missing. */
export const countOf = (answer: Answered, field: string): number | undefined =>
  (answer.data?.[field] as { readonly aggregate?: { readonly count?: number } } | undefined)?.aggregate?.count

/** Sends one query on a connection of its own. */
export const ask = (
  port: number,
  query: string,
  options: { readonly variables?: unknown; readonly limit?: number; readonly body?: string } = {}
): Promise<Answered> =>
  new Promise((resolve) => {
    const start = performance.now()
    const done = (status: number | undefined, text: string) => {
      let json: { readonly data?: Answered["data"]; readonly errors?: ReadonlyArray<GraphQLError> } | undefined
      try {
        json = JSON.parse(text)
      } catch {
        json = undefined
      }
      const ms = performance.now() - start
      resolve({ status, data: json?.data, code: json?.errors?.[0]?.extensions?.code, text: text.slice(0, 500), ms })
    }
    const body = options.body ?? JSON.stringify({ query, variables: options.variables })
    const sent = request({
      host: "127.0.0.1",
      port,
      method: "POST",
      agent: false,
      headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) }
    }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () => done(response.statusCode, Buffer.concat(chunks).toString()))
      response.on("error", () => done(undefined, ""))
    })
    sent.on("error", () => done(undefined, ""))
    sent.setTimeout(options.limit ?? 60_000, () => sent.destroy())
    sent.end(body)
  })
