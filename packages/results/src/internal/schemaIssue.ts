import type * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"

/** What a schema calls itself. */
const nameOf = (ast: SchemaAST.AST): string => {
  const { expected, identifier, title } = ast.annotations ?? {}
  const named = [title, identifier, expected].find((name) => typeof name === "string")
  return named === undefined ? ast._tag : String(named)
}

const at = (path: ReadonlyArray<PropertyKey>): string =>
  path.length === 0
    ? ""
    : `at ${path.map((key) => typeof key === "number" ? `[${key}]` : `.${String(key)}`).join("").replace(/^\./, "")}: `

/**
 * Where a schema refused a value, and what it expected there. The first place only, and never the value: it may be a
 * secret.
 */
export const describeIssue = (issue: SchemaIssue.Issue, path: ReadonlyArray<PropertyKey> = []): string => {
  switch (issue._tag) {
    case "Pointer":
      return describeIssue(issue.issue, [...path, ...issue.path])
    case "Encoding":
      return describeIssue(issue.issue, path)
    case "Composite":
      return describeIssue(issue.issues[0], path)
    case "Filter": {
      const { expected, identifier, title } = issue.filter.annotations ?? {}
      const rule = [expected, title, identifier].find((name) => typeof name === "string")
      return `${at(path)}${rule === undefined ? "a check of the schema refuses it" : `expected ${String(rule)}`}`
    }
    case "MissingKey":
      return `${at(path)}it is missing`
    case "UnexpectedKey":
      return `${at(path)}it is not expected`
    case "InvalidType":
    case "OneOf":
      return `${at(path)}expected ${nameOf(issue.ast)}`
    case "AnyOf":
      return issue.issues.length === 1
        ? describeIssue(issue.issues[0]!, path)
        : `${at(path)}expected ${nameOf(issue.ast)}`
    case "InvalidValue":
    case "Forbidden":
      return `${at(path)}the schema refuses it`
  }
}
