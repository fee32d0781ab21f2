/**
 * The results of a mapped parent from S3. Small objects of 5 ms each: the limit is the plain SDK at the same concurrency,
 * with an agent that has the same number of sockets; the peer is that SDK reading one object at a time, like Prefect.
 * Objects of 1 MB: the limit is Node's own HTTP client, which neither signs nor checks anything, into one buffer for each
 * object; the peer is the plain SDK.
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
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as http from "node:http"
import { join } from "node:path"
import { type Server, startServer } from "../conformance/support/process.ts"
import type { Contender, Row } from "./support/row.ts"

const count = 2000
const concurrency = 32
/** One object at a time takes so long that only a part is read, and its time is multiplied accordingly. */
const part = 20

/** A stub server, opened by the row's first contender and closed with the last. */
class Stub {
  url = ""
  private readonly args: ReadonlyArray<string>
  private server: Server | undefined
  private users = 0
  constructor(...args: ReadonlyArray<string>) {
    this.args = args
  }
  async open(): Promise<void> {
    if (this.users++ > 0) return
    const script = join(import.meta.dirname, "support/s3Stub.ts")
    const args = ["--conditions=@effect-prefect/source", script, ...this.args]
    this.server = await startServer(process.execPath, args, { ready: /http:\S+\n/ })
    this.url = /http:\S+/.exec(this.server.output())![0]
  }
  async close(): Promise<void> {
    if (--this.users === 0) await this.server?.stop()
  }
}

const keyOf = (index: number) => `flow/score-1/${index}.json`

const tablesOf = (count: number): MemoryApi.Tables => ({
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
})

const credentials = { accessKeyId: "reader", secretAccessKey: "secret" }

const ours = (
  stub: Stub,
  count: number,
  use: (parent: TaskRun.TaskRun) => Effect.Effect<void, TaskRun.TaskRunError>
): Contender => {
  let runtime: ManagedRuntime.ManagedRuntime<PrefectApi | ResultStorage, unknown>
  return {
    name: "effect-prefect",
    open: async () => {
      await stub.open()
      runtime = ManagedRuntime.make(Layer.merge(
        MemoryApi.layer(tablesOf(count)),
        S3Storage.layer({
          endpoint: stub.url,
          region: "us-east-1",
          buckets: ["results"],
          concurrency,
          credentials: { ...credentials, secretAccessKey: Redacted.make(credentials.secretAccessKey) }
        })
      ))
    },
    run: () => runtime.runPromise(Effect.flatMap(TaskRun.fromTaskRunId("parent"), use)),
    close: async () => {
      await runtime.dispose()
      await stub.close()
    }
  }
}

/** Runs a function for each index, so many at once. */
const inLanes = async (lanes: number, objects: number, body: (index: number) => Promise<void>): Promise<void> => {
  let next = 0
  const lane = async () => {
    for (let index = next++; index < objects; index = next++) await body(index)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

const sdk = (
  stub: Stub,
  name: string,
  lanes: number,
  run: (get: (index: number) => Promise<Uint8Array>) => ReturnType<Contender["run"]>
): Contender => {
  let client: S3Client
  return {
    name,
    open: async () => {
      await stub.open()
      client = new S3Client({
        endpoint: stub.url,
        region: "us-east-1",
        forcePathStyle: true,
        credentials,
        requestHandler: { httpAgent: { keepAlive: true, maxSockets: lanes } }
      })
    },
    run: () =>
      run(async (index) => {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: "results", Key: keyOf(index) }))
        return Body!.transformToByteArray()
      }),
    close: async () => {
      client.destroy()
      await stub.close()
    }
  }
}

const small = new Stub("5", "7")

const smallBySdk = (name: string, lanes: number, objects: number) =>
  sdk(small, name, lanes, async (get) => {
    const values: Array<unknown> = []
    const start = performance.now()
    await inLanes(lanes, objects, async (index) => {
      values[index] = JSON.parse(new TextDecoder().decode(await get(index)))
    })
    if (values.length !== objects || values[objects - 1] !== 7) throw new Error("wrong results")
    return objects === count ? undefined : { measured: (performance.now() - start) * count / objects }
  })

const largeCount = 1000
const largeBytes = 1_000_000
const large = new Stub("0", "--bytes", String(largeBytes))

const sameSum = (sum: number, overhead: number) => {
  if (sum !== largeCount * (largeBytes + overhead)) throw new Error(`${sum} bytes`)
}
/** The bytes of a pickle around its content. */
const around = 8

const plainHttp = (): Contender => {
  let agent: http.Agent
  const get = (index: number) =>
    new Promise<number>((resolve, reject) => {
      http.get(`${large.url}/results/${keyOf(index)}`, { agent }, (response) => {
        const body = Buffer.allocUnsafeSlow(Number(response.headers["content-length"]))
        let filled = 0
        response.on("data", (chunk: Buffer) => {
          body.set(chunk, filled)
          filled += chunk.length
        })
        response.on("end", () => resolve(filled))
        response.on("error", reject)
      }).on("error", reject)
    })
  return {
    name: `plain HTTP, ${concurrency} at once`,
    open: async () => {
      await large.open()
      agent = new http.Agent({ keepAlive: true, maxSockets: concurrency })
    },
    run: async () => {
      let sum = 0
      await inLanes(concurrency, largeCount, async (index) => {
        const length = await get(index)
        sum += length
      })
      sameSum(sum, around)
    },
    close: async () => {
      agent.destroy()
      await large.close()
    }
  }
}

export const rows: ReadonlyArray<Row> = [{
  work: `getResult of ${count} S3 objects, 5 ms each`,
  count,
  ours: ours(small, count, (parent) =>
    Effect.map(parent.getResult, (found) => {
      const values = found as ReadonlyArray<unknown>
      if (values.length !== count || values[count - 1] !== 7) throw new Error("wrong results")
    })),
  peers: [smallBySdk("one at a time", 1, count / part)],
  limit: smallBySdk(`plain SDK, ${concurrency} at once`, concurrency, count),
  target: { peer: 20, limit: 0.8 },
  keepsCode: true
}, {
  work: `outcomes of ${largeCount} S3 objects of 1 MB`,
  count: largeCount,
  runs: 3,
  keepsCode: true,
  ours: ours(large, largeCount, (parent) =>
    Effect.map(
      Stream.runFold(parent.outcomes, () => 0, (sum, { result }) => {
        const value = Result.isSuccess(result) ? result.success : undefined
        return sum + (value instanceof Uint8Array ? value.length : 0)
      }),
      (sum) => sameSum(sum, 0)
    )),
  peers: [sdk(large, `plain SDK, ${concurrency} at once`, concurrency, async (get) => {
    let sum = 0
    await inLanes(concurrency, largeCount, async (index) => {
      const { length } = await get(index)
      sum += length
    })
    sameSum(sum, around)
  })],
  limit: plainHttp(),
  target: { limit: 0.95 }
}]
