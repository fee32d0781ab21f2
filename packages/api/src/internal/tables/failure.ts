/** The errors of reading an archive. */
import { MalformedResponse, PrefectApiError, Unavailable } from "../../PrefectApiError.ts"
import { errorCode } from "../errorCode.ts"

export const unavailable = (detail: string) =>
  new PrefectApiError({ operation: "archive", reason: new Unavailable({ detail }) })
export const malformed = (detail: string) =>
  new PrefectApiError({ operation: "archive", reason: new MalformedResponse({ detail }) })

export const codeOf = (error: unknown): string => errorCode(error) ?? "an unknown failure"
