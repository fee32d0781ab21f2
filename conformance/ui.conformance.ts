/**
 * The page in Chromium, operated by roles, names and keys: over an archive with hostile text in every field, 100 000
 * mapped children and a table of 1 000 000 rows, over the recorded archive, and over a run that changes while it is
 * watched.
 */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as InlineStorage from "@effect-prefect/results/InlineStorage"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as UiServer from "@effect-prefect/ui-server/UiServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { against } from "./support/against.ts"
import { check } from "./support/check.ts"
import { folder, root } from "./support/folder.ts"
import { hostile, idOf, ids, kindIds, writeArchive } from "./ui/archive.ts"
import { firefox, type Page, startBrowser, watch } from "./ui/browser.ts"

/** `--small` tests the checks themselves, quickly; `--firefox` uses the system's Firefox. */
const scale = process.argv.includes("--small")
  ? { children: 6_000, rows: 20_000, lines: 500 }
  : { children: 100_000, rows: 1_000_000, lines: 5_000 }
const { children: childCount, rows: rowCount } = scale
const lastChild = `score-1[${childCount - 1}] Success`
const lastFailed = `score-1[${childCount - 993}] Failed`
const third = (offset: number) => Math.floor((rowCount + 2 - offset) / 3)
const loadedMap = `[data-total='${childCount}'][aria-busy=false]`

interface Server {
  readonly origin: string
  readonly token: string
  readonly stop: () => Promise<{ readonly millis: number; readonly code: number | null }>
}

/** The command `ui` as a separate process. */
const startCommand = async (archive: string, port = 0): Promise<Server> => {
  const child = spawn(process.execPath, [
    join(root, "packages/cli/bin/effect-prefect.js"),
    "ui",
    "--archive",
    archive,
    "--port",
    String(port)
  ], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const [line] = await once(createInterface({ input: child.stdout }), "line") as [string]
  const match = /^The page is at (http:\/\/127\.0\.0\.1:\d+)\/#token=([\w-]{43}) \(Ctrl-C ends it\)$/.exec(line)
  assert.ok(match, line)
  return {
    origin: match[1]!,
    token: match[2]!,
    stop: async () => {
      const start = performance.now()
      child.kill("SIGTERM")
      const [code] = await once(child, "exit") as [number | null]
      return { millis: performance.now() - start, code }
    }
  }
}

const temporary = mkdtempSync(join(tmpdir(), "effect-prefect-ui-"))
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }))
console.log("writing the archive")
writeArchive(temporary, scale)
const server = await startCommand(temporary)
const isFirefox = process.argv.includes("--firefox")
const shots = folder(isFirefox ? "ui-pictures-firefox" : "ui-pictures")
await using browser = await startBrowser({ firefox: isFirefox })
against(`${isFirefox ? "Firefox" : "Chromium"} ${browser.version()}`)

const main = await browser.newContext({ colorScheme: "light", width: 1280 })
const page = await main.newPage()
const wrong = watch(page, server.origin)
const open = async (path: string, heading?: string | RegExp): Promise<void> => {
  await page.goto(`${server.origin}${path}`)
  if (heading !== undefined) await page.getByRole("heading", { level: 1, name: heading }).waitFor()
}
const activeCell = (label: string) => page.getByRole("grid", { name: label }).getByRole("gridcell").first()

const run = `/flow-runs/${ids.run}`
const task = (id: string) => `/task-runs/${id}`

await check("without a token the page says which address to open, and shows nothing else", async () => {
  await open("/flow-runs", "Flow runs")
  const alert = page.getByRole("alert").first()
  await alert.waitFor()
  assert.match(await alert.innerText(), /Open the address that effect-prefect ui printed/)
})

await check("the token leaves the address at once and is kept for other tabs", async () => {
  await page.goto(`${server.origin}/#token=${server.token}`)
  await page.getByRole("row", { name: /^scored Failed/ }).waitFor()
  assert.equal(page.url(), `${server.origin}/flow-runs`)
  const other = await main.newPage()
  await other.goto(`${server.origin}${run}`)
  await other.getByRole("heading", { level: 1, name: "scored" }).waitFor()
  await other.close()
})

const pages: ReadonlyArray<readonly [path: string, heading: string | RegExp]> = [
  ["/flow-runs", "Flow runs"],
  ["/flow-runs?page=2", "Flow runs"],
  ["/flows", "Flows"],
  [`/flows/${idOf(10_000)}`, hostile.script],
  [run, "scored"],
  [`${run}/tasks`, "scored"],
  [`${run}/graph`, "scored"],
  [`${run}/timeline`, "scored"],
  [`${run}/results`, "scored"],
  [`${run}/logs?q=needle3`, "scored"],
  [`${run}/artifacts`, "scored"],
  [`${run}/states`, "scored"],
  [`/flow-runs/${ids.empty}`, "empty"],
  [`/flow-runs/${ids.empty}/tasks`, "empty"],
  [`/flow-runs/${idOf(40)}`, idOf(40)],
  [task(ids.parent), "score-1"],
  [`${task(ids.parent)}/children`, "score-1"],
  [`${task(ids.parent)}/children?view=list&state=Failed`, "score-1"],
  [task(ids.gaps), "gaps-1"],
  [task(ids.nothing), "nothing-1"],
  [task(ids.table), "table-1"],
  [task(ids.records), "records-1"],
  [`${task(ids.records)}?as=value`, "records-1"],
  [task(ids.text), "text-1"],
  [`${task(ids.value)}/result`, "value-1"],
  [task(ids.denied), "denied-1"],
  [task(ids.gone), "gone-1"],
  [task(ids.broken), "broken-1"],
  [task(ids.noTask), ids.noTask],
  [task(ids.nullState), "null_state-1"],
  [task(ids.unknownState), "unknown_state-1"],
  [`${task(ids.value)}/states`, "value-1"],
  [`${task(ids.value)}/logs`, "value-1"],
  ["/about", "About"],
  ["/nowhere", "Not found"],
  ["/flow-runs/nope", "Not found"]
]

interface Violation {
  readonly id: string
  readonly nodes: ReadonlyArray<{ readonly target: ReadonlyArray<string>; readonly failureSummary: string }>
}

// Firefox computes the same colours as Chromium: there, one mode is enough.
const modes = process.argv.includes("--quick")
  ? []
  : isFirefox
  ? ["light"] as const
  : ["light", "dark", "contrast"] as const
for (const mode of modes) {
  await check(`axe finds nothing on ${pages.length} pages in ${mode}`, async () => {
    // The page's policy blocks axe's script.
    const context = await browser.newContext({
      colorScheme: mode === "dark" ? "dark" : "light",
      width: 1280,
      bypassCSP: true
    })
    const judged = await context.newPage()
    await judged.goto(`${server.origin}/#token=${server.token}`)
    if (mode === "contrast") await judged.evaluate("localStorage.setItem('effect-prefect high contrast', 'on')")
    const found: Array<string> = []
    for (const [i, [path, heading]] of pages.entries()) {
      await judged.goto(`${server.origin}${path}`)
      await judged.getByRole("heading", { level: 1, name: heading }).waitFor()
      await judged.waitForTimeout(500)
      await judged.evaluate(browser.axe)
      const violations = await judged.evaluate(
        "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }).then((_) => _.violations)"
      ) as ReadonlyArray<Violation>
      for (const { id, nodes } of violations) {
        found.push(`${path}: ${id} ${nodes[0]?.target.join(" ")} ${nodes[0]?.failureSummary}`)
      }
      const elements = Number(await judged.evaluate("document.querySelectorAll('*').length"))
      if (elements > 2_000) found.push(`${path}: ${elements} elements`)
      await judged.screenshot({ path: join(shots, `${mode}-${String(i).padStart(2, "0")}.png`) })
    }
    await context.close()
    assert.deepEqual(found, [])
  })
}

const texts = Object.values(hostile)
const oddRun = `/flow-runs/${ids.odd}`
const oddPages: ReadonlyArray<string> = [
  ...["", "/tasks", "/graph", "/timeline", "/results", "/logs", "/artifacts", "/states"].map((view) => oddRun + view),
  task(ids.oddParent),
  `${task(ids.oddParent)}/children?view=list&state=constructor`,
  task(ids.far),
  `${task(ids.far)}/children?view=list&index=2000000000`,
  `${task(ids.far)}/children?index=2000000000`,
  task(ids.twice),
  `${task(ids.wide)}/result?column=c9999&row=99`,
  task(ids.names),
  task(ids.heavy),
  `${task(ids.heavy)}?column=${"n".repeat(3_000)}`,
  task(ids.noRows),
  ...texts.map((_, i) => `/flow-runs/${idOf(20 + i)}`),
  ...texts.map((_, i) => task(idOf(130 + i))),
  ...Array.from({ length: 6 }, (_, i) => task(idOf(0x8200 + i))),
  ...Array.from({ length: 6 }, (_, i) => task(idOf(0x8300 + i))),
  ...Array.from({ length: 7 }, (_, i) => task(idOf(0x8400 + i))),
  ...["none", "float_nan", "decimal_d1", "int_18446744073709551616", "dt_min", "bytes_bin", "exc_group", "pd3_df_multi"]
    .map((kind) => task(kindIds.get(kind)!)),
  `${oddRun}/tasks/${encodeURIComponent("a/b?c#d%")}`,
  `${oddRun}/tasks/x/abc`,
  "/flow-runs?page=99&state=constructor",
  `${task(ids.records)}/result?row=-1&sort=nope&where=zzz&column=nope`,
  `${task(ids.value)}/result?path=/nope/x`,
  `${task(ids.parent)}/children?index=-5&state=Nope`,
  `${run}/logs?line=abc&level=zz&task=nope`
]
/** What is wrong with the shown page, if anything. */
const faults = `[
  ...(document.body.innerText.includes("This page failed") ? ["it failed"] : []),
  ...(document.querySelectorAll("h1").length === 1 ? [] : ["no heading"]),
  ...(document.querySelectorAll("*").length > 2000 ? ["too many elements"] : []),
  ...(document.documentElement.scrollWidth > innerWidth ? ["wider than the window"] : []),
  ...(document.documentElement.scrollHeight > 12000 ? ["taller than 12 000 pixels"] : []),
  ...(document.querySelector(".loading, .skeleton") === null ? [] : ["still loading"])
]`

for (const width of [1280, 320]) {
  await check(`odd names, times, places and values are shown, ${width} pixels wide`, async () => {
    const context = await browser.newContext({ colorScheme: "light", width })
    const odd = await context.newPage()
    const seen = watch(odd, server.origin)
    await odd.goto(`${server.origin}/#token=${server.token}`)
    const found: Array<string> = []
    for (const path of oddPages) {
      await odd.goto(`${server.origin}${path}`)
      await odd.getByRole("heading", { level: 1 }).waitFor()
      for (let i = 0; i < 100 && await odd.locator(".loading, .skeleton").count() > 0; i++) {
        await odd.waitForTimeout(100)
      }
      await odd.waitForTimeout(200)
      const wrong = await odd.evaluate(faults) as ReadonlyArray<string>
      if (wrong.length > 0) found.push(`${path}: ${wrong.join(", ")}`)
    }
    await context.close()
    assert.deepEqual([...found, ...seen], [])
  })
}

await check("every kind of pickle has a view, or a reason in one sentence", async () => {
  const ask = (path: string) =>
    fetch(`${server.origin}/api${path}`, { headers: { authorization: `Bearer ${server.token}` } })
  const wrong: Array<string> = []
  for (const [kind, id] of kindIds) {
    const answer = await ask(`/task-runs/${id}/result`)
    const result = await answer.json() as { readonly kind?: string; readonly message?: string }
    if (!answer.ok) {
      if (answer.status !== 422 || !/^kind-\S+ \(.+\): .+$/.test(result.message ?? "")) {
        wrong.push(`${kind}: ${answer.status}`)
      }
      continue
    }
    const part = await ask(`/task-runs/${id}/result/${result.kind === "table" ? "rows" : "value"}`)
    await part.text()
    if (!part.ok) wrong.push(`${kind}: ${part.status} of its ${result.kind}`)
  }
  assert.deepEqual(wrong, [])
})

await check("what an address says that is not so is passed over, and said", async () => {
  await open(`${task(ids.records)}/result?sort=nope&where=zzz`, "records-1")
  await page.getByRole("grid", { name: "Table" }).getByRole("gridcell", { name: "0", exact: true }).first().waitFor()
  const notes = await page.getByRole("region", { name: "Result" }).innerText()
  assert.match(notes, /Sorting was passed over: /)
  assert.match(notes, /The filter was passed over: /)
  for (
    const [path, note] of [
      [`${task(ids.value)}/result?path=/nope`, "The address names path /nope, which is not there."],
      [`${task(ids.value)}/result?path=nope`, "The address names path nope, which is not there."],
      [`${task(ids.value)}/result?path=/list/9`, "The address names path /list/9, which is not there."],
      [`${task(ids.value)}/result?path=/flag/x`, "The address names path /flag/x, which is not there."],
      [`${run}/logs?level=LOUD`, "The address names level LOUD, which is not there."],
      [`${run}/logs?line=abc`, "The address names line abc, which is not there."],
      [`${run}/logs?line=999999`, "The address names line 999999, which is not there."]
    ] as const
  ) {
    await open(path)
    await page.getByRole("status").filter({ hasText: note }).waitFor()
  }
})

await check("a path of the address opens the value there, however many keys are before it", async () => {
  for (
    const [path, name] of [
      [`${task(ids.value)}/result?path=/list/2/1/four`, "four: 4"],
      [`${task(ids.value)}/result?path=/many/4321`, "[4321]: 4321"],
      [`${task(ids.wide)}/result?as=value&path=/1/c9000`, "c9000: 18000"]
    ] as const
  ) {
    await open(path)
    await page.locator(`[role=treeitem][aria-selected=true][aria-label="${name}"]`).waitFor()
    const notes = page.getByRole("status").filter({ hasText: "which is not there" })
    assert.equal(await notes.count(), 0, path)
  }
})

await check("a server that went away is said, and the page comes back with it", async () => {
  const context = await browser.newContext({ colorScheme: "light", width: 1280 })
  const left = await context.newPage()
  const port = Number(new URL(server.origin).port) + 1
  const first = await startCommand(temporary, port)
  await left.goto(`${first.origin}/#token=${first.token}`)
  await left.getByRole("row", { name: /^scored Failed/ }).waitFor()
  await first.stop()
  await left.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "About" }).click()
  const alert = left.getByRole("alert").first()
  await alert.waitFor()
  assert.match(await alert.innerText(), /The server does not respond/)
  const second = await startCommand(temporary, port)
  // Another start has another token, which the address that it prints carries.
  await left.getByRole("button", { name: "Try again" }).click()
  await left.getByRole("alert").first().getByRole("button", { name: "Try again" }).waitFor()
  await left.goto(`${second.origin}/#token=${second.token}`)
  await left.getByRole("row", { name: /^scored Failed/ }).waitFor()
  await second.stop()
  await context.close()
})

await check("every page has its heading, its title and its landmarks", async () => {
  for (const [path, heading] of pages) {
    await open(path, heading)
    assert.ok((await page.title()).endsWith(" · effect-prefect"), path)
    assert.equal(await page.getByRole("banner").count(), 1, path)
    assert.equal(await page.getByRole("main").count(), 1, path)
    assert.equal(await page.getByRole("navigation", { name: "Main" }).count(), 1, path)
    assert.equal(await page.getByRole("link", { name: "Skip to content" }).count(), 1, path)
    assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1, path)
  }
})

await check("lists are counted whole, and a row's name begins with what it is", async () => {
  await open(`${run}/tasks`, "scored")
  await page.getByRole("row", { name: /^value-1 Success/ }).waitFor()
  const grid = page.getByRole("grid", { name: "Tasks" })
  assert.equal(await grid.getAttribute("aria-rowcount"), String(14 + Object.keys(hostile).length + 1))
  await open(`${task(ids.parent)}/children?view=list`, "score-1")
  await page.getByRole("row", { name: /^score-1\[7\] Failed/ }).waitFor()
  const children = page.getByRole("grid", { name: "Children" })
  await page.locator("[aria-label=Children]:not([aria-busy])").waitFor()
  assert.equal(await children.getAttribute("aria-rowcount"), String(scale.children + 1))
  await children.focus()
  await children.press("Control+End")
  await page.getByRole("row", { name: lastChild }).waitFor()
})

await check("the heat map names its active child, and keys lead to those that failed", async () => {
  await open(`${task(ids.parent)}/children`, "score-1")
  const map = page.getByRole("grid", { name: "Mapped children of score-1" })
  await page.locator(loadedMap).waitFor()
  const columns = Number(await map.getAttribute("data-columns"))
  assert.equal(await map.getAttribute("aria-colcount"), String(columns))
  assert.equal(await map.getAttribute("aria-rowcount"), String(Math.ceil(scale.children / columns)))
  const name = async () => activeCell("Mapped children of score-1").getAttribute("aria-label")
  assert.equal(await name(), "score-1[0] Success")
  await map.focus()
  await map.press("n")
  assert.equal(await name(), "score-1[7] Failed")
  await map.press("n")
  assert.equal(await name(), "score-1[1007] Failed")
  await map.press("p")
  assert.equal(await name(), "score-1[7] Failed")
  await map.press("ArrowDown")
  assert.equal(await name(), `score-1[${7 + columns}] Success`)
  await map.press("Control+End")
  assert.equal(await name(), lastChild)
  await page.getByRole("button", { name: "Previous failed" }).click()
  assert.equal(await name(), lastFailed)
  const index = page.getByRole("spinbutton", { name: "Map index" })
  await index.fill("3007")
  await index.press("Enter")
  assert.equal(await name(), "score-1[3007] Failed")
  assert.ok(page.url().includes("index=3007"))
  const legend = page.getByRole("group", { name: "States" })
  const failed = legend.getByRole("button", { name: `Failed ${childCount / 1000}`, exact: true })
  assert.equal(await failed.getAttribute("aria-pressed"), "false")
  await failed.click()
  assert.equal(await failed.getAttribute("aria-pressed"), "true")
  await page.getByRole("button", { name: "List", exact: true }).click()
  await page.locator(`[aria-label=Children][aria-rowcount='${childCount / 1000 + 1}']`).waitFor()
  await open(`${task(ids.parent)}/children?index=7`, "score-1")
  await page.locator(loadedMap).waitFor()
  await map.focus()
  await map.press("Enter")
  await page.getByRole("heading", { level: 1, name: "score-1[7]" }).waitFor()
})

await check("gaps are shown as missing, and said", async () => {
  await open(task(ids.gaps), "gaps-1")
  const alert = page.getByRole("alert").first()
  await alert.waitFor()
  assert.match(await alert.innerText(), /mapped children are incomplete/)
  const map = page.getByRole("grid", { name: "Mapped children of gaps-1" })
  await map.focus()
  await map.press("ArrowRight")
  await map.press("ArrowRight")
  assert.equal(await activeCell("Mapped children of gaps-1").getAttribute("aria-label"), "gaps-1[2] missing")
})

await check("a table of a million rows goes to any of them, is sorted and summed up", async () => {
  await open(`${task(ids.table)}/result?row=${rowCount - 1}`, "table-1")
  const table = page.getByRole("grid", { name: "Table" })
  await table.getByRole("gridcell", { name: "248.25", exact: true }).first().waitFor({ timeout: 60_000 })
  assert.equal(await table.getAttribute("aria-rowcount"), String(scale.rows + 1))
  assert.equal(await table.getAttribute("aria-colcount"), "3")
  await page.getByRole("img", { name: /^Histogram of score: 0(?:\.25)? to 249.75, \d+ missing$/ }).waitFor({
    timeout: 60_000
  })
  const header = page.getByRole("columnheader", { name: "score" })
  assert.equal(await header.getAttribute("aria-sort"), "none")
  await page.getByRole("button", { name: "Sort by score" }).click()
  await page.locator("[role=columnheader][aria-sort=ascending]").waitFor()
  await open(`${task(ids.table)}/result?column=label`, "table-1")
  await page.getByRole("img", { name: `Values of label: a ${third(0)}, b ${third(1)}, c ${third(2)}` }).waitFor({
    timeout: 60_000
  })
})

await check("a value is a tree that opens by its keys", async () => {
  await open(`${task(ids.value)}/result`, "value-1")
  await page.getByRole("treeitem", { name: "total_cents: 1283888", exact: true }).waitFor()
  await page.getByRole("treeitem", { name: "big: 9007199254740993", exact: true }).waitFor()
  const tree = page.getByRole("tree", { name: "Value" })
  await tree.focus()
  for (let i = 0; i < 4; i++) await tree.press("ArrowDown")
  await tree.press("ArrowRight")
  await page.getByRole("treeitem", { name: "[3]: \"x\"", exact: true }).waitFor()
  const list = page.getByRole("treeitem", { name: /^list: / })
  assert.equal(await list.getAttribute("aria-expanded"), "true")
  assert.equal(await list.getAttribute("aria-level"), "1")
  const third = page.getByRole("treeitem", { name: "[3]: \"x\"", exact: true })
  assert.equal(await third.getAttribute("aria-level"), "2")
  assert.equal(await third.getAttribute("aria-posinset"), "4")
  assert.equal(await third.getAttribute("aria-setsize"), "4")
})

await check("texts, refusals and what is gone say what they are", async () => {
  await open(task(ids.text), "text-1")
  await page.getByRole("document", { name: "Text" }).waitFor()
  await open(task(ids.denied), "denied-1")
  const region = page.getByRole("region", { name: "Result" })
  await region.getByRole("alert").waitFor()
  const denied = await region.innerText()
  assert.match(denied, /ResultAccessDenied/)
  assert.match(denied, /--mount \/etc\/secret=DIR/)
  await open(task(ids.gone), "gone-1")
  await region.getByRole("alert").waitFor()
  assert.match(await region.innerText(), /ResultNotFound/)
  assert.ok(!(await region.innerText()).includes(temporary))
  await open(task(idOf(130)), hostile.script)
  await page.locator(".reason").first().waitFor()
  assert.match(await region.innerText(), /NotPersisted/)
})

await check("a log is searched, and downloaded whole", async () => {
  await open(`${run}/logs`, "scored")
  await page.getByRole("log", { name: "Log" }).waitFor()
  await page.getByRole("searchbox", { name: "Search the log" }).fill("needle7")
  await page.locator("mark").first().waitFor()
  assert.equal(await page.locator("mark").first().innerText(), "needle7")
  const { name, text } = await browser.download(
    page,
    () => page.getByRole("button", { name: "Download", exact: true }).click()
  )
  assert.equal(name, "scored.log")
  assert.ok(text.split("\n").length > scale.lines)
})

await check("graph and timeline name their active task, which keys move", async () => {
  const tasks = 14 + Object.keys(hostile).length
  await open(`${run}/graph`, "scored")
  const graph = page.getByRole("application", { name: `Graph of ${tasks} tasks, ${tasks - 2} edges` })
  await graph.getByRole("button").first().waitFor()
  await graph.getByRole("button").first().focus()
  await graph.getByRole("button").first().press("ArrowRight")
  await page.getByRole("link", { name: "As a table" }).waitFor()
  await open(`${run}/timeline`, "scored")
  const timeline = page.getByRole("application", { name: `Timeline of ${tasks} tasks` })
  const bar = timeline.getByRole("button").first()
  await bar.waitFor()
  const before = await bar.getAttribute("aria-label")
  await bar.press("ArrowDown")
  assert.notEqual(await bar.getAttribute("aria-label"), before)
})

await check("artifacts are text and safe links", async () => {
  await open(`${run}/artifacts`, "scored")
  await page.getByRole("table", { name: "Artifacts" }).waitFor()
  const links = await page.evaluate(
    "[...document.querySelectorAll('main a[target=_blank]')].map((a) => a.protocol + a.rel)"
  )
  assert.ok((links as ReadonlyArray<string>).length >= 2)
  for (const link of links as ReadonlyArray<string>) assert.equal(link, "https:noopener noreferrer")
})

await check("addresses of Prefect 1 and 3, slugs and the root lead to their pages", async () => {
  for (
    const [from, to] of [
      ["/", "/flow-runs"],
      [`/tenant/flow-run/${ids.run}`, run],
      [`/flow-run/${ids.run}`, run],
      [`/task-run/${ids.value}`, task(ids.value)],
      [`/runs/flow-run/${ids.run}`, run],
      [`/runs/task-run/${ids.value}`, task(ids.value)],
      [`${run}/tasks/value-1`, task(ids.value)],
      [`${run}/tasks/score-1/7`, task(idOf(0x1000007))]
    ] as const
  ) {
    await open(from)
    await page.waitForURL(new RegExp(`${to}$`))
  }
})

await check("Back, Forward and reload keep what was looked at", async () => {
  await open("/flow-runs", "Flow runs")
  await page.getByRole("combobox", { name: "State" }).selectOption("Failed")
  await page.locator("[aria-label='Flow runs'][aria-rowcount='2']").waitFor()
  await page.getByRole("link", { name: "scored", exact: true }).click()
  await page.getByRole("heading", { level: 1, name: "scored" }).waitFor()
  const views = page.getByRole("navigation", { name: "Views" })
  await views.getByRole("link", { name: "Tasks" }).click()
  assert.equal(await views.getByRole("link", { name: "Tasks" }).getAttribute("aria-current"), "page")
  await page.goBack()
  await page.goBack()
  await page.locator("[aria-label='Flow runs'][aria-rowcount='2']").waitFor()
  await page.goForward()
  await page.getByRole("heading", { level: 1, name: "scored" }).waitFor()
  await page.reload()
  await page.getByRole("heading", { level: 1, name: "scored" }).waitFor()
})

await check("keys: / searches, ? lists the keys", async () => {
  await open("/flow-runs", "Flow runs")
  await page.locator("body").press("/")
  assert.equal(await page.evaluate("document.activeElement?.getAttribute('aria-label')"), "Search flow runs")
  await page.locator("main").focus()
  await page.locator("main").press("?")
  await page.getByRole("dialog", { name: "Keys" }).waitFor()
})

await check("addresses with ids in upper case, slashes at the end and escapes lead to the same page", async () => {
  for (
    const [path, heading] of [
      [`${run}/`, "scored"],
      [`${run}/tasks/`, "scored"],
      [`/flow-runs/${encodeURIComponent(ids.run).replaceAll("-", "%2D")}/tasks`, "scored"],
      [`/flow%2Druns/${ids.run}`, "scored"],
      [`/flow-runs/${idOf(26).toUpperCase()}`, hostile.template],
      [task(ids.noTask.toUpperCase()), ids.noTask],
      [`${task(ids.parent)}/children?index=${childCount}&view=list`, "score-1"],
      [`${task(ids.parent)}/children?index=1e3`, "score-1"],
      [`${task(ids.value)}/result/`, "value-1"],
      [`${run}/overview`, "Not found"],
      [`${run}/tasks/no-such-task`, "Not found"],
      [`${run}/tasks/score-1/abc`, "Not found"],
      [`${run}/tasks/score-1/${childCount}`, "Not found"]
    ] as const
  ) await open(path, heading)
})

/** The names of what the Tab key reaches, in order. */
const tabStops = async (page: Page, count: number): Promise<ReadonlyArray<string>> => {
  const names: Array<string> = []
  for (let i = 0; i < count; i++) {
    await page.keyboard.press("Tab")
    names.push(String(
      await page.evaluate(
        "(document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent ?? '').trim()"
      )
    ))
  }
  return names
}

await check("everything is reached by keys alone, and the focus can be seen", async () => {
  const context = await browser.newContext({ colorScheme: "light", width: 1280 })
  const keyed = await context.newPage()
  const at = async (heading: string) => keyed.getByRole("heading", { level: 1, name: heading }).waitFor()
  await keyed.goto(`${server.origin}/#token=${server.token}`)
  await keyed.getByRole("row", { name: /^scored Failed/ }).waitFor()
  const banner = [
    "Skip to content",
    "effect-prefect",
    "Flow runs",
    "Flows",
    "About",
    "Times: UTC",
    "Theme: system",
    "Keys"
  ]
  assert.deepEqual(await tabStops(keyed, 12), [...banner, "Search flow runs", "Flow", "State", "Flow runs"])
  assert.notEqual(await keyed.evaluate("getComputedStyle(document.activeElement).outlineStyle"), "none")
  await keyed.keyboard.press("Control+End")
  await keyed.keyboard.press("Control+Home")
  await keyed.keyboard.press("ArrowRight")
  await keyed.keyboard.press("Enter")
  await keyed.locator("[aria-label=Views]").waitFor()
  await keyed.goto(`${server.origin}${run}`)
  await at("scored")
  const stops = await tabStops(keyed, 17)
  assert.deepEqual(stops.slice(0, 8), banner)
  assert.deepEqual(stops.slice(9), ["Overview", "Tasks", "Graph", "Timeline", "Results", "Logs", "Artifacts", "States"])
  await keyed.keyboard.press("Shift+Tab")
  await keyed.keyboard.press("Shift+Tab")
  await keyed.keyboard.press("Enter")
  await keyed.getByRole("log", { name: "Log" }).waitFor()
  await keyed.keyboard.press("?")
  const dialog = keyed.getByRole("dialog", { name: "Keys" })
  await dialog.waitFor()
  await keyed.keyboard.press("Escape")
  await dialog.waitFor({ state: "hidden" })
  await keyed.goto(`${server.origin}${run}/tasks`)
  const tasks = keyed.getByRole("grid", { name: "Tasks" })
  await keyed.getByRole("row", { name: /^broken-1 Success/ }).waitFor()
  await tasks.focus()
  await keyed.keyboard.press("Control+End")
  await keyed.keyboard.press("Enter")
  await keyed.getByRole("region", { name: "Result" }).waitFor()
  await keyed.goBack()
  await at("scored")
  await keyed.goto(`${server.origin}/flow-runs`)
  await at("Flow runs")
  await keyed.keyboard.press("Tab")
  await keyed.keyboard.press("Enter")
  assert.equal(await keyed.evaluate("document.activeElement.id"), "main")
  await context.close()
})

if (!isFirefox) {
  await check("it can be read zoomed, in forced colours and without motion, and says what it needs", async () => {
    const found: Array<string> = []
    for (
      const [name, options] of [
        ["zoomed to 200 %", { width: 640 }],
        ["forced colours", { width: 1280, forcedColors: "active" }],
        ["reduced motion", { width: 1280, reducedMotion: "reduce" }]
      ] as const
    ) {
      const context = await browser.newContext({ colorScheme: "light", ...options })
      const seen = await context.newPage()
      await seen.goto(`${server.origin}/#token=${server.token}`)
      for (const [i, [path, heading]] of pages.entries()) {
        await seen.goto(`${server.origin}${path}`)
        await seen.getByRole("heading", { level: 1, name: heading }).waitFor()
        for (let i = 0; i < 50 && await seen.locator(".loading, .skeleton").count() > 0; i++) {
          await seen.waitForTimeout(100)
        }
        const wrong = await seen.evaluate(faults) as ReadonlyArray<string>
        const moving = Number(await seen.evaluate("document.getAnimations().length"))
        if (wrong.length > 0) found.push(`${path}, ${name}: ${wrong.join(", ")}`)
        if (name === "reduced motion" && moving > 0) found.push(`${path}: ${moving} animations`)
        if (i % 4 === 0) await seen.screenshot({ path: join(shots, `${name.replaceAll(/\W+/g, "-")}-${i}.png`) })
      }
      await context.close()
    }
    const context = await browser.newContext({ colorScheme: "light", width: 1280, javaScriptEnabled: false })
    const still = await context.newPage()
    await still.goto(`${server.origin}/`)
    assert.match(await still.locator("body").innerText(), /This page needs JavaScript.*flow-run results/)
    await context.close()
    assert.deepEqual(found, [])
  })
}

await check("at 320 pixels nothing is wider than the page", async () => {
  const narrow = await browser.newContext({ colorScheme: "light", width: 320 })
  const small = await narrow.newPage()
  await small.goto(`${server.origin}/#token=${server.token}`)
  const wide: Array<string> = []
  for (const [i, [path, heading]] of pages.entries()) {
    await small.goto(`${server.origin}${path}`)
    await small.getByRole("heading", { level: 1, name: heading }).waitFor()
    await small.waitForTimeout(300)
    const over = Number(await small.evaluate("document.documentElement.scrollWidth - innerWidth"))
    if (over > 0) wide.push(`${path}: ${over}`)
    await small.screenshot({ path: join(shots, `narrow-${String(i).padStart(2, "0")}.png`) })
  }
  await narrow.close()
  assert.deepEqual(wide, [])
})

await check("nothing that was stored ran, and the console, the policy and the network are quiet", async () => {
  assert.equal(await page.evaluate("String(window.hacked)"), "undefined")
  assert.deepEqual(wrong, [])
})

/** A page of a run, over a backend in this process. */
const over = async (
  api: PrefectApi["Service"],
  scope: Scope.Scope
): Promise<{ readonly watched: Page; readonly close: () => Promise<void> }> => {
  const services = Layer.merge(Layer.succeed(PrefectApi, api), ResultStorage.layerMerge([InlineStorage.layer]))
  const token = "live"
  const http = await Effect.runPromise(Scope.provide(
    NodeHttpServer.make(() => createServer(), { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: "100 millis" }),
    scope
  ))
  const page = UiServer.layer({ authorize: UiServer.bearer(token), pollInterval: "200 millis" })
  const app = await Effect.runPromise(Scope.provide(HttpRouter.toHttpEffect(Layer.provide(page, services)), scope))
  await Effect.runPromise(Scope.provide(http.serve(app as never), scope) as Effect.Effect<void>)
  const origin = HttpServer.formatAddress(http.address)
  const context = await browser.newContext({ colorScheme: "light", width: 1280 })
  const watched = await context.newPage()
  await watched.goto(`${origin}/#token=${token}`)
  await watched.getByRole("row", { name: /^watched / }).waitFor()
  return { watched, close: () => context.close() }
}
const memory = (tables: MemoryApi.Tables, scope: Scope.Scope) =>
  Effect.runPromise(Effect.map(Layer.buildWithScope(MemoryApi.layer(tables), scope), Context.get(PrefectApi)))

/** A page over a changing run: the backend behind it is replaced while it is watched. */
const live = async (body: (watched: Page, change: (tables: MemoryApi.Tables) => Promise<void>) => Promise<void>) => {
  const scope = await Effect.runPromise(Scope.make())
  let current = await memory(liveTables("Running", 3, 2), scope)
  const api = new Proxy(current, { get: (_, name) => Reflect.get(current, name) as unknown })
  const { close, watched } = await over(api, scope)
  await watched.goto(`${new URL(watched.url()).origin}/task-runs/parent`)
  await body(watched, async (tables) => {
    current = await memory(tables, scope)
  })
  await close()
}

const liveTables = (state: string, children: number, lines: number): MemoryApi.Tables => ({
  flow_run: [{ id: "watched", name: "watched", serialized_state: { type: state }, start_time: "2022-03-01T12:00:00Z" }],
  task: [{ id: "t", slug: "score-1" }],
  task_run: [
    { id: "parent", task_id: "t", flow_run_id: "watched", serialized_state: { type: "Mapped", n_map_states: 8 } },
    ...Array.from({ length: children }, (_, map_index) => ({
      id: `c${map_index}`,
      task_id: "t",
      flow_run_id: "watched",
      map_index,
      serialized_state: { type: map_index === 5 ? "Failed" : "Success" }
    }))
  ],
  log: Array.from({ length: lines }, (_, i) => ({
    id: `l${i}`,
    flow_run_id: "watched",
    timestamp: `2022-03-01T12:00:0${i}Z`,
    level: "INFO",
    message: `line ${i}`
  }))
})

await check("a run that is not finished is followed: states, counts, log and the end", async () => {
  await live(async (watched, change) => {
    await watched.getByRole("button", { name: "Success 3", exact: true }).waitFor()
    await change(liveTables("Running", 6, 3))
    await watched.getByRole("button", { name: "Failed 1", exact: true }).waitFor({ timeout: 10_000 })
    await watched.getByRole("button", { name: "Success 5", exact: true }).waitFor()
    const origin = new URL(watched.url()).origin
    await watched.goto(`${origin}/flow-runs/watched/logs`)
    await watched.getByRole("listitem").first().waitFor()
    assert.equal(await watched.getByRole("listitem").count(), 3)
    await change(liveTables("Running", 8, 5))
    await watched.locator("[role=listitem]:nth-child(5)").waitFor({ timeout: 10_000 })
    await change(liveTables("Success", 8, 6))
    await watched.locator("h1 + .state-succeeded").waitFor({ timeout: 10_000 })
    await watched.locator("[role=listitem]:nth-child(6)").waitFor({ timeout: 10_000 })
    assert.equal(await watched.getByRole("listitem").count(), 6)
  })
})

await check("what takes long is stopped, which the server learns, and is loaded again without a gap", async () => {
  const scope = await Effect.runPromise(Scope.make())
  const backend = await memory(liveTables("Success", 8, 6), scope)
  let isSlow = true
  let waiting = 0
  /** Never comes, and counts the requests that still wait for it. */
  const never = Effect.suspend(() => {
    waiting++
    return Effect.ensuring(Effect.never, Effect.sync(() => waiting--))
  })
  const slow: Partial<PrefectApi["Service"]> = {
    logs: (query, options) => {
      const all = backend.logs(query, options)
      return isSlow ? Stream.concat(Stream.take(all, 3), Stream.fromEffect(never)) : all
    },
    flowRunStates: (id) => isSlow ? never : backend.flowRunStates(id)
  }
  const { close, watched } = await over({ ...backend, ...slow }, scope)
  const { origin } = new URL(watched.url())
  const stop = watched.getByRole("button", { name: "Stop", exact: true })
  const load = watched.getByRole("button", { name: "Load", exact: true })
  const pressStop = async () => {
    await stop.waitFor({ timeout: 20_000 })
    assert.equal(waiting, 1)
    await stop.click()
    await load.waitFor()
    for (let i = 0; i < 100 && waiting > 0; i++) await watched.waitForTimeout(100)
    assert.equal(waiting, 0)
  }

  await watched.goto(`${origin}/flow-runs/watched/logs`)
  await watched.locator("[role=listitem]:nth-child(3)").waitFor()
  await pressStop()
  await watched.getByRole("status").filter({ hasText: "Stopped after 3 lines." }).waitFor()
  await load.click()
  // It goes on where it was stopped, and can be stopped again.
  await watched.locator("[role=listitem]:nth-child(6)").waitFor()
  await pressStop()
  isSlow = false
  await load.click()
  await load.waitFor({ state: "hidden" })
  await watched.locator("[role=log]:not([aria-busy])").waitFor()
  const lines = await watched.locator("[role=listitem] .log-message").allInnerTexts()
  assert.deepEqual(lines, Array.from({ length: 6 }, (_, i) => `line ${i}`))

  isSlow = true
  await watched.goto(`${origin}/flow-runs/watched/states`)
  await pressStop()
  isSlow = false
  await load.click()
  await watched.getByRole("table", { name: "States" }).or(watched.getByRole("grid", { name: "States" })).first()
    .waitFor()
  assert.equal(await stop.count(), 0)
  await close()
})

await check("the command ends within a second while it is looked at", async () => {
  const ends: Array<number> = []
  // Once on a machine that happens to be busy says little: the shortest of three counts.
  for (let i = 0; i < 3; i++) {
    const looked = i === 0 ? server : await startCommand(temporary)
    if (i > 0) {
      await page.goto(`${looked.origin}/#token=${looked.token}`)
      await page.locator("h1").first().waitFor()
    }
    await page.goto(`${looked.origin}${task(ids.parent)}/children`)
    await page.locator("h1").first().waitFor()
    const { code, millis } = await looked.stop()
    assert.equal(code, 143)
    ends.push(Math.round(millis))
    if (millis < 1_000) break
  }
  assert.ok(Math.min(...ends) < 1_000, `${ends.join(", ")} ms`)
})

if (!isFirefox) {
  if (firefox === undefined) {
    console.log("  Firefox is not installed: nothing was checked in it (Debian's package is firefox-esr)")
    against("no Firefox")
  } else {
    await check("the same checks pass in the system's Firefox, over a smaller archive", async () => {
      const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1), "--firefox", "--small"], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      for await (const line of createInterface({ input: child.stdout })) {
        const program = /^ {2}against (Firefox .+)$/.exec(line)?.[1]
        if (program !== undefined) against(program)
        else console.log(`      ${line}`)
      }
      if (child.exitCode === null) await once(child, "exit")
      assert.equal(child.exitCode, 0)
    })
  }
}

process.exit()
