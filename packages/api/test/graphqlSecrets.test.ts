import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import type * as PrefectApi from "@effect-prefect/api/PrefectApi"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Faults from "./support/faultServer.ts"
import { observe } from "./support/observed.ts"

const key = "canaryKey0123"
const value = "canaryValue4567"
const token = "canaryToken89"
const signed =
  `https://bucket.s3.amazonaws.com/canaryObject?X-Amz-Signature=canarySignature&X-Amz-Credential=canaryUser`
const secret = /canary/i
const echo = `${key} ${value} ${signed}`

const uuid = (kind: number) => `${kind.toString(16).padStart(8, "0")}-0000-4000-8000-000000000001`
const row = {
  id: uuid(0xc),
  name: value,
  task_id: uuid(0x7),
  task: { id: uuid(0x7), slug: value },
  map_index: 0,
  serialized_state: { type: "Success", message: value, _result: { type: "S3Result", bucket: "b", location: signed } },
  flow_run_id: uuid(0xa),
  flow_id: uuid(0xf),
  created: "2022-03-01T12:00:00+00:00",
  timestamp: "2022-03-01T12:00:00+00:00",
  labels: [value],
  parameters: { value },
  context: null,
  run_config: null,
  message: value,
  level: "INFO",
  kind: "link",
  data: { link: signed }
}
const rows = (...list: ReadonlyArray<object>) => ({
  task_run: list,
  flow_run: list,
  log: list,
  task_run_artifact: list
})

const answers: Record<string, Faults.Fault> = {
  "a right answer": Faults.json({ data: rows(row) }),
  "a web page": Faults.status(502, { "content-type": "text/html" }, `<html>${echo}</html>`),
  "a web page with status 200": Faults.status(200, { "content-type": `text/html; x="${key}"` }, `<html>${echo}</html>`),
  "truncated JSON": Faults.status(200, {}, `{"data": {"task_run": [{"id": "${echo}`),
  "an array": Faults.json([echo]),
  "data of another shape": Faults.json({ data: { task_run: echo, flow_run: echo, log: echo } }),
  "an error": Faults.errors(undefined, echo, rows(row)),
  "an error with a code of its own": Faults.errors(echo, echo),
  "an error with a field of its own": Faults.errors(
    "validation-failed",
    `field '${value}' not found in type: '${key}'`
  ),
  "an error with a path of its own": Faults.json({
    errors: [{ message: echo, path: [echo], extensions: { path: echo } }]
  }),
  "errors that are a text": Faults.json({ errors: echo }),
  "API_ERROR": Faults.errors("API_ERROR", echo),
  "UNAUTHENTICATED": Faults.errors("UNAUTHENTICATED", `no such key ${echo}`),
  "a malformed header": Faults.errors("INTERNAL_SERVER_ERROR", `Malformed Authorization header: Bearer ${key}`),
  "status 401": Faults.status(401, { "www-authenticate": `Bearer error="${key}"` }, echo),
  "status 429": Faults.status(429, { "retry-after": key }, echo),
  "status 500": Faults.status(500, { "x-request": key }, JSON.stringify({ errors: [{ message: echo }] })),
  "status 418": Faults.status(418, {}, echo),
  "a redirect": Faults.status(307, { location: signed }),
  "a redirect to no URL": Faults.status(307, { location: `http://${key}:${value}` }),
  "a cut connection": Faults.cut,
  "silence": Faults.silence,
  "too much": Faults.status(200, {}, echo.repeat(2000)),
  "a row without an id": Faults.json({ data: rows({ ...row, id: [value] }) }),
  "rows with columns of other types": Faults.json({
    data: rows({
      ...row,
      name: [value],
      map_index: value,
      labels: value,
      kind: [value],
      level: [value],
      created: [key]
    })
  }),
  "rows that cannot be decoded": Faults.json({
    data: rows({ ...row, name: [value], parameters: value, message: [key] })
  }),
  "two rows": Faults.json({ data: rows(row, row) }),
  "rows of others": Faults.json({ data: rows({ ...row, id: uuid(0xdd), flow_run_id: value }) })
}

type Api = PrefectApi.PrefectApi["Service"]
const questions: Record<string, (api: Api) => Effect.Effect<unknown, unknown>> = {
  taskRun: (api) => api.taskRun(row.id),
  flowRun: (api) => api.flowRun(uuid(0xc)),
  mappedChildren: (api) => Stream.runDrain(api.mappedChildren({ flowRunId: uuid(0xa), taskId: uuid(0x7) })),
  flowRuns: (api) => Stream.runDrain(api.flowRuns({})),
  logs: (api) => Stream.runDrain(api.logs({ flowRunId: uuid(0xa) })),
  artifacts: (api) => Stream.runDrain(api.artifacts({ taskRunId: row.id })),
  countMappedChildren: (api) => api.countMappedChildren({ flowRunId: uuid(0xa), taskId: uuid(0x7) })
}

const asked = Object.entries(questions)

describe("GraphQLApi shows no key, value or signed URL", () => {
  for (const [name, fault] of Object.entries(answers)) {
    it.live(`after ${name}`, () =>
      Effect.gen(function*() {
        const server = yield* Faults.make()
        server.plan = () => fault
        const check = Effect.fnUntraced(function*([question, ask]: (typeof asked)[number]) {
          const observed = yield* observe(Effect.flatMap(
            GraphQLApi.make({
              url: `${server.url}/graphql?token=${token}`,
              apiKey: Redacted.make(key),
              headers: { "x-proxy-key": Redacted.make(key) },
              retries: 1,
              retryDelay: "1 millis",
              requestTimeout: "300 millis",
              maxResponseBytes: 20_000
            }),
            ask
          ))
          assert.notMatch(observed.text, secret, question)
          assert.isNotEmpty(observed.spans)
          // What is secret was really sent, and really answered.
          const request = server.received.at(-1)
          assert.strictEqual(request?.headers["authorization"], `Bearer ${key}`)
          assert.include(request?.path, token)
          if (name === "UNAUTHENTICATED") assert.isTrue(Exit.isFailure(observed.exit))
        })
        // Side by side, so that silence is waited for once.
        yield* Effect.forEach(asked, check, { concurrency: "unbounded" })
      }))
  }

  it.live("and names its spans and metrics as OpenTelemetry does", () =>
    Effect.gen(function*() {
      const server = yield* Faults.make()
      server.plan = (index) => index === 0 ? Faults.status(503) : answers["a right answer"]
      const { metrics, spans } = yield* observe(Effect.flatMap(
        GraphQLApi.make({ url: server.url, retryDelay: "1 millis" }),
        (api) => api.taskRun(row.id)
      ))
      const { port } = new URL(server.url)
      assert.deepStrictEqual(
        spans.map(({ attributes, kind, name }) => ({ name, kind, attributes: Object.fromEntries(attributes) })),
        [{
          name: "PrefectApi.taskRun",
          kind: "client",
          attributes: {
            "http.request.method": "POST",
            "http.request.resend_count": 1,
            "http.response.status_code": 200,
            "server.address": "127.0.0.1",
            "server.port": Number(port),
            "graphql.operation.type": "query",
            "graphql.operation.name": "TaskRunsById"
          }
        }]
      )
      assert.deepStrictEqual(metrics.map(({ id }) => id).toSorted(), [
        "http.client.request.attempts",
        "http.client.request.duration"
      ])
    }))
})
