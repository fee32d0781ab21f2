// The unmodified Python clients of Prefect 1.4.1 and 0.15.13 against `serve`: on a real Postgres with an archive's
// rows, read by a role with SELECT alone, and on the archive folder itself.
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3"
import * as Database from "@effect-prefect/server/Database"
import * as Server from "@effect-prefect/server/Server"
import { Cli } from "effect-prefect"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import assert from "node:assert/strict"
import { once } from "node:events"
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import S3rver from "s3rver"
import { check } from "./support/check.ts"
import { root } from "./support/folder.ts"
import { startPostgres } from "./support/postgres.ts"
import { fillFromArchive, readerUrl } from "./support/prefectDatabase.ts"
import { freePort, run } from "./support/process.ts"
import { prefect015, prefect1, prefect1Environment, type Requirements, venv } from "./support/python.ts"

interface Prefect {
  readonly name: string
  readonly requirements: Requirements
  readonly archive: string
  /** The location of its worker's results, and their bucket. */
  readonly results: string
  readonly bucket: string
}

const prefects: ReadonlyArray<Prefect> = [
  {
    name: "Prefect 1.4.1",
    requirements: prefect1,
    archive: "prefect-1",
    results: "/srv/prefect/results",
    bucket: "prefect-results"
  },
  {
    name: "Prefect 0.15.13",
    // Its S3Result needs boto3.
    requirements: {
      ...prefect015,
      name: "prefect-0.15-s3",
      packages: [...prefect015.packages.filter((name) => !name.startsWith("boto3")), "boto3"]
    },
    archive: "prefect-0.15",
    results: "/srv/legacy/results",
    bucket: "legacy-results"
  }
]

const files = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile())

/** The archive as if its worker had run here: rows refer to the actual folder of the results. */
const settle = (prefect: Prefect, into: string): string => {
  const source = join(root, "fixtures", prefect.archive)
  const target = join(into, prefect.archive)
  cpSync(source, target, { recursive: true })
  for (const path of files(join(target, "tables"))) {
    writeFileSync(path, readFileSync(path, "utf8").replaceAll(prefect.results, join(target, "results")))
  }
  return target
}

/** An S3 server with the archive's bucket, and the environment that makes boto3 use it. */
const startS3 = async (prefect: Prefect, archive: string, directory: string) => {
  mkdirSync(directory)
  const s3 = new S3rver({ directory, silent: true, configureBuckets: [{ name: prefect.bucket }] })
  await s3.configureBuckets()
  const port = await freePort()
  const server = createServer(s3.callback()).listen(port, "127.0.0.1")
  await once(server, "listening")
  const endpoint = `http://127.0.0.1:${port}`
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" },
    requestChecksumCalculation: "WHEN_REQUIRED"
  })
  const bucket = join(archive, "s3", prefect.bucket)
  for (const path of files(bucket)) {
    await client.send(
      new PutObjectCommand({ Bucket: prefect.bucket, Key: relative(bucket, path), Body: readFileSync(path) })
    )
  }
  client.destroy()
  return {
    environment: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_ACCESS_KEY_ID: "S3RVER",
      AWS_SECRET_ACCESS_KEY: "S3RVER",
      AWS_DEFAULT_REGION: "us-east-1"
    },
    stop: () => void server.close()
  }
}

/** Runs `serve` while `body` runs. */
const serving = async <E>(
  database: Layer.Layer<Database.Database, E>,
  options: Server.Options,
  body: (url: string) => Promise<void>
) => {
  const scope = Scope.makeUnsafe()
  try {
    const layer = Server.layer({ port: 0, ...options }).pipe(Layer.provide(database), Layer.provide(Logger.layer([])))
    const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
    await body(Context.get(context, Server.Server).url)
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

interface Line {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

const temporary = mkdtempSync(join(tmpdir(), "prefect1-"))
try {
  for (const prefect of prefects) {
    const python = await venv(prefect.requirements)
    const archive = settle(prefect, temporary)
    const s3 = await startS3(prefect, archive, join(temporary, `${prefect.archive}-s3`))
    const home = join(temporary, `${prefect.archive}-home`)
    mkdirSync(home)
    const client = async (url: string, environment: Record<string, string>, watch: object = {}) => {
      const { code, stderr, stdout } = await run(python.python, [join(root, "conformance", "prefect1.client.py")], {
        env: {
          ...prefect1Environment(url),
          HOME: home,
          PREFECT__USER_CONFIG_PATH: "",
          ...s3.environment,
          ...environment
        },
        input: JSON.stringify({ archive, ...watch }),
        allowFailure: true
      })
      const lines = stdout.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Line)
      if (code !== 0) throw new Error(stderr.slice(-3000))
      return lines
    }
    const report = async (title: string, lines: ReadonlyArray<Line>, count: number) => {
      for (const { detail, name, ok } of lines) {
        await check(`${title}: ${name}${ok && detail !== "" ? ` (${detail})` : ""}`, () => {
          if (!ok) throw new Error(detail)
        })
      }
      await check(`${title}: ran everything`, () => assert.equal(lines.length, count))
    }

    const postgres = await startPostgres()
    try {
      await fillFromArchive(postgres, archive)
      const running = (await postgres.psql(`SELECT id FROM flow_run WHERE state = 'Running'`)).trim()
      await serving(Cli.serveDatabase({ url: Redacted.make(readerUrl(postgres)) }), {}, async (server) => {
        await report(`${prefect.name} on Postgres 15`, await client(server, {}), 15)
        const marker = join(home, "watching")
        const end = async () => {
          while (!existsSync(marker)) await sleep(100)
          const state = `'{"type": "Success", "message": "done", "__version__": "1.4.1"}'::jsonb`
          await postgres.psql(`BEGIN;
            UPDATE flow_run SET state = 'Success', serialized_state = ${state} WHERE id = '${running}';
            INSERT INTO flow_run_state (id, flow_run_id, timestamp, state, message, serialized_state, version)
              VALUES (gen_random_uuid(), '${running}', now(), 'Success', 'done', ${state}, 5);
            INSERT INTO log (id, flow_run_id, timestamp, level, message)
              VALUES (gen_random_uuid(), '${running}', now() - interval '1 second', 'INFO', 'the last line');
            COMMIT`)
        }
        const watched = client(server, {}, { watch: running, marker })
        void end()
        await report(`${prefect.name} on Postgres 15`, await watched, 1)
      })
    } finally {
      await postgres.stop()
    }

    await serving(Database.layerArchive(archive), {}, async (server) => {
      await report(`${prefect.name} on the archive folder`, await client(server, {}), 15)
    })
    await serving(Database.layerArchive(archive), { apiKey: "the-key" }, async (server) => {
      const environment = { PREFECT__BACKEND: "cloud", PREFECT__CLOUD__API_KEY: "the-key" }
      await report(`${prefect.name} with an API key`, await client(server, environment, { key: true }), 2)
    })
    s3.stop()
  }
} finally {
  rmSync(temporary, { recursive: true, force: true })
}
