/**
 * The events of a Prefect 3 server, for tests: `/api/events/out`, with its handshake as 3.8.0 has it.
 */
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { type WebSocket, WebSocketServer } from "ws"

export interface Client {
  readonly socket: WebSocket
  readonly path: string
  readonly protocol: string
  /** What it sent, in order. */
  readonly received: Array<Record<string, unknown>>
  /** Whether its connection is over. */
  isClosed: boolean
}

export interface EventServer {
  /** Ends in `/api`. */
  readonly url: string
  readonly clients: Array<Client>
  /** Connections that were refused. */
  refused: number
  /** HTTP status of every upgrade; 101 lets it through. */
  upgrade: number
  /** Where one that is not let through is sent. */
  location: string
  /** The token that is wanted. */
  token: string | null
  /** Whether anybody is answered. */
  answers: boolean
}

/** Everything but the version and the events is 404, unless `reply` answers it. */
export const make = (reply: (path: string) => unknown = () => undefined) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const http = createServer((request, response) => {
        const path = (request.url ?? "").replace(/^\/api/, "")
        const body = path === "/admin/version" ? "3.8.0" : reply(path)
        response.writeHead(body === undefined ? 404 : 200, { "content-type": "application/json" })
        response.end(JSON.stringify(body ?? {}))
      })
      const sockets = new WebSocketServer({ noServer: true })
      const server: EventServer = {
        url: "",
        clients: [],
        refused: 0,
        upgrade: 101,
        location: "",
        token: null,
        answers: true
      }
      http.on("upgrade", (request, socket, head) => {
        if (server.upgrade !== 101) {
          server.refused++
          const location = server.location === "" ? "" : `Location: ${server.location}\r\n`
          socket.end(`HTTP/1.1 ${server.upgrade} No\r\n${location}Content-Length: 0\r\nConnection: close\r\n\r\n`)
          return
        }
        sockets.handleUpgrade(request, socket, head, (socket) => {
          const client: Client = {
            socket,
            path: request.url ?? "",
            protocol: socket.protocol,
            received: [],
            isClosed: false
          }
          server.clients.push(client)
          socket.on("close", () => {
            client.isClosed = true
          })
          socket.on("message", (data) => {
            const message = JSON.parse(String(data)) as Record<string, unknown>
            client.received.push(message)
            if (client.received.length > 1 || !server.answers) return
            if (message["type"] === "auth" && message["token"] === server.token) {
              socket.send(JSON.stringify({ type: "auth_success" }))
            } else socket.close(1008, "Invalid token")
          })
        })
      })
      await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
      Object.assign(server, { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/api` })
      const close = () =>
        new Promise<void>((resolve) => {
          for (const { socket } of server.clients) socket.terminate()
          http.closeAllConnections()
          http.close(() => resolve())
        })
      return { server, close }
    }),
    ({ close }) => Effect.promise(close)
  ).pipe(Effect.map(({ server }) => server))

/** An event as the server sends it, of a flow run. */
export const event = (flowRunId: string, name = "prefect.flow-run.Completed"): string =>
  JSON.stringify({
    type: "event",
    event: {
      occurred: "2026-01-01T00:00:00Z",
      event: name,
      resource: { "prefect.resource.id": `prefect.flow-run.${flowRunId}` },
      related: [],
      payload: {},
      id: "00000000-0000-4000-8000-0000000000e1"
    }
  })
