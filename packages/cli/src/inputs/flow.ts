import * as Flags from "./flags.ts"

export const list = { ...Flags.backend, ...Flags.unusedStorage, json: Flags.json }
