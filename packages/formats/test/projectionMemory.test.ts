import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const projection = fileURLToPath(new URL("../src/JsonProjection.ts", import.meta.url))

describe("the text of many small values", () => {
  it("takes little more memory than its characters", async () => {
    const script = `
      import * as Effect from "effect/Effect"
      import * as JsonProjection from ${JSON.stringify(projection)}
      const row = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => ["a_" + at, null]))
      const text = await Effect.runPromise(JsonProjection.toText(Array(200).fill(row)))
      console.log(text.length)
    `
    // Pieces that are joined only when the whole is read took over a hundred megabytes.
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--conditions=@effect-prefect/source",
      "--no-warnings",
      "--max-old-space-size=48",
      "--input-type=module",
      "--eval",
      script
    ], { cwd: fileURLToPath(new URL(".", import.meta.url)) })
    assert.strictEqual(Number(stdout), 13_778_401)
  })
})
