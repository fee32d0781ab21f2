/**
 * Spans and metrics through OpenTelemetry's own SDK: their names and attributes as `docs/observability.md` has them, each
 * below its parent, without a stored value, a key of a bucket, a credential or a signed URL.
 */
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3"
import { GraphQLApi, MemoryApi } from "@effect-prefect/api"
import { FlowRun, LocalStorage, ResultOptions, TaskRun } from "@effect-prefect/results"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import * as Sample from "@effect-prefect/results/sample"
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader
} from "@opentelemetry/sdk-metrics"
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Effect, Layer, ManagedRuntime, Redacted, Stream } from "effect"
import assert from "node:assert/strict"
import { inspect } from "node:util"

const endpoint = process.env["AWS_ENDPOINT_URL_S3"] ?? ""
const bucket = `traced-${process.pid}`
const client = new S3Client({
  endpoint,
  region: "us-east-1",
  forcePathStyle: true,
  credentials: { accessKeyId: "key", secretAccessKey: "secret" }
})
await client.send(new CreateBucketCommand({ Bucket: bucket }))
await client.send(new PutObjectCommand({ Bucket: bucket, Key: "object-canary/1", Body: "\"value-canary\"" }))
await client.send(new PutObjectCommand({ Bucket: bucket, Key: "object-canary/2", Body: "value-canary, no JSON" }))
client.destroy()

const spanExporter = new InMemorySpanExporter()
const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const metricReader = new PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 3_600_000 })
const runtime = ManagedRuntime.make(NodeSdk.layer(() => ({
  resource: { serviceName: "program" },
  spanProcessor: new SimpleSpanProcessor(spanExporter),
  metricReader
})))

const result = (id: string) => Effect.flatMap(TaskRun.fromTaskRunId(id), (taskRun) => taskRun.getResult)

// A server, and a flow run of which two children failed.
const failures = await runtime.runPromise(
  Effect.gen(function*() {
    yield* result(Sample.taskRunId)
    const score = yield* TaskRun.fromTaskSlug({ taskSlug: "score-1", flowRunId: Sample.flowRunId })
    yield* Stream.runDrain(score.outcomes)
    yield* Effect.exit(score.getResult)
    yield* Effect.exit(result("00000000-0000-4000-8000-000000000000"))
    const results = yield* Stream.runCollect((yield* FlowRun.fromFlowRunId(Sample.flowRunId)).results)
    return results.filter(({ result }) => result._tag === "Failure").length
  }).pipe(
    Effect.withSpan("program"),
    Effect.provide(Layer.mergeAll(
      GraphQLApi.layer({
        url: (process.env["PREFECT_SERVER"] ?? "").replace("//", "//user:password-canary@"),
        apiKey: Redacted.make("key-canary")
      }),
      LocalStorage.layerArchive(Sample.directory),
      ResultOptions.layer({ pageSize: 10 })
    ))
  )
)

// A bucket: an object, one that is not there, one that cannot be decoded, and one that may not be read.
const s3 = (id: string, location: string, from = bucket) => ({
  id,
  serialized_state: { type: "Success", _result: { type: "S3Result", bucket: from, location } }
})
await runtime.runPromise(
  Effect.gen(function*() {
    yield* result("there")
    for (const id of ["missing", "broken", "denied"]) yield* Effect.exit(result(id))
  }).pipe(
    Effect.withSpan("program"),
    Effect.provide(Layer.mergeAll(
      MemoryApi.layer({
        task_run: [
          s3("there", "object-canary/1"),
          s3("missing", "object-canary/none"),
          s3("broken", "object-canary/2"),
          s3("denied", "object-canary/1", "others")
        ]
      }),
      S3Storage.layer({
        buckets: [bucket],
        endpoint,
        credentials: { accessKeyId: "id-canary", secretAccessKey: Redacted.make("secret-canary") }
      })
    ))
  )
)

const spans = spanExporter.getFinishedSpans()
await metricReader.forceFlush()
const named = (name: string) => spans.filter((span) => span.name === name)
const attributesOf = (name: string, index = 0) => named(name)[index]?.attributes ?? {}
const parentOf = (span: ReadableSpan) =>
  spans.find((one) => one.spanContext().spanId === span.parentSpanContext?.spanId)?.name
const has = (actual: object, expected: object) => assert.deepEqual({ ...actual, ...expected }, actual)

// Each span is below its parent, and nothing else is exported.
const parents: Readonly<Record<string, ReadonlyArray<string | undefined>>> = {
  program: [undefined],
  "TaskRun.fromTaskRunId": ["program"],
  "TaskRun.fromTaskSlug": ["program"],
  "FlowRun.fromFlowRunId": ["program"],
  "TaskRun.getResult": ["program"],
  "TaskRun.outcomes": ["program"],
  "FlowRun.results": ["program"],
  "ResultStorage.read": ["TaskRun.getResult"],
  "ResultFormat.decode": ["TaskRun.getResult"],
  "PrefectApi.taskRun": ["TaskRun.fromTaskRunId"],
  "PrefectApi.flowRun": ["FlowRun.fromFlowRunId"],
  "PrefectApi.taskRunBySlug": ["TaskRun.fromTaskSlug"],
  "PrefectApi.taskRunsOfTask": ["TaskRun.outcomes", "TaskRun.getResult", "FlowRun.results"],
  "PrefectApi.firstTaskRunOfEachTask": ["FlowRun.results"],
  "PrefectApi.mappedTaskIds": ["FlowRun.results"]
}
for (const span of spans) {
  assert.ok(parents[span.name]?.includes(parentOf(span)), `${span.name} below ${parentOf(span)}`)
}
assert.deepEqual(Object.keys(parents).filter((name) => named(name).length === 0), [])

// The attributes of docs/observability.md.
const ids = { "prefect.task_run.id": Sample.taskRunId }
has(attributesOf("TaskRun.fromTaskRunId"), ids)
has(attributesOf("TaskRun.fromTaskSlug"), { "prefect.flow_run.id": Sample.flowRunId, "prefect.task.slug": "score-1" })
has(attributesOf("FlowRun.fromFlowRunId"), { "prefect.flow_run.id": Sample.flowRunId })
has(attributesOf("TaskRun.getResult"), {
  ...ids,
  "prefect.task.slug": "summary-1",
  "prefect.map_index": -1,
  "prefect.flow_run.id": Sample.flowRunId
})
has(attributesOf("ResultStorage.read"), { "prefect.result.storage": "LocalResult", "prefect.result.bytes": 38 })
has(attributesOf("ResultFormat.decode"), { "prefect.result.bytes": 38 })
has(attributesOf("PrefectApi.taskRun"), {
  "http.request.method": "POST",
  "server.address": "127.0.0.1",
  "http.response.status_code": 200
})
has(attributesOf("TaskRun.outcomes"), { "prefect.children": 24, "prefect.failures": 2 })
const rowsOf = (span: ReadableSpan | undefined) =>
  span?.events.filter(({ name }) => name === "page").map(({ attributes }) => attributes?.["rows"])
assert.deepEqual(rowsOf(named("TaskRun.outcomes")[0])?.reduce((sum, rows) => Number(sum) + Number(rows), 0), 24)
assert.equal(attributesOf("FlowRun.results")["prefect.failures"], failures)

// Failures are told by their reason, and objects by their bucket.
const ofBucket = named("ResultStorage.read").filter(({ attributes }) =>
  attributes["prefect.result.storage"] === "S3Result"
)
assert.deepEqual(
  ofBucket.map(({ attributes }) => [attributes["prefect.result.bucket"], attributes["error.type"]]),
  [[bucket, undefined], [bucket, "ResultNotFound"], [bucket, undefined], ["others", "ResultAccessDenied"]]
)
assert.deepEqual(
  named("TaskRun.getResult").slice(-4).map(({ status }) => status.message),
  [undefined, "ResultNotFound", "ResultDecodeError", "ResultAccessDenied"]
)
const text = inspect(
  spans.map(({ attributes, events, links, name, status }) => [name, attributes, events, links, status]),
  {
    depth: null
  }
)
assert.doesNotMatch(text, /canary|order \d+ has no score|X-Amz-Signature/i)

// The metrics of docs/observability.md.
const metrics = metricExporter.getMetrics().flatMap(({ scopeMetrics }) =>
  scopeMetrics.flatMap(({ metrics }) => metrics)
)
const points = (name: string) =>
  new Map(
    metrics.filter(({ descriptor }) => descriptor.name === name).flatMap(({ dataPoints }) =>
      dataPoints.map(({ attributes, value }) => {
        const by = [attributes["storage"], attributes["outcome"]].filter((one) => one !== undefined).join(" ")
        return [by, typeof value === "number" ? value : value.count] as const
      })
    )
  )
const loads = points("prefect.results.loads")
for (const outcome of ["ok", "ResultNotFound", "ResultDecodeError", "ResultAccessDenied"]) {
  assert.ok((loads.get(`S3Result ${outcome}`) ?? 0) >= 1, outcome)
}
assert.ok((loads.get("LocalResult ok") ?? 0) > 24)
assert.deepEqual(points("prefect.results.load.duration"), loads)
assert.ok((points("prefect.results.bytes").get("S3Result") ?? 0) >= 14 + 21)
for (const name of ["http.client.request.attempts", "http.client.request.duration"]) {
  const [point] = metrics.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? []
  has(point?.attributes ?? {}, { "http.request.method": "POST", "server.address": "127.0.0.1" })
}
assert.doesNotMatch(inspect(metrics, { depth: null }), /canary/)
console.log("ok")
await runtime.dispose()
