/** The data of the benchmarks of mapped task runs: files with small pickles, and a stub API that refers to them. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { StubOptions } from "./stubApi.ts"

/** The pickle, protocol 4, of `{"id": index, "score": index / 7}`. */
export const smallPickle = (index: number): Uint8Array => {
  const body = Buffer.concat([
    Buffer.from("}\u0094(\u008c\u0002id\u0094J", "latin1"),
    int32(index),
    Buffer.from("\u008c\u0005score\u0094G", "latin1"),
    float64(index / 7),
    Buffer.from("u.", "latin1")
  ])
  const frame = Buffer.alloc(9)
  frame[0] = 0x95
  frame.writeBigUInt64LE(BigInt(body.length), 1)
  return Buffer.concat([Buffer.from([0x80, 4]), frame, body])
}

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}
const float64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return bytes
}

/** A folder with `count` files, each a small pickle. */
export const pickleFolder = (count: number): { readonly root: string; readonly close: () => void } => {
  const folder = mkdtempSync(join(tmpdir(), "effect-prefect-bench-"))
  const root = join(folder, "results")
  mkdirSync(root)
  for (let index = 0; index < count; index++) writeFileSync(join(root, `${index}.pickle`), smallPickle(index))
  return { root, close: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Starts the stub API in a process of its own. */
export const stubApi = async (options: StubOptions): Promise<{ readonly url: string; readonly close: () => void }> => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "stubApi.ts"), JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const [url] = await once(createInterface({ input: child.stdout }), "line") as [string]
  return { url, close: () => child.kill() }
}
