/**
 * The page over a real Postgres, a real Prefect 2 and a real Prefect 3: every page is shown as over an archive, or says in its place what
 * the backend does not have; and a flow that runs is followed to its end.
 */
import * as assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { readTables, sqlOf } from "./postgres/load.ts"
import { startPrefect } from "./prefectVersions/compare.ts"
import { prefect220, prefect3Newest } from "./prefectVersions/versions.ts"
import { check } from "./support/check.ts"
import { root } from "./support/folder.ts"
import { startPostgres } from "./support/postgres.ts"
import { venv } from "./support/python.ts"
import { type Page, startBrowser, watch } from "./ui/browser.ts"

const recorded = join(root, "fixtures/prefect-1")
const home = mkdtempSync(join(tmpdir(), "effect-prefect-ui-backends-"))
process.on("exit", () => rmSync(home, { recursive: true, force: true }))

const startPage = async (args: ReadonlyArray<string>) => {
  const child = spawn(
    process.execPath,
    [join(root, "packages/cli/bin/effect-prefect.js"), "ui", "--port", "0", ...args],
    { stdio: ["ignore", "pipe", "inherit"] }
  )
  const [line] = await once(createInterface({ input: child.stdout }), "line") as [string]
  const match = /(http:\/\/\S+)\/#token=(\S+)/.exec(line)
  assert.ok(match, line)
  const [, origin = "", token = ""] = match
  return {
    origin,
    token,
    get: async (path: string) => {
      const response = await fetch(`${origin}/api${path}`, { headers: { authorization: `Bearer ${token}` } })
      return await response.text()
    },
    stop: async () => {
      child.kill()
      await once(child, "exit")
    }
  }
}

await using browser = await startBrowser()
console.log(`  against Chromium ${browser.version()}`)

interface Seen {
  readonly heading: string
  readonly alerts: ReadonlyArray<string>
  readonly rows: string | null
}

/** Opens a page, waits until nothing loads, and returns what it says. */
const look = async (page: Page, address: string): Promise<Seen> => {
  await page.goto(address)
  await page.getByRole("heading", { level: 1 }).waitFor()
  for (let i = 0; i < 150 && await page.locator(".loading, .skeleton").count() > 0; i++) await page.waitForTimeout(100)
  await page.waitForTimeout(300)
  return await page.evaluate(`({
    heading: document.querySelector("h1").innerText,
    alerts: [...document.querySelectorAll("[role=alert]")].map((one) => one.innerText.replaceAll("\\n", " ")),
    rows: document.querySelector("[role=grid]")?.getAttribute("aria-rowcount") ?? null
  })`) as Seen
}

const runViews = ["", "/tasks", "/graph", "/timeline", "/results", "/logs", "/artifacts", "/states"]

{
  await using db = await startPostgres()
  await db.psql(sqlOf(readTables(recorded)))
  const stored = await startPage(["--database", db.url, "--mount", `/srv/prefect/results=${join(recorded, "results")}`])
  const archive = await startPage(["--archive", recorded])
  const tables = readTables(recorded) as Readonly<Record<string, ReadonlyArray<{ readonly id: string }>>>
  const paths = [
    "/flow-runs",
    "/flows",
    "/about",
    ...tables["flow"]!.slice(0, 3).map(({ id }) => `/flows/${id}`),
    ...tables["flow_run"]!.slice(0, 3).flatMap(({ id }) => runViews.map((view) => `/flow-runs/${id}${view}`)),
    ...tables["task_run"]!.slice(0, 12).flatMap(({ id }) =>
      ["", "/states", "/logs"].map((view) => `/task-runs/${id}${view}`)
    )
  ]
  await check(`${paths.length} pages of a Postgres are those of the archive with the same rows`, async () => {
    const context = await browser.newContext({ colorScheme: "light", width: 1280 })
    const [left, right] = [await context.newPage(), await context.newPage()]
    const wrong = watch(left, stored.origin)
    await left.goto(`${stored.origin}/#token=${stored.token}`)
    await right.goto(`${archive.origin}/#token=${archive.token}`)
    const different: Array<string> = []
    for (const path of paths) {
      const ours = await look(left, stored.origin + path)
      const theirs = await look(right, archive.origin + path)
      if (JSON.stringify([ours.heading, ours.rows]) !== JSON.stringify([theirs.heading, theirs.rows])) {
        different.push(`${path}: ${JSON.stringify(ours)} and ${JSON.stringify(theirs)}`)
      }
    }
    await context.close()
    assert.deepEqual([...different, ...wrong], [])
  })
  await stored.stop()
  await archive.stop()
}

for (const version of [prefect220, prefect3Newest]) {
  const python = await venv(version)
  const base = join(home, version.name)
  const store = join(base, "store")
  mkdirSync(store, { recursive: true })
  const { env: settings, server, url } = await startPrefect(version, python, base, store)
  const env = {
    ...settings,
    PREFECT_RESULTS_PERSIST_BY_DEFAULT: "true",
    PREFECT_RESULTS_DEFAULT_SERIALIZER: "json",
    PREFECT_LOGGING_TO_API_ENABLED: "true"
  }
  const flow = join(base, "flow.py")
  writeFileSync(
    flow,
    `
import sys, time
from pathlib import Path
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact

@task
def score(x):
    if x == 3:
        raise ValueError("three is odd")
    return {"x": x, "score": x / 7}

@task
def total(scores):
    get_run_logger().info("adding %s scores up", len(scores))
    create_markdown_artifact("# Report\\n\\n|a|b|\\n|-|-|\\n|1|2|\\n", key="report")
    create_link_artifact("https://example.com/report", key="link")
    return sum(one["score"] for one in scores)

@flow(name="scores", persist_result=True)
def scores(wait):
    futures = score.map([1, 2, 4, 5])
    bad = score.submit(3)
    result = total([one.result() for one in futures])
    bad.wait()
    while wait and not Path(wait).exists():
        time.sleep(0.2)
    return result

scores(sys.argv[1], return_state=True)
`
  )
  await python.run([flow, ""], { env })
  const shown = await startPage(["--prefect3", url, "--mount", store])

  const context = await browser.newContext({ colorScheme: "light", width: 1280 })
  const page = await context.newPage()
  const wrong = watch(page, shown.origin)
  await page.goto(`${shown.origin}/#token=${shown.token}`)

  await check(`every page of a ${version.name} is shown, or says what the server does not have`, async () => {
    const { items } = JSON.parse(await shown.get("/flow-runs")) as {
      readonly items: ReadonlyArray<{ readonly flow_run_id: string; readonly flow_id: string; readonly name: string }>
    }
    assert.equal(items.length, 1)
    const [{ flow_id, flow_run_id: id, name }] = items as [(typeof items)[number]]
    const tasks = (await shown.get(`/flow-runs/${id}/tasks`)).trimEnd().split("\n").map((line) =>
      JSON.parse(line) as { readonly task_run_id: string; readonly name: string }
    )
    assert.equal(tasks.length, 6)
    const paths = [
      "/flow-runs",
      "/flows",
      `/flows/${flow_id}`,
      "/about",
      ...runViews.map((view) => `/flow-runs/${id}${view}`),
      ...tasks.flatMap(({ task_run_id }) =>
        ["", "/result", "/logs", "/states"].map((view) => `/task-runs/${task_run_id}${view}`)
      ),
      `/runs/flow-run/${id}`,
      `/runs/task-run/${tasks[0]!.task_run_id}`
    ]
    const faults: Array<string> = []
    for (const path of paths) {
      const { alerts, heading } = await look(page, shown.origin + path)
      if (/^(?:Not found|Flow run|Task run|Flow)$/.test(heading)) faults.push(`${path}: ${heading}`)
      for (const alert of alerts) {
        // The task that failed has no result.
        if (!/^(?:UnsupportedByBackend|TaskRunFailed) /.test(alert)) faults.push(`${path}: ${alert}`)
        console.log(`        ${path.replace(/[0-9a-f-]{36}/g, "ID")} says: ${alert.slice(0, 160)}`)
      }
      const failed = await page.evaluate("document.body.innerText.includes('This page failed')")
      if (failed === true) faults.push(`${path} failed`)
    }
    assert.deepEqual(faults, [])
    await look(page, `${shown.origin}/flow-runs/${id}`)
    assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), name)
    const sum = tasks.find((task) => task.name.startsWith("total"))!
    await look(page, `${shown.origin}/task-runs/${sum.task_run_id}`)
    await page.getByRole("treeitem", { name: /^value: 1\.714/ }).waitFor()
  })

  await check(`a flow of ${version.name} that runs is followed to its end`, async () => {
    const go = join(base, "go")
    const running = python.run([flow, go], { env })
    await page.goto(`${shown.origin}/flow-runs?state=Running`)
    const row = page.locator("[aria-label='Flow runs'][aria-rowcount='2']")
    for (let i = 0; i < 120 && await row.count() === 0; i++) {
      await page.waitForTimeout(500)
      await page.reload()
      await page.locator("[aria-label='Flow runs']").waitFor()
    }
    await page.locator("[aria-label='Flow runs'] [role=gridcell] a").first().click()
    await page.locator("h1 + .state-running").waitFor()
    await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Tasks" }).click()
    await page.locator("[aria-label=Tasks][aria-rowcount='7']").waitFor({ timeout: 60_000 })
    writeFileSync(go, "")
    await running
    await page.locator("h1 + .state-succeeded").waitFor({ timeout: 60_000 })
  })

  await check(`the console, the policy and the network are quiet over ${version.name}`, async () => {
    assert.deepEqual(wrong, [])
  })

  await context.close()
  await shown.stop()
  await server.stop()
}
process.exit()
