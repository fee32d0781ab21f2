/**
 * An HTTP server between a client and a real backend, which answers as a plan says: the plan is asked for each request,
 * counted from 0, and what it does not answer is forwarded.
 */
import * as Effect from "effect/Effect"
import { createServer, type IncomingMessage, request as send, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | Array<string> | undefined>>
  readonly body: string
}

export interface Answered {
  readonly status: number
  readonly text: string
}

export interface Exchange {
  readonly received: Received
  readonly response: ServerResponse
  /** What the backend itself answers. */
  readonly forward: () => Promise<Answered>
}

export type Fault = (exchange: Exchange) => void | Promise<void>

export interface FaultServer {
  readonly url: string
  readonly received: Array<Received>
  plan: (index: number, received: Received) => Fault | undefined
}

export const respond = (
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {}
) => {
  response.writeHead(status, { "content-type": "application/json", ...headers })
  response.end(text)
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

const ask = (upstream: string, received: Received): Promise<Answered> =>
  new Promise((resolve, reject) => {
    const { port } = new URL(upstream)
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(received.body) }
    send({ host: "127.0.0.1", port, method: "POST", path: "/", headers, agent: false }, (answer) => {
      bodyOf(answer).then((text) => resolve({ status: answer.statusCode ?? 0, text }), reject)
    }).on("error", reject).end(received.body)
  })

const answers = new Map<string, Promise<Answered>>()

/** The backend is only read, so what it answers to a request stays the same. */
const forwardTo = (upstream: string, received: Received): Promise<Answered> => {
  const key = `${upstream} ${received.body}`
  const answer = answers.get(key) ?? ask(upstream, received)
  answers.set(key, answer)
  return answer
}

export const make = (upstream?: string) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      new Promise<{ readonly server: FaultServer; readonly close: () => Promise<void> }>((resolve, reject) => {
        const node = createServer((request, response) => {
          bodyOf(request).then(async (body) => {
            const received: Received = {
              method: request.method ?? "",
              path: request.url ?? "",
              headers: request.headers,
              body
            }
            const index = server.received.push(received) - 1
            const forward = () =>
              upstream === undefined
                ? Promise.reject(new Error("this server stands alone"))
                : forwardTo(upstream, received)
            const fault = server.plan(index, received)
            if (fault !== undefined) return await fault({ received, response, forward })
            const { status, text } = await forward()
            respond(response, status, text)
          }).catch(() => response.destroy())
        })
        const server: FaultServer = { url: "", received: [], plan: () => undefined }
        node.on("error", reject)
        node.listen(0, "127.0.0.1", () => {
          Object.assign(server, { url: `http://127.0.0.1:${(node.address() as AddressInfo).port}` })
          resolve({
            server,
            close: () =>
              new Promise((closed) => {
                node.close(() => closed())
                node.closeAllConnections()
              })
          })
        })
      })
    ),
    ({ close }) => Effect.promise(close)
  ).pipe(Effect.map(({ server }) => server))

/** The header by which a server that many clients share tells them apart. */
const clientHeader = "x-client"

export interface Client extends FaultServer {
  /** Sent with every request of this client. */
  readonly headers: Readonly<Record<string, string>>
}

/** One server for many clients, of which each has a plan and a count of its own. */
export const makeShared = (upstream: string) =>
  Effect.map(make(upstream), (server) => {
    const clients = new Map<string, Client>()
    server.plan = (_, received) => {
      const client = clients.get(String(received.headers[clientHeader]))
      return client?.plan(client.received.push(received) - 1, received)
    }
    return (plan: FaultServer["plan"]): Client => {
      const name = String(clients.size)
      const client: Client = { url: server.url, headers: { [clientHeader]: name }, received: [], plan }
      clients.set(name, client)
      return client
    }
  })

export const status = (code: number, headers: Record<string, string> = {}, text = "{}"): Fault => ({ response }) =>
  respond(response, code, text, headers)

export const json = (value: unknown, code = 200): Fault => status(code, {}, JSON.stringify(value))

/** What a proxy answers in place of the backend. */
export const page = (code: number): Fault =>
  status(code, { "content-type": "text/html" }, "<!DOCTYPE html><html><body><h1>Bad Gateway</h1></body></html>")

export const errors = (code: string | undefined, message: string, data: unknown = null, httpStatus = 200): Fault =>
  json(
    { data, errors: [{ message, path: ["task_run"], ...(code === undefined ? {} : { extensions: { code } }) }] },
    httpStatus
  )

/** The connection is cut before anything was answered. */
export const cut: Fault = ({ response }) => {
  response.socket?.destroy()
}

/** The connection is cut in the middle of the answer. */
export const cutInBody: Fault = async ({ forward, response }) => {
  const { text } = await forward()
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
  response.write(text.slice(0, text.length >> 1))
  setTimeout(() => response.socket?.destroy(), 5)
}

/** Nothing is ever answered. */
export const silence: Fault = () => {}

/** The answer begins, and never ends. */
export const stall: Fault = async ({ forward, response }) => {
  const { text } = await forward()
  response.writeHead(200, { "content-type": "application/json" })
  response.write(text.slice(0, text.length >> 1))
}

/** The answer ends too early, and nothing of HTTP says so. */
export const truncated: Fault = async ({ forward, response }) => {
  const { text } = await forward()
  respond(response, 200, text.slice(0, -2))
}

/** The real answer, changed. */
export const edited =
  (edit: (body: { data: Record<string, Array<Record<string, unknown>>> }) => unknown): Fault =>
  async ({ forward, response }) => {
    const { status, text } = await forward()
    respond(response, status, JSON.stringify(edit(JSON.parse(text))))
  }

/** More bytes than anybody wants, without an end. */
export const endless: Fault = ({ response }) => {
  response.writeHead(200, { "content-type": "application/json" })
  const more = () => {
    while (!response.destroyed && response.write(" ".repeat(65_536)));
  }
  response.on("drain", more)
  more()
}
