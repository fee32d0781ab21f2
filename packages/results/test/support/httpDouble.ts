import * as Effect from "effect/Effect"
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http"

export interface HttpDouble {
  /** http://127.0.0.1:PORT */
  readonly url: string
  /** How many requests have come. */
  readonly requests: () => number
  /** The most requests that were under way at once. */
  readonly mostAtOnce: () => number
}

/** A real HTTP server of this process, for as long as the scope is open. */
export const httpDouble = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.callback<HttpDouble & { readonly close: () => void }>((resume) => {
      let requests = 0
      let running = 0
      let most = 0
      const server = createServer((request, response) => {
        requests++
        most = Math.max(most, ++running)
        response.once("close", () => running--)
        // A client that gives up is what some tests are about.
        request.on("error", () => {})
        response.on("error", () => {})
        listener(request, response)
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        if (address === null || typeof address === "string") throw new Error("no TCP address")
        resume(Effect.succeed({
          url: `http://127.0.0.1:${address.port}`,
          requests: () => requests,
          mostAtOnce: () => most,
          close: () => {
            server.closeAllConnections()
            server.close()
          }
        }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

export type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** A listener that gives these answers one after the other, and then the last one for ever. */
export const inTurn = (...answers: readonly [Answer, ...Array<Answer>]): RequestListener => {
  let turn = 0
  return (request, response) => {
    const answer = answers[Math.min(turn++, answers.length - 1)]!
    answer(response, request)
  }
}

/** Announces all bytes, sends some of them and cuts the connection. */
export const cutAt =
  (bytes: Uint8Array, length: number, headers: Record<string, string> = {}, status = 200): Answer => (response) => {
    response.writeHead(status, { "content-length": bytes.length, ...headers })
    response.write(bytes.subarray(0, length), () => setTimeout(() => response.destroy(), 10))
  }

/** Bytes without end, as fast as they are taken. */
export const endless = (headers: Record<string, string> = {}): Answer => (response) => {
  response.writeHead(200, headers)
  const chunk = Buffer.alloc(65_536, 7)
  const write = () => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once("drain", write)
  }
  write()
}

/** Headers, and then nothing more. */
export const silent = (headers: Record<string, string> = {}): Answer => (response) => {
  response.writeHead(200, headers)
  response.flushHeaders()
}

/** The part of some bytes that a request asks for by its start and its end; undefined where it asks for none. */
export const partOf = (bytes: Uint8Array, range: unknown) => {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(String(range)) ?? []
  if (from === undefined || Number(from) >= bytes.length) return undefined
  const body = bytes.subarray(Number(from), Number(to) + 1)
  return {
    body,
    headers: { "content-range": `bytes ${from}-${Number(from) + body.length - 1}/${bytes.length}` }
  }
}
