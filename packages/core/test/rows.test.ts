import * as Artifact from "@effect-prefect/core/Artifact"
import * as FlowRunView from "@effect-prefect/core/FlowRunView"
import * as FlowView from "@effect-prefect/core/FlowView"
import * as LogEntry from "@effect-prefect/core/LogEntry"
import type { State } from "@effect-prefect/core/State"
import * as StateRecord from "@effect-prefect/core/StateRecord"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Equal from "effect/Equal"
import * as Schema from "effect/Schema"
import { everyRow } from "./archives.ts"
import { equalByFields } from "./equalByFields.ts"
import { isFromJson } from "./generated.ts"
import { runs } from "./seeds.ts"

/** Decodes every row of a table and encodes it again: the columns of the model come back as they were. */
const roundTrips = <S extends Schema.Codec<object, object>>(table: string, schema: S, columns: ReadonlyArray<string>) =>
  it.each(everyRow(table))("%s", (_, row) => {
    const decoded = Schema.decodeUnknownSync(schema)(row)
    const encoded = Schema.encodeSync(schema)(decoded)
    assert.deepStrictEqual(
      encoded as unknown,
      Object.fromEntries(columns.filter((column) => column in row).map((column) => [column, row[column]]))
    )
    assert.isTrue(Equal.equals(Schema.decodeUnknownSync(schema)(encoded), decoded))
  })

const flowRunColumns = ("id flow_id name serialized_state labels parameters context run_config " +
  "scheduled_start_time start_time end_time created updated").split(" ")
const flowColumns = ("id name version version_group_id flow_group_id project_id archived description core_version " +
  "parameters storage run_config settings serialized_flow created updated").split(" ")

describe("rows of real servers", () => {
  roundTrips("flow_run", FlowRunView.FromRow, flowRunColumns)
  roundTrips("flow", FlowView.FromRow, flowColumns)
  roundTrips("log", LogEntry.FromRow, ["id", "flow_run_id", "task_run_id", "timestamp", "name", "level", "message"])
  roundTrips("flow_run_state", StateRecord.FromRow, ["id", "timestamp", "version", "serialized_state"])
  roundTrips("task_run_state", StateRecord.FromRow, ["id", "timestamp", "version", "serialized_state"])
})

describe("rows whose JSON is not looked through", () => {
  const codecs = {
    flow_run: [FlowRunView, ["parameters", "context", "run_config", "serialized_state"]],
    flow: [FlowView, ["parameters", "storage", "run_config", "settings", "serialized_flow"]],
    flow_run_state: [StateRecord, ["serialized_state"]],
    task_run_artifact: [Artifact, ["data"]]
  } as const
  /** No server of the fixtures has an artifact. */
  const firstRow = (table: string): Readonly<Record<string, unknown>> =>
    everyRow(table)[0]?.[1] ?? { id: "a1", task_run_id: "t1", kind: "link", data: { link: "x" } }
  const ofModule = (module: (typeof codecs)[keyof typeof codecs][0]) =>
    module as unknown as {
      readonly FromRow: Schema.Codec<object, object>
      readonly fromRow: (row: unknown) => object
      readonly toRow: (view: object) => object
    }

  for (const [table, [module, json]] of Object.entries(codecs)) {
    const { FromRow, fromRow, toRow } = ofModule(module)
    it.each(everyRow(table))(`${table}: %s`, (_, row) => {
      const view = Schema.decodeUnknownSync(FromRow)(row)
      assert.deepStrictEqual(fromRow(row), view)
      assert.deepStrictEqual(toRow(fromRow(row)), Schema.encodeSync(FromRow)(view))
    })

    it(`${table}: the same rows are malformed`, () => {
      const row = firstRow(table)
      for (const column of [...Object.keys(toRow(fromRow(row))), "version", "archived", "labels"]) {
        for (const value of [undefined, null, "", "x", 1, 1.5, true, [], [1], {}]) {
          const { [column]: _, ...others } = row
          const changed = value === undefined ? others : { ...others, [column]: value }
          const isMalformed = "_tag" in fromRow(changed)
          assert.strictEqual(isMalformed, Schema.decodeUnknownExit(FromRow)(changed)._tag === "Failure", column)
        }
      }
      for (const none of [null, undefined, [], "x"]) assert.isTrue("_tag" in fromRow(none))
    })

    it(`${table}: nothing within a value is looked at`, () => {
      const look = () => {
        throw new Error("it was looked at")
      }
      const within = new Proxy({}, { get: look, has: look, ownKeys: look, getOwnPropertyDescriptor: look })
      const row = {
        ...firstRow(table),
        ...Object.fromEntries(json.map((column) => [column, { type: "Levitating", within }]))
      }
      for (const column of json) {
        assert.isTrue((Reflect.get(toRow(fromRow(row)), column) as { within: object }).within === within)
      }
    })
  }
})

describe("odd rows", () => {
  it("a flow run without a state is Scheduled, with an unknown one keeps it", () => {
    const decode = Schema.decodeUnknownSync(FlowRunView.FromRow)
    const row = { id: "f1", flow_id: null, name: null, serialized_state: null }
    assert.strictEqual(decode(row).state._tag, "Scheduled")
    assert.deepStrictEqual(Schema.encodeSync(FlowRunView.FromRow)(decode(row)) as unknown, row)
    const odd = { ...row, serialized_state: { type: "Levitating", height: 3 } }
    assert.deepStrictEqual(Schema.encodeSync(FlowRunView.FromRow)(decode(odd)) as unknown, odd)
    assert.throws(() => decode({ ...row, id: "" }))
  })

  it("flow runs are equal when id and state are", () => {
    const decode = Schema.decodeUnknownSync(FlowRunView.FromRow)
    const row = { id: "f1", flow_id: "f", name: "a", serialized_state: { type: "Running" } }
    assert.isTrue(Equal.equals(decode(row), decode({ ...row, name: "b", labels: ["x"] })))
    assert.isFalse(Equal.equals(decode(row), decode({ ...row, serialized_state: null })))
    assert.isFalse(Equal.equals(decode(row), decode({ ...row, id: "f2" })))
    assert.isFalse(equalByFields(decode(row), decode({ ...row, id: "f2" })))
    assert.isFalse(equalByFields(decode(row), { ...decode(row) }))
  })

  it("a log line of no level, logger or flow run is one all the same", () => {
    const row = { id: "l1", flow_run_id: null, timestamp: "2022-03-01T12:00:00.000001+00:00", message: null }
    const line = Schema.decodeUnknownSync(LogEntry.FromRow)(row)
    assert.strictEqual(line.timestamp, row.timestamp)
    assert.deepStrictEqual(Schema.encodeSync(LogEntry.FromRow)(line) as unknown, row)
  })

  it("an artifact holds any JSON", () => {
    const row = { id: "a1", task_run_id: "r1", kind: "link", data: { link: ["https://example.org"] } }
    const artifact = Schema.decodeUnknownSync(Artifact.FromRow)(row)
    assert.strictEqual(artifact.kind, "link")
    assert.deepStrictEqual(Schema.encodeSync(Artifact.FromRow)(artifact) as unknown, row)
  })
})

/** Encodes generated values and reads them again. */
const generatedRoundTrips = <S extends Schema.Codec<object, object>>(name: string, schema: S) =>
  it.prop(name, [
    Arbitrary.schema(schema).pipe(
      Arbitrary.filter((value) => !("state" in value) || isFromJson(value.state as State))
    )
  ], ([value]) => {
    const row = Schema.encodeSync(schema)(value)
    const again = Schema.decodeUnknownSync(schema)(row)
    assert.isTrue(Equal.equals(again, value))
    assert.deepStrictEqual(Schema.encodeSync(schema)(again), row)
  }, { arbitrary: runs(60, 400) })

describe("generated values survive a round trip", () => {
  generatedRoundTrips("FlowRunView", FlowRunView.FromRow)
  generatedRoundTrips("FlowView", FlowView.FromRow)
  generatedRoundTrips("LogEntry", LogEntry.FromRow)
  generatedRoundTrips("StateRecord", StateRecord.FromRow)
  generatedRoundTrips("Artifact", Artifact.FromRow)
})
