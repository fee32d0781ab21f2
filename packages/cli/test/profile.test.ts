import { assert, describe, it } from "@effect/vitest"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { hurriedClock } from "../../core/test/hurriedClock.ts"
import { archives, run } from "./support.ts"

const archive = archives["prefect-1"]

const withConfig = async (body: (env: Record<string, string>, file: string) => Promise<void>) => {
  const folder = mkdtempSync(join(tmpdir(), "effect-prefect-config-"))
  try {
    await body({ XDG_CONFIG_HOME: folder }, join(folder, "effect-prefect", "config.toml"))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const names = (stdout: string) =>
  stdout.trim().split("\n").map((line) => (JSON.parse(line) as { readonly name: string }).name).sort()

const flows = ["nightly", "orders-etl"]

describe("profiles", () => {
  it("keep a backend and its mounts, so that they are typed once", () =>
    withConfig(async (env, file) => {
      const set = await run(["profile", "set", "old", "--archive", archive, "--mount", `/srv/x=${archive}`], env)
      assert.strictEqual(set.code, 0, set.stderr)
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.deepStrictEqual(names((await run(["flow", "list", "--json"], env)).stdout), flows)
      const listed = await run(["profile", "list", "--json"], env)
      assert.deepStrictEqual(JSON.parse(listed.stdout), {
        name: "old",
        active: true,
        backend: "archive",
        value: archive,
        mount: [`/srv/x=${archive}`]
      })
    }))

  it("are chosen by a flag, a variable, or use; and removed", () =>
    withConfig(async (env) => {
      await run(["profile", "set", "gone", "--archive", "/no/such/folder"], env)
      await run(["profile", "set", "here", "--archive", archive], env)
      assert.strictEqual((await run(["flow", "list"], env)).code, 1)
      assert.deepStrictEqual(names((await run(["flow", "list", "--json", "--profile", "here"], env)).stdout), flows)
      const byVariable = await run(["flow", "list", "--json"], { ...env, EFFECT_PREFECT_PROFILE: "here" })
      assert.deepStrictEqual(names(byVariable.stdout), flows)
      await run(["profile", "use", "here"], env)
      assert.deepStrictEqual(names((await run(["flow", "list", "--json"], env)).stdout), flows)
      await run(["profile", "remove", "here"], env)
      const none = await run(["flow", "list"], env)
      assert.strictEqual(none.code, 2)
      assert.include(none.stderr, "say which backend to ask")
      const unknown = await run(["profile", "use", "gon"], env)
      assert.strictEqual(unknown.code, 1)
      assert.include(unknown.stderr, "there are gone")
    }))

  it("never show a database's password", () =>
    withConfig(async (env) => {
      const set = await run(["profile", "set", "db", "--database", "postgresql://me:hunter2@db/prefect?x=hunter2"], env)
      const listed = await run(["profile", "list"], env)
      const doctor = await run(["doctor"], env)
      for (const { stderr, stdout } of [set, listed, doctor]) assert.notInclude(stdout + stderr, "hunter2")
      assert.include(set.stderr, "password")
      assert.include(listed.stdout, "postgresql://db/prefect")
    }))

  it("of a damaged file name the file and what is wrong", () =>
    withConfig(async (env, file) => {
      mkdirSync(join(file, ".."), { recursive: true })
      const cases = [
        ["active = ", "not valid TOML (line 1)"],
        ["profiles = 3", "profiles must be a table"],
        ["[profiles.a]\narchive = 3", "profiles.a.archive must be a string"],
        ["[profiles.a]\nmount = \"x\"", "profiles.a.mount must be an array of strings"],
        ["[profiles.a]\nurl = \"x\"", "unknown key \"url\""],
        ["active = \"b\"\n[profiles.a]", "there is no profile \"b\""]
      ]
      for (const [text, message] of cases) {
        writeFileSync(file, text!)
        const { code, stderr } = await run(["flow", "list"], env)
        assert.isAbove(code ?? 0, 0)
        assert.include(stderr, message!)
        assert.include(stderr, file)
      }
    }))
})

describe("variables", () => {
  it("name the backend and mounts, and flags come before them", async () => {
    const env = { EFFECT_PREFECT_ARCHIVE: archive, EFFECT_PREFECT_MOUNT: `/srv/a=${archive};/srv/b=${archive}` }
    assert.deepStrictEqual(names((await run(["flow", "list", "--json"], env)).stdout), flows)
    const doctor = (await run(["doctor", "--json"], env)).stdout.trim().split("\n")
      .map((line) => JSON.parse(line) as { readonly what: string; readonly value: string; readonly source: string })
    assert.deepStrictEqual(
      doctor.filter(({ what }) => what === "mount").map(({ source, value }) => [value, source]),
      [[`/srv/a=${archive}`, "EFFECT_PREFECT_MOUNT"], [`/srv/b=${archive}`, "EFFECT_PREFECT_MOUNT"]]
    )
    assert.strictEqual(doctor.find(({ what }) => what === "backend")!.source, "EFFECT_PREFECT_ARCHIVE")
    const flag = await run(["flow", "list", "--archive", "/no/such/folder"], env)
    assert.include(flag.stderr, "--archive: there is no folder /no/such/folder")
    const two = await run(["flow", "list"], { ...env, EFFECT_PREFECT_API: "localhost:4200" })
    assert.strictEqual(two.code, 2)
    assert.include(two.stderr, "give one backend, not EFFECT_PREFECT_ARCHIVE and EFFECT_PREFECT_API")
  })

  it("doctor tells what does not answer, and which mount is not there", async () => {
    const { code, stdout } = await run(
      ["doctor", "--api", "127.0.0.1:9", "--mount", "/srv/x=/no/such/folder"],
      {},
      hurriedClock
    )
    assert.strictEqual(code, 1)
    assert.include(stdout, "there is no folder /no/such/folder")
    assert.match(stdout, /answers +the backend is not available/)
  })
})

it("profile set writes what was there before it and nothing else", () =>
  withConfig(async (env, file) => {
    await run(["profile", "set", "a", "--archive", archive], env)
    const before = readFileSync(file, "utf8")
    const refused = await run(["profile", "set", "b"], env)
    assert.strictEqual(refused.code, 2)
    const two = await run(["profile", "set", "b", "--archive", archive, "--api", "x"], env)
    assert.strictEqual(two.code, 2)
    assert.strictEqual(readFileSync(file, "utf8"), before)
  }))
