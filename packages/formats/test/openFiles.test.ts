/** A process that may open no more files can start no thread, which says nothing of the file that a thread was to read. */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const script = fileURLToPath(new URL("support/openFiles.ts", import.meta.url))
const limited = "ulimit -n 64 && exec \"$0\" --conditions=@effect-prefect/source --no-warnings \"$1\""

describe("a process without files that it may open", () => {
  it.skipIf(process.platform === "win32")(
    "waits for the reader of Parquet, and never takes the file for damaged",
    async () => {
      const { stdout } = await promisify(execFile)("sh", ["-c", limited, process.execPath, script])
      const lines = stdout.trim().split("\n")
      assert.match(lines[0]!, /^none: ReaderUnavailable: it is Parquet, whose reader could not be started \(\w+\)/)
      const few = lines.filter((line) => line.startsWith("few: "))
      assert.lengthOf(few, 3, stdout)
      for (const line of few) {
        assert.match(line, /^few: (?:a table$|ReaderUnavailable: it is Parquet, whose reader could not be started)/)
      }
      assert.strictEqual(lines.at(-1), "closed meanwhile: a table")
    },
    120_000
  )
})
