/** The index of an archive: it says what the tables say, and is never believed when it does not. */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import { suite } from "@effect-prefect/api/testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { vi } from "vitest"
import { runs } from "../../core/test/seeds.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "index-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

type Tables = Readonly<Record<string, ReadonlyArray<object | string>>>

const archiveOf = (tables: Tables) =>
  Effect.map(temporary, (folder) => {
    const directory = join(folder, "archive")
    fs.mkdirSync(join(directory, "tables"), { recursive: true })
    for (const [name, rows] of Object.entries(tables)) {
      const lines = rows.map((row) => typeof row === "string" ? row : JSON.stringify(row))
      fs.writeFileSync(join(directory, "tables", `${name}.jsonl`), lines.map((line) => `${line}\n`).join(""))
    }
    return { directory, cache: join(folder, "cache") }
  })

suite("ArchiveApi by its index", (tables) =>
  Layer.unwrap(
    Effect.map(archiveOf(tables), ({ cache, directory }) => ArchiveApi.layer(directory, { index: "always", cache }))
  ))

const quiet = Logger.layer([])

/** Everything that a backend says of these tables. */
const everything = (
  directory: string,
  options: ArchiveApi.Options,
  id: (id: string) => string,
  isOrdered: boolean
) =>
  Effect.scoped(Effect.gen(function*() {
    const { api, archive } = yield* ArchiveApi.make(directory, options)
    const out: Array<unknown> = []
    const say = <A, E>(name: string, effect: Effect.Effect<A, E>) =>
      Effect.map(Effect.result(effect), (result) => {
        out.push([name, Result.isSuccess(result) ? result.success : String((result.failure as Error).message)])
      })
    const list = <A, E>(name: string, stream: Stream.Stream<A, E>) =>
      say(
        name,
        Effect.map(Stream.runCollect(stream), (items) =>
          isOrdered ? items : items.toSorted((left, right) => JSON.stringify(left) < JSON.stringify(right) ? -1 : 1))
      )
    const flowRuns = ["f1", "f2", "00000000-0000-4000-8000-000000000001", "none"].map(id)
    const tasks = ["t1", "t2", "10000000-0000-4000-8000-000000000001", "none"].map(id)
    const ids = [...flowRuns, ...tasks, ...["r1", "r2", "20000000-0000-4000-8000-000000000001"].map(id)]
    for (const pageSize of [1, 3, 1000]) {
      for (const flowRunId of flowRuns) {
        yield* list("runs", api.taskRuns({ flowRunId }, { pageSize }))
        yield* list("failed", api.taskRuns({ flowRunId, states: ["Failed", "Success"], mapped: true }, { pageSize }))
        yield* list("slug", api.taskRuns({ flowRunId, taskSlug: "s1", mapped: false }, { pageSize }))
        yield* list("logs", api.logs({ flowRunId, level: "WARNING" }, { pageSize }))
        yield* list("artifacts", api.artifacts({ flowRunId }, { pageSize }))
        yield* list("summaries", api.taskRunSummaries({ flowRunId }, { pageSize }))
        for (const taskId of tasks) {
          yield* list("task", api.taskRunsOfTask({ flowRunId, taskId }, { pageSize }))
          yield* list("children", api.mappedChildren({ flowRunId, taskId }, { pageSize, after: 1 }))
          yield* list("of task", api.taskRunSummaries({ flowRunId, taskId, after: -1 }, { pageSize }))
        }
      }
      yield* list("flow runs", api.flowRuns({}, { pageSize }))
      yield* list("named", api.flowRuns({ flowName: "flow" }, { pageSize }))
      yield* list("of flow", api.flowRuns({ flowId: id("w1"), states: ["Success"] }, { pageSize }))
      yield* list("states", api.flowRuns({ states: ["Failed", "Scheduled"] }, { pageSize }))
      yield* list("containing", api.flowRuns({ nameContains: "A" }, { pageSize }))
      yield* list("flows", api.flows({ pageSize }))
      yield* list("all logs", api.logs({}, { pageSize }))
      yield* list("all artifacts", api.artifacts({}, { pageSize }))
    }
    for (const flowRunId of flowRuns) {
      // Of two rows with one map index, the first is that of the lower id.
      if (isOrdered) {
        yield* list("first", Stream.fromIterableEffect(api.firstTaskRunOfEachTask(flowRunId)))
      }
      yield* say(
        "mapped",
        Effect.map(api.mappedTaskIds(flowRunId), (found) =>
          [...found].toSorted())
      )
      yield* say("edges", api.edges(flowRunId))
      yield* say("flow run", api.flowRun(flowRunId))
      yield* say("flow run states", api.flowRunStates(flowRunId))
      for (const taskId of tasks) yield* say("counts", api.countMappedChildren({ flowRunId, taskId }))
      for (const mapIndex of [-1, 0]) yield* say("by slug", api.taskRunBySlug({ flowRunId, taskSlug: "s1", mapIndex }))
    }
    for (const taskRunId of ids) {
      yield* say("task run", api.taskRun(taskRunId))
      yield* say("states", api.taskRunStates(taskRunId))
      yield* list("logs of", api.logs({ taskRunId }))
      yield* list("artifacts of", api.artifacts({ taskRunId, flowRunId: id("f1") }))
    }
    for (const flowId of ["w1", "w2", "none"]) yield* say("flow", api.flow(id(flowId)))
    yield* list("every task run", archive.taskRuns)
    yield* say(
      "problems",
      Effect.map(archive.problems, (found) => found.map(({ detail, file, line }) => [file, line, detail]).toSorted())
    )
    return out
  }))

it.live("walks leave turns to others, and who asks for few rows waits for none", () =>
  Effect.gen(function*() {
    const ids = Array.from({ length: 1_500 }, (_, at) => String(at).padStart(6, "0"))
    const { cache, directory } = yield* archiveOf({
      flow_run: ids.map((id) => ({ id, name: `run ${id}`, created: "2020-01-01T00:00:00+00:00" })),
      log: ids.map((id) => ({ id, flow_run_id: "f", timestamp: "2020-01-01T00:00:00+00:00", message: id })),
      task_run: ids.map((id, at) => ({ id, flow_run_id: "f", task_id: "t", map_index: at }))
    })
    const { api } = yield* ArchiveApi.make(directory, { index: "always", cache })
    const turnsOf = Effect.fnUntraced(function*(stream: Stream.Stream<unknown, unknown>) {
      let turns = 0
      const next = () => {
        turns++
        timer = setImmediate(next)
      }
      let timer = setImmediate(next)
      const count = yield* Stream.runCount(stream)
      clearImmediate(timer)
      return [count, turns] as const
    })
    // Every look at the clock is in another turn, so that whoever shares turns waits each time.
    let now = performance.now()
    const clock = vi.spyOn(performance, "now").mockImplementation(() => now += 20)
    yield* Effect.addFinalizer(() => Effect.sync(() => clock.mockRestore()))
    const walks = {
      logs: api.logs({ flowRunId: "f" }),
      summaries: api.taskRunSummaries({ flowRunId: "f", taskId: "t" }),
      children: api.mappedChildren({ flowRunId: "f", taskId: "t" }),
      "flow runs": api.flowRuns()
    }
    for (const [name, walk] of Object.entries(walks)) {
      const [count, turns] = yield* turnsOf(walk)
      assert.strictEqual(count, ids.length, name)
      assert.isAtLeast(turns, 16, name)
    }
    const [found, searching] = yield* turnsOf(Stream.take(api.flowRuns({ nameContains: "0003" }, { pageSize: 10 }), 1))
    assert.strictEqual(found, 1)
    assert.isAtLeast(searching, 16)
    const lists: ReadonlyArray<Stream.Stream<unknown, unknown>> = [
      api.logs({ flowRunId: "f" }, { pageSize: 50 }),
      api.flowRuns({}, { pageSize: 50 })
    ]
    for (const few of lists) {
      const [count, turns] = yield* turnsOf(Stream.take(few, 50))
      assert.strictEqual(count, 50)
      assert.isAtMost(turns, 10)
    }
  }).pipe(Effect.provide(quiet)))

describe("an index", () => {
  const Literals = <const L extends ReadonlyArray<string>>(...values: L) => Schema.Literals(values)
  const Optional = <S extends Schema.Constraint>(schema: S) => Schema.NullOr(schema)
  const FlowRunId = Literals("f1", "f2", "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")
  const TaskId = Literals("t1", "t2", "10000000-0000-4000-8000-000000000001", "\ud800", "a\0b", "é", "z")
  const TaskRunId = Literals("r1", "r2", "R1", "20000000-0000-4000-8000-000000000001", "é", "r\0", "\udfff")
  const State = Literals("Success", "Failed", "Pending", "Odd")
  const Time = Literals("2022-03-01T12:00:00+00:00", "2022-03-01T12:00:00.000001+00:00", "2021-01-01T00:00:00+00:00")
  const SerializedState = Schema.NullOr(Schema.Struct({ type: State }))
  const Index = Schema.Literals([-1, 0, 1, 2, 10])
  const TablesSchema = Schema.Struct({
    task_run: Schema.Array(Schema.Struct({
      id: TaskRunId,
      flow_run_id: Optional(FlowRunId),
      task_id: Optional(TaskId),
      map_index: Index,
      serialized_state: SerializedState,
      start_time: Optional(Time)
    })),
    task: Schema.Array(
      Schema.Struct({ id: TaskId, slug: Optional(Literals("s1", "s2")), flow_id: Literals("w1", "w2") })
    ),
    flow_run: Schema.Array(Schema.Struct({
      id: FlowRunId,
      created: Optional(Time),
      flow_id: Optional(Literals("w1", "w2", "w3")),
      name: Optional(Literals("a", "B", "ba")),
      serialized_state: SerializedState
    })),
    flow: Schema.Array(Schema.Struct({ id: Literals("w1", "w2"), created: Time, name: Literals("flow", "other") })),
    log: Schema.Array(Schema.Struct({
      id: Literals("l1", "l2", "30000000-0000-4000-8000-000000000001"),
      timestamp: Optional(Time),
      level: Optional(Literals("INFO", "WARNING", "ERROR", "ODD")),
      flow_run_id: Optional(FlowRunId),
      task_run_id: Optional(TaskRunId)
    })),
    task_run_artifact: Schema.Array(Schema.Struct({ id: Literals("a1", "a2"), task_run_id: TaskRunId, created: Time })),
    task_run_state: Schema.Array(Schema.Struct({
      id: Literals("s1", "s2"),
      task_run_id: TaskRunId,
      timestamp: Optional(Time),
      version: Index,
      serialized_state: SerializedState
    })),
    edge: Schema.Array(
      Schema.Struct({ flow_id: Literals("w1", "w2"), upstream_task_id: TaskId, downstream_task_id: TaskId })
    )
  })

  /** The same ids as UUIDs: those have an order that is the same in an index as in memory. */
  const named = new Map<string, string>()
  const uuidOf = (id: string) => {
    if (/^[0-9a-f-]{36}$/.test(id)) return id
    if (!named.has(id)) {
      const first = (named.size * 7919 % 256).toString(16).padStart(2, "0")
      named.set(id, `${first}000000-0000-4000-8000-00000000000f`)
    }
    return named.get(id)!
  }
  const withUuids = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(withUuids)
      : typeof value === "object" && value !== null
      ? Object.fromEntries(
        Object.entries(value).map(([key, value]) => [
          key,
          /^id$|_id$/.test(key) && typeof value === "string" ? uuidOf(value) : withUuids(value)
        ])
      )
      : value

  const compare = Effect.fnUntraced(function*(tables: Tables, id: (id: string) => string, isOrdered: boolean) {
    const { cache, directory } = yield* archiveOf({
      ...tables,
      flow_run: [...tables["flow_run"] ?? [], "{ half", "[]"]
    })
    const indexed = yield* everything(directory, { index: "always", cache }, id, isOrdered)
    const expected = yield* everything(directory, { index: "never" }, id, isOrdered)
    for (const [at, answer] of expected.entries()) {
      // The comparison of the assertion, which says what differs, takes many times as long.
      if (!isDeepStrictEqual(indexed[at], answer)) assert.deepStrictEqual(indexed[at], answer)
    }
    assert.strictEqual(indexed.length, expected.length)
    assert.isTrue(fs.existsSync(cache))
  })

  it.effect.prop(
    "says what the tables say, in their order",
    [TablesSchema],
    ([tables]) => Effect.provide(Effect.scoped(compare(withUuids(tables) as Tables, uuidOf, true)), quiet),
    { arbitrary: runs(6, 80) }
  )

  it.effect.prop(
    "says what the tables say, whatever the ids are",
    [TablesSchema],
    ([tables]) => Effect.provide(Effect.scoped(compare(tables, (id) => id, false)), quiet),
    { arbitrary: runs(6, 80) }
  )

  const rows = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ id: `r${n}`, flow_run_id: "f1", task_id: "t1", map_index: n }))
  const count = (directory: string, options: ArchiveApi.Options) =>
    Effect.scoped(Effect.gen(function*() {
      const { api } = yield* ArchiveApi.make(directory, options)
      return yield* api.countMappedChildren({ flowRunId: "f1", taskId: "t1" })
    })).pipe(Effect.provide(quiet))
  const indexes = (folder: string): ReadonlyArray<string> =>
    !fs.existsSync(folder)
      ? []
      : fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith("index.sqlite"))
        .map((name) => join(folder, name))

  it.effect.skipIf(process.platform === "win32")(
    "that a disk has no room for is left out, with a warning",
    () =>
      Effect.gen(function*() {
        const { cache, directory } = yield* archiveOf({ task_run: rows(10) })
        const program = `
        import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
        import * as Effect from "effect/Effect"
        const [directory, cache] = process.argv.slice(1)
        console.log(JSON.stringify(await Effect.runPromise(Effect.scoped(Effect.flatMap(
          ArchiveApi.make(directory, { index: "always", cache }),
          ({ api }) => api.countMappedChildren({ flowRunId: "f1", taskId: "t1" })
        )))))`
        // A limit of 4 or 8 KiB, as the shell counts.
        const limited = `trap '' XFSZ; ulimit -f 8; exec "$@"`
        const node = [process.execPath, "--conditions=@effect-prefect/source", "--input-type=module", "-e", program]
        const args = ["-c", limited, "sh", ...node, directory, cache]
        const printed = execFileSync("sh", args, { encoding: "utf8", cwd: import.meta.dirname })
        assert.include(printed, JSON.stringify({ Scheduled: 10 }))
        assert.match(printed, /cannot be made in .* \(EIO: .*\): its tables are read into memory/)
        assert.deepStrictEqual(indexes(cache), [])
      })
  )

  it.effect("is made in the cache where the archive has none, and used again", () =>
    Effect.gen(function*() {
      const { cache, directory } = yield* archiveOf({ task_run: rows(10) })
      assert.deepStrictEqual(yield* count(directory, { index: "always", cache }), { Scheduled: 10 })
      const [index] = indexes(cache)
      const { mtimeMs } = fs.statSync(index!)
      assert.deepStrictEqual(yield* count(directory, { index: "always", cache }), { Scheduled: 10 })
      assert.strictEqual(fs.statSync(index!).mtimeMs, mtimeMs)
      assert.deepStrictEqual(fs.readdirSync(directory), ["tables"])
      // A small archive is read as fast without one.
      const other = join(cache, "other")
      assert.deepStrictEqual(yield* count(directory, { cache: other }), { Scheduled: 10 })
      assert.isFalse(fs.existsSync(other))
    }))

  it.effect("beside the tables goes before the cache, also for another user and in another place", () =>
    Effect.gen(function*() {
      const { cache, directory } = yield* archiveOf({ task_run: rows(10) })
      yield* ArchiveApi.makeIndex(directory, { cache })
      assert.deepStrictEqual(fs.readdirSync(directory).toSorted(), ["index.json", "index.sqlite", "tables"])
      const moved = `${directory}-moved`
      fs.cpSync(directory, moved, { recursive: true })
      assert.deepStrictEqual(yield* count(moved, { index: "always", cache }), { Scheduled: 10 })
      assert.deepStrictEqual(indexes(cache), [])
    }))

  it.effect("is never believed when the tables or itself have changed", () =>
    Effect.gen(function*() {
      const { cache, directory } = yield* archiveOf({ task_run: rows(10) })
      const table = join(directory, "tables/task_run.jsonl")
      const whole = fs.readFileSync(table, "utf8")
      yield* ArchiveApi.makeIndex(directory, { cache })
      const { atime, mtime } = fs.statSync(table)
      fs.writeFileSync(table, whole.replaceAll(`"map_index":`, `"map_lndex":`))
      fs.utimesSync(table, atime, mtime)
      assert.deepStrictEqual(yield* count(directory, { index: "always", cache }), {})
      fs.writeFileSync(table, whole)
      const index = join(directory, "index.sqlite")
      for (const file of [index, ...indexes(cache)]) {
        const bytes = fs.readFileSync(file)
        for (const at of [0, 100, bytes.length >> 1, bytes.length - 1]) {
          fs.writeFileSync(file, Buffer.from(bytes).fill(bytes[at]! ^ 1, at, at + 1))
          assert.deepStrictEqual(
            yield* count(directory, { index: "always", cache }),
            { Scheduled: 10 },
            `${file} ${at}`
          )
        }
        fs.writeFileSync(file, "")
        assert.deepStrictEqual(yield* count(directory, { index: "always", cache }), { Scheduled: 10 })
        fs.rmSync(file)
        assert.deepStrictEqual(yield* count(directory, { index: "always", cache }), { Scheduled: 10 })
      }
      fs.writeFileSync(join(directory, "tables/log.jsonl"), "")
      assert.deepStrictEqual(yield* count(directory, { index: "always", cache }), { Scheduled: 10 })
    }))

  it.effect("is done without where none can be written", () =>
    Effect.gen(function*() {
      const { directory } = yield* archiveOf({ task_run: rows(10) })
      fs.writeFileSync(`${directory}-file`, "")
      assert.deepStrictEqual(
        yield* count(directory, { index: "always", cache: join(`${directory}-file`, "cache") }),
        { Scheduled: 10 }
      )
    }))

  it.effect("in the cache goes when its archive has gone", () =>
    Effect.gen(function*() {
      const { cache, directory } = yield* archiveOf({ task_run: rows(10) })
      yield* count(directory, { index: "always", cache })
      const other = yield* archiveOf({ task_run: rows(3) })
      fs.rmSync(directory, { recursive: true })
      yield* count(other.directory, { index: "always", cache })
      assert.strictEqual(indexes(cache).length, 1)
    }))
})
