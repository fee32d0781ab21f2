/**
 * LocalStorage alone: 10 000 small files, 64 at once. The limit is the code that a good engineer would write without
 * this library, with the same checks on every file: callbacks, the real path, the kind and the size. The other
 * contenders are alternatives that were rejected; bench/storage.md has their figures.
 */
import { LocalResult } from "@effect-prefect/core/ResultDescriptor"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Contender, Row } from "./support/row.ts"

const count = 10_000
const concurrency = 64
const maxBytes = 256 * 1024 * 1024

let folder = ""
let users = 0
const paths: Array<string> = []

/** The files exist while any contender needs them. */
const open = () => {
  if (users++ > 0) return
  folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "bench-")))
  paths.length = 0
  for (let index = 0; index < count; index++) {
    const path = join(folder, `${index}.prefect`)
    fs.writeFileSync(path, Buffer.alloc(60 + index % 50, 65))
    paths.push(path)
  }
}
const close = () => {
  if (--users === 0) fs.rmSync(folder, { recursive: true })
}

type Read = (path: string, done: (error: Error | null, bytes?: Uint8Array) => void) => void

/** Reads all files, with this concurrency. */
const all = (read: Read) =>
  new Promise<void>((resolve, reject) => {
    let next = 0
    let bytes = 0
    let left = count
    const start = () => {
      const path = paths[next++]
      if (path === undefined) return
      read(path, (error, content) => {
        if (error !== null) return reject(error)
        bytes += content!.length
        if (--left > 0) return start()
        if (bytes < count * 60) return reject(new Error(`only ${bytes} bytes`))
        resolve()
      })
    }
    for (let lane = 0; lane < concurrency; lane++) start()
  })

const contender = (name: string, read: Read): Contender => ({ name, open, run: () => all(read), close })

const outside = () => new Error("outside of the root")
const isFit = (stat: fs.Stats) => stat.isFile() && stat.size <= maxBytes
const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants
const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK

const plain = contender("callbacks with realpath", (path, done) => {
  fs.realpath.native(path, (error, real) => {
    if (error !== null) return done(error)
    if (!real.startsWith(`${folder}/`)) return done(outside())
    fs.open(real, flags, (error, fd) => {
      if (error !== null) return done(error)
      fs.fstat(fd, (error, stat) => {
        if (error !== null || !isFit(stat)) return fs.close(fd, () => done(error ?? outside()))
        const bytes = Buffer.allocUnsafe(stat.size)
        fs.read(
          fd,
          bytes,
          0,
          stat.size,
          0,
          (error, length) => fs.close(fd, () => done(error, bytes.subarray(0, length)))
        )
      })
    })
  })
})

const opened = (fd: number, done: (error: Error | null, bytes?: Uint8Array) => void) => {
  const stat = fs.fstatSync(fd)
  const real = fs.readlinkSync(`/proc/self/fd/${fd}`)
  if (isFit(stat) && real.startsWith(`${folder}/`)) return stat.size
  fs.closeSync(fd)
  done(outside())
}

const callbacksAndProc = contender("the same way without Effect", (path, done) => {
  fs.open(path, flags, (error, fd) => {
    if (error !== null) return done(error)
    const size = opened(fd, done)
    if (size === undefined) return
    const bytes = new Uint8Array(size + 1)
    fs.read(fd, bytes, 0, size + 1, null, (error, length) => {
      fs.closeSync(fd)
      done(error, bytes.subarray(0, length))
    })
  })
})

const syncRead = contender("only opening by callback", (path, done) => {
  fs.open(path, flags, (error, fd) => {
    if (error !== null) return done(error)
    const size = opened(fd, done)
    if (size === undefined) return
    const bytes = new Uint8Array(size + 1)
    const length = fs.readSync(fd, bytes, 0, size + 1, null)
    fs.closeSync(fd)
    done(null, bytes.subarray(0, length))
  })
})

const promises = contender("fs.promises", (path, done) => {
  const read = async () => {
    const real = await fs.promises.realpath(path)
    if (!real.startsWith(`${folder}/`)) throw outside()
    const file = await fs.promises.open(real, flags)
    try {
      if (!isFit(await file.stat())) throw outside()
      return await file.readFile()
    } finally {
      await file.close()
    }
  }
  read().then((bytes) => done(null, bytes), done)
})

const ours = (): Contender => {
  let runtime: ManagedRuntime.ManagedRuntime<ResultStorage, unknown>
  return {
    name: "LocalStorage",
    open: () => {
      open()
      runtime = ManagedRuntime.make(LocalStorage.layer({ roots: [folder] }))
    },
    run: () =>
      runtime.runPromise(Effect.gen(function*() {
        const storage = yield* ResultStorage
        let bytes = 0
        yield* Effect.forEach(
          paths,
          (location) =>
            Effect.map(storage.read(new LocalResult({ location, dir: folder }), { maxBytes }), (stored) => {
              if (stored._tag === "Bytes") bytes += stored.bytes.length
            }),
          { concurrency, discard: true }
        )
        if (bytes < count * 60) throw new Error(`only ${bytes} bytes`)
      })),
    close: async () => {
      await runtime.dispose()
      close()
    }
  }
}

export const rows: ReadonlyArray<Row> = [{
  work: `reading ${count} small files from an allowed root`,
  count,
  ours: ours(),
  peers: process.platform === "linux" ? [promises, callbacksAndProc, syncRead] : [promises],
  limit: plain,
  target: { limit: 0.7 }
}]
