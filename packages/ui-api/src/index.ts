export * as Api from "./Api.ts"
export * as Models from "./Models.ts"
export * as Problem from "./Problem.ts"
