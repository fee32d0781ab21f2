/** An output over any object store with conditional creation. */
import * as Network from "@effect-prefect/api/Network"
import type { PrefectConfigError } from "@effect-prefect/api/PrefectConfigError"
import type * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { CollectError, OutputUnavailable, Unsupported } from "../CollectError.ts"
import type { Output } from "./output.ts"
import { late, patienceText } from "./patience.ts"
import { limitOf, tooLarge } from "./planLimits.ts"

export interface ObjectStore {
  /** The destination for messages. */
  readonly name: string
  /** The possible reason why conditional creation is not supported, and the remedy. */
  readonly conditionHint: string
  /**
   * Gets the credentials before a request, in one run for all requests that wait for them: a program that gives them ends
   * with the last of these.
   */
  readonly credentials?: ((signal: AbortSignal) => Promise<unknown>) | undefined
  /** Creates an object; false when one with that key exists. */
  readonly create: (key: string, bytes: Uint8Array, signal: AbortSignal) => Promise<boolean>
  /** An object's bytes as they come. Throws what `isMissing` recognizes when there is no such object. */
  readonly read: (key: string, signal: AbortSignal) => AsyncIterable<Uint8Array>
  /** Whether an error says that there is no such object. */
  readonly isMissing: (error: unknown) => boolean
  /** The keys below a prefix up to the next `/`, page by page. */
  readonly list: (prefix: string, signal: AbortSignal) => AsyncIterable<ReadonlyArray<string>>
  readonly remove: (key: string, signal: AbortSignal) => Promise<void>
}

/** A code or a status that an error goes by. */
const wordOf = (value: unknown): string | undefined =>
  typeof value === "number" ? String(value) : Network.shownCode(value)

const describe = (error: unknown): string => {
  if (error === tooSlow) return `its store took longer than ${patienceText}`
  const { code, name, statusCode, $metadata } = error as {
    readonly code?: unknown
    readonly name?: unknown
    readonly statusCode?: unknown
    readonly $metadata?: { readonly httpStatusCode?: unknown }
  }
  const words = [wordOf(code) ?? wordOf(name), wordOf($metadata?.httpStatusCode ?? statusCode)]
  return [...new Set(words)].filter((word) => word !== undefined && word !== "Error").join(", ") || "unknown error"
}

const tooSlow = new Error("too slow")

/** Codes of connections that ended before the response. */
const lost = new Set(["ECONNRESET", "EPIPE", "ETIMEDOUT"])

/** Whether a store may answer the same request soon: it is overloaded, or the connection was lost. */
const isTransient = (error: unknown): boolean => {
  if (error === tooSlow) return true
  const { code, statusCode, $metadata } = error as {
    readonly code?: unknown
    readonly statusCode?: unknown
    readonly $metadata?: { readonly httpStatusCode?: unknown }
  }
  const status = Number($metadata?.httpStatusCode ?? statusCode ?? code)
  return status >= 500 || status === 429 || status === 408 || (typeof code === "string" && lost.has(code))
}

/** After the attempts of the SDK itself, which last a few seconds at most. */
const again = Schedule.jittered(Schedule.exponential("1 second"))

const probePrefix = "_probe-"

/** An address in options: Redacted when it contains a password or a signature. */
export type Address = string | URL | Redacted.Redacted

/** The text of an address. */
export const addressText = (address: Address): string =>
  Redacted.isRedacted(address) ? Redacted.value(address) : String(address)

/** Connections to a store. */
const maxSockets = 64

/**
 * Agents for the requests of an SDK, for the lifetime of the scope, and a check of the files that it reads, by the
 * variables that name them.
 */
export const networkAgents = (
  tls: Effect.Effect<Network.TlsOptions | undefined, PrefectConfigError | Config.ConfigError>,
  files: ReadonlyArray<string>
): Effect.Effect<Network.Agents, CollectError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.flatMap(
      Effect.andThen(Network.checkFiles(...files), tls),
      (tls) => Network.agents({ tls, maxSockets })
    ),
    (agents) =>
      Effect.sync(() => {
        agents.http.destroy()
        agents.https.destroy()
      })
  ).pipe(Effect.mapError(({ message }) => new CollectError({ reason: new Unsupported({ detail: message }) })))

/** What a request failed with. */
class Attempted extends Data.TaggedError("Attempted")<{ readonly cause: unknown }> {}

/** The most bytes of an error, which is a code and a sentence. */
const maxErrorBytes = 2 ** 16

/** The most bytes of any other answer that is no object: a page of a listing has at most 5 000 keys of 1 024 characters. */
const maxAnswerBytes = 2 ** 26

/**
 * The body of an answer that an SDK would collect, however long it is: an error that is too long is empty, because its
 * status says enough, and another answer fails.
 */
export const collected = async (
  store: string,
  isError: boolean,
  body: AsyncIterable<Uint8Array>
): Promise<Buffer> => {
  const chunks: Array<Uint8Array> = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (isError && size > maxErrorBytes) return Buffer.alloc(0)
    if (size > maxAnswerBytes) {
      const detail = `its store sends an answer of more than ${maxAnswerBytes} bytes`
      throw new CollectError({ reason: new OutputUnavailable({ output: store, detail }) })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** About the bytes of a page of a listing for each of its keys. */
const bytesOfKey = 1000

/** The most objects in one folder: more than a plan of the largest size has parts. */
const maxListed = 2 ** 22

/** `prefix` is empty or ends with `/`. */
export const make = (store: ObjectStore, prefix: string): Output => {
  const fail = (detail: string) => new CollectError({ reason: new OutputUnavailable({ output: store.name, detail }) })
  const attempt = <A>(
    verb: string,
    run: (signal: AbortSignal, onBytes: (count: number) => void) => Promise<A>,
    sent = 0
  ): Effect.Effect<A, CollectError> =>
    Effect.suspend(() => {
      let moved = sent
      const request = Effect.tryPromise({
        // Programs that a request asks for credentials end with it, except those that it shares.
        try: (signal) =>
          Network.withPrograms(async () => {
            await store.credentials?.(signal)
            return await run(signal, (count) => moved += count)
          }, { signal }),
        catch: (cause) => new Attempted({ cause })
      })
      return Effect.raceFirst(
        request,
        Effect.andThen(late(() => moved), () => Effect.fail(new Attempted({ cause: tooSlow })))
      )
    }).pipe(
      Effect.retry({ while: ({ cause }) => isTransient(cause), schedule: again, times: 4 }),
      Effect.mapError(({ cause: error }) =>
        error instanceof CollectError ? error : new CollectError({
          reason: new OutputUnavailable({ output: store.name, detail: `cannot ${verb} (${describe(error)})` })
        })
      )
    )

  /** Passes the bytes of an object on as they come; returns whether there is such an object. */
  const receive = async (
    name: string,
    signal: AbortSignal,
    onChunk: (chunk: Uint8Array) => void
  ): Promise<boolean> => {
    try {
      for await (const chunk of store.read(prefix + name, signal)) {
        // Not every SDK ends a body with the signal.
        signal.throwIfAborted()
        onChunk(chunk)
      }
      return true
    } catch (error) {
      if (store.isMissing(error)) return false
      throw error
    }
  }

  const list: Output["list"] = (folder) =>
    Stream.unwrap(Effect.map(
      attempt("list objects", async (signal, onBytes) => {
        const names: Array<string> = []
        const firsts = new Set<string>()
        for await (const keys of store.list(prefix + folder, signal)) {
          signal.throwIfAborted()
          onBytes(keys.length * bytesOfKey)
          const [first] = keys
          if (first === undefined) continue
          if (firsts.has(first)) throw fail("its store lists the same objects again and again")
          firsts.add(first)
          for (const key of keys) {
            const name = key.slice(prefix.length)
            if (name !== "" && !name.endsWith("/")) names.push(name)
          }
          if (names.length > maxListed) throw fail(`more than ${maxListed} objects are in one folder of it`)
        }
        return names
      }),
      Stream.fromIterable
    ))

  return {
    name: store.name,
    prepare: (job) =>
      Effect.gen(function*() {
        const key = `${prefix}${probePrefix}${job}`
        const bytes = Buffer.from(job)
        const isNew = yield* attempt("write", (signal) => store.create(key, bytes, signal))
        if (isNew && (yield* attempt("write", (signal) => store.create(key, bytes, signal)))) {
          return yield* new CollectError({
            reason: new Unsupported({
              detail:
                `${store.name}: this store writes an object over another, so two writers would undo each other's ` +
                `work; ${store.conditionHint}`
            })
          })
        }
      }),
    create: (name, body) =>
      Effect.suspend(() => {
        const hash = createHash("sha256")
        const chunks: Array<Uint8Array> = []
        const read = Stream.runForEach(body, (chunk) =>
          Effect.sync(() => {
            hash.update(chunk)
            chunks.push(chunk)
          }))
        return Effect.flatMap(read, () => {
          const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
          const sha256 = hash.digest("hex")
          return Effect.map(
            attempt(`write ${name}`, (signal) => store.create(prefix + name, bytes, signal), bytes.length),
            (isNew) => ({ isNew, bytes: bytes.length, sha256 })
          )
        })
      }),
    read: (name) =>
      attempt(`read ${name}`, async (signal, onBytes) => {
        const limit = limitOf(name)
        const chunks: Array<Uint8Array> = []
        let size = 0
        const isThere = await receive(name, signal, (chunk) => {
          onBytes(chunk.length)
          size += chunk.length
          if (limit !== undefined && size > limit) {
            throw new CollectError({
              reason: new OutputUnavailable({ output: store.name, detail: tooLarge(name, limit) })
            })
          }
          chunks.push(chunk)
        })
        return isThere ? chunks.length === 1 ? chunks[0] : Buffer.concat(chunks) : undefined
      }),
    digest: (name) =>
      attempt(`read ${name}`, async (signal, onBytes) => {
        const hash = createHash("sha256")
        let bytes = 0
        const isThere = await receive(name, signal, (chunk) => {
          onBytes(chunk.length)
          hash.update(chunk)
          bytes += chunk.length
        })
        return isThere ? { bytes, sha256: hash.digest("hex") } : undefined
      }),
    list,
    finish: Stream.runForEach(
      Stream.filter(list(""), (name) => name.startsWith(probePrefix)),
      (name) => attempt(`remove ${name}`, (signal) => store.remove(prefix + name, signal))
    )
  }
}

/** `PREFIX` of a destination as a prefix of keys. */
export const keyPrefix = (prefix: string | undefined): string => {
  const trimmed = (prefix ?? "").replace(/^\/+|\/+$/g, "")
  return trimmed === "" ? "" : `${trimmed}/`
}

/** For `import(…).catch(rethrow)`: bundlers treat a caught import as one whose package may be missing. */
export const rethrow = (error: unknown): never => {
  throw error
}

/** Loads an SDK, or fails with instructions for installing it. */
export const loadSdk = <Module>(name: string, importer: () => Promise<Module>): Effect.Effect<Module, CollectError> =>
  Effect.tryPromise({
    try: importer,
    catch: () =>
      new CollectError({
        reason: new Unsupported({ detail: `its package is not installed: npm install ${name}, or collect to a folder` })
      })
  })
