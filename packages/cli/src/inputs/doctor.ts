import * as Flags from "./flags.ts"

export const doctor = { ...Flags.backend, ...Flags.storage, json: Flags.json }
