/**
 * The command on a terminal, as a user sees it: on a pseudo-terminal of Python's `pty`, in colours that are compared
 * with Prefect 1.4.1's own, with bash's own completion.
 */
import * as State from "@effect-prefect/core/State"
import * as CliOutput from "effect/cli/CliOutput"
import * as assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { shades, style } from "../packages/cli/src/internal/colors.ts"
import { visible } from "../packages/cli/src/internal/terminal.ts"
import { check } from "./support/check.ts"
import { root } from "./support/folder.ts"
import { run } from "./support/process.ts"
import { prefect1, venv } from "./support/python.ts"

const command = join(root, "packages/cli/bin/effect-prefect.js")
const archive = join(root, "fixtures/prefect-1")
const flowRunId = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"
const home = mkdtempSync(join(tmpdir(), "effect-prefect-terminal-"))
process.on("exit", () => rmSync(home, { recursive: true, force: true }))

interface Session {
  readonly columns?: number
  readonly env?: Readonly<Record<string, string>>
  /** Typed input, each entry after a text has appeared or a file exists. */
  readonly steps?: ReadonlyArray<
    { readonly send: string } & ({ readonly await: string } | { readonly file: string })
  >
  /** A file for standard output; the terminal by default. */
  readonly stdout?: string
}

interface Recorded {
  readonly text: string
  readonly code: number
}

const record = async (args: ReadonlyArray<string>, session: Session = {}): Promise<Recorded> => {
  const asked = {
    args,
    columns: session.columns ?? 100,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: home,
      LANG: "C.UTF-8",
      TERM: "xterm-256color",
      TZ: "UTC",
      ...session.env
    },
    steps: session.steps ?? [],
    stdout: session.stdout ?? null,
    seconds: 60
  }
  const script = join(import.meta.dirname, "terminal.pty.py")
  const { stdout } = await run("python3", [script], { input: JSON.stringify(asked) })
  return JSON.parse(stdout) as Recorded
}

const effectPrefect = (args: ReadonlyArray<string>, session?: Session) =>
  record([process.execPath, command, ...args], session)

const escape = "\u001b["

/** The text between the control sequences, and each sequence before its text: `31m`, `2K`. */
const sequences = (text: string) => {
  const [before = "", ...rest] = text.split(escape)
  const parsed = rest.map((part) => {
    const [all = "", code = ""] = /^([\d;]*[A-Za-z])/.exec(part) ?? assert.fail(`not a control sequence: ${part}`)
    return { code, text: part.slice(all.length) }
  })
  return { before, rest: parsed }
}

/** The final content of the screen: the lines that are not empty. Fails on unknown control sequences. */
const screen = (text: string): ReadonlyArray<string> => {
  const lines: Array<Array<string>> = [[]]
  let column = 0
  const { before, rest } = sequences(text)
  const plain = before + rest.map(({ code, text }) => {
    assert.match(code, /^(2K|[\d;]*m)$/, "only colours, and a line that is cleared")
    return (code === "2K" ? "\0" : "") + text
  }).join("")
  for (const character of plain) {
    const line = lines.at(-1)!
    if (character === "\n") lines.push(Array.from({ length: column }, () => " "))
    else if (character === "\r") column = 0
    else if (character === "\0") line.length = 0
    else line[column++] = character
  }
  return lines.map((line) => Array.from(line, (character) => character ?? " ").join("").trimEnd())
    .filter((line) => line !== "")
}

const { run: python } = await venv(prefect1)

/** Hue in degrees and saturation of a colour, and its relative luminance as WCAG 2 defines it. */
const measured = (hex: string) => {
  const [red = 0, green = 0, blue = 0] = [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
  const most = Math.max(red, green, blue)
  const spread = most - Math.min(red, green, blue)
  const hue = spread === 0
    ? 0
    : most === red
    ? ((green - blue) / spread + 6) % 6
    : most === green
    ? (blue - red) / spread + 2
    : (red - green) / spread + 4
  const linear = [red, green, blue].map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
  return { hue: hue * 60, spread, luminance: 0.2126 * linear[0]! + 0.7152 * linear[1]! + 0.0722 * linear[2]! }
}

await check("the colours of states have Prefect's hues, and a contrast of 4.5:1 on black and on white", async () => {
  const probe = `
import json, prefect.engine.state as states
print(json.dumps({name: of.color for name, of in vars(states).items()
  if isinstance(of, type) and issubclass(of, states.State) and of is not states.State and not name.startswith("_")}))
`
  const theirs = JSON.parse((await python(["-c", probe])).stdout.trim().split("\n").at(-1) ?? "") as Record<
    string,
    string
  >
  assert.ok(Object.keys(theirs).length >= 20)
  for (const [type, colour] of Object.entries(theirs)) {
    if (type.startsWith("_")) continue
    const state = State.fromJson({ type, message: null })
    assert.equal(state._tag, type)
    const shade = shades[type]
    assert.ok(shade !== undefined, type)
    const [red, green, blue] = [0, 2, 4].map((at) => Number.parseInt(shade.slice(at, at + 2), 16))
    assert.equal(visible(style("full").state(state, "x")), `\u001b[38;2;${red};${green};${blue}mx\u001b[39m`, type)
    const [ours, prefects] = [measured(shade), measured(colour.slice(1))]
    assert.ok((ours.luminance + 0.05) / 0.05 >= 4.5, type)
    assert.ok(1.05 / (ours.luminance + 0.05) >= 4.5, type)
    const apart = Math.abs(ours.hue - prefects.hue)
    assert.ok(prefects.spread === 0 || Math.min(apart, 360 - apart) < 3, type)
  }
})

await check("states are in colour on a terminal, and each line ends without one", async () => {
  const list = ["flow-run", "task-runs", flowRunId, "--archive", archive]
  const basic = await effectPrefect(list)
  assert.equal(basic.code, 0)
  for (const cell of ["\u001b[32mSuccess", "\u001b[31mFailed", "\u001b[34mMapped"]) assert.ok(basic.text.includes(cell))
  const full = await effectPrefect(list, { env: { COLORTERM: "truecolor" } })
  assert.ok(full.text.includes("\u001b[38;2;32;135;56mSuccess"))
  for (const text of [basic.text, full.text]) {
    for (const line of text.split("\r\n")) {
      assert.ok(["39m", "22m", undefined].includes(sequences(line).rest.at(-1)?.code), JSON.stringify(line))
    }
  }
})

for (const env of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
  await check(`nothing is in colour under ${JSON.stringify(env)}`, async () => {
    for (
      const args of [["flow-run", "task-runs", flowRunId, "--archive", archive], [
        "flow-run",
        "show",
        flowRunId,
        "--archive",
        archive
      ]]
    ) {
      const { code, text } = await effectPrefect(args, { env })
      assert.equal(code, 0)
      assert.ok(text.includes("Failed"))
      assert.ok(!text.includes("\u001b"))
    }
  })
}

const tables: ReadonlyArray<ReadonlyArray<string>> = [
  ["flow", "list"],
  ["flow-run", "list"],
  ["flow-run", "task-runs", flowRunId],
  ["flow-run", "results", flowRunId],
  ["task-run", "mapped", "--slug", "score-1", "--flow-run", flowRunId]
]
for (const columns of [60, 100, 200]) {
  await check(`tables fit ${columns} columns, ids whole`, async () => {
    for (const args of tables) {
      const { code, text } = await effectPrefect([...args, "--archive", archive], { columns })
      assert.equal(code, 0, text)
      const lines = screen(text)
      assert.ok(lines.length >= 2, text)
      for (const line of lines) assert.ok(CliOutput.displayWidth(line) <= columns, line)
      if (!/^(FLOW|TASK) /.test(lines[0] ?? "")) assert.fail(lines[0])
      if (args.includes("list") || args.includes("task-runs")) {
        for (const line of lines.slice(1)) assert.match(line, /^[0-9a-f-]{36}( |$)/)
      }
    }
  })
}

await check("a terminal that does not know its size has tables as wide as they are", async () => {
  const args = ["flow-run", "list", "--archive", archive]
  const { text } = await effectPrefect(args, { columns: 0 })
  assert.deepEqual(screen(text), screen((await effectPrefect(args, { columns: 200 })).text))
})

for (const columns of [16, 60]) {
  await check(`a progress bar of a terminal of ${columns} columns leaves nothing behind`, async () => {
    const stdout = join(home, "mapped.jsonl")
    const args = ["task-run", "mapped", "--slug", "score-1", "--flow-run", flowRunId, "--archive", archive, "--json"]
    const { code, text } = await effectPrefect(args, { columns, stdout })
    assert.equal(code, 0)
    assert.match(text, /score-1/)
    if (columns === 60) assert.match(text, /[█░]{24} \d+\/24/)
    for (const { text: drawn } of sequences(text).rest) {
      assert.ok(CliOutput.displayWidth(drawn.trim()) < columns, drawn)
    }
    assert.deepEqual(screen(text), [])
    assert.equal(readFileSync(stdout, "utf8").trim().split("\n").length, 24)
  })
}

await check("an error is one plain line", async () => {
  const { code, text } = await effectPrefect(["flow-run", "show", "nothing", "--archive", archive])
  assert.equal(code, 1)
  assert.equal(text.trimEnd().split("\r\n").length, 1)
  assert.match(text, /^effect-prefect: /)
})

await check("Ctrl-C ends a command that waits for an answer with 130, and leaves no file", async () => {
  const folder = mkdtempSync(join(home, "output-"))
  const asked = join(home, "asked")
  const server = createServer(() => writeFileSync(asked, ""))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { code, text } = await effectPrefect(
      ["task-run", "result", flowRunId, "--api", url, "--output", join(folder, "out")],
      { steps: [{ file: asked, send: "\u0003" }] }
    )
    assert.equal(code, 130, text)
    assert.deepEqual(screen(text), ["^C"])
    assert.deepEqual(readdirSync(folder), [])
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

await check("Ctrl-C ends serve", async () => {
  const { code, text } = await effectPrefect(["serve", "--archive", archive, "--port", "0"], {
    steps: [{ await: "Ctrl-C ends it", send: "\u0003" }]
  })
  assert.equal(code, 130, text)
  assert.deepEqual(screen(text).length, 2, text)
})

/** The output of `--completions bash`, in a file to source. */
const completions = join(home, "completions.bash")
writeFileSync(completions, (await run(process.execPath, [command, "--completions", "bash"])).stdout)

await check("Tab completes subcommands and flags in bash", async () => {
  const steps = [
    { await: "ready> ", send: `source ${completions}; echo sour''ced\n` },
    { await: "sourced\r\nready> ", send: "effect-prefect task-run res\t" },
    { await: "task-run result ", send: "--ou\t" },
    // Ctrl-U erases the line.
    { await: "--output ", send: "\u0015effect-prefect fl\t\t\t" },
    { await: "flow-run", send: "\u0015exit\n" }
  ]
  const { text } = await record(["bash", "--norc", "--noprofile", "-i"], {
    steps,
    env: { TERM: "dumb", PS1: "ready> ", INPUTRC: "/dev/null" }
  })
  assert.match(text, /\nflow +flow-run/)
})

await check("bash's completion function names every subcommand", async () => {
  const complete = async (...words: ReadonlyArray<string>) => {
    const script = `source '${completions}'; COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); ` +
      `COMP_CWORD=${words.length - 1}; COMP_LINE='${words.join(" ")}'; COMP_POINT=\${#COMP_LINE}; ` +
      "_effect_prefect effect-prefect \"${COMP_WORDS[COMP_CWORD]}\"; printf '%s\\n' \"${COMPREPLY[@]}\""
    return (await run("bash", ["--norc", "--noprofile", "-c", script])).stdout.trim().split("\n").toSorted()
  }
  assert.deepEqual(await complete("effect-prefect", ""), [
    "archive",
    "collect",
    "doctor",
    "flow",
    "flow-run",
    "profile",
    "serve",
    "task-run",
    "ui"
  ])
  assert.deepEqual(await complete("effect-prefect", "fl"), ["flow", "flow-run"])
  assert.deepEqual(await complete("effect-prefect", "flow-run", ""), [
    "artifacts",
    "list",
    "logs",
    "result",
    "results",
    "show",
    "states",
    "task-runs",
    "watch"
  ])
  assert.deepEqual(await complete("effect-prefect", "task-run", "m"), ["mapped"])
  assert.deepEqual(await complete("effect-prefect", "flow-run", "logs", "--level", "w"), ["warning"])
})

/** The command by its name, for a shell. */
const bin = join(home, "bin")
mkdirSync(bin)
writeFileSync(join(bin, "effect-prefect"), `#!/bin/sh\nexec '${process.execPath}' '${command}' "$@"\n`, { mode: 0o755 })

await check("Tab completes flow runs, slugs and states of the archive in bash", async () => {
  const steps = [
    { await: "ready> ", send: `source ${completions}; echo sour''ced\n` },
    { await: "sourced\r\nready> ", send: `effect-prefect flow-run show --archive ${archive} 6cda\t` },
    {
      await: `${flowRunId} `,
      send: `\u0015effect-prefect task-run show --archive ${archive} -F ${flowRunId} --slug sum\t`
    },
    { await: "summary-1 ", send: "\u0015effect-prefect flow-run list --state Trig\t" },
    { await: "TriggerFailed ", send: "\u0015exit\n" }
  ]
  const { code } = await record(["bash", "--norc", "--noprofile", "-i"], {
    steps,
    columns: 250,
    env: { TERM: "dumb", PS1: "ready> ", INPUTRC: "/dev/null", PATH: `${bin}:${process.env["PATH"] ?? ""}` }
  })
  assert.equal(code, 0)
})
