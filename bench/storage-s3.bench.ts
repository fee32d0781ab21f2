/**
 * The results of a mapped parent from S3, 5 ms per object. The limit is the plain SDK at the same concurrency, with an
 * agent that has the same number of sockets; the peer is that SDK reading one object at a time, like Prefect.
 */
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3"
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import { join } from "node:path"
import { type Server, startServer } from "../conformance/support/process.ts"
import type { Contender, Row } from "./support/row.ts"

const count = 2000
const concurrency = 32
/** One object at a time takes so long that only a part is read, and its time is multiplied accordingly. */
const part = 20

let server: Server | undefined
let users = 0
let url = ""
const open = async () => {
  if (users++ > 0) return
  const args = ["--conditions=@effect-prefect/source", join(import.meta.dirname, "support/s3Stub.ts"), "5", "7"]
  server = await startServer(process.execPath, args, { ready: /http:\S+\n/ })
  url = /http:\S+/.exec(server.output())![0]
}
const close = async () => {
  if (--users === 0) await server?.stop()
}

const keyOf = (index: number) => `flow/score-1/${index}.json`

const tables: MemoryApi.Tables = {
  flow_run: [{ id: "flow-run", name: "run" }],
  task: [{ id: "task", slug: "score-1" }],
  task_run: [
    {
      id: "parent",
      task_id: "task",
      flow_run_id: "flow-run",
      serialized_state: { type: "Mapped", n_map_states: count }
    },
    ...Array.from({ length: count }, (_, index) => ({
      id: `child-${index}`,
      task_id: "task",
      flow_run_id: "flow-run",
      map_index: index,
      serialized_state: {
        type: "Success",
        _result: { type: "S3Result", bucket: "results", location: keyOf(index) }
      }
    }))
  ]
}

const credentials = { accessKeyId: "reader", secretAccessKey: "secret" }

const ours = (): Contender => {
  let runtime: ManagedRuntime.ManagedRuntime<PrefectApi | ResultStorage, unknown>
  return {
    name: "effect-prefect",
    open: async () => {
      await open()
      runtime = ManagedRuntime.make(Layer.merge(
        MemoryApi.layer(tables),
        S3Storage.layer({
          endpoint: url,
          region: "us-east-1",
          buckets: ["results"],
          concurrency,
          credentials: { ...credentials, secretAccessKey: Redacted.make(credentials.secretAccessKey) }
        })
      ))
    },
    run: async () => {
      const values = await runtime.runPromise(
        Effect.flatMap(TaskRun.fromTaskRunId("parent"), (run) => run.getResult)
      ) as ReadonlyArray<unknown>
      if (values.length !== count || values[count - 1] !== 7) throw new Error("wrong results")
    },
    close: async () => {
      await runtime.dispose()
      await close()
    }
  }
}

const plain = (name: string, lanes: number, objects: number): Contender => {
  let client: S3Client
  return {
    name,
    open: async () => {
      await open()
      client = new S3Client({
        endpoint: url,
        region: "us-east-1",
        forcePathStyle: true,
        credentials,
        requestHandler: { httpAgent: { keepAlive: true, maxSockets: lanes } }
      })
    },
    run: async () => {
      const values: Array<unknown> = []
      let next = 0
      const lane = async () => {
        for (let index = next++; index < objects; index = next++) {
          const { Body } = await client.send(new GetObjectCommand({ Bucket: "results", Key: keyOf(index) }))
          values[index] = JSON.parse(new TextDecoder().decode(await Body!.transformToByteArray()))
        }
      }
      const start = performance.now()
      await Promise.all(Array.from({ length: lanes }, lane))
      if (values.length !== objects || values[objects - 1] !== 7) throw new Error("wrong results")
      return { measured: (performance.now() - start) * count / objects }
    },
    close: async () => {
      client.destroy()
      await close()
    }
  }
}

export const rows: ReadonlyArray<Row> = [{
  work: `getResult of ${count} S3 objects, 5 ms each`,
  count,
  ours: ours(),
  peers: [plain("one at a time", 1, count / part)],
  limit: plain(`plain SDK, ${concurrency} at once`, concurrency, count),
  target: { peer: 20, limit: 0.8 }
}]
