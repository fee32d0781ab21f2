import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { writeFileAtomic } from "../src/internal/files.ts"
import { root } from "./support.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "output-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Until something is in it. */
const appears = (folder: string) =>
  Effect.gen(function*() {
    while (readdirSync(folder).length === 0) {
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
  })

describe("a file that is written whole or not at all", () => {
  it.live("replaces what was there", () =>
    Effect.gen(function*() {
      const place = yield* folder
      const file = join(place, "out")
      writeFileSync(file, "before")
      yield* writeFileAtomic(file, "after")
      assert.deepStrictEqual(readdirSync(place), ["out"])
      assert.strictEqual(readFileSync(file, "utf8"), "after")
    }))

  it.live("interrupted while it is being written, it leaves nothing", () =>
    Effect.gen(function*() {
      const place = yield* folder
      // Written in pieces of half a megabyte, between which the interruption comes.
      const writing = yield* Effect.forkChild(writeFileAtomic(join(place, "out"), new Uint8Array(64 * 1024 * 1024)))
      yield* appears(place)
      assert.match(readdirSync(place).join(), /^out\..*\.partial$/)
      yield* Fiber.interrupt(writing)
      assert.deepStrictEqual(readdirSync(place), [])
    }))

  it.live("interrupted before it was opened, it leaves nothing", () =>
    Effect.gen(function*() {
      const place = yield* folder
      const writing = yield* Effect.forkChild(writeFileAtomic(join(place, "out"), "never"), { startImmediately: true })
      yield* Fiber.interrupt(writing)
      assert.deepStrictEqual(readdirSync(place), [])
    }))

  it.live("says what it cannot write, and leaves nothing", () =>
    Effect.gen(function*() {
      const place = yield* folder
      mkdirSync(join(place, "taken"))
      const taken = yield* Effect.flip(writeFileAtomic(join(place, "taken"), "x"))
      assert.match(taken.message, /^cannot write .*taken \(E[A-Z]+\)$/)
      assert.deepStrictEqual(readdirSync(place), ["taken"])
      const nowhere = yield* Effect.flip(writeFileAtomic(join(place, "none", "out"), "x"))
      assert.strictEqual(nowhere.message, `cannot write ${join(place, "none", "out")} (ENOENT)`)
    }))
})

it.live("Ctrl-C before the answer: exit 130, nothing said, no file", () =>
  Effect.gen(function*() {
    const place = yield* folder
    const server = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        // It takes every request and answers none.
        const server = createServer().listen(0, "127.0.0.1")
        await once(server, "listening")
        return server
      }),
      (server) =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    )
    const asked = once(server, "request")
    const child = spawn(
      process.execPath,
      [
        join(root, "packages/cli/bin/effect-prefect.js"),
        "task-run",
        "result",
        "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3",
        "--api",
        `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        "--output",
        join(place, "out")
      ],
      { env: { PATH: process.env["PATH"], HOME: "/nonexistent" } }
    )
    let said = ""
    child.stdout.on("data", (chunk: Buffer) => said += chunk.toString())
    child.stderr.on("data", (chunk: Buffer) => said += chunk.toString())
    const closed = once(child, "close")
    yield* Effect.promise(() => Promise.race([asked, closed]))
    child.kill("SIGINT")
    assert.deepStrictEqual(yield* Effect.promise(() => closed), [130, null])
    assert.strictEqual(said, "")
    assert.deepStrictEqual(readdirSync(place), [])
  }))
