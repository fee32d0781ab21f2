import type { CollectError } from "@effect-prefect/collect/CollectError"
import * as CollectOutput from "@effect-prefect/collect/CollectOutput"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { make, type ObjectStore } from "../src/internal/objectOutput.ts"
import { outputContract } from "./outputContract.ts"

const folders: Array<string> = []
const folder = () => {
  const path = fs.mkdtempSync(join(tmpdir(), "effect-prefect-collect-"))
  folders.push(path)
  return path
}
afterAll(() => {
  for (const path of folders) fs.rmSync(path, { recursive: true, force: true })
})

outputContract("memory", () => Effect.sync(() => CollectOutput.layerMemory()))
outputContract("a local folder", () => Effect.sync(() => CollectOutput.layerLocal(join(folder(), "new", "table"))))

describe("a local folder", () => {
  it.effect("of a relative path of very many .. is found in linear time, as the absolute path that it is", () =>
    Effect.gen(function*() {
      const directory = join(folder(), "table")
      // As a relative path it is longer than any system takes.
      const output = CollectOutput.layerLocal("../".repeat(27_000) + directory.slice(1))
      yield* Effect.provide(Effect.flatMap(CollectOutput.CollectOutput, (_) => _.prepare("job")), output)
      assert.isTrue(fs.statSync(directory).isDirectory())
    }))
})

describe("a bucket", () => {
  it.live("that sends a record without an end is read no further than its limit, and a part to its digest", () => {
    let ended = 0
    const store: ObjectStore = {
      name: "s3://data",
      conditionHint: "",
      create: () => Promise.resolve(true),
      read: async function*(key) {
        if (key.endsWith("missing")) throw new Error("none")
        try {
          const megabyte = Buffer.alloc(2 ** 20)
          for (let chunk = 0; key.startsWith("_") || chunk < 8; chunk++) yield megabyte
        } finally {
          ended++
        }
      },
      isMissing: (error) => error instanceof Error && error.message === "none",
      list: async function*() {},
      remove: () => Promise.resolve()
    }
    return Effect.gen(function*() {
      const output = make(store, "")
      const why = (name: string) => Effect.map(Effect.flip(output.read(name)), ({ message }) => message)
      assert.include(yield* why("_plan.json"), "more than 268435456 bytes")
      assert.include(yield* why("_records/part-000001.json"), "more than 16777216 bytes")
      assert.strictEqual(ended, 2)
      assert.strictEqual((yield* output.digest("part-000001.parquet"))?.bytes, 2 ** 23)
      assert.isUndefined(yield* output.read("missing"))
      assert.isUndefined(yield* output.digest("missing"))
    })
  })
})

describe("a bucket whose listing has no end", () => {
  const listing = (list: ObjectStore["list"]) =>
    make({
      name: "s3://data",
      conditionHint: "",
      create: () => Promise.resolve(true),
      read: async function*() {},
      isMissing: () => false,
      list,
      remove: () => Promise.resolve()
    }, "")

  it.live("is an error where pages come again", () =>
    Effect.gen(function*() {
      const output = listing(async function*() {
        for (;;) {
          yield ["a", "b"]
          yield ["c"]
        }
      })
      const error = yield* Effect.flip(Stream.runDrain(output.list("")))
      assert.include(error.message, "lists the same objects again")
    }))

  it.live("is left when it is interrupted", () =>
    Effect.gen(function*() {
      let at = 0
      let isLeft = false
      const output = listing(async function*() {
        try {
          for (;;) yield await new Promise<ReadonlyArray<string>>((resolve) => setImmediate(resolve, [`part-${at++}`]))
        } finally {
          isLeft = true
        }
      })
      const fiber = yield* Effect.forkChild(Stream.runDrain(output.list("")))
      while (at < 3) yield* Effect.sleep("1 millis")
      yield* Fiber.interrupt(fiber)
      while (!isLeft) yield* Effect.sleep("1 millis")
    }))
})

describe("a local folder", () => {
  const body = Stream.make(Buffer.from("x"))

  it.live("is not read into memory where a record is larger than any that is written", () => {
    const path = folder()
    return Effect.gen(function*() {
      const output = yield* CollectOutput.CollectOutput
      yield* output.prepare("job")
      fs.mkdirSync(join(path, "_records"), { recursive: true })
      const why = (name: string) => Effect.map(Effect.flip(output.read(name)), ({ message }) => message)
      const sized = (name: string, bytes: number) => {
        fs.writeFileSync(join(path, name), "")
        fs.truncateSync(join(path, name), bytes)
      }
      sized("_plan.json", 2 ** 28 + 1)
      assert.include(yield* why("_plan.json"), "more than 268435456 bytes")
      sized("_records/part-000000.json", 2 ** 24 + 1)
      assert.include(yield* why("_records/part-000000.json"), "more than 16777216 bytes")
      sized("_records/part-000001.json", 2 ** 24)
      assert.strictEqual((yield* output.read("_records/part-000001.json"))?.length, 2 ** 24)
    }).pipe(Effect.provide(CollectOutput.layerLocal(path)))
  })

  it.live("is not waited for, read without an end or tried again where a name is no regular file", () => {
    const path = folder()
    const kinds: Record<string, (path: string) => void> = {
      "a pipe": (path) => execFileSync("mkfifo", [path]),
      "a folder": (path) => fs.mkdirSync(path),
      "a device without an end": (path) => fs.symlinkSync("/dev/zero", path),
      "a link to nothing": (path) => fs.symlinkSync("/nowhere", path),
      "a link to itself": (path) => fs.symlinkSync(path, path)
    }
    return Effect.gen(function*() {
      const output = yield* CollectOutput.CollectOutput
      yield* output.prepare("job")
      for (const [kind, make] of Object.entries(kinds)) {
        for (const name of ["_plan.json", "part-000000.parquet"]) {
          make(join(path, name))
          for (const use of [output.read(name), output.digest(name)]) {
            const error = yield* Effect.flip<unknown, CollectError, never>(use)
            assert.include(error.message, `${name} is no regular file; remove it`, kind)
            assert.isFalse(error.isRetryable, kind)
          }
          fs.rmSync(join(path, name), { recursive: true })
        }
      }
    }).pipe(Effect.provide(CollectOutput.layerLocal(path)))
  })

  it.live("is not tried again where a name is no folder", () => {
    const kinds: Record<string, (path: string) => void> = {
      "a file": (path) => fs.writeFileSync(path, ""),
      "a link to nothing": (path) => fs.symlinkSync("/nowhere", path),
      "a link to itself": (path) => fs.symlinkSync(path, path)
    }
    const use = (path: string, name: string) =>
      Effect.gen(function*() {
        const output = yield* CollectOutput.CollectOutput
        return yield* name === "_records"
          ? Effect.forEach(
            [output.create("_records/part-000000.json", body), Stream.runCollect(output.list("_records/"))],
            (one: Effect.Effect<unknown, CollectError>) => Effect.flip(one)
          )
          : Effect.forEach(
            [output.create("part-000000.jsonl", body), output.prepare("job")],
            (one: Effect.Effect<unknown, CollectError>) => Effect.flip(one)
          )
      }).pipe(Effect.provide(CollectOutput.layerLocal(path)))
    return Effect.gen(function*() {
      for (const [kind, make] of Object.entries(kinds)) {
        for (const name of ["_records", "_partial"]) {
          const path = folder()
          make(join(path, name))
          for (const error of yield* use(path, name)) {
            assert.include(error.message, `${name} is no folder; remove it`, kind)
            assert.isFalse(error.isRetryable, kind)
          }
        }
      }
    })
  })

  it.live("says at once what is wrong with its disk, leaves nothing half done, and goes on afterwards", () => {
    const path = folder()
    return Effect.gen(function*() {
      const output = yield* CollectOutput.CollectOutput
      yield* output.prepare("job")
      const handle = yield* Effect.promise(() => fs.promises.open(join(path, "probe"), "wx"))
      const prototype = Object.getPrototypeOf(handle) as Record<string, unknown>
      yield* Effect.promise(() => handle.close())
      fs.rmSync(join(path, "probe"))
      for (const method of ["writeFile", "sync"]) {
        for (const [code, isRetryable] of [["ENOSPC", false], ["EROFS", false], ["EDQUOT", false], ["EIO", true]]) {
          const own = prototype[method]
          prototype[method] = () => Promise.reject(Object.assign(new Error(), { code }))
          const error = yield* Effect.flip(output.create("part-000000.jsonl", body)).pipe(
            Effect.ensuring(Effect.sync(() => {
              prototype[method] = own
            }))
          )
          assert.include(error.message, `cannot write part-000000.jsonl (${code}`)
          assert.strictEqual(error.isRetryable, isRetryable)
          if (isRetryable === false) assert.include(error.message, "run the same command again")
          assert.deepStrictEqual(fs.readdirSync(path), ["_partial"])
          assert.deepStrictEqual(fs.readdirSync(join(path, "_partial")), [])
        }
      }
      assert.isTrue((yield* output.create("part-000000.jsonl", body)).isNew)
    }).pipe(Effect.provide(CollectOutput.layerLocal(path)))
  })

  it.live("has no unfinished file once the collection is finished, and keeps young ones until then", () => {
    const path = folder()
    const partial = join(path, "_partial")
    return Effect.gen(function*() {
      const output = yield* CollectOutput.CollectOutput
      fs.mkdirSync(partial)
      fs.writeFileSync(join(partial, "young"), "")
      fs.writeFileSync(join(partial, "old"), "")
      fs.utimesSync(join(partial, "old"), 0, 0)
      yield* output.prepare("job")
      assert.deepStrictEqual(fs.readdirSync(partial), ["young"])
      yield* output.create("part-000000.jsonl", body)
      assert.deepStrictEqual(fs.readdirSync(partial), ["young"])
      yield* output.finish
      assert.isFalse(fs.existsSync(partial))
    }).pipe(Effect.provide(CollectOutput.layerLocal(path)))
  })

  it.live("a writer whose unfinished file was taken away finds the file that is there", () => {
    const path = folder()
    return Effect.gen(function*() {
      const output = yield* CollectOutput.CollectOutput
      const created = yield* output.create(
        "part-000000.jsonl",
        Stream.concat(
          body,
          Stream.fromEffectDrain(Effect.andThen(output.create("part-000000.jsonl", body), output.finish))
        )
      )
      assert.isFalse(created.isNew)
    }).pipe(Effect.provide(CollectOutput.layerLocal(path)))
  })

  it.live("says what is wrong with it", () => {
    const file = join(folder(), "file")
    fs.writeFileSync(file, "")
    return Effect.gen(function*() {
      const output = yield* CollectOutput.CollectOutput
      const error = yield* Effect.flip(output.prepare("job"))
      assert.strictEqual(error.reason._tag, "OutputUnavailable")
      assert.include(error.message, file)
    }).pipe(Effect.provide(CollectOutput.layerLocal(file)))
  })
})
