import * as State from "@effect-prefect/core/State"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import { assert, describe, it } from "@effect/vitest"
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Schema from "effect/Schema"
import { inspect } from "node:util"
import { archives, everyRow, readTable } from "./archives.ts"
import { equalByFields } from "./equalByFields.ts"
import { runs } from "./seeds.ts"

const row: TaskRunView.TaskRunRow = {
  id: "r1",
  name: "extract",
  task_id: "t1",
  task: { id: "t1", slug: "extract-1" },
  map_index: -1,
  serialized_state: { type: "Success", message: "done", _result: { type: "LocalResult", location: "/srv/x" } },
  flow_run_id: "f1"
}
const view = (of: unknown): TaskRunView.TaskRunView => {
  const found = TaskRunView.fromRow(of)
  if (!(found instanceof TaskRunView.TaskRunView)) throw new Error(found.detail)
  return found
}

describe("fromRow", () => {
  it("reads what Prefect's own client asks for", () => {
    const { mapIndex, name, state, taskId, taskRunId, taskSlug, flowRunId } = view(row)
    assert.deepStrictEqual(
      [taskRunId, taskId, taskSlug, name, mapIndex, flowRunId, state._tag] as ReadonlyArray<unknown>,
      ["r1", "t1", "extract-1", "extract", -1, "f1", "Success"]
    )
    assert.deepStrictEqual(TaskRunView.toRow(view(row)), row)
  })

  it("reads odd rows: no state, no task, no name, no flow run, columns of others", () => {
    assert.strictEqual(view({ ...row, serialized_state: null }).state._tag, "Scheduled")
    const { serialized_state: _, ...stateless } = row
    assert.strictEqual(view(stateless).state._tag, "Scheduled")
    assert.strictEqual(view({ ...row, serialized_state: "what" }).state._tag, "UnknownState")
    const lost = view({ ...row, task: null })
    assert.deepStrictEqual([lost.taskId, lost.taskSlug] as ReadonlyArray<unknown>, ["t1", null])
    const taskless = view({ id: "r1", map_index: 3 })
    assert.deepStrictEqual(
      [taskless.taskId, taskless.taskSlug, taskless.name, taskless.flowRunId, taskless.mapIndex] as ReadonlyArray<
        unknown
      >,
      [null, null, null, null, 3]
    )
    assert.isTrue(Equal.equals(view({ ...row, heartbeat: "x", __proto__: { id: "no" } }), view(row)))
  })

  it("says which field is wrong, and not its value", () => {
    const secret = "hunter2"
    const wrong: ReadonlyArray<readonly [unknown, string]> = [
      [null, "not an object"],
      [[row], "not an object"],
      [secret, "not an object"],
      [{ ...row, id: 7 }, "id"],
      [{ ...row, id: "" }, "id"],
      [{ ...row, map_index: "0" }, "map_index"],
      [{ ...row, map_index: 0.5 }, "map_index"],
      [{ ...row, map_index: null }, "map_index"],
      [{ ...row, flow_run_id: { secret } }, "flow_run_id"],
      [{ ...row, name: [secret] }, "name"],
      [{ ...row, task_id: 1 }, "task_id"],
      [{ ...row, task: secret }, "task"],
      [{ ...row, task: {} }, "task.id"],
      [{ ...row, task: { id: "t1", slug: 1 } }, "task.slug"]
    ]
    for (const [of, field] of wrong) {
      const found = TaskRunView.fromRow(of)
      if (found instanceof TaskRunView.TaskRunView) return assert.fail(`${field} was taken`)
      assert.include(found.detail, field)
      assert.notInclude(found.detail, secret)
      assert.throws(() => Schema.decodeUnknownSync(TaskRunView.FromRow)(of), field)
    }
  })
})

describe("equality", () => {
  it("is by id and state, as in Prefect", () => {
    const other = { ...row, name: "renamed", map_index: 7, task: null, flow_run_id: "f2" }
    assert.isTrue(Equal.equals(view(row), view(other)))
    assert.strictEqual(Hash.hash(view(row)), Hash.hash(view(other)))
    assert.isFalse(Equal.equals(view(row), view({ ...row, id: "r2" })))
    assert.isFalse(Equal.equals(view(row), view({ ...row, serialized_state: null })))
    assert.isFalse(equalByFields(view(row), view({ ...row, id: "r2" })))
    assert.isFalse(equalByFields(view(row), view({ ...row, serialized_state: null })))
    assert.isFalse(equalByFields(view(row), { ...view(row) }))
    assert.isTrue(
      Equal.equals(
        view(row),
        view({ ...row, serialized_state: { ...row.serialized_state as object, message: "again" } })
      )
    )
  })
})

describe("what people see of a view", () => {
  it("shows its result as not loaded", () => {
    const shown =
      "TaskRunView(taskRunId=r1, taskId=t1, taskSlug=extract-1, name=extract, state=Success, mapIndex=-1, " +
      "flowRunId=f1, result=<not loaded>)"
    assert.strictEqual(String(view(row)), shown)
    assert.strictEqual(inspect(view(row)), shown)
    assert.include(inspect({ deep: { deeper: [view(row)] } }, { depth: 5 }), "result=<not loaded>")
  })
  it("is a value of its class, made by hand or read", () => {
    const made = new TaskRunView.TaskRunView({ ...view(row), state: new State.Failed({}) })
    assert.instanceOf(made, TaskRunView.TaskRunView)
    assert.isTrue(State.isFailed(made.state))
    assert.throws(() => new TaskRunView.TaskRunView({ ...view(row), mapIndex: 0.5 }))
  })
})

describe("round trips", () => {
  it.each(archives)("every row of %s", (archive) => {
    const slugs = new Map(readTable(archive, "task").map((task) => [task["id"], task["slug"]]))
    for (const full of readTable(archive, "task_run")) {
      const { id, flow_run_id, map_index, name, serialized_state, task_id } = full
      const json = {
        id,
        name,
        task_id,
        task: { id: task_id, slug: slugs.get(task_id) },
        map_index,
        serialized_state,
        flow_run_id
      }
      assert.deepStrictEqual(TaskRunView.toRow(view(json)) as unknown, json)
      const decoded = Schema.decodeUnknownSync(TaskRunView.FromRow)(json)
      assert.isTrue(Equal.equals(decoded, view(json)))
      assert.deepStrictEqual(Schema.encodeSync(TaskRunView.FromRow)(decoded) as unknown, json)
    }
  })

  it("takes the whole rows of the tables too", () => {
    for (const [name, full] of everyRow("task_run")) assert.strictEqual(view(full).taskRunId, full["id"] as never, name)
  })

  const id = Schema.NonEmptyString
  const Rows = Schema.Struct({
    id,
    name: Schema.NullOr(Schema.String),
    task: Schema.NullOr(Schema.Struct({ id, slug: Schema.String })),
    map_index: Schema.Int,
    serialized_state: Schema.Json,
    flow_run_id: Schema.NullOr(id)
  })
  it.prop("rows of any kind", [Rows], ([generated]) => {
    const json = { ...generated, task_id: generated.task?.id ?? null }
    assert.deepStrictEqual(TaskRunView.toRow(view(json)) as unknown, json)
  }, { arbitrary: runs(120, 1000) })

  it.prop("views of any kind", [TaskRunView.TaskRunView], ([generated]) => {
    const json = TaskRunView.toRow(generated)
    const again = view(json)
    assert.strictEqual(again.taskRunId, generated.taskRunId)
    assert.strictEqual(again.mapIndex, generated.mapIndex)
    assert.deepStrictEqual(TaskRunView.toRow(again), json)
  }, { arbitrary: runs(80, 600) })
})
