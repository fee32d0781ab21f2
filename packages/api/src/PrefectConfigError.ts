/**
 * `PrefectConfigError`: an invalid configuration of a backend.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * An invalid option, environment variable or configuration file. Names where the problem is, and never the value that
 * was found there.
 *
 * @category errors
 * @since 0.1.0
 */
export class PrefectConfigError
  extends Schema.TaggedError<PrefectConfigError>("@effect-prefect/api/PrefectConfigError")("PrefectConfigError", {
    /** The option, variable or file. */
    source: Schema.String,
    detail: Schema.String
  })
{
  override get message() {
    return `${this.source}: ${this.detail}`
  }
  /** The form that `console.log`, loggers and `JSON.stringify` show: the fields and the message. */
  override toJSON(): unknown {
    return { message: this.message, ...super.toJSON() as object }
  }
}
