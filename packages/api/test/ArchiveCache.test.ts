import * as ArchiveCache from "@effect-prefect/api/ArchiveCache"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"

const kind = { name: "made", version: "1" }

/** An archive of one table, written a moment ago, and a folder for a cache. */
const folders = Effect.gen(function*() {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "cache-"))),
    (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
  )
  const directory = join(folder, "archive")
  const table = join(directory, "tables/flow.jsonl")
  fs.mkdirSync(join(directory, "tables"), { recursive: true })
  fs.writeFileSync(table, "{}\n")
  yield* Effect.promise(() => setTimeout(20))
  return { folder, directory, table, cache: join(folder, "cache") }
})

it.live("what is kept is used for the tables that it was made of, and for no others", () =>
  Effect.gen(function*() {
    const { cache, directory, table } = yield* folders
    const find = Effect.map(ArchiveCache.find(directory, kind, cache), (found) =>
      Option.getOrUndefined(Option.map(found, ({ notes, path }) => [fs.readFileSync(path, "utf8"), notes])))
    const keep = (text: string, since: number) =>
      ArchiveCache.keep(directory, kind, async (path) =>
        fs.writeFileSync(path, text), { since, notes: { text }, cache })

    assert.isUndefined(yield* find)
    // The tables are newer than what was made of them.
    assert.isFalse(yield* keep("one", 0))
    assert.isTrue(yield* keep("one", Date.now()))
    assert.deepStrictEqual(yield* find, ["one", { text: "one" }])
    assert.isTrue(Option.isNone(yield* ArchiveCache.find(directory, { ...kind, version: "2" }, cache)))
    assert.isTrue(Option.isNone(yield* ArchiveCache.find(directory, { ...kind, name: "other" }, cache)))

    const { atime, mtime } = fs.statSync(table)
    fs.writeFileSync(table, "[]\n")
    fs.utimesSync(table, atime, mtime)
    assert.isUndefined(yield* find)
    fs.writeFileSync(table, "{}\n")
    assert.deepStrictEqual(yield* find, ["one", { text: "one" }])
    const [file] = fs.readdirSync(cache, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".data"))
    fs.writeFileSync(join(cache, file!), "two")
    assert.isUndefined(yield* find)
    assert.isFalse(
      yield* ArchiveCache.keep(directory, kind, () => Promise.reject(new Error("full")), {
        since: Date.now(),
        cache
      })
    )
    assert.isTrue(yield* keep("three", Date.now()))
    assert.deepStrictEqual(yield* find, ["three", { text: "three" }])
    fs.writeFileSync(join(directory, "tables/log.jsonl"), "")
    assert.isUndefined(yield* find)
  }))

it.live.skipIf(process.getuid?.() === undefined)(
  "a cache to which others may have written is neither used nor written",
  () =>
    Effect.gen(function*() {
      const { cache, directory, folder } = yield* folders
      const told: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void told.push(String(message)))])
      const find = Effect.provide(ArchiveCache.find(directory, kind, cache), logger)
      const keep = ArchiveCache.keep(directory, kind, async (path) => fs.writeFileSync(path, "one"), {
        since: Date.now(),
        cache
      })
      assert.isTrue(yield* keep)
      assert.isTrue(Option.isSome(yield* find))
      const own = join(cache, fs.readdirSync(cache)[0]!)
      const elsewhere = join(folder, "elsewhere")
      const cases: Record<string, readonly [make: () => void, undo: () => void]> = {
        "others may write to it": [() => fs.chmodSync(own, 0o777), () => fs.chmodSync(own, 0o700)],
        "it is a link or no folder": [
          () => {
            fs.renameSync(own, elsewhere)
            fs.symlinkSync(elsewhere, own)
          },
          () => {
            fs.rmSync(own)
            fs.renameSync(elsewhere, own)
          }
        ],
        ...process.getuid!() === 0
          ? {
            "it belongs to another user": [() => fs.chownSync(own, 12_345, 0), () => fs.chownSync(own, 0, 0)] as const
          }
          : {}
      }
      for (const [problem, [make, undo]] of Object.entries(cases)) {
        make()
        const before = fs.readdirSync(own).toSorted()
        assert.isTrue(Option.isNone(yield* find), problem)
        assert.deepStrictEqual(told.splice(0), [`the cache ${own} is not used, because ${problem}: remove it`])
        assert.isFalse(yield* keep, problem)
        assert.deepStrictEqual(fs.readdirSync(own).toSorted(), before)
        undo()
        assert.isTrue(Option.isSome(yield* find), problem)
      }
      assert.deepStrictEqual(told, [])
      // A link in the place of a file of it is replaced, and a cut one.
      const file = join(own, "made.data")
      const link = () => {
        fs.rmSync(file)
        fs.symlinkSync("/dev/zero", file)
      }
      for (const make of [link, () => fs.truncateSync(file, 1)]) {
        make()
        assert.isTrue(Option.isNone(yield* find))
        assert.isTrue(yield* keep)
        assert.isTrue(Option.isSome(yield* find))
        assert.strictEqual(fs.readFileSync(file, "utf8"), "one")
      }
    })
)
