/** Addresses in options: Redacted when they contain a password or a signature. */
import * as Redacted from "effect/Redacted"

export type Address = string | URL | Redacted.Redacted

export const addressText = (address: Address): string =>
  Redacted.isRedacted(address) ? Redacted.value(address) : String(address)
