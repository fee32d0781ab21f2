import { afterAll, assert, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { readFinished, readIndexDigest, readStarted } from "../src/internal/archive/files.ts"

const root = mkdtempSync(join(tmpdir(), "effect-prefect-records-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Valid JSON of that many bytes. */
const padded = (value: object, bytes: number): string => JSON.stringify(value).padEnd(bytes)

it("records of an archive that are larger than any export writes are not read", async () => {
  const digest = { bytes: 1, sha256: "0" }
  const write = (bytes: number) => {
    writeFileSync(join(root, "archive.json"), padded({ format: 1, tables: {} }, bytes))
    writeFileSync(join(root, "index.json"), padded({ index: digest }, bytes))
  }
  write(2 ** 24)
  assert.deepStrictEqual(await readFinished(root), { format: 1, tables: {} } as never)
  assert.deepStrictEqual(await readIndexDigest(root), digest)
  write(2 ** 24 + 1)
  assert.strictEqual(await readFinished(root), null)
  assert.strictEqual(await readIndexDigest(root), undefined)
  assert.strictEqual(await readStarted(root), undefined)
})
