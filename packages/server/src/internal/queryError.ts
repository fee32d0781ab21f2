import * as Data from "effect/Data"

/**
 * The error of a request, or of one of its root fields, as sent to the client in the format of Hasura and Apollo. The
 * message names fields, types and limits, never a stored value.
 */
export class QueryError extends Data.TaggedError("QueryError")<{
  readonly code: string
  readonly message: string
  readonly path?: ReadonlyArray<string | number> | undefined
  readonly locations?: ReadonlyArray<{ readonly line: number; readonly column: number }> | undefined
}> {}

export const validationFailed = (message: string, path?: ReadonlyArray<string>): QueryError =>
  new QueryError({ code: "validation-failed", message, path })

/** The error in the `errors` of a response. */
export const toJson = (error: QueryError, path = error.path): object => ({
  message: error.message,
  ...(error.locations !== undefined && error.locations.length > 0 ? { locations: error.locations } : {}),
  ...(path === undefined ? {} : { path }),
  extensions: { code: error.code }
})
