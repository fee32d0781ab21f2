/** One file of a folder: limits at their exact value, memory that is asked for, and reading in parts. */
import type { StorageReason } from "@effect-prefect/results/ResultError"
import { ResultTooLarge } from "@effect-prefect/results/ResultError"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as fs from "node:fs"
import { createRequire, syncBuiltinESMExports } from "node:module"
import { join } from "node:path"
import { type Folder, openFileParts, readFile } from "../src/internal/local/readFile.ts"
import { temporaryFolder } from "./support/temporaryFolder.ts"

/** Twice: the first read of a folder looks its real path up. */
const twice = [1, 2] as const
const patterned = (size: number) => Uint8Array.from({ length: size }, (_, at) => (at * 7 + (at >> 8)) % 251)
const read = (
  folder: Folder,
  name: string,
  maxBytes = 1_000_000,
  reserve?: Parameters<typeof readFile>[3]["reserve"]
) => readFile(folder, name, "place", { maxBytes, ...(reserve === undefined ? {} : { reserve }) } as never, "remedy")
const reasonOf = <A>(effect: Effect.Effect<A, StorageReason>) =>
  Effect.map(Effect.flip(effect), (reason) => ({ ...reason }) as Record<string, unknown>)
const openOnes = (below: string) =>
  fs.readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(below)
    } catch {
      return false
    }
  }).length

describe("a file", () => {
  it.live("has all its bytes, whatever its size", () =>
    Effect.gen(function*() {
      const path = yield* temporaryFolder
      const folder: Folder = { path }
      for (const size of [0, 1, 32_767, 32_768, 32_769, 65_536, 300_000]) {
        const bytes = patterned(size)
        fs.writeFileSync(join(path, `${size}`), bytes)
        for (const _ of twice) {
          const found = yield* read(folder, `${size}`)
          assert.isTrue(Buffer.from(found).equals(bytes), `${size}`)
        }
      }
    }))

  it.effect("is opened again while too many others are open, and the reason says what to do when they stay open", () =>
    Effect.gen(function*() {
      const path = yield* temporaryFolder
      const folder: Folder = { path }
      fs.writeFileSync(join(path, "file"), "content")
      yield* Effect.promise(() => Effect.runPromise(read(folder, "file")))
      const calls = createRequire(import.meta.url)("node:fs") as { openSync: unknown; open: unknown }
      const { open, openSync } = calls
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          Object.assign(calls, { open, openSync })
          syncBuiltinESMExports()
        })
      )
      for (const code of ["EMFILE", "ENFILE"]) {
        let left = 0
        const failing = () => Object.assign(new Error(), { code })
        calls.openSync = (...args: ReadonlyArray<unknown>) => {
          if (left-- > 0) throw failing()
          return (openSync as (...args: ReadonlyArray<unknown>) => unknown)(...args)
        }
        calls.open = (...args: ReadonlyArray<unknown>) => {
          if (left-- > 0) return void (args.at(-1) as (error: Error) => void)(failing())
          return (open as (...args: ReadonlyArray<unknown>) => unknown)(...args)
        }
        syncBuiltinESMExports()
        left = 3
        assert.strictEqual(new TextDecoder().decode(yield* read(folder, "file")), "content")
        left = Infinity
        const reason = yield* reasonOf(read(folder, "file"))
        left = 0
        assert.include(reason["detail"], `failed with ${code}: too many files are open; raise the limit`)
      }
      assert.strictEqual(openOnes(path), 0)
    }))

  it.live("is read, or refused, the same when many are the first of their folder", () =>
    Effect.gen(function*() {
      const path = yield* temporaryFolder
      const outside = yield* temporaryFolder
      fs.writeFileSync(join(outside, "other"), "other")
      fs.writeFileSync(join(path, "good"), "good")
      fs.symlinkSync("good", join(path, "link"))
      fs.symlinkSync(join(outside, "other"), join(path, "leads-out"))
      fs.mkdirSync(join(path, "folder"))
      const names = ["missing", "good", "link", "leads-out", "folder", "good"]
      const told = (folder: Folder) => (name: string) =>
        Effect.match(read(folder, name), {
          onSuccess: (bytes) => new TextDecoder().decode(bytes),
          onFailure: (reason) => reason._tag
        })
      const expected = ["ResultNotFound", "good", "good", "ResultAccessDenied", "ResultAccessDenied", "good"]
      for (let first = 0; first < names.length; first++) {
        const order = [...names.slice(first), ...names.slice(0, first)]
        const folder: Folder = { path }
        const found = yield* Effect.forEach(order, told(folder), { concurrency: names.length })
        assert.deepStrictEqual(found, [...expected.slice(first), ...expected.slice(0, first)])
        const nowhere = yield* Effect.forEach(order, told({ path: join(path, "nowhere") }), {
          concurrency: names.length
        })
        assert.deepStrictEqual(nowhere, names.map(() => "ResultNotFound"))
        const within = yield* Effect.forEach(order, told({ path, within: outside }), { concurrency: names.length })
        assert.deepStrictEqual(within, names.map(() => "ResultAccessDenied"))
      }
      if (process.platform === "linux") assert.strictEqual(openOnes(path) + openOnes(outside), 0)
    }))

  it.live("of the limit is read, of one byte more is refused with its size", () =>
    Effect.gen(function*() {
      const path = yield* temporaryFolder
      const folder: Folder = { path }
      for (const size of [1, 100, 40_000]) {
        fs.writeFileSync(join(path, `${size}`), patterned(size))
        for (const _ of twice) {
          assert.lengthOf(yield* read(folder, `${size}`, size), size)
          assert.deepInclude(yield* reasonOf(read(folder, `${size}`, size - 1)), {
            _tag: "ResultTooLarge",
            limit: size - 1,
            unit: "bytes",
            size
          })
        }
      }
      if (process.platform === "linux") assert.strictEqual(openOnes(path), 0)
    }))

  it.live("is read as it is when its memory is granted: longer, but never cut off", () =>
    Effect.gen(function*() {
      const path = yield* temporaryFolder
      const folder: Folder = { path }
      const changed = (size: number) =>
        Effect.suspend(() => {
          fs.writeFileSync(join(path, "a"), patterned(100))
          return read(folder, "a", 1_000_000, (_, done) => {
            fs.writeFileSync(join(path, "a"), patterned(size))
            done(undefined)
            return () => {}
          })
        })
      for (const _ of twice) {
        for (const size of [100, 101, 200, 100_000]) {
          assert.isTrue(Buffer.from(yield* changed(size)).equals(patterned(size)), `${size}`)
        }
        assert.deepInclude(yield* reasonOf(changed(50)), {
          _tag: "StorageUnavailable",
          detail: "it was truncated from 100 to 50 bytes while being read"
        })
      }
    }))

  it.live("may be a link inside of its folder, also where names must be exact", () =>
    Effect.gen(function*() {
      const path = yield* temporaryFolder
      fs.writeFileSync(join(path, "file"), "x")
      fs.symlinkSync("file", join(path, "link"))
      const folder: Folder = { path, isExact: true }
      for (const _ of twice) assert.lengthOf(yield* read(folder, "link"), 1)
    }))

  it.live.runIf(process.platform === "linux")("that cannot be read says so", () =>
    Effect.gen(function*() {
      // Nothing is mapped at the start of a process's memory.
      const folder: Folder = { path: `/proc/${process.pid}` }
      for (const _ of twice) {
        assert.include((yield* reasonOf(read(folder, "mem")))["detail"], "failed with EIO")
      }
      const parts = Effect.flatMap(openFileParts(folder, "mem", "place", "remedy"), (one) => one.read(0, 10))
      assert.deepInclude(yield* reasonOf(Effect.scoped(parts)), {
        _tag: "StorageUnavailable",
        detail: "it failed with EIO"
      })
    }))

  it.live("asks for as much memory as it has bytes, and is not read without", () =>
    Effect.gen(function*() {
      const path = yield* temporaryFolder
      const folder: Folder = { path }
      fs.writeFileSync(join(path, "a"), patterned(100))
      for (const _ of twice) {
        const asked: Array<number> = []
        const granted = yield* read(folder, "a", 100, (bytes, done) => {
          asked.push(bytes)
          done(undefined)
          return () => {}
        })
        assert.lengthOf(granted, 100)
        const later = yield* read(folder, "a", 100, (bytes, done) => {
          asked.push(bytes)
          queueMicrotask(() => done(undefined))
          return () => {}
        })
        assert.lengthOf(later, 100)
        const refusal = new ResultTooLarge({ limit: 7, unit: "memory", size: 100 })
        const refused = yield* Effect.flip(read(folder, "a", 100, (bytes, done) => {
          asked.push(bytes)
          done(refusal)
          return () => {}
        }))
        assert.strictEqual(refused, refusal)
        assert.deepStrictEqual(asked, [100, 100, 100])
      }
      // One that is too large asks for nothing.
      yield* Effect.flip(read(folder, "a", 99, () => assert.fail("asked")))
    }))

  it.live("is closed when its reader gives up while it waits for memory", () =>
    Effect.gen(function*() {
      const path = yield* temporaryFolder
      const folder: Folder = { path }
      fs.writeFileSync(join(path, "a"), patterned(100))
      for (const _ of twice) {
        let cancelled = 0
        const waiting = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(read(folder, "a", 100, () => {
          queueMicrotask(() => Deferred.doneUnsafe(waiting, Effect.void))
          return () => void cancelled++
        }))
        yield* Deferred.await(waiting)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(cancelled, 1)
        if (process.platform === "linux") assert.strictEqual(openOnes(path), 0)
      }
    }))

  it.live.runIf(process.platform === "linux")(
    "that does not know its size is read up to the limit",
    () =>
      Effect.gen(function*() {
        const folder: Folder = { path: `/proc/${process.pid}` }
        assert.strictEqual(fs.statSync(`${folder.path}/maps`).size, 0)
        for (const _ of twice) {
          const found = yield* read(folder, "maps", 100_000_000)
          assert.isAbove(found.length, 4_096)
          assert.deepInclude(yield* reasonOf(read(folder, "maps", 4_096)), { _tag: "ResultTooLarge", limit: 4_096 })
        }
      })
  )

  it.live("that is none says why", () =>
    Effect.gen(function*() {
      const path = yield* temporaryFolder
      const folder: Folder = { path }
      fs.writeFileSync(join(path, "file"), "x")
      fs.mkdirSync(join(path, "folder"))
      fs.symlinkSync("loop", join(path, "loop"))
      fs.symlinkSync("/etc/hostname", join(path, "out"))
      for (const _ of twice) {
        for (const name of ["nothing", "file/x", "x".repeat(300)]) {
          assert.deepInclude(yield* reasonOf(read(folder, name)), { _tag: "ResultNotFound", detail: "remedy" }, name)
        }
        assert.deepInclude(yield* reasonOf(read(folder, "folder")), {
          _tag: "ResultAccessDenied",
          detail: "it is a directory"
        })
        assert.deepInclude(yield* reasonOf(read(folder, "loop")), { _tag: "ResultAccessDenied", location: "place" })
        assert.include((yield* reasonOf(read(folder, "out")))["detail"], "a symbolic link leads out of")
        yield* read(folder, "file")
      }
      const gone: Folder = { path: join(path, "gone") }
      assert.include((yield* reasonOf(read(gone, "x")))["detail"], "does not exist")
      const inside: Folder = { path: join(path, "folder"), within: path }
      assert.deepInclude(yield* reasonOf(read(inside, "x")), { _tag: "ResultNotFound", detail: "remedy" })
      const outside: Folder = { path, within: join(path, "folder") }
      assert.include((yield* reasonOf(read(outside, "file")))["detail"], "is outside of")
    }))
})

describe("a file in parts", () => {
  it.live("gives any of its bytes, and is closed with its scope", () =>
    Effect.gen(function*() {
      const path = yield* temporaryFolder
      const bytes = patterned(1_000)
      fs.writeFileSync(join(path, "a"), bytes)
      yield* Effect.scoped(Effect.gen(function*() {
        const parts = yield* openFileParts({ path }, "a", "place", "remedy")
        assert.strictEqual(parts.size, 1_000)
        for (const [offset, length] of [[0, 1_000], [10, 20], [999, 1], [0, 1]] as const) {
          const part = yield* parts.read(offset, length)
          assert.deepStrictEqual([...part], [...bytes.subarray(offset, offset + length)])
        }
        assert.include((yield* reasonOf(parts.read(990, 11)))["detail"], "changed while it was read")
      }))
      const reason = yield* reasonOf(Effect.scoped(openFileParts({ path }, "b", "place", "remedy")))
      assert.deepInclude(reason, { _tag: "ResultNotFound", detail: "remedy" })
    }))

  it.live("is refused when it was changed since, in its size or its time", () =>
    Effect.gen(function*() {
      const path = yield* temporaryFolder
      const file = join(path, "a")
      for (
        const change of [
          () => fs.appendFileSync(file, "x"),
          () => fs.utimesSync(file, 1, 1),
          () => fs.truncateSync(file, 50)
        ]
      ) {
        fs.writeFileSync(file, patterned(100))
        const found = yield* Effect.scoped(Effect.gen(function*() {
          const parts = yield* openFileParts({ path }, "a", "place", "remedy")
          yield* parts.read(0, 10)
          change()
          return yield* reasonOf(parts.read(0, 10))
        }))
        assert.deepInclude(found, { _tag: "StorageUnavailable", detail: "it was changed while it was read" })
      }
    }))
})
