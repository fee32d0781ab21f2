import { UiApi } from "@effect-prefect/ui-api/Api"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as OpenApi from "effect/http-api/OpenApi"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run } from "../../cli/test/support.ts"
import { archive, archiveSite, memorySite, prefect3Site, runId } from "./support.ts"

const site = archiveSite()
afterAll(() => site.close())

const printed = async (...words: ReadonlyArray<string>): Promise<ReadonlyArray<unknown>> => {
  const { stdout } = await run([...words, "--archive", archive, "--json"])
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as unknown)
}

interface Page {
  readonly items: ReadonlyArray<Record<string, unknown>>
  readonly next: string | null
}

const idOf = async (slug: string, mapIndex = -1): Promise<string> => {
  const run = await site.json(`/api/task-runs?flow_run=${runId}&slug=${slug}&map_index=${mapIndex}`)
  return (run as { readonly task_run_id: string }).task_run_id
}

describe("answers are what the command prints", () => {
  it("flow runs", async () => {
    const { items } = await site.json("/api/flow-runs") as Page
    assert.deepStrictEqual(items, await printed("flow-run", "list") as typeof items)
    assert.deepStrictEqual([await site.json(`/api/flow-runs/${runId}`)], await printed("flow-run", "show", runId))
  })
  it("flows", async () => {
    const { items } = await site.json("/api/flows") as Page
    assert.deepStrictEqual(items, await printed("flow", "list") as typeof items)
  })
  it("a task run, with its times and the name of its state", async () => {
    const id = await idOf("frame-1")
    const [shown] = await printed("task-run", "show", id)
    const answer = await site.json(`/api/task-runs/${id}`) as Record<string, unknown>
    const { end_time, start_time, state_name, ...same } = answer
    const known = shown as Record<string, unknown>
    for (const key of Object.keys(same)) assert.deepStrictEqual(same[key], known[key], key)
    assert.strictEqual(state_name, "Success")
    assert.ok(typeof start_time === "string" && typeof end_time === "string")
  })
  it("the outcomes of a mapped task", async () => {
    const id = await idOf("score-1")
    assert.deepStrictEqual(
      await site.lines(`/api/task-runs/${id}/children/outcomes`),
      await printed("task-run", "mapped", id) as ReadonlyArray<Record<string, unknown>>
    )
  })
  it("the outcomes of a flow run, large values cut", async () => {
    const all = await printed("flow-run", "results", runId) as ReadonlyArray<Record<string, unknown>>
    const lines = await site.lines(`/api/flow-runs/${runId}/outcomes`)
    assert.strictEqual(lines.length, all.length)
    let cut = 0
    for (const [i, line] of lines.entries()) {
      const { outcome, ...head } = line
      const { outcome: whole, ...same } = all[i]!
      assert.deepStrictEqual(head, same)
      const how = outcome as { readonly cut?: boolean; readonly value?: unknown; readonly bytes?: number }
      if (how.cut !== true) assert.deepStrictEqual(outcome, whole)
      else {
        cut++
        const text = JSON.stringify((whole as { readonly value: unknown }).value)
        assert.strictEqual(how.bytes, Buffer.byteLength(text))
        assert.strictEqual(how.value, text.slice(0, 2048))
      }
    }
    assert.ok(cut > 0)
    const after = await site.lines(`/api/flow-runs/${runId}/outcomes?after=${String(lines[3]!["task_run_id"])}`)
    assert.deepStrictEqual(after, lines.slice(4))
  })
})

describe("lists", () => {
  it("give pages, by cursors that they gave themselves", async () => {
    const first = await site.json("/api/flow-runs?limit=1") as Page
    assert.strictEqual(first.items.length, 1)
    const second = await site.json(`/api/flow-runs?limit=1&cursor=${first.next}`) as Page
    assert.notDeepEqual(second.items, first.items)
    assert.strictEqual(second.next, null)
  })
  it("filter by flow, state and a part of the name", async () => {
    const names = async (query: string) =>
      (await site.json(`/api/flow-runs?${query}`) as Page).items.map((run) => run["name"])
    assert.deepStrictEqual(await names("flow=nightly"), ["nightly-run"])
    assert.deepStrictEqual(await names("state=Failed"), ["orders-etl-run"])
    assert.deepStrictEqual(await names("q=ETL"), ["orders-etl-run"])
    assert.deepStrictEqual(await names("q=nothing-like-it"), [])
  })
  it("name the parameter that is wrong", async () => {
    for (
      const [path, parameter] of [
        ["/api/flow-runs?limit=0", "limit"],
        ["/api/flow-runs?limit=501", "limit"],
        ["/api/flow-runs?cursor=nonsense", "cursor"],
        [`/api/flow-runs/${runId}/logs?level=LOUD`, "level"],
        [`/api/flow-runs/${runId}/logs?after=x`, "after"],
        [`/api/task-runs/${await idOf("frame-1")}/result/rows?offset=-1`, "offset"],
        [`/api/task-runs/${await idOf("frame-1")}/result/rows?sort=nope`, "sort"],
        [`/api/task-runs/${await idOf("frame-1")}/result/rows?where=nope`, "where"],
        [`/api/task-runs/${await idOf("frame-1")}/result/rows?where=id%3Eabc`, "where"],
        [`/api/task-runs/${await idOf("frame-1")}/result/columns/99`, "index"],
        [`/api/task-runs/${await idOf("packed-1")}/result/value?path=ids`, "path"]
      ] as const
    ) {
      const response = await site.get(path)
      assert.strictEqual(response.status, 400, path)
      const problem = await response.json() as Record<string, string>
      assert.strictEqual(problem["reason"], parameter, path)
      assert.ok(problem["message"]!.includes(parameter), path)
    }
  })
})

describe("a run that does not exist", () => {
  const { paths } = OpenApi.fromApi(UiApi)
  it.each(Object.keys(paths).filter((path) => path.includes("{id}")))("is not found by %s", async (path) => {
    const response = await site.get(path.replace("{id}", "nope").replace("{index}", "0"))
    assert.strictEqual(response.status, 404)
    assert.match((await response.json() as Record<string, string>)["reason"]!, /^(?:Flow|FlowRun|TaskRun)NotFound$/)
  })
  it("is told from one that left nothing", async () => {
    const empty = memorySite({
      flow_run: [{ id: "idle", name: "idle" }],
      task_run: [{ id: "quiet", flow_run_id: "idle" }]
    })
    for (
      const path of ["flow-runs/idle/states", "flow-runs/idle/logs", "task-runs/quiet/states", "task-runs/quiet/logs"]
    ) {
      assert.strictEqual((await empty.get(`/api/${path}`)).status, 200, path)
    }
    assert.deepStrictEqual(await empty.json("/api/flow-runs/idle/artifacts"), { items: [], next: null })
    await empty.close()
  })
})

describe("a flow run", () => {
  it("has its tasks by slug, mapped ones counted", async () => {
    const tasks = await site.lines(`/api/flow-runs/${runId}/tasks`)
    const slugs = tasks.map((task) => String(task["task_slug"]))
    assert.deepStrictEqual(slugs, slugs.toSorted())
    const score = tasks.find((task) => task["task_slug"] === "score-1")
    assert.deepStrictEqual(score?.["mapped"], {
      expected: 24,
      found: 24,
      states: { Success: 22, Failed: 1, Skipped: 1 }
    })
    assert.ok(tasks.every((task) => typeof task["start_time"] === "string"))
  })
  it("has a graph whose edges are places of its tasks", async () => {
    const graph = await site.json(`/api/flow-runs/${runId}/graph`) as {
      readonly tasks: ReadonlyArray<{ readonly task_slug: string }>
      readonly edges: ReadonlyArray<readonly [number, number, string | null, boolean]>
    }
    assert.strictEqual(graph.tasks.length, 24)
    assert.ok(graph.edges.length > 10)
    assert.ok(graph.edges.every(([up, down]) => graph.tasks[up] !== undefined && graph.tasks[down] !== undefined))
    const named = graph.edges.map(([up, down]) => `${graph.tasks[up]!.task_slug} ${graph.tasks[down]!.task_slug}`)
    assert.ok(named.includes("broken-1 after_broken-1"))
  })
  it("has its log, from a line on, with a text, and as a file", async () => {
    const all = await site.lines(`/api/flow-runs/${runId}/logs`)
    assert.ok(all.length > 5)
    const third = all[2]!
    const after = await site.lines(
      `/api/flow-runs/${runId}/logs?after=${encodeURIComponent(`${String(third["timestamp"])},${String(third["id"])}`)}`
    )
    assert.deepStrictEqual(after, all.slice(3))
    const mapped = await site.lines(`/api/flow-runs/${runId}/logs?q=MAPPED`)
    assert.ok(mapped.length > 0 && mapped.every((line) => String(line["message"]).includes("Mapped")))
    const file = await site.get(`/api/flow-runs/${runId}/logs.txt`)
    assert.strictEqual(file.headers.get("content-disposition"), "attachment; filename=\"orders-etl-run.log\"")
    assert.strictEqual((await file.text()).trimEnd().split("\n").length, all.length)
  })
  it("that is finished has no changes to follow", async () => {
    const response = await site.get(`/api/flow-runs/${runId}/changes`)
    assert.strictEqual(response.headers.get("content-type"), "text/event-stream")
    assert.ok((await response.text()).startsWith(":"))
  })
})

describe("results", () => {
  it("are tables with kinds, pages, orders and filters", async () => {
    const id = await idOf("frame-1")
    const result = await site.json(`/api/task-runs/${id}/result`) as Record<string, unknown>
    assert.strictEqual(result["kind"], "table")
    assert.strictEqual(result["rows"], 24)
    assert.deepStrictEqual(result["formats"], ["parquet"])
    const rows = await site.json(`/api/task-runs/${id}/result/rows?sort=-total&limit=2&columns=total,id`) as {
      readonly columns: ReadonlyArray<ReadonlyArray<number>>
      readonly total: number
    }
    const all = await site.json(`/api/task-runs/${id}/result/rows`) as typeof rows
    const totals = all.columns[1]!.toSorted((left, right) => right - left)
    assert.deepStrictEqual(rows.columns[0], totals.slice(0, 2))
    const large = await site.json(`/api/task-runs/${id}/result/rows?where=total%3E500&where=id%3C%3D10`) as typeof rows
    assert.strictEqual(large.total, all.columns[0]!.filter((id, i) => id <= 10 && all.columns[1]![i]! > 500).length)
    const beyond = await site.json(`/api/task-runs/${id}/result/rows?offset=1000`) as typeof rows
    assert.deepStrictEqual(beyond.columns, [[], [], []])
  })
  it("sum a column up", async () => {
    const id = await idOf("frame-1")
    const summary = await site.json(`/api/task-runs/${id}/result/columns/0`) as {
      readonly bins: ReadonlyArray<number>
      readonly min: number
      readonly max: number
      readonly mean: number
    }
    assert.strictEqual(summary.bins.length, 64)
    assert.strictEqual(summary.bins.reduce((sum, count) => sum + count, 0), 24)
    assert.deepStrictEqual([summary.min, summary.max, summary.mean], [0, 23, 11.5])
  })
  it("are values, a level at a time", async () => {
    const id = await idOf("packed-1")
    const root = await site.json(`/api/task-runs/${id}/result/value`) as Record<string, unknown>
    assert.deepStrictEqual(root, {
      kind: "object",
      size: 1,
      items: [{ key: "ids", preview: "[24 items]", kind: "array", size: 24 }]
    })
    const level = await site.json(`/api/task-runs/${id}/result/value?path=/ids&offset=22`) as {
      readonly items: ReadonlyArray<{ readonly key: string }>
    }
    assert.deepStrictEqual(level.items.map(({ key }) => key), ["22", "23"])
    assert.strictEqual((await site.get(`/api/task-runs/${id}/result/value?path=/nope`)).status, 404)
  })
  it("are downloaded as JSON, as CSV and as they were stored", async () => {
    const id = await idOf("frame-1")
    const json = await site.get(`/api/task-runs/${id}/result.json`)
    assert.strictEqual(json.headers.get("content-disposition"), "attachment; filename=\"frame-1.json\"")
    assert.strictEqual(json.headers.get("content-security-policy"), "sandbox")
    assert.deepStrictEqual([await json.json()], await printed("task-run", "result", id))
    const csv = await (await site.get(`/api/task-runs/${id}/result.csv`)).text()
    assert.strictEqual(csv.split("\r\n")[0], "id,total,day")
    assert.strictEqual(csv.trimEnd().split("\r\n").length, 25)
    const bytes = await (await site.get(`/api/task-runs/${id}/result/bytes`)).arrayBuffer()
    assert.strictEqual(new TextDecoder().decode(bytes.slice(0, 4)), "PAR1")
  })
  it("say why there are none, with the status of the reason", async () => {
    const response = await site.get(`/api/task-runs/${await idOf("broken-1")}/result`)
    assert.strictEqual(response.status, 404)
    assert.strictEqual((await response.json() as Record<string, string>)["reason"], "NotPersisted")
    const quiet = await site.get(`/api/task-runs/${await idOf("broken-1")}/result`, {
      headers: { "x-effect-prefect-quiet": "1" }
    })
    assert.strictEqual(quiet.status, 200)
    assert.strictEqual(quiet.headers.get("x-effect-prefect-status"), "404")
  })
  it("of a thread are those of this one", async () => {
    const threaded = archiveSite({ limits: { threadBytes: 0 } })
    const id = await idOf("big-1")
    const shown = await threaded.json(`/api/task-runs/${id}/result`)
    assert.deepStrictEqual(shown, await site.json(`/api/task-runs/${id}/result`))
    const query = `/api/task-runs/${id}/result/value?offset=2398`
    assert.deepStrictEqual(await threaded.json(query), await site.json(query))
    assert.strictEqual((await threaded.get(`/api/task-runs/${id}/result/value?path=/x`)).status, 404)
    assert.strictEqual((await threaded.get(`/api/task-runs/${id}/result/value?path=x`)).status, 400)
    await threaded.close()
  })
})

describe("odd rows", () => {
  const odd = memorySite({
    flow_run: [{ id: "run", name: "<b>run</b>", serialized_state: null }],
    task: [{ id: "t", slug: "score-1" }, { id: "u", slug: "<img src=x>" }],
    task_run: [
      { id: "p", task_id: "t", flow_run_id: "run", serialized_state: { type: "Mapped", n_map_states: 6 } },
      ...[0, 1, 3, 3, 5].map((map_index, i) => ({
        id: `c${i}`,
        task_id: "t",
        flow_run_id: "run",
        map_index,
        serialized_state: i === 1 ? null : { type: i === 2 ? "Wobbling" : "Success", message: "\u202ex" }
      })),
      { id: "u1", task_id: "u", flow_run_id: "run", serialized_state: { type: "Failed" } },
      { id: "lost", flow_run_id: "run", serialized_state: { type: "Success" } }
    ]
  })
  afterAll(() => odd.close())
  it("are shown as what they are", async () => {
    const tasks = await odd.lines("/api/flow-runs/run/tasks")
    assert.deepStrictEqual(tasks.map((task) => [task["task_slug"], task["state"]]), [
      ["<img src=x>", "Failed"],
      ["score-1", "Mapped"],
      [null, "Success"]
    ])
  })
  it("leave gaps among children, and say that they are incomplete", async () => {
    const parts = await odd.lines("/api/task-runs/p/children/states")
    const names = parts.at(-1)!["names"] as ReadonlyArray<string>
    const states = parts.flatMap((part) =>
      (part["runs"] as ReadonlyArray<readonly [number, number]>).flatMap(([code, count]) =>
        Array.from({ length: count }, () => code < 0 ? "missing" : names[code])
      )
    )
    assert.deepStrictEqual(states, ["Success", "Scheduled", "missing", "Wobbling", "missing", "Success"])
    assert.ok(String(parts.at(-1)!["problem"]).includes("mapped children are incomplete"))
  })
  it("filter children by the names of states", async () => {
    const { items } = await odd.json("/api/task-runs/p/children?state=Scheduled&state=Wobbling") as Page
    assert.deepStrictEqual(items.map((child) => child["map_index"]), [1, 3])
    const page = await odd.json("/api/task-runs/p/children?limit=2") as Page
    assert.deepStrictEqual(page.items.map((child) => child["map_index"]), [0, 1])
    assert.strictEqual(Number(page.next), 1)
  })
  it("are all on the pages of children, those of one index on one page", async () => {
    const wanted = [["", "c0 c1 c2 c3 c4"], ["&state=Wobbling&state=Success", "c0 c2 c3 c4"]] as const
    for (const [states, ids] of wanted) {
      for (const limit of [1, 2, 3, 4, 5]) {
        const found: Array<unknown> = []
        for (let after: unknown = -1; after !== null;) {
          const page = await odd.json(`/api/task-runs/p/children?limit=${limit}&after=${after}${states}`) as Page
          found.push(...page.items.map((child) => child["task_run_id"]))
          after = page.next
        }
        assert.strictEqual(found.join(" "), ids)
      }
    }
  })
})

describe("results of Prefect 3", () => {
  it("are read from their records, in this thread and in one of their own", async () => {
    const folder = mkdtempSync(join(tmpdir(), "effect-prefect-ui-server-"))
    const file = join(folder, "record")
    writeFileSync(
      file,
      JSON.stringify({
        metadata: { serializer: { type: "json" }, storage_key: file },
        result: JSON.stringify({ answer: 42 })
      })
    )
    const data = { storage_key: file, storage_block_id: null, serializer: { type: "json" }, expiration: null }
    const tables = {
      flow_run: [{ id: "run", name: "run" }],
      task_run: [{ id: "r", flow_run_id: "run", serialized_state: { type: "COMPLETED", name: "Completed", data } }]
    }
    for (const limits of [{}, { threadBytes: 0 }]) {
      const prefect3 = prefect3Site(tables, folder, { limits })
      const result = await prefect3.json("/api/task-runs/r/result") as Record<string, unknown>
      const level = await prefect3.json("/api/task-runs/r/result/value")
      await prefect3.close()
      assert.strictEqual(result["storage"], "Prefect3Result")
      assert.deepStrictEqual(result["formats"], ["json"])
      assert.deepStrictEqual(level, {
        kind: "object",
        size: 1,
        items: [{ key: "answer", preview: "42", kind: "number", size: 0 }]
      })
    }
    rmSync(folder, { recursive: true })
  })
})
