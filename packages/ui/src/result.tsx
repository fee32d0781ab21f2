/** The result of one task run: its location, value and downloads, or the reason why there is none. */
import type { Result, Stored, TaskRun } from "@effect-prefect/ui-api/Models"
import { useState } from "preact/hooks"
import { client, download, type Failure } from "./api.ts"
import { useQuery } from "./data.ts"
import { DataTable } from "./dataTable.tsx"
import { Alert, Copy, Facts, Size, Waiting } from "./parts.tsx"
import { setQuery, useAddress } from "./router.ts"
import { blocksOf, plural, visible, visibleAll } from "./text.ts"
import { Tree } from "./tree.tsx"

const storageNames: Readonly<Record<string, string>> = {
  LocalResult: "local file",
  S3Result: "S3",
  GCSResult: "Google Cloud Storage",
  AzureResult: "Azure Storage",
  PrefectResult: "in Prefect's database",
  Prefect3Result: "Prefect's result storage",
  ConstantResult: "a constant of the flow",
  SecretResult: "a secret"
}

/** Descriptors that say nothing of a storage. */
const unnamed = new Set(["NoResultType", "Result"])

export const Place = ({ stored }: { readonly stored: Stored }) => (
  <Facts
    rows={[
      ["Format", stored.formats.length === 0 ? null : <span>{stored.formats.join(" › ")}</span>],
      ["Stored size", stored.stored_bytes === null ? null : <Size bytes={stored.stored_bytes} />],
      [
        "Storage",
        stored.storage === null || stored.location === null && unnamed.has(stored.storage)
          ? null
          : storageNames[stored.storage] ?? stored.storage
      ],
      [
        "Place",
        stored.location === null ? null : (
          <span class="place">
            <code>{visible(stored.location)}</code> <Copy label="Copy" text={stored.location} />
          </span>
        )
      ]
    ]}
  />
)

/** The flag that would allow a location: its folder, or its bucket. */
const mountFor = (location: string): string => {
  const bucket = /^([a-z0-9]+:\/\/[^/]+)/.exec(location)?.[1]
  if (bucket !== undefined) return `--mount ${quoted(bucket)}`
  const cut = Math.max(location.lastIndexOf("/"), location.lastIndexOf("\\"))
  return `--mount ${quoted(`${cut > 0 ? location.slice(0, cut) : "/"}=DIR`)}`
}

const quoted = (text: string): string => /^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`

const calm = new Set(["NotPersisted", "NotFinished", "NotMapped"])

const Reason = ({ failure, reload, stored }: {
  readonly failure: Failure
  readonly stored: Stored | undefined
  readonly reload: () => void
}) => {
  const isRetryable = ["StorageUnavailable", "Unavailable", "Unreachable", "RateLimited", "Busy"].includes(
    failure.reason
  )
  const mount = failure.reason === "ResultAccessDenied" && stored?.location ? mountFor(stored.location) : undefined
  return (
    <div class={calm.has(failure.reason) ? "reason" : "alert"} role={calm.has(failure.reason) ? "status" : "alert"}>
      <strong>{failure.reason}</strong>
      <p>{visible(failure.message)}</p>
      {mount === undefined ? null : (
        <p>
          To allow it, start the page with <code>{visible(mount)}</code> <Copy label="Copy the flag" text={mount} />
        </p>
      )}
      {isRetryable ? <button type="button" onClick={reload}>Try again</button> : null}
    </div>
  )
}

/** Six lines that load this result in a program. */
const typescript = (id: string): string =>
  [
    "import * as TaskRun from \"@effect-prefect/results/TaskRun\"",
    "import * as Effect from \"effect/Effect\"",
    "",
    "export const program = Effect.gen(function*() {",
    `  return yield* (yield* TaskRun.fromTaskRunId(${JSON.stringify(id)})).getResult`,
    "})"
  ].join("\n")

const Downloads = (
  { canBytes, id, result }: { readonly id: string; readonly result: Result | undefined; readonly canBytes: boolean }
) => {
  const [failure, fail] = useState<Failure | undefined>(undefined)
  const get = (path: string, name: string) =>
    void download(`/task-runs/${encodeURIComponent(id)}/${path}`, name).then(fail)
  return (
    <>
      <div class="downloads">
        {canBytes
          ? <button type="button" onClick={() => get("result/bytes", "result.stored")}>Download stored bytes</button>
          : null}
        {result === undefined
          ? null
          : <button type="button" onClick={() => get("result.json", "result.json")}>Download as JSON</button>}
        {result?.kind === "table"
          ? <button type="button" onClick={() => get("result.csv", "result.csv")}>Download as CSV</button>
          : null}
        <Copy label="Copy as TypeScript" text={typescript(id)} />
      </div>
      {failure === undefined ? null : <Alert failure={failure} />}
    </>
  )
}

const Text = (
  { id, result }: { readonly id: string; readonly result: Extract<Result, { readonly kind: "value" | "text" }> }
) => (
  <>
    <div role="document" aria-label="Text" class="text-block" tabIndex={0}>
      <pre>
        {blocksOf(visibleAll(result.text ?? "", true)).map((block, i) => <span key={i} class="text-lines">{block}</span>)}
      </pre>
    </div>
    {(result.size ?? 0) > (result.text ?? "").length
      ? (
        <p class="note">
          The first {(result.text ?? "").length.toLocaleString("en")} of {plural(result.size ?? 0, "character")}{" "}
          are shown.{" "}
          <button
            type="button"
            onClick={() => void download(`/task-runs/${encodeURIComponent(id)}/result.json`, "result.json")}
          >
            Download
          </button>
        </p>
      )
      : null}
  </>
)

const withoutBytes = new Set([
  "NotPersisted",
  "NotFinished",
  "ResultAccessDenied",
  "ResultNotFound",
  "StorageNotProvided",
  "UnsupportedResultType",
  "StorageUnavailable",
  "NotFound",
  "NotMapped",
  "ChildrenIncomplete"
])

export const ResultView = ({ full = false, run }: { readonly run: TaskRun; readonly full?: boolean }) => {
  const { query } = useAddress()
  const id = run.task_run_id
  const key = `${id} ${run.state_name}`
  const result = useQuery(`result ${key}`, () => client.results.show({ params: { id }, query: undefined } as never))
  const stored = useQuery(`stored ${key}`, () => client.results.stored({ params: { id } }))
  const asValue = query.get("as") === "value"
  const { data, failure } = result
  const rows = full ? Math.max(10, Math.floor((innerHeight - 420) / 28)) : 14
  return (
    <section class="panel result" role="region" aria-label="Result">
      <h2>Result</h2>
      {data !== undefined ? <Place stored={data} /> : stored.data === undefined ? null : <Place stored={stored.data} />}
      {failure !== undefined
        ? <Reason failure={failure} stored={stored.data} reload={result.reload} />
        : data === undefined
        ? <Waiting label="Loading the result" query={result} />
        : data.kind === "table"
        ? (
          <>
            {data.as_value
              ? (
                <div class="switch" role="group" aria-label="Shown as">
                  <button
                    type="button"
                    aria-pressed={asValue ? "false" : "true"}
                    onClick={() => setQuery({ as: null })}
                  >
                    As a table
                  </button>
                  <button
                    type="button"
                    aria-pressed={asValue ? "true" : "false"}
                    onClick={() => setQuery({ as: "value" })}
                  >
                    As a value
                  </button>
                </div>
              )
              : null}
            {asValue && data.as_value
              ? <Tree id={id} scalar={undefined} />
              : <DataTable id={id} rows={data.rows} columns={data.columns} visibleRows={rows} />}
          </>
        )
        : data.kind === "text"
        ? <Text id={id} result={data} />
        : (
          <Tree
            id={id}
            scalar={data.value_kind === "object" || data.value_kind === "array" || data.value_kind === "table"
              ? undefined
              : { preview: data.preview, kind: data.value_kind }}
            visibleRows={full ? Math.max(12, Math.floor((innerHeight - 380) / 26)) : 16}
          />
        )}
      {data === undefined && failure === undefined ?
        null :
        (
          <Downloads
            id={id}
            result={data}
            canBytes={data !== undefined
              ? data.storage !== null
              : failure !== undefined && !withoutBytes.has(failure.reason)}
          />
        )}
    </section>
  )
}
