import { afterAll, assert, describe, it } from "@effect/vitest"
import { memorySite, runId } from "./support.ts"

const message = "é\"".repeat(200_000)
const state = {
  type: "Success",
  message,
  context: { rows: Array.from({ length: 40_000 }, (_, id) => ({ id, name: `row ${id}` })) }
}
const site = memorySite({
  flow: [{ id: "flow", name: "wide", version: 1, parameters: [state] }],
  flow_run: [
    { id: runId, flow_id: "flow", name: "long", parameters: state.context, serialized_state: state },
    { id: "short", flow_id: "flow", name: "short", serialized_state: { type: "Pending" } }
  ],
  flow_run_state: [{
    id: "s1",
    flow_run_id: runId,
    timestamp: "2022-03-01T12:00:00+00:00",
    state: "Success",
    serialized_state: state
  }],
  task: [{ id: "task", slug: "extract-1" }],
  task_run: [{
    id: "long",
    flow_run_id: runId,
    task_id: "task",
    map_index: -1,
    name: "n".repeat(300_000),
    serialized_state: state
  }],
  task_run_state: [{
    id: "s2",
    task_run_id: "long",
    timestamp: "2022-03-01T12:00:00+00:00",
    state: "Success",
    serialized_state: state
  }],
  log: Array.from({ length: 3 }, (_, id) => ({
    id: `l${id}`,
    flow_run_id: runId,
    task_run_id: "long",
    level: "INFO",
    timestamp: `2022-03-01T12:00:0${id}+00:00`,
    message: id === 1 ? message : "short"
  })),
  task_run_artifact: [{ id: "a", task_run_id: "long", kind: "markdown", data: { text: message, rows: state.context } }]
})
afterAll(() => site.close())

/** The pieces of a response, and its text. */
const piecesOf = async (path: string) => {
  const response = await site.get(`/api${path}`)
  assert.strictEqual(response.status, 200, path)
  const pieces: Array<Uint8Array> = []
  for await (const piece of response.body!) pieces.push(piece as Uint8Array)
  return { pieces, text: Buffer.concat(pieces).toString(), type: response.headers.get("content-type") }
}

describe("responses with long rows are written in pieces", () => {
  const bodies: Readonly<Record<string, (body: never) => unknown>> = {
    [`/flow-runs/${runId}`]: ({ state }: { readonly state: unknown }) => state,
    "/flow-runs": ({ items }: { readonly items: ReadonlyArray<Record<string, unknown>> }) =>
      items.find(({ flow_run_id }) => flow_run_id === runId)!["state"],
    [`/flow-runs/${runId}/states`]: ([first]: ReadonlyArray<{ readonly state: unknown }>) => first!.state,
    "/task-runs/long": ({ state }: { readonly state: unknown }) => state,
    [`/task-runs?flow_run=${runId}&slug=extract-1`]: ({ state }: { readonly state: unknown }) => state,
    "/task-runs/long/states": ([first]: ReadonlyArray<{ readonly state: unknown }>) => first!.state,
    "/flows/flow": ({ parameters }: { readonly parameters: ReadonlyArray<unknown> }) => parameters[0],
    "/flows": ({ items }: { readonly items: ReadonlyArray<{ readonly parameters: ReadonlyArray<unknown> }> }) =>
      items[0]!.parameters[0],
    [`/flow-runs/${runId}/artifacts`]: ({ items }: { readonly items: ReadonlyArray<{ readonly data: unknown }> }) => {
      const { rows, text } = items[0]!.data as { readonly rows: unknown; readonly text: string }
      return { type: "Success", message: text, context: rows }
    }
  }
  for (const [path, stateOf] of Object.entries(bodies)) {
    it(`${path}`, async () => {
      const { pieces, text, type } = await piecesOf(path)
      assert.strictEqual(type, "application/json")
      assert.deepStrictEqual(stateOf(JSON.parse(text) as never), state)
      assert.isAtLeast(pieces.length, 5)
      assert.isAtMost(Math.max(...pieces.map(({ length }) => length)), 800_000)
    })
  }
  it("logs and tasks, line by line", async () => {
    const { pieces, text, type } = await piecesOf(`/flow-runs/${runId}/logs`)
    assert.strictEqual(type, "application/x-ndjson")
    const lines = text.trimEnd().split("\n").map((line) => (JSON.parse(line) as { readonly message: string }).message)
    assert.deepStrictEqual(lines, ["short", message, "short"])
    assert.isAtLeast(pieces.length, 3)
    assert.strictEqual((await piecesOf("/task-runs/long/logs")).text, text)
    const tasks = await piecesOf(`/flow-runs/${runId}/tasks`)
    const [task] = tasks.text.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.strictEqual((task!["name"] as string).length, 300_000)
    assert.isAtLeast(tasks.pieces.length, 3)
  })
  it("short ones are whole", async () => {
    const { pieces, type } = await piecesOf("/flow-runs/short")
    assert.strictEqual(pieces.length, 1)
    assert.strictEqual(type, "application/json")
  })
})
