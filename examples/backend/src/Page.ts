/**
 * effect-prefect's page below `/page`, over the layers of the API. The proxy in front authenticates users and names
 * them in a header, which the page requires instead of a token.
 */
import * as UiServer from "@effect-prefect/ui-server/UiServer"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"

/** Allows the users that the proxy names, when they are in the list. */
export const isOneOf = (users: ReadonlyArray<string>) => (request: HttpServerRequest.HttpServerRequest) =>
  Effect.succeed(users.includes(request.headers["x-forwarded-user"] ?? ""))

const list = (name: string) =>
  Config.String(name).pipe(
    Config.withDefault(""),
    Config.map((text) => text.split(",").filter((one) => one !== ""))
  )

export const page = (options: { readonly users: ReadonlyArray<string>; readonly hosts: ReadonlyArray<string> }) =>
  UiServer.layer({ prefix: "/page", authorize: isOneOf(options.users), hosts: options.hosts, about: { kind: "api" } })

/** `PAGE_USERS` may view the page; `PAGE_HOSTS` are its host names, besides this machine's own. */
export const PageLive = Layer.unwrap(
  Effect.map(
    Config.all({ users: list("PAGE_USERS"), hosts: list("PAGE_HOSTS") }),
    ({ hosts, users }) => page({ users, hosts: ["localhost", "127.0.0.1", ...hosts] })
  )
)
