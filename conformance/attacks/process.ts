/** The command interrupted, its output closed or full, and files that it must not replace. */
import assert from "node:assert/strict"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { check } from "../support/check.ts"
import { archive, flowRunId, manyTaskRuns, temporary, uuid } from "../support/hostileArchive.ts"
import { run } from "../support/process.ts"
import { command } from "../support/served.ts"

const start = (words: ReadonlyArray<string>): ChildProcess =>
  spawn(process.execPath, [command, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOME: temporary }
  })

/** Waits until a process of the command has had time for its work, sends the signal, and gives how it ended. */
const interrupted = async (words: ReadonlyArray<string>, signal: NodeJS.Signals, wait: number) => {
  const child = start(words)
  child.stdout?.resume()
  child.stderr?.resume()
  const closed = once(child, "close")
  await sleep(wait)
  const at = performance.now()
  child.kill(signal)
  const [code, by] = await closed as [number | null, string | null]
  return { code, by, ms: performance.now() - at }
}

const large = archive("interrupted", manyTaskRuns(300_000))
const silent = createServer(() => {})
await once(silent.listen(0, "127.0.0.1"), "listening")
const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`

const cases: ReadonlyArray<readonly [words: ReadonlyArray<string>, wait: number]> = [
  [["serve", "--archive", large, "--port", "0"], 6_000],
  [["flow-run", "list", "--api", url], 4_000],
  [["task-run", "result", uuid(1), "--api", url], 4_000],
  [["flow-run", "watch", flowRunId, "--api", url], 4_000]
]
for (const [words, wait] of cases) {
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    await check(`${words.slice(0, 2).join(" ")} ends within 2 s of ${signal}, with its code`, async () => {
      const ended = await interrupted(words, signal, wait)
      assert.equal(ended.code, code, `${ended.by}`)
      assert.ok(ended.ms < 2_000, `${ended.ms} ms`)
    })
  }
}
silent.closeAllConnections()
silent.close()

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
