import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"

/**
 * The command was given words that do not go together. Ends with exit code 2.
 */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {
  override readonly [Runtime.errorExitCode] = 2
}

/**
 * What was asked for could not be done. Ends with exit code 1.
 */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly message: string }> {
  override readonly [Runtime.errorExitCode] = 1
}

/**
 * Whoever reads standard output has closed it. Ends quietly.
 */
export class OutputClosed extends Data.TaggedError("OutputClosed")<{}> {
  override readonly [Runtime.errorExitCode] = 0
}
