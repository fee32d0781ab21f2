import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:net"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { hurriedClock } from "../../core/test/hurriedClock.ts"
import { archives, compileCache, run } from "./support.ts"

const archive = archives["prefect-1"]
const flowRunId = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"
const extract = "96cb3741-6155-50af-acc9-55f601654afa"
const bin = fileURLToPath(new URL("../bin/effect-prefect.js", import.meta.url))

/** So long that a busy machine does not reach it. */
const patient = { EFFECT_PREFECT_COMPLETE_TIMEOUT: "200000" }

const complete = async (kind: string, ...words: ReadonlyArray<string>) =>
  (await run(["complete", kind, "--", ...words], patient)).stdout.split("\n").slice(0, -1)

describe("candidates", () => {
  it("of a flow run are the latest of each flow, and names and ids of the newest", async () => {
    assert.deepStrictEqual(await complete("runs", "flow-run", "show", "--archive", archive, ""), [
      "nightly/latest",
      "orders-etl/latest",
      "orders-etl-run",
      "nightly-run",
      flowRunId,
      "6770c769-cdfa-5273-844b-48c8401ba494"
    ])
    assert.include(
      await complete("runs", "flow-run", "show", `--archive=${archive}`, "orders-etl/latest:F"),
      "orders-etl/latest:Failed"
    )
  })

  it("of a task run are those whose id begins as the word does, else the newest, the failed ones first", async () => {
    const found = await complete("taskRuns", "task-run", "show", "--archive", archive, extract.slice(0, 3))
    assert.include(found, extract)
    for (const id of found) assert.isTrue(id.startsWith(extract.slice(0, 3)))
    assert.isAbove((await complete("taskRuns", "task-run", "show", "--archive", archive, "")).length, 10)
  })

  it("of a slug are those of the flow run that the line names, or of the newest", async () => {
    const named = await complete(
      "slugs",
      "task-run",
      "show",
      "--archive",
      archive,
      "-F",
      "orders-etl/latest",
      "--slug",
      ""
    )
    assert.include(named, "summary-1")
    const operand = await complete(
      "slugs",
      "flow-run",
      "task-runs",
      "--json",
      flowRunId,
      "--archive",
      archive,
      "--slug",
      ""
    )
    assert.deepStrictEqual(operand, named)
  })

  it("of a state, a flow and a profile come without descriptions unless they are asked for", async () => {
    assert.include(await complete("states", "flow-run", "list", "--state", ""), "TriggerFailed")
    assert.notInclude(await complete("states", "flow-run", "list", "--state", ""), "CRASHED")
    assert.include(await complete("states", "flow-run", "list", "--prefect3", "http://x", "--state", ""), "CRASHED")
    assert.sameMembers(await complete("flows", "flow-run", "list", "--archive", archive, "--flow", ""), [
      "nightly",
      "orders-etl"
    ])
    assert.deepStrictEqual(await complete("profiles", "flow-run", "list", "--profile", ""), [])
    const described = await run(
      ["complete", "--descriptions", "slugs", "--", "task-run", "--archive", archive, ""],
      patient
    )
    assert.match(described.stdout, /^summary-1\tSuccess$/m)
  })

  it("that cannot be found are none, and nothing is said", async () => {
    for (
      const args of [
        ["nonsense", "--", ""],
        ["runs", "--", "flow-run", "show", ""],
        ["runs", "--", "flow-run", "show", "--archive", "/no/such/folder", ""],
        ["slugs", "--", "task-run", "show", "--archive", archive, "-F", "no-such-run", "--slug", ""],
        ["runs", "--", "flow-run", "show", "--archive", archive, "--api", "http://x", ""]
      ]
    ) {
      const { stderr, stdout } = await run(["complete", ...args])
      assert.strictEqual(stdout + stderr, "")
    }
  })

  describe("of a server that never answers", () => {
    let silent: Server
    beforeAll(async () => {
      silent = createServer((socket) => void socket.resume())
      await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve))
    })
    afterAll(() => void silent.close())

    it("are given up", async () => {
      const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
      const { code, stderr, stdout } = await run(
        ["complete", "runs", "--", "flow-run", "show", "--api", url, ""],
        {},
        hurriedClock
      )
      assert.strictEqual(stdout + stderr, "")
      assert.strictEqual(code, 1)
    })
  })
})

describe("the script of --completions", () => {
  const home = mkdtempSync(join(tmpdir(), "completions-"))
  afterAll(() => rmSync(home, { recursive: true, force: true }))

  it("asks for the values of every shell but PowerShell, and holds no placeholder", async () => {
    for (const shell of ["bash", "zsh", "fish", "powershell"]) {
      const { code, stdout } = await run(["--completions", shell])
      assert.strictEqual(code, 0)
      assert.notMatch(stdout, /__effect_prefect_(?!ask\b)/, shell)
      assert.include(stdout, "task-runs")
      assert.notInclude(stdout, "Print the values that may complete a line")
      if (shell !== "powershell") {
        for (const kind of ["states", "flows", "runs", "taskRuns", "slugs", "labels", "profiles"]) {
          assert.match(stdout, new RegExp(`_effect_prefect(_|--)ask ${kind}`), shell)
        }
      }
    }
  })

  const command = join(home, "effect-prefect")
  const scripted = (text: string) => {
    writeFileSync(command, text)
    chmodSync(command, 0o755)
  }

  const completed = async (...words: ReadonlyArray<string>) => {
    const script = join(home, "script.bash")
    writeFileSync(script, (await run(["--completions", "bash"])).stdout)
    // As bash itself divides a line: at blanks, and around colons and equals signs.
    const parts = words.flatMap((word) => word === "" ? [""] : word.split(/([:=])/).filter((part) => part !== ""))
    const text = `source '${script}'; COMP_WORDS=(${parts.map((part) => `'${part}'`).join(" ")}); ` +
      `COMP_CWORD=${parts.length - 1}; COMP_LINE='${words.join(" ")}'; COMP_POINT=\${#COMP_LINE}; ` +
      "_effect_prefect effect-prefect \"${COMP_WORDS[COMP_CWORD]}\"; printf '%s\\n' \"${COMPREPLY[@]}\""
    const { stderr, stdout } = await promisify(execFile)("bash", ["--norc", "--noprofile", "-c", text], {
      env: { PATH: `${home}:${process.env["PATH"] ?? ""}`, HOME: home, TZ: "UTC", ...patient, ...compileCache }
    })
    assert.strictEqual(stderr, "")
    return stdout.split("\n").filter((line) => line !== "")
  }

  /** Has the command of the script be run in this process, since one of its own takes half a second. */
  const servedHere = async (asks: Array<string | undefined>) => {
    const end = "\0\0"
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      let asked = ""
      socket.setEncoding("utf8").on("data", (text: string) => {
        asked += text
        if (!asked.endsWith(end)) return
        const args = asked.slice(0, -end.length).split("\n")
        asks.push(args[1])
        void run(args, patient).then(({ stdout }) => socket.end(stdout))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    scripted(
      `#!/usr/bin/env bash\nIFS=$'\\n'; exec 3<>/dev/tcp/127.0.0.1/${port}\n` +
        "printf '%s\\0\\0' \"$*\" >&3\ncat <&3\n"
    )
    return server
  }

  it("completes states, runs, slugs and task runs in bash", async () => {
    scripted(`#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`)
    assert.deepStrictEqual(await completed(command, "flow-run", "list", "--state", "Tri"), ["TriggerFailed"])
    const asks: Array<string | undefined> = []
    await using _server = await servedHere(asks)
    assert.deepStrictEqual(await completed(command, "flow-run", "show", "--archive", archive, "6cda"), [flowRunId])
    assert.deepStrictEqual(
      await completed(command, "flow-run", "show", "--archive", archive, "orders-etl/latest:Failed"),
      ["Failed"]
    )
    assert.deepStrictEqual(
      await completed(command, "task-run", "result", "--archive", archive, "-F", "orders-etl/latest", "--slug", "sum"),
      ["summary-1"]
    )
    assert.deepStrictEqual(await completed(command, "task-run", "show", "--archive", archive, extract.slice(0, 8)), [
      extract
    ])
    assert.deepStrictEqual(await completed(command, "flow-run", "logs", "--level", "w"), ["warning"])
    assert.deepStrictEqual(await completed(command, "task-run", "m"), ["mapped"])
    assert.deepStrictEqual(asks, ["runs", "runs", "slugs", "taskRuns"])
  })
})
