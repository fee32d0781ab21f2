import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { archives, run } from "./support.ts"

const of = (slug: string) => [
  "task-run",
  "result",
  "--slug",
  slug,
  "--flow-run",
  "orders-etl/latest",
  "--archive",
  archives["prefect-1"]
]

const inFolder = async (body: (folder: string) => Promise<void>) => {
  const folder = mkdtempSync(join(tmpdir(), "effect-prefect-format-"))
  try {
    await body(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const projectionOf = (file: string) =>
  Effect.runPromise(
    Effect.flatMap(
      ResultFormat.decode(readFileSync(file), { name: file, maxBytes: 1 << 20 }),
      (value) => JsonProjection.toJson(value)
    )
  )

describe("a result that is a table", () => {
  it("is written in the format of the file's ending, and reads back the same", () =>
    inFolder(async (folder) => {
      const json = JSON.parse((await run([...of("frame-1"), "--json"])).stdout) as ReadonlyArray<object>
      for (const ending of ["parquet", "arrow", "feather"]) {
        const file = join(folder, `out.${ending}`)
        const { code, stderr, stdout } = await run([...of("frame-1"), "-o", file])
        assert.strictEqual(code, 0, stderr)
        assert.strictEqual(stdout, "")
        assert.deepStrictEqual(await projectionOf(file), json as never)
      }
      const lines = await run([...of("frame-1"), "--format", "jsonl"])
      assert.deepStrictEqual(lines.stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as object), [...json])
      const csv = await run([...of("frame-1"), "--format", "csv"])
      assert.strictEqual(csv.stdout.split("\r\n")[0], "id,total,day")
      assert.strictEqual(csv.stdout.split("\r\n").length, json.length + 2)
    }))

  it("goes to standard output for -, and an ending that no format has chooses none", () =>
    inFolder(async (folder) => {
      const { code, stdout } = await run([...of("frame-1"), "--format", "csv", "--output", "-"])
      assert.strictEqual(code, 0)
      assert.match(stdout, /^id,total,day\r\n/)
      assert.isFalse(existsSync("-"))
      // A name that every object has.
      const file = join(folder, "out.constructor")
      assert.strictEqual((await run([...of("frame-1"), "-o", file])).code, 0)
      assert.isArray(JSON.parse(readFileSync(file, "utf8")))
    }))

  it("of several parts has one header, and a small one that fails leaves nothing", async () => {
    const groups = readFileSync(new URL("../../../fixtures/formats/parquet/groups.parquet", import.meta.url))
    await inFolder(async (folder) => {
      mkdirSync(join(folder, "tables"))
      mkdirSync(join(folder, "results"))
      const row = { id: "aaaaaaaa-0000-4000-8000-000000000000", serialized_state: { type: "Success" } }
      const write = (name: string, bytes: Uint8Array) => {
        const _result = { type: "LocalResult", location: `/srv/${name}`, dir: "/srv" }
        writeFileSync(join(folder, "results", name), bytes)
        writeFileSync(
          join(folder, "tables", "task_run.jsonl"),
          JSON.stringify({ ...row, serialized_state: { type: "Success", _result } })
        )
      }
      writeFileSync(join(folder, "mounts.json"), JSON.stringify({ "/srv": "results" }))
      const csv = () => run(["task-run", "result", row.id, "--archive", folder, "--format", "csv"])
      write("groups.parquet", groups)
      const written = await csv()
      assert.strictEqual(written.stderr, "")
      const lines = written.stdout.trimEnd().split("\r\n")
      assert.strictEqual(lines.length, 501)
      assert.strictEqual(lines.filter((line) => line === lines[0]).length, 1)
      // The footer is whole, and the last row group is not.
      const damaged = Buffer.from(groups)
      damaged.fill(0xff, 600, 900)
      write("damaged.parquet", damaged)
      const failed = await csv()
      assert.strictEqual(failed.code, 1)
      assert.strictEqual(failed.stdout, "")
    })
  })

  it("gives the fields that are asked for, in their order", async () => {
    const csv = await run([...of("frame-1"), "--format", "csv", "--fields", "total,id"])
    assert.strictEqual(csv.stdout.split("\r\n")[0], "total,id")
    const json = await run([...of("frame-1"), "--json", "--fields", "id"])
    assert.deepStrictEqual((JSON.parse(json.stdout) as ReadonlyArray<object>)[0], { id: 0 })
    const none = await run([...of("frame-1"), "--json", "--fields", "idd"])
    assert.strictEqual(none.code, 1)
    assert.include(none.stderr, "there is no field \"idd\"; there are id, ")
  })

  it("a list of objects and an array are tables too", async () => {
    assert.match((await run([...of("extract-1"), "--format", "csv"])).stdout, /^id,customer,/)
    assert.match((await run([...of("matrix-1"), "--format", "csv"])).stdout, /^0,1\r\n0,19872\r\n/)
  })
})

describe("what makes no sense", () => {
  const refused: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, message: string]> = [
    [[...of("summary-1"), "--format", "csv"], 1, "its result is not a table, so it cannot be written as csv"],
    [[...of("frame-1"), "-o", "csv"], 2, "use --format csv"],
    [[...of("frame-1"), "-o", "parquet"], 2, "use --format parquet"],
    [[...of("frame-1"), "--json", "--format", "csv"], 2, "--json and --format csv do not go together"],
    [[...of("frame-1"), "--raw", "--format", "csv"], 2, "--raw gives the stored bytes"],
    [[...of("frame-1"), "--format", "xml"], 2, "xml"]
  ]
  for (const [args, code, message] of refused) {
    it(`is refused in one line: ${args.slice(8).join(" ")}`, async () => {
      const ran = await run(args)
      assert.strictEqual(ran.code, code)
      assert.strictEqual(ran.stdout, "")
      assert.include(ran.stderr, message)
      assert.isFalse(existsSync("csv"))
    })
  }
})
