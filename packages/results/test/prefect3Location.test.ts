import type { StorageBlock } from "@effect-prefect/api/Backend"
import { assert, describe, it } from "@effect/vitest"
import * as Prefect3Location from "../src/internal/prefect3/location.ts"

/** A location as a text, or the tag of the error and what it says. */
const shown = (found: Prefect3Location.Resolved): string => {
  switch (found._tag) {
    case "LocalResult":
      return `file ${found.location}`
    case "S3Result":
    case "GCSResult":
      return `${found._tag} ${found.bucket} ${found.location}`
    case "AzureResult":
      return `${found._tag} ${found.container} ${found.location}`
    case "ResultAccessDenied":
    case "UnsupportedResultType":
      return `${found._tag} ${found.message}`
    default:
      return found._tag
  }
}

describe("a key in a block", () => {
  const cases: ReadonlyArray<readonly [type: string, data: StorageBlock["data"], key: string, place: string]> = [
    ["local-file-system", { basepath: "/srv" }, "a/k", "file /srv/a/k"],
    ["local-file-system", { basepath: "/srv/" }, "/srv/k", "file /srv/k"],
    ["local-file-system", { basepath: "" }, "k", "file k"],
    ["s3-bucket", { bucket_name: "b" }, "k", "S3Result b k"],
    ["s3-bucket", { bucket_name: "b" }, "./a//k", "S3Result b a/k"],
    ["s3-bucket", { bucket_name: "b" }, "a./k", "S3Result b a./k"],
    ["s3-bucket", { bucket_name: "b", bucket_folder: "f/" }, "k", "S3Result b f/k"],
    ["s3-bucket", { bucket_name: "b", bucket_folder: "f" }, "f/k", "S3Result b f/k"],
    ["s3-bucket", { bucket_name: "b", bucket_folder: "f" }, "f", "S3Result b f"],
    ["s3-bucket", { bucket_name: "b", bucket_folder: "f" }, "fk", "S3Result b f/fk"],
    ["s3-bucket", { bucket_name: "b", bucket_folder: "f" }, "/k", "S3Result b /k"],
    ["gcs-bucket", { bucket: "b", bucket_folder: "f" }, "f/k", "GCSResult b f/k"],
    ["azure-blob-storage-container", { container_name: "c" }, "k", "AzureResult c k"],
    ["azure-blob-storage-container", { container_name: "c", base_folder: "f" }, "f/k", "AzureResult c f/f/k"],
    ["remote-file-system", { basepath: "s3a://b/f" }, "k", "S3Result b f/k"],
    ["remote-file-system", { basepath: "S3://b/f" }, "//k", "S3Result b f/k"],
    ["remote-file-system", { basepath: "gs://b/f" }, "gs://b/f/k", "GCSResult b f/k"],
    ["remote-file-system", { basepath: "az://c/f" }, "k", "AzureResult c f/k"],
    ["remote-file-system", { basepath: "azure://c/f" }, "azure://c/f/k", "AzureResult c f/k"],
    ["remote-file-system", { basepath: "adl://c/f" }, "k", "AzureResult c f/k"],
    ["remote-file-system", { basepath: "abfss://c@a.dfs.core.windows.net/f" }, "k", "AzureResult c f/k"],
    ["remote-file-system", { basepath: "local:///data" }, "k", "file /data/k"],
    ["remote-file-system", { basepath: "/data" }, "k", "file /data/k"],
    ["s3", { bucket_path: "b/f" }, "k", "S3Result b f/k"],
    ["s3", { bucket_path: "s3://b/f" }, "k", "S3Result b f/k"],
    ["gcs", { bucket_path: "b" }, "k", "GCSResult b k"],
    ["azure", { bucket_path: "c/f" }, "k", "AzureResult c f/k"]
  ]
  it.each(cases)("%s %j %s: %s", (type, data, key, place) => {
    assert.strictEqual(shown(Prefect3Location.inBlock({ id: "b", type, data }, key)), place)
  })

  const refused: ReadonlyArray<readonly [type: string, data: StorageBlock["data"], key: string, message: RegExp]> = [
    ["local-file-system", { basepath: "/srv" }, "../k", /^ResultAccessDenied \/k.* keeps results in \/srv, /],
    ["local-file-system", { basepath: "/srv" }, "/srvk", /^ResultAccessDenied/],
    ["remote-file-system", { basepath: "s3://b/f" }, "s3://b/fk", /^ResultAccessDenied .* in s3:\/\/b\/f, /],
    ["remote-file-system", { basepath: "s3://b/f" }, "abfs://b/f/k/../../k", /^ResultAccessDenied/],
    ["remote-file-system", { basepath: "file://data" }, "k", /^ResultAccessDenied .*the folder that the worker ran in/],
    ["remote-file-system", { basepath: "memory://f" }, "k", /^UnsupportedResultType .*on memory:\/\/.* can be read/],
    ["github", {}, "k", /^UnsupportedResultType .*github.* only reads from a repository/],
    ["gitlab-repository", {}, "k", /^UnsupportedResultType .* only reads from a repository/],
    ["smb", {}, "k", /^UnsupportedResultType .*type smb.*s3-bucket.* can be read/]
  ]
  it.each(refused)("%s %j %s is refused", (type, data, key, message) => {
    assert.match(shown(Prefect3Location.inBlock({ id: "b", type, data }, key)), message)
  })
})

describe("a key without a block", () => {
  it.each([
    ["/srv/k", "file /srv/k"],
    ["C:\\results\\k", "file C:\\results\\k"],
    ["c://k", "file c://k"],
    ["s3://b/f/k", "S3Result b f/k"],
    ["gcs://b//k", "GCSResult b k"],
    ["abfs://c/k", "AzureResult c k"],
    ["file:///srv/k", "file /srv/k"],
    ["k", "file k"],
    ["/a/s3://b/k", "file /a/s3://b/k"]
  ])("%s is %s", (key, place) => assert.strictEqual(shown(Prefect3Location.ofKey(key)), place))

  it("has its storage in itself where it is absolute or a URL", () => {
    for (const key of ["/k", "~/k", "C:\\k", "z:/k", "\\\\server\\k", "s3://b/k", "abfss://c/k"]) {
      assert.isFalse(Prefect3Location.isWithoutStorage(key), key)
    }
    for (const key of ["k", "a/k", "é:/k", "C:k", ":/k", "\\k", "a b://k"]) {
      assert.isTrue(Prefect3Location.isWithoutStorage(key), key)
    }
  })
})
