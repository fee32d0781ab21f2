import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import { fromFormatError } from "@effect-prefect/results/ResultError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { CommandFailed, UsageError } from "./errors.ts"
import { writeFileAtomic } from "./files.ts"
import { Output } from "./output.ts"

/** Indented where that helps a reader; a large value is left as it is. */
const pretty = (text: string): string => text.length > 1_000_000 ? text : JSON.stringify(JSON.parse(text), null, 2)

/**
 * Writes a run's result to standard output, or to the file of `--output`: as JSON, or as it was stored.
 */
export const writeResult = Effect.fnUntraced(function*<E, R>(
  run: {
    readonly id: string
    readonly getResult: Effect.Effect<unknown, E, R>
    readonly getResultBytes: Effect.Effect<Uint8Array, E, R>
  },
  flags: { readonly raw: boolean; readonly json: boolean; readonly output: Option.Option<string> }
) {
  if (flags.raw && flags.json) return yield* new UsageError({ message: "--raw and --json do not go together" })
  const { stdout } = yield* Output
  let content: string | Uint8Array
  if (flags.raw) content = yield* run.getResultBytes
  else {
    const value = yield* run.getResult
    const text = yield* Effect.mapError(
      JsonProjection.toText(value),
      (error) => new CommandFailed({ message: `${run.id}: ${fromFormatError(error).message}` })
    )
    content = flags.json ? `${text}\n` : `${pretty(text)}\n`
  }
  if (Option.isSome(flags.output)) yield* writeFileAtomic(flags.output.value, content)
  else yield* stdout.write(content)
})
