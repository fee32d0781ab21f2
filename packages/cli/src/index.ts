export * as Cli from "./Cli.ts"
export * as Flags from "./Flags.ts"
export * as Services from "./Services.ts"
