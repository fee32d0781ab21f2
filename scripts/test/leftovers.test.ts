import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { boundCache, endLeftovers } from "../leftovers.mjs"

describe.runIf(existsSync("/proc/self/environ"))("the end of a run", () => {
  it("fails when a process is left behind, and ends that one alone", async () => {
    const start = (mark: string) =>
      spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], {
        stdio: "ignore",
        detached: true,
        env: { EFFECT_PREFECT_TEST_RUN: mark }
      })
    const left = start("here")
    const other = start("elsewhere")
    try {
      const ended = once(left, "exit")
      const error = await endLeftovers("here", 0).then(() => undefined, (error: unknown) => error as Error)
      assert.include(error?.message, `${left.pid} `)
      assert.notInclude(error?.message, `${other.pid} `)
      assert.deepStrictEqual(await ended, [null, "SIGKILL"])
      assert.isNull(other.exitCode)
      assert.isNull(other.signalCode)
      await endLeftovers("here", 0)
    } finally {
      left.kill("SIGKILL")
      other.kill("SIGKILL")
    }
  })
})

describe("the compile cache of the tests", () => {
  it("begins anew for the version of Node that has too many entries", () => {
    const cache = mkdtempSync(join(tmpdir(), "compiled-"))
    try {
      for (const [version, entries] of [["v22", 2], ["v24", 3]] as const) {
        mkdirSync(join(cache, version))
        for (let entry = 0; entry < entries; entry++) writeFileSync(join(cache, version, String(entry)), "")
      }
      boundCache(cache, 2)
      assert.deepStrictEqual(readdirSync(cache), ["v22"])
      assert.strictEqual(readdirSync(join(cache, "v22")).length, 2)
      boundCache(join(cache, "none"), 2)
    } finally {
      rmSync(cache, { recursive: true })
    }
  })
})
