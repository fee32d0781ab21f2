import * as ResultError from "@effect-prefect/results/ResultError"
import { assert, describe, it } from "@effect/vitest"
import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { advised, messageOf } from "../src/internal/hints.ts"
import { archives, run } from "./support.ts"

const reasons: ReadonlyArray<ResultError.Reason> = [
  new ResultError.NotMapped({ state: "Success" }),
  new ResultError.NotFinished({ state: "Running" }),
  new ResultError.NotPersisted({ state: "Success" }),
  new ResultError.UnsupportedResultType({ type: "X", detail: "it is a custom class", hint: "give it a reader" }),
  new ResultError.StorageNotProvided({ type: "S3Result", hint: "add S3Storage.layer({ buckets })" }),
  new ResultError.ResultAccessDenied({ location: "/srv/a/b.json", detail: "no", hint: "add it to LocalStorage.layer" }),
  new ResultError.ResultAccessDenied({ location: "s3://b/k", detail: "no", hint: "add it to S3Storage.layer" }),
  new ResultError.ResultNotFound({ location: "/srv/a", detail: "no such file" }),
  new ResultError.StorageUnavailable({ location: "s3://b/k", detail: "503" }),
  new ResultError.ResultTooLarge({ limit: 1, unit: "bytes" }),
  new ResultError.ResultTooLarge({ limit: 1, unit: "children" }),
  new ResultError.ResultDecodeError({ detail: "no" }),
  new ResultError.ChildrenIncomplete({ detail: "no", found: 1, expected: 2 })
]

describe("what a person at a command line is told", () => {
  it("speaks of flags, and never of the library", () => {
    for (const reason of reasons) {
      for (const text of [advised(reason), reason.summary]) {
        assert.notMatch(text, /layer|getResult|getLatest|maxBytes|maxChildren|outcomes|\{/, text)
      }
    }
  })

  it("names the way out of a folder that was removed", () => {
    const error = Object.assign(new Error("ENOENT: process.cwd failed"), { code: "ENOENT", syscall: "uv_cwd" })
    assert.include(messageOf(error), "the current folder was removed")
  })

  it("of a place that is not allowed is the flag that allows it, and the flag works", async () => {
    const folder = mkdtempSync(join(tmpdir(), "effect-prefect-hints-"))
    try {
      const archive = join(folder, "archive")
      cpSync(archives["prefect-1"], archive, { recursive: true })
      rmSync(join(archive, "mounts.json"))
      const args = [
        "task-run",
        "result",
        "--slug",
        "summary-1",
        "--flow-run",
        "orders-etl/latest",
        "--archive",
        archive
      ]
      const refused = await run([...args, "--json"])
      assert.strictEqual(refused.code, 1)
      const [, mount] = /--mount (\S+)=DIR/.exec(refused.stderr) ?? []
      const allowed = await run([...args, "--json", "--mount", `${mount}=${join(archive, "results/orders-etl")}`])
      assert.deepStrictEqual(JSON.parse(allowed.stdout), { orders: 24, total_cents: 1_283_888 })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
