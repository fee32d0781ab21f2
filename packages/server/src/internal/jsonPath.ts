import { validationFailed } from "./queryError.ts"

const step = /\.?([A-Za-z_][A-Za-z0-9_-]*)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\['((?:[^'\\]|\\.)*)'\]/y

/**
 * The steps of the `path` argument of a JSON field, for Postgres's `#>`, in Hasura's subset of JSON paths: `$.a.b`,
 * `a.b`, `a[0]`, `$["a key"]`. `$` alone has no steps.
 */
export const parseJsonPath = (path: string): ReadonlyArray<string> => {
  const steps: Array<string> = []
  step.lastIndex = path.startsWith("$") ? 1 : 0
  while (step.lastIndex < path.length) {
    const match = step.exec(path)
    if (match === null) throw validationFailed("parse json path error: a path is like $.key[0][\"other key\"]")
    const [, name, index, double, single] = match
    steps.push(name ?? index ?? (double ?? single ?? "").replace(/\\(.)/g, "$1"))
  }
  return steps
}
