/** Archives for the checks of the page: hostile text in every field, odd rows, very many children, large tables. */
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { root } from "../support/folder.ts"

/** Text that a careless page would run, reorder or be overwhelmed by. */
export const hostile = {
  script: "<script>window.hacked = 1</script>",
  image: "<img src=x onerror=\"window.hacked = 1\">",
  link: "javascript:window.hacked=1",
  bidi: "abc\u202edcba\u2066x",
  control: "a\u0000b\u001b[31mred\u001b[0m\u0007c",
  long: "long-".repeat(2_000),
  template: "${window.hacked = 1}{{window.hacked = 1}}",
  quotes: "\"'><svg onload=window.hacked=1>",
  emoji: "👩‍👩‍👧‍👦 Ünï\u0301çødé"
} as const

const texts: ReadonlyArray<string> = Object.values(hostile)

/** An id that is the same in every run. */
export const idOf = (number: number): string => `00000000-0000-4000-8000-${number.toString(16).padStart(12, "0")}`

export const ids = {
  run: idOf(1),
  running: idOf(2),
  empty: idOf(3),
  parent: idOf(100),
  gaps: idOf(101),
  nothing: idOf(102),
  table: idOf(110),
  records: idOf(111),
  text: idOf(112),
  value: idOf(113),
  denied: idOf(114),
  gone: idOf(115),
  broken: idOf(116),
  deep: idOf(117),
  noTask: idOf(118),
  nullState: idOf(119),
  unknownState: idOf(120),
  odd: idOf(4),
  oddParent: idOf(0x8000),
  far: idOf(0x8001),
  wide: idOf(0x8002),
  twice: idOf(0x8003),
  names: idOf(0x8004),
  heavy: idOf(0x8005),
  noRows: idOf(0x8006)
} as const

/** One pickle of each kind that the fixtures have, by the name of its kind. */
export const kinds: ReadonlyMap<string, string> = new Map(
  readdirSync(join(root, "fixtures/pickle"))
    .filter((name) => name.endsWith(".pkl"))
    .map((name) => [name.replace(/(?:\.p\d)?\.pkl$/, ""), name])
)
export const kindIds: ReadonlyMap<string, string> = new Map(
  [...kinds.keys()].map((name, i) => [name, idOf(0x9000 + i)])
)

/** Names of states that a careless page would look up in an object's prototype. */
const oddStates = ["constructor", "__proto__", "toString", "hasOwnProperty", hostile.image, "S".repeat(1000)]

/** Times that are no times, or too early, too late, or the wrong way round. */
const oddTimes: ReadonlyArray<readonly [start: string | null, end: string | null]> = [
  ["NaN", "NaN"],
  ["0001-01-01T00:00:00+00:00", "0001-01-02T00:00:00+00:00"],
  ["1899-12-31T23:59:59.999999+00:00", "2022-03-01T12:00:00+00:00"],
  ["2022-03-01T12:00:10+00:00", "2022-03-01T12:00:00+00:00"],
  ["9999-12-31T23:59:59+00:00", null],
  [null, "2022-03-01T12:00:00+00:00"]
]

const oddSlugs = ["a/b?c#d%", "..", "%2e%2e", "l".repeat(1000), " ", "\u200b", hostile.bidi]

const success = (location: string | null = null, type = "LocalResult") => ({
  type: "Success",
  message: "Task run succeeded.",
  __version__: "1.4.1",
  _result: location === null
    ? { type: "NoResultType", __version__: "1.4.1" }
    : { type, location, dir: "/srv/results", __version__: "1.4.1" }
})

type Row = Readonly<Record<string, unknown>>

const startOfTime = Date.parse("2022-03-01T12:00:00Z")
const time = (seconds: number) => new Date(startOfTime + seconds * 1000).toISOString()

export interface Scale {
  readonly children: number
  readonly rows: number
  readonly lines: number
}

/** Writes the archive; the failed children are every thousandth from 7 on. */
export const writeArchive = (folder: string, { children, lines, rows }: Scale): void => {
  const write = (path: string, text: string | Uint8Array) => {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  const table = (name: string, all: Iterable<Row>) => {
    const parts: Array<string> = []
    for (const row of all) parts.push(JSON.stringify(row))
    write(`tables/${name}.jsonl`, `${parts.join("\n")}\n`)
  }
  const flows = texts.map((name, i) => ({
    id: idOf(10_000 + i),
    name,
    version: 1,
    created: time(0),
    flow_group_id: idOf(10_000 + i)
  }))
  table("flow", flows)
  const state = (type: string, message: string) => ({ type, message, __version__: "1.4.1" })
  const flowRun = (id: string, name: string | null, serialized: unknown, i: number, more: Row = {}): Row => ({
    id,
    name,
    flow_id: flows[i % flows.length]!.id,
    serialized_state: serialized,
    labels: texts.slice(0, 3),
    parameters: Object.fromEntries(texts.slice(0, 6).map((text) => [text, text])),
    context: {},
    created: time(1000 - i),
    scheduled_start_time: time(0),
    start_time: time(1000 - i),
    end_time: time(1100 - i),
    ...more
  })
  table("flow_run", [
    flowRun(ids.run, "scored", state("Failed", hostile.image), 0),
    flowRun(ids.running, "still going", state("Running", "Running"), 1, { end_time: null }),
    flowRun(ids.empty, "empty", state("Success", "Nothing to do"), 2),
    flowRun(ids.odd, "odd", state(oddStates[0]!, "odd"), 1, {
      start_time: "2099-01-01T00:00:00Z",
      end_time: "2098-01-01T00:00:00Z",
      scheduled_start_time: "2099-06-01T00:00:00Z"
    }),
    ...texts.map((text, i) =>
      flowRun(idOf(20 + i), text, i === 0 ? null : state(i === 1 ? "Wibble" : "Success", text), i + 3)
    ),
    flowRun(idOf(40), null, state("Success", ""), 40),
    ...Array.from({ length: 120 }, (_, i) => flowRun(idOf(200 + i), `run ${i}`, state("Success", "ok"), 50 + i))
  ])
  const slugs: ReadonlyArray<readonly [id: string, slug: string, mapped: boolean]> = [
    [ids.parent, "score-1", true],
    [ids.gaps, "gaps-1", true],
    [ids.nothing, "nothing-1", true],
    [ids.table, "table-1", false],
    [ids.records, "records-1", false],
    [ids.text, "text-1", false],
    [ids.value, "value-1", false],
    [ids.denied, "denied-1", false],
    [ids.gone, "gone-1", false],
    [ids.broken, "broken-1", false],
    [ids.deep, "deep-1", false],
    [ids.nullState, "null_state-1", false],
    [ids.unknownState, "unknown_state-1", false],
    ...texts.map((text, i) => [idOf(130 + i), text, false] as const)
  ]
  const oddTasks: ReadonlyArray<readonly [id: string, slug: string, mapped: boolean]> = [
    [ids.oddParent, "odd-1", true],
    [ids.far, "far-1", true],
    [ids.twice, "twice-1", false],
    [ids.wide, "wide-1", false],
    [ids.names, "names-1", false],
    [ids.heavy, "heavy-1", false],
    [ids.noRows, "no_rows-1", false],
    ...oddStates.map((_, i) => [idOf(0x8200 + i), `state-${i}`, false] as const),
    ...oddTimes.map((_, i) => [idOf(0x8300 + i), `time-${i}`, false] as const),
    ...oddSlugs.map((slug, i) => [idOf(0x8400 + i), slug, false] as const),
    ...[...kindIds].map(([name, id]) => [id, `kind-${name}`, false] as const)
  ]
  const taskOf = (id: string) => id.replace(/^00000000/, "11111111")
  table(
    "task",
    [...slugs.map((task) => [0, task] as const), ...oddTasks.map((task) => [1, task] as const)].map((
      [flow, [id, slug, mapped]]
    ) => ({
      id: taskOf(id),
      slug,
      name: slug,
      mapped,
      flow_id: flows[flow]!.id,
      created: time(0)
    }))
  )
  table(
    "edge",
    [
      ...slugs.slice(1).map(([id], i) => ({
        id: id.replace(/^00000000/, "22222222"),
        flow_id: flows[0]!.id,
        upstream_task_id: taskOf(slugs[Math.floor(i / 2)]![0]),
        downstream_task_id: taskOf(id),
        key: texts[i % texts.length],
        mapped: false,
        created: time(0)
      })),
      // A circle, an edge from a task to itself, and one to a task that is not there.
      ...oddTasks.slice(0, 20).map(([id], i, some) => ({
        id: id.replace(/^00000000/, "33333333"),
        flow_id: flows[1]!.id,
        upstream_task_id: i === 5 ? taskOf(id) : i === 6 ? idOf(0xffffff) : taskOf(some[(i + 1) % some.length]![0]),
        downstream_task_id: taskOf(id),
        key: null,
        mapped: false,
        created: time(0)
      }))
    ]
  )
  const taskRun = (id: string, task: string | null, serialized: unknown, more: Row = {}): Row => ({
    id,
    flow_run_id: ids.run,
    task_id: task,
    map_index: -1,
    name: null,
    serialized_state: serialized,
    created: time(0),
    start_time: time(10),
    end_time: time(12),
    ...more
  })
  const stored = (name: string, contents: string | Uint8Array) => {
    write(`results/${name}`, contents)
    return success(`/srv/results/${name}`)
  }
  const csv = (function*() {
    yield "score,label,flag\n"
    for (let i = 0; i < rows; i++) {
      yield `${i % 1000 === 0 ? "" : i * 7 % 1000 / 4},${i % 3 === 0 ? "a" : i % 3 === 1 ? "b" : "c"},${i % 2 === 0}\n`
    }
  })()
  const records = JSON.stringify(texts.map((text, i) => ({ id: i, name: text, formula: `=1+${i}`, score: i * 1.5 })))
  const deep = `${"[".repeat(3000)}1${"]".repeat(3000)}`
  const value = {
    total_cents: 1283888,
    big: 0,
    nothing: null,
    flag: true,
    list: ["x", 2, [3, { four: 4 }], "x"],
    ...Object.fromEntries(texts.map((text, i) => [text, texts[(i + 1) % texts.length]])),
    many: Array.from({ length: 5000 }, (_, i) => i)
  }
  const mapped = (count: number) => ({
    type: "Mapped",
    message: "Ready to proceed with mapping.",
    n_map_states: count,
    __version__: "1.4.1"
  })
  const all: Array<Row> = [
    taskRun(ids.parent, taskOf(ids.parent), mapped(children)),
    taskRun(ids.gaps, taskOf(ids.gaps), mapped(8)),
    taskRun(ids.nothing, taskOf(ids.nothing), mapped(0)),
    taskRun(ids.table, taskOf(ids.table), stored("table.csv", [...csv].join(""))),
    taskRun(ids.records, taskOf(ids.records), stored("records.json", records)),
    taskRun(
      ids.text,
      taskOf(ids.text),
      stored("text.json", JSON.stringify(`${hostile.script}\n${"line of text\n".repeat(100_000)}`))
    ),
    taskRun(
      ids.value,
      taskOf(ids.value),
      stored("value.json", JSON.stringify(value).replace("\"big\":0", "\"big\":9007199254740993"))
    ),
    taskRun(ids.denied, taskOf(ids.denied), success("/etc/secret/denied.json")),
    taskRun(ids.gone, taskOf(ids.gone), success("/srv/results/gone.json")),
    taskRun(ids.broken, taskOf(ids.broken), stored("broken.bin", new Uint8Array([0x80, 4, 0x95, 1, 2, 3]))),
    taskRun(ids.deep, taskOf(ids.deep), stored("deep.json", deep)),
    taskRun(ids.noTask, null, success()),
    taskRun(ids.nullState, taskOf(ids.nullState), null, { start_time: null, end_time: null }),
    taskRun(ids.unknownState, taskOf(ids.unknownState), { type: "Wobbling", message: hostile.quotes }),
    ...texts.map((text, i) =>
      taskRun(idOf(130 + i), taskOf(idOf(130 + i)), state(i % 2 === 0 ? "Failed" : "TriggerFailed", text), {
        name: text
      })
    ),
    ...[0, 1, 3, 4, 6, 7].map((index) =>
      taskRun(idOf(300 + index), taskOf(ids.gaps), state(index === 4 ? "Failed" : "Success", hostile.script), {
        map_index: index
      })
    ),
    taskRun(idOf(400), null, state("Running", "Running"), { flow_run_id: ids.running, end_time: null })
  ]
  const odd = function*(): Generator<Row> {
    const inOdd = (id: string, task: string | null, serialized: unknown, more: Row = {}) =>
      taskRun(id, task === null ? null : taskOf(task), serialized, { flow_run_id: ids.odd, ...more })
    yield inOdd(ids.oddParent, ids.oddParent, mapped(oddStates.length))
    for (const [i, type] of oddStates.entries()) {
      yield inOdd(idOf(0x8100 + i), ids.oddParent, state(type, ""), { map_index: i })
      yield inOdd(idOf(0x8200 + i), idOf(0x8200 + i), state(type, "m".repeat(100_000)))
    }
    for (const [i, [start_time, end_time]] of oddTimes.entries()) {
      yield inOdd(idOf(0x8300 + i), idOf(0x8300 + i), state("Success", "times"), { start_time, end_time })
    }
    for (const i of oddSlugs.keys()) yield inOdd(idOf(0x8400 + i), idOf(0x8400 + i), state("Success", "a slug"))
    yield inOdd(ids.far, ids.far, mapped(3))
    for (const index of [0, 1, 1, 2, 5, 2_000_000_000]) {
      yield inOdd(idOf(0x8500 + index % 1000), ids.far, state("Success", ""), { map_index: index })
    }
    yield inOdd(ids.twice, ids.twice, state("Failed", "the first"))
    yield inOdd(ids.twice, ids.twice, state("Success", "the second"))
    const record = (row: number) => Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`c${i}`, i * row]))
    yield inOdd(ids.wide, ids.wide, stored("wide.json", JSON.stringify([record(1), record(2)])))
    const names = Object.fromEntries(
      ["k".repeat(100_000), "__proto__", "", "\u200b", "a/b~c"].map((key, i) => [key, i])
    )
    yield inOdd(ids.names, ids.names, stored("names.json", `{"__proto__": {"x": 1}, ${JSON.stringify(names).slice(1)}`))
    const wideName = "n".repeat(3_000)
    const cells = JSON.stringify([
      { "=a": "x".repeat(100_000), b: null, [wideName]: 1 },
      { "=a": hostile.bidi, b: 1, [wideName]: 2 }
    ])
    yield inOdd(ids.heavy, ids.heavy, stored("heavy.json", cells))
    yield inOdd(ids.noRows, ids.noRows, stored("no-rows.csv", "a,b\n"))
    for (const [name, file] of kinds) {
      mkdirSync(join(folder, "results"), { recursive: true })
      copyFileSync(join(root, "fixtures/pickle", file), join(folder, "results", file))
      yield inOdd(kindIds.get(name)!, kindIds.get(name)!, success(`/srv/results/${file}`))
    }
  }
  const rowsOf = function*(): Generator<Row> {
    yield* all
    yield* odd()
    const taskId = taskOf(ids.parent)
    for (let i = 0; i < children; i++) {
      const type = i % 1000 === 7 ? "Failed" : "Success"
      yield {
        id: idOf(0x1000000 + i),
        flow_run_id: ids.run,
        task_id: taskId,
        map_index: i,
        serialized_state: i < 20 && type === "Success"
          ? stored(`child-${i}.json`, JSON.stringify({ id: i, score: i / 7 }))
          : type === "Success"
          ? success()
          : state(type, "boom"),
        created: time(0),
        start_time: time(20 + i / 100),
        end_time: time(21 + i / 100)
      }
    }
  }
  table("task_run", rowsOf())
  table(
    "log",
    (function*() {
      const log = { flow_run_id: ids.odd, task_run_id: null, name: "prefect" }
      for (const [i, message] of ["x".repeat(100_000), "line\n".repeat(5_000), "", null].entries()) {
        yield { id: idOf(0x8600 + i), ...log, timestamp: time(i), level: i === 0 ? "NOTSET" : "INFO", message }
      }
      for (let i = 0; i < lines; i++) {
        yield {
          id: idOf(0x2000000 + i),
          flow_run_id: ids.run,
          task_run_id: i % 3 === 0 ? null : ids.value,
          timestamp: time(i / 100),
          level: ["DEBUG", "INFO", "WARNING", "ERROR"][i % 4],
          name: "prefect",
          message: i < texts.length ? texts[i] : i % 50 === 0 ? `several\nlines\nof ${i}` : `line ${i} needle${i % 10}`
        }
      }
    })()
  )
  table(
    "flow_run_state",
    texts.map((text, i) => ({
      id: idOf(0x3000 + i),
      flow_run_id: ids.run,
      timestamp: time(i),
      version: i + 1,
      serialized_state: state(i === 0 ? "Pending" : "Running", text),
      created: time(i)
    }))
  )
  table(
    "task_run_state",
    texts.map((text, i) => ({
      id: idOf(0x4000 + i),
      task_run_id: ids.value,
      timestamp: time(i),
      version: i + 1,
      serialized_state: state(i === 0 ? "Pending" : "Running", text),
      created: time(i)
    }))
  )
  table("task_run_artifact", [
    { id: idOf(0x5000), task_run_id: ids.value, kind: "link", data: { link: hostile.link }, created: time(0) },
    {
      id: idOf(0x5001),
      task_run_id: ids.value,
      kind: "link",
      data: { link: "https://example.com/report" },
      created: time(1)
    },
    {
      id: idOf(0x5002),
      task_run_id: ids.value,
      kind: "markdown",
      data: {
        markdown:
          `# Report\n\n${hostile.image}\n\n[click](javascript:window.hacked=1) [ok](https://example.com)\n\n|a|b|\n|-|-|\n|1|${hostile.script}|\n\n- one\n- two\n`
      },
      created: time(2)
    },
    { id: idOf(0x5003), task_run_id: ids.value, kind: hostile.script, data: texts, created: time(3) },
    ...Array.from({ length: 230 }, (_, i) => ({
      id: idOf(0x5100 + i),
      task_run_id: ids.wide,
      kind: "link",
      data: { link: `https://example.com/${i}` },
      created: time(i)
    }))
  ])
  write("mounts.json", JSON.stringify({ "/srv/results": "results" }))
}
