import { Artifact } from "@effect-prefect/core/Artifact"
import { FlowRunView } from "@effect-prefect/core/FlowRunView"
import { TaskRunView } from "@effect-prefect/core/TaskRunView"
import { assert, describe, it } from "@effect/vitest"
import * as Rows from "../src/internal/prefect3/rows.ts"

describe("a task run of the REST API", () => {
  const row = {
    id: "01a2070f-5fdf-75e5-ae14-e9576c285730",
    name: "plain-4cd",
    flow_run_id: null,
    task_key: "plain-741b216c",
    state: { type: "COMPLETED", name: "Completed", data: null }
  }

  it("has what Prefect 3 has, and nothing invented", () => {
    const view = Rows.taskRun(row)
    assert(view instanceof TaskRunView)
    const { state: _, ...rest } = view
    assert.deepStrictEqual({ ...rest }, {
      taskRunId: row.id,
      taskId: null,
      taskSlug: row.task_key,
      name: row.name,
      mapIndex: -1,
      flowRunId: null
    } as object)
  })

  it("a row that is none is refused, in words that do not show it", () => {
    for (const odd of [null, [], "x", {}, { ...row, id: "" }, { ...row, task_key: 1 }, { ...row, flow_run_id: {} }]) {
      const found = Rows.taskRun(odd)
      assert.isTrue(Rows.isMalformed(found))
    }
  })
})

describe("the JSON within a row", () => {
  it("is not looked through when its view is made", () => {
    const unseen = new Proxy({}, {
      ownKeys: () => {
        throw new Error("it was looked through")
      }
    })
    const flowRun = Rows.flowRun({ id: "a", parameters: unseen, context: unseen })
    assert(flowRun instanceof FlowRunView)
    assert.strictEqual(flowRun.parameters, unseen)
    assert(Rows.artifact({ id: "a", data: unseen }) instanceof Artifact)
  })
})
