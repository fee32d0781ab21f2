/**
 * npm run figures [-- api | frames | page | memory …]: measures the page in Chromium and its server as a separate process. The figures are printed, not
 * judged, because they depend on the machine; bench/README.md records them.
 */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { root } from "../support/folder.ts"
import { venv } from "../support/python.ts"
import { idOf, ids, writeArchive } from "./archive.ts"
import { heapOf, type Page, startBrowser } from "./browser.ts"

const children = 100_000
const rows = 1_000_000
const tasks = 5_000

const frame = { pickle: idOf(0x6000), parquet: idOf(0x6001) }
const random = idOf(0x6002)
const wide = idOf(0x6003)

const archive = mkdtempSync(join(tmpdir(), "effect-prefect-figures-"))
process.on("exit", () => rmSync(archive, { recursive: true, force: true }))

/** Adds two frames of 1 000 000 rows, 100 000 children in random states, and a run of 5 000 tasks. */
const addLargeThings = async (): Promise<void> => {
  const { run } = await venv({
    name: "pandas-2.2",
    python: "3.11",
    packages: ["pandas==2.2.3", "numpy==1.26.4", "pyarrow==16.1.0"]
  })
  await run([
    "-c",
    `
import numpy as np, pandas as pd, pickle, sys
n = ${rows}
r = np.random.default_rng(1)
frame = pd.DataFrame({
  "id": np.arange(n), "score": r.normal(100, 20, n), "count": r.integers(0, 1000, n),
  "flag": r.integers(0, 2, n).astype(bool), "at": pd.date_range("2020-01-01", periods=n, freq="s"),
  "note": np.array(["a", "b", "c"], dtype=object)[r.integers(0, 3, n)]
})
pickle.dump(frame, open(sys.argv[1] + "/frame.pickle", "wb"), protocol=4)
frame.to_parquet(sys.argv[1] + "/frame.parquet")
`,
    join(archive, "results")
  ])
  const add = (table: string, added: ReadonlyArray<object>) =>
    appendFileSync(join(archive, `tables/${table}.jsonl`), `${added.map((row) => JSON.stringify(row)).join("\n")}\n`)
  const created = "2022-03-01T12:00:00Z"
  const taskOf = (id: string) => id.replace(/^00000000/, "11111111")
  const flow = idOf(0x7000)
  add("flow", [{ id: flow, name: "wide", version: 1, created, flow_group_id: flow }])
  add("flow_run", [{
    id: wide,
    name: "wide",
    flow_id: flow,
    serialized_state: { type: "Success" },
    created,
    start_time: created
  }])
  const widths = Array.from({ length: tasks }, (_, i) => idOf(0x100000 + i))
  const one = (id: string, slug: string, mapped: boolean, flow_id: string) => ({
    id: taskOf(id),
    slug,
    name: slug,
    mapped,
    flow_id,
    created
  })
  add("task", [
    one(frame.pickle, "pickled-1", false, idOf(10_000)),
    one(frame.parquet, "parquet-1", false, idOf(10_000)),
    one(random, "random-1", true, idOf(10_000)),
    ...widths.map((id, i) => one(id, `step-${i}`, false, flow))
  ])
  add(
    "edge",
    widths.flatMap((id, i) =>
      [i - 50, i - 51].filter((up) => up >= 0).map((up) => ({
        id: id.replace(/^00000000/, up === i - 50 ? "22222222" : "33333333"),
        flow_id: flow,
        upstream_task_id: taskOf(widths[up]!),
        downstream_task_id: taskOf(id),
        key: "x",
        mapped: false,
        created
      }))
    )
  )
  const taskRun = (id: string, task: string, serialized_state: object, more: object = {}) => ({
    id,
    flow_run_id: ids.run,
    task_id: taskOf(task),
    map_index: -1,
    name: null,
    serialized_state,
    created,
    start_time: created,
    end_time: "2022-03-01T12:00:10Z",
    ...more
  })
  const local = (name: string) => ({
    type: "Success",
    _result: { type: "LocalResult", location: `/srv/results/${name}`, dir: "/srv/results" }
  })
  const states = ["Success", "Failed", "Cached", "Skipped", "Running", "Pending", "TimedOut", "Cancelled"]
  let seed = 1
  const next = () => seed = seed * 48_271 % 2_147_483_647
  add("task_run", [
    taskRun(frame.pickle, frame.pickle, local("frame.pickle")),
    taskRun(frame.parquet, frame.parquet, local("frame.parquet")),
    taskRun(random, random, { type: "Mapped", n_map_states: children }),
    ...Array.from(
      { length: children },
      (_, i) => taskRun(idOf(0x3000000 + i), random, { type: states[next() % states.length] }, { map_index: i })
    ),
    ...widths.map((id) => taskRun(id, id, { type: "Success" }, { flow_run_id: wide }))
  ])
}

const start = async () => {
  const child = spawn(
    process.execPath,
    [join(root, "packages/cli/bin/effect-prefect.js"), "ui", "--archive", archive, "--port", "0"],
    { stdio: ["ignore", "pipe", "inherit"] }
  )
  const [line] = await once(createInterface({ input: child.stdout }), "line") as [string]
  const match = /(http:\/\/\S+)\/#token=(\S+)/.exec(line)
  assert.ok(match)
  const [, origin = "", token = ""] = match
  return {
    origin,
    token,
    /** The resident memory, in megabytes. */
    memory: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) / 1000,
    get: async (path: string): Promise<string> => {
      const response = await fetch(`${origin}/api${path}`, { headers: { authorization: `Bearer ${token}` } })
      assert.equal(response.status, 200, path)
      return response.text()
    },
    stop: async () => {
      child.kill()
      await once(child, "exit")
    }
  }
}
type Server = Awaited<ReturnType<typeof start>>

/** Prints a figure, and beside it what UI.md asks for, if it does. */
const say = (what: string, figure: string, goal?: string) =>
  console.log(`${what.padEnd(64)} ${figure}${goal === undefined ? "" : ` (goal: ${goal})`}`)
const ms = (millis: number) => `${millis < 10 ? millis.toFixed(1) : Math.round(millis)} ms`
const timed = async <A>(work: () => Promise<A>): Promise<readonly [millis: number, answer: A]> => {
  const begin = performance.now()
  const answer = await work()
  return [performance.now() - begin, answer]
}
const median = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)[values.length >> 1]!

/** The plainest server, as a process of its own: what a request waits for on this machine, whoever answers it. */
const startPlain = async () => {
  const code = "require('node:http').createServer((_, response) => response.end('x'.repeat(400)))" +
    ".listen(0, '127.0.0.1', function () { console.log(this.address().port) })"
  const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] })
  const [port] = await once(createInterface({ input: child.stdout }), "line") as [string]
  return {
    get: async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}`)).text(),
    stop: () => child.kill()
  }
}
const plain = await startPlain()
process.on("exit", () => plain.stop())

/** The longest and the median wait of small requests while others are answered, and of those of the plainest server. */
const waits = async (server: Server, work: Promise<unknown>): Promise<string> => {
  const ours: Array<number> = []
  const theirs: Array<number> = []
  let isOver = false
  void work.finally(() => isOver = true)
  while (!isOver) {
    ours.push((await timed(() => server.get("/backend")))[0])
    theirs.push((await timed(plain.get))[0])
    await new Promise((resolve) => setTimeout(resolve, 3))
  }
  await work
  const summary = (seen: ReadonlyArray<number>) => `at most ${ms(Math.max(...seen))}, median ${ms(median(seen))}`
  return `${summary(ours)} of ${ours.length}; the plainest server ${summary(theirs)}`
}

const states = (id: string) => `/task-runs/${id}/children/states`

/** The walk of the children alone, in this process, over the same index. */
const summariesAlone = () =>
  timed(() =>
    Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const { api } = yield* ArchiveApi.make(archive)
      const { taskId } = yield* api.taskRun(ids.parent)
      yield* Stream.runDrain(api.taskRunSummaries({ flowRunId: ids.run, taskId: taskId ?? "", after: -1 }))
    })))
  )

console.log("writing the archive")
writeArchive(archive, { children, rows: 1_000, lines: 100_000 })
await addLargeThings()

const sections = process.argv.slice(2)
const wants = (section: string) => sections.length === 0 || sections.includes(section)

if (wants("api")) {
  const server = await start()
  await server.get(states(ids.parent))
  for (const [name, id] of [["99 % in one state", ids.parent], ["random states", random]] as const) {
    const text = await server.get(states(id))
    say(`bytes of the states of ${children} children, ${name}`, `${text.length}`, "64 000; 1 000 000 in random states")
  }
  for (const run of [1, 2, 3]) {
    say(
      `waits while ${children} children are walked, ${run}`,
      await waits(server, Promise.all([server.get(states(random)), server.get(states(ids.parent))])),
      "at most 100 ms"
    )
  }
  say(
    "waits while the children's times are walked",
    await waits(server, server.get(`/task-runs/${random}/children/times`)),
    "at most 100 ms"
  )
  say("waits while a log of 100 000 lines is read", await waits(server, server.get(`/flow-runs/${ids.run}/logs`)))
  say(`waits while ${tasks} tasks are listed`, await waits(server, server.get(`/flow-runs/${wide}/tasks`)))
  await server.stop()
}

if (wants("frames")) {
  for (const [name, id] of Object.entries(frame)) {
    const bytes = readFileSync(join(archive, `results/frame.${name}`))
    const decoding: Array<number> = []
    const first: Array<number> = []
    let server = await start()
    for (let run = 0; run < 3; run++) {
      decoding.push(
        (await timed(() =>
          Effect.runPromise(ResultFormat.decode(new Uint8Array(bytes), { name: `frame.${name}`, maxBytes: 2 ** 30 }))
        ))[0]
      )
      await server.stop()
      server = await start()
      await server.get(`/task-runs/${id}`)
      first.push((await timed(() => server.get(`/task-runs/${id}/result/rows`)))[0])
    }
    say(
      `${name} of ${rows} × 6: first rows, and decoding alone`,
      `${ms(median(first))}, ${ms(median(decoding))}: ${(median(first) / median(decoding)).toFixed(2)} ×`,
      "1.5 ×"
    )
    const pages: Array<number> = []
    for (let i = 0; i < 50; i++) {
      const offset = i === 0 ? rows - 100 : i * 19_997
      pages.push((await timed(() => server.get(`/task-runs/${id}/result/rows?offset=${offset}&limit=100`)))[0])
    }
    say(
      `${name}: a page of 100 rows by its place`,
      `median ${ms(median(pages))}, at most ${ms(Math.max(...pages))}`,
      "100 ms"
    )
    say(
      `${name}: sorted by a number, and by a text`,
      `${ms((await timed(() => server.get(`/task-runs/${id}/result/rows?sort=-score`)))[0])}, ${
        ms((await timed(() => server.get(`/task-runs/${id}/result/rows?sort=note`)))[0])
      }`
    )
    say(`${name}: a histogram`, ms((await timed(() => server.get(`/task-runs/${id}/result/columns/2`)))[0]))
    await server.stop()
    server = await start()
    say(
      `${name}: waits while it is decoded`,
      await waits(server, server.get(`/task-runs/${id}/result/rows`)),
      "at most 100 ms"
    )
    await server.stop()
  }
}

if (wants("page")) {
  const server = await start()
  await using browser = await startBrowser()
  const context = await browser.newContext({ colorScheme: "light", width: 1280 })
  const page: Page = await context.newPage()
  await page.goto(`${server.origin}/#token=${server.token}`)
  await page.getByRole("table", { name: "Flow runs" }).or(page.getByRole("grid", { name: "Flow runs" })).first()
    .waitFor()

  /** Navigates, and returns when the page says that something is there. */
  const until = async (path: string, selector: string): Promise<number> =>
    (await timed(async () => {
      await page.goto(`${server.origin}${path}`)
      await page.locator(selector).first().waitFor({ timeout: 60_000 })
    }))[0]

  // Of the document itself: milliseconds since the navigation began.
  await page.addInitScript(`
    const { fetch } = window
    window.fetch = (...request) => {
      if (String(request[0]).includes("/children/states")) window.walkBegan ??= performance.now()
      return fetch(...request)
    }
    const observer = new MutationObserver(() => {
      if (document.querySelector("[role=gridcell][aria-label*='[0] ']:not([aria-label$='not loaded'])") === null) return
      observer.disconnect()
      requestAnimationFrame(() => window.firstCells = performance.now())
    })
    observer.observe(document, { subtree: true, childList: true, attributes: true })
  `)
  for (const run of [1, 2, 3]) {
    await until(`/task-runs/${random}/children`, "[role=gridcell][aria-label*='[0] ']")
    await page.waitForFunction("window.firstCells > 0")
    const [first, walk] = await page.evaluate("[window.firstCells, window.walkBegan]") as [number, number]
    await page.locator(`[data-total='${children}'][aria-busy=false]`).waitFor({ timeout: 60_000 })
    const all = await until(`/task-runs/${ids.parent}/children`, `[data-total='${children}'][aria-busy=false]`)
    const [alone] = await summariesAlone()
    say(
      `heat map of ${children}, from navigation, ${run}`,
      `first cells ${ms(first)}, ${ms(first - walk)} after the walk began; all ${ms(all)}, summaries alone ${
        ms(alone)
      }`,
      "300 ms after the walk began; 1.5 × alone"
    )
  }

  /** The times between frames while something is done to the page. */
  const frames = async (name: string, act: () => Promise<void>): Promise<void> => {
    await page.evaluate(
      "window.gaps = []; window.isCounting = true; (() => { let last = 0; const tick = (now) => { if (last > 0) gaps.push(now - last); last = now; if (isCounting) requestAnimationFrame(tick) }; requestAnimationFrame(tick) })()"
    )
    await act()
    const gaps = (await page.evaluate("window.isCounting = false, window.gaps") as ReadonlyArray<number>)
      .toSorted((a, b) => a - b)
    say(
      `frames while ${name}`,
      `median ${gaps[gaps.length >> 1]!.toFixed(1)}, p95 ${gaps[Math.floor(gaps.length * 0.95)]!.toFixed(1)}, longest ${
        gaps.at(-1)!.toFixed(1)
      } ms of ${gaps.length}`,
      "p95 17, longest 100 ms"
    )
  }
  const hover = async () => {
    for (let i = 0; i < 120; i++) {
      await page.mouse.move(100 + i * 8 % 1000, 420 + i * 13 % 250)
      await page.waitForTimeout(8)
    }
  }
  await page.goto(`${server.origin}/task-runs/${random}/children`)
  await page.locator(`[data-total='${children}'][aria-busy=false]`).waitFor({ timeout: 60_000 })
  await frames("nothing is done", () => page.waitForTimeout(1_500))
  await frames("hovering over the map", hover)
  for (let i = 0; i < 3; i++) await page.getByRole("button", { name: "Larger" }).click()
  await frames("hovering over the map, zoomed", hover)
  await frames("panning the map, zoomed", async () => {
    await page.mouse.move(500, 500)
    for (let i = 0; i < 60; i++) {
      await page.mouse.wheel(i < 30 ? 60 : -60, i % 2 === 0 ? 120 : -40)
      await page.waitForTimeout(16)
    }
  })
  await frames("zooming", async () => {
    for (let i = 0; i < 6; i++) {
      await page.getByRole("button", { name: i % 2 === 0 ? "Smaller" : "Larger" }).click()
      await page.waitForTimeout(100)
    }
  })
  await frames("toggling a state", async () => {
    for (let i = 0; i < 4; i++) {
      await page.getByRole("group", { name: "States" }).getByRole("button").first().click()
      await page.waitForTimeout(100)
    }
  })
  say("heap of the page with the map", `${(await heapOf(page) / 1e6).toFixed(1)} MB`, "40 MB")

  say(
    `${tasks} tasks: list`,
    ms(await until(`/flow-runs/${wide}/tasks`, `[aria-label=Tasks][aria-rowcount='${tasks + 1}']`)),
    "3 s"
  )
  say(`${tasks} tasks: graph`, ms(await until(`/flow-runs/${wide}/graph`, ".graph-active")), "3 s")
  say(`${tasks} tasks: timeline`, ms(await until(`/flow-runs/${wide}/timeline`, ".timeline-active")), "3 s")
  await page.goto(`${server.origin}/flow-runs/${wide}/graph`)
  await page.locator(".graph-active").waitFor()
  await frames(`panning a graph of ${tasks} tasks`, async () => {
    await page.mouse.move(500, 500)
    for (let i = 0; i < 40; i++) {
      await page.mouse.wheel(80, 60)
      await page.waitForTimeout(16)
    }
  })
  say("log of 100 000 lines", ms(await until(`/flow-runs/${ids.run}/logs`, ".below >> text=100,000 lines")))
  say("heap of the page with the log", `${(await heapOf(page) / 1e6).toFixed(1)} MB`)
  say(
    `a table of ${rows} rows, from navigation`,
    ms(await until(`/task-runs/${frame.pickle}/result`, "[role=gridcell] .cell, [aria-label=Table] [role=gridcell]"))
  )
  await server.stop()
}

if (wants("memory")) {
  const server = await start()
  await server.get(`/task-runs/${frame.pickle}/result/rows?sort=-score`)
  await server.get(`/task-runs/${frame.parquet}/result/rows?sort=-score`)
  await server.get(states(random))
  await server.get(`/flow-runs/${ids.run}/logs`)
  const before = server.memory()
  const memories: Array<number> = []
  for (let i = 0; i < 1_000; i++) {
    const id = i % 2 === 0 ? frame.pickle : frame.parquet
    await server.get(
      i % 50 === 0
        ? states(random)
        : i % 50 === 25
        ? `/flow-runs/${ids.run}/logs?limit=5000`
        : `/task-runs/${id}/result/rows?offset=${i * 991}`
    )
    if (i % 100 === 99) memories.push(server.memory())
  }
  say(
    "server's memory after both frames, heat map and log",
    `${Math.round(before)} MB; each 100 requests later ${memories.map(Math.round).join(", ")} MB`,
    "600 MB, flat"
  )
  await server.stop()
}
process.exit()
