import { AzureResult, GCSResult, LocalResult, S3Result } from "@effect-prefect/core/ResultDescriptor"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import type { Mount } from "@effect-prefect/results/Mount"
import { ResultStorage } from "@effect-prefect/results/ResultStorage"
import { readBytes, readReason, suite as storageContract } from "@effect-prefect/results/testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { execFileSync } from "node:child_process"
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, truncateSync } from "node:fs"
import { createServer } from "node:net"
import { homedir } from "node:os"
import { join, posix, relative } from "node:path"
import { runs } from "../../core/test/seeds.ts"
import { temporaryFolder, writeFile } from "./support/temporaryFolder.ts"

const local = (location: string, dir?: string) => new LocalResult(dir === undefined ? { location } : { location, dir })

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

storageContract(
  "local files",
  Effect.map(temporaryFolder, (folder) => ({
    layer: LocalStorage.layer({ roots: [join(folder, "in")] }),
    put: async (key, bytes) => writeFile(join(folder, "in", key), bytes),
    descriptor: (key) => local(join(folder, "in", key), join(folder, "in")),
    outside: [local(join(folder, "out")), local("/etc/passwd"), local("nowhere")],
    emptyIsNone: false
  }))
)

storageContract(
  "local files, relative to their dir",
  Effect.map(temporaryFolder, (folder) => ({
    layer: LocalStorage.layer({ roots: [folder] }),
    put: async (key, bytes) => writeFile(join(folder, key), bytes),
    descriptor: (key) => local(key, folder),
    outside: [local("../out", folder), local("passwd", "/etc")],
    emptyIsNone: false
  }))
)

storageContract(
  "files of another machine, mounted",
  Effect.map(temporaryFolder, (folder) => ({
    layer: LocalStorage.layer({ mounts: [{ from: "/srv/prefect/results/", to: folder }] }),
    put: async (key, bytes) => writeFile(join(folder, key), bytes),
    descriptor: (key) => local(`/srv/prefect/results/${key}`, "/srv/prefect/results"),
    outside: [local("/srv/prefect/results2/x"), local("/srv/prefect/results/../x"), local("/srv/prefect")],
    emptyIsNone: false
  }))
)

for (const [from, inside] of [["~/results", "~/results/"], ["out/results", "out/results/"], [".", ""]] as const) {
  storageContract(
    `files that a worker recorded below ${from}, mounted`,
    Effect.map(temporaryFolder, (folder) => ({
      layer: LocalStorage.layer({ mounts: [{ from, to: folder }] }),
      put: async (key, bytes) => writeFile(join(folder, key), bytes),
      descriptor: (key) => local(`${inside}${key}`),
      outside: [local("/etc/passwd"), local("../x"), local("~/x"), local("~/results/../x"), local("/")],
      emptyIsNone: false
    }))
  )
}

storageContract(
  "files below the home of a worker on this machine",
  Effect.map(temporaryFolder, (folder) => ({
    // As a shell gives what was typed as ~/results=DIR.
    layer: LocalStorage.layer({ mounts: [{ from: join(homedir(), "results"), to: folder }] }),
    put: async (key, bytes) => writeFile(join(folder, key), bytes),
    descriptor: (key) => local(`~/results/${key}`),
    outside: [local("~/x"), local("~/results/../x"), local(join(homedir(), "x"))],
    emptyIsNone: false
  }))
)

storageContract(
  "a relative root",
  Effect.map(temporaryFolder, (folder) => ({
    layer: LocalStorage.layer({ roots: [relative(process.cwd(), folder)] }),
    put: async (key, bytes) => writeFile(join(folder, key), bytes),
    descriptor: (key) => local(`${relative(process.cwd(), folder)}/${key}`),
    outside: [local("/etc/passwd"), local("x"), local("~/x")],
    emptyIsNone: false
  }))
)

for (
  const [scheme, make] of [
    ["s3", (bucket: string, location: string) => new S3Result({ bucket, location })],
    ["gs", (bucket: string, location: string) => new GCSResult({ bucket, location })],
    ["azure", (container: string, location: string) => new AzureResult({ container, location })]
  ] as const
) {
  storageContract(
    `a mounted ${scheme} bucket`,
    Effect.map(temporaryFolder, (folder) => ({
      layer: LocalStorage.layer({ mounts: [{ from: `${scheme}://data/flows`, to: folder }] }),
      put: async (key, bytes) => writeFile(join(folder, key), bytes),
      descriptor: (key) => make("data", `flows/${key}`),
      outside: [
        make("other", "flows/x"),
        make("data", "x"),
        make("data", "flows2/x"),
        make("data", "flows/../x"),
        make("data", "../data/flows/x"),
        make("../data", "flows/x")
      ],
      emptyIsNone: true
    }))
  )
}

const withFolder = <A, E>(body: (folder: string) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.scoped(Effect.flatMap(temporaryFolder, body))

describe("LocalStorage", () => {
  it.live("opens regular files only", () =>
    withFolder((folder) =>
      Effect.gen(function*() {
        mkdirSync(join(folder, "directory"))
        execFileSync("mkfifo", [join(folder, "fifo")])
        yield* Effect.acquireRelease(
          Effect.callback<ReturnType<typeof createServer>>((resume) => {
            const server = createServer().listen(join(folder, "socket"), () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        for (const name of ["directory", "fifo", "socket", ""]) {
          const reason = yield* readReason(local(join(folder, name)))
          assert.strictEqual(reason._tag, "ResultAccessDenied", name)
        }
      }).pipe(Effect.provide(LocalStorage.layer({ roots: [folder] })))
    ))

  it.live("refuses devices", () =>
    Effect.gen(function*() {
      for (const device of ["/dev/zero", "/dev/null"]) {
        assert.strictEqual((yield* readReason(local(device)))._tag, "ResultAccessDenied")
      }
    }).pipe(Effect.provide(LocalStorage.layer({ roots: ["/dev"] }))))

  it.live("follows links inside of a root and none out of it", () =>
    withFolder((folder) =>
      Effect.gen(function*() {
        const root = join(folder, "root")
        writeFile(join(root, "real/x"), "inside")
        writeFile(join(folder, "outside/x"), "outside")
        symlinkSync("real/x", join(root, "file"))
        symlinkSync("real", join(root, "directory"))
        symlinkSync("../outside/x", join(root, "file-out"))
        symlinkSync("../outside", join(root, "directory-out"))
        symlinkSync("/etc/passwd", join(root, "passwd"))
        symlinkSync("/dev/zero", join(root, "zero"))
        symlinkSync("circle", join(root, "circle"))
        symlinkSync("nowhere", join(root, "dangling"))
        // The first read of a root looks its real path up, the later ones know it.
        for (let turn = 0; turn < 2; turn++) {
          for (const name of ["file", "directory/x", "real/x"]) {
            assert.strictEqual(text((yield* readBytes(local(join(root, name)))).bytes), "inside")
          }
          for (const name of ["file-out", "directory-out/x", "passwd", "zero", "circle"]) {
            const reason = yield* readReason(local(join(root, name)))
            assert.strictEqual(reason._tag, "ResultAccessDenied", name)
          }
          assert.strictEqual((yield* readReason(local(join(root, "dangling"))))._tag, "ResultNotFound")
        }
      }).pipe(Effect.provide(LocalStorage.layer({ roots: [join(folder, "root")] })))
    ))

  it.live("notices a folder that was exchanged for a link after it was used", () =>
    withFolder((folder) =>
      Effect.gen(function*() {
        const root = join(folder, "root")
        writeFile(join(root, "run/x"), "inside")
        writeFile(join(folder, "outside/x"), "outside")
        yield* readBytes(local(join(root, "run/x")))
        yield* readBytes(local(join(root, "run/x")))
        renameSync(join(root, "run"), join(folder, "moved"))
        symlinkSync("../outside", join(root, "run"))
        assert.strictEqual((yield* readReason(local(join(root, "run/x"))))._tag, "ResultAccessDenied")
      }).pipe(Effect.provide(LocalStorage.layer({ roots: [join(folder, "root")] })))
    ))

  it.live("follows a root that is a link, also when it is pointed elsewhere", () =>
    withFolder((folder) =>
      Effect.gen(function*() {
        writeFile(join(folder, "v1/x"), "first")
        writeFile(join(folder, "v2/x"), "second")
        symlinkSync("v1", join(folder, "current"))
        const descriptor = local(join(folder, "current/x"))
        assert.strictEqual(text((yield* readBytes(descriptor)).bytes), "first")
        assert.strictEqual(text((yield* readBytes(descriptor)).bytes), "first")
        rmSync(join(folder, "current"))
        symlinkSync("v2", join(folder, "current"))
        assert.strictEqual(text((yield* readBytes(descriptor)).bytes), "second")
      }).pipe(Effect.provide(LocalStorage.layer({ roots: [join(folder, "current")] })))
    ))

  it.live("refuses every spelling of a way out", () =>
    withFolder((folder) =>
      Effect.gen(function*() {
        const root = join(folder, "root")
        writeFile(join(root, "x"), "inside")
        writeFile(join(folder, "secret"), "outside")
        for (
          const location of [
            `${root}/../secret`,
            `${root}/a/../../secret`,
            `${root}/./.././secret`,
            `${root}//..//secret`,
            `file://${root}/../secret`,
            `file://${root}/%2e%2e/secret`,
            `${root}/x\0`,
            `${root}\\..\\secret`,
            "../secret",
            "..\\secret",
            "~/secret",
            "",
            "."
          ]
        ) {
          for (const dir of [undefined, root, `${root}/..`, "", "C:\\results"]) {
            const reason = yield* readReason(local(location, dir))
            assert.include(["ResultAccessDenied", "ResultNotFound"], reason._tag, JSON.stringify([location, dir]))
          }
        }
        assert.strictEqual(text((yield* readBytes(local(`${root}/a/../x`))).bytes), "inside")
        assert.strictEqual(text((yield* readBytes(local(`file://${root}/%78`))).bytes), "inside")
        // Not a URL, so nothing is decoded: it is a file of that name, which is not there.
        assert.strictEqual((yield* readReason(local(`${root}/%2e%2e/secret`)))._tag, "ResultNotFound")
      }).pipe(Effect.provide(LocalStorage.layer({ roots: [join(folder, "root")] })))
    ))

  it.live("keeps an archive's mounts inside of the archive", () =>
    withFolder((folder) =>
      Effect.gen(function*() {
        const archive = join(folder, "archive")
        writeFile(join(archive, "results/x"), "inside")
        writeFile(join(folder, "outside/x"), "outside")
        symlinkSync("../outside", join(archive, "link"))
        const at = (to: string) =>
          LocalStorage.layer({ mounts: [{ from: "/srv", to: join(archive, to), within: archive }] })
        const inside = yield* readBytes(local("/srv/x")).pipe(Effect.provide(at("results")))
        assert.strictEqual(text(inside.bytes), "inside")
        const reason = yield* readReason(local("/srv/x")).pipe(Effect.provide(at("link")))
        assert.strictEqual(reason._tag, "ResultAccessDenied")
      })
    ))

  it.live("says what to mount for a file of another machine", () =>
    withFolder((folder) =>
      Effect.gen(function*() {
        const denied = yield* readReason(local("flow/x.prefect", "/home/worker/.prefect/results"))
        assert.strictEqual(denied._tag, "ResultAccessDenied")
        assert.include(denied.message, "\"/home/worker/.prefect/results\" to LocalStorage.layer({ roots })")
        assert.include(denied.message, "{ mounts }")
        const missing = yield* readReason(local(join(folder, "flow/x.prefect")))
        assert.strictEqual(missing._tag, "ResultNotFound")
        assert.include(missing.message, "mount")
      }).pipe(Effect.provide(LocalStorage.layer({ roots: [folder] })))
    ))

  it.live("says when the folder of a mount does not exist", () =>
    withFolder((folder) =>
      Effect.gen(function*() {
        const reason = yield* readReason(local("/srv/x"))
        assert.strictEqual(reason._tag, "ResultNotFound")
        assert.include(reason.message, join(folder, "typo"))
      }).pipe(Effect.provide(LocalStorage.layer({ mounts: [{ from: "/srv", to: join(folder, "typo") }] })))
    ))

  it.live("takes the longest mount, by whole segments, whatever their order", () =>
    withFolder((folder) =>
      Effect.gen(function*() {
        for (const name of ["root", "a", "ab", "abc"]) writeFile(join(folder, name, "x"), name)
        writeFile(join(folder, "a/bc/x"), "a/bc")
        const mounts = [
          { from: "/srv/a", to: join(folder, "a") },
          { from: "/", to: join(folder, "root") },
          { from: "/srv/a/b/c/", to: join(folder, "abc") },
          { from: "/srv/a/b", to: join(folder, "ab") }
        ]
        for (const order of [mounts, mounts.toReversed()]) {
          const read = (location: string) =>
            readBytes(local(location)).pipe(
              Effect.map((stored) => text(stored.bytes)),
              Effect.provide(LocalStorage.layer({ mounts: order }))
            )
          assert.strictEqual(yield* read("/x"), "root")
          assert.strictEqual(yield* read("/srv/a/x"), "a")
          assert.strictEqual(yield* read("/srv/a/b/x"), "ab")
          assert.strictEqual(yield* read("/srv/a/b/c/x"), "abc")
          assert.strictEqual(yield* read("/srv/a/bc/x"), "a/bc")
        }
      })
    ))

  describe("of very many mounts", () => {
    const mounts = [
      "/",
      ".",
      "~",
      "/srv/a",
      "/srv/a/b",
      "srv/a",
      "C:\\x",
      "C:\\",
      "\\\\host\\share",
      "s3://b",
      "s3://b/p/q",
      "s3://c",
      "/",
      "/srv/a/",
      "//srv//a"
    ].map((from, at) => ({ from, to: `/to/${at}` }))
    const encoded = ["s3://b", "s3://d", "/srv/a", "/srv/e"].map((from, at) => ({
      from,
      to: `/encoded/${at}`,
      names: "encoded" as const
    }))
    const others = (count: number) => Array.from({ length: count }, (_, at) => ({ from: `/srv/o${at}`, to: "/to/o" }))
    const readers = (mounts: ReadonlyArray<Mount>) =>
      Result.getOrThrow(LocalStorage.readers({ roots: ["/srv", "/to"], mounts }))
    const places = [
      "/",
      "/x",
      "/srv",
      "/srv/a",
      "/srv/a/x",
      "/srv/ab",
      "/srv/a/b/x",
      "/srv/e/x",
      "~/x",
      "x",
      "srv/a/x",
      ".."
    ]
    const descriptors = [
      ...[...places, "C:\\x\\y", "c:\\X", "D:\\x", "\\\\host\\share\\x", "\\\\host\\x", "", "a\0b", "/a\0b"].map((_) =>
        local(_)
      ),
      ...["b", "c", "d", "e", "\0b"].flatMap((bucket) =>
        ["x", "p/q/x", "p/q", "p//q/x", "../x", ""].map((location) => new S3Result({ bucket, location }))
      )
    ]

    it("each location is where it is of few", () => {
      for (const some of [mounts, encoded, [...mounts, ...encoded], [...encoded, ...mounts]]) {
        for (let from = 0; from < some.length; from += 7) {
          const few = some.slice(from, from + 7)
          const found = (mounts: ReadonlyArray<Mount>) =>
            readers(mounts).flatMap((reader) =>
              descriptors.filter((_) => _._tag === reader.type).map((_) => JSON.stringify(reader.resolve(_ as never)))
            )
          assert.deepStrictEqual(found([...few, ...others(30)]), found(few))
        }
      }
    })

    it("a location takes no longer to find among more of them", () => {
      const timeOf = (count: number) => {
        const [reader] = readers(others(count))
        const times = Array.from({ length: 5 }, () => {
          const start = process.cpuUsage()
          for (let at = 0; at < 200; at++) reader!.resolve(local(`/elsewhere/${at}`) as never)
          const { system, user } = process.cpuUsage(start)
          return user + system
        })
        return Math.max(200, Math.min(...times))
      }
      assert.isBelow(timeOf(20_000) / timeOf(1_000), 10)
    })
  })

  it.live("mounts the directories of Windows workers", () =>
    withFolder((folder) =>
      Effect.gen(function*() {
        writeFile(join(folder, "Flow/x.prefect"), "windows")
        writeFile(join(folder, "share/x.prefect"), "share")
        for (
          const [location, dir] of [
            ["C:\\Users\\me\\.prefect\\results\\Flow\\x.prefect", undefined],
            ["c:/users/ME/.prefect/results/Flow/x.prefect", undefined],
            ["Flow\\x.prefect", "C:\\Users\\me\\.prefect\\results"],
            ["Flow/x.prefect", "C:\\Users\\me\\.prefect\\results\\"],
            ["file:///C:/Users/me/.prefect/results/Flow/x.prefect", undefined]
          ] as const
        ) {
          assert.strictEqual(text((yield* readBytes(local(location, dir))).bytes), "windows", location)
        }
        assert.strictEqual(text((yield* readBytes(local("\\\\server\\results\\x.prefect"))).bytes), "share")
        for (const location of ["C:\\Users\\me\\.prefect\\results\\..\\x", "D:\\x", "C:x", "\\\\other\\results\\x"]) {
          assert.strictEqual((yield* readReason(local(location)))._tag, "ResultAccessDenied", location)
        }
      }).pipe(Effect.provide(LocalStorage.layer({
        mounts: [
          { from: "C:\\Users\\me\\.prefect\\results", to: folder },
          { from: "\\\\server\\results", to: join(folder, "share") }
        ]
      })))
    ))

  it.live("does not allocate what a sparse file only claims to have", () =>
    withFolder((folder) =>
      Effect.gen(function*() {
        writeFile(join(folder, "sparse"), "")
        truncateSync(join(folder, "sparse"), 2 ** 40)
        const reason = yield* readReason(local(join(folder, "sparse")))
        assert.strictEqual(reason._tag, "ResultTooLarge")
      }).pipe(Effect.provide(LocalStorage.layer({ roots: [folder] })))
    ))

  it.live.runIf(process.platform === "linux")(
    "keeps the limit on files that have no size",
    () =>
      Effect.gen(function*() {
        // Files of /proc say that they are regular and empty, and then have bytes.
        const stored = yield* readBytes(local("/proc/self/status"))
        assert.isAbove(stored.bytes.length, 100)
        assert.strictEqual((yield* readReason(local("/proc/self/status"), 50))._tag, "ResultTooLarge")
      }).pipe(Effect.provide(LocalStorage.layer({ roots: [`/proc/${process.pid}`, "/proc/self"] })))
  )

  it.live.runIf(process.platform === "linux")(
    "closes every file, also those of reads that were interrupted or refused",
    () =>
      withFolder((folder) =>
        Effect.gen(function*() {
          const names = Array.from({ length: 40 }, (_, index) => `${index}`)
          for (const [index, name] of names.entries()) writeFile(join(folder, name), "x".repeat(index * 2000))
          mkdirSync(join(folder, "directory"))
          symlinkSync("/etc/passwd", join(folder, "out"))
          const open = () => readdirSync("/proc/self/fd").length
          const readAll = Effect.forEach(
            [...names, "directory", "out", "none"],
            (name) => Effect.exit(readBytes(local(join(folder, name)), 60_000)),
            { concurrency: 16 }
          )
          yield* readAll
          const before = open()
          for (let turn = 0; turn < 20; turn++) {
            const fiber = yield* Effect.forkChild(readAll, { startImmediately: true })
            if (turn % 2 === 1) {
              yield* Effect.sleep(1)
            }
            yield* Fiber.interrupt(fiber)
          }
          yield* readAll
          // Files of interrupted reads are closed when their opening has ended.
          while (open() > before) yield* Effect.sleep(5)
        }).pipe(Effect.provide(LocalStorage.layer({ roots: [folder] })))
      )
  )

  it.effect("refuses a concurrency that would read nothing", () =>
    Effect.gen(function*() {
      for (const concurrency of [0, -1, 1.5, Number.NaN]) {
        const exit = yield* Effect.exit(Layer.build(LocalStorage.layer({ roots: ["/"], concurrency })))
        assert.include(String(exit), "concurrency is not a positive whole number")
      }
    }).pipe(Effect.scoped))

  it.effect.prop("allows no place that is not below its root, however it is spelled", [
    Schema.Array(Schema.Literals(["a", "b", "..", ".", "", "root", "\\", "%2e%2e", "ü", "..a", "a..", " ", "\n"])),
    Schema.Literals(["/root/", "/root", "", "/", "file:///root/", "C:/root/", "C:\\root\\", "\\\\host\\root\\"]),
    Schema.Literals(["/", "\\", "//"]),
    Schema.Literals(["/root", "/root/a", "/", "C:\\root", "root", ""])
  ], ([segments, start, separator, dir]) =>
    Effect.gen(function*() {
      const storage = yield* ResultStorage
      const [reader] = storage.readers
      const location = start + segments.join(separator)
      if (reader?.resolve(local(location, dir))._tag !== "Allowed") return
      const absolute = location.startsWith("/") ? location : location.startsWith("file:")
        ? decodeURIComponent(location.slice(7))
        : `${dir}/${location}`
      const real = posix.normalize(absolute)
      assert.isTrue(real === "/root" || real.startsWith("/root/"), JSON.stringify([location, dir]))
    }).pipe(Effect.provide(LocalStorage.layer({ roots: ["/root"] }))), { arbitrary: runs(200, 2000) })

  it.effect("names a mount that makes no sense", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        readBytes(local("/x")).pipe(Effect.provide(LocalStorage.layer({ mounts: [{ from: "http://x", to: "." }] })))
      )
      assert.strictEqual(error._tag, "MountError")
      assert.include(error.message, "http://x")
    }))
})
