import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"

export const complete = {
  descriptions: Flag.Boolean("descriptions").pipe(
    Flag.withDescription("Print what each value is after it and a tab"),
    Flag.withDefault(false)
  ),
  kind: Argument.String("kind").pipe(Argument.withDescription("What is completed")),
  words: Argument.String("words").pipe(
    Argument.withDescription("The words up to the cursor"),
    Argument.variadic()
  )
}
