import { assert, it } from "@effect/vitest"
import { build } from "../scripts/build.mjs"

it("the built page is light: 120 kB for the first load and 220 kB in all, compressed", async () => {
  const sizes = await build()
  const names = Object.keys(sizes)
  const first = names.filter((name) => /^assets\/main-.*\.(?:js|css)$/.test(name) || name === "index.html")
  assert.strictEqual(first.length, 3)
  const weigh = (some: ReadonlyArray<string>) => some.reduce((sum, name) => sum + (sizes[name] ?? 0), 0)
  assert.ok(weigh(first) <= 120_000, `${weigh(first)} bytes`)
  assert.ok(weigh(names) <= 220_000)
})
