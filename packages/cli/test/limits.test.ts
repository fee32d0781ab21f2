/** Each flag that limits something changes what happens, whatever the backend. */
import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Recorded from "../../api/test/prefect3Server.ts"
import { openPage } from "./page.ts"
import { run, startHere } from "./support.ts"

const uuid = (index: number) => `c0000000-0000-4000-8000-${String(index).padStart(12, "0")}`

/** An archive of a mapped task with three children of 2 000 characters each. */
const withArchive = async (use: (archive: string) => Promise<void>) => {
  const archive = mkdtempSync(join(tmpdir(), "limits-"))
  try {
    mkdirSync(join(archive, "tables"))
    mkdirSync(join(archive, "results"))
    const run = (index: number, mapIndex: number, state: unknown) => ({
      id: uuid(index),
      flow_run_id: uuid(100),
      task_id: uuid(200),
      map_index: mapIndex,
      serialized_state: state
    })
    const tables = {
      flow_run: [{ id: uuid(100), name: "limits" }],
      task: [{ id: uuid(200), slug: "mapped-1" }],
      task_run: [
        run(0, -1, { type: "Mapped", n_map_states: 3 }),
        ...[1, 2, 3].map((index) =>
          run(index, index - 1, {
            type: "Success",
            _result: { type: "LocalResult", location: `/w/${index}`, dir: "/w" }
          })
        )
      ]
    }
    for (const [table, rows] of Object.entries(tables)) {
      writeFileSync(join(archive, "tables", `${table}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(""))
    }
    for (const index of [1, 2, 3]) {
      writeFileSync(join(archive, "results", String(index)), JSON.stringify("x".repeat(2000)))
    }
    writeFileSync(join(archive, "mounts.json"), JSON.stringify({ "/w": "results" }))
    await use(archive)
  } finally {
    rmSync(archive, { recursive: true })
  }
}

describe("with an archive", () => {
  const limits: ReadonlyArray<readonly [flag: string, enough: string, tooFew: string, index: number]> = [
    ["--max-bytes", "2002", "2001", 1],
    ["--max-memory", "10000", "1000", 1],
    ["--max-memory", "10000", "5000", 0],
    ["--max-children", "3", "2", 0]
  ]
  it.each(limits)(
    "%s %s is enough, %s is too few",
    (flag, enough, tooFew, index) =>
      withArchive(async (archive) => {
        const result = ["task-run", "result", uuid(index), "--archive", archive, "--json"]
        const read = await run([...result, flag, enough])
        assert.strictEqual(read.code, 0, read.stderr)
        assert.include(read.stdout, "xxx")
        const refused = await run([...result, flag, tooFew])
        assert.strictEqual(refused.code, 1)
        assert.strictEqual(refused.stdout, "")
        assert.include(refused.stderr, `limit of ${tooFew}`)
      })
  )

  it("--concurrency 1 reads all the same", () =>
    withArchive(async (archive) => {
      const { stdout } = await run([
        "task-run",
        "mapped",
        uuid(0),
        "--archive",
        archive,
        "--json",
        "--concurrency",
        "1"
      ])
      assert.lengthOf(stdout.trim().split("\n"), 3)
    }))
})

describe("with a bucket", () => {
  /** An archive of children in a bucket, and a store that answers once as many wait as it is asked for, or no more come. */
  const withStore = (use: (args: ReadonlyArray<string>, most: () => number, urls: Set<string>) => Promise<void>) =>
    withArchive(async (archive) => {
      const file = join(archive, "tables", "task_run.jsonl")
      const rows = readFileSync(file, "utf8").replaceAll(
        /"type":"LocalResult","location":"\/w\/(\d)","dir":"\/w"/g,
        "\"type\":\"S3Result\",\"bucket\":\"b\",\"location\":\"$1\""
      )
      writeFileSync(file, rows)
      const urls = new Set<string>()
      let open = 0
      let most = 0
      const server = createServer(({ url = "" }, response) => {
        urls.add(url.split("?")[0]!)
        most = Math.max(most, ++open)
        // Others that are on their way come in the meantime.
        setTimeout(() => {
          open--
          response.end("\"x\"")
        }, 100)
      })
      await once(server.listen(0, "127.0.0.1"), "listening")
      try {
        const { port } = server.address() as AddressInfo
        const endpoint = ["--mount", "s3://b", "--s3-endpoint", `http://127.0.0.1:${port}`]
        await use(["--archive", archive, ...endpoint], () => most, urls)
      } finally {
        server.close()
        server.closeAllConnections()
      }
    })
  const credentials = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_REGION: "us-east-1" }

  it.each<[name: string, words: (folder: string) => ReadonlyArray<string>]>([
    ["task-run mapped", () => ["task-run", "mapped", uuid(0), "--json"]],
    ["task-run result", () => ["task-run", "result", uuid(0), "--json"]],
    ["flow-run results", () => ["flow-run", "results", uuid(100), "--json"]],
    [
      "collect",
      (folder) => ["collect", "--flow-run", uuid(100), "--output", join(folder, "parts"), "--allow-unfinished"]
    ]
  ])("--concurrency 1 reads one object at a time: %s", (_, words) =>
    withStore(async (args, most, urls) => {
      const ran = await run([...words(args[1]!), ...args, "--concurrency", "1"], credentials)
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.deepStrictEqual([...urls].toSorted(), ["/b/1", "/b/2", "/b/3"])
      assert.strictEqual(most(), 1)
    }))

  it("--concurrency 1 reads one object at a time: ui", () =>
    withStore(async (args, most, urls) => {
      const begin = (words: ReadonlyArray<string>) => startHere(words, credentials)
      await using page = await openPage(begin, ...args, "--concurrency", "1")
      const answer = await fetch(`${page.url}/api/task-runs/${uuid(0)}/children/outcomes`, {
        headers: { authorization: `Bearer ${page.token}` }
      })
      assert.lengthOf((await answer.text()).trim().split("\n"), 3)
      assert.deepStrictEqual([...urls].toSorted(), ["/b/1", "/b/2", "/b/3"])
      assert.strictEqual(most(), 1)
    }))

  it("reads several at a time without it", () =>
    withStore(async (args, most) => {
      const ran = await run(["task-run", "mapped", uuid(0), "--json", ...args], credentials)
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.isAbove(most(), 1)
    }))

  it.each([["status"], ["verify"]])(
    "--s3-endpoint is where collect %s reads a collection in a bucket",
    (command) =>
      withStore(async (args, _, urls) => {
        const endpoint = args.slice(args.indexOf("--s3-endpoint"))
        await run(["collect", command, "s3://parts/of", ...endpoint], credentials)
        assert.isNotEmpty([...urls].filter((url) => url.startsWith("/parts")))
      })
  )
})

describe("with the page", () => {
  it.each<[flag: string, value: string, index: number]>([
    ["--max-bytes", "10", 1],
    ["--max-children", "2", 0],
    ["--max-memory", "5000", 0]
  ])("%s %s bounds what it loads", (flag, value, index) =>
    withArchive(async (archive) => {
      const loaded = async (...limits: ReadonlyArray<string>) => {
        await using page = await openPage(startHere, "--archive", archive, ...limits)
        const answer = await fetch(`${page.url}/api/task-runs/${uuid(index)}/result`, {
          headers: { authorization: `Bearer ${page.token}` }
        })
        return answer.text()
      }
      assert.include(await loaded(flag, value), "ResultTooLarge")
      assert.notInclude(await loaded(), "ResultTooLarge")
    }))
})

describe("with Prefect 3", () => {
  it.each([["--max-bytes", "10"], ["--max-memory", "10"]])(
    "%s %s refuses",
    async (flag, limit) => {
      await using server = await Recorded.start()
      const completed = Recorded.exchange("task_runs/get_Completed_data").response as Recorded.Row
      const result = [
        "task-run",
        "result",
        completed["id"] as string,
        "--json",
        "--prefect3",
        server.url,
        "--mount",
        `/srv/prefect3=${join(Recorded.fixtures, "files")}`
      ]
      assert.strictEqual((await run(result)).code, 0)
      const refused = await run([...result, flag, limit])
      assert.strictEqual(refused.code, 1, refused.stdout)
      assert.include(refused.stderr, `limit of ${limit}`)
    }
  )
})
