// The thread for large results: decodes, sorts and summarizes, so that no other request waits for it.
import * as Effect from "effect/Effect"
import { parentPort } from "node:worker_threads"
import { answer, failureOf, type Streams } from "./answer.ts"
import { decode, decodePrefect3 } from "./decode.ts"
import { LoadedValue } from "./loadedValue.ts"
import type { Reply, Request } from "./protocol.ts"

const port = parentPort
if (port === null) throw new Error("the thread of large results is the entry point of a worker")

const values = new Map<number, { readonly loaded: LoadedValue; readonly streams: Streams }>()

const handle = async (request: Request): Promise<unknown> => {
  if (request.op === "drop") return values.delete(request.key)
  if (request.op === "load") {
    const { bytes, format, maxBytes, name, prefect3 } = request
    const options = { name, format, maxBytes }
    const { formats, size, value } = await Effect.runPromise(
      prefect3 === undefined ? decode(bytes, options) : decodePrefect3(bytes, prefect3.serializer, options)
    )
    const loaded = new LoadedValue(value)
    values.set(request.key, { loaded, streams: new Map() })
    return { formats, size }
  }
  const entry = values.get(request.key)
  if (entry === undefined) throw new Error("the value was dropped")
  return answer(entry.loaded, entry.streams, request)
}

// One at a time, in the order of arrival, because a value is queried after it was loaded.
let last: Promise<unknown> = Promise.resolve()
const post = (reply: Reply) => port.postMessage(reply)
port.on("message", (request: Request) => {
  last = last.then(() =>
    handle(request).then(
      (value) => post({ id: request.id, answer: value }),
      (error: unknown) => post({ id: request.id, failure: failureOf(error) })
    )
  )
})
