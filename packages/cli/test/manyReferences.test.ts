/** Results of a few bytes that would be printed as very much text. */
import { assert, describe, it } from "@effect/vitest"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run } from "./support.ts"

const id = "a0000000-0000-4000-8000-000000000001"

/** What the command prints of stored bytes. */
const printed = async (bytes: string, ...flags: ReadonlyArray<string>) => {
  const folder = mkdtempSync(join(tmpdir(), "effect-prefect-references-"))
  try {
    mkdirSync(join(folder, "tables"))
    mkdirSync(join(folder, "results"))
    writeFileSync(join(folder, "mounts.json"), JSON.stringify({ "/r": "results" }))
    writeFileSync(join(folder, "results", "x"), Buffer.from(bytes, "latin1"))
    const state = { type: "Success", _result: { type: "LocalResult", location: "/r/x" } }
    writeFileSync(join(folder, "tables", "task_run.jsonl"), `${JSON.stringify({ id, serialized_state: state })}\n`)
    return await run(["task-run", "result", id, "--archive", folder, ...flags])
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A pickle of a list that has another one a thousand times. */
const shared = (item: string, many = 1_000) => `\x80\x04](${item.repeat(300_000)}eq\x000](${"h\x00".repeat(many)}e.`

describe("a list that has a large list a thousand times", () => {
  for (const format of ["json", "jsonl"]) {
    it(`is refused as ${format}, and nothing of it is written`, async () => {
      const { code, stderr, stdout } = await printed(shared("K\x01"), "--format", format)
      assert.strictEqual(stdout, "")
      assert.match(stderr, /holds too much to show/)
      assert.strictEqual(code, 1)
    })
  }
})

describe("a list that is deep", () => {
  const deep = `${"[".repeat(900)}1${",1".repeat(20_000)}${"]".repeat(900)}`

  it("is indented only where that adds little", async () => {
    assert.strictEqual((await printed(deep)).stdout, `${deep}\n`)
    assert.strictEqual((await printed("[[1,\"[{,\\\"\"]]")).stdout, "[\n  [\n    1,\n    \"[{,\\\"\"\n  ]\n]\n")
  })
})

it("a long text is printed as it is, however it is asked for", async () => {
  const text = `[${"1,".repeat(600_000)}1]`
  assert.strictEqual((await printed(text)).stdout, `${text}\n`)
  assert.strictEqual((await printed(text, "--json")).stdout, `${text}\n`)
})
