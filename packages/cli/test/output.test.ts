import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { execFileSync } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { readFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { writeFile } from "../src/internal/files.ts"
import { root, start } from "./support.ts"

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
      yield* writeFile(file, Stream.make("af", "ter"))
      assert.deepStrictEqual(readdirSync(place), ["out"])
      assert.strictEqual(readFileSync(file, "utf8"), "after")
    }))

  it.live("interrupted while it is being written, it leaves nothing", () =>
    Effect.gen(function*() {
      const place = yield* folder
      // Written in pieces of half a megabyte, between which the interruption comes.
      const writing = yield* Effect.forkChild(
        writeFile(join(place, "out"), Stream.make(new Uint8Array(64 * 1024 * 1024)))
      )
      yield* appears(place)
      assert.match(readdirSync(place).join(), /^\.out\..*\.partial$/)
      yield* Fiber.interrupt(writing)
      assert.deepStrictEqual(readdirSync(place), [])
    }))

  it.live("interrupted before it was opened, it leaves nothing", () =>
    Effect.gen(function*() {
      const place = yield* folder
      const writing = yield* Effect.forkChild(writeFile(join(place, "out"), Stream.make("never")), {
        startImmediately: true
      })
      yield* Fiber.interrupt(writing)
      assert.deepStrictEqual(readdirSync(place), [])
    }))

  it.live("says what it cannot write, and leaves nothing", () =>
    Effect.gen(function*() {
      const place = yield* folder
      mkdirSync(join(place, "taken"))
      const taken = yield* Effect.flip(writeFile(join(place, "taken"), Stream.make("x")))
      assert.match(taken.message, /^cannot write .*taken \(it is a folder\)$/)
      assert.deepStrictEqual(readdirSync(place), ["taken"])
      const nowhere = yield* Effect.flip(writeFile(join(place, "none", "out"), Stream.make("x")))
      assert.strictEqual(nowhere.message, `cannot write ${join(place, "none", "out")} (its folder does not exist)`)
    }))
})

describe("a file that is there already", () => {
  it.live("keeps its mode, and a link to it stays a link", () =>
    Effect.gen(function*() {
      const place = yield* folder
      const file = join(place, "file")
      const link = join(place, "link")
      writeFileSync(file, "before", { mode: 0o640 })
      chmodSync(file, 0o640)
      symlinkSync("file", link)
      yield* writeFile(link, Stream.make("after"))
      assert.isTrue(lstatSync(link).isSymbolicLink())
      assert.strictEqual(readFileSync(file, "utf8"), "after")
      assert.strictEqual(statSync(file).mode & 0o777, 0o640)
      assert.sameMembers(readdirSync(place), ["file", "link"])
    }))

  it.live("that fails half way is as it was", () =>
    Effect.gen(function*() {
      const place = yield* folder
      const file = join(place, "file")
      writeFileSync(file, "before")
      const error = yield* Effect.flip(writeFile(file, Stream.concat(Stream.make("half"), Stream.fail("no"))))
      assert.strictEqual(error, "no")
      assert.strictEqual(readFileSync(file, "utf8"), "before")
      assert.deepStrictEqual(readdirSync(place), ["file"])
    }))

  it.live("through a link to nothing it is made where the link points", () =>
    Effect.gen(function*() {
      const place = yield* folder
      symlinkSync("made", join(place, "link"))
      yield* writeFile(join(place, "link"), Stream.make("x"))
      assert.strictEqual(readFileSync(join(place, "made"), "utf8"), "x")
    }))

  it.live("a device and a pipe are written through and stay what they are", () =>
    Effect.gen(function*() {
      yield* writeFile("/dev/null", Stream.make("x"))
      assert.isTrue(statSync("/dev/null").isCharacterDevice())
      const place = yield* folder
      const fifo = join(place, "fifo")
      execFileSync("mkfifo", [fifo])
      const reading = Effect.promise(() => readFile(fifo, "utf8"))
      const [text] = yield* Effect.all([reading, writeFile(fifo, Stream.make("a", "b"))], { concurrency: 2 })
      assert.strictEqual(text, "ab")
      assert.isTrue(statSync(fifo).isFIFO())
    }))

  it.live("a full device is an error of one line, and stays a device", () =>
    Effect.gen(function*() {
      const full = yield* Effect.flip(writeFile("/dev/full", Stream.make("x")))
      assert.strictEqual(full.message, "cannot write /dev/full (the disk is full)")
      assert.isTrue(statSync("/dev/full").isCharacterDevice())
    }))
})

describe("standard output", () => {
  const archive = join(root, "fixtures/prefect-1")
  for (
    const args of [
      ["--help"],
      ["flow", "list", "--help"],
      [],
      ["--version"],
      ["--completions", "bash"],
      ["flow", "list", "--archive", archive],
      ["flow", "list", "--archive", archive, "--json"]
    ]
  ) {
    const started = (output: "pipe" | number) =>
      Effect.acquireRelease(
        Effect.sync(() => start(args, {}, output)),
        (child) => Effect.promise(() => child[Symbol.asyncDispose]())
      )
    const command = ["effect-prefect", ...args].join(" ").replace(root, "")

    it.live(`that cannot be written ends \`${command}\` with exit code 1 and a line`, () =>
      Effect.gen(function*() {
        const full = yield* Effect.acquireRelease(
          Effect.sync(() => openSync("/dev/full", "w")),
          (full) => Effect.sync(() => closeSync(full))
        )
        const child = yield* started(full)
        assert.strictEqual(yield* Effect.promise(() => child.closed), 1)
        assert.strictEqual(
          child.said.stderr,
          "effect-prefect: cannot write standard output (the disk is full)\n"
        )
      }))

    it.live(`that its reader closed ends \`${command}\` quietly`, () =>
      Effect.gen(function*() {
        const child = yield* started("pipe")
        child.closeOutput()
        assert.strictEqual(yield* Effect.promise(() => child.closed), 0)
        assert.strictEqual(child.said.stderr, "")
      }))
  }
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
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const run = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => start(["task-run", "result", run, "--api", url, "--output", join(place, "out")])),
      (child) => Effect.promise(() => child[Symbol.asyncDispose]())
    )
    yield* Effect.promise(() => Promise.race([asked, child.closed]))
    child.kill("SIGINT")
    assert.strictEqual(yield* Effect.promise(() => child.closed), 130)
    assert.deepStrictEqual(child.said, { stdout: "", stderr: "" })
    assert.deepStrictEqual(readdirSync(place), [])
  }))
