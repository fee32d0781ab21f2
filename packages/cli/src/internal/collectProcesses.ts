/** Child processes that work on parts, because one process uses one core. */
import { CollectError, PartUnreadable, Unsupported } from "@effect-prefect/collect/CollectError"
import type { Part, PartRecord } from "@effect-prefect/collect/CollectPlan"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, fork } from "node:child_process"

/** Set in the environment of a child. */
const variable = "EFFECT_PREFECT_COLLECT_CHILD"

export const isChild = (): boolean => process.send !== undefined && process.env[variable] === "1"

type Answer =
  | { readonly _tag: "Rows"; readonly rows: number }
  | { readonly _tag: "Record"; readonly part: number; readonly record: PartRecord }
  | { readonly _tag: "Failure"; readonly part: number; readonly message: string; readonly isRetryable: boolean }
  /** No child can work on parts. */
  | { readonly _tag: "Refused"; readonly message: string }

const failure = (part: number, message: string, isRetryable: boolean): CollectError =>
  new CollectError({
    reason: isRetryable ? new PartUnreadable({ part, detail: message }) : new Unsupported({ detail: message })
  })

interface Worker {
  readonly child: ChildProcess
  readonly parts: Map<number, (exit: Effect.Effect<PartRecord, CollectError>) => void>
}

/**
 * Runs the command again in child processes, which receive the numbers of parts over their channels. The parts of a
 * child that ends go to the next attempt, and another child replaces it.
 */
export const make = (
  count: number,
  onRows: (rows: number) => void
): Effect.Effect<(part: Part) => Effect.Effect<PartRecord, CollectError>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const workers = new Set<Worker>()
    const spawn = (): Worker => {
      const child = fork(process.argv[1]!, process.argv.slice(2), {
        env: { ...process.env, [variable]: "1" },
        stdio: ["ignore", "ignore", "inherit", "ipc"]
      })
      const worker: Worker = { child, parts: new Map() }
      workers.add(worker)
      const settle = (part: number, exit: Effect.Effect<PartRecord, CollectError>) => {
        worker.parts.get(part)?.(exit)
        worker.parts.delete(part)
      }
      const end = (exit: (part: number) => Effect.Effect<never, CollectError>) => {
        workers.delete(worker)
        for (const part of worker.parts.keys()) settle(part, exit(part))
      }
      child.on("message", (answer: Answer) => {
        switch (answer._tag) {
          case "Rows":
            return onRows(answer.rows)
          case "Record":
            return settle(answer.part, Effect.succeed(answer.record))
          case "Failure":
            return settle(answer.part, Effect.fail(failure(answer.part, answer.message, answer.isRetryable)))
          case "Refused":
            return end((part) => Effect.fail(failure(part, answer.message, false)))
        }
      })
      const lost = (detail: string) => end((part) => Effect.fail(failure(part, `worker lost (${detail})`, true)))
      child.on("error", (error) => lost(error.name))
      child.on("exit", (code, signal) => lost(signal ?? `exit code ${code}`))
      return worker
    }
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const { child } of workers) child.kill("SIGKILL")
      })
    )
    return (part) =>
      Effect.callback<PartRecord, CollectError>((resume) => {
        let least: Worker | undefined
        for (const worker of workers) {
          if (least === undefined || worker.parts.size < least.parts.size) least = worker
        }
        if (least === undefined || (least.parts.size > 0 && workers.size < count)) least = spawn()
        least.parts.set(part.part, resume)
        least.child.send({ part: part.part }, () => {})
      })
  })

/** Works on the parts that the parent sends, until the parent is gone. */
export const serve = <E extends { readonly message: string }, R>(
  prepare: (
    onRows: (rows: number) => void
  ) => Effect.Effect<(part: number) => Effect.Effect<PartRecord, CollectError, R>, E, R>
): Effect.Effect<never, never, R> =>
  Effect.gen(function*() {
    const send = (answer: Answer) => process.send?.(answer, () => {})
    process.on("disconnect", () => process.exit(0))
    let rows = 0
    const execute = yield* Effect.catch(
      prepare((count) => {
        rows += count
      }),
      (error) =>
        Effect.andThen(
          Effect.sync(() => send({ _tag: "Refused", message: error.message })),
          Effect.never
        )
    )
    const context = yield* Effect.context<R>()
    const run = Effect.runForkWith(context)
    process.on("message", ({ part }: { readonly part: number }) => {
      run(Effect.match(
        Effect.catchDefect(execute(part), (defect) =>
          Effect.fail(failure(part, `an unexpected ${defect instanceof Error ? defect.name : typeof defect}`, true))),
        {
          onSuccess: (record) =>
            send({ _tag: "Record", part, record }),
          onFailure: (error) =>
            send({ _tag: "Failure", part, message: error.message, isRetryable: error.isRetryable })
        }
      ))
    })
    return yield* Effect.forever(Effect.andThen(
      Effect.sleep("200 millis"),
      Effect.sync(() => {
        if (rows > 0) send({ _tag: "Rows", rows })
        rows = 0
      })
    ))
  })
