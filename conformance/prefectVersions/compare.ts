/**
 * One version of Prefect 2 or 3: a real server, flows that ran against it, and everything that this library reads of
 * them.
 */
import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as State from "@effect-prefect/core/State"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
import type { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { check } from "../support/check.ts"
import { freePort, startServer } from "../support/process.ts"
import { type Requirements, type Venv, venv } from "../support/python.ts"
import { compareArchive } from "./archive.ts"
import { compareCollections } from "./collect.ts"

type Json = JsonProjection.Json
type Outcome = { readonly value: Json } | { readonly reason: string }

interface Run {
  readonly id: string
  readonly name: string
  readonly state: { readonly type: string; readonly name: string; readonly data: Json }
  readonly outcome: Outcome
}
interface TaskRunLine extends Run {
  readonly flow_run_id: string
  readonly task_key: string
  readonly dynamic_key: string
}

export interface Version extends Requirements {
  readonly version: RegExp
  /** The server's application, for versions whose own command has no option for the address. */
  readonly app?: string
  /** Another version, whose server then opens a copy of this one's database. */
  readonly migratedBy?: Version
}

const prefect1Type: Readonly<Record<string, State.StateType>> = {
  "COMPLETED/Completed": "Success",
  "COMPLETED/Cached": "Cached",
  "FAILED/Failed": "Failed"
}

const environment = (home: string, store: string, url: string): Record<string, string> => ({
  PREFECT_HOME: home,
  PREFECT_PROFILES_PATH: join(home, "profiles.toml"),
  PREFECT_LOCAL_STORAGE_PATH: join(store, "storage"),
  PREFECT_RESULTS_LOCAL_STORAGE_PATH: join(store, "storage"),
  PREFECT_SERVER_MEMO_STORE_PATH: join(home, "memo.toml"),
  PREFECT_API_DATABASE_CONNECTION_URL: `sqlite+aiosqlite:///${join(home, "prefect.db")}`,
  PREFECT_ORION_DATABASE_CONNECTION_URL: `sqlite+aiosqlite:///${join(home, "prefect.db")}`,
  PREFECT_SERVER_ANALYTICS_ENABLED: "false",
  PREFECT_LOGGING_LEVEL: "INFO",
  PREFECT_API_URL: url,
  STORE: store,
  RUN: String(process.pid)
})

/** Its server on a free port, with a database and settings of its own below `home`, and what its clients need. */
export const startPrefect = async (version: Version, python: Venv, home: string, store: string) => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/api`
  const env = environment(home, store, url)
  const probe = async () => (await fetch(`${url}/health`)).ok
  const server = version.app === undefined
    ? await startServer(
      python.bin("prefect"),
      ["server", "start", "--no-ui", "--host", "127.0.0.1", "--port", String(port)],
      { env, cwd: home, probe, timeout: 180_000 }
    )
    : await startServer(
      python.python,
      [
        "-m",
        "uvicorn",
        "--factory",
        version.app,
        "--host",
        "127.0.0.1",
        "--port",
        String(port),
        "--log-level",
        "error"
      ],
      { env, cwd: home, probe, timeout: 180_000 }
    )
  return { env, server, url }
}

/** Compares one version, then with its database under `migratedBy`. */
export const compare = async (version: Version): Promise<void> => {
  const python = await venv(version)
  const home = mkdtempSync(join(tmpdir(), "prefect-"))
  const store = join(home, "store")
  mkdirSync(store)
  try {
    let lines: Lines
    {
      const { env, server, url } = await startPrefect(version, python, home, store)
      await using _ = server
      const { stdout } = await python.run([join(import.meta.dirname, "flows.py")], { env, cwd: home })
      lines = linesOf(stdout)
      await compareRuns(version, url, store, lines)
      await watchLive(version, url, store)
      await compareArchive({ title: version.name, url, mounts: [store] })
      await compareCollections({ title: version.name, url, mount: store, flowName: "everything" })
      await deletedBlock(version, url, store, lines)
    }
    if (version.migratedBy !== undefined) {
      const other = mkdtempSync(join(tmpdir(), "prefect-migrated-"))
      try {
        copyFileSync(join(home, "prefect.db"), join(other, "prefect.db"))
        const migrated = version.migratedBy
        const { server, url } = await startPrefect(migrated, await venv(migrated), other, store)
        await using _ = server
        await compareValues(`${version.name}'s database under ${migrated.name}`, url, store, {
          ...lines,
          // Its block was deleted before.
          flowRuns: lines.flowRuns.filter(isOutsideBlock(lines)),
          taskRuns: lines.taskRuns.filter(isOutsideBlock(lines))
        })
      } finally {
        rmSync(other, { recursive: true, force: true })
      }
    }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

interface Lines {
  readonly blockId: string
  readonly flowRuns: ReadonlyArray<Run>
  readonly taskRuns: ReadonlyArray<TaskRunLine>
}

const linesOf = (stdout: string): Lines => {
  const all = stdout.split("\n").filter((line) => line.startsWith("{\"kind\""))
    .map((line) => JSON.parse(line) as { readonly kind: string; readonly id: string })
  const of = <A>(kind: string) => all.filter((line) => line.kind === kind) as unknown as ReadonlyArray<A>
  return {
    blockId: of<{ readonly id: string }>("block")[0]!.id,
    flowRuns: of<Run>("flow_run"),
    taskRuns: of<TaskRunLine>("task_run")
  }
}

const isInBlock = ({ blockId }: Lines) => ({ state: { data } }: Run): boolean =>
  JSON.stringify(data)?.includes(blockId) === true
const isOutsideBlock = (lines: Lines) => (run: Run): boolean => !isInBlock(lines)(run)

const runner = (url: string, store: string) => {
  const files = LocalStorage.layer({ roots: [store] })
  const live = Layer.provideMerge(Prefect3Storage.layer(files), Prefect3Api.layer({ url }))
  return <A, E>(effect: Effect.Effect<A, E, PrefectApi | ResultStorage>) =>
    Effect.runPromise(Effect.provide(effect, live) as Effect.Effect<A, E>)
}

const outcomeOf = <E extends { readonly reason: { readonly _tag: string } }>(
  result: Result.Result<unknown, E>
): Effect.Effect<Outcome, unknown> =>
  Result.isSuccess(result)
    ? Effect.map(JsonProjection.toJson(result.success), (value) => ({ value }))
    : Effect.succeed({ reason: result.failure.reason._tag })

const compareValues = async (title: string, url: string, store: string, { flowRuns, taskRuns }: Lines) => {
  const run = runner(url, store)
  await check(`${title}: every value and every refusal`, async () => {
    assert.ok(taskRuns.length >= 10)
    const wrong: Array<string> = []
    for (const line of [...flowRuns, ...taskRuns]) {
      const isTask = "task_key" in line
      const result = isTask
        ? await run(Effect.flatMap(TaskRun.fromTaskRunId(line.id), (_) => Effect.result(_.getResult)))
        : await run(Effect.flatMap(FlowRun.fromFlowRunId(line.id), (_) => Effect.result(_.getResult)))
      const found = await Effect.runPromise(outcomeOf(result))
      try {
        assert.deepEqual(found, line.outcome)
      } catch {
        wrong.push(`${line.name}: ${JSON.stringify(found)}, expected ${JSON.stringify(line.outcome)}`)
      }
    }
    assert.equal(wrong.length, 0, wrong.join("\n"))
  })
}

const compareRuns = async (version: Version, url: string, store: string, lines: Lines) => {
  const { flowRuns, taskRuns } = lines
  const title = version.name
  const run = runner(url, store)
  const main = taskRuns.find(({ name }) => name.startsWith("flaky"))!.flow_run_id
  const ofMain = taskRuns.filter((line) => line.flow_run_id === main)

  await compareValues(title, url, store, lines)

  await check(`${title}: every state, and the server's own beside it`, async () => {
    for (const { id, state } of taskRuns) {
      const view = await run(Effect.flatMap(PrefectApi, (api) => api.taskRun(id)))
      assert.equal(view.state._tag, prefect1Type[`${state.type}/${state.name}`], `${state.type}/${state.name}`)
      assert.deepEqual(State.toJson(view.state), state)
    }
  })

  await check(`${title}: the listings are whole`, async () => {
    const found = await run(Effect.flatMap(PrefectApi, (api) =>
      Effect.all({
        flowRuns: Stream.runCollect(api.flowRuns({}, { pageSize: 2 })),
        named: Stream.runCollect(api.flowRuns({ flowName: "everything" })),
        part: Stream.runCollect(api.flowRuns({ nameContains: flowRuns[0]!.name.slice(1, -1).toUpperCase() })),
        flows: Stream.runCollect(api.flows()),
        first: api.firstTaskRunOfEachTask(main),
        taskRuns: Stream.runCollect(api.taskRuns({ flowRunId: main }, { pageSize: 3 })),
        failed: Stream.runCollect(api.taskRuns({ flowRunId: main, states: ["Failed"] })),
        summaries: Stream.runCollect(api.taskRunSummaries({ flowRunId: main }, { pageSize: 4 })),
        logs: Stream.runCollect(api.logs({ flowRunId: main }, { pageSize: 5 })),
        states: api.flowRunStates(main),
        edges: api.edges(main)
      })))
    const idsOf = (views: ReadonlyArray<{ readonly taskRunId: string }>) => views.map((_) => _.taskRunId).toSorted()
    const ids = ofMain.map(({ id }) => id).toSorted()
    assert.deepEqual(
      found.flowRuns.map((_) => _.flowRunId as string).toSorted(),
      flowRuns.map(({ id }) => id).toSorted()
    )
    assert.deepEqual(found.named.map((_) => _.flowRunId as string), [main])
    assert.ok(found.part.some((view) => view.flowRunId === flowRuns[0]!.id))
    assert.deepEqual(found.flows.map((_) => _.name).toSorted(), ["child", "everything", "in a block", "nothing kept"])
    assert.deepEqual(idsOf(found.first), ids)
    assert.deepEqual(idsOf(found.taskRuns), ids)
    assert.deepEqual(idsOf(found.summaries), ids)
    assert.deepEqual(
      idsOf(found.failed),
      ofMain.filter(({ state }) => state.type === "FAILED").map(({ id }) => id).toSorted()
    )
    assert.ok(found.logs.length > 5)
    assert.equal(new Set(found.logs.map(({ id }) => id)).size, found.logs.length)
    assert.equal(found.states.at(-1)?.state._tag, "Success")
    const total = ofMain.find(({ name }) => name.startsWith("total"))!
    assert.equal(found.edges.filter((edge) => edge.downstreamTaskId === total.id).length, 3)
  })

  await check(`${title}: tasks by name, and the calls of a task in their order`, async () => {
    const calls = ofMain.filter(({ task_key }) => /(^|\.)mapped(-|$)/.test(task_key))
    assert.equal(calls.length, 6)
    const isCounting = calls.every(({ dynamic_key }) => /^\d+$/.test(dynamic_key))
    assert.equal(isCounting, title.startsWith("prefect-2"))
    const single = ofMain.find(({ name }) => name.startsWith("flaky"))!
    const bySlug = (taskSlug: string, mapIndex = -1) =>
      run(Effect.result(TaskRun.fromTaskSlug({ taskSlug, flowRunId: main, mapIndex })))
    for (const slug of ["flaky", single.task_key]) {
      const found = await bySlug(slug)
      assert.ok(Result.isSuccess(found))
      assert.equal(found.success.view.taskRunId, single.id)
    }
    const ambiguous = await bySlug("mapped")
    assert.ok(Result.isFailure(ambiguous) && ambiguous.failure.reason._tag === "AmbiguousTaskRun")
    const inOrder = calls.toSorted((left, right) => Number(left.dynamic_key) - Number(right.dynamic_key))
    for (const [index, call] of inOrder.entries()) {
      const found = await bySlug("mapped", index)
      if (isCounting) assert.ok(Result.isSuccess(found) && found.success.view.taskRunId === call.id)
      else assert.ok(Result.isFailure(found) && found.failure.reason._tag === "UnsupportedByBackend")
    }
    const siblings = await run(
      Effect.flatMap(
        PrefectApi,
        (api) => Effect.flatMap(api.taskRun(inOrder[2]!.id), (view) => Stream.runCollect(api.siblings(view)))
      )
    )
    const others = inOrder.filter((_, index) => index !== 2).map(({ id }) => id)
    const found = siblings.map((view) => view.taskRunId as string)
    assert.deepEqual(isCounting ? found : found.toSorted(), isCounting ? others : others.toSorted())
  })

  await check(`${title}: what it has not is told with its version`, async () => {
    const error = await run(
      Effect.flip(Effect.flatMap(PrefectApi, (api) => api.countMappedChildren({ flowRunId: main, taskId: "x" })))
    )
    assert.equal(error.reason._tag, "UnsupportedByBackend")
    assert.match(error.message, version.version)
    const artifacts = await run(
      Effect.result(Effect.flatMap(PrefectApi, (api) => Stream.runCollect(api.artifacts({ flowRunId: main }))))
    )
    assert.ok(Result.isSuccess(artifacts) || artifacts.failure.reason._tag === "UnsupportedByBackend")
  })
}

const post = async (url: string, body: object): Promise<{ readonly id: string }> => {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body)
  })
  assert.ok(response.ok, `${url} answers ${response.status}`)
  return await response.json() as { id: string }
}

const watchLive = (version: Version, url: string, store: string) =>
  check(`${version.name}: a live run is watched to its end, and its result awaited`, async () => {
    const flow = await post(`${url}/flows/`, { name: "live" })
    const live = await post(`${url}/flow_runs/`, { flow_id: flow.id, state: { type: "RUNNING", name: "Running" } })
    const end = Effect.promise(() =>
      post(`${url}/flow_runs/${live.id}/set_state`, {
        state: { type: "COMPLETED", name: "Completed", data: { type: "literal", value: 5 } },
        force: true
      })
    )
    const [states, value] = await runner(url, store)(Effect.gen(function*() {
      const flowRun = yield* FlowRun.fromFlowRunId(live.id)
      const watching = yield* Effect.forkChild(Stream.runCollect(flowRun.watch({ settle: 0, timeout: "60 seconds" })))
      const awaited = yield* Effect.forkChild(flowRun.awaitResult({ timeout: "60 seconds" }))
      yield* Effect.sleep("2 seconds")
      yield* end
      const events = yield* Fiber.join(watching)
      return [
        events.flatMap((event) => event._tag === "State" ? [event.record.state._tag] : []),
        yield* Fiber.join(awaited)
      ] as const
    }))
    assert.deepEqual(states, ["Running", "Success"])
    assert.equal(value, 5)
  })

const deletedBlock = (version: Version, url: string, store: string, lines: Lines) =>
  check(`${version.name}: results in a block that is gone are ResultNotFound`, async () => {
    const inBlock = lines.taskRuns.filter(isInBlock(lines))
    assert.ok(inBlock.length > 0)
    const response = await fetch(`${url}/block_documents/${lines.blockId}`, { method: "DELETE" })
    assert.ok(response.ok)
    const error = await runner(url, store)(
      Effect.flatMap(TaskRun.fromTaskRunId(inBlock[0]!.id), (_) => Effect.flip(_.getResult))
    )
    assert.equal(error.reason._tag, "ResultNotFound")
    assert.ok(error.message.includes(lines.blockId))
  })
