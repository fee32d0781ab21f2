// An export that is killed, started twice, out of disk space or cut off from its database, on a real Postgres and a
// real disk: in every case a rerun completes the archive, and verify confirms it.
import assert from "node:assert/strict"
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { sqlOf, temporaryFolder } from "./postgres/load.ts"
import { check } from "./support/check.ts"
import { root } from "./support/folder.ts"
import { startPostgres } from "./support/postgres.ts"

const command = join(root, "packages/cli/bin/effect-prefect.js")
const count = 1500
const folder = temporaryFolder()
const store = join(folder, "store")
mkdirSync(store)
const uuid = (prefix: string, n: number) => `${prefix}-0000-4000-8000-${n.toString(16).padStart(12, "0")}`
const valueOf = (n: number) => JSON.stringify(`value ${n} ${"x".repeat(n % 50 === 0 ? 200_000 : 200)}`)
const flowRunId = uuid("aaaaaaaa", 1)
const taskRuns = Array.from({ length: count }, (_, n) => {
  const location = join(store, `r${n}`)
  writeFileSync(location, valueOf(n))
  return {
    id: uuid("00000000", n),
    flow_run_id: flowRunId,
    task_id: uuid("bbbbbbbb", 1),
    map_index: n,
    serialized_state: { type: "Success", _result: { type: "LocalResult", location, dir: store } }
  }
})
const logs = Array.from({ length: 20_000 }, (_, n) => ({
  id: uuid("10000000", n),
  flow_run_id: flowRunId,
  message: "m".repeat(500),
  level: "INFO",
  timestamp: "2022-01-01T00:00:00Z"
}))

await using postgres = await startPostgres()
await postgres.psql("create database archive")
await postgres.psql(
  sqlOf({ flow_run: [{ id: flowRunId, name: "run" }], task_run: taskRuns, log: logs }),
  "archive"
)
const url = `postgresql://postgres@127.0.0.1:${postgres.port}/archive`

const environment = { ...process.env, HOME: folder, XDG_CACHE_HOME: join(folder, "cache") }
const argumentsOf = (to: string) => [command, "archive", "export", to, "--database", url, "--results", "--mount", store]
const start = (to: string) => {
  const child = spawn(process.execPath, argumentsOf(to), { env: environment, stdio: ["ignore", "pipe", "pipe"] })
  let stdout = ""
  let stderr = ""
  child.stdout.on("data", (chunk: Buffer) => stdout += chunk.toString())
  child.stderr.on("data", (chunk: Buffer) => stderr += chunk.toString())
  const ended = new Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>((
    done
  ) => child.on("close", (code) => done({ code, stdout, stderr })))
  return { child, ended }
}
const exportTo = (to: string) => start(to).ended
const verify = (to: string) => spawnSync(process.execPath, [command, "archive", "verify", to], { env: environment })
const until = async (child: ReturnType<typeof start>["child"], condition: () => boolean) => {
  while (child.exitCode === null && !condition()) await sleep(3)
}
const filesIn = (to: string): ReadonlyArray<string> => {
  const results = join(to, "results", store)
  return existsSync(results) ? readdirSync(results) : []
}
const assertNothingTorn = (to: string) => {
  for (const name of filesIn(to)) {
    assert.equal(readFileSync(join(to, "results", store, name), "utf8"), valueOf(Number(name.slice(1))), name)
  }
}
const assertWhole = (to: string) => {
  assert.equal(verify(to).status, 0, String(verify(to).stdout))
  assert.equal(filesIn(to).length, count)
  assertNothingTorn(to)
}
const contentOf = (to: string) =>
  ["manifest.jsonl", "mounts.json", "tables/task_run.jsonl"].map((name) => readFileSync(join(to, name), "utf8"))

const reference = join(folder, "reference")
await check("an export that nothing disturbs is whole", async () => {
  assert.equal((await exportTo(reference)).code, 0)
  assertWhole(reference)
})

await check("kill -9 at 20 moments of the results phase, then a rerun: the same bytes", async () => {
  const to = join(folder, "killed")
  for (let turn = 1; turn <= 20; turn++) {
    const { child, ended } = start(to)
    await until(child, () => filesIn(to).length >= Math.min(count - 1, turn * 70))
    child.kill("SIGKILL")
    await ended
    assertNothingTorn(to)
    if (!existsSync(join(to, "archive.json"))) assert.notEqual(verify(to).status, 0)
  }
  assert.equal((await exportTo(to)).code, 0)
  assertWhole(to)
  assert.deepEqual(contentOf(to), contentOf(reference))
})

await check("a second export is refused in one sentence, whenever it comes", async () => {
  for (const wait of [0, 300, 700]) {
    const to = join(folder, `twice-${wait}`)
    const one = start(to)
    await sleep(wait)
    const ends = [await exportTo(to), await one.ended]
    assert.ok(ends.some(({ code }) => code === 0), ends.map(({ stderr }) => stderr).join())
    for (const { code, stderr } of ends) {
      if (code !== 0) assert.match(stderr, /^effect-prefect: .*another export is writing to it[^\n]*\n$/)
    }
    assertWhole(to)
  }
})

await check("a second export is refused while the first copies results", async () => {
  const to = join(folder, "twice-results")
  const { child, ended } = start(to)
  await until(child, () => filesIn(to).length >= 50)
  const { code, stderr } = await exportTo(to)
  assert.equal(child.exitCode, null, "the first ended too soon")
  assert.equal(code, 1)
  assert.match(stderr, /^effect-prefect: .*another export is writing to it[^\n]*\n$/)
  assert.equal((await ended).code, 0)
  assertWhole(to)
  assert.deepEqual(contentOf(to), contentOf(reference))
})

await check("a full disk is said, and space makes the archive whole", async () => {
  const disk = join(folder, "disk")
  mkdirSync(disk)
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=18m", "tmpfs", disk])
  assert.equal(mounted.status, 0, `a tmpfs is needed: ${String(mounted.stderr)}`)
  try {
    const { code, stderr, stdout } = await exportTo(join(disk, "a"))
    assert.equal(code, 1)
    assert.match(stderr, /ENOSPC/)
    assert.doesNotMatch(stdout, /is complete/)
    assert.ok(filesIn(join(disk, "a")).length > 0, "it was full before results were copied")
    assertNothingTorn(join(disk, "a"))
    assert.equal(spawnSync("mount", ["-o", "remount,size=80m", disk]).status, 0)
    assert.equal((await exportTo(join(disk, "a"))).code, 0)
    assertWhole(join(disk, "a"))
  } finally {
    spawnSync("umount", [disk])
  }
})

await check("a database that goes away ends the export, and not the archive that was there", async () => {
  const to = join(folder, "gone")
  assert.equal((await exportTo(to)).code, 0)
  const { child, ended } = start(to)
  await until(child, () => existsSync(join(to, "partial/tables/log.jsonl")))
  await postgres.psql("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'archive'")
  const { code, stderr } = await ended
  assert.equal(code, 1)
  assert.match(stderr, /the database/)
  assert.equal(filesIn(to).length, count)
  const shown = spawnSync(process.execPath, [
    command,
    "task-run",
    "result",
    uuid("00000000", 7),
    "--archive",
    to,
    "--json"
  ])
  assert.equal(String(shown.stdout).trim(), valueOf(7))
  assert.equal((await exportTo(to)).code, 0)
  assertWhole(to)
})

await check("a database that goes away while results are copied is no longer needed", async () => {
  const to = join(folder, "gone-results")
  const { child, ended } = start(to)
  await until(child, () => filesIn(to).length >= 50)
  await postgres.psql("alter database archive allow_connections false")
  await postgres.psql("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'archive'")
  try {
    assert.ok(filesIn(to).length < count, "the results were copied too soon")
    assert.equal((await ended).code, 0)
    assertWhole(to)
    assert.deepEqual(contentOf(to), contentOf(reference))
    const { code, stderr } = await exportTo(to)
    assert.equal(code, 1)
    assert.match(stderr, /^effect-prefect: .*\n$/)
    assertNothingTorn(to)
    assert.equal(filesIn(to).length, count)
  } finally {
    await postgres.psql("alter database archive allow_connections true")
  }
  assert.equal((await exportTo(to)).code, 0)
  assertWhole(to)
})
