import * as ResultDescriptor from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import { assert, describe, it } from "@effect/vitest"

const state = (type: string, name: string | null, rest: object = {}) => ({
  id: "01a2070f-6044-7d1e-adcb-1709c7428f2c",
  type,
  name,
  timestamp: "2026-11-23T06:19:37.924784Z",
  message: "All good",
  data: null,
  state_details: { scheduled_time: null, retriable: null },
  ...rest
})
const record = {
  storage_key: "/srv/prefect3/storage/x",
  expiration: null,
  serializer: { type: "pickle" },
  prefect_version: "3.8.0",
  storage_block_id: null
}

describe("what a Prefect 3 state stands for", () => {
  const cases: ReadonlyArray<readonly [string, string | null, State.StateType, boolean, boolean]> = [
    // type, name, Prefect 1 type, finished, successful
    ["COMPLETED", "Completed", "Success", true, true],
    ["COMPLETED", "AllGood", "Success", true, true],
    ["COMPLETED", null, "Success", true, true],
    ["COMPLETED", "Cached", "Cached", true, true],
    ["COMPLETED", "RolledBack", "Finished", true, false],
    ["COMPLETED", "Failed", "Success", true, true],
    ["FAILED", "Failed", "Failed", true, false],
    ["FAILED", "TimedOut", "TimedOut", true, false],
    ["FAILED", "Completed", "Failed", true, false],
    ["CRASHED", "Crashed", "Failed", true, false],
    ["RUNNING", "Running", "Running", false, false],
    ["RUNNING", "Retrying", "Retrying", false, false],
    ["PENDING", "Pending", "Pending", false, false],
    ["PENDING", "NotReady", "Pending", false, false],
    ["SCHEDULED", "Scheduled", "Scheduled", false, false],
    ["SCHEDULED", "Late", "Scheduled", false, false],
    ["SCHEDULED", "AwaitingRetry", "Retrying", false, false],
    ["PAUSED", "Suspended", "Paused", false, false],
    ["CANCELLING", "Cancelling", "Cancelling", false, false],
    ["CANCELLED", "Cancelled", "Cancelled", true, false]
  ]
  for (const [type, name, tag, finished, successful] of cases) {
    it(`${type}/${name} is ${tag}`, () => {
      const json = state(type, name)
      const found = State.fromJson(json)
      assert.strictEqual(found._tag, tag)
      assert.strictEqual(State.isFinished(found), finished)
      assert.strictEqual(State.isSuccessful(found), successful)
      assert.strictEqual(State.isCrashed(found), type === "CRASHED")
      assert(found._tag !== "UnknownState")
      assert.strictEqual(found.prefect3?.type, type)
      assert.strictEqual(found.prefect3?.name, name)
      assert.strictEqual(found.prefect3?.timestamp, json.timestamp)
      assert.deepStrictEqual(found.prefect3?.details, json.state_details)
      assert.strictEqual(found.message, json.message)
      assert.deepStrictEqual(State.toJson(found), json)
    })
  }

  it("when it is scheduled to run", () => {
    const startTime = (type: string, name: string, scheduled_time: unknown) => {
      const found = State.fromJson(state(type, name, { state_details: { scheduled_time } }))
      return "startTime" in found ? found.startTime : undefined
    }
    const at = "2026-11-23T06:19:39Z"
    assert.strictEqual(startTime("SCHEDULED", "Scheduled", at), at)
    assert.strictEqual(startTime("SCHEDULED", "AwaitingRetry", at), at)
    assert.strictEqual(startTime("PAUSED", "Suspended", at), at)
    assert.isUndefined(startTime("RUNNING", "Running", at))
    assert.isUndefined(startTime("SCHEDULED", "Scheduled", 1_795_000_000))
  })

  it("a type that Prefect 3 does not have is unknown, and kept", () => {
    for (const type of ["EXPLODED", "completed", "", null, 3]) {
      const json = state(type as string, "x")
      const found = State.fromJson(json)
      assert.strictEqual(found._tag, "UnknownState")
      assert.deepStrictEqual(State.toJson(found), json)
    }
  })
})

describe("where a Prefect 3 result is", () => {
  const descriptor = (data: unknown, name = "Completed") =>
    State.resultDescriptor(State.fromJson(state("COMPLETED", name, { data })))

  it("the record of 3.1 and later", () => {
    const found = descriptor(record)
    assert(found?._tag === "Prefect3Result")
    assert.strictEqual(found.storageKey, record.storage_key)
    assert.strictEqual(found.location, record.storage_key)
    assert.deepStrictEqual(found.serializer, record.serializer)
    assert.deepStrictEqual(ResultDescriptor.toJson(found), record)
  })

  it("a reference of Prefect 2 and 3.0", () => {
    const found = descriptor({
      type: "reference",
      artifact_type: "result",
      serializer_type: "json",
      storage_block_id: "b",
      storage_key: "k",
      expiration: "2026-11-23T06:19:37.924784Z"
    })
    assert(found?._tag === "Prefect3Result")
    assert.deepStrictEqual([found.storageKey, found.storageBlockId, found.serializer], ["k", "b", { type: "json" }])
    assert.strictEqual(found.expiration, "2026-11-23T06:19:37.924784Z")
    const least = descriptor({ type: "reference", storage_key: "k" })
    assert(least?._tag === "Prefect3Result")
    assert.deepStrictEqual([least.storageBlockId, least.serializer, least.expiration], [null, null, null])
  })

  it("a literal is a value kept in the state", () => {
    const found = descriptor({ type: "literal", value: true })
    assert(found?._tag === "PrefectResult")
    assert.strictEqual(found.location, "true")
  })

  it("nothing where nothing was stored, and where it was rolled back", () => {
    assert.isUndefined(descriptor(null))
    assert.isUndefined(descriptor({ type: "unpersisted" }))
    assert.isUndefined(descriptor(record, "RolledBack"))
    assert.isFalse(ResultDescriptor.isPersisted(descriptor({ ...record, storage_key: null })))
  })

  it("a document of Prefect 2.0 to 2.5 is stored elsewhere, or is the value", () => {
    const stored = descriptor({ encoding: "result", blob: "{\"key\": \"k\", \"filesystem_document_id\": \"b\"}" })
    assert(stored?._tag === "Prefect3Result")
    assert.deepStrictEqual([stored.storageKey, stored.storageBlockId], ["k", "b"])
    const pickled = descriptor({ encoding: "cloudpickle", blob: "gASVAwAAAAAAAABLKi4=\n" })
    assert(pickled?._tag === "Prefect3Result")
    assert.deepStrictEqual([pickled.payload, pickled.serializer], ["gASVAwAAAAAAAABLKi4=\n", { type: "pickle" }])
    assert.isTrue(ResultDescriptor.isPersisted(pickled))
    for (const [encoding, blob, json] of [["json", "[1, 2]", "[1, 2]"], ["text", "a", "\"a\""]] as const) {
      const found = descriptor({ encoding, blob })
      assert(found?._tag === "PrefectResult")
      assert.strictEqual(found.location, json)
    }
    for (const data of [{ encoding: "orjson+zip", blob: "x" }, { encoding: "result", blob: "[]" }]) {
      const unknown = descriptor(data)
      assert(unknown?._tag === "CustomResult")
      assert.include(unknown.type, JSON.stringify(data.encoding))
      assert.isFalse(unknown.isMalformed)
      assert.isTrue(ResultDescriptor.isPersisted(unknown))
    }
  })

  it("a result that was forced is None", () => {
    const found = descriptor({ type: "unknown", artifact_type: null, artifact_description: null, value: null })
    assert(found?._tag === "PrefectResult")
    assert.strictEqual(found.location, "null")
  })

  it("any other JSON is the value, and is never taken for a descriptor of Prefect 1", () => {
    const values = [0, 1.5, false, true, "", "text", [], [1, [2]], {}, { rows: 3 }, { type: "weird", value: 3 }]
    const odd = [{ type: "LocalResult", location: "/etc/passwd" }, { type: "reference" }, { storage_key: 3 }, {
      encoding: "utf-8"
    }]
    for (const value of [...values, ...odd]) {
      const found = descriptor(value)
      assert(found?._tag === "PrefectResult", JSON.stringify(value))
      assert.strictEqual(found.location, JSON.stringify(value))
    }
  })
})
