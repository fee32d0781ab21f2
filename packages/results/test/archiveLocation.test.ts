import * as ResultDescriptor from "@effect-prefect/core/ResultDescriptor"
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { posix } from "node:path"
import { archiveLocation } from "../src/internal/archive/location.ts"
import * as Location from "../src/internal/location.ts"

const of = (json: Schema.JsonObject) => {
  const place = archiveLocation(ResultDescriptor.fromJson(json))
  return place === undefined ? undefined : [place.from, place.folder, place.name]
}
const local = (location: string, dir: string | null = null) => of({ type: "LocalResult", location, dir })

describe("the place of a result in an archive", () => {
  it("of a worker's file is below its directory, else below the root", () => {
    assert.deepStrictEqual(local("/srv/results/a/b.pkl", "/srv/results"), [
      "/srv/results",
      "results/srv/results",
      "a/b.pkl"
    ])
    assert.deepStrictEqual(local("a/b.pkl", "/srv/results/"), ["/srv/results", "results/srv/results", "a/b.pkl"])
    assert.deepStrictEqual(local("/elsewhere/b.pkl", "/srv/results"), ["/", "results", "elsewhere/b.pkl"])
    assert.deepStrictEqual(local("/srv/b.pkl"), ["/", "results", "srv/b.pkl"])
    assert.deepStrictEqual(local("/srv/b.pkl", "/"), ["/", "results", "srv/b.pkl"])
    assert.deepStrictEqual(local("file:///srv/b.pkl", "/srv"), ["/srv", "results/srv", "b.pkl"])
  })

  it("of a Windows worker's file is by its drive or share, whose case does not count", () => {
    assert.deepStrictEqual(local("C:\\Flows\\Results\\A.pkl", "c:\\flows\\results"), [
      "c:/flows/results",
      "windows/c/flows/results",
      "A.pkl"
    ])
    assert.deepStrictEqual(local("D:\\x\\A.pkl"), ["D:/", "windows/d", "x/A.pkl"])
    assert.deepStrictEqual(local("\\\\server\\share\\x\\A.pkl", "\\\\server\\share"), [
      "\\\\server\\share",
      "windows/unc/server/share",
      "x/A.pkl"
    ])
    assert.deepStrictEqual(local("\\\\server\\share\\x"), ["\\\\server\\share", "windows/unc/server/share", "x"])
  })

  it("of an object is by its bucket", () => {
    assert.deepStrictEqual(of({ type: "S3Result", bucket: "b", location: "x/y" }), ["s3://b", "s3/b", "x/y"])
    assert.deepStrictEqual(of({ type: "GCSResult", bucket: "b", location: "/x" }), ["gs://b", "gs/b", "x"])
    assert.deepStrictEqual(of({ type: "AzureResult", container: "c", location: "x" }), ["azure://c", "azure/c", "x"])
  })

  it("is none where no file can be meant, or nothing is stored in a store of its own", () => {
    assert.strictEqual(local("relative.pkl"), undefined)
    assert.strictEqual(local(""), undefined)
    assert.strictEqual(local("/"), undefined)
    assert.strictEqual(local("/srv/a\0b"), undefined)
    for (const bucket of ["", "..", ".", "a/b", "a\\b", "../x", null]) {
      assert.strictEqual(of({ type: "S3Result", bucket, location: "x" }), undefined, String(bucket))
    }
    for (const location of ["", "/", "a/", "..", "../x", "a/../../x"]) {
      assert.strictEqual(of({ type: "S3Result", bucket: "b", location }), undefined, location)
    }
    assert.strictEqual(of({ type: "PrefectResult", location: "24" }), undefined)
    assert.strictEqual(of({ type: "MyResult", location: "/x" }), undefined)
  })

  const text = Schema.Union([
    Schema.String,
    Schema.Literals([
      "..",
      ".",
      "/",
      "a",
      "a/..",
      "../..",
      "C:",
      "C:\\",
      "\\\\s",
      "\\",
      "//",
      "a/b",
      "results",
      "%2e%2e"
    ])
  ])
  it.prop("never leads out of the archive, and is found again by the mount", [Schema.Array(text), text, text], ([
    parts,
    dir,
    bucket
  ]) => {
    const location = parts.join("/")
    for (
      const descriptor of [
        ResultDescriptor.fromJson({ type: "LocalResult", location, dir }),
        ResultDescriptor.fromJson({ type: "LocalResult", location: `/${location}`, dir }),
        ResultDescriptor.fromJson({ type: "S3Result", location, bucket })
      ]
    ) {
      const place = archiveLocation(descriptor)
      if (place === undefined) continue
      const path = `${place.folder}/${place.name}`
      assert.strictEqual(posix.normalize(path), path)
      assert.match(path, /^(results|windows|s3)\//)
      assert.notInclude(path.split("/"), "..")
      const mount = Location.parse(place.from)
      if (mount._tag === "Invalid") return assert.fail(mount.detail)
      const asked = descriptor._tag === "LocalResult"
        ? Location.file(descriptor.location ?? "", descriptor.dir)
        : Location.object("s3", bucket, location)
      assert.strictEqual(Location.below(asked, mount.location.key), place.name)
    }
  }, { arbitrary: { runs: 3000 } })
})
