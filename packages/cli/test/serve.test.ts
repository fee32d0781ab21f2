import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { onTestFinished } from "vitest"
import { startPglite } from "../../api/test/pglite.ts"
import { emptyKind } from "../src/internal/serveArchive.ts"
import { folderOf } from "../src/internal/serverPackages.ts"
import { archives, cacheFolder, loadedBefore, run, serve, serveHere } from "./support.ts"

const parsed = (lines: string): ReadonlyArray<unknown> =>
  lines.trim().split("\n").map((line) => JSON.parse(line) as unknown)

/** The data of a database of another version: a tar of one file. */
const dataOfVersion = (version: string): Buffer => {
  const tar = Buffer.alloc(1_024)
  tar.write("/PG_VERSION")
  tar.write(version.length.toString(8).padStart(11, "0"), 124)
  tar.write("0", 156)
  tar.write(version, 512)
  return tar
}

/** The one empty database that a cache keeps. */
const keptEmpty = (folder: string): Buffer => {
  const files = readdirSync(folder, { encoding: "utf8", recursive: true })
  const [file = "", ...others] = files.filter((file) => basename(file) === "empty.data")
  assert.deepStrictEqual(others, [])
  return readFileSync(join(folder, file))
}

/** An archive of one task run. */
const smallArchive = (id = "00000000-0000-4000-8000-000000000001"): string => {
  const made = mkdtempSync(join(tmpdir(), "serve-"))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  mkdirSync(join(made, "tables"))
  writeFileSync(join(made, "tables", "task_run.jsonl"), `{"id": "${id}"}\n`)
  return made
}

const served: ReadonlyArray<readonly [name: keyof typeof archives, apiKey: string | undefined]> = [
  ["prefect-1", undefined],
  ["prefect-0.15", "canary-key"]
]

describe.each(served)("serve --archive %s", (name, apiKey) => {
  it("says over HTTP what the archive says, line by line, to those who have the key", async () => {
    const archive = archives[name]
    const cache = await cacheFolder()
    // One that no database starts from costs only time, and is replaced.
    const older = dataOfVersion("99")
    await cache.keep(folderOf("@electric-sql/pglite"), emptyKind(), older)
    // One loads its archive in a process of its own, the other in this one has loaded it before.
    await using server = apiKey === undefined
      ? await serveHere(["--archive", archive, "--port", "0", "--host", "127.0.0.2"], await loadedBefore(archive))
      : await serve(["--archive", archive, "--port", "0", "--api-key", apiKey], cache.env)
    assert.include(server.url, apiKey === undefined ? "127.0.0.2" : "127.0.0.1")
    const env: Record<string, string> = apiKey === undefined ? {} : { PREFECT__CLOUD__API_KEY: apiKey }
    const mounts = JSON.parse(readFileSync(join(archive, "mounts.json"), "utf8")) as Record<string, string>
    const flags = Object.entries(mounts).flatMap(([from, to]) => ["--mount", `${from}=${join(archive, to)}`])
    const flowRuns = (await run(["flow-run", "list", "--archive", archive, "--json"])).stdout
    // Postgres's jsonb has an order of keys of its own.
    const overApi = (await run(["flow-run", "list", "--api", server.url, "--json"], env)).stdout
    assert.deepStrictEqual(parsed(overApi), parsed(flowRuns))
    for (const line of flowRuns.trim().split("\n")) {
      const id = (JSON.parse(line) as { readonly flow_run_id: string }).flow_run_id
      const overHttp = await run(["flow-run", "results", id, "--api", server.url, "--json", ...flags], env)
      assert.strictEqual(overHttp.stderr, "")
      const direct = await run(["flow-run", "results", id, "--archive", archive, "--json"])
      assert.strictEqual(overHttp.stdout, direct.stdout)
      const logs = await run(["flow-run", "logs", id, "--api", server.url, "--json"], env)
      assert.strictEqual(logs.stdout, (await run(["flow-run", "logs", id, "--archive", archive, "--json"])).stdout)
    }
    if (apiKey !== undefined) {
      const refused = await run(["flow", "list", "--api", server.url])
      assert.strictEqual(refused.code, 1)
      assert.strictEqual(refused.stderr.trim().split("\n").length, 1)
      assert.include(refused.stderr, "credentials")
      const wrong = await run(["flow", "list", "--api", server.url], { PREFECT__CLOUD__API_KEY: "canary-wrong" })
      assert.strictEqual(wrong.code, 1)
      assert.notInclude(wrong.stderr, "canary")
      // The empty database that it made is kept for other archives, with nothing of the one that it was made for.
      while (keptEmpty(cache.folder).equals(older)) await new Promise((resolve) => setTimeout(resolve, 20))
      const right = await run(["flow", "list", "--api", server.url], env)
      assert.strictEqual(right.code, 0, right.stderr)
      const empty = keptEmpty(cache.folder)
      assert.isFalse(empty.includes("task_run"))
      const id = "00000000-0000-4000-8000-0000000000e1"
      await using other = await serveHere(["--archive", smallArchive(id), "--port", "0"], cache.env)
      const response = await fetch(other.url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: `{"query": "{ task_run { id } }"}`
      })
      assert.deepStrictEqual(await response.json(), { data: { task_run: [{ id }] } })
      await other.stop()
      assert.isTrue(keptEmpty(cache.folder).equals(empty))
    }
    const ended = await server.stop()
    assert.include(ended.stderr, "task_run")
    assert.strictEqual(ended.code, 130)
    assert.notInclude(ended.stdout + ended.stderr, "canary")
  })
})

describe("the key of serve", () => {
  const folder = () => {
    const made = smallArchive()
    writeFileSync(join(made, "key"), "canary-file\n")
    writeFileSync(join(made, "empty"), "\n")
    return made
  }

  const checkKeys = async (made: string, database: string) => {
    const variables = { EFFECT_PREFECT_SERVE_API_KEY: "canary-variable" }
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, Record<string, string>, string]> = [
      [["--api-key-file", join(made, "key")], variables, "canary-file"],
      [[], variables, "canary-variable"],
      [[], { EFFECT_PREFECT_SERVE_API_KEY_FILE: join(made, "key") }, "canary-file"]
    ]
    for (const [flags, env, key] of cases) {
      await using server = await serveHere(["--database", database, "--port", "0", ...flags], env)
      const ask = async (bearer: string) => {
        const response = await fetch(server.url, {
          method: "POST",
          headers: { "content-type": "application/json", authorization: `Bearer ${bearer}` },
          body: `{"query": "{ hello }"}`
        })
        return response.text()
      }
      assert.include(await ask(key), `"hello":"hello"`)
      assert.include(await ask("canary-other"), "UNAUTHENTICATED")
      const { stderr, stdout } = await server.stop()
      assert.notInclude(stdout + stderr, "canary")
    }
  }

  it.live("is taken from a file or a variable, the flag's before the variable's", () =>
    Effect.gen(function*() {
      const { url } = yield* startPglite({})
      yield* Effect.promise(() => checkKeys(folder(), `${url}?sslmode=disable`))
    }).pipe(Effect.scoped))

  it("is an error when its file does not hold one, and given once", async () => {
    const made = folder()
    const archive = ["serve", "--archive", made, "--port", "0"]
    const missing = await run([...archive, "--api-key-file", join(made, "nothing")])
    assert.strictEqual(missing.code, 1)
    assert.match(missing.stderr, /--api-key-file cannot be read \(ENOENT\)/)
    const empty = await run(archive, { EFFECT_PREFECT_SERVE_API_KEY_FILE: join(made, "empty") })
    assert.strictEqual(empty.code, 1)
    assert.match(empty.stderr, /EFFECT_PREFECT_SERVE_API_KEY_FILE does not hold a key/)
    const twice = await run([...archive, "--api-key", "canary-flag", "--api-key-file", join(made, "key")])
    assert.strictEqual(twice.code, 2)
    assert.notInclude(twice.stderr, "canary")
  })
})
