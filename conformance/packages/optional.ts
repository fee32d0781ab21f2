/** Entry points that need an optional peer, of which none is installed: each says what to install when it is used. */
import * as PostgresApi from "@effect-prefect/api/PostgresApi"
import { GCSResult, S3Result } from "@effect-prefect/core/ResultDescriptor"
import { Table } from "@effect-prefect/formats/Table"
import * as TableEncoder from "@effect-prefect/formats/TableEncoder"
import { ResultStorage } from "@effect-prefect/results"
import * as GCSStorage from "@effect-prefect/results/GCSStorage"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import { Effect, type Layer, Redacted } from "effect"

const messageOf = <A, E extends { readonly message: string }>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), ({ message }) => message)

const read = (descriptor: S3Result | GCSResult, storage: Layer.Layer<ResultStorage.ResultStorage>) =>
  messageOf(
    Effect.flatMap(ResultStorage.ResultStorage, (storage) => storage.read(descriptor, { maxBytes: 1 })).pipe(
      Effect.provide(storage)
    )
  )
const where = { bucket: "b", location: "k" }
const messages = await Effect.runPromise(Effect.all([
  messageOf(Effect.scoped(PostgresApi.make({ url: Redacted.make("postgresql://localhost/prefect") }))),
  read(new S3Result(where), S3Storage.layer({ buckets: ["b"] })),
  read(new GCSResult(where), GCSStorage.layer({ buckets: ["b"] })),
  messageOf(TableEncoder.parquet(new Table([], 0)))
]))
for (const message of messages) console.log(/install/.test(message) ? "says what to install" : message)
