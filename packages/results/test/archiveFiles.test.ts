/** The files of an archive by themselves: names, records, journals, digests and the lock. */
import { assert, describe, it, vi } from "@effect/vitest"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { namesOf, openJournal } from "../src/internal/archive/copied.ts"
import { digestOf, digestsOf, sameDigest } from "../src/internal/archive/digest.ts"
import * as Files from "../src/internal/archive/files.ts"
import { take } from "../src/internal/archive/lock.ts"
import { encodeBucket, encodeKey, encodeRoot } from "../src/internal/archive/names.ts"
import { writer } from "../src/internal/archive/wholeFiles.ts"

const sha256 = (bytes: string | Uint8Array) => createHash("sha256").update(bytes).digest("hex")
const digest = (text: string) => ({ bytes: Buffer.byteLength(text), sha256: sha256(text) })
const withFolder = async <A>(use: (root: string) => Promise<A>): Promise<A> => {
  const root = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "archive-")))
  try {
    return await use(root)
  } finally {
    fs.rmSync(root, { recursive: true, force: true })
  }
}
const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(() => "none", (error: unknown) => Files.codeOf(error))

const collect = async <A>(from: AsyncIterable<A>): Promise<Array<A>> => {
  const out: Array<A> = []
  for await (const one of from) out.push(one)
  return out
}

describe("a name", () => {
  it("is plain up to the longest that a file system takes", () => {
    assert.strictEqual(encodeKey("a".repeat(200)), "a".repeat(200))
    assert.match(encodeKey("a".repeat(201)), /^%sha256-[0-9a-f]{64}$/)
    // A folder has one sign more.
    assert.strictEqual(encodeKey(`${"a".repeat(199)}/b`), `${"a".repeat(199)}+/b`)
    assert.match(encodeKey(`${"a".repeat(200)}/b`), /^%sha256-/)
    const deep = (length: number) => `${"abcdefghi/".repeat(80)}${"x".repeat(length)}`
    assert.lengthOf(encodeKey(deep(120)), 1_000)
    assert.match(encodeKey(deep(121)), /^%sha256-/)
    assert.strictEqual(encodeBucket("a".repeat(200)), "a".repeat(200))
    assert.match(encodeBucket("a".repeat(201)), /^%sha256-[0-9a-f]{64}$/)
    assert.strictEqual(encodeRoot(`/${"a".repeat(200)}`), "a".repeat(200))
    assert.isUndefined(encodeRoot(`/${"a".repeat(201)}`))
    assert.strictEqual(encodeRoot(`/${"abcdefghi/".repeat(99)}abcdefghij`)?.length, 1_000)
    assert.isUndefined(encodeRoot(`/${"abcdefghi/".repeat(99)}abcdefghijk`))
  })

  it("is another for each version, however long", () => {
    assert.strictEqual(encodeKey("a/b", "V 1"), "a+/b%v%56%201")
    assert.notStrictEqual(encodeKey("a".repeat(300), "1"), encodeKey("a".repeat(300), "2"))
    assert.notStrictEqual(encodeKey("a".repeat(300), "1"), encodeKey("a".repeat(300)))
  })

  it("escapes what a file system folds, drops or reserves", () => {
    const names: ReadonlyArray<readonly [key: string, name: string]> = [
      ["", "%"],
      ["a//b", "a+/%+/b"],
      ["A", "%41"],
      ["\u00e9", "%c3%a9"],
      ["\u{1F600}", "%f0%9f%98%80"],
      ["\ud800", "%ud800"],
      ["\udfff", "%udfff"],
      ["a.", "a%2e"],
      [".", "%2e"],
      ["..", ".%2e"],
      ["a.b", "a.b"],
      ["con", "%63on"],
      ["nul.txt", "%6eul.txt"],
      ["com1/a", "%63om1+/a"],
      ["com", "com"],
      ["cons", "cons"],
      ["a.con", "a.con"]
    ]
    for (const [key, name] of names) assert.strictEqual(encodeKey(key), name)
    assert.strictEqual(encodeRoot("/Srv/A b//c"), "Srv/A%20b/c")
  })
})

describe("a file of an archive", () => {
  it("is written whole, and leaves nothing else", () =>
    withFolder(async (root) => {
      fs.mkdirSync(join(root, Files.partialFolder))
      await Files.writeWhole(root, join(root, "a"), "one")
      await Files.writeWhole(root, join(root, "a"), "two")
      assert.strictEqual(fs.readFileSync(join(root, "a"), "utf8"), "two")
      assert.deepStrictEqual(fs.readdirSync(join(root, Files.partialFolder)), [])
      assert.strictEqual(await codeOf(Files.writeWhole(root, join(root, "a"), 7 as never)), "ERR_INVALID_ARG_TYPE")
      assert.deepStrictEqual(fs.readdirSync(join(root, Files.partialFolder)), [])
      await Files.syncFolder(root)
      if (process.platform === "linux") {
        const open = fs.readdirSync("/proc/self/fd").filter((fd) => {
          try {
            return fs.readlinkSync(`/proc/self/fd/${fd}`) === root
          } catch {
            return false
          }
        })
        assert.deepStrictEqual(open, [])
      }
    }))

  it("is a regular one, not a link or a folder", () =>
    withFolder(async (root) => {
      fs.writeFileSync(join(root, "file"), "text")
      fs.mkdirSync(join(root, "folder"))
      fs.symlinkSync("file", join(root, "link"))
      fs.symlinkSync("nowhere", join(root, "broken"))
      const of = (name: string) => join(root, name)
      const names = ["file", "folder", "link", "broken", "nothing"]
      assert.deepStrictEqual(await Promise.all(names.map((name) => Files.exists(of(name)))), [
        true,
        true,
        true,
        true,
        false
      ])
      assert.deepStrictEqual(await Promise.all(names.map((name) => Files.isRegular(of(name)))), [
        true,
        false,
        false,
        false,
        false
      ])
      assert.deepStrictEqual(await Promise.all(names.map((name) => Files.isLink(of(name)))), [
        false,
        false,
        true,
        true,
        false
      ])
      assert.deepStrictEqual(await Promise.all(names.map((name) => codeOf(collect(Files.chunksOf(of(name)))))), [
        "none",
        "it is not a regular file",
        "ELOOP",
        "ELOOP",
        "ENOENT"
      ])
      assert.strictEqual(await codeOf(Files.createFile(of("file"))), "EEXIST")
      assert.strictEqual(await codeOf(digestOf(of("folder"))), "it is not a regular file")
      assert.strictEqual(Files.codeOf("text"), "an unknown failure")
      assert.strictEqual(Files.codeOf({ code: 7 }), "an unknown failure")
      assert.strictEqual(Files.codeOf(null), "an unknown failure")
    }))

  it("is below folders of its own, each made once", () =>
    withFolder(async (root) => {
      const known = Files.folderMaker(root)
      await Promise.all([known("a/b/c"), known("a/b"), known("a/b/d")])
      assert.deepStrictEqual(fs.readdirSync(join(root, "a/b")).toSorted(), ["c", "d"])
      fs.symlinkSync("a", join(root, "link"))
      fs.writeFileSync(join(root, "file"), "")
      for (const name of ["link", "file"]) {
        assert.strictEqual(await codeOf(known(`${name}/x`)), `${name} exists already and is not a folder of its own`)
      }
      // It may be mended meanwhile.
      fs.rmSync(join(root, "link"))
      await known("link/x")
      assert.deepStrictEqual(fs.readdirSync(join(root, "link")), ["x"])
    }))

  it("has its place made free, unless a folder is there", () =>
    withFolder(async (root) => {
      fs.symlinkSync("nowhere", join(root, "archive.json"))
      fs.writeFileSync(join(root, "manifest.jsonl"), "kept")
      await Files.prepareOwnFiles(root)
      assert.deepStrictEqual(fs.readdirSync(root), ["manifest.jsonl"])
      fs.mkdirSync(join(root, "archive.json"))
      assert.strictEqual(await codeOf(Files.prepareOwnFiles(root)), "archive.json is a folder")
    }))

  it("that is incomplete is removed, but for what is kept", () =>
    withFolder(async (root) => {
      fs.symlinkSync("nowhere", join(root, Files.partialFolder))
      await Files.preparePartial(root, [])
      const partial = (name: string) => join(root, Files.partialFolder, name)
      assert.deepStrictEqual(fs.readdirSync(join(root, Files.partialFolder)), ["tables"])
      fs.writeFileSync(partial("copied.jsonl"), "")
      fs.writeFileSync(partial("other"), "")
      fs.mkdirSync(partial("previous.jsonl"))
      fs.mkdirSync(partial("old"))
      fs.writeFileSync(partial("old/x"), "")
      await Files.preparePartial(root, [Files.journalFile, Files.previousManifestFile])
      assert.deepStrictEqual(fs.readdirSync(join(root, Files.partialFolder)).toSorted(), ["copied.jsonl", "tables"])
      // Tables that were about to be replaced are back.
      assert.deepStrictEqual(fs.readdirSync(join(root, "tables")), ["x"])
      fs.mkdirSync(partial("old"))
      await Files.preparePartial(root, [])
      assert.deepStrictEqual(fs.readdirSync(join(root, "tables")), ["x"])
      await Files.replaceFolder(partial("tables"), join(root, "tables"))
      assert.deepStrictEqual(fs.readdirSync(join(root, "tables")), [])
      assert.deepStrictEqual(fs.readdirSync(join(root, Files.partialFolder)), [])
    }))

  it("is found below the folders that were named, with what is none", () =>
    withFolder(async (root) => {
      fs.mkdirSync(join(root, "a/b"), { recursive: true })
      fs.writeFileSync(join(root, "a/b/x"), "")
      fs.symlinkSync("b", join(root, "a/link"))
      fs.mkdirSync(join(root, "c"))
      assert.deepStrictEqual(await collect(Files.walk(root, ["a", "nothing"])), [
        { folder: "a", isFirst: true, entries: [{ file: "a/link", isFile: false }] },
        { folder: "a/b", isFirst: true, entries: [{ file: "a/b/x", isFile: true }] }
      ])
      for (let at = 0; at < 2_100; at++) fs.writeFileSync(join(root, `c/${at}`), "")
      const batches = await collect(Files.walk(root, ["c"]))
      assert.deepStrictEqual(batches.map(({ entries, isFirst }) => [isFirst, entries.length]), [
        [true, 1_024],
        [false, 1_024],
        [false, 52]
      ])
      assert.lengthOf(new Set(batches.flatMap(({ entries }) => entries.map(({ file }) => file))), 2_100)
      fs.symlinkSync("loop", join(root, "loop"))
      assert.strictEqual(await codeOf(collect(Files.walk(root, ["loop"]))), "ELOOP")
    }))
})

describe("files that are named together", () => {
  const folderOf = (root: string) => {
    fs.mkdirSync(join(root, Files.partialFolder))
    return { files: writer(root), left: () => fs.readdirSync(join(root, Files.partialFolder)) }
  }

  it("have no name before all of their bytes are there, small ones and large ones", () =>
    withFolder(async (root) => {
      const { files, left } = folderOf(root)
      const contents = [0, 1, 65_536, 65_537, 300_000].map((size) => Buffer.alloc(size, `${size}-`))
      const written = await Promise.all(contents.map((bytes) => files.write(bytes)))
      assert.deepStrictEqual(fs.readdirSync(root), [Files.partialFolder])
      for (const [index, { temporary }] of written.entries()) {
        assert.isTrue(contents[index]!.equals(fs.readFileSync(temporary)))
      }
      const named = written.map((file, index) => ({ file, path: join(root, `${index}`) }))
      assert.deepStrictEqual(await files.name(named), contents.map(() => undefined))
      for (const [index, bytes] of contents.entries()) {
        assert.isTrue(bytes.equals(fs.readFileSync(join(root, `${index}`))))
      }
      assert.deepStrictEqual(left(), [])
    }))

  it("are named although others cannot be, of which nothing is left", () =>
    withFolder(async (root) => {
      const { files, left } = folderOf(root)
      fs.mkdirSync(join(root, "folder/within"), { recursive: true })
      const bytes = Buffer.from("one")
      const [first, second, third, lost] = await Promise.all([0, 1, 2, 3].map(() => files.write(bytes)))
      fs.rmSync(lost!.temporary)
      const problems = await files.name([
        { file: first!, path: join(root, "folder") },
        { file: second!, path: join(root, "a") },
        { file: third!, path: join(root, "nothing/b") },
        { file: lost!, path: join(root, "c") }
      ])
      assert.deepStrictEqual(problems.map((problem) => problem && Files.codeOf(problem)), [
        "EISDIR",
        undefined,
        "ENOENT",
        "ENOENT"
      ])
      assert.strictEqual(fs.readFileSync(join(root, "a"), "utf8"), "one")
      assert.deepStrictEqual(left(), [])
      fs.rmSync(join(root, Files.partialFolder), { recursive: true })
      assert.strictEqual(await codeOf(files.write(bytes)), "ENOENT")
      assert.strictEqual(await codeOf(files.write(Buffer.alloc(100_000))), "ENOENT")
    }))

  it("are not named any more once that was aborted", () =>
    withFolder(async (root) => {
      const { files } = folderOf(root)
      const named = await Promise.all(Array.from({ length: 100 }, async (_, at) => ({
        file: await files.write(Buffer.from("one")),
        path: join(root, `${at}`)
      })))
      const abort = new AbortController()
      const naming = files.name(named, abort.signal)
      abort.abort()
      await naming
      assert.isAtMost(fs.readdirSync(root).length, 32)
    }))

  it("are written and named by other threads while the disk is slow", () =>
    withFolder(async (root) => {
      const { files, left } = folderOf(root)
      // Each call of the clock is later by so much that every call of the disk was slow.
      let now = 0
      const clock = vi.spyOn(performance, "now").mockImplementation(() => now += 10)
      try {
        for (let at = 0; at < 20; at++) {
          const file = await files.write(Buffer.from(`${at}`))
          assert.deepStrictEqual(await files.name([{ file, path: join(root, `${at}`) }]), [undefined])
        }
      } finally {
        clock.mockRestore()
      }
      for (let at = 0; at < 20; at++) assert.strictEqual(fs.readFileSync(join(root, `${at}`), "utf8"), `${at}`)
      assert.deepStrictEqual(left(), [])
    }))
})

describe("a record", () => {
  const record: Files.ArchiveRecord = {
    format: 2,
    exported: "2026-11-26T00:00:00.000Z",
    complete: true,
    tables: { task_run: { ...digest("x"), rows: 1 } },
    results: null,
    manifest: digest("m"),
    mounts: null,
    incomplete: null,
    index: null
  }
  const read = (text: string | undefined) =>
    withFolder((root) => {
      if (text !== undefined) fs.writeFileSync(join(root, "archive.json"), text)
      return Files.readFinished(root)
    })

  it("is read as it was written, and is none when it was changed", async () => {
    assert.deepStrictEqual(await read(Files.writeRecord(record)), record)
    assert.isUndefined(await read(undefined))
    for (
      const text of [
        "",
        "[]",
        "null",
        "{",
        "{}",
        Files.writeRecord(record).replace("true", "false"),
        JSON.stringify(record).replace("\"results\":null", `"results":${"[".repeat(10_000)}${"]".repeat(10_000)}`),
        `${Files.writeRecord(record)} `,
        Files.writeRecord({ ...record, format: 3 as never }),
        Files.writeRecord({ ...record, manifest: { bytes: 1 } as never }),
        Files.writeRecord({ ...record, manifest: { ...digest("m"), bytes: "1" } as never }),
        Files.writeRecord({ ...record, tables: { task_run: {} } as never }),
        Files.writeRecord({ ...record, tables: { task_run: null } as never }),
        JSON.stringify({ format: 1, tables: [1] })
      ]
    ) assert.isNull(await read(text), text)
    const earlier = { format: 1, tables: { task_run: { sha256: "a" } } }
    assert.deepStrictEqual(await read(JSON.stringify(earlier)), earlier as never)
  })

  it("longer than any that an export writes is not read", async () => {
    const earlier = (length: number) => JSON.stringify({ format: 1, tables: {} }).padEnd(length)
    assert.isNotNull(await read(earlier(2 ** 24)))
    assert.isNull(await read(earlier(2 ** 24 + 1)))
  })

  it("of what has started has its id, and one of an index its digest", () =>
    withFolder(async (root) => {
      assert.isUndefined(await Files.readStarted(root))
      assert.isUndefined(await Files.readIndexDigest(root))
      const write = (name: string, value: unknown) => fs.writeFileSync(join(root, name), JSON.stringify(value))
      write("export.json", { id: "x" })
      assert.strictEqual(await Files.readStarted(root), "x")
      write("index.json", { index: digest("i") })
      assert.deepStrictEqual(await Files.readIndexDigest(root), digest("i"))
      for (const wrong of [{}, { id: 7, index: { bytes: 1 } }, [], null, "x"]) {
        write("export.json", wrong)
        assert.strictEqual(await Files.readStarted(root), "")
        write("index.json", wrong)
        assert.isUndefined(await Files.readIndexDigest(root))
      }
      fs.rmSync(join(root, "export.json"))
      fs.mkdirSync(join(root, "export.json"))
      assert.strictEqual(await Files.readStarted(root), "")
    }))
})

describe("lines", () => {
  it("are written with their digest", () =>
    withFolder(async (root) => {
      const path = join(root, "lines")
      const writer = await Files.lineWriter(path)
      await writer.write([])
      await writer.write([{ a: 1 }, { b: "\u00e9" }])
      await writer.write([{ c: null }])
      const text = "{\"a\":1}\n{\"b\":\"\u00e9\"}\n{\"c\":null}\n"
      assert.deepStrictEqual(await writer.end(), { ...digest(text), lines: 3 })
      assert.strictEqual(fs.readFileSync(path, "utf8"), text)
    }))

  it("of a manifest name files inside of the archive", () =>
    withFolder(async (root) => {
      const path = join(root, "manifest.jsonl")
      const good = { file: "results/a+/b", ...digest("x") }
      const bad = ["", "/a", "a/", "a//b", ".", "a/./b", "../a", "a\\b", "a\0b"].map((file) => ({ ...good, file }))
      const wrong = [{ ...good, bytes: "1" }, { ...good, sha256: 1 }, { file: "a" }, { ...good, file: 7 }]
      const rows = [good, ...bad, ...wrong, good]
      fs.writeFileSync(path, `${rows.map((row) => JSON.stringify(row)).join("\n")}\nnot json\n`)
      const found = (await collect(Files.readManifest(path))).flat()
      assert.deepStrictEqual(
        found.map(({ entry }) => entry),
        rows.map((row) => row === good ? good : undefined).concat(undefined)
      )
      assert.deepStrictEqual(found.slice(0, 2).map(({ line, offset }) => [line, offset]), [
        [1, 0],
        [2, JSON.stringify(good).length + 1]
      ])
    }))
})

describe("a journal", () => {
  const entry = (file: string, text = file) => ({ file, ...digest(text) })

  it("keeps what was copied, checked and listed, and is read again", () =>
    withFolder(async (root) => {
      const path = join(root, "copied.jsonl")
      const journal = await openJournal(path)
      assert.isUndefined(journal.get("a"))
      journal.add(entry("a"))
      journal.add(entry("b"))
      journal.add(entry("a", "newer"))
      assert.deepStrictEqual(journal.get("a"), { entry: entry("a", "newer"), isChecked: true })
      assert.isTrue(journal.list("a"))
      assert.isFalse(journal.list("a"))
      assert.isTrue(journal.isListed("a"))
      assert.isFalse(journal.isListed("b"))
      assert.isFalse(journal.list("c"))
      assert.isFalse(journal.isListed("c"))
      journal.close()

      fs.appendFileSync(path, "{\"file\":\"cut off")
      const again = await openJournal(path)
      assert.deepStrictEqual(again.get("a"), { entry: entry("a", "newer"), isChecked: false })
      again.check("a")
      again.check("a")
      again.check("c")
      assert.isTrue(again.get("a")?.isChecked)
      assert.isFalse(again.get("b")?.isChecked)
      assert.isTrue(again.list("a"))
      assert.isTrue(again.get("a")?.isChecked)
      again.add(entry("d"))
      again.close()
      const last = await openJournal(path)
      assert.deepStrictEqual(["a", "b", "c", "d"].map((name) => last.get(name)?.entry.file), ["a", "b", undefined, "d"])
      last.close()
    }))

  it("takes no line that is no entry, and none that is too long", () =>
    withFolder(async (root) => {
      const path = join(root, "copied.jsonl")
      const long = (length: number) => {
        const short = JSON.stringify(entry("", "x")).length
        return entry("a".repeat(length - short), "x")
      }
      const lines = [{ ...entry("a"), bytes: "1" }, { ...entry("b"), sha256: 1 }, { bytes: 1, sha256: "x" }, entry("c")]
        .concat([long(600), long(16_383), long(16_384)]).map((line) => JSON.stringify(line))
      fs.writeFileSync(path, `${lines.join("\n")}\n`)
      const journal = await openJournal(path)
      assert.deepStrictEqual(["a", "b", "c"].map((name) => journal.get(name)?.entry), [
        undefined,
        undefined,
        entry("c")
      ])
      for (const length of [600, 16_383]) {
        assert.deepStrictEqual(journal.get(long(length).file)?.entry, long(length))
      }
      assert.isUndefined(journal.get(long(16_384).file))
      journal.close()
    }))

  it("and names of a manifest hold many", () =>
    withFolder(async (root) => {
      const path = join(root, "copied.jsonl")
      const journal = await openJournal(path)
      const names = Array.from({ length: 2_000 }, (_, at) => `results/${at}`)
      for (const name of names) journal.add(entry(name, "x"))
      for (const name of names) assert.strictEqual(journal.get(name)?.entry.file, name)
      journal.close()
      const known = namesOf()
      for (const name of names) known.add(name)
      for (const name of names) assert.isTrue(known.has(name))
      assert.isFalse(known.has("results/2000"))
    }))
})

describe("many lines", () => {
  const repeated = (text: string, count: number) => `${text}\n`.repeat(count)
  const line = (file: string) => JSON.stringify({ file, ...digest("x") })

  it("of one file are one entry, the newest, in a journal", () =>
    withFolder(async (root) => {
      const path = join(root, "copied.jsonl")
      fs.writeFileSync(path, `${repeated(line("a"), 1_000)}${repeated(line("b"), 1_000)}`)
      const journal = await openJournal(path)
      for (let at = 0; at < 1_000; at++) journal.add({ file: "a", ...digest(`${at}`) })
      journal.add({ file: "a", ...digest("1000") }, { file: "c", ...digest("x") }, { file: "a", ...digest("1001") })
      journal.add()
      assert.deepStrictEqual(journal.get("a")?.entry, { file: "a", ...digest("1001") })
      assert.deepStrictEqual(journal.get("b")?.entry, { file: "b", ...digest("x") })
      assert.deepStrictEqual(journal.get("c")?.entry, { file: "c", ...digest("x") })
      journal.close()
    }))

  it("of a manifest and of a journal come in batches, between which timers run", () =>
    withFolder(async (root) => {
      const path = join(root, "manifest.jsonl")
      fs.writeFileSync(path, "{}\n".repeat(8_000))
      let turns = 0
      const count = () => {
        turns++
        immediate = setImmediate(count)
      }
      let immediate = setImmediate(count)
      const batches = await collect(Files.readManifest(path))
      clearImmediate(immediate)
      assert.lengthOf(batches.flat(), 8_000)
      for (const batch of batches) assert.isAtMost(batch.length, 2_048)
      assert.isAtLeast(turns, batches.length - 1)
      turns = 0
      immediate = setImmediate(count)
      const journal = await openJournal(path)
      clearImmediate(immediate)
      journal.close()
      assert.isAtLeast(turns, batches.length - 1)
    }))
})

describe("digests", () => {
  it("are of all bytes, small files and large ones, in order, with the errors", () =>
    withFolder(async (root) => {
      const sizes = [0, 1, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2 << 20]
      const wanted = sizes.map((size) => {
        const bytes = Buffer.alloc(size, `${size}-`)
        fs.writeFileSync(join(root, `${size}`), bytes)
        return { bytes: size, sha256: sha256(bytes) }
      })
      const paths = sizes.map((size) => join(root, `${size}`))
      assert.deepStrictEqual(await Promise.all(paths.map(digestOf)), wanted)
      fs.symlinkSync("0", join(root, "link"))
      const found = await digestsOf([...paths, join(root, "nothing"), join(root, "link"), root])
      assert.deepStrictEqual(found.slice(0, sizes.length), wanted)
      assert.deepStrictEqual(found.slice(sizes.length).map(Files.codeOf), [
        "ENOENT",
        "ELOOP",
        "it is not a regular file"
      ])
    }))

  it("are the same when bytes and hash are", () => {
    assert.isTrue(sameDigest(digest("a"), digest("a")))
    assert.isFalse(sameDigest(digest("a"), { ...digest("a"), bytes: 2 }))
    assert.isFalse(sameDigest(digest("a"), digest("b")))
  })
})

describe("the lock of an archive", () => {
  it("is held by one, until it is released", () =>
    withFolder(async (root) => {
      const path = join(root, "lock")
      const first = await take(path)
      assert.strictEqual(first._tag, "Held")
      assert.strictEqual((await take(path))._tag, "Taken")
      if (first._tag === "Held") first.release()
      assert.isFalse(fs.existsSync(path))
      fs.symlinkSync("nowhere", path)
      const second = await take(path)
      assert.strictEqual(second._tag, "Held")
      assert.isTrue(fs.lstatSync(path).isFile())
      if (second._tag === "Held") second.release()
      fs.mkdirSync(path)
      assert.strictEqual(await codeOf(take(path)), "it is not a regular file")
    }))
})
