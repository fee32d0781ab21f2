import * as Flags from "./flags.ts"

export const list = { ...Flags.backend, ...Flags.unusedStorage, utc: Flags.utc, json: Flags.json }
