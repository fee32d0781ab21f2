import { assert, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { file, text } from "../lzma/module.ts"

it("the module of the LZMA decoder is what its source gives: npm run lzma writes it", () => {
  assert.strictEqual(readFileSync(file, "utf8"), text)
})
