import { afterAll, afterEach, assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { memorySite, token } from "./support.ts"

const tables = { flow_run: [{ id: "run", name: "run" }] }
const site = memorySite(tables, { hosts: ["127.0.0.1:4280", "page.example"] })
afterAll(() => site.close())

const statusOf = async (path: string, init?: RequestInit) => (await site.get(path, init)).status

describe("guard", () => {
  afterEach(() => vi.restoreAllMocks())

  it("answers to its own names alone, before anything else", async () => {
    assert.strictEqual(await statusOf("/", { headers: { host: "evil.example" } }), 421)
    assert.strictEqual(await statusOf("/", { headers: { host: "127.0.0.1:1" } }), 421)
    assert.strictEqual(await statusOf("/", { headers: { host: "page.example:99" } }), 200)
    assert.strictEqual(await statusOf("/api/backend", { headers: { host: "evil.example", authorization: "" } }), 421)
  })
  it("takes GET and HEAD", async () => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      assert.strictEqual(await statusOf("/api/backend", { method }), 405, method)
    }
    assert.strictEqual(await statusOf("/api/backend", { method: "HEAD" }), 200)
  })
  it("refuses other origins and sites", async () => {
    assert.strictEqual(await statusOf("/", { headers: { origin: "http://evil.example" } }), 403)
    assert.strictEqual(await statusOf("/", { headers: { origin: "null" } }), 403)
    assert.strictEqual(await statusOf("/", { headers: { origin: "http://127.0.0.1:4280" } }), 200)
    assert.strictEqual(await statusOf("/api/backend", { headers: { "sec-fetch-site": "cross-site" } }), 403)
    assert.strictEqual(await statusOf("/api/backend", { headers: { "sec-fetch-site": "same-origin" } }), 200)
  })
  it("asks the API for the token, and files for none", async () => {
    for (const authorization of ["", "Bearer", `Bearer ${token}x`, `Basic ${token}`, token]) {
      assert.strictEqual(await statusOf("/api/backend", { headers: { authorization } }), 401, authorization)
    }
    assert.strictEqual(await statusOf("/flow-runs", { headers: { authorization: "" } }), 200)
  })
  it("starts the thread of results with the first page of a run, and for nobody whom it refuses", async () => {
    const own = memorySite(tables)
    let threads = 0
    const count = () => threads++
    /** Node tells of a thread in the next tick. */
    const started = async () => {
      await new Promise((resolve) => setImmediate(resolve))
      return threads
    }
    process.on("worker", count)
    try {
      await own.get("/")
      await own.get("/flow-runs")
      await own.get("/task-runs/x", { headers: { host: "evil.example" } })
      await own.get("/api/task-runs/x", { headers: { authorization: "" } })
      assert.strictEqual(await started(), 0)
      await own.get("/task-runs/x/result", { headers: { authorization: "" } })
      assert.strictEqual(await started(), 1)
      await own.get("/default/task-run/x")
      await own.get("/api/task-runs/x")
      assert.strictEqual(await started(), 1)
    } finally {
      process.off("worker", count)
      await own.close()
    }
  })
  it("does not let the router copy long addresses of percent signs again and again", async () => {
    // oxlint-disable-next-line typescript/unbound-method
    const { slice } = String.prototype
    let copies = 0
    vi.spyOn(String.prototype, "slice").mockImplementation(function(this: string, start, end) {
      if (this.length > 10_000) copies++
      return slice.call(this, start, end)
    })
    const signs = "%25".repeat(4_000)
    assert.strictEqual(await statusOf(`/api/${signs}`), 404)
    assert.strictEqual(await statusOf(`/api/${signs}`, { headers: { authorization: "" } }), 401)
    assert.strictEqual(await statusOf(`/${signs}`), 404)
    // The address of a task by its slug, and a text to search for.
    assert.strictEqual(await statusOf(`/flow-runs/run/tasks/${signs}`), 200)
    assert.strictEqual(await statusOf(`/api/flow-runs?name=${signs}`), 200)
    assert.isAtMost(copies, 100)
  })
  it("sends its headers with every answer", async () => {
    const undecodable = ["/x%", "/flow-runs/%", "/api/flow-runs/%ff", "/api/%", "/%c0%ae"]
    const paths = ["/", "/api/backend", "/api/nope", "/api/flow-runs?limit=0", "/etc/passwd.txt", ...undecodable]
    for (const path of paths) {
      const { headers } = await site.get(path)
      assert.ok(headers.get("content-security-policy")?.startsWith("default-src 'none'"), path)
      assert.strictEqual(headers.get("x-content-type-options"), "nosniff", path)
      assert.strictEqual(headers.get("x-frame-options"), "DENY", path)
      assert.strictEqual(headers.get("referrer-policy"), "no-referrer", path)
      assert.strictEqual(headers.get("access-control-allow-origin"), null, path)
      if (path.startsWith("/api")) assert.strictEqual(headers.get("cache-control"), "no-store", path)
    }
  })
  it("guards addresses that cannot be decoded", async () => {
    assert.strictEqual(await statusOf("/api/flow-runs/%ff"), 404)
    assert.strictEqual(await statusOf("/api/flow-runs/%ff", { headers: { authorization: "" } }), 401)
    assert.strictEqual(await statusOf("/x%", { headers: { host: "evil.example" } }), 421)
    assert.strictEqual(await statusOf("/x%", { method: "POST" }), 405)
    assert.strictEqual(await statusOf("/flow-runs/%", { headers: { authorization: "" } }), 200)
  })
  it("gives the page's files and addresses, and nothing else", async () => {
    const page = await (await site.get("/flow-runs")).text()
    const script = /src="(\/assets\/main-[0-9a-f]+\.js)"/.exec(page)?.[1] ?? ""
    assert.strictEqual(await statusOf(script), 200)
    for (
      const path of [
        "/assets/../manifest.json",
        "/assets/%2e%2e/package.json",
        "/..%2f..%2fetc/passwd",
        "/manifest.json",
        "/package.json",
        "/assets/main.js",
        "/a%5Cb"
      ]
    ) assert.strictEqual(await statusOf(path), 404, path)
    assert.strictEqual(await statusOf(`/flow-runs/run/tasks/${encodeURIComponent("a slug.with dots")}`), 200)
  })
  it("tells nothing of the server when it fails", async () => {
    const answer = await (await site.get("/api/task-runs/nope")).text()
    assert.ok(!answer.includes("node_modules") && !answer.includes(" at "))
  })
})

describe("a backend of one's own", () => {
  it("mounts the page below a prefix, with its own authentication", async () => {
    const mounted = memorySite(tables, {
      prefix: "/prefect",
      authorize: (request) => Effect.succeed(request.headers["x-user"] === "ada")
    })
    assert.strictEqual((await mounted.get("/prefect/api/backend")).status, 401)
    assert.strictEqual((await mounted.get("/prefect/api/backend", { headers: { "x-user": "ada" } })).status, 200)
    const page = await (await mounted.get("/prefect/flow-runs")).text()
    assert.ok(page.includes("content=\"/prefect\""))
    assert.match(page, /src="\/prefect\/assets\/main-/)
    assert.strictEqual((await mounted.get("/flow-runs")).status, 404)
    await mounted.close()
  })
})
