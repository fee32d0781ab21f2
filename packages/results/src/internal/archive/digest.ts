// Measured: bench/archive-verify.bench.ts
/** Computes SHA-256 of files, about as fast as the disk and the processor allow. */
import { createHash, hash } from "node:crypto"
import * as fs from "node:fs"
import { open } from "node:fs/promises"
import { Pace } from "../local/pace.ts"

/** The identity of a file's bytes. */
export interface Digest {
  readonly bytes: number
  /** SHA-256 in hexadecimal. */
  readonly sha256: string
}

export const sameDigest = (left: Digest, right: Digest): boolean =>
  left.bytes === right.bytes && left.sha256 === right.sha256

const { O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY } = fs.constants
// Without O_NONBLOCK, opening a FIFO would wait for a writer forever.
const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK

const notRegular = () => Object.assign(new Error(), { code: "it is not a regular file" })

const chunkSize = 1 << 20

/** The digest of a file that is not a link. The next part is read while this one is hashed. */
export const digestOf = async (path: string): Promise<Digest> => {
  const file = await open(path, flags)
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw notRegular()
    const sum = createHash("sha256")
    let bytes = 0
    // A small file takes a small buffer: an archive has many, and several are read at once.
    const size = Math.min(chunkSize, stats.size + 1)
    let current = Buffer.allocUnsafe(size)
    let next: typeof current | undefined
    let read = await file.read(current, 0, size)
    while (read.bytesRead > 0) {
      const { bytesRead } = read
      // All of it was read, as far as is known: what is read ahead is its end.
      const other = next ??= Buffer.allocUnsafe(size)
      const ahead = file.read(other, 0, size)
      sum.update(bytesRead === size ? current : current.subarray(0, bytesRead))
      bytes += bytesRead
      read = await ahead
      next = current
      current = other
    }
    return { bytes, sha256: sum.digest("hex") }
  } finally {
    await file.close()
  }
}

const small = 1 << 18
let shared: Buffer | undefined

/** The digest of a small file, computed synchronously; undefined when it is not small. */
const digestOfSmall = (path: string): Digest | undefined => {
  const file = fs.openSync(path, flags)
  try {
    const stats = fs.fstatSync(file)
    if (!stats.isFile()) throw notRegular()
    if (stats.size > small) return undefined
    const buffer = shared ??= Buffer.allocUnsafe(small + 1)
    let bytes = 0
    for (let count = 1; count > 0 && bytes <= small;) {
      count = fs.readSync(file, buffer, bytes, buffer.length - bytes, null)
      bytes += count
      if (bytes === stats.size) break
    }
    return bytes > small ? undefined : { bytes, sha256: hash("sha256", buffer.subarray(0, bytes), "hex") }
  } finally {
    fs.closeSync(file)
  }
}

const concurrency = 16
const reads = new Pace(1, 64)

/**
 * The digests of many files, or the errors of reading them, in order.
 *
 * Handing a small file to another thread costs more than reading it, unless the read waits for the disk: then several
 * files are read concurrently.
 */
export const digestsOf = async (
  paths: ReadonlyArray<string>
): Promise<ReadonlyArray<Digest | NodeJS.ErrnoException>> => {
  const out: Array<Digest | NodeJS.ErrnoException> = []
  let at = 0
  const one = async () => {
    while (at < paths.length) {
      const index = at++
      const path = paths[index]!
      try {
        let digest: Digest | undefined
        if (reads.isFast) {
          const start = performance.now()
          digest = digestOfSmall(path)
          reads.took(performance.now() - start)
        } else reads.skip()
        out[index] = digest ?? (await digestOf(path))
      } catch (error) {
        out[index] = error as NodeJS.ErrnoException
      }
    }
  }
  await Promise.all(Array.from({ length: concurrency }, one))
  return out
}
