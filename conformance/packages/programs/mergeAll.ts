/** S3 and local files by Layer.mergeAll: each result is read from where it is allowed. */
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3"
import { MemoryApi } from "@effect-prefect/api"
import { LocalStorage, TaskRun } from "@effect-prefect/results"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import * as Sample from "@effect-prefect/results/sample"
import { Config, Effect, Layer, Redacted } from "effect"
import assert from "node:assert/strict"
import { join } from "node:path"

const bucket = `results-${process.pid}`
// The S3 of this test; it accepts any credentials.
const client = new S3Client({
  endpoint: process.env["AWS_ENDPOINT_URL_S3"] ?? "",
  region: "us-east-1",
  forcePathStyle: true,
  credentials: { accessKeyId: "key", secretAccessKey: "secret" }
})
await client.send(new CreateBucketCommand({ Bucket: bucket }))
await client.send(new PutObjectCommand({ Bucket: bucket, Key: "orders/1", Body: "{\"orders\": 24}" }))
client.destroy()

const run = (id: string, _result: object) => ({ id, serialized_state: { type: "Success", _result } })
const Prefect = Layer.mergeAll(
  MemoryApi.layer({
    task_run: [
      run("local", { type: "LocalResult", location: join(Sample.directory, "results/orders-etl/summary-1.json") }),
      run("s3", { type: "S3Result", bucket, location: "orders/1" }),
      run("another bucket", { type: "S3Result", bucket: "others", location: "orders/1" }),
      run("another folder", { type: "LocalResult", location: "/etc/hostname" })
    ]
  }),
  LocalStorage.layer({ roots: [Sample.directory] }),
  S3Storage.layerConfig({
    buckets: Config.succeed([bucket]),
    endpoint: Config.String("AWS_ENDPOINT_URL_S3"),
    credentials: {
      accessKeyId: Config.succeed("key"),
      secretAccessKey: Config.Redacted("SECRET").pipe(Config.withDefault(Redacted.make("secret")))
    }
  })
)
const results = await Effect.runPromise(
  Effect.forEach(
    ["local", "s3", "another bucket", "another folder"],
    (id) =>
      Effect.flatMap(TaskRun.fromTaskRunId(id), (taskRun) => taskRun.getResult).pipe(
        Effect.catchReason("ResultError", "ResultAccessDenied", () => Effect.succeed("denied"))
      )
  ).pipe(Effect.provide(Prefect))
)
assert.deepEqual(results, [{ orders: 24, total_cents: 1283888 }, { orders: 24 }, "denied", "denied"])
console.log("ok")
