export * as UiServer from "./UiServer.ts"
