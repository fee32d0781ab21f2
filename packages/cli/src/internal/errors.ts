import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"

/** Invalid or conflicting arguments. Ends with exit code 2. */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {
  override readonly [Runtime.errorExitCode] = 2
}

/** A request that could not be fulfilled. Ends with exit code 1. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly message: string }> {
  override readonly [Runtime.errorExitCode] = 1
}

/** No completion was found in time. Ends quietly and immediately. */
export class NothingToComplete extends Data.TaggedError("NothingToComplete")<{}> {
  override readonly [Runtime.errorExitCode] = 1
}

/** Standard output was closed by its reader. Ends quietly. */
export class OutputClosed extends Data.TaggedError("OutputClosed")<{}> {
  override readonly [Runtime.errorExitCode] = 0
}
