/** The remedies at the command line for a result that could not be read. */
import { type Reason, ResultError } from "@effect-prefect/results/ResultError"
import { quoted } from "./shellWord.ts"

/** `--mount` for the bucket or the folder of a location. */
const mountOf = (location: string): string => {
  const [bucket] = /^(?:s3|gs|azure):\/\/[^/]+/.exec(location) ?? []
  if (bucket !== undefined) return `--mount ${bucket}, or --mount ${bucket}=DIR with a copy of it`
  const cut = Math.max(location.lastIndexOf("/"), location.lastIndexOf("\\"))
  // A file that was recorded without a folder was in the folder that the worker ran in.
  const folder = quoted(cut < 0 ? "." : location.slice(0, Math.max(cut, 1)))
  return `--mount ${folder}=DIR with a copy of that folder, or --mount ${folder} on the machine that has it`
}

const schemes: { readonly [type: string]: string } = {
  S3Result: "s3://BUCKET",
  GCSResult: "gs://BUCKET",
  AzureResult: "azure://CONTAINER",
  LocalResult: "FOLDER=DIR"
}

const hintOf = (reason: Reason): string | undefined => {
  switch (reason._tag) {
    case "NotMapped":
      return "use task-run result"
    case "NotFinished":
      return "flow-run watch waits for its flow run"
    case "StorageNotProvided":
      return schemes[reason.type] === undefined ? undefined : `--mount ${schemes[reason.type]}`
    case "ResultAccessDenied":
      return reason.hint === undefined ? undefined : mountOf(reason.location)
    case "ResultTooLarge":
      return reason.unit === "bytes"
        ? "--max-bytes raises the limit"
        : "task-run mapped prints them one by one, and --max-children raises the limit"
    default:
      return undefined
  }
}

/** A reason and its remedy, as text for a user. */
export const advised = (reason: Reason): string => {
  const hint = hintOf(reason)
  return hint === undefined ? reason.summary : `${reason.summary}: ${hint}`
}

/** Whether a relative path cannot be resolved. */
const isWithoutFolder = (error: unknown): boolean =>
  error instanceof Error && Reflect.get(error, "syscall") === "uv_cwd"

/** The message of an error, with the command's own advice in place of the library's. */
export const messageOf = (error: unknown): string => {
  if (isWithoutFolder(error)) return "the current folder was removed: change to one that exists (cd), and try again"
  if (!(error instanceof ResultError)) return error instanceof Error ? error.message : String(error)
  const hint = hintOf(error.reason)
  return hint === undefined ? error.summary : `${error.summary}: ${hint}`
}
