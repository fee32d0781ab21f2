import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as Mount from "@effect-prefect/results/Mount"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"

const parsed = (text: string) => Result.getOrThrow(Mount.parse(text))
const problem = (text: string) => Result.getOrThrow(Result.flip(Mount.parse(text))).message

describe("Mount.parse", () => {
  it("splits at the first =", () => {
    for (
      const [text, from, to] of [
        ["/srv/prefect/results=./results", "/srv/prefect/results", "./results"],
        ["s3://bucket=./s3/a=b", "s3://bucket", "./s3/a=b"],
        ["s3://bucket/some/prefix=x", "s3://bucket/some/prefix", "x"],
        ["gs://bucket=x", "gs://bucket", "x"],
        ["azure://container=x", "azure://container", "x"],
        ["C:\\results=x", "C:\\results", "x"],
        ["\\\\server\\share=x", "\\\\server\\share", "x"],
        ["/a=C:\\b", "/a", "C:\\b"]
      ] as const
    ) assert.deepStrictEqual(parsed(text), { _tag: "Mount", mount: { from, to } })
  })

  it("allows the place itself where no folder is given", () => {
    assert.deepStrictEqual(parsed("/srv/results"), { _tag: "Root", root: "/srv/results" })
    assert.deepStrictEqual(parsed("./results"), { _tag: "Root", root: "./results" })
    const bucket = (scheme: "s3" | "gs" | "azure", bucket: string, prefix: string) =>
      ({ _tag: "Bucket", scheme, bucket, prefix }) as const
    assert.deepStrictEqual(parsed("s3://bucket"), bucket("s3", "bucket", ""))
    assert.deepStrictEqual(parsed("s3://bucket/"), bucket("s3", "bucket", ""))
    assert.deepStrictEqual(parsed("gs://bucket/a/b/"), bucket("gs", "bucket", "a/b"))
    assert.deepStrictEqual(parsed("azure://container/x"), bucket("azure", "container", "x"))
  })

  it("says what is wrong", () => {
    assert.include(problem(""), "empty")
    assert.include(problem("=x"), "empty")
    assert.include(problem("/srv="), "no folder")
    assert.include(problem("s3://"), "no bucket")
    assert.include(problem("azure://=x"), "no container")
    assert.include(problem("https://bucket=x"), "https:// is not a storage")
    assert.include(problem("s3://bucket/../other"), "leads out")
    assert.include(problem("/a\0b"), "NUL")
    if (process.platform !== "win32") assert.include(problem("C:\\results"), "C:\\results=DIR")
  })
})

describe("a folder with a NUL", () => {
  it.each([{ roots: ["/a\0b"] }, { mounts: [{ from: "/w", to: "/a\0b" }] }])("is a typed error: %j", (options) => {
    const readers = LocalStorage.readers(options)
    assert.isTrue(Result.isFailure(readers) && readers.failure.message.includes("NUL"))
  })
})
