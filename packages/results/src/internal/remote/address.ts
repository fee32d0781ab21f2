/** Addresses in options: Redacted when they contain a password or a signature. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { StorageUnavailable } from "../../ResultError.ts"

export type Address = string | URL | Redacted.Redacted

/** Whether a text is an address that a store can have. */
export const isHttp = (text: string): boolean => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)

/** Fails where a store cannot have an address, which is not repeated: it may carry a password. */
export const checkEndpoint = (type: string, endpoint: string | undefined): Effect.Effect<void, StorageUnavailable> =>
  endpoint === undefined || isHttp(endpoint) ? Effect.void : Effect.fail(
    new StorageUnavailable({
      location: type,
      detail: "its endpoint is not an http or https URL, e.g. http://localhost:9000"
    })
  )

/** The text of an address, without a trailing slash. */
export const addressText = (address: Address): string =>
  (Redacted.isRedacted(address) ? Redacted.value(address) : String(address)).replace(/\/$/, "")
