import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import * as fs from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { hurriedClock } from "../../core/test/hurriedClock.ts"
import { archives, run } from "./support.ts"

const folder = fs.mkdtempSync(join(tmpdir(), "effect-prefect-collect-"))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

const flowRun = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"
const backend = ["--archive", archives["prefect-1"]]

interface Line {
  readonly task_run_id: string
  readonly mapped_children?: number
  readonly outcome?: unknown
}
const lines = (text: string) => text.trimEnd().split("\n").map((line) => JSON.parse(line) as Line)

describe("collect", () => {
  it("writes what flow-run results prints, and goes on where it was", async () => {
    const place = join(folder, "jsonl")
    const args = [
      "collect",
      "--flow-run",
      flowRun,
      ...backend,
      "--output",
      place,
      "--format",
      "jsonl",
      "--part-rows",
      "10"
    ]
    const first = await run(args)
    assert.strictEqual(first.code, 0)
    assert.match(first.stdout, /96 rows in (1\d) parts \(8 NotPersisted\)/)
    const parts = () => fs.readdirSync(place).filter((name) => name.startsWith("part-")).sort()
    const all = () => parts().map((name) => fs.readFileSync(join(place, name), "utf8")).join("")
    const collected = lines(all())
    const printed = lines((await run(["flow-run", "results", flowRun, ...backend, "--json"])).stdout)
    assert.deepStrictEqual(collected.map((row) => row.task_run_id), printed.map((row) => row.task_run_id))
    for (const [at, row] of collected.entries()) {
      if (row.mapped_children === undefined) assert.deepStrictEqual(row.outcome, printed[at]!.outcome)
    }
    const before = all()
    for (
      const name of ["_manifest.json", "part-000003.jsonl", "_records/part-000003.json", "_records/part-000007.json"]
    ) {
      fs.rmSync(join(place, name))
    }
    const status = await run(["collect", "status", place, "--json"])
    assert.strictEqual(
      (JSON.parse(status.stdout) as { published_parts: number }).published_parts,
      Number(/in (\d+) parts/.exec(first.stdout)![1]) - 2
    )
    assert.strictEqual((await run(["collect", "verify", place])).code, 1)
    assert.strictEqual((await run(args)).code, 0)
    assert.strictEqual(all(), before)
    const verified = await run(["collect", "verify", place])
    assert.strictEqual(verified.code, 0, verified.stderr)
    // What a process left that was ended between the manifest and the end.
    fs.mkdirSync(join(place, "_partial"))
    fs.writeFileSync(join(place, "_partial", "left"), "x")
    assert.strictEqual((await run(args)).code, 0)
    assert.isFalse(fs.existsSync(join(place, "_partial")))
    assert.strictEqual(all(), before)
  })

  it("asks a store that rejects requests more often than a part is attempted", async () => {
    const at = "2022-01-01T00:00:00.000Z"
    const id = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`
    const tables = {
      flow: [{ id: id(1), name: "nightly", created: at }],
      flow_run: [{ id: id(2), flow_id: id(1), created: at, state: "Success", serialized_state: { type: "Success" } }],
      task: [{ id: id(3), slug: "a-1", name: "a", created: at }],
      task_run: [0, 1, 2].map((index) => ({
        id: id(10 + index),
        task_id: id(3),
        flow_run_id: id(2),
        created: at,
        map_index: index,
        state: "Success",
        serialized_state: { type: "Success", _result: { type: "S3Result", bucket: "b", location: `${index}.json` } }
      }))
    }
    const archive = join(folder, "throttled")
    fs.mkdirSync(join(archive, "tables"), { recursive: true })
    for (const [name, rows] of Object.entries(tables)) {
      fs.writeFileSync(
        join(archive, "tables", `${name}.jsonl`),
        rows.map((row) => `${JSON.stringify(row)}\n`).join("")
      )
    }
    const requests = new Map<string, number>()
    let isBusy = false
    const server = createServer(({ url = "" }, response) => {
      const path = url.split("?")[0]!
      const count = (requests.get(path) ?? 0) + 1
      requests.set(path, count)
      if (count > 5 && !isBusy) response.end("1")
      else response.writeHead(503).end("<Error><Code>SlowDown</Code></Error>")
    })
    await once(server.listen(0, "127.0.0.1"), "listening")
    try {
      const { port } = server.address() as AddressInfo
      const endpoint = ["--mount", "s3://b", "--s3-endpoint", `http://127.0.0.1:${port}`]
      const output = ["--output", join(folder, "of-throttled"), "--format", "jsonl", "--max-attempts", "1"]
      const ran = await run(
        ["collect", "--all", "--archive", archive, ...endpoint, ...output],
        { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_REGION: "us-east-1" },
        hurriedClock
      )
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.match(ran.stdout, /3 rows in 1 part\n$/)
      assert.deepStrictEqual([...requests.values()], [6, 6, 6])
      // The same endpoint for a bucket of the environment.
      requests.clear()
      const configured = await run(
        ["collect", "--all", "--archive", archive, ...endpoint.slice(2), ...output.with(1, join(folder, "configured"))],
        { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_REGION: "us-east-1", EFFECT_PREFECT_MOUNT: "s3://b" },
        hurriedClock
      )
      assert.strictEqual(configured.code, 0, configured.stderr)
      assert.deepStrictEqual([...requests.values()], [6, 6, 6])
      // A store that never has time.
      isBusy = true
      const failing = (name: string, ...more: ReadonlyArray<string>) =>
        run(
          ["collect", "--all", "--archive", archive, ...endpoint, ...output.with(1, join(folder, name)), ...more],
          { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_REGION: "us-east-1" },
          hurriedClock
        )
      const failed = await failing("failed")
      assert.strictEqual(failed.code, 1, failed.stdout)
      const allowed = await failing("allowed", "--allow-failed")
      assert.strictEqual(allowed.code, 0, allowed.stderr)
      assert.include(allowed.stdout, "1 part failed")
    } finally {
      server.close()
      server.closeAllConnections()
    }
  })

  it("prints one object a line with --json", async () => {
    const place = join(folder, "parquet")
    const args = ["collect", "--flow-run", flowRun, ...backend, "--output", place, "--json"]
    const ran = await run(args)
    const last = lines(ran.stdout).at(-1) as unknown as Record<string, unknown>
    assert.deepInclude(last, { type: "collection", complete: true, parts: 1, rows: 96, results: 84 })
    assert.isTrue(fs.existsSync(join(place, "part-000000.parquet")))
    const other = await run([...args.slice(0, -1), "--compression", "gzip"])
    assert.strictEqual(other.code, 1)
    assert.match(other.stderr, /^effect-prefect: .*holds another collection: .*zstd.*\n$/)
  })

  it("says what is wrong with its words", async () => {
    const output = ["--output", join(folder, "none")]
    for (
      const [args, message] of [
        [["--flow-run", flowRun], /--output PLACE/],
        [[...output], /--flow-run RUN, --flow NAME or --all/],
        [["--all", "--flow", "x", ...output], /give one of/],
        [["--all", "--slug", "x", ...output], /--slug goes with --flow-run/],
        [["--all", "--part-rows", "0", ...output], /1 to 1000000/],
        [["--all", "--output", "ftp://host/x"], /ftp/]
      ] as const
    ) {
      const ran = await run(["collect", ...args, ...backend])
      assert.strictEqual(ran.code, 2, ran.stderr)
      assert.match(ran.stderr, message)
    }
    const unfinished = await run(["collect", "--all", ...backend, ...output])
    assert.strictEqual(unfinished.code, 1)
    assert.match(unfinished.stderr, /has not finished/)
    assert.isFalse(fs.existsSync(join(folder, "none")))
  })
})
