/** Messages for schema failures that contain positions, expectations and types, but never a value. */
import * as SchemaIssue from "effect/SchemaIssue"
import { foundText } from "./found.ts"

const identifier = /^[A-Za-z_$][\w$]*$/

/** The path to a value in JavaScript notation: `[3].amount`, `["a b"]`. */
export const pathText = (path: ReadonlyArray<PropertyKey>): string =>
  path.map((key, i) =>
    typeof key === "number" || /^\d+$/.test(String(key))
      ? `[${String(key)}]`
      : identifier.test(String(key))
      ? `${i === 0 ? "" : "."}${String(key)}`
      : `[${JSON.stringify(String(key))}]`
  ).join("")

const maxProblems = 5

const text = (annotation: unknown): string | undefined => typeof annotation === "string" ? annotation : undefined

/** What was expected, according to the schema's annotations. Messages made at run time may quote the value. */
const expectation = (issue: SchemaIssue.Issue): string => {
  switch (issue._tag) {
    case "InvalidType":
    case "AnyOf":
      return text(issue.ast.annotations?.["message"]) ??
        SchemaIssue.defaultLeafHook(new SchemaIssue.InvalidType(issue.ast)).replace(/^Expected /, "expected ")
    case "OneOf":
      return "expected exactly one member of a union to match"
    case "MissingKey":
      return "it is missing"
    case "UnexpectedKey":
      return "no such key was expected"
    case "Forbidden":
      return "the schema cannot be used here"
    case "InvalidValue": {
      const expected = text(issue.annotations?.["expected"])
      return expected === undefined ? "expected a valid value" : `expected ${expected}`
    }
    case "Filter": {
      const message = text(issue.filter.annotations?.["message"])
      const expected = text(issue.filter.annotations?.["expected"])
      return message ??
        (expected === undefined ? "expected a value that the schema's check takes" : `expected ${expected}`)
    }
    default:
      return "expected another value"
  }
}

/** What was found, when the schema is annotated to report it and the message contains a type. */
const finding = (issue: SchemaIssue.Issue, problem: string): string =>
  problem.startsWith("expected ") && SchemaIssue.hasInput(issue) ? `, found ${foundText(issue.input)}` : ""

const problemsOf = (
  issue: SchemaIssue.Issue,
  path: ReadonlyArray<PropertyKey>,
  out: Array<string>,
  because?: string
): void => {
  switch (issue._tag) {
    case "Pointer":
      return problemsOf(issue.issue, [...path, ...issue.path], out, because)
    case "Encoding":
      return problemsOf(issue.issue, path, out, because)
    case "Filter":
      return problemsOf(issue.issue, path, out, because ?? expectation(issue))
    case "Composite":
    case "AnyOf":
      if (issue.issues.length > 0) {
        for (const inner of issue.issues) problemsOf(inner, path, out, because)
        return
      }
  }
  const at = pathText(path)
  const expected = because ?? expectation(issue)
  const problem = `${expected}${because === undefined ? finding(issue, expected) : ""}`
  const line = at === "" ? problem : `${at}: ${problem}`
  if (!out.includes(line)) out.push(line)
}

/** The positions that a schema rejected and what was expected there, as one sentence without any value. */
export const describeIssue = (issue: SchemaIssue.Issue): string => {
  const problems: Array<string> = []
  problemsOf(issue, [], problems)
  const shown = problems.slice(0, maxProblems).join("; ")
  return problems.length > maxProblems ? `${shown}; and ${problems.length - maxProblems} more` : shown
}
