import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Result from "effect/Result"
import { RateLimited, Unauthorized } from "../../PrefectApiError.ts"
import * as Http from "../http/client.ts"
import { plainWords } from "../http/words.ts"
import { isObject } from "../isObject.ts"
import type { Document } from "./documents.ts"

export type Variables = { readonly [name: string]: unknown }
export type Data = { readonly [field: string]: unknown }

export interface GraphQLClient {
  readonly query: (
    operation: string,
    document: Document,
    variables: Variables
  ) => Effect.Effect<Data, Http.HttpFailure>
}

export const make = (http: Http.HttpBackend): GraphQLClient => {
  const url = http.url.href
  return {
    query: (operation, document, variables) =>
      Effect.suspend(() =>
        http.send(
          {
            name: operation,
            attributes: { "graphql.operation.type": "query", "graphql.operation.name": document.name }
          },
          HttpClientRequest.post(url, { headers: { accept: "application/json" } }).pipe(
            HttpClientRequest.bodyText(
              JSON.stringify({ query: document.query, operationName: document.name, variables }),
              "application/json"
            )
          ),
          (answer) => read(answer, document, http.addressHint)
        )
      )
  }
}

/**
 * The `data` of a response. Partial data beside errors is rejected, because an omitted value looks like a missing one.
 */
const read = (
  answer: Http.Answer,
  document: Document,
  addressHint: string
): Result.Result<Data, Http.HttpFailure> => {
  const statusFailure = Http.statusFailure(answer)
  const json = Http.parseJson(answer)
  if (Result.isFailure(json)) {
    const failure = statusFailure ?? json.failure
    return Result.fail(Http.isHtml(answer) ? Http.withWords(failure, `; ${addressHint}`) : failure)
  }
  const body = json.success
  const errors = isObject(body) ? body["errors"] ?? undefined : undefined
  if (errors !== undefined && !(Array.isArray(errors) && errors.length === 0)) {
    return Result.fail(errorsFailure(errors, answer, statusFailure, document))
  }
  if (statusFailure !== undefined) return Result.fail(statusFailure)
  if (!isObject(body)) return Result.fail(Http.malformed("it is JSON, but not an object with data"))
  const data = body["data"]
  return isObject(data) ? Result.succeed(data) : Result.fail(Http.malformed("it has no data"))
}

/** Error codes of Prefect's gateway and Hasura. Any other text of an error may quote the request or stored data. */
const codes = new Set([
  "API_ERROR",
  "BAD_REQUEST",
  "BAD_USER_INPUT",
  "FORBIDDEN",
  "GRAPHQL_PARSE_FAILED",
  "GRAPHQL_VALIDATION_FAILED",
  "INTERNAL_SERVER_ERROR",
  "UNAUTHENTICATED",
  "UNAUTHORIZED",
  "access-denied",
  "bad-request",
  "constraint-violation",
  "data-exception",
  "invalid-headers",
  "invalid-jwt",
  "limit-exceeded",
  "not-exists",
  "not-found",
  "not-supported",
  "parse-failed",
  "permission-denied",
  "permission-error",
  "postgres-error",
  "remote-schema-error",
  "timeout",
  "unexpected",
  "validation-failed"
])

/** The number of errors, and of characters of each, that are read: a response may contain very many. */
const maxErrors = 100
const maxMessage = 2000

const refusals = new Set([
  "UNAUTHENTICATED",
  "UNAUTHORIZED",
  "FORBIDDEN",
  "access-denied",
  "invalid-headers",
  "invalid-jwt"
])

const errorsFailure = (
  errors: unknown,
  answer: Http.Answer,
  statusFailure: Http.HttpFailure | undefined,
  document: Document
): Http.HttpFailure => {
  const list = (Array.isArray(errors) ? errors.slice(0, maxErrors) : [errors]).filter(isObject)
  const messages = list.map((error) =>
    typeof error["message"] === "string" ? error["message"].slice(0, maxMessage) : ""
  )
  const found = list.flatMap((error) => {
    const extensions = error["extensions"]
    const code = isObject(extensions) ? extensions["code"] : undefined
    return typeof code === "string" && codes.has(code) ? [code] : []
  })
  const says = (text: string) => found.includes(text) || messages.some((message) => message.includes(text))

  if (
    found.some((code) => refusals.has(code)) || says("UNAUTHENTICATED") || says("Malformed Authorization header")
  ) {
    return Http.unauthorized(
      says("Malformed Authorization header")
        ? "the server rejected the Authorization header as malformed; check the API key"
        : `${found.find((code) => refusals.has(code)) ?? "UNAUTHENTICATED"}; check the API key and the tenant`
    )
  }
  if (statusFailure?.reason instanceof RateLimited || statusFailure?.reason instanceof Unauthorized) {
    return statusFailure
  }
  const said = words(messages)
  if (says("API_ERROR")) {
    const failure = Http.unavailable(`it answered API_ERROR${said}`, true)
    return new Http.HttpFailure({ reason: failure.reason, retryable: true, retryAfter: statusFailure?.retryAfter })
  }
  // A GraphQL server rejects a query with status 400; other statuses have their HTTP meaning.
  if (statusFailure !== undefined && answer.status !== 400) return Http.withWords(statusFailure, said)
  if (found.includes("timeout")) {
    return Http.unavailable(`its database took too long${said}; ask for smaller pages`, false)
  }
  if (found.includes("limit-exceeded")) {
    return Http.oversized("the query is over one of the backend's limits; ask for smaller pages")
  }
  const unknown = unknownField(messages, document)
  if (unknown !== undefined) {
    return Http.malformed(`the backend has no field ${unknown}; check that it is a Prefect 1 API`)
  }
  const first = found[0] === undefined ? "" : ` (${found[0]})`
  return Http.malformed(
    `it has ${list.length === 1 ? "an error" : "errors"}${first} in place of, or beside, the data${said}`
  )
}

/** The first message that is safe to repeat, as the end of a sentence. */
const words = (messages: ReadonlyArray<string>): string => {
  for (const message of messages.slice(0, 10)) {
    const plain = plainWords(message)
    if (plain !== "") return `: ${plain.replace(/[.:;,]$/, "")}`
  }
  return ""
}

/** The field of our own query that is missing from the backend's schema. */
const unknownField = (messages: ReadonlyArray<string>, document: Document): string | undefined => {
  for (const message of messages) {
    const name = /Cannot query field ["'](\w+)["']/.exec(message)?.[1] ??
      /field ["']?(\w+)["']? not found in type/.exec(message)?.[1]
    if (name !== undefined && new RegExp(`\\b${name}\\b`).test(document.query)) return name
  }
  return undefined
}
