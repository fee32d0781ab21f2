import { assert, describe, it } from "@effect/vitest"
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import type { TestContext } from "vitest"
import { run as runFile } from "./support/run.ts"

const lock = {
  "": { name: "workspace", workspaces: ["packages/*"] },
  "node_modules/one": { version: "1.0.0" },
  "node_modules/@scope/core": { resolved: "packages/core", link: true },
  "node_modules/elsewhere": { version: "1.0.0", optional: true, os: ["none"] },
  "node_modules/checker": { version: "1.0.0", dev: true },
  "packages/core": { name: "@scope/core", version: "0.1.0" }
}

/** A workspace of one package and one link, installed, with an npm that only records its arguments. */
const workspace = ({ onTestFinished }: TestContext) => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "bootstrap-")))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const write = (path: string, text: string | object) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), typeof text === "string" ? text : JSON.stringify(text))
  }
  mkdirSync(join(root, "scripts"))
  cpSync(new URL("../bootstrap.mjs", import.meta.url), join(root, "scripts/bootstrap.mjs"))
  write("package-lock.json", { packages: lock })
  write("packages/core/package.json", {})
  write("node_modules/one/package.json", {})
  write("node_modules/checker/package.json", {})
  mkdirSync(join(root, "node_modules/@scope"))
  symlinkSync(join(root, "packages/core"), join(root, "node_modules/@scope/core"), "junction")
  const { "": _, "node_modules/elsewhere": __, ...installed } = lock
  write("node_modules/.package-lock.json", { packages: installed })
  write(
    "npm/npm-cli.js",
    `require("node:fs").appendFileSync(${
      JSON.stringify(join(root, "npm.log"))
    }, process.argv.slice(2).join(" ") + "\\n")
     process.exit(Number(process.env.NPM_EXIT ?? 0))`
  )
  write("npm.log", "")
  const run = async (env: Record<string, string> = {}, args: ReadonlyArray<string> = [], node = process.execPath) => {
    const { EFFECT_PREFECT_BOOTSTRAP: ___, ...own } = process.env
    const { status, stderr, stdout } = await runFile(node, [join(root, "scripts/bootstrap.mjs"), ...args], {
      env: { ...own, PATH: dirname(process.execPath), npm_execpath: join(root, "npm/npm-cli.js"), ...env }
    })
    return { status, stderr, stdout, npm: readFileSync(join(root, "npm.log"), "utf8") }
  }
  const path = (relative: string) => join(root, relative)
  return { path, run, write }
}

describe.concurrent("bootstrap", () => {
  it("says and does nothing when node_modules is what the lock file says", async (test) => {
    assert.deepStrictEqual(await workspace(test).run(), { status: 0, stderr: "", stdout: "", npm: "" })
  })

  it.for(
    [
      ["node_modules", "node_modules is missing"],
      ["node_modules/.package-lock.json", "node_modules is incomplete"],
      ["node_modules/one", "node_modules/one is missing"],
      ["node_modules/@scope/core", "node_modules/@scope/core is missing"],
      ["packages/core", "the link node_modules/@scope/core leads nowhere"]
    ] as const
  )("installs when %s is gone", async ([removed, reason], test) => {
    const { path, run } = workspace(test)
    rmSync(path(removed), { recursive: true, force: true })
    const { npm, status, stderr, stdout } = await run()
    assert.strictEqual(status, 0)
    assert.match(npm, /^ci --include=dev --include=optional /)
    assert.strictEqual(stderr, `bootstrap: ${reason}: running npm ci\n`)
    assert.strictEqual(stdout, "")
  })

  it("installs before npm start only what the command needs, and all of it before others", async (test) => {
    const { path, run } = workspace(test)
    rmSync(path("node_modules"), { recursive: true })
    const first = await run({}, ["--start"])
    assert.strictEqual(first.status, 0)
    assert.match(first.npm, /^ci --omit=dev --omit=peer --omit=optional /)
    assert.match(first.stderr, /^bootstrap: .*npm test installs the rest\n$/)
  })

  it("keeps what the checks need when npm start has to install", async (test) => {
    const { path, run } = workspace(test)
    rmSync(path("node_modules/one"), { recursive: true })
    const { npm, stderr } = await run({}, ["--start"])
    assert.match(npm, /^ci --include=dev --include=optional /)
    assert.strictEqual(stderr, "bootstrap: node_modules/one is missing: running npm ci\n")
  })

  it("survives an install that removes the Node that it runs on", async (test) => {
    const { path, run, write } = workspace(test)
    // A copy of the program itself: a link would be told from it by its real path.
    mkdirSync(path("node_modules/node/bin"), { recursive: true })
    cpSync(process.execPath, path("node_modules/node/bin/node"))
    rmSync(path("node_modules/one"), { recursive: true })
    write(
      "npm/npm-cli.js",
      `require("node:fs").rmSync(${JSON.stringify(path("node_modules/node"))}, { recursive: true })`
    )
    const { status, stderr } = await run({}, [], path("node_modules/node/bin/node"))
    assert.strictEqual(status, 0, stderr)
    assert.strictEqual(stderr, "bootstrap: node_modules/one is missing: running npm ci\n")
  })

  it("is content before npm start without what only checks need", async (test) => {
    const { path, run, write } = workspace(test)
    rmSync(path("node_modules/checker"), { recursive: true })
    const { "": _, "node_modules/checker": __, "node_modules/elsewhere": ___, ...installed } = lock
    write("node_modules/.package-lock.json", { packages: installed })
    assert.deepStrictEqual(await run({}, ["--start"]), { status: 0, stderr: "", stdout: "", npm: "" })
    assert.include((await run()).stderr, "node_modules/checker is missing: running npm ci")
  })

  it("installs when a version differs, an optional one too", async (test) => {
    for (const name of ["node_modules/one", "node_modules/elsewhere"]) {
      const { run, write } = workspace(test)
      const { "": _, ...installed } = lock
      write("node_modules/.package-lock.json", { packages: { ...installed, [name]: { version: "1.0.1" } } })
      assert.include((await run()).stderr, `${name} is not the one of package-lock.json`)
    }
  })

  it("fails with npm, and says so", async (test) => {
    const { path, run } = workspace(test)
    rmSync(path("node_modules"), { recursive: true })
    const { status, stderr } = await run({ NPM_EXIT: "7" })
    assert.strictEqual(status, 1)
    assert.include(stderr, "npm ci failed with exit code 7")
  })

  it("does not let npm's settings for the script make the install partial", async (test) => {
    const { path, run, write } = workspace(test)
    rmSync(path("node_modules"), { recursive: true })
    write(
      "npm/npm-cli.js",
      `process.exit(Object.keys(process.env).some((name) => /^npm_config_(workspace|dry_run|omit)$/.test(name)) ? 9 : 0)`
    )
    const { status, stderr } = await run({
      npm_config_workspace: "core",
      npm_config_dry_run: "true",
      npm_config_omit: "dev"
    })
    assert.strictEqual(status, 0, stderr)
  })

  it("starts no install from within one", async (test) => {
    const { path, run } = workspace(test)
    rmSync(path("node_modules"), { recursive: true })
    assert.deepStrictEqual(await run({ EFFECT_PREFECT_BOOTSTRAP: "1" }), { status: 0, stderr: "", stdout: "", npm: "" })
  })

  it("names the Node that is needed when the packaged one is too old", async (test) => {
    const { path, run, write } = workspace(test)
    write("node_modules/node/bin/node", "#!/bin/sh\necho v18.0.0\n")
    mkdirSync(path("node_modules/.bin"))
    symlinkSync(path("node_modules/node/bin/node"), path("node_modules/.bin/node"))
    chmodSync(path("node_modules/node/bin/node"), 0o755)
    const { status, stderr } = await run({ PATH: `${dirname(process.execPath)}:/usr/bin:/bin` })
    assert.strictEqual(status, 1)
    assert.match(stderr, /^bootstrap: Node 22\.19 or newer is needed and v18\.0\.0 was found; install Node 24 .*\n$/)
  })

  it("uses the installed Node when the packaged one does not run here", async (test) => {
    const { path, run, write } = workspace(test)
    write("node_modules/node/bin/node", "not a program")
    mkdirSync(path("node_modules/.bin"))
    symlinkSync(path("node_modules/node/bin/node"), path("node_modules/.bin/node"))
    const { status, stderr } = await run()
    assert.strictEqual(status, 0)
    assert.include(stderr, "does not run here")
    assert.deepStrictEqual(await run(), { status: 0, stderr: "", stdout: "", npm: "" })
  })
})
