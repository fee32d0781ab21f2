/** The errors of reading an archive. */
import { MalformedResponse, PrefectApiError, Unavailable } from "../../PrefectApiError.ts"
import { errorCode } from "../errorCode.ts"

export const unavailable = (detail: string) =>
  new PrefectApiError({ operation: "archive", reason: new Unavailable({ detail }) })
export const malformed = (detail: string) =>
  new PrefectApiError({ operation: "archive", reason: new MalformedResponse({ detail }) })

export const codeOf = (error: unknown): string => errorCode(error) ?? "an unknown failure"

/** System errors that a user can act on, in words. */
const sentences: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EDQUOT: "the disk quota is used up",
  EIO: "the disk failed, or the file would be larger than is allowed",
  EMFILE: "this process has too many open files: allow it more with ulimit -n",
  ENFILE: "this machine has too many open files",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only"
}

/** The system's code of an error, for messages, and what it means where a user can act on it. */
export const causeOf = (error: unknown): string => {
  const code = codeOf(error)
  return Object.hasOwn(sentences, code) ? `${code}: ${sentences[code]!}` : code
}
