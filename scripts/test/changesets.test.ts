import { assert, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"

const root = new URL("../../", import.meta.url)

it("every changeset names packages that there are: of one that names another, no version can be made", () => {
  const packages = readdirSync(new URL("packages/", root)).map((folder): string =>
    JSON.parse(readFileSync(new URL(`packages/${folder}/package.json`, root), "utf8")).name
  )
  const folder = new URL(".changeset/", root)
  for (const file of readdirSync(folder)) {
    if (!file.endsWith(".md") || file === "README.md") continue
    const [, head = "", text = ""] = /^---\n([^]*?)---\n([^]*)$/.exec(readFileSync(new URL(file, folder), "utf8")) ?? []
    const lines = head.trimEnd().split("\n")
    const names = lines.map((line) => /^"([^"]+)": (?:patch|minor|major)$/.exec(line)?.[1])
    for (const [at, name] of names.entries()) assert.include(packages, name, `${file}: ${lines[at]}`)
    assert.strictEqual(new Set(names).size, names.length, file)
    assert.isNotEmpty(text.trim(), file)
  }
})
