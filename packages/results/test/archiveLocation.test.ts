import * as ResultDescriptor from "@effect-prefect/core/ResultDescriptor"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, posix } from "node:path"
import { runs } from "../../core/test/seeds.ts"
import { archiveLocation, rootsOf } from "../src/internal/archive/location.ts"
import { encodeBucket, encodeKey } from "../src/internal/archive/names.ts"

const of = (json: Schema.JsonObject, roots: ReadonlyArray<string> = []) => {
  const found = archiveLocation(ResultDescriptor.fromJson(json), rootsOf(roots))
  return typeof found === "object" ? [found.from, found.folder, found.name] : found
}
const local = (location: string, dir: string | null = null, roots: ReadonlyArray<string> = []) =>
  of({ type: "LocalResult", location, dir }, roots)

/** What no file system may take for one another, and what many refuse. */
const hostile = [
  "a//b",
  "a/./b",
  "a/c/../b",
  "/a/b",
  "a/b",
  "a",
  "A",
  "a/",
  "a/b/",
  "a//",
  "//",
  "/",
  ".",
  "..",
  "../a",
  "a/..",
  "a.",
  "a..",
  "a ",
  " a",
  "a+",
  "a+/b",
  "a%",
  "%41",
  "%",
  "a%v1",
  "%sha256-0",
  "é".normalize("NFC"),
  "é".normalize("NFD"),
  "ﬁ",
  "fi",
  "ß",
  "SS",
  "ss",
  "İ",
  "i",
  "ı",
  "I",
  "K",
  "k",
  "con",
  "CON",
  "con.txt",
  "aux/x",
  "nul",
  "com1",
  "a:b",
  "a\\b",
  "a*?\"<>|",
  "a\0b",
  "a\nb",
  "\ud800",
  "\udfff",
  "\ufffd",
  "😀",
  "x".repeat(255),
  "x".repeat(256),
  "x".repeat(1024),
  "X".repeat(1024),
  "d/".repeat(500),
  `${"d/".repeat(500)}x`,
  "語".repeat(340),
  "2022/3/1/flow.prefect_result"
]

/** A file system that folds as much as any does. */
const folded = (name: string) => name.normalize("NFKC").toLowerCase()

const assertInjective = (keys: ReadonlyArray<string>) => {
  const files = new Map<string, string>()
  const folders = new Set<string>()
  for (const key of new Set(keys)) {
    const name = encodeKey(key)
    assert.match(name, /^(?:[a-z0-9_.=,@~%-]+\+?\/)*[a-z0-9_.=,@~%-]+$/)
    assert.isAtMost(name.length, 1000)
    for (const part of name.split("/")) {
      assert.isAtMost(part.length, 255)
      assert.notMatch(part, /^\.{1,2}$|[. ]$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/)
    }
    assert.strictEqual(posix.normalize(name), name)
    const other = files.get(folded(name))
    assert.isUndefined(other, `${JSON.stringify(key)} and ${JSON.stringify(other)} are both ${name}`)
    files.set(folded(name), key)
    for (let folder = posix.dirname(name); folder !== "."; folder = posix.dirname(folder)) folders.add(folded(folder))
  }
  for (const name of files.keys()) assert.isFalse(folders.has(name), name)
}

describe("the name of a key", () => {
  it("is its own, and one that every file system takes", () => {
    assertInjective(hostile)
    assert.strictEqual(new Set(hostile.map((key) => encodeKey(key))).size, new Set(hostile).size)
  })

  const Segment = Schema.Union([Schema.String, Schema.Literals(hostile as [string, ...Array<string>])])
  const Key = Schema.Array(Segment)
  it.prop(
    "is its own, whatever the keys",
    [Schema.Array(Key)],
    ([keys]) => assertInjective(keys.flatMap((parts) => [parts.join("/"), parts.join("")])),
    { arbitrary: runs(50, 500) }
  )

  it("has the version in it", () => {
    const names = [
      encodeKey("a"),
      encodeKey("a", "1"),
      encodeKey("a", "A"),
      encodeKey("a", "a"),
      encodeKey("a%v1"),
      encodeKey("a", ""),
      encodeKey("a", "1/../b")
    ]
    assert.strictEqual(new Set(names.map(folded)).size, names.length)
    assert.isTrue(names.every((name) => !name.includes("/")))
  })

  it("is what it was where nothing stands against that", () => {
    assert.strictEqual(encodeKey("flow-a_b.prefect_result"), "flow-a_b.prefect_result")
    assert.strictEqual(encodeKey("2022/3/1/x.csv"), "2022+/3+/1+/x.csv")
    assert.strictEqual(encodeBucket("my.bucket-1"), "my.bucket-1")
    assert.strictEqual(encodeBucket("arn:aws:s3:x:1:accesspoint/y"), "arn%3aaws%3as3%3ax%3a1%3aaccesspoint%2fy")
  })
})

describe("the location of a result in an archive", () => {
  it("of a worker's file is below a directory that was named, else below the root", () => {
    assert.deepStrictEqual(local("/srv/Results/a/B.pkl", "/srv/Results", ["/srv/Results"]), [
      "/srv/Results",
      "results/srv/Results",
      "a+/%42.pkl"
    ])
    assert.deepStrictEqual(local("b.pkl", "/srv/results/", ["/srv/results/"]), [
      "/srv/results",
      "results/srv/results",
      "b.pkl"
    ])
    assert.deepStrictEqual(local("/x/b.pkl", null, ["/srv"]), ["/", "files", "x+/b.pkl"])
    assert.deepStrictEqual(local("/srv/b.pkl"), ["/", "results", "srv+/b.pkl"])
    assert.deepStrictEqual(local("file:///srv/b.pkl", "/srv"), ["/", "results", "srv+/b.pkl"])
  })

  it("keeps the path of no two directories that are inside of one another or differ in case alone", () => {
    const froms = (...paths: ReadonlyArray<string>) => rootsOf(paths).map(({ folder }) => folder)
    assert.deepStrictEqual(froms("/a/b", "/a", "/c"), ["results/a", "results/c"])
    assert.deepStrictEqual(froms("/A", "/a", "/a/b"), ["results/A"])
    assert.deepStrictEqual(froms("/a/%41", "s3://b", "C:\\x", "relative", "/a+"), ["results/a%2b", "results/a/%2541"])
    assert.deepStrictEqual(froms("/", "/a"), ["results"])
  })

  it("of a Windows worker's file is by its drive or share, whose case does not count", () => {
    assert.deepStrictEqual(local("C:\\Flows\\Results\\A.pkl", "c:\\flows\\results"), [
      "c:/",
      "windows/c",
      "flows+/results+/a.pkl"
    ])
    assert.deepStrictEqual(local("\\\\server\\share\\x\\A.pkl", "\\\\server\\share"), [
      "\\\\server\\share",
      "windows/unc/server/share",
      "x+/a.pkl"
    ])
  })

  it("of an object is by its bucket", () => {
    assert.deepStrictEqual(of({ type: "S3Result", bucket: "b", location: "x/y" }), ["s3://b", "s3/b", "x+/y"])
    assert.deepStrictEqual(of({ type: "GCSResult", bucket: "b", location: "/x" }), ["gs://b", "gs/b", "%+/x"])
    assert.deepStrictEqual(of({ type: "AzureResult", container: "c", location: "x/" }), [
      "azure://c",
      "azure/c",
      "x+/%"
    ])
    assert.deepStrictEqual(of({ type: "S3Result", bucket: "arn:a/b", location: "x" }), [
      "s3://arn%3Aa%2Fb",
      "s3/arn%3aa%2fb",
      "x"
    ])
  })

  it("is a reason where no file can be meant, and nothing where the tables have the result", () => {
    for (const location of ["../up.pkl", "", ".", "~", "/", "/srv/a\0b"]) assert.isString(local(location), location)
    assert.isString(of({ type: "S3Result", bucket: null, location: "x" }))
    assert.isString(of({ type: "S3Result", bucket: "\ud800", location: "x" }))
    assert.isString(of({ type: "MyResult", location: "/x" }))
    assert.isUndefined(of({ type: "PrefectResult", location: "24" }))
  })

  it("is a folder of its own below the home and the working folder of a worker, which were not recorded", () => {
    assert.deepStrictEqual(local("~/a/b"), ["~", "home", "a+/b"])
    assert.deepStrictEqual(local("a/b"), [".", "relative", "a+/b"])
  })

  const text = Schema.Union([
    Schema.String,
    Schema.Literals(["..", ".", "/", "a", "../..", "C:\\", "\\\\s\\t\\", "//"])
  ])
  it.prop("is inside the archive, and is where the mount finds it again", [Schema.Array(text), text, text], ([
    parts,
    dir,
    bucket
  ]) =>
    Effect.runPromise(Effect.gen(function*() {
      const location = parts.join("/")
      const directory = mkdtempSync(join(tmpdir(), "location-"))
      try {
        for (
          const [index, json] of [
            { type: "LocalResult", location, dir },
            { type: "LocalResult", location: `/Named/${location}`, dir },
            { type: "S3Result", location, bucket },
            { type: "S3Result", location, bucket, version_id: dir }
          ].entries()
        ) {
          const descriptor = ResultDescriptor.fromJson(json)
          const found = archiveLocation(descriptor, rootsOf(["/Named"]))
          if (typeof found !== "object") continue
          const file = `${found.folder}/${found.name}`
          assert.strictEqual(posix.normalize(file), file)
          assert.match(file, /^(results|files|windows|home|relative|s3)\//)
          const path = join(directory, String(index), file)
          mkdirSync(dirname(path), { recursive: true })
          writeFileSync(path, String(index))
          const readers = LocalStorage.readers({
            mounts: [{ from: found.from, to: join(directory, String(index), found.folder), names: "encoded" }]
          })
          if (Result.isFailure(readers)) return assert.fail(readers.failure.message)
          const reader = readers.success.find(({ type }) => type === descriptor._tag)
          const resolved = reader!.resolve(descriptor as never)
          if (resolved._tag === "Denied") return assert.fail(`${file}: ${resolved.hint}`)
          const stored = yield* resolved.read({ maxBytes: 10 })
          assert.deepStrictEqual(stored._tag === "Bytes" && Buffer.from(stored.bytes).toString(), String(index))
        }
      } finally {
        rmSync(directory, { recursive: true })
      }
    })), { arbitrary: runs(30, 300) })
})

describe("a plain folder mounted for a bucket", () => {
  const read = (directory: string, location: string, more: object = {}) => {
    const readers = LocalStorage.readers({ mounts: [{ from: "s3://b", to: directory }] })
    if (Result.isFailure(readers)) throw readers.failure
    const reader = readers.success.find(({ type }) => type === "S3Result")!
    const resolved = reader.resolve(
      ResultDescriptor.fromJson({ type: "S3Result", bucket: "b", location, ...more }) as never
    )
    return resolved._tag === "Denied"
      ? Effect.succeed(`denied: ${resolved.detail ?? resolved.hint}`)
      : Effect.map(
        resolved.read({ maxBytes: 10 }),
        (stored) => stored._tag === "Bytes" ? Buffer.from(stored.bytes).toString() : "value"
      )
  }

  it.live("reads a key where it names exactly one file, and says so otherwise", () =>
    Effect.gen(function*() {
      const directory = mkdtempSync(join(tmpdir(), "plain-"))
      try {
        mkdirSync(join(directory, "a"))
        writeFileSync(join(directory, "a/b"), "value")
        assert.strictEqual(yield* read(directory, "a/b"), "value")
        for (const key of ["a//b", "a/./b", "a/c/../b", "/a/b", "./a/b", "a/b/"]) {
          assert.include(yield* read(directory, key), "archive export", key)
        }
        assert.include(yield* read(directory, "a/b", { version_id: "1" }), "archive export")
        assert.include(yield* read(directory, "a/b\0"), "denied")
      } finally {
        rmSync(directory, { recursive: true })
      }
    }))
})
