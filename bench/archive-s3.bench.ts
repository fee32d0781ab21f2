/**
 * Exporting small objects of an S3 bucket into an archive (`OBJECTS=100000` measures a hundred thousand). The limit is
 * the plain SDK at the same concurrency, which writes each object to a file, as `aws s3 sync` does: no table, no
 * record, no hash, no sync to disk. Both measure processor time.
 */
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3"
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as ArchiveExport from "@effect-prefect/results/ArchiveExport"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Server, startServer } from "../conformance/support/process.ts"
import { ownTime } from "./support/processTime.ts"
import type { Row } from "./support/row.ts"

const count = Number(process.env["OBJECTS"] ?? 10_000)
const concurrency = 16
const bucket = "results"
const keyOf = (index: number) => `flow/score-1/${index}.json`
const credentials = { accessKeyId: "reader", secretAccessKey: "secret" }

let server: Server | undefined
let users = 0
let url = ""
let folder = ""
let turn = 0
const open = async () => {
  if (users++ > 0) return
  folder = mkdtempSync(join(tmpdir(), "bench-archive-s3-"))
  const body = JSON.stringify("x".repeat(2000))
  const args = ["--conditions=@effect-prefect/source", join(import.meta.dirname, "support/s3Stub.ts"), "0", body]
  server = await startServer(process.execPath, args, { ready: /http:\S+\n/ })
  url = /http:\S+/.exec(server.output())![0]
}
const close = async () => {
  if (--users > 0) return
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
}

const rowsOf = () =>
  Array.from({ length: count }, (_, index) => ({
    id: `r${index}`,
    flow_run_id: "f",
    task_id: "t",
    map_index: index,
    serialized_state: { type: "Success", _result: { type: "S3Result", bucket, location: keyOf(index) } }
  }))

const exportAll = () =>
  Effect.runPromise(
    Effect.gen(function*() {
      const api = yield* PrefectApi
      const directory = join(folder, `export-${turn++}`)
      const report = yield* ArchiveExport.exportAll({ directory, api, concurrency })
      if (report.results?.files !== count) throw new Error(`${report.results?.files} results instead of ${count}`)
    }).pipe(
      Effect.provide(MemoryApi.layer({ flow_run: [{ id: "f" }], task_run: rowsOf() })),
      Effect.provide(S3Storage.layer({
        endpoint: url,
        region: "us-east-1",
        buckets: [bucket],
        concurrency,
        credentials: { ...credentials, secretAccessKey: Redacted.make(credentials.secretAccessKey) }
      }))
    )
  )

const copyAll = async () => {
  const client = new S3Client({
    endpoint: url,
    region: "us-east-1",
    forcePathStyle: true,
    credentials,
    requestHandler: { httpAgent: { keepAlive: true, maxSockets: concurrency } }
  })
  const to = join(folder, `copy-${turn++}`)
  mkdirSync(to)
  let next = 0
  await Promise.all(Array.from({ length: concurrency }, async () => {
    for (let index = next++; index < count; index = next++) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: keyOf(index) }))
      await writeFile(join(to, `${index}.json`), await Body!.transformToByteArray())
    }
  }))
  client.destroy()
}

export const rows: ReadonlyArray<Row> = [{
  work: `export ${count} results of 2 kB from S3`,
  count,
  runs: 1,
  warmUp: false,
  ours: { name: "ArchiveExport", open, close, run: () => ownTime(exportAll) },
  limit: { name: `plain SDK, ${concurrency} at once`, open, close, run: () => ownTime(copyAll) },
  target: { limit: 0.8 }
}]
