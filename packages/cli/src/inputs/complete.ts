import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"

export const complete = {
  descriptions: Flag.Boolean("descriptions").pipe(
    Flag.withDescription("Print a description of each value after it and a tab"),
    Flag.withDefault(false)
  ),
  kind: Argument.String("kind").pipe(Argument.withDescription("The kind of values")),
  words: Argument.String("words").pipe(
    Argument.withDescription("The words up to the cursor"),
    Argument.variadic()
  )
}
