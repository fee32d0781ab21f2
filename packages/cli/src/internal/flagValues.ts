/** Values of flags, validated while their source is known. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { stat } from "node:fs/promises"
import { CommandFailed, UsageError } from "./errors.ts"
import type * as Settings from "./settings.ts"

export interface StorageFlags {
  readonly mount: ReadonlyArray<string>
  readonly s3Endpoint: Option.Option<string>
  readonly maxBytes: Option.Option<number>
  readonly maxMemory: Option.Option<number>
  readonly maxChildren: Option.Option<number>
  readonly concurrency: Option.Option<number>
  /** Requests for one object before it fails; a command decides, not its flags. Default: that of the storages. */
  readonly attempts?: number | undefined
  /** Whether the S3 endpoint is also that of an output, so that it may be given without a bucket to read from. */
  readonly isForOutput?: boolean | undefined
}

/** Loads a module when it is used. */
export const load = <A>(module: () => Promise<A>): Effect.Effect<A> => Effect.promise(module)

/** An archive's folder, which must exist. */
export const archiveFolder = (
  { source, value }: Settings.Backend
): Effect.Effect<string, UsageError | CommandFailed> => {
  const folder = Redacted.value(value)
  return Effect.flatMap(
    Effect.tryPromise({
      try: () => stat(folder),
      catch: (error) => (error as NodeJS.ErrnoException).code ?? "unknown error"
    }),
    (stats) =>
      stats.isDirectory()
        ? Effect.succeed(folder)
        : Effect.fail(
          new UsageError({
            message: `${source}: ${folder} is a file; an archive is the folder that holds tables/ and mounts.json`
          })
        )
  ).pipe(
    Effect.catchIf((error) => typeof error === "string", (code) =>
      Effect.fail(
        new CommandFailed({
          message: code === "ENOENT"
            ? folder === ""
              ? `${source} is empty; give the archive's folder`
              : `${source}: there is no folder ${folder}`
            : `${source}: the folder ${folder} cannot be read (${code})`
        })
      ))
  )
}

/** A flag's number, which must be above 0. */
export const positive = (
  name: string,
  value: Option.Option<number>
): Effect.Effect<number | undefined, UsageError> => {
  if (Option.isNone(value)) return Effect.succeed(undefined)
  return value.value > 0
    ? Effect.succeed(value.value)
    : Effect.fail(new UsageError({ message: `--${name} takes a number above 0` }))
}

/** A port to listen on. */
export const requirePort = (port: number): Effect.Effect<void, UsageError> =>
  port < 0 || port > 65_535
    ? Effect.fail(new UsageError({ message: "--port takes a number from 1 to 65535, or 0 for a free port" }))
    : Effect.void
