/**
 * Verifying an archive, compared with `sha256sum` over the same small and large files, and copying 100 000 small
 * results into an archive. The limit of copying is a plain script: read each, write it, no record and no sync; and its peer
 * is one with what an archive guarantees, that no file has its name before all of its bytes are on disk.
 */
import * as ApiMemory from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as ArchiveExport from "@effect-prefect/results/ArchiveExport"
import * as ArchiveVerify from "@effect-prefect/results/ArchiveVerify"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { hash } from "node:crypto"
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs"
import { open, readFile, rename, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ownTime, shellTime } from "./support/processTime.ts"
import type { Row } from "./support/row.ts"

const concurrency = 16

/** A world with some results of one size, and an archive of it. */
const world = (count: number, bytes: number) => {
  let folder = ""
  const rows = () =>
    Array.from({ length: count }, (_, n) => ({
      id: `r${n}`,
      flow_run_id: "f",
      task_id: "t",
      map_index: n,
      serialized_state: {
        type: "Success",
        _result: { type: "LocalResult", dir: join(folder, "store"), location: join(folder, "store", String(n)) }
      }
    }))
  const exportTo = (name: string) =>
    Effect.runPromise(
      Effect.gen(function*() {
        const api = yield* PrefectApi
        const directory = join(folder, name)
        const report = yield* ArchiveExport.exportAll({ directory, api, concurrency })
        if (report.results?.files !== count) throw new Error(`${report.results?.files} results instead of ${count}`)
      }).pipe(
        Effect.provide(ApiMemory.layer({ flow_run: [{ id: "f" }], task_run: rows() })),
        Effect.provide(LocalStorage.layer({ roots: [join(folder, "store")] }))
      )
    )
  const makeStore = () => {
    if (folder !== "") return false
    folder = mkdtempSync(join(tmpdir(), "bench-verify-"))
    mkdirSync(join(folder, "store"))
    for (let n = 0; n < count; n++) writeFileSync(join(folder, "store", String(n)), Buffer.alloc(bytes, n))
    return true
  }
  const open = async () => {
    if (makeStore()) await exportTo("archive")
  }
  const close = () => {
    if (folder !== "") rmSync(folder, { recursive: true, force: true })
    folder = ""
  }
  return { open, makeStore, close, exportTo, folder: () => folder }
}

const verify = (what: string, count: number, bytes: number): Row => {
  const { close, folder, open } = world(count, bytes)
  return {
    work: `verify an archive of ${what}`,
    count,
    ours: {
      name: "ArchiveVerify",
      open,
      close,
      run: () =>
        ownTime(async () => {
          const issues = await Effect.runPromise(Stream.runCollect(ArchiveVerify.verify(join(folder(), "archive"))))
          if (issues.length !== 1) throw new Error(`${issues.length - 1} problems`)
        })
    },
    limit: {
      name: "sha256sum",
      open,
      close,
      run: () => shellTime("find . -type f -print0 | xargs -0 sha256sum", join(folder(), "archive"))
    },
    target: { limit: 0.8 }
  }
}

const { close, exportTo, folder, makeStore } = world(100_000, 2000)
const copying = { open: makeStore, close }
let turn = 0
const inTurns = async (one: (name: string) => Promise<void>) => {
  let next = 0
  await Promise.all(Array.from({ length: concurrency }, async () => {
    while (next < 100_000) await one(String(next++))
  }))
}

export const rows: ReadonlyArray<Row> = [
  verify("20 000 results of 2 kB", 20_000, 2000),
  verify("32 results of 32 MB", 32, 32_000_000),
  {
    work: "export 100 000 results of 2 kB",
    count: 100_000,
    runs: 1,
    warmUp: false,
    ours: { name: "ArchiveExport", ...copying, run: () => exportTo(`export-${turn++}`) },
    peers: [{
      name: "sync each before it is named, and record it",
      ...copying,
      run: async () => {
        const to = join(folder(), `synced-${turn++}`)
        const partial = join(to, "partial")
        mkdirSync(partial, { recursive: true })
        const record = openSync(join(to, "record"), "w")
        await inTurns(async (name) => {
          const bytes = await readFile(join(folder(), "store", name))
          const temporary = join(partial, name)
          const file = await open(temporary, "wx")
          await file.writeFile(bytes)
          await file.datasync()
          await file.close()
          await rename(temporary, join(to, name))
          writeSync(record, `${JSON.stringify({ file: name, bytes: bytes.length, sha256: hash("sha256", bytes) })}\n`)
        })
        closeSync(record)
      }
    }],
    limit: {
      name: "read and write each, no record, no sync",
      ...copying,
      run: async () => {
        const to = join(folder(), `copy-${turn++}`)
        mkdirSync(to)
        await inTurns(async (name) => writeFile(join(to, name), await readFile(join(folder(), "store", name))))
      }
    },
    target: { limit: 0.3 }
  }
]
