// Measured: bench/storage-s3.bench.ts
/** Downloads an object or a part of one under a limit of bytes, resumes it after an interruption, and verifies it. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import { ResultTooLarge, type StorageReason } from "../../ResultError.ts"
import type { Reserve } from "../../ResultStorage.ts"
import * as Checksum from "./checksum.ts"
import { unavailable } from "./failure.ts"
import type { Limiter } from "./limiter.ts"
import { takeAtOnce } from "./sockets.ts"
import {
  agree,
  type Client,
  discard,
  type Failure,
  type Marks,
  NoSuchPart,
  type ObjectName,
  type Opened,
  type Part
} from "./store.ts"

export interface Limits {
  readonly maxBytes: number
  /** Requests for one object, including the first. */
  readonly attempts: number
  /** In place of `attempts`. */
  readonly retrySchedule?: Schedule.Schedule<unknown, StorageReason> | undefined
  /** Milliseconds without a byte after which a request fails. */
  readonly idle: number
  /** The longest time for all attempts, without that of waiting for memory. */
  readonly timeout: Duration.Duration
  readonly reserve?: Reserve | undefined
  /** The part to download. Default: all. */
  readonly part?: {
    readonly offset: number
    readonly length: number
    readonly tag: string | undefined
    /** Of the whole object, once that is known. */
    readonly size?: number | undefined
    readonly marks?: Marks | undefined
  } | undefined
}

/** The bytes received by a download, and the store's description of the object. */
export interface Downloaded {
  readonly bytes: Uint8Array
  /** Of the whole object. */
  readonly size: number | undefined
  readonly tag: string | undefined
  readonly marks: Marks | undefined
}

/** The reason why a part is unavailable: the store sends the whole object. */
export const noParts = "its store does not give parts of an object"

/** The bytes received so far, over all attempts. */
interface Progress {
  bytes: Uint8Array
  filled: number
  /** Of the downloaded bytes. */
  size: number | undefined
  /** Of the whole object. */
  whole: number | undefined
  tag: string | undefined
  marks: Marks | undefined
  checksum: Checksum.Checksum | undefined
  /** The checksum of the bytes so far. */
  running: Checksum.Running | undefined
}

/** The memory requested so far, over all attempts. */
interface Reserved {
  bytes: number
}

const start = (): Progress => ({
  bytes: new Uint8Array(0),
  filled: 0,
  size: undefined,
  whole: undefined,
  tag: undefined,
  marks: undefined,
  checksum: undefined,
  running: undefined
})

const tooLarge = (limit: number, size?: number): Failure => ({
  reason: new ResultTooLarge({ limit, unit: "bytes", ...(size === undefined ? {} : { size }) }),
  retry: "never"
})

/** One request: fills `progress` and ends with the body. */
const attempt = (
  client: Client,
  object: ObjectName,
  location: string,
  limits: Limits,
  progress: Progress,
  reserved: Reserved
): Effect.Effect<Downloaded, Failure> =>
  Effect.callback<Downloaded, Failure>((resume) => {
    const { part } = limits
    const abort = new AbortController()
    let opened: Opened | undefined
    let ended = false

    const end = (result: Effect.Effect<Downloaded, Failure>, complete = false) => {
      if (ended) return
      ended = true
      clearTimeout(timer)
      if (!complete) stop()
      resume(result)
    }
    const fail = (failure: Failure) => end(Effect.fail(failure))
    const stop = () => {
      abort.abort()
      if (opened !== undefined) discard(opened.body)
    }
    const timer = setTimeout(
      () => fail(unavailable(location, `it sent nothing for ${limits.idle / 1000} seconds`)),
      limits.idle
    )

    /** Requests memory for a total number of bytes. Returns whether there is room; if not, this request has ended. */
    const hasRoom = (size: number): boolean => {
      const needs = size - reserved.bytes
      if (limits.reserve === undefined || needs <= 0) return true
      let answer: { readonly refusal: ResultTooLarge | undefined } | undefined
      limits.reserve(needs, (refusal) => answer = { refusal })()
      if (answer === undefined) {
        // Without a connection or a slot of the limiter, which others may need to free memory.
        fail({ ...unavailable(location, "there is not enough memory for it"), needs })
        return false
      }
      if (answer.refusal !== undefined) {
        fail({ reason: answer.refusal, retry: "never" })
        return false
      }
      reserved.bytes = size
      return true
    }

    const onData = (chunk: Uint8Array) => {
      timer.refresh()
      const filled = progress.filled + chunk.length
      if (progress.size !== undefined && filled > progress.size) {
        return fail(unavailable(location, `it sent more than the announced ${progress.size} bytes`, "restart"))
      }
      if (filled > limits.maxBytes) return fail(tooLarge(limits.maxBytes))
      if (filled > progress.bytes.length) {
        const size = Math.min(limits.maxBytes, Math.max(filled, progress.bytes.length * 2))
        if (!hasRoom(size)) return
        const larger = new Uint8Array(size)
        larger.set(progress.bytes.subarray(0, progress.filled))
        progress.bytes = larger
      }
      progress.bytes.set(chunk, progress.filled)
      progress.running?.update(chunk)
      progress.filled = filled
    }

    const onEnd = () => {
      const { bytes, checksum, filled, running, size } = progress
      if (size !== undefined && filled < size) return cut()
      const whole = bytes.length === filled ? bytes : bytes.subarray(0, filled)
      if (checksum !== undefined && running?.base64() !== checksum.base64) {
        return fail(
          unavailable(location, `its bytes do not have the store's ${checksum.algorithm} checksum`, "restart")
        )
      }
      end(Effect.succeed({ bytes: whole, size: progress.whole, tag: progress.tag, marks: progress.marks }), true)
    }
    const cut = () =>
      fail(unavailable(
        location,
        progress.size === undefined
          ? "the connection broke while it was read"
          : `the connection broke at ${progress.filled} of ${progress.size} bytes`
      ))

    const onOpened = (answer: Opened) => {
      opened = answer
      if (ended) return stop()
      timer.refresh()
      if (part !== undefined && !answer.isPart && !(part.offset === 0 && (answer.size ?? Infinity) <= part.length)) {
        return fail(unavailable(location, noParts, "never"))
      }
      const first = part === undefined || !answer.isPart ? 0 : part.offset
      const changed = !agree(part?.marks, answer.marks) || (part?.tag !== undefined && answer.tag !== part.tag) ||
        (part?.size !== undefined && answer.size !== part.size) || (answer.offset !== first &&
          (answer.offset !== first + progress.filled || answer.size !== progress.whole || answer.tag !== progress.tag ||
            !agree(progress.marks, answer.marks)))
      if (changed) return fail(unavailable(location, "it was changed while it was read", "restart"))
      const size = answer.size === undefined || part === undefined
        ? answer.size
        : Math.min(part.length, answer.size - first)
      if (size !== undefined && size > limits.maxBytes) return fail(tooLarge(limits.maxBytes, size))
      if (size !== undefined && !hasRoom(size)) return
      if (answer.offset === first) {
        const { checksum, marks, tag } = answer
        const running = checksum === undefined ? undefined : Checksum.start(checksum.algorithm)
        Object.assign(progress, start(), { size, whole: answer.size, tag, marks, checksum, running })
        // Not filled with zeros: bytes that have not arrived are never given to anyone.
        if (size !== undefined) progress.bytes = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)
      }
      takeAtOnce(answer.body)
      answer.body
        .on("data", (chunk) => {
          try {
            onData(chunk)
          } catch (error) {
            fail(client.failure(error, object, location))
          }
        })
        .once("end", onEnd)
        .once("error", (error) => ended ? undefined : fail(bodyFailure(error)))
        .once("close", () => ended ? undefined : cut())
    }
    const bodyFailure = (error: unknown): Failure => {
      const failure = client.failure(error, object, location)
      // Once the headers have arrived, a body that stops was cut off, whatever the error's name.
      return failure.retry === "later" && progress.size !== undefined && progress.filled < progress.size
        ? unavailable(location, `the connection broke at ${progress.filled} of ${progress.size} bytes`)
        : failure
    }

    const isBegun = progress.filled > 0 && progress.tag !== undefined && progress.size !== undefined
    const asked: Part | undefined = isBegun
      ? {
        offset: (part?.offset ?? 0) + progress.filled,
        length: part === undefined ? undefined : progress.size! - progress.filled,
        tag: progress.tag
      }
      : part
    const openFailure = (error: unknown): Failure =>
      error instanceof NoSuchPart
        ? unavailable(location, "its store says that it sends a part that the object cannot have", "never")
        : client.failure(error, object, location)
    // Memory that cannot be had ends this download only, not the process.
    client.open(object, asked, abort.signal).then(onOpened).catch((error: unknown) => fail(openFailure(error)))

    return Effect.sync(() => {
      ended = true
      clearTimeout(timer)
      stop()
    })
  })

/** What fails when it takes longer. */
export const within = <A, R>(
  timeout: Duration.Duration,
  location: string,
  effect: Effect.Effect<A, StorageReason, R>,
  left: Duration.Input = timeout
): Effect.Effect<A, StorageReason, R> =>
  Effect.timeoutOrElse(effect, {
    duration: left,
    orElse: () => Effect.fail(unavailable(location, `it took longer than ${Duration.format(timeout)}`).reason)
  })

const wait = (reserve: Reserve | undefined, bytes: number): Effect.Effect<void, ResultTooLarge> =>
  Effect.callback((resume) => {
    if (reserve === undefined) return resume(Effect.void)
    const cancel = reserve(bytes, (refusal) => resume(refusal === undefined ? Effect.void : Effect.fail(refusal)))
    return Effect.sync(cancel)
  })

type Step = Effect.Success<ReturnType<typeof Schedule.toStep<unknown, StorageReason, never, never>>>

/** The longest pause in milliseconds that a store can ask for. */
const longestAsked = 30_000

/**
 * Milliseconds before the attempt after `failures` failed ones: 0.1 s, 0.2 s, … up to 5 s, each randomized by a half.
 */
const pause = (failures: number, after: number | undefined): number => {
  const longest = Math.min(5000, 100 * 2 ** (failures - 1))
  return Math.max(longest * (0.5 + Math.random() / 2), Math.min(after ?? 0, longestAsked))
}

/**
 * The whole object, or a part. Interrupted and rejected requests are retried, more slowly when the store requests it.
 */
export const download = (
  client: Client,
  limiter: Limiter,
  object: ObjectName,
  location: string,
  limits: Limits
): Effect.Effect<Downloaded, Failure["reason"]> =>
  Effect.suspend(() => {
    let progress = start()
    let failures = 0
    const reserved: Reserved = { bytes: 0 }
    let step: Step | undefined
    /** Milliseconds until the next request; undefined when there is none. */
    const nextPause = (failure: Failure): Effect.Effect<number | undefined> => {
      const { retrySchedule } = limits
      if (retrySchedule === undefined) {
        return Effect.succeed(failures < limits.attempts ? pause(failures, failure.after) : undefined)
      }
      return Effect.gen(function*() {
        step ??= yield* Schedule.toStep(retrySchedule)
        const delay = yield* Pull.catchDone(
          Effect.map(
            step(yield* Clock.currentTimeMillis, failure.reason),
            ([, delay]): number | undefined => Duration.toMillis(delay)
          ),
          () => Effect.undefined
        )
        return delay === undefined ? undefined : Math.max(delay, Math.min(failure.after ?? 0, longestAsked))
      })
    }
    /** Gives the bytes of memory that it needs to continue, if there is not enough. */
    const again: Effect.Effect<Downloaded | number, Failure["reason"]> = Effect.suspend(() => {
      let epoch = 0
      const request = limiter.run(Effect.suspend(() => {
        epoch = limiter.epoch()
        return attempt(client, object, location, limits, progress, reserved)
      }))
      return Effect.matchEffect(request, {
        onSuccess: (downloaded) => {
          limiter.succeeded()
          return Effect.succeed(downloaded)
        },
        onFailure: (failure): Effect.Effect<Downloaded | number, Failure["reason"]> => {
          if (failure.needs !== undefined) return Effect.succeed(failure.needs)
          failures++
          if (failure.retry === "slower") limiter.throttled(epoch)
          const { part } = limits
          if (part !== undefined && failure.retry === "restart") {
            // A part of a changed object does not belong to the same object, and an empty object has no parts.
            return Effect.fail(part.tag === undefined ? unavailable(location, noParts).reason : failure.reason)
          }
          if (failure.retry === "never") return Effect.fail(failure.reason)
          return Effect.flatMap(nextPause(failure), (pause) => {
            if (pause === undefined) return Effect.fail(failure.reason)
            if (failure.retry === "restart") progress = start()
            return Effect.logDebug(`reading again: ${failure.reason.message}`).pipe(
              Effect.andThen(Effect.sleep(pause)),
              Effect.andThen(again)
            )
          })
        }
      })
    })
    let left = Duration.toMillis(limits.timeout)
    const whole: Effect.Effect<Downloaded, Failure["reason"]> = Effect.flatMap(Clock.currentTimeMillis, (begun) =>
      Effect.flatMap(within(limits.timeout, location, again, left), (result) =>
        typeof result !== "number"
          ? Effect.succeed(result)
          : Effect.flatMap(Clock.currentTimeMillis, (now) => {
            left = Math.max(0, left - (now - begun))
            return Effect.andThen(wait(limits.reserve, result), () => {
              reserved.bytes += result
              return whole
            })
          })))
    return whole
  })
