import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const support = join(import.meta.dirname, "support")

/** What a process says of each file when parquet-wasm is not installed: the kind of its value, or why there is none. */
const read = (...names: ReadonlyArray<string>) =>
  Effect.callback<ReadonlyArray<string>>((resume) => {
    execFile(
      process.execPath,
      [
        "--conditions=@effect-prefect/source",
        `--import=${pathToFileURL(join(support, "withoutParquet.mjs")).href}`,
        join(support, "readFormats.ts"),
        ...names
      ],
      { env: { ...process.env, NODE_OPTIONS: "" } },
      (error, stdout, stderr) =>
        resume(error === null ? Effect.succeed(JSON.parse(stdout) as Array<string>) : Effect.die(`${error}\n${stderr}`))
    )
  })

describe("without parquet-wasm", () => {
  it.live("Parquet says what to install, and every other table is read", () =>
    Effect.gen(function*() {
      const others = ["mixed.feather", "mixed.csv", "mixed.pickle", "mixed.arrows", "mixed.v1.feather"]
      const [parquet, ...tables] = yield* read("mixed.parquet", ...others)
      assert.strictEqual(
        parquet,
        "Undecodable: it is Parquet: install parquet-wasm to read it (npm install parquet-wasm)"
      )
      assert.deepStrictEqual(tables, others.map(() => "Table"))
    }))
})
