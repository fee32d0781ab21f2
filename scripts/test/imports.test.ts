import { assert, describe, it } from "@effect/vitest"
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { onTestFinished } from "vitest"
import { problemsOf } from "../imports.mjs"

const top = fileURLToPath(new URL("../..", import.meta.url))

/** What the check says of a tree with these modules below packages/. */
const check = (modules: Readonly<Record<string, string>>): string => {
  const root = mkdtempSync(join(tmpdir(), "imports-"))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  for (const name of [".oxlintrc.json", "CONTRIBUTING.md"]) cpSync(join(top, name), join(root, name))
  for (const [path, text] of Object.entries(modules)) {
    mkdirSync(dirname(join(root, "packages", path)), { recursive: true })
    writeFileSync(join(root, "packages", path), text)
  }
  return problemsOf(root).join("\n")
}

describe("imports", () => {
  it("has nothing to say of modules that look one way", () => {
    assert.strictEqual(
      check({
        "core/src/State.ts": `import type { A } from "./internal/a.ts"\nexport type B = A`,
        "core/src/internal/a.ts": `export type A = 1`,
        "api/src/Api.ts": `import type { B } from "@effect-prefect/core/State"\nexport type C = B`,
        "api/test/api.test.ts": `import "../src/Api.ts"`
      }),
      ""
    )
  })

  it("finds a circle that is made of types alone, of exports, and of import() as a type", () => {
    for (
      const back of [
        `import type { A } from "./A.ts"`,
        `export type { A } from "./A.ts"`,
        `export * from "./A.ts"`,
        `type A = import("./A.ts").A\nexport const a = (x: A) => x`,
        `export const load = () => import("./A.ts")`
      ]
    ) {
      const said = check({
        "core/src/A.ts": `import type { B } from "./B.ts"\nexport type A = B`,
        "core/src/B.ts": back
      })
      assert.include(said, "circle: packages/core/src/A.ts → packages/core/src/B.ts → packages/core/src/A.ts", back)
    }
  })

  it("finds two folders that import each other without a circle of modules", () => {
    const said = check({
      "results/src/internal/run/a.ts": `import "../local/b.ts"`,
      "results/src/internal/run/c.ts": `export {}`,
      "results/src/internal/local/b.ts": `export {}`,
      "results/src/internal/local/d.ts": `import type {} from "../run/c.ts"`
    })
    assert.include(said, "the folders internal/local and internal/run of results import each other")
    assert.notInclude(said, "circle")
  })

  it("finds what a package's row does not have, by type, by import() and by a relative path", () => {
    assert.include(
      check({ "core/src/A.ts": `import type { X } from "@effect-prefect/api/X"` }),
      "packages/core/src/A.ts imports @effect-prefect/api, which is not in the row of core"
    )
    assert.include(
      check({ "server/src/A.ts": `export const a = () => import("@effect-prefect/results")` }),
      "imports @effect-prefect/results, which is not in the row of server"
    )
    assert.include(
      check({ "api/src/A.ts": `import "../../core/src/State.ts"` }),
      "reach another package by its name"
    )
  })

  it("finds another package's internal/, from tests too", () => {
    assert.include(
      check({ "api/test/a.test.ts": `import "../../core/src/internal/fields.ts"` }),
      "internal/ of a package is its own"
    )
    assert.include(
      check({ "api/test/a.test.ts": `import "@effect-prefect/core/internal/fields"` }),
      "internal/ of a package is its own"
    )
    assert.strictEqual(
      check({ "core/src/internal/fields.ts": "", "core/test/a.test.ts": `import "../src/internal/fields.ts"` }),
      ""
    )
  })

  it("finds a manifest that does not say what is imported", () => {
    const manifest = JSON.stringify({ name: "@effect-prefect/api", dependencies: { "@effect-prefect/pickle": "1" } })
    const said = check({ "api/package.json": manifest, "api/src/A.ts": `import "@effect-prefect/core/State"` })
    assert.include(said, "depends on @effect-prefect/pickle, which is not in its row")
    assert.include(said, "does not depend on @effect-prefect/core, which src imports")
  })

  it("finds a package without a row", () => {
    assert.include(check({ "other/src/A.ts": "" }), "packages/other has no row")
  })
})
