import { assert, it } from "@effect/vitest"
import { colorsOf } from "../src/internal/output.ts"

it.each<[env: Record<string, string>, inTerminal: string, inPipe: string]>([
  [{}, "basic", "none"],
  [{ NO_COLOR: "", FORCE_COLOR: "", TERM: "", COLORTERM: "" }, "basic", "none"],
  [{ NO_COLOR: "1" }, "none", "none"],
  [{ NO_COLOR: "1", FORCE_COLOR: "3" }, "none", "none"],
  [{ FORCE_COLOR: "0" }, "none", "none"],
  [{ FORCE_COLOR: "false" }, "none", "none"],
  [{ FORCE_COLOR: "1" }, "basic", "basic"],
  [{ FORCE_COLOR: "3" }, "full", "full"],
  [{ FORCE_COLOR: "1", TERM: "dumb" }, "basic", "basic"],
  [{ TERM: "dumb" }, "none", "none"],
  [{ TERM: "xterm", COLORTERM: "truecolor" }, "full", "none"]
])("%j: %s in a terminal, %s in a pipe", (env, inTerminal, inPipe) => {
  assert.deepStrictEqual([colorsOf(true, env), colorsOf(false, env)], [inTerminal, inPipe])
})
