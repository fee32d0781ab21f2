import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import type * as Inputs from "../inputs/complete.ts"
import { candidates, type Kind, kinds } from "../internal/candidates.ts"
import { NothingToComplete } from "../internal/errors.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { Output } from "../internal/output.ts"
import { stripControls } from "../internal/table.ts"

/** How long a user waits for the answer while typing, in milliseconds: `EFFECT_PREFECT_COMPLETE_TIMEOUT`, else 1 500. */
const patience = Config.Int("EFFECT_PREFECT_COMPLETE_TIMEOUT").pipe(Config.withDefault(1500))

const isKind = (text: string): text is Kind => (kinds as ReadonlyArray<string>).includes(text)

/** The value of an effect, when it is there in time. An effect that is late is interrupted, but not waited for. */
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkDetach(effect)
    return yield* Effect.timeoutOrElse(Fiber.join(fiber), {
      duration: yield* patience,
      orElse: () => Effect.andThen(Effect.forkDetach(Fiber.interrupt(fiber)), Effect.fail(new NothingToComplete()))
    })
  })

/** Prints a candidate per line. A failure of any kind prints nothing. */
export const complete = Effect.fnUntraced(
  function*({ descriptions, kind, words }: InputsOf<typeof Inputs.complete>) {
    const found = isKind(kind)
      ? yield* inTime(candidates(kind, words))
      : []
    const { stdout } = yield* Output
    const lines = [...new Map(found.map((candidate) => [candidate.value, candidate])).values()]
      // A shell reads one candidate per line.
      .filter(({ value }) => value !== "" && stripControls(value) === value)
      .map(({ description = "", value }) =>
        descriptions && description.trim() !== "" ? `${value}\t${stripControls(description).trim()}\n` : `${value}\n`
      )
    yield* stdout.write(lines.join(""))
  },
  Effect.catchCause(() => Effect.fail(new NothingToComplete())),
  Effect.provide(Logger.layer([]))
)
