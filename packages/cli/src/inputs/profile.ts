import * as Argument from "effect/cli/Argument"
import * as Flags from "./flags.ts"

const name = Argument.String("name").pipe(Argument.withDescription("The profile's name"))

const { profile: _, ...backend } = Flags.backend

export const set = {
  name,
  ...backend,
  mount: Flags.storage.mount,
  s3Endpoint: Flags.storage.s3Endpoint
}

export const list = { json: Flags.json }

export const use = { name }

export const remove = { name }
