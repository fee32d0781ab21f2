import type * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"

/** The values of a command's arguments and flags. */
export type InputsOf<Config extends Command.Command.Config> = Command.Command.Config.Infer<Config>

/** A handler that is loaded when its command runs, so that help, completions and usage errors load none. */
export const lazyHandler =
  <Flags, A, E, R>(load: () => Promise<(flags: Flags) => Effect.Effect<A, E, R>>) =>
  (flags: Flags): Effect.Effect<A, E, R> => Effect.flatMap(Effect.promise(load), (run) => run(flags))
