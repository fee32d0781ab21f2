/** A parameter of a request that does not match the value; the response is a bad request that names it. */
export class QueryError extends Error {
  readonly parameter: string
  constructor(parameter: string, message: string) {
    super(message)
    this.parameter = parameter
  }
}

/** A path that does not exist in a value. */
export class PathNotFound extends Error {}
