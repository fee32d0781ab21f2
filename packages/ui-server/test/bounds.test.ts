import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as MemoryStorage from "@effect-prefect/results/MemoryStorage"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { RunLengths } from "../src/internal/childStates.ts"
import { Permits, watched } from "../src/internal/permits.ts"
import { LoadedValue } from "../src/internal/result/loadedValue.ts"
import { QueryError } from "../src/internal/result/queryError.ts"
import { archiveSite, memorySite, prefect3Site, runId, siteOf } from "./support.ts"

const rows = (value: LoadedValue, query: { readonly columns?: ReadonlyArray<string>; readonly sort?: string } = {}) =>
  value.rows({ offset: 0, limit: 500, columns: query.columns, sort: query.sort, where: [] })

/** Lets work go on that waits for its turn of the event loop. */
const turns = Effect.promise(async () => {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
})

/** The parameter for which a query is refused. */
const refusal = (ask: () => unknown): string | undefined => {
  try {
    ask()
  } catch (error) {
    if (error instanceof QueryError) return error.parameter
    throw error
  }
  return undefined
}

describe("the options of a storage", () => {
  const descriptor = { type: "LocalResult", location: "/srv/1.json", dir: "/srv" }
  const api = MemoryApi.layer({
    flow_run: [{ id: "flow-run", name: "run" }],
    task: [{ id: "task", slug: "a-1" }],
    task_run: [{
      id: "run",
      task_id: "task",
      flow_run_id: "flow-run",
      serialized_state: { type: "Success", _result: descriptor }
    }]
  })
  const storage = MemoryStorage.layer({ "/srv/1.json": `"${"x".repeat(100)}"` })
  const options = ResultOptions.layer({ maxBytes: 10 })

  it.each<[string, Parameters<typeof siteOf>[0]]>([
    ["beside it", Layer.mergeAll(api, storage, options)],
    ["under it", Layer.merge(api, Layer.provide(storage, options))]
  ])("bound what the page loads: %s", async (_, services) => {
    const site = siteOf(services)
    try {
      assert.include(await (await site.get("/api/task-runs/run/result")).text(), "ResultTooLarge")
    } finally {
      await site.close()
    }
  })
})

describe("clients that do not read their responses", () => {
  it.effect("are disconnected when others wait for their permits, and those who are not kept waiting are not", () =>
    Effect.gen(function*() {
      const permits = new Permits(2, 5_000)
      const ended: Array<string> = []
      const client = Effect.fnUntraced(function*(name: string) {
        const scope = yield* Scope.make()
        const end = () => {
          ended.push(name)
          Effect.runFork(Scope.close(scope, Exit.void))
        }
        return { holder: yield* Scope.provide(permits.take(end), scope), scope }
      })
      const slow = yield* client("slow")
      const served = yield* client("served")
      // Both have a first piece; the server has no more for the other one.
      const response = HttpServerResponse.stream(
        Stream.concat(Stream.make(new Uint8Array(1)), Stream.fromEffect(Effect.never))
      )
      const bodies: Array<Stream.Stream<Uint8Array, unknown>> = []
      for (const { holder } of [slow, served]) {
        const { body } = yield* watched(response, holder)
        assert.ok(body._tag === "Stream")
        bodies.push(body.stream)
      }
      yield* Effect.forkChild(Stream.runDrain(bodies[1]!))
      yield* Effect.forkChild(Stream.runForEach(bodies[0]!, () => Effect.never))
      yield* turns
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([slow.holder.idleSince, served.holder.idleSince], [0, undefined])
      const third = yield* Effect.forkChild(client("third"))
      const gone = yield* Effect.forkChild(client("gone"))
      yield* TestClock.adjust("3900 millis")
      yield* Fiber.interrupt(gone)
      assert.deepStrictEqual(ended, [])
      yield* TestClock.adjust("100 millis")
      const { holder, scope } = yield* Fiber.join(third)
      assert.deepStrictEqual(ended, ["slow"])
      // A whole body is taken or not: whoever does not is disconnected too.
      yield* watched(HttpServerResponse.text("long"), holder)
      const fourth = yield* Effect.forkChild(client("fourth"))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(fourth)
      assert.deepStrictEqual(ended, ["slow", "third"])
      yield* Scope.close(scope, Exit.void)
    }))
})

describe("responses whose clients do not read", () => {
  const streaming = Effect.fnUntraced(function*(permits: Permits, body: HttpServerResponse.HttpServerResponse) {
    const scope = yield* Scope.make()
    const ended: Array<true> = []
    const holder = yield* Scope.provide(
      permits.take(() => {
        ended.push(true)
        Effect.runFork(Scope.close(scope, Exit.void))
      }),
      scope
    )
    const response = yield* watched(body, holder, permits)
    assert.ok(response.body._tag === "Stream")
    const taken = { count: 0, next: yield* Latch.make() }
    const stream = response.body.stream
    const run = Stream.runForEach(stream, () => {
      taken.count++
      taken.next.closeUnsafe()
      return taken.next.await
    })
    yield* Effect.forkChild(Effect.ensuring(run, Scope.close(scope, Exit.void)))
    yield* turns
    return { ended, taken }
  })
  const pieces = HttpServerResponse.stream(
    Stream.rechunk(Stream.fromIterable([1, 2, 3].map((size) => new Uint8Array(size))), 1)
  )

  it.effect("lend their permits, go on when they have one again, and are not lost", () =>
    Effect.gen(function*() {
      const permits = new Permits(1, 5_000)
      const stalled = yield* Effect.forEach([1, 2, 3, 4], () => streaming(permits, pieces))
      assert.deepStrictEqual(stalled.map(({ taken }) => taken.count), [1, 1, 1, 1])
      // A request that works has the only permit: nothing is made for the others.
      const scope = yield* Scope.make()
      yield* Scope.provide(permits.take(() => {}), scope)
      for (const { taken } of stalled) taken.next.openUnsafe()
      yield* turns
      assert.deepStrictEqual(stalled.map(({ taken }) => taken.count), [1, 1, 1, 1])
      yield* Scope.close(scope, Exit.void)
      for (let turn = 0; turn < 100 && stalled.some(({ taken }) => taken.count < 3); turn++) {
        yield* turns
        for (const { taken } of stalled) taken.next.openUnsafe()
      }
      assert.deepStrictEqual(stalled.map(({ taken }) => taken.count), [3, 3, 3, 3])
      for (const { taken } of stalled) taken.next.openUnsafe()
      const last = yield* Effect.scoped(
        Effect.forkChild(Effect.scoped(permits.take(() => {}))).pipe(
          Effect.tap(() => TestClock.adjust(1)),
          Effect.map((fiber) => fiber.pollUnsafe())
        )
      )
      assert.isDefined(last)
    }))
  it.effect("are few, and have few bytes: those that have not read for longest are disconnected", () =>
    Effect.gen(function*() {
      const permits = new Permits(1, 5_000)
      const many = yield* Effect.forEach(Array.from({ length: 7 }), () => streaming(permits, pieces))
      assert.deepStrictEqual(many.map(({ ended }) => ended.length), [1, 1, 1, 0, 0, 0, 0])
      const whole = HttpServerResponse.uint8Array(new Uint8Array(30 * 2 ** 20))
      const large = yield* Effect.forEach(Array.from({ length: 3 }), () => streaming(permits, whole))
      assert.deepStrictEqual(large.map(({ ended }) => ended.length), [1, 0, 0])
    }))
  it("keep no other request waiting", async () => {
    const log = Array.from({ length: 2_000 }, (_, index) => ({
      id: `line-${index}`,
      flow_run_id: runId,
      timestamp: new Date(1.6e12 + index).toISOString(),
      message: "x".repeat(100)
    }))
    const site = memorySite({ flow_run: [{ id: runId, name: "logged" }], log }, {
      limits: { requests: 1, wait: "20 millis" }
    })
    const readers = []
    for (let i = 0; i < 4; i++) {
      const reader = (await site.get(`/api/flow-runs/${runId}/logs`)).body!.getReader()
      await reader.read()
      readers.push(reader)
    }
    for (let i = 0; i < 3; i++) assert.strictEqual((await site.get(`/api/flow-runs/${runId}`)).status, 200)
    for (const reader of readers) await reader.cancel()
    await site.close()
  })
})

describe("downloads", () => {
  const folder = fs.mkdtempSync(join(tmpdir(), "downloads-"))
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))
  const bytes = Buffer.from(Array.from({ length: 2.5 * 2 ** 20 }, (_, index) => index % 251))
  const file = join(folder, "large")
  const taskRun = (id: string, location: string) => ({
    id,
    flow_run_id: runId,
    serialized_state: { type: "Success", _result: { type: "LocalResult", location, dir: folder } }
  })
  const tables = {
    flow_run: [{ id: runId, name: "large" }],
    task_run: [taskRun("large", file), taskRun("empty", join(folder, "empty")), taskRun("none", join(folder, "none"))]
  }
  const path = (id: string) => `/api/task-runs/${id}/result/bytes`

  it("do not hold the permits of other requests, and are bounded themselves", async () => {
    fs.writeFileSync(file, bytes)
    const site = prefect3Site(tables, folder, { limits: { downloads: 1, requests: 1, wait: "20 millis" } })
    const stalled = await site.get(path("large"))
    const reader = stalled.body!.getReader()
    await reader.read()
    for (let i = 0; i < 3; i++) assert.strictEqual((await site.get(`/api/flow-runs/${runId}`)).status, 200)
    assert.strictEqual((await site.get(path("large"))).status, 503)
    await reader.cancel()
    assert.strictEqual((await site.get(path("large"))).status, 200)
    await site.close()
  })
  it("of stored bytes are read as they are taken", async () => {
    fs.writeFileSync(file, bytes)
    fs.writeFileSync(join(folder, "empty"), "")
    const site = prefect3Site(tables, folder)
    const whole = Buffer.from(await (await site.get(path("large"))).arrayBuffer())
    assert.isTrue(whole.equals(bytes))
    assert.strictEqual((await (await site.get(path("empty"))).arrayBuffer()).byteLength, 0)
    assert.strictEqual((await site.get(path("none"))).status, 404)
    const reader = (await site.get(path("large"))).body!.getReader()
    await reader.read()
    fs.writeFileSync(file, bytes.subarray(0, 2 ** 21))
    const rest = async () => {
      while (!(await reader.read()).done);
    }
    assert.instanceOf(await rest().then(() => undefined, (error: unknown) => error), Error)
    await site.close()
  })
})

it("a value nested thousands deep has a reason, alone and among the others of its run", async () => {
  const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`
  const taskRun = (id: string, location: string) => ({
    id,
    flow_run_id: runId,
    serialized_state: { type: "Success", _result: { type: "PrefectResult", location } }
  })
  const site = memorySite({
    flow_run: [{ id: runId, name: "deep" }],
    task_run: [taskRun("deep", nested(9_000)), taskRun("flat", nested(3))]
  })
  const response = await site.get("/api/task-runs/deep/result.json")
  const { message } = await response.json() as { readonly message: string }
  assert.strictEqual(response.status, 422)
  assert.match(message, /nested more than 1000 deep/)
  const outcomes = await site.lines(`/api/flow-runs/${runId}/outcomes`)
  assert.deepStrictEqual(
    outcomes.map(({ outcome, task_run_id }) => [task_run_id, Object.keys(outcome as object)]).toSorted(),
    [["deep", ["error"]], ["flat", ["value"]]]
  )
  await site.close()
})

describe("values whose parts refer to one large part", () => {
  const long = "x".repeat(200_000)
  const nested = Array.from({ length: 1_000 }, (_, i) => i % 2 === 0 ? i : long.slice(0, 400))

  it("are cut in a page of rows that would be too large, which says so", () => {
    const page = rows(new LoadedValue(Array.from({ length: 500 }, (_, id) => ({ id, long, nested: [long, long] }))))
    const size = JSON.stringify(page).length
    assert.ok(size > 2 ** 23 && size < 2 ** 25, `${size} characters`)
    assert.strictEqual(page.columns[1]![0], long)
    assert.deepStrictEqual(page.columns[0], Array.from({ length: 500 }, (_, id) => id))
    const whole = page.columns.flat().filter((cell) => JSON.stringify(cell).length > 1_000).length
    assert.strictEqual(page.cut, 1_000 - whole)
    assert.strictEqual(page.columns[2]![499], "[2 items]")
    assert.ok(!("cut" in rows(new LoadedValue([{ long }, { long }]))))
  })
  it("are refused when even the cut cells are too many", () => {
    const names = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`c${i}`, long]))
    const value = new LoadedValue(Array.from({ length: 500 }, () => names))
    assert.strictEqual(refusal(() => rows(value)), "limit")
  })
  it("are neither sorted, compared nor counted by the text of each reference", () => {
    const value = new LoadedValue(Array.from({ length: 10_000 }, () => ({ nested: [nested] })))
    assert.strictEqual(refusal(() => rows(value, { sort: "nested" })), "sort")
    assert.strictEqual(refusal(() => value.column(0, ["nested~7"])), "where")
    assert.strictEqual(refusal(() => value.column(0, [])), "index")
    const small = new LoadedValue(Array.from({ length: 300 }, (_, id) => ({ nested: [9 - id % 9] })))
    assert.deepStrictEqual(rows(small, { sort: "nested" }).columns[0]![0], [1])
  })
  it("search a text once for all rows that have it", () => {
    // Searching it for each row would take minutes.
    const text = "y".repeat(4_000_000)
    const value = new LoadedValue(Array.from({ length: 100_000 }, (_, i) => ({ text: i === 7 ? "z" : text })))
    const summary = value.column(0, ["text~q"])
    assert.deepStrictEqual([summary.kind, summary.nulls], ["string", 0])
    const all = value.column(0, [])
    assert.strictEqual("distinct" in all ? all.distinct : 0, 2)
  })
  it("are looked at once by a path, and once for all entries that refer to them", () => {
    let asked = 0
    const loop: Record<string, unknown> = new Proxy({}, {
      ownKeys: (target) => {
        asked++
        return Reflect.ownKeys(target)
      }
    })
    loop["a"] = loop
    const path = "/a".repeat(900)
    assert.strictEqual(new LoadedValue(loop).level(path, 0, 1).size, 1)
    assert.ok(asked < 10, `${asked} times`)
    const { items } = new LoadedValue([1, ...Array.from({ length: 500 }, () => loop)]).level("", 0, 500)
    assert.strictEqual(items.length, 500)
    assert.ok(asked < 20, `${asked} times`)
    assert.throws(() => new LoadedValue(loop).level(`${path}/b`, 0, 1), "nothing at that path")
  })
  it("of any length, in cells and names, are CSV in steps", () => {
    const long = "x".repeat(3_000_000)
    for (
      const [text, field] of [[long, long], [`=${long}`, `'=${long}`], [`=${long}"`, `"'=${long}"""`], [
        `\r${long}`,
        `"'\r${long}"`
      ]] as const
    ) {
      const pieces = [...new LoadedValue([{ [text]: text, b: null }, { [text]: 1, b: 2 }]).csv()]
      assert.isTrue(pieces.join("") === `${field},b\r\n${field},\r\n1,2\r\n`)
      assert.isAtMost(Math.max(...pieces.map(({ length }) => length)), 200_000)
      if (text === long) assert.isAtLeast(pieces.filter((piece) => piece.length < 65_536).length, 4)
    }
  })

  it("give a row of CSV in pieces", () => {
    const row = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`c${i}`, long]))
    const value = new LoadedValue([row, row])
    let size = 0
    let largest = 0
    for (const piece of value.csv()) {
      size += piece.length
      largest = Math.max(largest, piece.length)
    }
    assert.ok(size > 2 * 200 * 200_000 && largest < 2 * 200_000 + 65_536, `${largest} of ${size}`)
  })
})

it("parts of the states of children repeat no more than 251 names", () => {
  const runs = new RunLengths(-1, null)
  let names: ReadonlyArray<string> = []
  for (let i = 0; i < 10_000; i++) {
    runs.see(i, `state ${i}`)
    if (i % 100 === 99) names = runs.take().names
  }
  assert.strictEqual(names.length, 251)
  assert.deepStrictEqual([names[0], names[249], names[250]], ["state 0", "state 249", "other states"])
})

describe("requests", () => {
  const site = archiveSite()
  afterAll(() => site.close())
  const reason = async (path: string) => {
    const response = await site.get(path)
    return [response.status, (await response.json() as { readonly reason: string }).reason]
  }

  it("with more conditions, states or repeated columns than a table needs are refused", async () => {
    const { task_run_id: id } = await site.json(`/api/task-runs?flow_run=${runId}&slug=frame-1`) as {
      readonly task_run_id: string
    }
    const { columns } = await site.json(`/api/task-runs/${id}/result`) as {
      readonly columns: ReadonlyArray<{ readonly name: string }>
    }
    const path = `/api/task-runs/${id}/result/rows`
    assert.deepStrictEqual(await reason(`${path}?${"where=a%3D1&".repeat(21)}`), [400, "where"])
    const name = encodeURIComponent(columns[0]!.name)
    assert.deepStrictEqual(await reason(`${path}?columns=${name},${name}`), [400, "columns"])
    assert.deepStrictEqual(await reason(`/api/flow-runs?${"state=x&".repeat(101)}`), [400, "state"])
  })
  it("that follow a run beyond the limit are refused, and others after one has ended", async () => {
    const running = { type: "Running", message: "Running." }
    const small = memorySite({
      flow_run: [{ id: runId, name: "r", flow_id: null, state: "Running", serialized_state: running }],
      task_run: []
    }, { limits: { followers: 2 }, pollInterval: "10 millis" })
    const follow = () => small.get(`/api/flow-runs/${runId}/changes`)
    const [one, two] = [await follow(), await follow()]
    assert.strictEqual((await follow()).status, 503)
    await one.body!.cancel()
    let status = 0
    for (let turn = 0; turn < 200 && status !== 200; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      const again = await follow()
      status = again.status
      await again.body!.cancel()
    }
    assert.strictEqual(status, 200)
    await two.body!.cancel()
    await small.close()
  })
})
