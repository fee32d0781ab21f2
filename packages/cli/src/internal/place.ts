import type { TlsOptions } from "@effect-prefect/api/Network"
import { CollectError, Unsupported } from "@effect-prefect/collect/CollectError"
import * as CollectOutput from "@effect-prefect/collect/CollectOutput"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { resolve } from "node:path"

type Output = Layer.Layer<CollectOutput.CollectOutput, CollectError>

const url = /^([a-z][a-z0-9+.-]+):\/\/([^/]*)(?:\/(.*))?$/is

const refused = (detail: string): Output =>
  Layer.effect(CollectOutput.CollectOutput, Effect.fail(new CollectError({ reason: new Unsupported({ detail }) })))

const loaded = (module: () => Promise<Output>): Output => Layer.unwrap(Effect.promise(module))

/** An output whose TLS trusts the authorities of the first of these variables. */
const trusting = (names: ReadonlyArray<string>, module: () => Promise<(tls: TlsOptions | undefined) => Output>) =>
  Layer.unwrap(
    Effect.gen(function*() {
      const { loadTls } = yield* Effect.promise(() => import("@effect-prefect/api/Network"))
      const tls = yield* Effect.mapError(
        loadTls(...names),
        ({ message }) => new CollectError({ reason: new Unsupported({ detail: message }) })
      )
      return (yield* Effect.promise(module))(tls)
    })
  )

/** Whether a place is a table in a Postgres. */
export const isTable = (place: string): boolean => /^postgres(ql)?:\/\//i.test(place)

/** The URL of a table's database, and the table. */
const tableOf = (place: string): { readonly url: string; readonly table: string } | undefined => {
  try {
    const url = new URL(place)
    const table = url.searchParams.get("table")
    url.searchParams.delete("table")
    return table === null || table === "" ? undefined : { url: url.href, table }
  } catch {
    return undefined
  }
}

/** A place for display: without a password. */
export const shownPlace = (place: string): string => place.replace(/^([a-z]+:\/\/[^/@:]*):[^@/]*@/i, "$1@")

/** The reason why a text is not a place to collect to. */
export const placeProblem = (place: string): string | undefined => {
  const found = url.exec(place)
  if (found === null) {
    return place === ""
      ? "a place is a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or azure://CONTAINER/PREFIX"
      : undefined
  }
  const [, scheme = "", bucket] = found
  if (isTable(place)) {
    return tableOf(place) === undefined ? "name the table: postgresql://user@host/database?table=NAME" : undefined
  }
  if (!["s3", "gs", "azure"].includes(scheme.toLowerCase())) {
    return `${scheme}:// is no place to collect to: give a folder, s3://, gs://, azure:// or postgresql://`
  }
  return bucket === "" ? `${scheme}:// names no bucket: give ${scheme}://BUCKET/PREFIX` : undefined
}

/** The output for a place. Nothing is read or written before it is used. */
export const outputOf = (place: string, s3Endpoint: Option.Option<string>): Output => {
  const problem = placeProblem(place)
  if (problem !== undefined) return refused(problem)
  const table = isTable(place) ? tableOf(place) : undefined
  if (table !== undefined) {
    return loaded(() =>
      import("@effect-prefect/collect/PostgresOutput").then((_) =>
        _.layer({ url: Redacted.make(table.url), table: table.table })
      )
    )
  }
  const [, scheme, bucket = "", prefix] = url.exec(place) ?? []
  switch (scheme?.toLowerCase()) {
    case "s3": {
      const endpoint = Option.getOrUndefined(s3Endpoint)
      return trusting(
        ["AWS_CA_BUNDLE", "SSL_CERT_FILE"],
        () =>
          import("@effect-prefect/collect/S3Output").then((_) => (tls) => _.layer({ bucket, prefix, endpoint, tls }))
      )
    }
    case "gs":
      return trusting(
        ["SSL_CERT_FILE"],
        () => import("@effect-prefect/collect/GCSOutput").then((_) => (tls) => _.layer({ bucket, prefix, tls }))
      )
    case "azure":
      return trusting(
        ["SSL_CERT_FILE"],
        () =>
          import("@effect-prefect/collect/AzureOutput").then((_) => (tls) =>
            _.layer({ container: bucket, prefix, tls })
          )
      )
    default:
      return CollectOutput.layerLocal(place)
  }
}

/** A place in a form that also holds for processes in other folders. */
export const sharedPlace = (place: string): string => url.test(place) ? place : resolve(place)
