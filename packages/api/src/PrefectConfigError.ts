/**
 * `PrefectConfigError`: a backend's configuration that cannot be used.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * An option, an environment variable or a configuration file that cannot be used. It names where the mistake is, and
 * never the value that was found there.
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
  /** What `console.log`, loggers and `JSON.stringify` show: the fields, and the sentence that they make. */
  override toJSON(): unknown {
    return { message: this.message, ...super.toJSON() as object }
  }
}
