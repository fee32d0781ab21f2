/**
 * core and pickle in a browser: bundled without a Node module, they give the same results there as in Node. The sizes
 * of the bundles are printed, and are those of docs/compatibility.md.
 */
import { build } from "esbuild"
import * as assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import * as core from "./browser/core.ts"
import * as pickle from "./browser/pickle.ts"
import { check } from "./support/check.ts"
import { startChromium } from "./support/chromium.ts"
import { root } from "./support/folder.ts"

const documentedSizes = {
  core: /a page that decodes task runs is (\d+) kB/,
  pickle: /that reads pickles (\d+) kB/
}

/** The bundle of a probe, as a script that sets the global `bundled`. */
const bundle = async (name: keyof typeof documentedSizes): Promise<string> => {
  const result = await build({
    entryPoints: [join(import.meta.dirname, "browser", `${name}.ts`)],
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    platform: "browser",
    format: "iife",
    globalName: "bundled",
    target: "es2023",
    conditions: ["@effect-prefect/source"],
    absWorkingDir: root,
    logLevel: "silent"
  })
  const output = result.outputFiles[0]?.text ?? ""
  const [parts] = Object.values(result.metafile.outputs)
  const ours = Object.entries(parts?.inputs ?? {})
    .filter(([input]) => input.startsWith("packages/"))
    .reduce((sum, [, { bytesInOutput }]) => sum + bytesInOutput, 0)
  const kB = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`
  const gzipped = gzipSync(output).length
  console.log(`${name}: ${kB(output.length)} minified, ${kB(gzipped)} gzipped, ${kB(ours)} of it ours`)
  await check(`${name}: docs/compatibility.md has the size of its bundle`, () => {
    const document = readFileSync(join(root, "docs/compatibility.md"), "utf8")
    const documented = Number(documentedSizes[name].exec(document)?.[1]) * 1000
    // They may differ by a twentieth.
    assert.ok(Math.abs(documented - gzipped) < gzipped / 20, `${documented} and ${gzipped} bytes`)
  })
  return output
}

await using browser = await startChromium()
console.log(`Chromium ${browser.version()}`)

/** Runs a probe in a page of its own. */
const inBrowser = async (script: string, input: ReadonlyArray<string>): Promise<unknown> => {
  const page = await browser.newPage()
  await page.goto("about:blank")
  return page.evaluate(`${script}; bundled.probe(${JSON.stringify(input)})`)
}

const coreBundle = await bundle("core")
for (const archive of ["prefect-0.15", "prefect-1"]) {
  await check(`core: the task runs of ${archive} are the same in Chromium`, async () => {
    const rows = readFileSync(join(root, "fixtures", archive, "tables/task_run.jsonl"), "utf8").trimEnd().split("\n")
    const expected = core.probe(rows)
    assert.ok(expected.length > 10)
    assert.deepEqual(await inBrowser(coreBundle, rows), expected)
  })
}

const pickleBundle = await bundle("pickle")
await check("pickle: every fixture is read as the same value in Chromium", async () => {
  const folder = join(root, "fixtures/pickle")
  const files = readdirSync(folder).filter((name) => name.endsWith(".pkl"))
  const pickles = files.map((name) => readFileSync(join(folder, name)).toString("base64"))
  const expected = pickle.probe(pickles)
  assert.ok(expected.length > 100)
  assert.deepEqual(await inBrowser(pickleBundle, pickles), expected)
})
