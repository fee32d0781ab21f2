/**
 * Task run lookups through `serve` on a real Postgres, compared with the same prepared SQL through the same driver over
 * HTTP without GraphQL; and a minute of 200 clients, during which the server's heap is measured and no error may occur.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { Agent, request } from "node:http"
import { join } from "node:path"
import { root } from "../conformance/support/folder.ts"
import { type Postgres, startPostgres } from "../conformance/support/postgres.ts"
import { fillFromArchive, readerUrl } from "../conformance/support/prefectDatabase.ts"
import type { Contender, Row } from "./support/row.ts"
import { lookup } from "./support/serveLookup.ts"

const count = 4_000
const archive = join(root, "fixtures", "prefect-1")
const ids = readFileSync(join(archive, "tables", "task_run.jsonl"), "utf8").split("\n").filter((line) => line !== "")
  .map((line) => (JSON.parse(line) as { readonly id: string }).id)
const bodies = ids.map((id) => ({ id, body: JSON.stringify(lookup(id)) }))

/** A server process, and clients that keep their connections. */
class Serving {
  readonly mode: "serve" | "plain"
  private postgres: Postgres | undefined
  private child: ChildProcess | undefined
  private url = ""
  constructor(mode: "serve" | "plain") {
    this.mode = mode
  }

  async open(): Promise<void> {
    this.postgres = await startPostgres()
    await fillFromArchive(this.postgres, archive)
    const entry = join(import.meta.dirname, "support", "serveProcess.ts")
    this.child = spawn(
      process.execPath,
      ["--conditions=@effect-prefect/source", "--expose-gc", entry, readerUrl(this.postgres), this.mode],
      { stdio: ["ignore", "pipe", "inherit", "ipc"] }
    )
    let output = ""
    for await (const part of this.child.stdout ?? []) {
      output += String(part)
      const match = /ready (\S+)/.exec(output)
      if (match === null) continue
      this.url = match[1] ?? ""
      break
    }
    if (this.url === "") throw new Error(`the server process did not start: ${output}`)
  }

  async close(): Promise<void> {
    if (this.child !== undefined) {
      const ended = once(this.child, "exit")
      this.child.kill()
      await ended
    }
    await this.postgres?.stop()
  }

  /** Megabytes of the server's heap after a collection. */
  async heap(): Promise<number> {
    if (this.child === undefined) throw new Error("no server process")
    const answer = once(this.child, "message")
    this.child.send({ memory: true })
    const [message] = await answer as [{ readonly memory: number }]
    return message.memory
  }

  /** `clients` send one lookup after the other while `next` returns one; any response but the right one is an error. */
  async load(clients: number, next: () => { readonly id: string; readonly body: string } | undefined): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: clients })
    const headers = { "content-type": "application/json" }
    const ask = (body: string) =>
      new Promise<string>((resolve, reject) => {
        const sent = request(
          this.url,
          { method: "POST", agent, headers: { ...headers, "content-length": Buffer.byteLength(body) } },
          (response) => {
            let text = ""
            response.setEncoding("utf8").on("data", (part: string) => text += part).on("end", () => resolve(text))
              .on("error", reject)
          }
        )
        sent.on("error", reject)
        sent.end(body)
      })
    const client = async () => {
      for (let one = next(); one !== undefined; one = next()) {
        const text = await ask(one.body)
        if (!text.startsWith(`{"data":{"task_run":[{"id" : "${one.id}"`)) throw new Error(text.slice(0, 300))
      }
    }
    await Promise.all(Array.from({ length: clients }, client))
    agent.destroy()
  }
}

const lookups = (name: string, mode: "serve" | "plain"): Contender => {
  const serving = new Serving(mode)
  return {
    name,
    open: () => serving.open(),
    run: () => {
      let left = count
      return serving.load(16, () => left-- > 0 ? bodies[left % bodies.length] : undefined)
    },
    close: () => serving.close()
  }
}

const minute = (): Contender => {
  const serving = new Serving("serve")
  const forMillis = (millis: number) => {
    const end = performance.now() + millis
    let index = 0
    return serving.load(200, () => performance.now() < end ? bodies[index++ % bodies.length] : undefined)
  }
  return {
    name: "effect-prefect",
    open: () => serving.open(),
    run: async () => {
      await forMillis(5_000)
      const before = await serving.heap()
      await forMillis(60_000)
      return { measured: Math.max(0, await serving.heap() - before) }
    },
    close: () => serving.close()
  }
}

export const rows: ReadonlyArray<Row> = [
  {
    work: "serve: task run lookups by 16 clients",
    count,
    ours: lookups("effect-prefect serve", "serve"),
    limit: lookups("the same SQL over HTTP without GraphQL", "plain"),
    target: { limit: 0.5 }
  },
  {
    work: "serve: growth of the heap in a minute of 200 clients",
    count: 1,
    show: "MB",
    runs: 1,
    warmUp: false,
    ours: minute()
  }
]
