import * as Flags from "./flags.ts"

export const doctor = { ...Flags.backend, ...Flags.unusedStorage, mount: Flags.storage.mount, json: Flags.json }
