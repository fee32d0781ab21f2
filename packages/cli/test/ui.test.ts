import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { archives, run, start } from "./support.ts"

/** The command as a process, which it ends itself, once it has said where the page is. */
const open = async (...words: ReadonlyArray<string>) => {
  const child = start(["ui", "--archive", archives["prefect-1"], "--port", "0", ...words])
  const isUp = async () => {
    while (!child.said.stdout.includes("\n")) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await Promise.race([isUp(), child.closed])
  const { stdout } = child.said
  const match = /^The page is at (http:\/\/127\.0\.0\.1:\d+)\/#token=([\w-]{43}) \(Ctrl-C ends it\)\n$/.exec(stdout)
  assert.isNotNull(match, stdout)
  return {
    url: match?.[1] ?? "",
    token: match?.[2] ?? "",
    stop: async () => {
      child.kill("SIGTERM")
      const code = await child.closed
      return { code, stdout: child.said.stdout, stderr: child.said.stderr }
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]()
  }
}

describe("ui", () => {
  it("says where the page is in one line, and ends with the code of serve while it is followed", async () => {
    await using page = await open("--mount", `/other=${archives["prefect-1"]}`)
    const get = (path: string) => fetch(`${page.url}${path}`, { headers: { authorization: `Bearer ${page.token}` } })
    const flowRuns = await (await get("/api/flow-runs")).json() as { readonly items: ReadonlyArray<unknown> }
    const listed = await run(["flow-run", "list", "--archive", archives["prefect-1"], "--json"])
    assert.deepStrictEqual(flowRuns.items, listed.stdout.trim().split("\n").map((line) => JSON.parse(line) as unknown))
    const about = await (await get("/api/backend")).json() as Record<string, unknown>
    assert.strictEqual(about["kind"], "archive")
    assert.deepStrictEqual(about["mounts"], [
      { from: "/srv/prefect/results", to: "results" },
      { from: "s3://prefect-results", to: "s3/prefect-results" },
      { from: "/other", to: "…/prefect-1" }
    ])
    assert.notInclude(JSON.stringify(about), archives["prefect-1"])
    assert.strictEqual((await fetch(`${page.url}/api/flow-runs`)).status, 401)
    assert.strictEqual((await fetch(`${page.url}/flow-runs`)).status, 200)
    const ended = await page.stop()
    assert.strictEqual(ended.code, 143)
    assert.strictEqual(ended.stdout.split("\n").length, 2)
    assert.strictEqual(ended.stderr, "")
  })

  it("takes another token each time, and logs requests without what they ask for", async () => {
    await using first = await open()
    await using second = await open("--log-requests")
    assert.notStrictEqual(first.token, second.token)
    const id = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"
    await fetch(`${second.url}/api/flow-runs/${id}?q=canary`, { headers: { authorization: `Bearer ${second.token}` } })
    await first.stop()
    const { stderr } = await second.stop()
    assert.include(stderr, "/api/flow-runs/:id")
    assert.include(stderr, "status=200")
    for (const secret of [id, "canary", second.token]) assert.notInclude(stderr, secret)
  })

  it("fails in one line, without a server, when it cannot be", async () => {
    const taken = createServer().listen(0, "127.0.0.1")
    await once(taken, "listening")
    const { port } = taken.address() as AddressInfo
    const archive = ["--archive", archives["prefect-1"]]
    for (
      const [words, code] of [
        [[...archive, "--port", String(port)], 1],
        [["--archive", "/no/such/folder"], 1],
        [[...archive, "--api", "http://localhost:1"], 2],
        [[...archive, "--port", "99999"], 2]
      ] as const
    ) {
      const ran = await run(["ui", ...words])
      assert.strictEqual(ran.code, code, words.join(" "))
      assert.strictEqual(ran.stdout, "", words.join(" "))
      assert.strictEqual(ran.stderr.trim().split("\n").length, 1, ran.stderr)
    }
    taken.close()
  })
})
