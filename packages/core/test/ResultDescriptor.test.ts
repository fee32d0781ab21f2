import * as ResultDescriptor from "@effect-prefect/core/ResultDescriptor"
import { assert, describe, it } from "@effect/vitest"
import * as Equal from "effect/Equal"
import * as Schema from "effect/Schema"
import { everyRow } from "./archives.ts"
import { equalByFields } from "./equalByFields.ts"
import { ObjectLikePrefects } from "./generated.ts"
import { runs } from "./seeds.ts"

const read = ResultDescriptor.fromJson

describe("fromJson", () => {
  it("reads Prefect's ten types", () => {
    const jsons = [
      { type: "LocalResult", location: "/srv/a", dir: "/srv", __version__: "1.4.1" },
      { type: "S3Result", location: "a/b", bucket: "results", __version__: "1.4.1" },
      { type: "GCSResult", location: "a/b", bucket: "results", __version__: "1.4.1" },
      { type: "AzureResult", location: "a/b", container: "results", __version__: "1.4.1" },
      { type: "PrefectResult", location: "[1, 2]", __version__: "1.4.1" },
      { type: "ConstantResult", location: "24", __version__: "1.4.1" },
      { type: "SecretResult", location: "KEY", secret_type: "prefect.tasks.secrets.base.PrefectSecret" },
      { type: "Result", location: null, __version__: "1.4.1" },
      { type: "NoResultType", __version__: "1.4.1" }
    ]
    for (const json of jsons) {
      const descriptor = read(json)
      assert.strictEqual(descriptor._tag, json.type as ResultDescriptor.ResultDescriptor["_tag"])
      assert.deepStrictEqual(ResultDescriptor.toJson(descriptor), json)
    }
    const s3 = read(jsons[1]!)
    assert.strictEqual(s3._tag === "S3Result" && s3.bucket, "results")
    const azure = read(jsons[3]!)
    assert.strictEqual(azure._tag === "AzureResult" && azure.container, "results")
    const secret = read(jsons[6]!)
    assert.strictEqual(secret._tag === "SecretResult" && secret.secretType, "prefect.tasks.secrets.base.PrefectSecret")
  })

  it("keeps a custom class, and a descriptor whose fields are not Prefect's, whole", () => {
    const odd: ReadonlyArray<Schema.JsonObject> = [
      { type: "MyResult", location: "x", more: [1] },
      { type: "LocalResult", location: 3 },
      { type: "S3Result", bucket: {} },
      { type: "CustomResult", raw: {} },
      { type: "Prefect3Result", storageKey: "x" },
      { type: null, storage_key: "x" },
      { location: "x" },
      {}
    ]
    for (const json of odd) {
      const descriptor = read(json)
      assert.strictEqual(descriptor._tag, "CustomResult", JSON.stringify(json))
      assert.deepStrictEqual(ResultDescriptor.toJson(descriptor), json)
    }
    const custom = read(odd[0]!)
    assert.strictEqual(custom._tag === "CustomResult" && custom.type, "MyResult")
    assert.strictEqual(custom.location, "x")
    const nameless = read({ location: 3 })
    assert.strictEqual(nameless._tag === "CustomResult" && nameless.type, "(no type)")
    assert.strictEqual(nameless.location, "3")
    assert.isTrue(ResultDescriptor.isPersisted(nameless))
    assert.strictEqual(read({ type: "MyResult", location: null }).location, null)
  })

  it("tells a damaged descriptor of Prefect from one of a class of a user's own", () => {
    const isMalformed = (json: Schema.JsonObject) => {
      const descriptor = read(json)
      return descriptor._tag === "CustomResult" && descriptor.isMalformed
    }
    assert.isTrue(isMalformed({ type: "LocalResult", location: 3 }))
    assert.isTrue(isMalformed({ location: "/x" }))
    assert.isFalse(isMalformed({ type: "MyResult", location: "/x" }))
    assert.isFalse(isMalformed({ encoding: "orjson", blob: "x" }))
    assert.isFalse(isMalformed({ type: "LocalResult", location: "/x" }))
  })

  it("reads Prefect 3's record, which has no type", () => {
    const json = {
      storage_key: "abc",
      storage_block_id: null,
      expiration: null,
      serializer: { type: "pickle", picklelib: "cloudpickle" },
      prefect_version: "3.8.0",
      more: true
    }
    const descriptor = read(json)
    if (descriptor._tag !== "Prefect3Result") return assert.fail(descriptor._tag)
    assert.strictEqual(descriptor.location, "abc")
    assert.deepStrictEqual(descriptor.extra, { more: true })
    assert.deepStrictEqual(ResultDescriptor.toJson(descriptor), json)
  })
})

describe("isPersisted", () => {
  it("needs a result type and a location", () => {
    const isPersisted = (json: Schema.JsonObject) => ResultDescriptor.isPersisted(read(json))
    assert.isTrue(isPersisted({ type: "LocalResult", location: "/x" }))
    assert.isTrue(isPersisted({ type: "MyResult", location: "/x" }))
    assert.isTrue(isPersisted({ storage_key: "x" }))
    assert.isTrue(isPersisted({ type: "PrefectResult", location: "" }))
    assert.isFalse(isPersisted({ type: "LocalResult", location: null }))
    assert.isFalse(isPersisted({ type: "LocalResult" }))
    assert.isFalse(isPersisted({ type: "Result", location: null }))
    assert.isFalse(isPersisted({ type: "NoResultType", location: "/x" }))
    assert.isFalse(isPersisted({ type: "MyResult" }))
    assert.isFalse(ResultDescriptor.isPersisted(undefined))
  })
})

describe("equality", () => {
  it("is by what a descriptor holds, not by the version that wrote it", () => {
    const base = { type: "LocalResult", location: "/x", dir: "/" }
    assert.isTrue(Equal.equals(read({ ...base, __version__: "0.15.13" }), read({ ...base, __version__: "1.4.1" })))
    assert.isFalse(Equal.equals(read(base), read({ ...base, location: "/y" })))
    assert.isFalse(Equal.equals(read(base), read({ ...base, more: 1 })))
    assert.isFalse(Equal.equals(read(base), read({ ...base, type: "PrefectResult" })))
    assert.isTrue(Equal.equals(read({ type: "MyResult", a: [1] }), read({ type: "MyResult", a: [1] })))
    const [plain, more] = [read(base), read({ ...base, more: 1 })]
    assert.isFalse(equalByFields(plain, more))
    assert.isFalse(equalByFields(more, plain))
    assert.isFalse(equalByFields(plain, read({ ...base, location: "/y" })))
  })
})

describe("readable", () => {
  const safe = (handler: object | undefined, value: unknown) =>
    read({ type: "SafeResult", value, ...(handler === undefined ? {} : { result_handler: handler }) } as never)

  it("is what a handler of Prefect 0.10 had stored", () => {
    const cases = [
      [{ type: "JSONResultHandler" }, "{\"a\": 1}", { _tag: "PrefectResult", location: "{\"a\": 1}" }],
      [{ type: "LocalResultHandler", dir: "/srv" }, "/srv/x", { _tag: "LocalResult", location: "/srv/x", dir: "/srv" }],
      [{ type: "S3ResultHandler", bucket: "b" }, "k", { _tag: "S3Result", location: "k", bucket: "b" }],
      [{ type: "GCSResultHandler", bucket: "b" }, "k", { _tag: "GCSResult", location: "k", bucket: "b" }],
      [{ type: "AzureResultHandler", container: "c" }, "k", { _tag: "AzureResult", location: "k", container: "c" }],
      [{ type: "ConstantResultHandler" }, "24", { _tag: "ConstantResult", location: "24" }],
      [{ type: "SecretResultHandler" }, "KEY", { _tag: "SecretResult", location: "KEY" }],
      [{ type: "S3ResultHandler", bucket: 7 }, "k", { _tag: "S3Result", location: "k", bucket: null }],
      [{ type: "LocalResultHandler" }, "/srv/x", { _tag: "LocalResult", location: "/srv/x", dir: null }]
    ] as const
    for (const [handler, value, expected] of cases) {
      assert.deepStrictEqual({ ...ResultDescriptor.readable(safe(handler, value)) }, expected as object)
    }
  })

  it("is not stored without a value, and is itself with a handler that is not known", () => {
    for (const none of [safe({ type: "JSONResultHandler" }, null), read({ type: "SafeResult" })]) {
      assert.strictEqual(ResultDescriptor.readable(none)._tag, "NoResultType")
    }
    for (const odd of [safe({ type: "MyHandler" }, "x"), safe(undefined, "x"), safe({ type: "S3ResultHandler" }, 3)]) {
      assert.strictEqual(ResultDescriptor.readable(odd), odd)
    }
    const local = read({ type: "LocalResult", location: "/srv/a" })
    assert.strictEqual(ResultDescriptor.readable(local), local)
  })
})

describe("a record of Prefect 3", () => {
  it("is expired from the moment on that it names", () => {
    const expiring = (expiration: string | null | undefined) =>
      new ResultDescriptor.Prefect3Result({
        storageKey: "x",
        ...(expiration === undefined ? {} : { expiration })
      })
    const at = Date.parse("2026-11-23T06:19:37.500Z")
    const record = expiring("2026-11-23T06:19:37.500Z")
    assert.deepStrictEqual([at - 1, at, at + 1].map((now) => record.isExpired(now)), [false, true, true])
    for (const never of [null, undefined, "never"]) assert.isFalse(expiring(never).isExpired(Infinity))
  })
})

describe("round trips", () => {
  it.each([...everyRow("task_run"), ...everyRow("task_run_state")])("%s", (_, row) => {
    const json = (row["serialized_state"] as Schema.JsonObject)["_result"]
    if (json === undefined) return
    const descriptor = Schema.decodeUnknownSync(ResultDescriptor.FromJson)(json)
    assert.notStrictEqual(descriptor._tag, "CustomResult")
    assert.notProperty(descriptor, "extra")
    assert.deepStrictEqual(Schema.encodeSync(ResultDescriptor.FromJson)(descriptor), json as Schema.JsonObject)
  })

  it.prop("any object", [Schema.JsonObject, ObjectLikePrefects], (objects) => {
    for (const json of objects) assert.deepStrictEqual(ResultDescriptor.toJson(read(json)), json)
  }, { arbitrary: runs(120, 1000) })
})
