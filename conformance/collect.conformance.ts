/**
 * `effect-prefect collect` under failures: killed processes, a Postgres that goes away, a worker that is suspended past
 * its lock, two starters. DuckDB and pyarrow then read the output.
 *
 * `COLLECT_SEEDS=10` runs ten seeds instead of two.
 */
import * as assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { constants, tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { flowRunId, writeArchive } from "./collect/archive.ts"
import { startAzurite } from "./storages/azurite.ts"
import { check } from "./support/check.ts"
import { root } from "./support/folder.ts"
import { type Postgres, startPostgres } from "./support/postgres.ts"
import { freePort, run as processRun, startServer } from "./support/process.ts"
import { venv } from "./support/python.ts"

const scratch = mkdtempSync(join(tmpdir(), "collect-"))
const archive = join(scratch, "archive")
const main = join(root, "packages/cli/src/main.ts")

interface Running {
  readonly child: ChildProcess
  readonly output: () => string
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

const alive = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL")
})

/** Starts a script as a direct child process. */
const startScript = (script: string, env: Record<string, string>, args: ReadonlyArray<string>): Running => {
  const child = spawn(process.execPath, ["--conditions=@effect-prefect/source", script, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env }
  })
  alive.add(child)
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => output += part.toString())
  const ended = once(child, "exit").then(([code, signal]) => {
    alive.delete(child)
    return (code ?? signal) as number | string
  })
  return { child, output: () => output, ended }
}

/** Starts the command. */
const startWith = (env: Record<string, string>, ...args: ReadonlyArray<string>): Running => startScript(main, env, args)
const start = (...args: ReadonlyArray<string>): Running => startWith({}, ...args)

const run = async (...args: ReadonlyArray<string>) => {
  const running = start(...args)
  return { code: await running.ended, output: running.output() }
}

/** No machine is so busy that a process which is not stuck needs longer. */
const limit = 15 * 60_000

const succeed = async (running: Running) => {
  const timer = new AbortController()
  const code = await Promise.race([running.ended, sleep(limit, "too late", { signal: timer.signal })])
  timer.abort()
  assert.equal(code, 0, `${String(code)}: ${running.output()}`)
}

const recordsIn = (place: string): number => {
  const folder = join(place, "_records")
  return existsSync(folder) ? readdirSync(folder).length : 0
}

/** Waits until another part is published, so that work goes on however slow the machine is, or until `isOver`. */
const progressed = async (place: string, isOver: () => boolean) => {
  const before = recordsIn(place)
  while (recordsIn(place) === before && !isOver()) await sleep(50)
}

const parts = (place: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(place).filter((name) => name.startsWith("part-") || name.startsWith("_manifest")).sort().map((name) => [
      name,
      readFileSync(join(place, name), "base64")
    ])
  )

/** A random number generator with a seed (mulberry32), so that a run can be repeated. */
const random = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

writeArchive(archive, [
  { tasks: [{ slug: "extract-1", children: 0 }, { slug: "score-1", children: 4000 }, { slug: "load-1", children: 0 }] },
  { tasks: [{ slug: "extract-1", children: 0 }] },
  { tasks: [{ slug: "extract-1", children: 0 }, { slug: "score-1", children: 30 }] }
])
const backend = ["--archive", archive]
const quiet: Record<string, string> = {}

/** The arguments that collect everything to a place. */
const collecting = (place: string, format: string, ...more: ReadonlyArray<string>): ReadonlyArray<string> => [
  "collect",
  "--all",
  ...backend,
  "--part-rows",
  "100",
  "--output",
  place,
  "--format",
  format,
  ...more
]

await check("one quiet process collects everything, and verify finds nothing wrong", async () => {
  for (const format of ["jsonl", "parquet"]) {
    quiet[format] = join(scratch, `quiet-${format}`)
    const { code, output } = await run(...collecting(quiet[format], format))
    assert.equal(code, 0, output)
    assert.equal((await run("collect", "verify", quiet[format])).code, 0)
  }
})

await check("one process that is killed again and again goes on where it was", async () => {
  const place = join(scratch, "killed")
  const args = collecting(place, "parquet", "--concurrency", "2")
  const next = random(1)
  for (let attempt = 0; attempt < 6; attempt++) {
    const running = start(...args)
    await progressed(place, () => running.child.exitCode !== null)
    await sleep(next() * 500)
    running.child.kill("SIGKILL")
    await running.ended
  }
  await succeed(start(...args))
  assert.deepEqual(parts(place), parts(quiet["parquet"]!))
  assert.equal(existsSync(join(place, "_partial")), false)
})

await check("child processes that are killed give their parts to others", async () => {
  const place = join(scratch, "processes")
  const running = start(...collecting(place, "parquet", "--concurrency", "1", "--processes", "2"))
  for (let kill = 0; kill < 3; kill++) {
    await progressed(place, () => running.child.exitCode !== null)
    const children = await processRun("ps", ["-o", "pid=", "--ppid", String(running.child.pid)], { allowFailure: true })
    const pids = children.stdout.trim().split("\n").filter((pid) => pid !== "").map(Number)
    if (pids.length > 0) process.kill(pids[kill % pids.length]!, "SIGKILL")
  }
  await succeed(running)
  assert.deepEqual(parts(place), parts(quiet["parquet"]!))
})

await check("a signal ends it at once, whatever it is doing, and the same command goes on", async () => {
  const hasManifest = (place: string) => existsSync(join(place, "_manifest.json"))
  const phases: ReadonlyArray<readonly [string, (place: string) => boolean]> = [
    ["after a part", (place) => recordsIn(place) > 0],
    ["with half of the parts", (place) => recordsIn(place) >= 21],
    ["after the last part", (place) => recordsIn(place) === 42],
    ["after the manifest", hasManifest]
  ]
  for (const more of [[], ["--processes", "2"]]) {
    for (const [at, [name, isReached]] of phases.entries()) {
      const place = join(scratch, `signal-${more.length}-${at}`)
      const args = collecting(place, "parquet", ...more)
      const running = start(...args)
      const isOver = () => running.child.exitCode !== null
      while (!isReached(place) && !isOver()) await sleep(2)
      const signal = at % 2 === 0 ? "SIGINT" : "SIGTERM"
      running.child.kill(signal)
      const code = await running.ended
      // Its work may have ended just before.
      assert.ok([128 + constants.signals[signal], signal, 0].includes(code), `${name}: ${code}: ${running.output()}`)
      if (code === 0) assert.ok(hasManifest(place), name)
      await succeed(start(...args))
      assert.deepEqual(parts(place), parts(quiet["parquet"]!), name)
      assert.equal(existsSync(join(place, "_partial")), false, name)
      rmSync(place, { recursive: true, force: true })
    }
  }
})

const objectStores = {
  "s3 on moto": async () => {
    const { bin } = await venv({ name: "moto", packages: ["moto[s3,server]==5.2.5"] })
    const port = await freePort()
    const server = await startServer(bin("moto_server"), ["-H", "127.0.0.1", "-p", String(port)], { port })
    const url = `http://127.0.0.1:${port}`
    await fetch(`${url}/tables`, { method: "PUT" })
    return {
      server,
      place: "s3://tables/some/table",
      flags: ["--s3-endpoint", url],
      env: { AWS_ACCESS_KEY_ID: "testing", AWS_SECRET_ACCESS_KEY: "testing", AWS_REGION: "us-east-1" },
      read: async (name: string) => {
        const { GetObjectCommand, S3Client } = await import("@aws-sdk/client-s3")
        const credentials = { accessKeyId: "testing", secretAccessKey: "testing" }
        const client = new S3Client({ endpoint: url, region: "us-east-1", credentials, forcePathStyle: true })
        const { Body } = await client.send(new GetObjectCommand({ Bucket: "tables", Key: `some/table/${name}` }))
        return await Body!.transformToString("base64")
      }
    }
  },
  Azurite: async () => {
    const { connectionString, server } = await startAzurite(scratch)
    const { BlobServiceClient } = await import("@azure/storage-blob")
    const container = BlobServiceClient.fromConnectionString(connectionString).getContainerClient("tables")
    await container.create()
    return {
      server,
      place: "azure://tables/some/table",
      flags: [],
      env: { AZURE_STORAGE_CONNECTION_STRING: connectionString },
      read: async (name: string) =>
        (await container.getBlobClient(`some/table/${name}`).downloadToBuffer()).toString("base64")
    }
  }
}

for (const [name, open] of Object.entries(objectStores)) {
  await check(`a collection in ${name}: two at once, killed and gone on with, verified`, async () => {
    const { env, flags, place, read, server } = await open()
    await using _ = server
    const args = collecting(place, "jsonl", ...flags)
    for (const milliseconds of [1500, 2500]) {
      const running = startWith(env, ...args, "--concurrency", "2")
      await Promise.race([running.ended, sleep(milliseconds)])
      running.child.kill("SIGKILL")
      await running.ended
    }
    const [first, second] = [startWith(env, ...args), startWith(env, ...args)]
    await succeed(first)
    await succeed(second)
    for (const [name, bytes] of Object.entries(parts(quiet["jsonl"]!))) assert.equal(await read(name), bytes, name)
    const verified = startWith(env, "collect", "verify", place, ...flags)
    await succeed(verified)
  })
}

const seeds = Number(process.env["COLLECT_SEEDS"] ?? 2)
const format = (seed: number) => seed % 2 === 0 ? "jsonl" : "parquet"

/** Workers that read so slowly that each can be interrupted. */
const worker = (db: Postgres, ...args: ReadonlyArray<string>) =>
  start("collect", "worker", "--cluster", db.url, ...backend, "--store-rate", "250", ...args)

for (let seed = 1; seed <= seeds; seed++) {
  await check(
    `seed ${seed}: kill -9, a Postgres that goes away, a frozen worker, two starters, a late worker`,
    async () => {
      await using db = await startPostgres()
      const place = join(scratch, `seed-${seed}`)
      const next = random(seed)
      const args = collecting(place, format(seed), "--cluster", db.url)
      const workers = [worker(db), worker(db), worker(db)]
      const starters = [start(...args), start(...args)]
      let isOver = false
      const frozen = worker(db)
      const freeze = (async () => {
        await sleep(2500 + next() * 1500)
        frozen.child.kill("SIGSTOP")
        await sleep(33_000)
        frozen.child.kill("SIGCONT")
      })()
      const kills = (async () => {
        while (!isOver) {
          await progressed(place, () => isOver)
          await sleep(1500 + next() * 2000)
          if (isOver) return
          const at = Math.floor(next() * workers.length)
          workers[at]!.child.kill("SIGKILL")
          await sleep(next() * 500)
          workers[at] = worker(db)
        }
      })()
      const outage = (async () => {
        await sleep(5000 + next() * 3000)
        await db.halt()
        await sleep(10_000)
        await db.resume()
      })()
      // One starter dies; the same command then finds the job.
      await sleep(3000 + next() * 1000)
      starters[0]!.child.kill("SIGKILL")
      const again = start(...args)
      try {
        await succeed(starters[1]!)
        await succeed(again)
      } finally {
        isOver = true
        await Promise.all([outage, freeze, kills])
      }
      assert.deepEqual(parts(place), parts(quiet[format(seed)]!))
      const verified = await run("collect", "verify", place)
      assert.equal(verified.code, 0, verified.output)
      for (const { child, ended, output } of [...workers, frozen]) {
        child.kill("SIGTERM")
        const code = await Promise.race([ended, sleep(10_000, "too late")])
        // A process that has just started may receive the signal before Node has loaded the program.
        const isStarting = code === "SIGTERM" && output() === ""
        assert.ok(code === 0 || code === "SIGKILL" || isStarting, `${String(code)}: ${output()}`)
      }
    }
  )
}

await check("a worker that is told to end gives its parts back without using an attempt", async () => {
  await using db = await startPostgres()
  const place = join(scratch, "term")
  const starter = start(...collecting(place, "jsonl", "--cluster", db.url))
  const first = worker(db)
  while (!/parts to/.test(first.output())) await sleep(100)
  await sleep(1500)
  first.child.kill("SIGTERM")
  assert.equal(await Promise.race([first.ended, sleep(10_000, "too late")]), 0)
  assert.equal((await db.psql("select count(*) from effect_prefect_queue where acquired_by is not null")).trim(), "0")
  assert.equal((await db.psql("select max(attempts) from effect_prefect_queue where state = 'pending'")).trim(), "0")
  const second = start("collect", "worker", "--cluster", db.url, ...backend, "--until-done")
  await succeed(starter)
  await succeed(second)
  assert.deepEqual(parts(place), parts(quiet["jsonl"]!))
})

await check("a worker that may not read what the plan needs names the place and takes no part", async () => {
  await using db = await startPostgres()
  const place = join(scratch, "refused")
  const bare = join(scratch, "bare")
  cpSync(join(archive, "tables"), join(bare, "tables"), { recursive: true })
  writeFileSync(join(bare, "mounts.json"), "{}")
  const starter = start(...collecting(place, "jsonl", "--cluster", db.url))
  const refused = await run("collect", "worker", "--cluster", db.url, "--archive", bare)
  assert.equal(refused.code, 1, refused.output)
  assert.match(refused.output, /\/srv\/results/)
  assert.equal((await db.psql("select max(attempts) from effect_prefect_queue")).trim(), "0")
  const able = start("collect", "worker", "--cluster", db.url, ...backend, "--until-done")
  await succeed(starter)
  await succeed(able)
})

await check("workers start before Postgres does, and say once that they wait", async () => {
  await using db = await startPostgres()
  await db.halt()
  const place = join(scratch, "early")
  const early = start("collect", "worker", "--cluster", db.url, ...backend, "--until-done")
  const starter = start(...collecting(place, "jsonl", "--cluster", db.url))
  const waits = "does not answer"
  for (const { output } of [early, starter]) while (!output().includes(waits)) await sleep(100)
  // Until they have tried again, and said nothing more.
  await sleep(4000)
  await db.resume()
  await succeed(starter)
  await succeed(early)
  assert.equal(early.output().split(waits).length - 1, 1, early.output())
  assert.deepEqual(parts(place), parts(quiet["jsonl"]!))
})

await check(
  "the workflow, on an Effect cluster of two runners of which one is killed, ends as one quiet run",
  async () => {
    await using db = await startPostgres()
    const place = join(scratch, "workflow")
    // Only the plan: the queue of another database is never processed.
    await using other = await startPostgres()
    const planner = start(...collecting(place, "jsonl", "--cluster", other.url))
    while (!existsSync(join(place, "_plan.json"))) await sleep(100)
    planner.child.kill("SIGKILL")
    await planner.ended
    const { job } = JSON.parse(readFileSync(join(place, "_plan.json"), "utf8")) as { job: string }
    const script = join(import.meta.dirname, "collect/runner.ts")
    const runner = async (...args: ReadonlyArray<string>) =>
      startScript(script, {}, [db.url, String(await freePort()), job, place, ...args])
    const runners = [await runner(), await runner()]
    for (const { output } of runners) while (!output().includes("Listening")) await sleep(100)
    const client = await runner("execute")
    // Each check of the progress opens the output, in the process that has the workflow.
    const has = ({ output }: Running) => output().includes("opened")
    const all = [...runners, client]
    const isEnqueued = async () =>
      (await db.psql("select count(*) from effect_prefect_collect_job where enqueued").catch(() => "")).trim() === "1"
    while (!(await isEnqueued()) || !all.some(has)) await sleep(200)
    const owner = all.find(has)!
    owner.child.kill("SIGKILL")
    assert.equal(await owner.ended, "SIGKILL")
    const able = start("collect", "worker", "--cluster", db.url, ...backend, "--until-done")
    // Another process executes it too, and joins the execution that there is.
    const executing = owner === client ? await runner("execute") : client
    await succeed(executing)
    await succeed(able)
    const others = [...all, executing].filter((running) => running !== owner)
    assert.ok(others.some(has), "the workflow went on in another process")
    for (const { child, ended } of others) {
      child.kill("SIGKILL")
      await ended
    }
    const collected = JSON.parse(/^\{"job.*$/m.exec(executing.output())![0]) as { complete: boolean; rows: number }
    assert.equal(collected.complete, true)
    assert.deepEqual(parts(place), parts(quiet["jsonl"]!))
  }
)

await check("no credential is in the cluster's database, the plan or the manifest", async () => {
  await using db = await startPostgres()
  await db.psql("create role collector login superuser password 'hunter2-secret'")
  const url = db.url.replace("postgres@", "collector:hunter2-secret@")
  const place = join(scratch, "secret")
  const starter = start(...collecting(place, "jsonl", "--cluster", url))
  const able = start("collect", "worker", "--cluster", url, ...backend, "--until-done")
  await succeed(starter)
  await succeed(able)
  const tables = (await db.psql("select tablename from pg_tables where schemaname = 'public'")).trim().split("\n")
  assert.ok(tables.length >= 6, tables.join())
  for (const table of tables) assert.doesNotMatch(await db.psql(`select * from "${table}"`), /hunter2/)
  for (const name of ["_plan.json", "_manifest.json"]) {
    assert.doesNotMatch(readFileSync(join(place, name), "utf8"), /hunter2/)
  }
})

await check("DuckDB and pyarrow agree with flow-run results", async () => {
  const { run: python } = await venv({ name: "collect", packages: ["pyarrow", "duckdb"] })
  const due: Array<unknown> = []
  for (const at of [0, 1, 2]) {
    const { output } = await run("flow-run", "results", flowRunId(at), ...backend, "--json")
    for (const line of output.trimEnd().split("\n")) {
      const row = JSON.parse(line) as {
        task_run_id: string
        task_slug: string
        map_index: number
        state: string
        outcome: { value?: unknown; error?: { reason: string; message: string } }
      }
      const isParent = row.state === "Mapped" && row.map_index < 0
      due.push([
        flowRunId(at),
        row.task_run_id,
        row.task_slug,
        row.map_index,
        row.state,
        isParent || row.outcome.error !== undefined ? null : row.outcome.value,
        isParent ? null : row.outcome.error?.reason ?? null,
        isParent ? null : row.outcome.error?.message ?? null
      ])
    }
  }
  const file = join(scratch, "due.json")
  writeFileSync(file, JSON.stringify(due))
  const script = join(import.meta.dirname, "collect/read.py")
  const { stdout } = await python([script, file, quiet["parquet"]!, quiet["jsonl"]!])
  assert.equal(stdout.trim(), "equal")
})

rmSync(scratch, { recursive: true, force: true })
