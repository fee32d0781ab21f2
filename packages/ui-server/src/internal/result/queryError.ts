/** A parameter of a request that does not fit the value: answered as a bad request that names it. */
export class QueryError extends Error {
  readonly parameter: string
  constructor(parameter: string, message: string) {
    super(message)
    this.parameter = parameter
  }
}

/** A path that leads to nothing in a value. */
export class PathNotFound extends Error {}
