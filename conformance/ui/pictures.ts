/** npm run pictures: makes the pictures of README and docs/ui.md from the page itself. */
import * as assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { root } from "../support/folder.ts"
import { ids, writeArchive } from "./archive.ts"
import { startBrowser } from "./browser.ts"

const recorded = join(root, "fixtures/prefect-1")
const run = "/flow-runs/6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"
const mapped = mkdtempSync(join(tmpdir(), "effect-prefect-pictures-"))
writeArchive(mapped, { children: 20_000, rows: 5_000, lines: 100 })

interface Picture {
  readonly name: string
  readonly archive: string
  readonly path: string
  readonly theme?: "light" | "dark"
  readonly width?: number
  readonly height?: number
}

const pictures: ReadonlyArray<Picture> = [
  { name: "run", archive: recorded, path: run, height: 895 },
  { name: "run-dark", archive: recorded, path: run, theme: "dark", height: 895 },
  { name: "runs", archive: recorded, path: "/flow-runs", height: 320 },
  { name: "tasks", archive: recorded, path: `${run}/tasks` },
  { name: "graph", archive: recorded, path: `${run}/graph`, height: 800 },
  { name: "timeline", archive: recorded, path: `${run}/timeline` },
  { name: "results", archive: recorded, path: `${run}/results?load=all`, height: 720 },
  { name: "logs", archive: recorded, path: `${run}/logs`, height: 700 },
  { name: "children", archive: mapped, path: `/task-runs/${ids.parent}/children?index=7`, theme: "dark", height: 800 },
  { name: "table", archive: recorded, path: `${run}/tasks/frame-1?column=total`, height: 1080 },
  { name: "value", archive: recorded, path: `${run}/tasks/summary-1`, height: 700 },
  { name: "reason", archive: recorded, path: `${run}/tasks/broken-1`, height: 640 },
  { name: "narrow", archive: recorded, path: run, width: 400, height: 860 }
]

const start = async (archive: string) => {
  const command = join(root, "packages/cli/bin/effect-prefect.js")
  const child = spawn(process.execPath, [command, "ui", "--archive", archive, "--port", "0"], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const [line] = await once(createInterface({ input: child.stdout }), "line") as [string]
  const match = /(http:\/\/\S+)\/#token=(\S+)/.exec(line)
  assert.ok(match)
  return { origin: match[1]!, token: match[2]!, child }
}

const out = join(root, "docs/pictures")
mkdirSync(out, { recursive: true })
await using browser = await startBrowser()
for (const archive of [recorded, mapped]) {
  const { child, origin, token } = await start(archive)
  for (
    const { height = 800, name, path, theme = "light", width = 1240 } of pictures.filter((one) =>
      one.archive === archive
    )
  ) {
    const context = await browser.newContext({ colorScheme: theme, width })
    const page = await context.newPage()
    await page.setViewportSize({ width, height })
    await page.goto(`${origin}/#token=${token}`)
    await page.goto(`${origin}${path}`)
    await page.waitForTimeout(500)
    await page.locator("main h1").waitFor()
    for (
      let i = 0;
      i < 600 && await page.locator(".loading, .skeleton, .bar-room, [aria-busy=true]").count() > 0;
      i++
    ) {
      await page.waitForTimeout(100)
    }
    await page.waitForTimeout(1_000)
    await page.screenshot({ path: join(out, `${name}.png`) })
    console.log(`docs/pictures/${name}.png`)
    await context.close()
  }
  child.kill()
}
rmSync(mapped, { recursive: true, force: true })
process.exit()
