import { assert, describe, it } from "@effect/vitest"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { run } from "./support.ts"

type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

const flowRunId = "f0000000-0000-4000-8000-000000000000"

type Outcome = { readonly value: Json } | { readonly error: { readonly reason: string; readonly message: string } }

/** A line of `flow-run results --json`. */
interface Line {
  readonly task_run_id: string
  readonly task_slug: string | null
  readonly map_index: number
  readonly state: string
  readonly outcome: Outcome
}

const opcodes = (text: string): Buffer => Buffer.from(text, "latin1")
/** A pickle of protocol 2, of opcodes written out. */
const pickle = (text: string): Buffer => opcodes(`\u0080\u0002${text}.`)
/** A list in a list, so many deep. */
const nested = (depth: number): Buffer => pickle("]".repeat(depth) + "a".repeat(depth - 1))
/** A small int. */
const int = (value: number): Buffer => pickle(`K${String.fromCharCode(value)}`)

const value = (of: Json): Outcome => ({ value: of })
const error = (reason: string, message: string): Outcome => ({ error: { reason, message } })
const incomplete = (message: string): Outcome =>
  error("ChildrenIncomplete", `its mapped children are incomplete: ${message}`)
const denied = (place: string, message: string): Outcome =>
  error("ResultAccessDenied", `${place} may not be read: ${message}`)
const undecodable = (message: string): Outcome => error("ResultDecodeError", `its result cannot be decoded: ${message}`)
const unfinished = (state: string): Outcome => error("NotFinished", `it has not finished (its state is ${state})`)
const outside = "it is not in an allowed place"

/** An archive of rows that no healthy server writes, and what is to be said of each. */
class Odd {
  readonly directory = mkdtempSync(join(tmpdir(), "odd-"))
  readonly #tasks: Array<Json> = []
  readonly #runs: Array<{ readonly [key: string]: Json }> = []
  readonly #said = new Map<string | null, Array<Line>>()

  task(slug: string): string {
    const id = `a0000000-0000-4000-8000-${String(this.#tasks.length).padStart(12, "0")}`
    this.#tasks.push({ id, slug, name: slug, flow_id: null })
    return id
  }

  /** A row, and what is to be said of it. */
  run(taskId: string | null, state: Json, slug: string | null, mapIndex: number, said: string, outcome: Outcome): void {
    const id = `b0000000-0000-4000-8000-${String(this.#runs.length).padStart(12, "0")}`
    this.#runs.push({
      id,
      flow_run_id: flowRunId,
      task_id: taskId,
      map_index: mapIndex,
      name: null,
      serialized_state: state
    })
    const named = `${slug ?? "task run"}${mapIndex < 0 ? "" : `[${mapIndex}]`} (${id}): `
    const lines = this.#said.get(slug) ?? []
    this.#said.set(slug, lines)
    lines.push({
      task_run_id: id,
      task_slug: slug,
      map_index: mapIndex,
      state: said,
      outcome: "error" in outcome
        ? { error: { reason: outcome.error.reason, message: named + outcome.error.message } }
        : outcome
    })
  }

  /** The tasks in the order above, each with its parent before its children, and what has no task after them. */
  expected(): Array<Line> {
    assert.sameMembers([...order, null], [...this.#said.keys()])
    return [...order, null].flatMap((slug) =>
      this.#said.get(slug)!.toSorted((left, right) => left.map_index - right.map_index)
    )
  }

  /** A file, by its path in the archive. */
  file(path: string, bytes: string | Uint8Array): void {
    mkdirSync(dirname(join(this.directory, path)), { recursive: true })
    writeFileSync(join(this.directory, path), bytes)
  }

  /** A finished state with a file that the worker stored below /w. */
  stored(name: string, bytes: Uint8Array, extra: { readonly [key: string]: Json } = {}): Json {
    this.file(`results/${name}`, bytes)
    return { ...at(`/w/${name}`), ...extra }
  }

  write(): void {
    const rows = (list: ReadonlyArray<Json>) => list.map((row) => JSON.stringify(row))
    const [first = "", second = "", third = "", ...rest] = rows(this.#runs)
    const broken = "{\"id\": \"b0000000"
    // Lines as Windows ends them, a blank one, and a last one without its end.
    this.file("tables/task_run.jsonl", [first, second, third, "", broken, ...rest].join("\r\n"))
    this.file("tables/task.jsonl", `\ufeff${rows(this.#tasks).join("\n\n")}\n`)
    this.file("tables/flow.jsonl", "")
    this.file("tables/flow_run.jsonl", rows([{ id: flowRunId, flow_id: null, name: "odd" }]).join(""))
    this.file("mounts.json", JSON.stringify({ "/w": "results", "s3://bucket": "s3/bucket" }))
  }
}

const success = (result: Json): Json => ({ type: "Success", message: null, _result: result })
const at = (location: Json, dir: Json = "/w"): { readonly [key: string]: Json } => ({
  type: "Success",
  message: null,
  _result: { type: "LocalResult", location, dir }
})

/** One task run of a task of its own, by its slug: what is stored, and what is to be said of it. */
const single: Record<string, (odd: Odd) => readonly [state: Json, said: string, outcome: Outcome]> = {
  "Upper": (odd) => [odd.stored("upper", int(1)), "Success", value(1)],
  "\uFFFDz": (odd) => [odd.stored("replacement", int(2)), "Success", value(2)],
  "\u{1F600}": (odd) => [odd.stored("emoji", int(3)), "Success", value(3)],
  "null-state": () => [null, "Scheduled", unfinished("Scheduled")],
  "unknown-state": () => [{ type: "Novel", x: 1 }, "Novel", unfinished("Novel")],
  "unknown-finished": () => [
    { type: "Queued", state: { type: "Success" } },
    "Queued",
    unfinished("Queued")
  ],
  "extra-field": (odd) => [odd.stored("extra", int(4), { novel: { deep: [1] } }), "Success", value(4)],
  "zz-climbs": () => [at("/w/../../etc/passwd"), "Success", denied("/etc/passwd", outside)],
  "elsewhere": () => [at("/etc/passwd"), "Success", denied("/etc/passwd", outside)],
  "beside": () => [at("/work/x"), "Success", denied("/work/x", outside)],
  "link": (odd) => {
    symlinkSync("/etc/passwd", join(odd.directory, "results/link"))
    return [
      at("/w/link"),
      "Success",
      denied("/w/link", "a symbolic link leads out of DIR/results")
    ]
  },
  "directory": (odd) => {
    mkdirSync(join(odd.directory, "results/directory"))
    return [at("/w/directory"), "Success", denied("/w/directory", "it is a directory")]
  },
  "missing": () => [
    at("/w/missing"),
    "Success",
    error("ResultNotFound", "/w/missing does not exist: DIR/results, which /w is mounted from, does not have it")
  ],
  "empty": (odd) => [odd.stored("empty", opcodes("")), "Success", undecodable("it is empty")],
  "relative": (odd) => {
    odd.file("results/relative", int(5))
    return [at("relative"), "Success", value(5)]
  },
  "relative-to-nothing": () => [
    at("relative", null),
    "Success",
    denied("relative", "it is relative, and its folder was not recorded")
  ],
  "no-location": () => [
    at(null),
    "Success",
    error(
      "NotPersisted",
      "its state Success has no stored result: Prefect 1 stores a value other than None, and only with checkpointing on " +
        "(PREFECT__FLOWS__CHECKPOINTING=true) and a result for the task or flow"
    )
  ],
  "location-number": () => [
    at(5),
    "Success",
    error(
      "UnsupportedResultType",
      "its result type LocalResult cannot be read: its fields are not those that Prefect writes"
    )
  ],
  "custom": () => [
    success({ type: "MyResult", location: "x" }),
    "Success",
    error(
      "UnsupportedResultType",
      "its result type MyResult cannot be read: it is a custom class"
    )
  ],
  "constant": () => [
    success({ type: "ConstantResult", location: "7" }),
    "Success",
    error(
      "UnsupportedResultType",
      "its result type ConstantResult cannot be read: a constant of the flow's source was not stored"
    )
  ],
  "secret": () => [
    success({ type: "SecretResult", location: "TOKEN", secret_type: "str" }),
    "Success",
    error(
      "UnsupportedResultType",
      "its result type SecretResult cannot be read: a secret is never stored"
    )
  ],
  "s3-empty": (odd) => {
    odd.file("s3/bucket/empty", "")
    return [success({ type: "S3Result", location: "empty", bucket: "bucket" }), "Success", value(null)]
  },
  "s3-not-mounted": () => [
    success({ type: "S3Result", location: "k", bucket: "other" }),
    "Success",
    denied(
      "s3://other/k",
      outside
    )
  ],
  "gcs-no-reader": () => [
    success({ type: "GCSResult", location: "k", bucket: "b" }),
    "Success",
    error(
      "StorageNotProvided",
      "no storage for GCSResult was provided"
    )
  ],
  "inline-null": () => [success({ type: "PrefectResult", location: "null" }), "Success", value(null)],
  "deep": (odd) => [
    odd.stored("deep", nested(1200)),
    "Success",
    undecodable(`it is nested more than 1000 deep, at ${"[0]".repeat(12)}…`)
  ],
  "deep-enough": (odd) => [
    odd.stored("deep-enough", nested(900)),
    "Success",
    value(Array.from({ length: 899 }).reduce<Json>((inner) => [inner], []))
  ],
  "cycle": (odd) => [
    odd.stored("cycle", pickle("]q\0h\0a")),
    "Success",
    undecodable("it contains itself: [0] is the whole value again")
  ],
  "executes": (odd) => [
    odd.stored("executes", opcodes("cos\nsystem\n(S'touch /tmp/never'\ntR.")),
    "Success",
    value({ __class__: "os.system", __args__: ["touch /tmp/never"] })
  ]
}

const mapped = (children: number): Json => ({ type: "Mapped", message: null, n_map_states: children })
/** Mapped tasks: the parent's state, its children's map indices, each its own result, and what is said of the parent. */
const families: Record<string, readonly [parent: Json | undefined, children: ReadonlyArray<number>, outcome: Outcome]> =
  {
    "map-whole": [mapped(3), [0, 1, 2], value([0, 1, 2])],
    "map-gap": [mapped(4), [0, 1, 3], incomplete("child 2 is missing")],
    "map-gap-at-end": [mapped(3), [0, 1], incomplete("child 2 is missing, and n_map_states is 3")],
    "map-surplus": [mapped(1), [0, 1], incomplete("there is a child 1, and n_map_states is 1")],
    "map-twice": [mapped(2), [0, 1, 1], incomplete("there are two children 1")],
    "map-uncounted": [{ type: "Mapped", message: null }, [0, 1], value([0, 1])],
    "map-none": [mapped(0), [], value([])],
    "map-orphans": [undefined, [0, 2], value([])]
  }

/** Code points, not UTF-16 units, which would have the emoji before U+FFFD; and no alphabet's own order. */
const order = [
  "Upper",
  "beside",
  "constant",
  "custom",
  "cycle",
  "deep",
  "deep-enough",
  "directory",
  "elsewhere",
  "empty",
  "executes",
  "extra-field",
  "gcs-no-reader",
  "inline-null",
  "link",
  "location-number",
  "map-gap",
  "map-gap-at-end",
  "map-none",
  "map-not",
  "map-orphans",
  "map-surplus",
  "map-twice",
  "map-uncounted",
  "map-whole",
  "missing",
  "no-location",
  "null-state",
  "relative",
  "relative-to-nothing",
  "s3-empty",
  "s3-not-mounted",
  "secret",
  "unknown-finished",
  "unknown-state",
  "zz-climbs",
  "\uFFFDz",
  "\u{1F600}"
]

describe("an archive of odd rows", () => {
  it("flow-run results says something of every row that there is, in order, and ends well", async () => {
    const odd = new Odd()
    try {
      odd.run("c0000000-0000-4000-8000-000000000000", odd.stored("lost", int(8)), null, -1, "Success", value(8))
      odd.run(null, odd.stored("taskless", int(9)), null, -1, "Success", value(9))
      for (const [slug, make] of Object.entries(single)) {
        const [state, said, outcome] = make(odd)
        odd.run(odd.task(slug), state, slug, -1, said, outcome)
      }
      for (const [slug, [parent, children, outcome]] of Object.entries(families)) {
        const task = odd.task(slug)
        // The last child first, the parent after all of them: nobody promised an order of rows.
        for (const index of children.toReversed()) {
          odd.run(task, odd.stored(`${slug}/${index}`, int(index)), slug, index, "Success", value(index))
        }
        if (parent !== undefined) odd.run(task, parent, slug, -1, "Mapped", outcome)
      }
      const plain = odd.task("map-not")
      odd.run(plain, odd.stored("map-not/0", int(0)), "map-not", 0, "Success", value(0))
      odd.run(plain, odd.stored("map-not/whole", int(6)), "map-not", -1, "Success", value(6))
      odd.write()

      const ran = await run(["flow-run", "results", flowRunId, "--archive", odd.directory, "--json"])
      const lines = ran.stdout.replaceAll(odd.directory, "DIR").split("\n")
      assert.strictEqual(lines.pop(), "")
      assert.deepStrictEqual(lines.map((line) => JSON.parse(line) as Line), odd.expected())
      assert.strictEqual(
        ran.stderr,
        "effect-prefect: warning: tables/task_run.jsonl, line 5 is left out: it is not JSON in UTF-8\n"
      )
      assert.strictEqual(ran.code, 0)
    } finally {
      rmSync(odd.directory, { recursive: true, force: true })
    }
  })
})
