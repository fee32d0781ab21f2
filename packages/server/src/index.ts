export * as Database from "./Database.ts"
export * as Server from "./Server.ts"
