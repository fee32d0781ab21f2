/**
 * `Listener`: Node's HTTP server with bounds on what one client may take of it.
 *
 * **Example** (A server of your own)
 *
 * ```ts
 * import * as Listener from "@effect-prefect/server/Listener"
 *
 * const server = Listener.make()
 * server.on("request", (_, response) => response.end("hello"))
 * server.listening // => false
 * ```
 *
 * @since 0.1.0
 */
import { type IncomingMessage, Server, type ServerResponse } from "node:http"
import type { Socket } from "node:net"

/** The number of requests of one connection that may wait while another one of it is answered. */
const maxPipelined = 100

/** The requests of a connection that wait, while one of them is answered. */
type Waiting = Array<readonly [IncomingMessage, ServerResponse]>

/**
 * Gives the requests of a connection one by one. A client may send a thousand of them in one packet, and they would all
 * be begun before another client's.
 */
class OneByOne extends Server {
  readonly #waiting = new WeakMap<Socket, Waiting>()

  override emit(event: string | symbol, ...args: Array<unknown>): boolean {
    return event === "request"
      ? this.#admit(args[0] as IncomingMessage, args[1] as ServerResponse)
      : Reflect.apply(super.emit, this, [event, ...args]) as boolean
  }

  #admit(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request
    // The rest of what came with the request for which the connection was ended.
    if (socket.destroyed) return true
    const waiting = this.#waiting.get(socket)
    if (waiting === undefined) return this.#begin(request, response, [])
    waiting.push([request, response])
    if (waiting.length > maxPipelined) socket.destroy()
    return true
  }

  #begin(request: IncomingMessage, response: ServerResponse, waiting: Waiting): boolean {
    const { socket } = request
    this.#waiting.set(socket, waiting)
    response.once("close", () => {
      const next = waiting.shift()
      if (next === undefined || socket.destroyed) this.#waiting.delete(socket)
      // Others have a turn in between.
      else setImmediate(() => socket.destroyed || this.#begin(...next, waiting))
    })
    return super.emit("request", request, response)
  }
}

/**
 * Makes a server. A request must arrive within 30 seconds and its headers within 10; a connection is kept for 65 seconds
 * after the last one, because proxies keep them for a minute and treat one that ends just then as a broken server.
 * Requests of one connection are answered one by one, and a connection on which more than 100 wait is ended.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): Server =>
  new OneByOne({ requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout: 65_000 })
