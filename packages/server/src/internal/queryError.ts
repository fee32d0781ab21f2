import * as Data from "effect/Data"

/**
 * Why a request, or one of its root fields, has no answer: what the client is told, in Hasura's and Apollo's shape.
 * The message names fields, types and limits, never a stored value.
 */
export class QueryError extends Data.TaggedError("QueryError")<{
  readonly code: string
  readonly message: string
  readonly path?: ReadonlyArray<string | number> | undefined
  readonly locations?: ReadonlyArray<{ readonly line: number; readonly column: number }> | undefined
}> {}

export const validationFailed = (message: string, path?: ReadonlyArray<string>): QueryError =>
  new QueryError({ code: "validation-failed", message, path })

/** The error as it is written into `errors` of an answer. */
export const toJson = (error: QueryError, path = error.path): object => ({
  message: error.message,
  ...(error.locations !== undefined && error.locations.length > 0 ? { locations: error.locations } : {}),
  ...(path === undefined ? {} : { path }),
  extensions: { code: error.code }
})
