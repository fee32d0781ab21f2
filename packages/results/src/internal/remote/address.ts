/** Addresses in options: Redacted when they contain a password or a signature. */
import * as Redacted from "effect/Redacted"

export type Address = string | URL | Redacted.Redacted

/** The text of an address, without a trailing slash. */
export const addressText = (address: Address): string =>
  (Redacted.isRedacted(address) ? Redacted.value(address) : String(address)).replace(/\/$/, "")
