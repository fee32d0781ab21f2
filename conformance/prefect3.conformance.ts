/**
 * A real Prefect 3.8.0: a server with basic auth, CSRF tokens and a low page limit, flows that store results with every
 * serializer in files, in S3 and through fsspec, and every state, value and error compared with Prefect's own reading.
 * Then the first and the newest Prefect 3, with the flows that Prefect 2 is compared with.
 */
import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as State from "@effect-prefect/core/State"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as Prefect3S3 from "@effect-prefect/results/Prefect3S3"
import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { start } from "./prefect3/world.ts"
import { compareArchive } from "./prefectVersions/archive.ts"
import { compare as compareVersion } from "./prefectVersions/compare.ts"
import { prefect30, prefect3Newest } from "./prefectVersions/versions.ts"
import { check } from "./support/check.ts"
import { root } from "./support/folder.ts"
import { run as command } from "./support/process.ts"

type Json = JsonProjection.Json
type Outcome = { readonly value: Json } | { readonly reason: string }

interface Line {
  readonly flow: string
  readonly flow_run_id: string
  readonly task_run_id: string
  readonly task_key: string
  readonly name: string
  readonly state: {
    readonly type: string
    readonly name: string
    readonly data: { readonly storage_key: string } | null
  }
  readonly outcome: Outcome
}

const authString = "admin:conformance"
await using world = await start({
  PREFECT_SERVER_API_AUTH_STRING: authString,
  PREFECT_API_AUTH_STRING: authString,
  PREFECT_SERVER_CSRF_PROTECTION_ENABLED: "true",
  PREFECT_SERVER_API_DEFAULT_LIMIT: "30"
})

const { stdout } = await world.python.run([join(import.meta.dirname, "prefect3", "flows.py")], { env: world.env })
const printed = stdout.trim().split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Line)
const { flow_runs: flowRuns, blocks } = printed.pop() as unknown as {
  readonly flow_runs: Readonly<Record<string, string>>
  readonly blocks: Readonly<Record<string, string>>
}
const of = (flow: string) => printed.filter((line) => line.flow === flow)

const asked: Array<string> = []
const counting: typeof fetch = async (input, init) => {
  asked.push(`${init?.method} ${new URL(String(input)).pathname}`)
  return await fetch(input, init)
}

const s3 = S3Storage.layer({
  buckets: ["results"],
  endpoint: world.s3,
  region: "us-east-1",
  credentials: { accessKeyId: "AKIAFAKEFAKEFAKE0000", secretAccessKey: Redacted.make("fake-secret-not-real") }
})
const files = LocalStorage.layer({ roots: [world.store] })
const environment = Layer.succeed(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: world.env }))
const api = Layer.provide(Prefect3Api.layerPrefectConfig(), environment)
const live = Layer.provideMerge(Prefect3Storage.layer(ResultStorage.layerMerge([files, s3])), api)

const run = <A, E>(effect: Effect.Effect<A, E, PrefectApi | ResultStorage.ResultStorage>) =>
  Effect.runPromise(
    Effect.provideService(Effect.provide(effect, live), FetchHttpClient.Fetch, counting) as Effect.Effect<A, E>
  )

const outcomeOf = (taskRunId: string): Effect.Effect<Outcome, unknown, PrefectApi | ResultStorage.ResultStorage> =>
  Effect.flatMap(
    TaskRun.fromTaskRunId(taskRunId),
    (taskRun) =>
      Effect.flatMap(
        Effect.result(taskRun.getResult),
        (result): Effect.Effect<Outcome, unknown> =>
          Result.isSuccess(result)
            ? Effect.map(JsonProjection.toJson(result.success), (value) => ({ value }))
            : Effect.succeed({ reason: result.failure.reason._tag })
      )
  )

/** Sets in any order; they were printed as `{"set": […]}`. */
const same = (found: Json, expected: Json): boolean => {
  if (typeof expected !== "object" || expected === null) return Object.is(found, expected)
  if (Array.isArray(expected)) {
    return Array.isArray(found) && found.length === expected.length &&
      expected.every((item, index) => same(found[index] as Json, item as Json))
  }
  const wanted = expected as { readonly [key: string]: Json }
  if (Array.isArray(wanted["set"]) && Array.isArray(found)) {
    const members = wanted["set"] as ReadonlyArray<Json>
    return found.length === members.length &&
      members.every((member) => found.some((item) => same(item as Json, member)))
  }
  if (typeof found !== "object" || found === null || Array.isArray(found)) return false
  const given = found as { readonly [key: string]: Json }
  return Object.keys(given).length === Object.keys(wanted).length &&
    Object.keys(wanted).every((key) => Object.hasOwn(given, key) && same(given[key]!, wanted[key]!))
}

const compare = (found: Outcome, expected: Outcome) => {
  const equal = "value" in expected
    ? "value" in found && same(found.value, expected.value)
    : "reason" in found && found.reason === expected.reason
  assert.ok(equal, `found ${JSON.stringify(found).slice(0, 300)}, expected ${JSON.stringify(expected).slice(0, 300)}`)
}

for (const flow of Object.keys(flowRuns)) {
  await check(`${flow}: every value and every refusal`, async () => {
    const lines = of(flow)
    assert.ok(lines.length > 0)
    const found = await run(Effect.forEach(lines, ({ task_run_id }) => outcomeOf(task_run_id), { concurrency: 8 }))
    const wrong = lines.flatMap((line, index) => {
      try {
        compare(found[index]!, line.outcome)
        return []
      } catch (error) {
        return [`${line.name}: ${(error as Error).message}`]
      }
    })
    assert.equal(wrong.length, 0, wrong.join("\n"))
  })
}

await check("every task run of a flow run, with a page limit of 30", async () => {
  for (const [flow, id] of Object.entries(flowRuns)) {
    const views = await run(Effect.flatMap(PrefectApi, (api) => api.firstTaskRunOfEachTask(id)))
    assert.deepEqual(
      views.map((view) => view.taskRunId as string).toSorted(),
      of(flow).map((line) => line.task_run_id).toSorted()
    )
    const keys = views.map((view) => view.taskSlug!)
    assert.deepEqual(keys, keys.toSorted())
  }
  assert.ok(of("kinds pickle").length > 30)
})

const prefect1: Readonly<Record<string, State.StateType>> = {
  "COMPLETED/Completed": "Success",
  "COMPLETED/AllGood": "Success",
  "COMPLETED/Cached": "Cached",
  "COMPLETED/RolledBack": "Finished",
  "FAILED/Failed": "Failed",
  "FAILED/TimedOut": "TimedOut",
  "PENDING/NotReady": "Pending"
}

await check("every state, and Prefect 3's own beside it", async () => {
  const views = await run(
    Effect.flatMap(
      PrefectApi,
      (api) => Effect.forEach(printed, ({ task_run_id }) => api.taskRun(task_run_id), { concurrency: 8 })
    )
  )
  for (const [index, { state }] of printed.entries()) {
    const view = views[index]!
    const key = `${state.type}/${state.name}`
    assert.equal(view.state._tag, prefect1[key], key)
    assert.deepEqual(State.toJson(view.state), state)
  }
  const seen = new Set(printed.map((line) => `${line.state.type}/${line.state.name}`))
  assert.deepEqual([...seen].toSorted(), Object.keys(prefect1).toSorted())
})

const structure = of("structure")
const flowRunId = flowRuns["structure"]!

await check("a task by its key and by its name, and the runs of a map", async () => {
  const single = structure.find((line) => line.name.startsWith("flaky"))!
  for (const taskSlug of [single.task_key, "flaky"]) {
    const taskRun = await run(TaskRun.fromTaskSlug({ taskSlug, flowRunId }))
    assert.equal(taskRun.view.taskRunId, single.task_run_id)
  }
  const mapped = structure.filter((line) => line.name.startsWith("mapped")).map((line) => line.task_run_id).toSorted()
  assert.equal(mapped.length, 4)
  const ambiguous = await run(Effect.flip(TaskRun.fromTaskSlug({ taskSlug: "mapped", flowRunId })))
  assert.ok(ambiguous.reason._tag === "AmbiguousTaskRun")
  assert.deepEqual(ambiguous.reason.taskRunIds.toSorted(), mapped)
  const unsupported = await run(Effect.flip(TaskRun.fromTaskSlug({ taskSlug: "mapped", flowRunId, mapIndex: 0 })))
  assert.equal(unsupported.reason._tag, "UnsupportedByBackend")
  assert.match(unsupported.message, /siblings/)
  const siblings = await run(
    Effect.flatMap(
      PrefectApi,
      (api) => Effect.flatMap(api.taskRun(mapped[0]!), (view) => Stream.runCollect(api.siblings(view)))
    )
  )
  assert.deepEqual(siblings.map((view) => view.taskRunId as string).toSorted(), mapped.slice(1))
})

await check("the history of a task run, oldest first", async () => {
  const flaky = structure.find((line) => line.name.startsWith("flaky"))!
  const records = await run(Effect.flatMap(PrefectApi, (api) => api.taskRunStates(flaky.task_run_id)))
  const names = records.map(({ state }) => state._tag)
  assert.equal(names[0], "Pending")
  assert.equal(names.at(-1), "Success")
  assert.ok(names.includes("Retrying"), names.join(", "))
})

await check("flow runs newest first, flows, logs, artifacts", async () => {
  const found = await run(Effect.flatMap(PrefectApi, (api) =>
    Effect.all({
      flowRuns: Stream.runCollect(api.flowRuns({}, { pageSize: 3 })),
      completed: Stream.runCollect(api.flowRuns({ flowName: "kinds", states: ["Success"] })),
      flows: Stream.runCollect(api.flows({ pageSize: 2 })),
      logs: Stream.runCollect(api.logs({ flowRunId }, { pageSize: 5 })),
      artifacts: Stream.runCollect(api.artifacts({ flowRunId })),
      states: api.flowRunStates(flowRunId)
    })))
  const times = found.flowRuns.map((view) => view.scheduledStartTime!)
  assert.deepEqual(times, times.toSorted().toReversed())
  assert.ok(Object.values(flowRuns).every((id) => found.flowRuns.some((view) => view.flowRunId === id)))
  assert.equal(found.completed.length, Object.keys(flowRuns).filter((label) => label.startsWith("kinds")).length)
  assert.deepEqual(found.flows.map((flow) => flow.name), ["blocks", "child", "kinds", "structure"])
  assert.ok(found.logs.length > 5)
  const timestamps = found.logs.map((line) => line.timestamp)
  assert.deepEqual(timestamps, timestamps.toSorted())
  assert.equal(new Set(found.logs.map((line) => line.id)).size, found.logs.length)
  assert.equal(found.states.at(-1)?.state._tag, "Success")
})

await check("one request for a storage block, without its secrets", async () => {
  asked.length = 0
  const lines = of("blocks").filter((line) => line.name.startsWith("block local") || line.name.startsWith("expiring"))
  await run(Effect.forEach([...lines, ...lines], ({ task_run_id }) => outcomeOf(task_run_id), { concurrency: 4 }))
  assert.deepEqual(asked.filter((request) => request.includes("block_documents")), [
    `GET /api/block_documents/${blocks["local"]}`
  ])
  const block = await run(Effect.flatMap(PrefectApi, (api) => api.storageBlock(blocks["s3"]!)))
  assert.doesNotMatch(JSON.stringify(block), /fake-secret|AKIA/)
})

await check("buckets with the credentials of their blocks, when they were asked for", async () => {
  const own = Prefect3Storage.layer(LocalStorage.layer({ roots: [] }), {
    forBlock: Prefect3S3.forBlock({ buckets: ["results"], allowEndpoint: (endpoint) => endpoint === world.s3 })
  })
  const lines = of("blocks").filter((line) => /block (s3|remote)/.test(line.name))
  assert.equal(lines.length, 3)
  for (const includeSecrets of [true, false]) {
    const api = Prefect3Api.layer({ url: world.url, authString: Redacted.make(authString), includeSecrets })
    const found = await Effect.runPromise(
      Effect.provide(
        Effect.forEach(lines, ({ task_run_id }) => outcomeOf(task_run_id)),
        Layer.provideMerge(own, api)
      )
    )
    for (const [index, outcome] of found.entries()) {
      // All settings of a RemoteFileSystem are returned without being requested.
      const isOpen = includeSecrets || lines[index]!.name === "block remote"
      compare(outcome, isOpen ? lines[index]!.outcome : { reason: "StorageNotProvided" })
    }
  }
})

/** A POST to the server by another client. */
const post = async (path: string, body: object): Promise<{ readonly id: string }> => {
  const headers = { authorization: `Basic ${Buffer.from(authString).toString("base64")}` }
  const token = await (await fetch(`${world.url}/csrf-token?client=conformance`, { headers })).json() as {
    token: string
  }
  const response = await fetch(`${world.url}${path}`, {
    method: "POST",
    headers: {
      ...headers,
      "content-type": "application/json",
      "prefect-csrf-token": token.token,
      "prefect-csrf-client": "conformance"
    },
    body: JSON.stringify(body)
  })
  assert.ok(response.ok, `${path} answers ${response.status}`)
  return await response.json() as { id: string }
}

await check("the events of a run that goes on, and a watch of it", async () => {
  const flow = await post("/flows/", { name: "live" })
  const create = () => post("/flow_runs/", { flow_id: flow.id, state: { type: "RUNNING", name: "Running" } })
  const [live, other] = [await create(), await create()]
  const end = ({ id }: { readonly id: string }) =>
    Effect.promise(() => post(`/flow_runs/${id}/set_state`, { state: { type: "COMPLETED", name: "Completed" } }))
  let hints = 0
  const heard = (count: number) =>
    Effect.gen(function*() {
      while (hints < count) yield* Effect.sleep("20 millis")
    }).pipe(Effect.timeout("60 seconds"))
  const states = await run(Effect.gen(function*() {
    const api = yield* PrefectApi
    const flowRun = yield* FlowRun.fromFlowRunId(live.id)
    const watching = yield* Effect.forkChild(Stream.runCollect(flowRun.watch({ settle: 0 })))
    yield* Effect.forkChild(Stream.runForEach(api.flowRunSignals(live.id), () =>
      Effect.sync(() => {
        hints++
      })))
    // The server subscribes, and earlier events are not repeated.
    yield* heard(1)
    yield* end(other)
    yield* Effect.sleep("5 seconds")
    assert.equal(hints, 1)
    yield* end(live)
    yield* heard(2)
    const events = yield* Fiber.join(watching)
    return events.flatMap((event) => event._tag === "State" ? [event.record.state._tag] : [])
  }))
  assert.deepEqual(states, ["Running", "Success"])
})

await check("credentials: none, wrong ones, and another kind", async () => {
  for (
    const options of [
      { url: world.url },
      { url: world.url, authString: Redacted.make("admin:wrong") },
      { url: world.url, apiKey: Redacted.make("pnu_wrong") }
    ]
  ) {
    const error = await Effect.runPromise(
      Effect.flip(
        Effect.provide(Effect.flatMap(PrefectApi, (api) => api.flowRun(flowRunId)), Prefect3Api.layer(options))
      )
    )
    assert.ok(error._tag === "PrefectApiError" && error.reason._tag === "Unauthorized")
  }
})

await check("flow-run results --prefect3, as the command prints them", async () => {
  for (const flow of ["structure", "kinds json", "blocks"]) {
    const { stdout } = await command(
      process.execPath,
      [
        "--conditions=@effect-prefect/source",
        join(root, "packages/cli/bin/effect-prefect.js"),
        "flow-run",
        "results",
        flowRuns[flow]!,
        "--json",
        "--prefect3",
        world.url,
        "--mount",
        world.store,
        "--mount",
        "s3://results",
        "--s3-endpoint",
        world.s3
      ],
      { env: { ...world.env, PREFECT_API_URL: undefined } }
    )
    const lines = stdout.trim().split("\n").map((line) =>
      JSON.parse(line) as {
        readonly task_run_id: string
        readonly task_slug: string
        readonly map_index: number
        readonly outcome: { readonly value: Json } | { readonly error: { readonly reason: string } }
      }
    )
    const expected = new Map(of(flow).map((line) => [line.task_run_id, line]))
    assert.equal(lines.length, expected.size)
    for (const { map_index, outcome, task_run_id, task_slug } of lines) {
      const line = expected.get(task_run_id)!
      assert.equal(task_slug, line.task_key)
      assert.equal(map_index, -1)
      compare("value" in outcome ? outcome : { reason: outcome.error.reason }, line.outcome)
    }
  }
})

await compareArchive({
  title: "prefect-3",
  url: world.url,
  mounts: [world.store, "s3://results"],
  more: ["--s3-endpoint", world.s3],
  env: { ...world.env, PREFECT_API_URL: undefined },
  secrets: ["fake-secret-not-real", "AKIAFAKEFAKEFAKE0000"]
})

// From here on the stored results are damaged.
const damage: ReadonlyArray<readonly [string, string, (path: string) => void, string]> = [
  ["a file that is gone", "pickle int", (path) => rmSync(path), "ResultNotFound"],
  ["an empty file", "pickle str", (path) => writeFileSync(path, ""), "ResultDecodeError"],
  [
    "a file that is cut off",
    "pickle list",
    (path) => writeFileSync(path, readFileSync(path).subarray(0, 80)),
    "ResultDecodeError"
  ],
  ["a file of something else", "pickle dict", (path) => writeFileSync(path, "\x00\x01 nothing"), "ResultDecodeError"],
  [
    "an unknown serializer",
    "json int",
    (path) => writeFileSync(path, readFileSync(path, "utf8").replace("\"type\":\"json\"", "\"type\":\"msgpack-x\"")),
    "UnsupportedResultType"
  ],
  [
    "damaged xz",
    "compressed/json str",
    (path) => writeFileSync(path, readFileSync(path, "utf8").replace(/("result":"[^"]{40})[^"]*/, "$1AAAA")),
    "ResultDecodeError"
  ]
]
for (const [what, name, change, reason] of damage) {
  await check(`${what} is ${reason}`, async () => {
    const line = printed.find((line) => line.name === name)!
    change(line.state.data!.storage_key)
    compare(await run(outcomeOf(line.task_run_id)), { reason })
  })
}

await check("a storage block that is gone is ResultNotFound", async () => {
  const headers = { authorization: `Basic ${Buffer.from(authString).toString("base64")}` }
  const token = await (await fetch(`${world.url}/csrf-token?client=conformance`, { headers })).json() as {
    token: string
  }
  const response = await fetch(`${world.url}/block_documents/${blocks["local"]}`, {
    method: "DELETE",
    headers: { ...headers, "prefect-csrf-token": token.token, "prefect-csrf-client": "conformance" }
  })
  assert.equal(response.status, 204)
  const line = printed.find((line) => line.name === "block local")!
  compare(await run(outcomeOf(line.task_run_id)), { reason: "ResultNotFound" })
})

// The first and the newest Prefect 3 beside it, by what Prefect 2 and 3 have in common.
for (const version of [prefect30, prefect3Newest]) await compareVersion(version)
