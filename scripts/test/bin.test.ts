import { assert, describe, it } from "@effect/vitest"
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import type { TestContext } from "vitest"
import { run as runFile } from "./support/run.ts"

/** A package with the command's bin, and programs that print which of them was started with which arguments. */
const installed = ({ onTestFinished }: TestContext, folder: string) => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "bin-")))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const write = (path: string, text: string, mode = 0o644) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text, { mode })
  }
  cpSync(new URL("../../packages/cli/bin", import.meta.url), join(root, folder, "bin"), { recursive: true })
  write(`${folder}/package.json`, JSON.stringify({ type: "module" }))
  write(
    `${folder}/src/main.ts`,
    `import { from } from "@effect-prefect/dependency"
     const what: string = "sources"
     console.log(what, from, ...process.argv.slice(2))`
  )
  write(
    `${folder}/dist/main.js`,
    `import { from } from "@effect-prefect/dependency"
     console.log("dist", from, ...process.argv.slice(2))`
  )
  write(
    "node_modules/@effect-prefect/dependency/package.json",
    JSON.stringify({
      type: "module",
      exports: { ".": { "@effect-prefect/source": "./source.js", default: "./default.js" } }
    })
  )
  write("node_modules/@effect-prefect/dependency/source.js", `export const from = "source"`)
  write("node_modules/@effect-prefect/dependency/default.js", `export const from = "default"`)
  const run = (args: ReadonlyArray<string>, version?: string) => {
    // Makes the process report that version of Node.
    const pretend = `data:text/javascript,Object.defineProperty(process.versions,"node",{value:"${version}"});` +
      `Object.defineProperty(process,"version",{value:"v${version}"})`
    return runFile(
      process.execPath,
      [...(version === undefined ? [] : ["--import", pretend]), join(root, folder, "bin/effect-prefect.js"), ...args],
      { cwd: root }
    )
  }
  return { run, write }
}

describe.concurrent("the command's bin", () => {
  it("runs the sources in the repository, with the sources of the other packages", async (test) => {
    const { run } = installed(test, "packages/cli")
    assert.deepStrictEqual(await run(["a", "b c"]), { status: 0, stderr: "", stdout: "sources source a b c\n" })
  })

  it("runs dist where it is installed", async (test) => {
    const { run } = installed(test, "node_modules/effect-prefect")
    assert.deepStrictEqual(await run(["a"]), { status: 0, stderr: "", stdout: "dist default a\n" })
  })

  it("says in one line which Node is needed when this one is too old", async (test) => {
    const { run } = installed(test, "node_modules/effect-prefect")
    for (const version of ["20.20.2", "22.18.0"]) {
      const { status, stderr, stdout } = await run([], version)
      assert.deepStrictEqual([status, stdout], [1, ""])
      assert.match(
        stderr,
        new RegExp(`^effect-prefect needs Node 22\\.19 or newer and this is v${version}: .*Node 24.*\\n$`)
      )
    }
    assert.strictEqual((await run([], "22.19.0")).status, 0)
  })

  it("hands over to the Node of the package node, with its arguments and exit code", async (test) => {
    const { run, write } = installed(test, "node_modules/effect-prefect")
    write("node_modules/node/bin/node", `#!/bin/sh\nshift\necho packaged "$@"\nexit 3\n`, 0o755)
    assert.deepStrictEqual(await run(["a", "b"], "20.0.0"), { status: 3, stderr: "", stdout: "packaged a b\n" })
  })

  it("dies of the signal that its command died of", async (test) => {
    const { run, write } = installed(test, "node_modules/effect-prefect")
    write("node_modules/node/bin/node", `#!/bin/sh\nkill -TERM $$\n`, 0o755)
    assert.strictEqual((await run([], "20.0.0")).status, null)
  })

  it("does not hand over in circles", async (test) => {
    const { run, write } = installed(test, "node_modules/effect-prefect")
    write(
      "node_modules/node/bin/node",
      `#!/bin/sh
exec "${process.execPath}" --import 'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"18.0.0"})' "$@"
`,
      0o755
    )
    const { status, stderr } = await run([], "20.0.0")
    assert.strictEqual(status, 1)
    assert.include(stderr, "effect-prefect needs Node 22.19 or newer")
  })
})
