import * as ResultDescriptor from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Schema from "effect/Schema"
import { everyRow } from "./archives.ts"
import { equalByFields } from "./equalByFields.ts"
import { isFromJson, ObjectLikePrefects } from "./generated.ts"
import { runs } from "./seeds.ts"

/** Each type with all that it is a kind of, from the table of Prefect's classes. */
const kinds: Record<Exclude<State.StateType, "UnknownState">, ReadonlyArray<string>> = {
  Pending: ["Pending"],
  Scheduled: ["Scheduled", "Pending"],
  Paused: ["Paused", "Scheduled", "Pending"],
  Resume: ["Scheduled", "Pending"],
  Retrying: ["Retrying", "Scheduled", "Pending"],
  ClientFailed: ["ClientFailed", "MetaState"],
  Submitted: ["Submitted", "MetaState"],
  Queued: ["Queued", "MetaState"],
  Running: ["Running"],
  Cancelling: ["Cancelling", "Running"],
  Finished: ["Finished"],
  Looped: ["Looped", "Finished"],
  Success: ["Successful", "Finished"],
  Cached: ["Cached", "Successful", "Finished"],
  Mapped: ["Mapped", "Successful", "Finished"],
  Skipped: ["Skipped", "Successful", "Finished"],
  Cancelled: ["Cancelled", "Finished"],
  Failed: ["Failed", "Finished"],
  TimedOut: ["TimedOut", "Failed", "Finished"],
  TriggerFailed: ["TriggerFailed", "Failed", "Finished"],
  ValidationFailed: ["ValidationFailed", "Failed", "Finished"]
}
const predicates: Record<string, (state: State.State) => boolean> = {
  Pending: State.isPending,
  Scheduled: State.isScheduled,
  Paused: State.isPaused,
  Retrying: State.isRetrying,
  Queued: State.isQueued,
  Submitted: State.isSubmitted,
  ClientFailed: State.isClientFailed,
  MetaState: State.isMetaState,
  Running: State.isRunning,
  Cancelling: State.isCancelling,
  Finished: State.isFinished,
  Looped: State.isLooped,
  Successful: State.isSuccessful,
  Cached: State.isCached,
  Mapped: State.isMapped,
  Skipped: State.isSkipped,
  Cancelled: State.isCancelled,
  Failed: State.isFailed,
  TimedOut: State.isTimedOut,
  TriggerFailed: State.isTriggerFailed,
  ValidationFailed: State.isValidationFailed,
  Unknown: State.isUnknown,
  Crashed: State.isCrashed
}

describe("states that are made", () => {
  it("have the fields of their type, and no others", () => {
    const made = new State.Retrying({ startTime: "2022-03-01T12:00:00+00:00", runCount: 2 })
    assert.deepStrictEqual(State.toJson(made), {
      type: "Retrying",
      start_time: "2022-03-01T12:00:00+00:00",
      run_count: 2
    })
    assert.throws(() => new State.Retrying({ runCount: "two" as never }))
    assert.throws(() => new State.Retrying({ startTime: 7 as never }))
    assert.throws(() => new State.Mapped({ nMapStates: "two" as never }))
    assert.throws(() => new State.Scheduled({ startTime: 7 as never }))
  })

  it("have the fields that all types have", () => {
    const common = {
      message: "hi",
      context: { tags: ["a"] },
      cachedInputs: { x: new ResultDescriptor.PrefectResult({ location: "1" }) },
      result: new ResultDescriptor.LocalResult({ location: "/srv/x" }),
      version: "1.4.1",
      extra: { left: "over" }
    }
    const wrapped = new State.Pending({ message: "wrapped" })
    const metaTypes: ReadonlySet<string> = new Set(["ClientFailed", "Submitted", "Queued"])
    for (const member of State.State.members) {
      if (member === State.UnknownState) continue
      const make = member as unknown as new(fields: object) => State.State
      const name = member.fields._tag.schema.literal
      const fields = { ...common, ...(metaTypes.has(name) ? { state: wrapped } : {}) }
      assert.deepStrictEqual<object>({ ...new make(fields) }, { _tag: name, ...fields }, name)
      for (const field of Object.keys(fields)) assert.throws(() => new make({ [field]: 7 }))
    }
  })
})

describe("predicates", () => {
  it("are spelled out here for all 21 types", () => {
    assert.strictEqual(Object.keys(kinds).length, 21)
    assert.deepStrictEqual(
      State.State.members.map((member) => member.fields._tag.schema.literal).toSorted(),
      [...Object.keys(kinds), "UnknownState"].toSorted() as never
    )
  })
  it.each(Object.entries(kinds))("of %s", (type, expected) => {
    const state = State.fromJson({ type })
    assert.strictEqual(state._tag, type as State.StateType)
    const found = Object.keys(predicates).filter((name) => predicates[name]!(state))
    assert.deepStrictEqual(found.toSorted(), [...expected].toSorted())
  })
  it("do not hold for a state that is not known", () => {
    const state = State.fromJson({ type: "Levitating" })
    assert.deepStrictEqual(Object.keys(predicates).filter((name) => predicates[name]!(state)), ["Unknown"])
  })
})

describe("fromJson", () => {
  it("reads null as Scheduled, and writes it as null again", () => {
    const state = State.fromJson(null)
    assert.strictEqual(state._tag, "Scheduled")
    assert.isTrue(State.isPending(state))
    assert.strictEqual(State.toJson(state), null)
    assert.strictEqual(State.typeNameFromJson(null), "Scheduled")
    assert.isTrue(Equal.equals(state, State.fromJson({ type: "Scheduled" })))
  })

  it("reads the fields of each type under camelCase names", () => {
    const common = {
      message: "hi",
      context: { tags: ["a"] },
      cached_inputs: { x: { type: "PrefectResult", location: "1" } },
      _result: { type: "LocalResult", dir: "/srv", location: "/srv/x", __version__: "1.4.1" },
      __version__: "1.4.1"
    }
    const state = State.fromJson({ type: "Success", ...common })
    if (state._tag !== "Success") return assert.fail(state._tag)
    assert.strictEqual(state.message, "hi")
    assert.deepStrictEqual(state.context, { tags: ["a"] })
    assert.strictEqual(state.cachedInputs?.["x"]?._tag, "PrefectResult")
    assert.strictEqual(state.result?._tag, "LocalResult")
    assert.strictEqual(State.resultDescriptor(state)?._tag, "LocalResult")
    assert.strictEqual(state.version, "1.4.1")
    const own = {
      Scheduled: [{ start_time: "2022-03-01T12:00:00+00:00" }, { startTime: "2022-03-01T12:00:00+00:00" }],
      Retrying: [{ run_count: 2, start_time: null }, { runCount: 2, startTime: null }],
      Looped: [{ loop_count: 3 }, { loopCount: 3 }],
      Mapped: [{ n_map_states: 24 }, { nMapStates: 24 }],
      Cached: [
        { cached_parameters: { n: 1 }, cached_result_expiration: "2022-03-01T12:00:00", hashed_inputs: { x: "y" } },
        { cachedParameters: { n: 1 }, cachedResultExpiration: "2022-03-01T12:00:00", hashedInputs: { x: "y" } }
      ]
    } as const
    for (const [type, [json, fields]] of Object.entries(own)) {
      const read = State.fromJson({ type, ...json })
      assert.deepStrictEqual({ ...read }, { _tag: type, ...fields } as never)
      assert.deepStrictEqual(State.toJson(read), { type, ...json })
    }
  })

  it("reads the state that a meta state wraps", () => {
    const json = { type: "Queued", start_time: null, state: { type: "Submitted", state: { type: "Scheduled" } } }
    const state = State.fromJson(json)
    if (state._tag !== "Queued" || state.state?._tag !== "Submitted") return assert.fail(state._tag)
    assert.strictEqual(state.state.state?._tag, "Scheduled")
    assert.deepStrictEqual(State.toJson(state), json)
    assert.strictEqual(State.typeName(State.fromJson({ type: "Submitted", state: null })), "Submitted")
  })

  it("keeps what it does not know", () => {
    const extra = { left_over: { from: ["a", "fork"] }, startTime: 1, n_map_states: 3, _tag: "Failed" }
    const state = State.fromJson({ type: "Success", ...extra })
    assert.strictEqual(state._tag, "Success")
    assert.deepStrictEqual(State.toJson(state), { type: "Success", ...extra })
  })

  it("takes no key for a prototype", () => {
    const json = JSON.parse(
      `{ "type": "Success", "__proto__": { "admin": true }, "context": { "__proto__": 1 },
        "cached_inputs": { "__proto__": { "type": "LocalResult" } }, "_result": { "type": "LocalResult", "__proto__": [] } }`
    ) as Schema.JsonObject
    const state = State.fromJson(json)
    assert.strictEqual(state._tag, "Success")
    assert.notProperty(state, "admin")
    assert.notProperty({}, "admin")
    assert.strictEqual(JSON.stringify(sorted(State.toJson(state))), JSON.stringify(sorted(json)))
  })

  it("takes a state whose fields are not Prefect's as unknown, under its own name", () => {
    const odd: ReadonlyArray<Schema.Json> = [
      { type: "Levitating", height: 3 },
      { type: "Success", message: 3 },
      { type: "Success", context: [] },
      { type: "Success", cached_inputs: { x: null } },
      { type: "Success", _result: "a path" },
      { type: "Mapped", n_map_states: "24" },
      { type: "Mapped", n_map_states: 2.5 },
      { type: "Retrying", run_count: true },
      { type: "Submitted", state: "Pending" },
      { type: "success" },
      { type: null },
      { message: "no type" },
      {},
      [],
      "Success",
      7,
      false
    ]
    for (const json of odd) {
      const state = State.fromJson(json)
      assert.strictEqual(state._tag, "UnknownState", JSON.stringify(json))
      assert.deepStrictEqual(State.toJson(state), json)
      const type = typeof json === "object" && json !== null && "type" in json ? json["type"] : undefined
      assert.strictEqual(State.typeName(state), typeof type === "string" ? type : "UnknownState")
      assert.strictEqual(State.typeNameFromJson(json), State.typeName(state))
    }
  })

  it("takes what has more keys than Prefect could have written as unknown, and loses nothing", () => {
    const keys = (count: number, value: unknown) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`key ${at}`, value])) as { [key: string]: never }
    const result = { type: "S3Result", location: "x", bucket: "b" }
    const shapes = (count: number): ReadonlyArray<Readonly<Record<string, never>>> => [
      keys(count, 1),
      { cached_inputs: keys(count, result) } as never,
      { state: { type: "Pending", ...keys(count, 1) } } as never
    ]
    for (const [at, type] of ["Success", "Success", "Submitted"].entries()) {
      for (const count of [10_000, 10_001]) {
        const json = { type, ...shapes(count)[at] }
        const state = State.fromJson(json)
        assert.strictEqual((state._tag === "Submitted" ? state.state! : state)._tag === "UnknownState", count > 10_000)
        assert.strictEqual(State.typeName(state), type)
        assert.deepStrictEqual(State.toJson(state), json)
      }
    }
    const wide = { type: "S3Result", location: "x", ...keys(10_001, 1) }
    const state = State.fromJson({ type: "Success", _result: wide })
    assert.strictEqual(State.resultDescriptor(state)?._tag, "CustomResult")
    assert.deepStrictEqual(State.toJson(state), { type: "Success", _result: wide })
  })
  it("does not run out of stack on states wrapped without end", () => {
    let json: Schema.JsonObject = { type: "Pending" }
    for (let depth = 0; depth < 100_000; depth++) json = { type: "Submitted", state: json }
    assert.strictEqual(State.fromJson(json)._tag, "UnknownState")
  })
})

const sorted = (json: Schema.Json): unknown =>
  Array.isArray(json)
    ? json.map(sorted)
    : typeof json === "object" && json !== null
    ? Object.entries(json).map(([key, value]) => [key, sorted(value)] as const).toSorted(([a], [b]) => a < b ? -1 : 1)
    : json

describe("equality", () => {
  const base = { type: "Success", message: "a", _result: { type: "LocalResult", location: "/x" } }
  const equal = (left: Schema.Json, right: Schema.Json) => Equal.equals(State.fromJson(left), State.fromJson(right))

  it("is by type, result and own fields", () => {
    assert.isTrue(equal(base, { ...base }))
    assert.isFalse(equal(base, { ...base, type: "Failed" }))
    assert.isFalse(equal(base, { ...base, _result: { type: "LocalResult", location: "/y" } }))
    assert.isFalse(equal(base, { type: "Success" }))
    assert.isFalse(equal({ type: "Mapped", n_map_states: 3 }, { type: "Mapped", n_map_states: 4 }))
    assert.isFalse(equal({ type: "Retrying", run_count: 1 }, { type: "Retrying", run_count: 2 }))
    assert.isFalse(equal({ type: "Submitted", state: { type: "Pending" } }, { type: "Submitted", state: null }))
    assert.isTrue(equal({ type: "Levitating", height: 3 }, { type: "Levitating", height: 3 }))
    assert.isFalse(equal({ type: "Levitating", height: 3 }, { type: "Levitating", height: 4 }))
  })

  it("is that of what is compared, also where the hashes are the same", () => {
    const [one, less] = [State.fromJson(base), State.fromJson({ type: "Success" })]
    const mapped = State.fromJson({ type: "Mapped", n_map_states: 3 })
    assert.isFalse(equalByFields(one, less))
    assert.isFalse(equalByFields(less, one))
    assert.isFalse(equalByFields(mapped, State.fromJson({ type: "Mapped", n_map_states: 4 })))
    assert.isFalse(equalByFields(mapped, State.fromJson({ type: "Mapped" })))
    assert.isFalse(equalByFields(one, State.fromJson({ ...base, type: "Failed" })))
  })

  it("passes over message, context, cached inputs and version", () => {
    const other = { ...base, message: "b", context: { tags: [] }, cached_inputs: {}, __version__: "0.15.13", more: 1 }
    assert.isTrue(equal(base, other))
    assert.strictEqual(Hash.hash(State.fromJson(base)), Hash.hash(State.fromJson(other)))
  })
})

describe("round trips", () => {
  it.each([
    ...everyRow("task_run"),
    ...everyRow("flow_run"),
    ...everyRow("task_run_state"),
    ...everyRow("flow_run_state")
  ])(
    "%s",
    (_, row) => {
      const json = row["serialized_state"] as Schema.Json
      const state = State.fromJson(json)
      assert.notStrictEqual(state._tag, "UnknownState")
      assert.deepStrictEqual(State.toJson(state), json)
      if (json !== null) assert.notProperty(state, "extra")
      assert.isTrue(Equal.equals(Schema.decodeSync(State.FromJson)(json), state))
      assert.deepStrictEqual(Schema.encodeSync(State.FromJson)(state), json)
    }
  )

  it.prop("any JSON value", [Schema.Json], ([json]) => {
    assert.deepStrictEqual(State.toJson(State.fromJson(json)), json)
  }, { arbitrary: runs(120, 1000) })

  it.prop("objects like Prefect's, with right and wrong fields", [ObjectLikePrefects], ([json]) => {
    const state = State.fromJson(json)
    assert.strictEqual(State.typeNameFromJson(json), State.typeName(state))
    assert.deepStrictEqual(State.toJson(state), json)
    assert.isTrue(Equal.equals(State.fromJson(State.toJson(state)), state))
  }, { arbitrary: runs(400, 4000) })

  it.effect.prop(
    "states of all types",
    [Arbitrary.schema(State.State).pipe(Arbitrary.filter(isFromJson))],
    ([state]) =>
      Effect.sync(() => {
        const json = State.toJson(state)
        const again = State.fromJson(json)
        assert.strictEqual(again._tag, state._tag)
        assert.isTrue(Equal.equals(again, state))
        assert.strictEqual(Hash.hash(again), Hash.hash(state))
        assert.deepStrictEqual(State.toJson(again), json)
      }),
    { arbitrary: runs(120, 1000) }
  )

  it.prop("descriptors of all types", [
    Arbitrary.schema(ResultDescriptor.ResultDescriptor).pipe(Arbitrary.filter(isFromJson))
  ], ([descriptor]) => {
    const json = ResultDescriptor.toJson(descriptor)
    const again = ResultDescriptor.fromJson(json)
    assert.isTrue(Equal.equals(again, descriptor))
    assert.deepStrictEqual(ResultDescriptor.toJson(again), json)
  }, { arbitrary: runs(120, 1000) })
})
