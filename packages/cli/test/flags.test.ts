/**
 * Each flag of each command changes what happens. The flags are those of the parser itself: a new one without a case
 * fails here, as does one that its command ignores.
 */
import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll } from "vitest"
import * as Recorded from "../../api/test/prefect3Server.ts"
import { loadAll } from "../src/Cli.ts"
import { run } from "./support.ts"

const uuid = (kind: number, at: number) => `0000000${kind}-0000-4000-8000-${String(at).padStart(12, "0")}`
const folder = mkdtempSync(join(tmpdir(), "flags-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const success = (at: number) => ({
  type: "Success",
  _result: { type: "LocalResult", location: `/w/${at}`, dir: "/w" }
})
const taskRun = (at: number, task: number, mapIndex: number, state: object, run = 1) => ({
  id: uuid(3, at),
  flow_run_id: uuid(1, run),
  task_id: uuid(2, task),
  map_index: mapIndex,
  serialized_state: state
})
const history = (id: number, column: string, run: string) => ({
  id: uuid(6, id),
  [column]: run,
  timestamp: "2022-03-01T12:00:00+00:00",
  version: 1,
  serialized_state: { type: "Success" }
})
const tables = {
  flow: [1, 2, 3, 4].map((at) => ({ id: uuid(4, at), name: ["one", "two", "three", "four"][at - 1] })),
  flow_run: [1, 2, 3, 4].map((at) => ({
    id: uuid(1, at),
    flow_id: uuid(4, at),
    name: `run ${5 - at}`,
    labels: [`label ${at}`],
    serialized_state: at === 4
      ? success(3)
      : { type: at === 1 ? "Success" : at === 2 ? "Failed" : "Running" },
    start_time: `2022-03-0${at}T12:00:00+00:00`,
    end_time: `2022-03-0${at}T13:00:00+00:00`,
    created: `2022-03-0${at}T12:00:00+00:00`
  })),
  task: [{ id: uuid(2, 1), slug: "mapped-1" }, { id: uuid(2, 2), slug: "table-1" }],
  task_run: [
    taskRun(0, 1, -1, { type: "Mapped", n_map_states: 2 }),
    taskRun(1, 1, 0, success(1)),
    taskRun(2, 1, 1, success(2)),
    taskRun(3, 2, -1, success(3)),
    taskRun(4, 2, -1, { type: "Failed" }, 2)
  ],
  log: ["DEBUG", "ERROR"].flatMap((level, at) =>
    [uuid(3, 3), uuid(3, 4)].map((task, run) => ({
      id: uuid(5, at * 2 + run),
      flow_run_id: uuid(1, run + 1),
      task_run_id: task,
      timestamp: `2022-03-01T12:00:0${at}+00:00`,
      level,
      message: `line ${at}`
    }))
  ),
  flow_run_state: [history(1, "flow_run_id", uuid(1, 1))],
  task_run_state: [history(2, "task_run_id", uuid(3, 3))],
  task_run_artifact: [{ id: uuid(7, 1), task_run_id: uuid(3, 3), kind: "markdown", data: { markdown: "# done" } }]
}
const archive = join(folder, "archive")
mkdirSync(join(archive, "tables"), { recursive: true })
mkdirSync(join(archive, "results"))
for (const [table, rows] of Object.entries(tables)) {
  writeFileSync(join(archive, "tables", `${table}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(""))
}
writeFileSync(join(archive, "mounts.json"), JSON.stringify({ "/w": "results" }))
for (const at of [1, 2, 3]) {
  writeFileSync(
    join(archive, "results", String(at)),
    JSON.stringify(at === 3 ? [{ a: at, b: "x" }] : { a: at, b: "x" })
  )
}

/** The arguments that a flag is given; a pair: those without it, too, where they are not those of the command. */
type Given = ReadonlyArray<string> | { readonly without: ReadonlyArray<string>; readonly given: ReadonlyArray<string> }
/** A test of the file shows it, which has the flag among its arguments. */
interface Elsewhere {
  readonly file: string
}
const shownBy = (file: string): Elsewhere => ({ file })
type Cases = Readonly<Record<string, Given | Elsewhere>>

const nowhere = "http://127.0.0.1:1"
const from = ["--archive", archive]
/** What a command with a backend takes besides its own flags. Two backends are one too many. */
const backends = (words: ReadonlyArray<string>): Cases => ({
  archive: { without: words, given: [...words, ...from] },
  api: ["--api", nowhere],
  database: ["--database", "postgresql://nobody@127.0.0.1:1/none"],
  prefect3: ["--prefect3", `${nowhere}/api`],
  profile: ["--profile", "none-of-this-name"]
})
/** Limits that no result fits into. */
const storages: Cases = {
  mount: ["--mount", "/w=/none/of/this/name"],
  "s3-endpoint": ["--s3-endpoint", nowhere],
  "max-bytes": ["--max-bytes", "1"],
  "max-memory": ["--max-memory", "1"],
  "max-children": ["--max-children", "1"],
  concurrency: ["--concurrency", "0"]
}
const printed: Cases = {
  format: ["--format", "csv"],
  output: ["--output", join(folder, "output.json")],
  fields: ["--fields", "a"]
}
const json: Cases = { json: ["--json"] }
const utc: Cases = { utc: ["--utc"] }
const run1 = uuid(1, 1)
const which = (command: string): Cases => ({
  slug: {
    without: ["task-run", command, "--flow-run", run1, ...from],
    given: ["task-run", command, "--flow-run", run1, "--slug", "table-1", ...from]
  },
  "flow-run": {
    without: ["task-run", command, "--slug", "table-1", ...from],
    given: ["task-run", command, "--flow-run", run1, "--slug", "table-1", ...from]
  },
  "map-index": {
    without: ["task-run", command, "--flow-run", run1, "--slug", "mapped-1", ...from],
    given: ["task-run", command, "--flow-run", run1, "--slug", "mapped-1", "--map-index", "7", ...from]
  }
})
const withoutChildren: Cases = {
  mount: storages["mount"]!,
  "s3-endpoint": storages["s3-endpoint"]!,
  concurrency: storages["concurrency"]!
}
/** A folder to write to; what is told of it does not depend on which one it is. */
const place = (number: number) => join(folder, `place-${number}`)
const collecting = (number: number) => ["collect", "--flow-run", run1, "--output", place(number), ...from]
const nothing = (number: number) => ["collect", "--output", place(number), ...from]
/** Refuses every session, but not before the command has looked at its flags. */
const refusing = createServer((socket) => {
  const fields = Buffer.from("SFATAL\0C28P01\0Mno\0\0")
  const head = Buffer.from([0x45, 0, 0, 0, fields.length + 4])
  socket.on("error", () => {}).on("data", () => setTimeout(() => socket.end(Buffer.concat([head, fields])), 300))
}).listen(0, "127.0.0.1")
await once(refusing, "listening")
afterAll(() => refusing.close())
const { port } = refusing.address() as AddressInfo
const worker = ["collect", "worker", "--cluster", `postgresql://nobody@127.0.0.1:${port}/none?sslmode=disable`]
const schema = join(folder, "schema.json")
writeFileSync(schema, JSON.stringify({ a: "int64" }))
const keyFile = join(folder, "key")
writeFileSync(keyFile, "key")
const keyed = ["serve", "--archive", "/none/of/this/name", "--api-key-file", keyFile]
const server = await Recorded.start()
afterAll(() => server[Symbol.asyncDispose]())
const exporting = (number: number) => ["archive", "export", place(number), "--prefect3", server.url]

interface Tried {
  /** The arguments without the flag. */
  readonly base: ReadonlyArray<string>
  readonly cases: Cases
}
const of = (words: ReadonlyArray<string>, ...cases: ReadonlyArray<Cases>): Tried => ({
  base: [...words, ...from],
  cases: Object.assign({}, backends(words), ...cases) as Cases
})

const commands: Readonly<Record<string, Tried>> = {
  "flow list": of(["flow", "list"], utc, json),
  "flow-run list": of(["flow-run", "list"], utc, json, {
    flow: ["--flow", "one"],
    state: ["--state", "Failed"],
    since: ["--since", "2022-03-02"],
    until: ["--until", "2022-03-02"],
    label: ["--label", "label 1"],
    sort: ["--sort", "oldest"],
    limit: ["--limit", "1"]
  }),
  "flow-run show": of(["flow-run", "show", run1], utc, json),
  "flow-run task-runs": of(["flow-run", "task-runs", run1], utc, json, {
    state: ["--state", "Mapped"],
    slug: ["--slug", "table-1"],
    mapped: ["--mapped"]
  }),
  "flow-run result": of(["flow-run", "result", uuid(1, 4)], storages, printed, json, { raw: ["--raw"] }),
  "flow-run results": of(["flow-run", "results", run1], storages, printed, json),
  "flow-run logs": of(["flow-run", "logs", run1], utc, json, {
    level: ["--level", "error"],
    follow: ["--follow", "--tail", "1"],
    tail: ["--tail", "1"],
    reverse: ["--reverse"],
    timeout: ["--timeout", "0"]
  }),
  "flow-run states": of(["flow-run", "states", run1], utc, json),
  "flow-run artifacts": of(["flow-run", "artifacts", run1], json),
  "flow-run watch": of(["flow-run", "watch", run1], utc, json, {
    level: ["--level", "error"],
    timeout: ["--timeout", "0"]
  }),
  "task-run list": of(["task-run", "list"], json, {
    "flow-run": ["--flow-run", run1],
    flow: ["--flow", "two"],
    slug: ["--slug", "table-1"],
    state: ["--state", "Failed"],
    limit: ["--limit", "1"]
  }),
  "task-run show": of(["task-run", "show", uuid(3, 3)], json, which("show")),
  "task-run result": of(["task-run", "result", uuid(3, 3)], storages, printed, json, which("result"), {
    raw: ["--raw"],
    "max-children": {
      without: ["task-run", "result", uuid(3, 0), ...from],
      given: ["task-run", "result", uuid(3, 0), "--max-children", "1", ...from]
    }
  }),
  "task-run mapped": of(["task-run", "mapped", uuid(3, 0)], storages, printed, json, which("mapped")),
  "task-run logs": of(["task-run", "logs", uuid(3, 3)], utc, json, which("logs"), {
    level: ["--level", "error"],
    tail: ["--tail", "1"],
    reverse: ["--reverse"]
  }),
  "task-run states": of(["task-run", "states", uuid(3, 3)], utc, json, which("states")),
  "archive export": {
    base: exporting(0),
    cases: {
      database: {
        without: ["archive", "export", place(0)],
        given: ["archive", "export", place(0), "--database", "ftp://nowhere"]
      },
      api: ["--api", nowhere],
      prefect3: { without: ["archive", "export", place(0)], given: exporting(0) },
      flow: { without: exporting(1), given: [...exporting(2), "--flow", "none-of-this-name"] },
      since: { without: exporting(1), given: [...exporting(3), "--since", "2999-01-01"] },
      until: { without: exporting(1), given: [...exporting(4), "--until", "1999-01-01"] },
      results: { without: exporting(1), given: [...exporting(5), "--results"] },
      "allow-incomplete": {
        without: [...exporting(5), "--results"],
        given: [...exporting(6), "--results", "--allow-incomplete"]
      },
      ...withoutChildren,
      "max-bytes": ["--max-bytes", "0"],
      "max-memory": ["--max-memory", "0"]
    }
  },
  "archive verify": { base: ["archive", "verify", archive], cases: { concurrency: ["--concurrency", "0"], ...json } },
  "archive index": { base: ["archive", "index", archive], cases: {} },
  collect: {
    base: collecting(0),
    cases: {
      ...backends(["collect", "--flow-run", run1, "--output", place(10)]),
      ...withoutChildren,
      ...json,
      "flow-run": { without: nothing(30), given: [...nothing(31), "--flow-run", run1] },
      slug: { without: collecting(11), given: [...collecting(12), "--slug", "table-1"] },
      flow: { without: nothing(30), given: [...nothing(32), "--flow", "two"] },
      all: { without: nothing(30), given: [...nothing(33), "--all", "--allow-unfinished"] },
      output: {
        without: ["collect", "--flow-run", run1, ...from],
        given: collecting(13)
      },
      format: { without: collecting(11), given: [...collecting(14), "--format", "jsonl"] },
      compression: { without: collecting(11), given: [...collecting(15), "--compression", "gzip"] },
      "part-rows": { without: collecting(11), given: [...collecting(16), "--part-rows", "1"] },
      schema: { without: collecting(11), given: [...collecting(17), "--schema", schema] },
      infer: { without: collecting(11), given: [...collecting(18), "--infer", "1"] },
      cluster: ["--cluster", "ftp://nowhere"],
      processes: ["--processes", "-1"],
      slots: ["--slots", "0"],
      "max-attempts": shownBy("collect.test.ts"),
      "allow-failed": shownBy("collect.test.ts"),
      "allow-unfinished": {
        without: [...nothing(34), "--flow", "three"],
        given: [...nothing(34), "--flow", "three", "--allow-unfinished"]
      },
      "max-bytes": { without: collecting(11), given: [...collecting(19), "--max-bytes", "1"] },
      "max-memory": { without: collecting(11), given: [...collecting(20), "--max-memory", "1"] },
      mount: { without: collecting(11), given: [...collecting(21), "--mount", "/w=/none/of/this/name"] },
      "s3-endpoint": shownBy("collect.test.ts")
    }
  },
  "collect worker": {
    base: [...worker, ...from],
    cases: {
      ...backends(worker),
      ...withoutChildren,
      cluster: { without: ["collect", "worker", ...from], given: [...worker, ...from] },
      slots: ["--slots", "0"],
      "api-rate": ["--api-rate", "0"],
      "store-rate": ["--store-rate", "0"],
      "until-done": shownBy("../../../conformance/collect.conformance.ts"),
      "s3-endpoint": shownBy("../../../conformance/collect.conformance.ts"),
      "max-bytes": ["--max-bytes", "0"],
      "max-memory": ["--max-memory", "0"]
    }
  },
  "collect status": {
    base: ["collect", "status", place(11)],
    cases: {
      ...json,
      cluster: { without: ["collect", "status"], given: ["collect", "status", "--cluster", "ftp://nowhere"] },
      "s3-endpoint": shownBy("../../../conformance/collect.conformance.ts")
    }
  },
  "collect verify": {
    base: ["collect", "verify", place(11)],
    cases: { ...json, "s3-endpoint": shownBy("../../../conformance/collect.conformance.ts") }
  },
  serve: {
    base: ["serve", "--archive", "/none/of/this/name"],
    cases: {
      archive: { without: ["serve"], given: ["serve", "--archive", "/none/of/this/name"] },
      database: ["--database", "ftp://nowhere"],
      host: shownBy("serve.test.ts"),
      port: ["--port", "99999"],
      "api-key": { without: [...keyed], given: [...keyed, "--api-key", "k"] },
      "api-key-file": ["--api-key-file", "/none/of/this/name"]
    }
  },
  ui: {
    // A port that is taken, so that it does not listen.
    base: ["ui", "--port", String(port), ...from],
    cases: {
      ...backends(["ui", "--port", String(port)]),
      ...storages,
      "max-bytes": ["--max-bytes", "0"],
      "max-memory": ["--max-memory", "0"],
      "max-children": ["--max-children", "0"],
      host: ["--host", "none.invalid"],
      port: { without: ["ui", "--port", "99999", ...from], given: ["ui", "--port", String(port), ...from] },
      "allow-host": shownBy("ui.test.ts"),
      open: shownBy("ui.test.ts"),
      "log-requests": shownBy("ui.test.ts")
    }
  },
  "profile set": {
    base: ["profile", "set", "one", ...from],
    cases: {
      archive: { without: ["profile", "set", "one"], given: ["profile", "set", "one", ...from] },
      api: ["--api", nowhere],
      database: ["--database", "postgresql://nobody@127.0.0.1:1/none"],
      prefect3: ["--prefect3", nowhere],
      mount: ["--mount", `/w=${folder}`],
      "s3-endpoint": ["--s3-endpoint", nowhere]
    }
  },
  "profile list": { base: ["profile", "list"], cases: json },
  "profile use": { base: ["profile", "use", "one"], cases: {} },
  "profile remove": { base: ["profile", "remove", "one"], cases: {} },
  doctor: of(["doctor"], json, { mount: storages["mount"]! }),
  complete: {
    base: ["complete", "states", "--", "flow-run", "list", ...from, "--state", ""],
    cases: {
      descriptions: {
        without: ["complete", "runs", "--", "flow-run", "show", ...from, ""],
        given: ["complete", "--descriptions", "runs", "--", "flow-run", "show", ...from, ""]
      }
    }
  }
}

/** A command of the parser, as far as it is looked into. */
interface Parsed {
  readonly name: string
  readonly subcommands: ReadonlyArray<{ readonly commands: ReadonlyArray<Parsed> }>
  readonly config: { readonly flags: ReadonlyArray<Param> }
}
interface Param {
  readonly name?: string
  readonly hidden?: boolean
  readonly param?: Param
}
/** A flag beneath what wraps it. */
const named = (flag: Param): { readonly name: string; readonly isHidden: boolean } => {
  let isHidden = false
  let at = flag
  for (; at.param !== undefined; at = at.param) isHidden ||= at.hidden === true
  return { name: at.name!, isHidden: isHidden || at.hidden === true }
}
const parsed = (
  command: Parsed,
  path: ReadonlyArray<string>
): ReadonlyArray<readonly [string, ReadonlyArray<string>]> => [
  ...(command.config.flags.length > 0 || command.subcommands.length === 0
    ? [
      [
        path.join(" "),
        command.config.flags.map(named).filter(({ isHidden }) => !isHidden).map(({ name }) => name)
      ] as const
    ]
    : []),
  ...command.subcommands.flatMap(({ commands }) => commands.flatMap((each) => parsed(each, [...path, each.name])))
]
const all = parsed(await loadAll() as unknown as Parsed, [])

/** The length of a file, without the time that a part of a collection took. */
const lengthOf = (path: string): number =>
  path.endsWith(".json") ? readFileSync(path, "utf8").replace(/"seconds":[\d.]+/, "").length : statSync(path).size

/** The files below a folder, with their lengths. */
const written = (path: string): ReadonlyArray<string> =>
  existsSync(path)
    ? readdirSync(path, { recursive: true, withFileTypes: true }).filter((file) => file.isFile())
      .map(({ name, parentPath }) => `${name} ${lengthOf(join(parentPath, name))}`).sort()
    : []

const done = new Map<string, Promise<string>>()
/** What the arguments give: the exit code, what is printed, and what is written. */
const seen = (args: ReadonlyArray<string>): Promise<string> => {
  const key = JSON.stringify(args)
  const tell = async () => {
    const { bytes, code, stderr } = await run(args, { TZ: "Asia/Tokyo", XDG_CONFIG_HOME: folder })
    const files = args.flatMap((arg) => arg.startsWith(place(0).slice(0, -1)) ? written(arg) : [])
    const config = args[0] === "profile" ? written(join(folder, "effect-prefect")) : []
    return [code, stderr, bytes.toString("latin1"), ...files, ...config].join("\n").replaceAll(/place-\d+/g, "place")
      .replaceAll(/\d+ ms/g, "")
      // The progress that a collection shows every ten seconds, which it takes on a busy machine alone.
      .replaceAll(/^effect-prefect: \d+(?: of \d+)? rows, .*\n/gm, "")
  }
  const before = done.get(key) ?? tell()
  done.set(key, before)
  return before
}

/** Without the flag nothing else may differ, or a case would show nothing: not from folder to folder either. */
describe("the same arguments give the same:", () => {
  it.each([
    ...Object.keys(commands).filter((command) => !/^(collect|profile)|export$/.test(command)).map((command) =>
      [command, commands[command]!.base, [...commands[command]!.base]] as const
    ),
    ["collect", collecting(11), collecting(40)] as const,
    ["archive export", exporting(1), exporting(41)] as const
  ])("%s", async (_, first, second) => {
    const before = await seen(first)
    done.delete(JSON.stringify(second))
    assert.strictEqual(await seen(second), before)
  })
})

describe("each flag changes what happens:", () => {
  it.each(all)("%s", async (command, flags) => {
    const tried = commands[command]
    assert.isDefined(tried, `no case of the command ${command}`)
    const gaps: Array<string> = []
    for (const flag of flags) {
      const given = tried.cases[flag]
      if (given === undefined) {
        gaps.push(`--${flag} has no case`)
      } else if ("file" in given) {
        const text = readFileSync(fileURLToPath(new URL(given.file, import.meta.url)), "utf8")
        if (!text.includes(`"--${flag}"`)) gaps.push(`${given.file} has no --${flag}`)
      } else {
        const [without, args] = "given" in given
          ? [given.without, given.given]
          : [tried.base, [...tried.base, ...given]]
        if (await seen(without) === await seen(args)) gaps.push(`--${flag} changes nothing`)
      }
    }
    assert.deepStrictEqual(gaps, [])
  })
})
