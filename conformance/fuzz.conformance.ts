/**
 * The searches of the tests with all their seeds, of which `npm test` takes a few: every test file that imports
 * `packages/core/test/seeds.ts`, a check for each file.
 */
import assert from "node:assert/strict"
import { globSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { full } from "../packages/core/test/seeds.ts"
import { check } from "./support/check.ts"
import { run } from "./support/process.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs")

const files = globSync("{packages,examples}/*/test/**/*.test.ts", { cwd: root }).toSorted().filter((file) =>
  /from ".*\/seeds\.ts"/.test(readFileSync(join(root, file), "utf8"))
)

for (const file of files) {
  await check(file, async () => {
    const { code, stderr, stdout } = await run(
      process.execPath,
      [vitest, "run", "--config", "vitest.workspace.ts", "--reporter=dot", file],
      { cwd: root, env: { SEEDS: full, NO_COLOR: "1" }, allowFailure: true }
    )
    assert.equal(code, 0, `${stdout}${stderr}`.slice(-8_000))
  })
}
