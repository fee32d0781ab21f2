/**
 * The page as strangers meet it: by `npm start -- --ui`, and mounted in a backend of one's own (examples/backend) behind
 * a proxy that names the user, in place of the token. Both are clicked through in Chromium.
 */
import * as assert from "node:assert/strict"
import { once } from "node:events"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, request } from "node:http"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { against } from "./support/against.ts"
import { check } from "./support/check.ts"
import { root } from "./support/folder.ts"
import { freePort, startServer } from "./support/process.ts"
import { type Page, startBrowser, watch } from "./ui/browser.ts"

const recorded = join(root, "fixtures/prefect-1")
const home = mkdtempSync(join(tmpdir(), "effect-prefect-ui-mounted-"))
process.on("exit", () => rmSync(home, { recursive: true, force: true }))

await using browser = await startBrowser()
against(`Chromium ${browser.version()}`)

/** From the list of runs to a run, its views, a table, a value, a child and back, by links and buttons alone. */
const clickThrough = async (page: Page): Promise<void> => {
  const at = (name: string) => page.getByRole("heading", { level: 1, name }).waitFor()
  const view = (name: string) =>
    page.getByRole("navigation", { name: "Views" }).getByRole("link", { name, exact: true }).click()
  const link = (name: string) => page.getByRole("main").getByRole("link", { name, exact: true }).first().click()
  await at("Flow runs")
  await link("orders-etl-run")
  await at("orders-etl-run")
  await page.getByRole("region", { name: "Failures" }).getByRole("link", { name: "score-1[7]" }).waitFor()
  await link("Load its results")
  await page.getByRole("row", { name: /^summary-1 Success .*total_cents/ }).waitFor()
  await view("Graph")
  await page.getByRole("application", { name: "Graph of 24 tasks, 23 edges" }).getByRole("button").waitFor()
  await view("Timeline")
  await page.getByRole("application", { name: "Timeline of 24 tasks" }).getByRole("button").waitFor()
  await view("States")
  await page.getByRole("row", { name: /^Failed / }).waitFor()
  await view("Artifacts")
  await page.getByRole("table", { name: "Artifacts" }).waitFor({ state: "attached" })
  await view("Logs")
  const log = await browser.download(
    page,
    () => page.getByRole("button", { name: "Download", exact: true }).click()
  )
  assert.equal(log.name, "orders-etl-run.log")
  await view("Tasks")
  await link("frame-1")
  await at("frame-1")
  await page.getByRole("grid", { name: "Table" }).getByRole("gridcell", { name: "198.72" }).waitFor()
  await page.getByRole("button", { name: "Sort by total" }).click()
  await page.getByRole("img", { name: /^Histogram of total/ }).waitFor()
  const csv = await browser.download(page, () => page.getByRole("button", { name: "Download as CSV" }).click())
  assert.match(csv.text, /^id,total,day\r?\n/)
  await link("orders-etl-run")
  await view("Tasks")
  await link("score-1")
  await at("score-1")
  await page.locator("[data-total='24'][aria-busy=false]").waitFor()
  await page.getByRole("button", { name: "Next failed" }).click()
  await link("Open score-1[7]")
  await at("score-1[7]")
  await page.goBack()
  await at("score-1")
  await page.reload()
  await at("score-1")
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Flows" }).click()
  await at("Flows")
  await link("orders-etl")
  await at("orders-etl")
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "About" }).click()
  await at("About")
}

await check("npm start -- --ui opens the page of the recorded run", async () => {
  const opened = join(home, "opened")
  for (const name of ["xdg-open", "open"]) {
    const file = join(home, name)
    writeFileSync(file, `#!/bin/sh\nprintf %s "$1" > '${opened}'\n`)
    chmodSync(file, 0o755)
  }
  await using server = await startServer("npm", ["start", "--", "--ui", "--port", "0"], {
    cwd: root,
    env: { PATH: `${home}${delimiter}${process.env["PATH"]}` },
    ready: /The page is at \S+/
  })
  const address = /The page is at (\S+)/.exec(server.output())![1]!
  for (let i = 0; i < 100 && !existsSync(opened); i++) await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(readFileSync(opened, "utf8"), address)
  const context = await browser.newContext({ colorScheme: "light", width: 1280 })
  const page = await context.newPage()
  const wrong = watch(page, new URL(address).origin)
  await page.goto(address)
  await clickThrough(page)
  await context.close()
  assert.deepEqual(wrong, [])
})

{
  const [api, port] = [await freePort(), await freePort()]
  await using _ = await startServer(process.execPath, [
    join(root, "packages/cli/bin/effect-prefect.js"),
    "serve",
    "--archive",
    recorded,
    "--port",
    String(api)
  ], { port: api })
  await using __ = await startServer("npm", ["start", "--workspace", "examples/backend"], {
    cwd: root,
    env: {
      HOME: home,
      PORT: String(port),
      PREFECT__BACKEND: "server",
      PREFECT__SERVER__ENDPOINT: `http://127.0.0.1:${api}`,
      RESULT_MOUNTS: `/srv/prefect/results=${join(recorded, "results")}`,
      PAGE_USERS: "ada"
    },
    port
  })
  /** Who the proxy says is asking. */
  let user = "mallory"
  const proxy = createServer((incoming, outgoing) => {
    const { headers, method, url } = incoming
    incoming.pipe(
      request(
        { host: "127.0.0.1", port, path: url, method, headers: { ...headers, "x-forwarded-user": user } },
        (answer) => {
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(outgoing)
        }
      ).on("error", () => outgoing.destroy())
    )
  }).listen(0, "127.0.0.1")
  await once(proxy, "listening")
  const address = proxy.address()
  assert.ok(typeof address === "object" && address !== null)
  const origin = `http://127.0.0.1:${address.port}`
  const context = await browser.newContext({ colorScheme: "light", width: 1280 })
  const page = await context.newPage()
  const wrong = watch(page, origin)

  await check("a mounted page tells those whom its server does not know to sign in there", async () => {
    await page.goto(`${origin}/page/`)
    const alert = page.getByRole("alert").first()
    await alert.waitFor()
    assert.match(await alert.innerText(), /does not let you in/)
  })

  await check("the mounted page is clicked through without a token", async () => {
    user = "ada"
    await page.goto(`${origin}/page/`)
    await clickThrough(page)
    assert.ok(page.url().startsWith(`${origin}/page/about`))
    assert.equal(await page.evaluate("Object.keys(localStorage).filter((key) => key.includes('token')).length"), 0)
  })

  await check("the console, the policy and the network of the mounted page are quiet", async () => {
    assert.deepEqual(wrong, [])
  })
  await context.close()
  proxy.close()
}

process.exit()
