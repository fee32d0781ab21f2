/** Results that take much more memory than their bytes, many of them at once, in a process with a small heap. */
import assert from "node:assert/strict"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { check } from "../support/check.ts"
import { temporary } from "../support/hostileArchive.ts"
import { run } from "../support/process.ts"

const folder = join(temporary, "memory")
mkdirSync(folder)
const stored = (name: string, bytes: string | Uint8Array): string => {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}
const walk = join(import.meta.dirname, "..", "support", "walk.ts")

interface Walked {
  readonly outcomes: Readonly<Record<string, number>>
  readonly megabytes: number
}

const walked = async (
  file: string,
  children: number,
  pause: number,
  heap = 1_024,
  what = "outcomes"
): Promise<Walked> => {
  const { code, stderr, stdout } = await run(process.execPath, [
    "--conditions=@effect-prefect/source",
    "--no-warnings",
    `--max-old-space-size=${heap}`,
    walk,
    file,
    String(children),
    String(pause),
    what
  ])
  assert.equal(code, 0, stderr.slice(-2_000))
  return JSON.parse(stdout) as Walked
}

const texts = Array.from({ length: 1_000 }, () => "text".repeat(10_000))
const unzips = stored("texts.json.gz", gzipSync(JSON.stringify(texts)))
await check("64 files of 40 kB that unzip to 40 MB each are all read", async () => {
  const { megabytes, outcomes } = await walked(unzips, 64, 0)
  assert.deepEqual(outcomes, { [`read ${texts.length}`]: 64 })
  assert.ok(megabytes < 2_500, `${megabytes} MB`)
})

const objects = stored("objects.json", `[${"{},".repeat(333_333)}{}]`)
await check("300 children of 1 MB of empty objects are all read by a slow consumer", async () => {
  const { megabytes, outcomes } = await walked(objects, 300, 10)
  assert.deepEqual(outcomes, { "read 333334": 300 })
  assert.ok(megabytes < 2_000, `${megabytes} MB`)
})

const sets = stored("sets", Buffer.from(`\x80\x04](${"\x8f".repeat(60_000)}e.`, "latin1"))
await check("300 children of 60 kB of empty sets are all read by a slow consumer", async () => {
  const { megabytes, outcomes } = await walked(sets, 300, 5)
  assert.deepEqual(outcomes, { "read 60000": 300 })
  assert.ok(megabytes < 2_000, `${megabytes} MB`)
})
await check("100 of them are read in a heap of 512 MB, of which the default budget is half", async () => {
  const { megabytes, outcomes } = await walked(sets, 100, 5, 512)
  assert.deepEqual(outcomes, { "read 60000": 100 })
  assert.ok(megabytes < 1_000, `${megabytes} MB`)
})

const zstd = stored("texts.json.zst", zstdCompressSync(Buffer.from(JSON.stringify(texts))))
await check("24 results of a flow run that decode to 40 MB each are all read in a heap of 512 MB", async () => {
  const { megabytes, outcomes } = await walked(zstd, 24, 0, 512, "results")
  assert.deepEqual(outcomes, { "read 1000": 24, ResultTooLarge: 1 })
  assert.ok(megabytes < 1_200, `${megabytes} MB`)
})
await check("the result of their parent is refused in a heap of 512 MB", async () => {
  const { outcomes } = await walked(zstd, 24, 0, 512, "getResult")
  assert.deepEqual(outcomes, { ResultTooLarge: 1 })
})
