import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, get } from "node:http"
import { type AddressInfo, createServer as createSocketServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openPage as open } from "./page.ts"
import { archives, run, start, startHere } from "./support.ts"

const archive = ["--archive", archives["prefect-1"]]

const message = (type: string, body: ReadonlyArray<number> = []) =>
  Buffer.from([type.charCodeAt(0), 0, 0, 0, body.length + 4, ...body])
const ready = message("Z", [0x49])
/** What a Postgres of which nobody asks for rows says to each message of its client. */
const replies: Readonly<Record<string, Buffer>> = {
  P: message("1"),
  B: message("2"),
  D: message("n"),
  E: message("C", [...Buffer.from("SELECT 0\0")]),
  S: ready,
  Q: Buffer.concat([message("C", [...Buffer.from("SELECT 0\0")]), ready])
}

/** A Postgres without rows, and how its clients left: true for each that said so first. */
const startEmptyPostgres = async () => {
  const leavings: Array<boolean> = []
  const server = createSocketServer((client) => {
    let rest = Buffer.alloc(0)
    let isStarted = false
    let saidSo = false
    client.on("error", () => {})
    client.on("close", () => {
      // One that only asked for TLS has nothing to take leave of.
      if (isStarted) leavings.push(saidSo)
    })
    client.on("data", (bytes) => {
      rest = Buffer.concat([rest, bytes])
      for (;;) {
        const head = isStarted ? 1 : 0
        if (rest.length < head + 4 || rest.length < head + rest.readInt32BE(head)) return
        const type = isStarted ? String.fromCharCode(rest[0]!) : ""
        const asksForTls = !isStarted && rest.readInt32BE(4) === 80877103
        rest = rest.subarray(head + rest.readInt32BE(head))
        if (type === "X") saidSo = true
        else if (asksForTls) client.write("N")
        else if (isStarted) client.write(replies[type] ?? Buffer.alloc(0))
        else {
          isStarted = true
          client.write(Buffer.concat([message("R", [0, 0, 0, 0]), ready]))
        }
      }
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return {
    url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    leavings,
    [Symbol.asyncDispose]: async () => void server.close()
  }
}

describe("ui", () => {
  it("takes leave of the backend when a signal ends it", async () => {
    await using postgres = await startEmptyPostgres()
    await using page = await open(start, "--database", postgres.url)
    await fetch(`${page.url}/api/flow-runs`, { headers: { authorization: `Bearer ${page.token}` } })
    assert.deepStrictEqual(postgres.leavings, [])
    assert.strictEqual((await page.stop()).code, 143)
    while (postgres.leavings.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.deepStrictEqual([...new Set(postgres.leavings)], [true])
  })

  it("says where the page is in one line, and ends with the code of serve while it is followed", async () => {
    await using page = await open(startHere, ...archive, "--mount", `/other=${archives["prefect-1"]}`)
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
    assert.strictEqual(ended.code, 130)
    assert.strictEqual(ended.stdout.split("\n").length, 2)
    assert.strictEqual(ended.stderr, "")
  })

  it("takes another token each time, and logs requests without what they ask for", async () => {
    await using first = await open(startHere, ...archive)
    await using second = await open(startHere, ...archive, "--log-requests")
    assert.notStrictEqual(first.token, second.token)
    const id = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"
    await fetch(`${second.url}/api/flow-runs/${id}?q=canary`, { headers: { authorization: `Bearer ${second.token}` } })
    await first.stop()
    const { stderr } = await second.stop()
    assert.include(stderr, "/api/flow-runs/:id")
    assert.include(stderr, "status=200")
    for (const secret of [id, "canary", second.token]) assert.notInclude(stderr, secret)
  })

  it("answers to the names of --allow-host, and opens a browser with --open", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ui-open-"))
    const opened = join(folder, "opened")
    const program = join(folder, process.platform === "darwin" ? "open" : "xdg-open")
    writeFileSync(program, `#!/bin/sh\necho "$1" > "${opened}.part" && mv "${opened}.part" "${opened}"\n`, {
      mode: 0o755
    })
    const withFolder = (args: ReadonlyArray<string>) => startHere(args, { PATH: `${folder}:${process.env["PATH"]}` })
    const statusFor = (url: string, host: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        get(url, { headers: { host } }, (response) => {
          response.resume()
          resolve(response.statusCode)
        }).on("error", reject)
      })
    try {
      await using plain = await open(startHere, ...archive)
      await using page = await open(withFolder, ...archive, "--allow-host", "proxy.example", "--open")
      assert.strictEqual(await statusFor(page.url, "proxy.example"), 200)
      assert.notStrictEqual(await statusFor(plain.url, "proxy.example"), 200)
      while (!existsSync(opened)) await new Promise((resolve) => setTimeout(resolve, 5))
      assert.strictEqual(readFileSync(opened, "utf8").trim(), `${page.url}/#token=${page.token}`)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it("fails in one line, without a server, when it cannot be", async () => {
    const taken = createServer().listen(0, "127.0.0.1")
    await once(taken, "listening")
    const { port } = taken.address() as AddressInfo
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
