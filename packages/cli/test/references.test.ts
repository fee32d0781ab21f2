import { assert, describe, it } from "@effect/vitest"
import { nearEnough, nearest } from "../src/internal/suggest.ts"
import { archives, run } from "./support.ts"

const archive = archives["prefect-1"]
const flowRunId = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"
const extract = "96cb3741-6155-50af-acc9-55f601654afa"
const here = (...args: ReadonlyArray<string>) => run([...args, "--archive", archive])

describe("a flow run", () => {
  const names = [
    flowRunId,
    flowRunId.toUpperCase(),
    "6cdaa6",
    "6CDAA6FD-F2A5",
    "6cdaa6fdf2a5",
    "orders-etl-run",
    "orders-etl/latest",
    "orders-etl/latest:failed"
  ]
  for (const name of names) {
    it(`may be called ${name}`, async () => {
      const { code, stderr, stdout } = await here("flow-run", "show", name, "--json")
      assert.strictEqual(code, 0, stderr)
      assert.strictEqual((JSON.parse(stdout) as { readonly flow_run_id: string }).flow_run_id, flowRunId)
    })
  }

  const refused: ReadonlyArray<readonly [name: string, message: string]> = [
    ["6cdaa", "there is no flow run \"6cdaa\""],
    ["no-such-run", "there is no flow run \"no-such-run\""],
    ["ordrs/latest", "there is no flow \"ordrs\"; there are orders-etl, nightly"],
    ["orders-etl/latest:Success", "the flow \"orders-etl\" has no run in the state Success"],
    ["orders-etl/latest:Fail", "did you mean Failed?"],
    [extract, `is a task run (extract-1), not a flow run: effect-prefect task-run show ${extract}`],
    [extract.slice(0, 8), `${extract} is a task run (extract-1), not a flow run`],
    ["00000000-0000-4000-8000-000000000000", "there is no flow run 00000000-0000-4000-8000-000000000000"],
    ["", "there is no flow run \"\""]
  ]
  for (const [name, message] of refused) {
    it(`is not ${name}, and one line says why`, async () => {
      const { code, stderr, stdout } = await here("flow-run", "show", name)
      assert.isAbove(code ?? 0, 0)
      assert.strictEqual(stdout, "")
      assert.include(stderr, message)
    })
  }

  it("that is not named is asked for", async () => {
    const { code, stderr } = await here("flow-run", "show")
    assert.strictEqual(code, 2)
    assert.include(stderr, "say which flow run")
  })
})

describe("a task run", () => {
  it("by a slug that does not exist is answered with the nearest", async () => {
    const { code, stderr } = await here("task-run", "show", "--slug", "summary", "--flow-run", "orders-etl/latest")
    assert.strictEqual(code, 1)
    assert.match(stderr, /there is no task "summary" in that flow run; there are summary-1, /)
  })

  it("by a flow run's id is sent to the other command", async () => {
    const { code, stderr } = await here("task-run", "result", flowRunId)
    assert.strictEqual(code, 1)
    assert.include(stderr, "is a flow run (orders-etl-run), not a task run")
  })

  for (
    const digits of [extract.slice(0, 6), extract.slice(0, 20), extract.slice(0, 14).replaceAll("-", "").toUpperCase()]
  ) {
    it(`may be called ${digits}`, async () => {
      const { code, stderr, stdout } = await here("task-run", "show", digits, "--json")
      assert.strictEqual(code, 0, stderr)
      assert.strictEqual((JSON.parse(stdout) as { readonly task_run_id: string }).task_run_id, extract)
    })
  }

  const refused: ReadonlyArray<readonly [name: string, message: string]> = [
    [flowRunId.slice(0, 10), `${flowRunId} is a flow run (orders-etl-run), not a task run`],
    ["123456789", "no task run has an id that begins with 123456789"],
    ["extract-1", "there is no task run \"extract-1\": give its id, the first 6 or more digits of it, or --slug"]
  ]
  for (const [name, message] of refused) {
    it(`is not ${name}, and one line says why`, async () => {
      const { code, stderr } = await here("task-run", "show", name)
      assert.strictEqual(code, 1)
      assert.include(stderr, message)
      assert.strictEqual(stderr.trimEnd().split("\n").length, 1)
    })
  }

  it("by a slug and an index that does not exist says which of them it is", async () => {
    const child = await here("task-run", "show", "--slug", "score-1", "--flow-run", flowRunId, "--map-index", "99")
    assert.include(child.stderr, "score-1 has no mapped child 99")
  })
})

describe("states and flows as filters", () => {
  it("are refused with what was meant", async () => {
    const state = await here("flow-run", "list", "--state", "Fail")
    assert.strictEqual(state.code, 2)
    assert.include(state.stderr, "--state \"Fail\" is not a state; did you mean Failed?")
    const flow = await here("flow-run", "list", "--flow", "order-etl")
    assert.strictEqual(flow.code, 1)
    assert.include(flow.stderr, "there are orders-etl")
  })

  it("take several states", async () => {
    const { stdout } = await here("flow-run", "list", "--state", "Failed", "--state", "running", "--json")
    assert.strictEqual(stdout.trim().split("\n").length, 2)
  })
})

describe("suggestions", () => {
  it("are in the order of likeness", () => {
    assert.deepStrictEqual(nearest("scoer-1", ["summary-1", "score-12", "score-1"]), [
      "score-1",
      "score-12",
      "summary-1"
    ])
    assert.strictEqual(nearEnough("Fial", ["Failed", "Finished", "Mapped"]), undefined)
    assert.strictEqual(nearEnough("Faield", ["Failed", "Finished"]), "Failed")
    assert.strictEqual(nearEnough("x".repeat(100_000), ["Failed"]), undefined)
  })
})
