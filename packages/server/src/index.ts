export * as Database from "./Database.ts"
export * as Listener from "./Listener.ts"
