/** What people see who print what they have. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as Table from "@effect-prefect/formats/Table"
import { Decimal, PyDate, Timestamp, UUID } from "@effect-prefect/pickle"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as MemoryStorage from "@effect-prefect/results/MemoryStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { inspect } from "node:util"

const Empty = Layer.merge(
  MemoryApi.layer({
    task_run: [{ id: "r1", serialized_state: { type: "Running" } }],
    flow_run: [{ id: "f1", name: "nightly", parameters: { a: "CANARY" }, serialized_state: { type: "Running" } }]
  }),
  MemoryStorage.layer({})
)

describe("printing", () => {
  it.effect("an error shows its sentence beside its fields, also to loggers", () =>
    Effect.gen(function*() {
      const run = yield* TaskRun.fromTaskRunId("r1")
      const errors = [
        yield* Effect.flip(run.getResult),
        yield* Effect.flip(TaskRun.fromTaskRunId("no such run"))
      ]
      const logged: Array<string> = []
      const logger = Logger.map(Logger.formatJson, (line) => logged.push(line))
      for (const error of errors) {
        assert.isAbove(error.message.length, 20)
        assert.include(inspect(error, { breakLength: Infinity }), error.message)
        assert.include(inspect(error), error.reason._tag)
        assert.strictEqual((JSON.parse(JSON.stringify(error)) as { message: string }).message, error.message)
        yield* Effect.logError(error).pipe(Effect.provide(Logger.layer([logger])))
      }
      assert.lengthOf(logged, 2)
      for (const [at, line] of logged.entries()) assert.include(line, errors[at]!.message)
    }).pipe(Effect.provide(Empty)))

  it.effect("a flow run shows what it is, and nothing of its parameters", () =>
    Effect.gen(function*() {
      const run = yield* FlowRun.fromFlowRunId("f1")
      assert.strictEqual(inspect(run), "FlowRun(flowRunId=f1, name=nightly, flowId=null, state=Running)")
      assert.strictEqual(`${run}`, inspect(run))
    }).pipe(Effect.provide(Empty)))

  it("values of Python show what they are, in one line", () => {
    const value = [new Decimal("198.72"), new PyDate(2022, 2, 1), new Timestamp(0n, "s", null), new UUID("0-1")]
    assert.strictEqual(
      inspect(value, { breakLength: Infinity }),
      "[ Decimal(198.72), PyDate(2022-02-01), Timestamp(1970-01-01T00:00:00), UUID(0-1) ]"
    )
  })

  it("a table shows its shape and none of its values", () => {
    const column = (name: string, kind: Table.ColumnKind, value: unknown) =>
      new Table.Column({ name, kind, length: 2, at: () => value })
    const table = new Table.Table([column("id", "int", 1), column("name", "string", "CANARY")], 2)
    assert.strictEqual(inspect(table), "Table(2 rows: id int, name string)")
    assert.strictEqual(`${table}`, inspect(table))
  })
})
