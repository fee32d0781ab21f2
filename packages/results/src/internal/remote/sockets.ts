// Measured: bench/storage-s3.bench.ts
/**
 * Sockets that read into one buffer of their own. Node makes a buffer of 64 KiB for each read, and its parser of HTTP
 * copies what is in it, so that for large objects half of all garbage is the buffers that were read into.
 */
import type * as http from "node:http"
import type { OnReadOpts, Socket } from "node:net"
import type { Readable } from "node:stream"

const bufferLength = 65_536

/** What reads from one socket. */
class Reader {
  /** The body of the latest response whose pieces are taken as they arrive. */
  body: http.IncomingMessage | undefined
  socket: Socket | undefined
  private space = Buffer.allocUnsafeSlow(bufferLength)

  readonly onread: OnReadOpts = {
    buffer: () => this.space,
    callback: (length, buffer) => this.read(length, buffer)
  }

  /** Passes on what was read. Returns false where Node is to read no more for the time being. */
  private read(length: number, buffer: Uint8Array): boolean {
    const { socket } = this
    const piece = Buffer.from(buffer.buffer, buffer.byteOffset, length)
    // Whoever keeps a piece for later would find the bytes of the next one in it.
    if (!this.isTaken()) return socket?.push(Buffer.from(piece)) ?? true
    const wantsMore = socket!.push(piece)
    if (this.isKept()) this.space = Buffer.allocUnsafeSlow(bufferLength)
    return wantsMore
  }

  /** Whether each piece goes to a body that somebody listens to, and none is kept. */
  private isTaken(): boolean {
    const { body } = this
    // The next response on the connection is another one's.
    return body?.readableFlowing === true && !body.complete && !this.isKept()
  }

  private isKept(): boolean {
    return this.body?.readableLength !== 0 || this.socket?.readableLength !== 0
  }
}

const readers = new WeakMap<object, Reader>()

/** Makes an agent's sockets read into buffers of their own. Only for agents that use no proxies, which read by themselves. */
export const reuseBuffers = (agent: http.Agent): void => {
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback) => {
    const reader = new Reader()
    const made = connect(Object.assign(options, { onread: reader.onread }), callback)
    if (made != null) {
      reader.socket = made as Socket
      readers.set(made, reader)
    }
    return made
  }
}

/** Says that each piece of a response's body is taken as it arrives, and not kept. */
export const takeAtOnce = (body: Readable): void => {
  const response = body as http.IncomingMessage
  const reader = response.socket == null ? undefined : readers.get(response.socket)
  if (reader !== undefined) reader.body = response
}
