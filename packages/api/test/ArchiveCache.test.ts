import * as ArchiveCache from "@effect-prefect/api/ArchiveCache"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"

const kind = { name: "made", version: "1" }

it.live("what is kept is used for the tables that it was made of, and for no others", () =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "cache-"))),
      (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
    )
    const directory = join(folder, "archive")
    const cache = join(folder, "cache")
    fs.mkdirSync(join(directory, "tables"), { recursive: true })
    const table = join(directory, "tables/flow.jsonl")
    fs.writeFileSync(table, "{}\n")
    yield* Effect.promise(() => setTimeout(20))
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
