/**
 * The events of a Prefect 3 server (observed on 3.8.0): a WebSocket at `/events/out`, of the subprotocol `prefect`. The
 * client sends `auth`, receives `auth_success`, sends a `filter`, and then receives an `event` for each match.
 *
 * Here, an event only signals that it may be worth querying the server. Every failure is therefore only logged at debug
 * level and followed by a new connection.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { canonicalUuid } from "../uuids.ts"
import type { Client } from "./client.ts"

/** The longest message in UTF-16 units; longer ones are ignored. */
const maxMessage = 1024 * 1024

/** The most bytes without a whole message: those of the longest one in UTF-8, and its frames. */
const maxWaiting = 4 * maxMessage

/** The bytes that an end waits for, which a connection always has room for. */
const maxClosing = 4096

/** The time limit for authentication. */
const patience = Duration.seconds(30)

/** The wait before the next connection in milliseconds; it doubles after each connection that was shorter than this. */
const firstRetry = 1000
const lastRetry = 60_000

/**
 * The flow run's own events, and those of its task runs. Without `until`, the server would omit events after the
 * connection; without `backfill: false`, it would repeat earlier ones.
 */
const filterOf = (flowRunId: string, now: number) => ({
  type: "filter",
  backfill: false,
  filter: {
    occurred: {
      since: new Date(now - 60_000).toISOString(),
      until: new Date(now + 365 * 86_400_000).toISOString()
    },
    any_resource: { id: [`prefect.flow-run.${flowRunId}`] }
  }
})

const typeOf = (message: unknown): unknown => {
  if (typeof message !== "string" || message.length > maxMessage) return undefined
  try {
    const value: unknown = JSON.parse(message)
    return typeof value === "object" && value !== null && "type" in value ? value.type : undefined
  } catch {
    return undefined
  }
}

interface Connection {
  readonly url: string
  readonly credential: Redacted.Redacted | undefined
  readonly flowRunId: string
  readonly onChange: () => void
}

/** The part of a connection's TCP socket that is needed to bound and end it. */
interface Wire {
  readonly writableLength: number
  readonly on: (event: "data", listener: (chunk: Uint8Array) => void) => void
  readonly destroy: () => void
  readonly destroySoon: () => void
}

interface Handler {
  readonly onUpgrade?: (...parts: ReadonlyArray<unknown>) => void
  readonly onRequestUpgrade?: (...parts: ReadonlyArray<unknown>) => void
}

interface Dispatcher {
  readonly dispatch: (options: { readonly headers?: unknown }, handler: Handler) => boolean
}

const extensions = "sec-websocket-extensions"

const isExtensions = (name: unknown): boolean => String(name).toLowerCase() === extensions

/** Whether a server has chosen an extension. Headers are an object, or an array of names and values in turn. */
const hasExtensions = (headers: unknown): boolean =>
  (Array.isArray(headers) ? headers.filter((_, index) => index % 2 === 0) : Object.keys(headers ?? {})).some(
    isExtensions
  )

/** What Node's `fetch` and WebSocket send requests with, once there was one; other engines have none. */
const dispatcher = (): Dispatcher | undefined => {
  const found = (globalThis as { readonly [key: symbol]: unknown })[Symbol.for("undici.globalDispatcher.1")]
  return typeof (found as Dispatcher | undefined)?.dispatch === "function" ? found as Dispatcher : undefined
}

/**
 * A WebSocket, and how to end it. Node's waits without limit for a server that never answers a close, and keeps the
 * process running meanwhile: so the connection under it is ended too. It also collects a message of any length, in any
 * number of frames, and answers any number of pings: so the connection is ended when too many bytes wait on it.
 * Compression is not offered, because a short message can stand for one of gigabytes.
 */
const connect = (url: string): { readonly socket: WebSocket; readonly end: () => void } => {
  const node = dispatcher()
  if (node === undefined) {
    const socket = new WebSocket(url, "prefect")
    return { socket, end: () => socket.close() }
  }
  let wire: Partial<Wire> | undefined
  const upgraded = (handler: Handler, name: keyof Handler) => {
    const own = handler[name]
    return own === undefined ? {} : {
      [name]: (...parts: ReadonlyArray<unknown>) => {
        wire = parts.at(-1) as Partial<Wire> | undefined
        own.apply(handler, [...parts])
        if (hasExtensions(parts.at(-2))) wire?.destroy?.()
      }
    }
  }
  const watching: Dispatcher = {
    dispatch: (options, handler) =>
      node.dispatch(
        {
          ...options,
          headers: Object.fromEntries(
            Object.entries(options.headers ?? {}).filter(([name]) => !isExtensions(name))
          )
        },
        Object.assign(
          Object.create(handler) as Handler,
          upgraded(handler, "onUpgrade"),
          upgraded(handler, "onRequestUpgrade")
        )
      )
  }
  const socket = new WebSocket(url, { protocols: ["prefect"], dispatcher: watching } as unknown as string)
  let waiting = 0
  // Not before: the WebSocket would miss what a listener of ours makes the connection give.
  socket.addEventListener("open", () =>
    wire?.on?.("data", ({ length }) => {
      waiting += length
      if (waiting > maxWaiting || (wire?.writableLength ?? 0) > maxWaiting) wire?.destroy?.()
    }))
  socket.addEventListener("message", () => {
    waiting = 0
  })
  return {
    socket,
    end: () => {
      socket.close()
      // A server that does not read would keep what is still to be sent, and the connection.
      if ((wire?.writableLength ?? 0) > maxClosing) wire?.destroy?.()
      else wire?.destroySoon?.()
    }
  }
}

/** One connection, until it ends; returns how it ended. */
const listen = ({ credential, flowRunId, onChange, url }: Connection): Effect.Effect<string> => {
  let isLetIn = false
  const connected = Effect.callback<string>((resume) => {
    let connection: ReturnType<typeof connect>
    try {
      connection = connect(url)
    } catch {
      // A browser may block connections of a page.
      return resume(Effect.succeed("it is not allowed here"))
    }
    const { end, socket } = connection
    const send = (message: object) => socket.send(JSON.stringify(message))
    const controller = new AbortController()
    const { signal } = controller
    socket.addEventListener("open", () => {
      send({ type: "auth", token: credential === undefined ? null : Redacted.value(credential) })
    }, { signal })
    socket.addEventListener("message", ({ data }) => {
      const type = typeOf(data)
      if (type === "auth_success" && !isLetIn) {
        isLetIn = true
        send(filterOf(flowRunId, Date.now()))
        // For events before the connection.
        onChange()
      } else if (type === "event" && isLetIn) onChange()
    }, { signal })
    // An error is always followed by a close.
    socket.addEventListener("error", () => {})
    socket.addEventListener("close", ({ code }) => resume(Effect.succeed(`it was closed with ${code}`)), { signal })
    return Effect.sync(() => {
      controller.abort()
      end()
    })
  })
  const late = Effect.andThen(
    Effect.sleep(patience),
    Effect.suspend(() => isLetIn ? Effect.never : Effect.succeed("the server does not answer"))
  )
  return Effect.raceFirst(connected, late)
}

/**
 * Emits when an event of a flow run arrives, and at each connection; there is one connection while the Stream is
 * pulled. Signals that have not been taken yet are merged into one.
 */
export const flowRunSignals = (client: Client, flowRunId: string): Stream.Stream<void> => {
  const id = canonicalUuid(flowRunId)
  if (id === undefined || typeof globalThis.WebSocket !== "function") return Stream.never
  return Stream.callback<void>((queue) =>
    Effect.gen(function*() {
      for (let failures = 0;; failures++) {
        const base = yield* Effect.result(client.base)
        const startedAt = yield* Clock.currentTimeMillis
        const detail = Result.isFailure(base) ? base.failure.message : yield* listen({
          // Its origin is the server's: http becomes ws, https wss.
          url: `${base.success.replace(/^http/, "ws")}/events/out`,
          credential: client.credential,
          flowRunId: id,
          onChange: () => Queue.offerUnsafe(queue, undefined)
        })
        if ((yield* Clock.currentTimeMillis) - startedAt >= lastRetry) failures = 0
        const pause = Math.min(lastRetry, firstRetry * 2 ** failures) * (0.8 + 0.4 * (yield* Random.next))
        yield* Effect.logDebug("no events of a flow run", { flowRunId: id, detail, pause: Math.round(pause) })
        yield* Effect.sleep(Duration.millis(pause))
      }
    }), { bufferSize: 1, strategy: "sliding" })
}
