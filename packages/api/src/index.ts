export * as PrefectApi from "./PrefectApi.ts"
export * as PrefectApiError from "./PrefectApiError.ts"
