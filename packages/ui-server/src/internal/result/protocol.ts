/** The messages between the server's thread and the thread for large results. */
import type { Format } from "@effect-prefect/formats/ResultFormat"
import type { RowsQuery } from "./loadedValue.ts"

export type Question =
  | {
    readonly op: "load"
    readonly bytes: Uint8Array
    readonly name: string
    readonly format: Format | undefined
    readonly maxBytes: number
    /** The serializer according to the state of a Prefect 3 run, for bytes that Prefect 2 or 3 stored. */
    readonly prefect3?: { readonly serializer: unknown } | undefined
  }
  | { readonly op: "describe" }
  | { readonly op: "level"; readonly path: string; readonly offset: number; readonly limit: number }
  | { readonly op: "rows"; readonly query: RowsQuery }
  | { readonly op: "column"; readonly index: number; readonly where: ReadonlyArray<string> }
  | { readonly op: "chunk"; readonly stream: number; readonly kind: "json" | "csv" }
  | { readonly op: "close"; readonly stream: number }
  | { readonly op: "drop" }

export type Request = Question & { readonly id: number; readonly key: number }

/** The origin of a failed query: the value, the query, or the path. */
export type Failure =
  | { readonly _tag: "Undecodable"; readonly detail: string }
  | { readonly _tag: "TooLarge"; readonly limit: number; readonly size: number | undefined }
  | { readonly _tag: "Unsupported"; readonly type: string; readonly detail: string }
  | { readonly _tag: "Query"; readonly parameter: string; readonly message: string }
  | { readonly _tag: "Path"; readonly message: string }
  | { readonly _tag: "NotTabular"; readonly message: string }
  | { readonly _tag: "Fault" }

export type Reply =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly failure: Failure }
