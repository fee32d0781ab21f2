export * as PrefectApi from "./PrefectApi.ts"
export * as PrefectApiError from "./PrefectApiError.ts"
export * as PrefectConfigError from "./PrefectConfigError.ts"
