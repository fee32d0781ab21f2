/** The command interrupted, its output closed or full, and files that it must not replace. */
import assert from "node:assert/strict"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { check } from "../support/check.ts"
import { archive, flowRunId, manyTaskRuns, taskRun, temporary, uuid } from "../support/hostileArchive.ts"
import { run } from "../support/process.ts"
import { command } from "../support/served.ts"

const start = (words: ReadonlyArray<string>): ChildProcess =>
  spawn(process.execPath, [command, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOME: temporary }
  })

/** Starts a process of the command, sends the signal once it is working, and returns how it ended. */
const interrupted = async (
  words: ReadonlyArray<string>,
  signal: NodeJS.Signals,
  atWork: (child: ChildProcess) => Promise<unknown>
) => {
  const child = start(words)
  let said = ""
  child.stdout?.resume()
  child.stderr?.setEncoding("utf8").on("data", (text: string) => said += text)
  const closed = once(child, "close")
  await Promise.race([atWork(child), closed])
  const at = performance.now()
  // What a fast machine has finished by now is no longer interrupted.
  const wasFinished = child.exitCode !== null
  child.kill(signal)
  const [code, by] = await closed as [number | null, string | null]
  return { code, by, said, wasFinished, ms: performance.now() - at }
}

/** A server that accepts connections and never responds, except with the version of a Prefect 3. */
const silent = createTcpServer((socket) => {
  socket.on("error", () => {})
  socket.on("data", (bytes) => {
    if (!bytes.toString("latin1").includes("/admin/version")) return asked()
    socket.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n\"3.8.0\"")
  })
})
let asked = () => {}
await once(silent.listen(0, "127.0.0.1"), "listening")
const { port } = silent.address() as AddressInfo
const url = `http://127.0.0.1:${port}`
const database = `postgresql://user:password@127.0.0.1:${port}/prefect`
Object.assign(process.env, {
  AWS_ACCESS_KEY_ID: "id",
  AWS_SECRET_ACCESS_KEY: "secret",
  AWS_REGION: "us-east-1",
  STORAGE_EMULATOR_HOST: url,
  AZURE_STORAGE_CONNECTION_STRING:
    `DefaultEndpointsProtocol=http;AccountName=account;AccountKey=a2V5;BlobEndpoint=${url}/account;`
})

const storedIn = (name: string, result: object) =>
  archive(name, { ...manyTaskRuns(1), task_run: [taskRun(1, {}, { _result: result })] })
const s3 = ["--archive", storedIn("s3", { type: "S3Result", bucket: "data", location: "key" }), "--mount", "s3://data"]
const atS3 = ["--s3-endpoint", url]
const gs = ["--archive", storedIn("gs", { type: "GCSResult", bucket: "data", location: "key" }), "--mount", "gs://data"]
const azure = [
  "--archive",
  storedIn("azure", { type: "AzureResult", container: "data", location: "key" }),
  "--mount",
  "azure://data"
]
const large = archive("interrupted", manyTaskRuns(300_000))
const place = (name: string) => join(temporary, "places", name)

/** Commands that wait for a server, of every backend, storage and place. */
const waiting: ReadonlyArray<ReadonlyArray<string>> = [
  ["flow-run", "list", "--api", url],
  ["task-run", "result", uuid(1), "--api", url],
  ["flow-run", "watch", flowRunId, "--api", url],
  ["flow-run", "list", "--prefect3", `${url}/api`],
  ["flow-run", "list", "--database", database],
  ["doctor", "--api", url],
  ["doctor", "--database", database],
  ["serve", "--port", "0", "--database", database],
  ["ui", "--port", "0", "--database", database],
  ["archive", "export", "--api", url, place("from-api")],
  ["archive", "export", "--database", database, place("from-database")],
  ["task-run", "result", uuid(1), ...s3, ...atS3],
  ["task-run", "result", uuid(1), ...gs],
  ["task-run", "result", uuid(1), ...azure],
  ["collect", "--all", ...s3, ...atS3, "--output", place("from-s3")],
  ["collect", "--all", ...s3, ...atS3, "--output", "s3://out/x"],
  ["collect", "--all", ...gs, "--output", "gs://out/x"],
  ["collect", "--all", ...azure, "--output", "azure://out/x"],
  ["collect", "--all", ...azure, "--output", `${database}?table=t`],
  ["collect", "--all", ...s3, "--cluster", database, "--output", place("cluster")],
  ["collect", "status", "s3://out/x", ...atS3],
  ["collect", "verify", "s3://out/x", ...atS3]
]
/** Commands that read a large archive: loading it, building its index, hashing it, showing it. */
const reading: ReadonlyArray<ReadonlyArray<string>> = [
  ["serve", "--archive", large, "--port", "0"],
  ["ui", "--archive", large, "--port", "0"],
  ["archive", "index", large],
  ["flow-run", "list", "--archive", large],
  ["flow-run", "results", flowRunId, "--archive", large, "--json"],
  ["collect", "--all", "--archive", large, "--output", place("from-archive")]
]
const name = (words: ReadonlyArray<string>) =>
  words.join(" ").replaceAll(temporary, "").replaceAll(String(port), "PORT").replaceAll(flowRunId, "RUN")
const signals = [["SIGINT", 130], ["SIGTERM", 143]] as const
/** Waits until a process has a file of a folder open. */
const opens = async ({ pid }: ChildProcess, folder: string): Promise<void> => {
  const isOpen = () => {
    try {
      const names = readdirSync(`/proc/${pid}/fd`)
      return names.some((name) => readlinkSync(`/proc/${pid}/fd/${name}`).startsWith(folder))
    } catch {
      // Descriptors come and go.
      return false
    }
  }
  while (!isOpen()) await sleep(20)
}
const ends = (words: ReadonlyArray<string>, which: number, atWork: (child: ChildProcess) => Promise<unknown>) => {
  const [signal, code] = signals[which % 2]!
  return check(`${name(words)} ends within 2 s of ${signal}, with its code`, async () => {
    const ended = await interrupted(words, signal, atWork)
    assert.equal(ended.code, ended.wasFinished ? 0 : code, `${ended.by} ${ended.said}`)
    assert.ok(ended.ms < 2_000, `${ended.ms} ms`)
  })
}
for (const [which, words] of waiting.entries()) {
  await ends(words, which, () =>
    new Promise<void>((resolve) => {
      asked = () => setTimeout(resolve, 300)
    }))
}
for (const words of reading) {
  for (const which of [0, 1]) {
    await ends(words, which, async (child) => {
      await opens(child, large)
      await sleep(200 + 600 * which)
    })
  }
}
silent.close()

await check("an index that was interrupted leaves nothing beside the tables", () => {
  const left = readdirSync(large).filter((name) => name !== "mounts.json" && name !== "tables").toSorted()
  // Or a whole one, by a command that a fast machine had finished.
  if (left.length > 0) assert.deepEqual(left, ["index.json", "index.sqlite"])
})
await check("a second Ctrl-C ends at once what waits for the end of a request", async () => {
  const child = start(["serve", "--port", "0", "--archive", archive("second", manyTaskRuns(1))])
  child.stderr?.resume()
  const closed = once(child, "close")
  let said = ""
  for await (const text of child.stdout!.setEncoding("utf8")) {
    said += text
    if (said.includes("Ctrl-C")) break
  }
  const socket = connect(Number(/:(\d+) \(/.exec(said)?.[1]), "127.0.0.1")
  socket.on("error", () => {})
  socket.write(
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
  )
  await sleep(1_000)
  child.kill("SIGINT")
  await sleep(1_000)
  assert.equal(child.exitCode, null, "it did not wait for the request")
  const at = performance.now()
  child.kill("SIGINT")
  const [code] = await closed as [number | null]
  assert.equal(code, 130)
  assert.ok(performance.now() - at < 2_000)
  socket.destroy()
})

const files = join(temporary, "files")
mkdirSync(files)
const small = archive("small", manyTaskRuns(1), { "/srv/x": "stored" })
mkdirSync(join(small, "stored"))
writeFileSync(join(small, "stored", "1"), "1")
const result = (output: string) =>
  run(process.execPath, [command, "task-run", "result", uuid(1), "--archive", small, "--json", "--output", output], {
    allowFailure: true,
    env: { HOME: temporary }
  })

await check("--output keeps the mode of a file, and the link to it", async () => {
  const target = join(files, "target")
  writeFileSync(target, "before")
  chmodSync(target, 0o600)
  symlinkSync(target, join(files, "link"))
  assert.equal((await result(join(files, "link"))).code, 0)
  assert.ok(lstatSync(join(files, "link")).isSymbolicLink())
  assert.equal(readFileSync(target, "utf8").trim(), "1")
  assert.equal(statSync(target).mode & 0o777, 0o600)
})
await check("--output writes into a pipe that has a name", async () => {
  const pipe = join(files, "pipe")
  execFileSync("mkfifo", [pipe])
  const reader = spawn("cat", [pipe], { stdio: ["ignore", "pipe", "ignore"] })
  let got = ""
  reader.stdout.setEncoding("utf8").on("data", (text: string) => got += text)
  const closed = once(reader, "close")
  assert.equal((await result(pipe)).code, 0)
  await closed
  assert.equal(got.trim(), "1")
  assert.ok(lstatSync(pipe).isFIFO())
})
await check("--output leaves a device a device", async () => {
  if (process.getuid?.() === 0) {
    const device = join(files, "null")
    execFileSync("mknod", [device, "c", "1", "3"])
    assert.equal((await result(device)).code, 0)
    assert.ok(statSync(device).isCharacterDevice())
    rmSync(device)
  }
  assert.ok((await result("/dev/full")).code === 1)
  assert.ok(statSync("/dev/full").isCharacterDevice())
})
await check("a reader that closes standard output ends the command quietly", async () => {
  const folder = archive("closed", manyTaskRuns(5_000))
  const child = start(["flow-run", "task-runs", flowRunId, "--archive", folder, "--json"])
  let said = ""
  child.stderr?.setEncoding("utf8").on("data", (text: string) => said += text)
  await once(child.stdout!, "data")
  child.stdout?.destroy()
  const [code] = await once(child, "close") as [number | null]
  assert.equal(code, 0)
  assert.equal(said, "")
  assert.ok(!existsSync(join(temporary, "core")))
})
