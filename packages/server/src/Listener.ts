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
import * as Turn from "@effect-prefect/core/Turn"
import { IncomingMessage, Server, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { addressOf, Clients } from "./internal/clients.ts"
import { Door } from "./internal/door.ts"
import { connections } from "./internal/openFiles.ts"

/**
 * Options of a listener.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * The most connections. For a further one, an idle one is ended: of the address with most among those that have one, the
   * one that has sent nothing whole for longest. An address that has more than its part ends none of an address with
   * fewer; its further requests are refused with status 503, and others may have a quarter more meanwhile. Default 2 000,
   * or fewer where the process may open few files (`ulimit -n`).
   */
  readonly maxConnections?: number | undefined
}

/** The number of requests of one connection that may wait while another one of it is answered. */
const maxPipelined = 100
/** Connections that may wait to be accepted. Clients of a full queue try again only after a second, or three. */
const backlog = 4_096
/** How many times the most connections there may be while one address has more than its part of them in use. */
const spare = 1.25
/** Chunks of a body that may be small. */
const smallChunks = 1_000
/** The bytes that chunks must have on average otherwise. */
const chunkBytes = 32
/** The number by which Node's parser of HTTP finds the function that it calls with each chunk of a body. */
const onBody = 3

/**
 * Ends a connection without a call for each chunk that has come already: of one byte each, a read has ten thousand. Node
 * uses the parsers of closed connections again, which this one is not before the next turn.
 */
const endAtOnce = (socket: Socket & { readonly parser?: Record<number, unknown> | null }): void => {
  const { parser } = socket
  const own = parser?.[onBody]
  if (parser != null && typeof own === "function" && own.name === "parserOnBody") {
    parser[onBody] = null
    setImmediate(() => void (parser[onBody] = own))
  }
  socket.destroy()
}

/** A request that does not send its body byte by byte: a chunk of one costs as much as a chunk of thousands. */
class Message extends IncomingMessage {
  #chunks = 0
  #bytes = 0
  #isOver = false

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    // The parser gives what else has come, even if the connection has ended.
    if (this.#isOver) return false
    if (chunk instanceof Uint8Array) {
      this.#bytes += chunk.length
      this.#isOver = ++this.#chunks > smallChunks + this.#bytes / chunkBytes
    }
    if (!this.#isOver) return super.push(chunk, encoding)
    endAtOnce(this.socket)
    return false
  }
}

/** A connection on which a request is answered, and its further ones. */
interface Connection {
  /** Of the client. */
  readonly address: string
  /** What is answered. */
  current: IncomingMessage | undefined
  readonly waiting: Array<() => void>
  /** Whether a request of it was answered. */
  isKnown: boolean
}

/** Whether a whole request of it is being answered. */
const isAnswered = ({ current }: Connection): boolean => current?.complete === true

const refuse = (response: ServerResponse): void => {
  response.writeHead(503, { "retry-after": "1", "connection": "close", "content-type": "text/plain; charset=utf-8" })
    .end("this server is busy: try again in a moment\n")
}

/**
 * Gives the requests of a connection one by one, and those of all connections in turn with what else there is to do. A
 * client may send a thousand of them in one packet, and they would all be begun before another client's.
 */
class OneByOne extends Server {
  /** Of clients that are known from an earlier request: a flood of new ones hardly delays them. */
  readonly #known = new Door(16)
  readonly #new = new Door(128)
  readonly #connections = new Map<Socket, Connection>()
  /** The same, those of an address in the order in which they were opened or their last request ended. */
  readonly #clients = new Clients<Socket, Connection>()
  readonly #maxConnections: number

  constructor(options: Options) {
    super({
      requestTimeout: 30_000,
      headersTimeout: 10_000,
      keepAliveTimeout: 65_000,
      // The default is half a minute, by which a connection that sends nothing would live longer than it may.
      connectionsCheckingInterval: 5_000,
      IncomingMessage: Message
    })
    this.#maxConnections = options.maxConnections ?? connections()
  }

  override listen(...args: ReadonlyArray<unknown>): this {
    const [options, ...rest] = args
    const given = typeof options === "object" && options !== null ? [{ backlog, ...options }, ...rest] : args
    return Reflect.apply(super.listen, this, given) as this
  }

  override emit(event: string | symbol, ...args: Array<unknown>): boolean {
    switch (event) {
      case "connection":
        this.#open(args[0] as Socket)
        break
      case "request":
      case "checkContinue":
        this.#admit(event, args[0] as IncomingMessage, args[1] as ServerResponse)
        return true
    }
    return Reflect.apply(super.emit, this, [event, ...args]) as boolean
  }

  /** Requests for another protocol are answered in this one, which HTTP permits: there is no other. */
  override listenerCount(event: string | symbol): number {
    return event === "upgrade" ? 0 : super.listenerCount(event)
  }

  #open(socket: Socket): void {
    this.#known.accepted()
    this.#new.accepted()
    Turn.leave()
    const address = addressOf(socket.remoteAddress)
    const connection: Connection = { address, current: undefined, waiting: [], isKnown: false }
    this.#connections.set(socket, connection)
    this.#clients.keep(address, socket, connection)
    socket.once("close", () => this.#forget(socket, connection))
    if (this.#clients.size <= this.#maxConnections) return
    const found = this.#clients.find((other, known) => other !== socket && !isAnswered(known))
    if (found === undefined) return
    const [idle, known] = found
    // What an address with more than its part asks for is refused, so that those with fewer keep what they have.
    if (this.#keepsFrom(address, known.address)) return
    // A browser opens several connections before it asks for something: its next one must not end those.
    const largest = this.#clients.find(() => true)?.[1].address ?? address
    if (this.#clients.size <= this.#maxConnections * spare && this.#keepsFrom(largest, known.address)) return
    this.#forget(idle, known)
    idle.destroy()
  }

  #forget(socket: Socket, { address }: Connection): void {
    this.#connections.delete(socket)
    this.#clients.forget(address, socket)
  }

  /** Whether an address has taken so many connections that none are left for others. */
  #isFullFor(address: string): boolean {
    return this.#clients.size > this.#maxConnections &&
      this.#clients.hasMoreThanItsPart(address, this.#maxConnections, isAnswered)
  }

  /** Whether an address leaves none to others, of which another one has fewer. */
  #keepsFrom(address: string, other: string): boolean {
    return this.#clients.count(other) < this.#clients.count(address) && this.#isFullFor(address)
  }

  #admit(event: string, request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    const connection = this.#connections.get(socket)
    // The rest of what came with the request for which the connection was ended.
    if (connection === undefined || socket.destroyed) return
    const { address } = connection
    const begin = () => {
      connection.current = request
      response.once("close", () => this.#end(socket, connection))
      if (this.#isFullFor(address)) return refuse(response)
      const door = connection.isKnown ? this.#known : this.#new
      door.enter({
        address,
        refuse: () => refuse(response),
        begin: () => void super.emit(event, request, response),
        // Nothing is sent on a connection whose other half the client has closed.
        isGone: () => !socket.writable
      })
    }
    if (connection.current === undefined) return begin()
    connection.waiting.push(begin)
    if (connection.waiting.length > maxPipelined) socket.destroy()
  }

  #end(socket: Socket, connection: Connection): void {
    connection.isKnown = true
    const next = connection.waiting.shift()
    if (next === undefined) {
      connection.current = undefined
      if (this.#connections.has(socket)) this.#clients.keep(connection.address, socket, connection)
    } // Others have a turn in between.
    else setImmediate(() => socket.destroyed || next())
  }
}

/**
 * Makes a server. A request must arrive within 30 seconds and its headers within 10; a connection is kept for 65 seconds
 * after the last one, because proxies keep them for a minute and treat one that ends just then as a broken server.
 * Requests of one connection are answered one by one, and a connection on which more than 100 wait is ended, or whose
 * body comes byte by byte. Requests of all connections are begun in turn with other work, unless their client has gone.
 * The addresses of clients take turns, and of more than 1 000 requests that wait to be begun, those of the address that
 * has most are answered with status 503 and `Retry-After: 1`, as are those of an address whose connections leave none to
 * others. An address is one of IPv4 or a network of 64 bits of IPv6; behind a proxy, all clients have that of the proxy.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Server => new OneByOne(options)
