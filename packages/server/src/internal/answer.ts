/** The response to a request, from the JSON of its root fields. */
import type { GraphQLFieldMap } from "graphql"
import { isNonNullType } from "graphql"
import { QueryError, toJson } from "./queryError.ts"
import type { Field } from "./selection.ts"

/**
 * A response: the HTTP status (400 when nothing was run), the JSON body, and what may be logged of the request: no
 * values and no names that the client chose.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly status: 200 | 400
  /** Its parts in order: a long one may be bytes in UTF-8. */
  readonly body: ReadonlyArray<string | Uint8Array>
  readonly operation: "query" | "mutation" | "subscription" | "unknown"
  readonly fields: ReadonlyArray<string>
  readonly rows: number
  readonly codes: ReadonlyArray<string>
}

/** A root field after it was read. */
export interface Resolved {
  readonly field: Field
  readonly rows: number
  readonly length: number
  readonly json: string | Uint8Array | undefined
  readonly error: QueryError | undefined
}

/** A field whose JSON has more characters is a separate part of the body. */
const longJson = 65_536

export const refusal = (errors: ReadonlyArray<QueryError>, operation: Answer["operation"] = "unknown"): Answer => ({
  status: 400,
  body: [JSON.stringify({ errors: errors.map((error) => toJson(error)) })],
  operation,
  fields: [],
  rows: 0,
  codes: errors.map(({ code }) => code)
})

/** Joins the fields of a query into its response. */
export const make = (
  queryFields: GraphQLFieldMap<unknown, unknown>,
  { maxAnswer, maxRows }: { readonly maxAnswer: number; readonly maxRows: number }
) => {
  const tooManyRows = new QueryError({
    code: "limit-exceeded",
    message: `the response has more than ${maxRows} rows: request fewer with limit, or page`
  })

  const tooLong = new QueryError({
    code: "limit-exceeded",
    message: `the response has more than ${maxAnswer} characters`
  })

  const answer = (resolved: ReadonlyArray<Resolved>): Answer => {
    const errors: Array<QueryError> = []
    let isNull = false
    for (const { error, field } of resolved) {
      if (error === undefined) continue
      errors.push(error)
      const type = queryFields[field.name]?.type
      if (type === undefined || isNonNullType(type)) isNull = true
    }
    // Each field is within the limit, but all together may exceed it.
    const rows = resolved.reduce((sum, { rows }) => sum + rows, 0)
    if (rows > maxRows) {
      isNull = true
      errors.push(tooManyRows)
    }
    const length = resolved.reduce((sum, { length }) => sum + length, 0)
    if (length > maxAnswer) {
      isNull = true
      errors.push(tooLong)
    }
    const errorsJson = errors.length === 0 ? "" : `"errors":${JSON.stringify(errors.map((error) => toJson(error)))},`
    // Long fields are not joined: that would copy all of them in one turn.
    const body: Array<string | Uint8Array> = []
    let text = `{${errorsJson}"data":`
    const append = (json: string | Uint8Array) => {
      if (typeof json === "string" && json.length <= longJson) {
        text += json
        return
      }
      body.push(text, json)
      text = ""
    }
    if (isNull) append("null")
    else {
      for (const [index, { field, json }] of resolved.entries()) {
        append(`${index === 0 ? "{" : ","}${JSON.stringify(field.key)}:`)
        append(json ?? "null")
      }
      append(resolved.length === 0 ? "{}" : "}")
    }
    body.push(`${text}}`)
    return {
      status: 200,
      body,
      operation: "query",
      fields: resolved.map(({ field }) => field.name),
      rows,
      codes: errors.map(({ code }) => code)
    }
  }

  return { answer, tooManyRows }
}
