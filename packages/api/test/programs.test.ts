import * as Network from "@effect-prefect/api/Network"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { exec, execFileSync, spawn } from "node:child_process"
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, truncateSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll } from "vitest"

const folder = mkdtempSync(join(tmpdir(), "programs-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let programs = 0
/** A program that starts another and waits for it for ever, and a promise of the number of that one. */
const hanging = () => {
  const file = join(folder, String(programs++))
  const started = async (): Promise<number> => {
    for (;;) {
      const text = (() => {
        try {
          return readFileSync(file, "utf8")
        } catch {
          return ""
        }
      })()
      if (text.endsWith("\n")) return Number(text)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const use = () => promisify(exec)(`sleep 600 & echo $! > ${file}; wait`)
  return { file, use, started }
}

const isRunning = (pid: number): boolean => {
  try {
    // One that has ended may wait for whoever started it.
    return !/^\d+ \(sleep\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}
/** Whether the command of a process has a text. */
const isNamed = (text: string): boolean =>
  readdirSync("/proc").some((pid) => {
    try {
      return readFileSync(`/proc/${Number(pid)}/cmdline`, "utf8").includes(text)
    } catch {
      return false
    }
  })
const gone = async (pid: number): Promise<void> => {
  while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 5))
}

describe.skipIf(process.platform !== "linux")("programs that give credentials", () => {
  it("end at the limit, with those that they started", async () => {
    const { started, use } = hanging()
    const ended = Network.withPrograms(use, { millis: 300 }).then(() => undefined, (error: unknown) => error)
    const pid = await started()
    assert.isTrue(Network.isProgramTimeout(await ended))
    await gone(pid)
  })

  it("end with the signal", async () => {
    const { started, use } = hanging()
    const controller = new AbortController()
    const ended = Network.withPrograms(use, { signal: controller.signal }).then(
      () => undefined,
      (error: Error) => error
    )
    const pid = await started()
    controller.abort()
    assert.strictEqual((await ended)?.name, "AbortError")
    await gone(pid)
  })

  it("end when they are started after the signal", async () => {
    const [first, second] = [hanging(), hanging()]
    const controller = new AbortController()
    const ended = Network.withPrograms(() => first.use().catch(second.use), { signal: controller.signal }).catch(
      () => {}
    )
    await first.started()
    controller.abort()
    await ended
    // It may be ended before it has started its own.
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.isFalse(isNamed(second.file))
  })

  it("serve all that wait for them, and end when the last of these leaves", async () => {
    const { started, use } = hanging()
    let runs = 0
    const shared = Network.sharedPrograms(() => {
      runs++
      return use()
    })
    const [first, second] = [new AbortController(), new AbortController()]
    const ends = [first, second].map(({ signal }) => shared(signal).catch((error: Error) => error.name))
    const pid = await started()
    first.abort()
    assert.strictEqual(await ends[0], "AbortError")
    assert.isTrue(isRunning(pid))
    second.abort()
    await gone(pid)
    assert.strictEqual(await ends[1], "AbortError")
    assert.strictEqual(runs, 1)
  })

  it("leave programs of others alone, and give what they say", async () => {
    const { started, use } = hanging()
    const controller = new AbortController()
    const other = spawn("sleep", ["600"])
    const ended = Network.withPrograms(use, { signal: controller.signal }).catch(() => {})
    await gone(await started().then((pid) => (controller.abort(), pid)))
    await ended
    assert.isNull(other.exitCode)
    assert.isNull(other.signalCode)
    other.kill("SIGKILL")
    const { stdout } = await Network.withPrograms(() => promisify(exec)("echo yes"))
    assert.strictEqual(stdout, "yes\n")
  })
})

describe("files that an SDK reads whole", () => {
  const check = (path: string) =>
    Effect.provideService(
      Effect.match(Network.checkFiles("OTHER", "AWS_CONFIG_FILE"), {
        onSuccess: () => "fine",
        onFailure: ({ message }) => message
      }),
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnv({ env: { AWS_CONFIG_FILE: path } })
    )

  it.effect.skipIf(process.platform === "win32")("are regular files, and not too large", () =>
    Effect.gen(function*() {
      const fifo = join(folder, "fifo")
      execFileSync("mkfifo", [fifo])
      const large = join(folder, "large")
      closeSync(openSync(large, "w"))
      truncateSync(large, 2 ** 40)
      const refused = "AWS_CONFIG_FILE: it names no regular file: give the path of one"
      for (const path of [fifo, "/dev/zero", folder]) assert.strictEqual(yield* check(path), refused)
      assert.strictEqual(yield* check(large), "AWS_CONFIG_FILE: the file that it names has more than 16777216 bytes")
      for (const path of ["", "/dev/null", "/none/of/this/name", import.meta.filename]) {
        assert.strictEqual(yield* check(path), "fine")
      }
    }))
})
