import type * as Backend from "@effect-prefect/api/Backend"
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Server from "@effect-prefect/server/Server"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { serve } from "./support/embedded.ts"
import * as Faults from "./support/faultServer.ts"
import * as Mapped from "./support/mappedTables.ts"

const open = Effect.gen(function*() {
  const { url } = yield* Server.Server
  const server = yield* Faults.make(url)
  const api = yield* GraphQLApi.make({ url: server.url, retries: 1, retryDelay: "1 millis" })
  return { api, server }
})

const together = <A, B, E>(wanted: ReadonlyArray<A>, lookup: (wanted: A) => Effect.Effect<B, E>) =>
  Effect.forEach(wanted, lookup, { concurrency: "unbounded" })

const numbers = (length: number) => Array.from({ length }, (_, index) => index)
const idsOf = (views: ReadonlyArray<TaskRunView>) => views.map(({ taskRunId }) => taskRunId as string)
const bySlug = (mapIndex: number): Backend.TaskRunBySlug => ({ ...Mapped, mapIndex })

/** Values of the queries that a server received, so that nothing is pasted into them. */
const variablesOf = (received: Faults.Received): Record<string, unknown> => {
  const body = JSON.parse(received.body) as { readonly query: string; readonly variables: Record<string, unknown> }
  assert.notMatch(body.query, /[0-9a-f]{8}-[0-9a-f]{4}/)
  return body.variables
}

describe("GraphQLApi lookups", () => {
  it.layer(serve(Mapped.tables), { excludeTestServices: true })((it) => {
    it.effect("asks for 1 000 task runs by id in at most 10 queries", () =>
      Effect.gen(function*() {
        const { api, server } = yield* open
        const ids = numbers(1000).map(Mapped.childId)
        assert.deepStrictEqual(idsOf(yield* together(ids, api.taskRun)), ids)
        assert.isAtMost(server.received.length, 10)
        assert.deepStrictEqual(server.received.flatMap((request) => variablesOf(request)["ids"]), ids)
      }))

    it.effect("asks for 1 000 task runs by slug in at most 10 queries", () =>
      Effect.gen(function*() {
        const { api, server } = yield* open
        const found = yield* together(numbers(1000), (index) => api.taskRunBySlug(bySlug(index)))
        assert.deepStrictEqual(idsOf(found), numbers(1000).map(Mapped.childId))
        assert.isAtMost(server.received.length, 10)
        for (const request of server.received) variablesOf(request)
      }))

    it.effect("finds slugs of several tasks, map indexes and flow runs at once, and none that was not asked for", () =>
      Effect.gen(function*() {
        const { api, server } = yield* open
        const wanted: ReadonlyArray<Backend.TaskRunBySlug> = [
          bySlug(-1),
          bySlug(3),
          bySlug(5),
          { ...Mapped, taskSlug: Mapped.singleSlug(1), mapIndex: -1 },
          { ...Mapped, taskSlug: Mapped.singleSlug(2), mapIndex: -1 },
          { ...Mapped, taskSlug: Mapped.singleSlug(2), mapIndex: 3 },
          { ...Mapped, flowRunId: Mapped.uuid(0xdead, 1), mapIndex: -1 }
        ]
        const found = yield* together(
          wanted,
          (query) =>
            Effect.map(
              Effect.result(api.taskRunBySlug(query)),
              (result) => result._tag === "Success" ? result.success.taskRunId as string : result.failure.reason._tag
            )
        )
        assert.deepStrictEqual(found, [
          Mapped.parentId,
          Mapped.childId(3),
          Mapped.childId(5),
          Mapped.singleId(1),
          Mapped.singleId(2),
          "TaskRunNotFound",
          "TaskRunNotFound"
        ])
        assert.strictEqual(server.received.length, 1)
      }))

    it.effect("asks once for what several fibers want", () =>
      Effect.gen(function*() {
        const { api, server } = yield* open
        const id = Mapped.childId(1)
        const found = yield* together([id, id, id.toUpperCase(), id], api.taskRun)
        assert.deepStrictEqual(idsOf(found), [id, id, id, id])
        assert.deepStrictEqual(server.received.map((request) => variablesOf(request)), [{ ids: [id] }])
      }))

    it.effect("asks again for what was asked before, and after a failure", () =>
      Effect.gen(function*() {
        const { api, server } = yield* open
        const id = Mapped.childId(2)
        server.plan = (index) => index < 2 ? Faults.status(500) : undefined
        const error = yield* Effect.flip(api.taskRun(id))
        assert.strictEqual(error.reason._tag, "Unavailable")
        assert.strictEqual((yield* api.taskRun(id)).taskRunId, id)
        assert.strictEqual((yield* api.taskRun(id)).taskRunId, id)
        assert.strictEqual(server.received.length, 4)
      }))

    it.effect("gives each fiber its own outcome", () =>
      Effect.gen(function*() {
        const { api, server } = yield* open
        const outcomes = yield* together(
          [Mapped.childId(1), Mapped.uuid(0xdead, 1), "no uuid", Mapped.parentId],
          (id) => Effect.exit(api.taskRun(id))
        )
        assert.deepStrictEqual(outcomes.map(Exit.isSuccess), [true, false, false, true])
        assert.strictEqual(server.received.length, 1)
      }))

    it.effect("does not ask for what no task run can be", () =>
      Effect.gen(function*() {
        const { api, server } = yield* open
        for (const id of ["", "1", "not-a-uuid", `${Mapped.childId(1)} `, `{"_gt": ""}`]) {
          assert.strictEqual((yield* Effect.flip(api.taskRun(id))).reason._tag, "TaskRunNotFound")
          assert.strictEqual((yield* Effect.flip(api.flowRun(id))).reason._tag, "FlowRunNotFound")
          assert.strictEqual((yield* Effect.flip(api.flow(id))).reason._tag, "FlowNotFound")
        }
        assert.strictEqual(
          (yield* Effect.flip(api.taskRunBySlug({ ...Mapped, mapIndex: 2 ** 40 }))).reason._tag,
          "TaskRunNotFound"
        )
        assert.strictEqual(server.received.length, 0)
      }))

    for (const when of ["before", "while"] as const) {
      it.effect(`a fiber that is interrupted ${when} its query is under way leaves the others their answers`, () =>
        Effect.gen(function*() {
          const { api, server } = yield* open
          const asked = yield* Deferred.make<void>()
          const go = yield* Deferred.make<void>()
          server.plan = () => async (exchange) => {
            Deferred.doneUnsafe(asked, Exit.void)
            await Effect.runPromise(Deferred.await(go))
            const { status, text } = await exchange.forward()
            Faults.respond(exchange.response, status, text)
          }
          const fibers = yield* Effect.forEach(
            numbers(5),
            (index) => Effect.forkChild(api.taskRun(Mapped.childId(index)), { startImmediately: true })
          )
          if (when === "while") yield* Deferred.await(asked)
          // The first one's context is the one that the query runs in.
          yield* Fiber.interrupt(fibers[0]!)
          yield* Fiber.interrupt(fibers[3]!)
          yield* Deferred.succeed(go, undefined)
          const found = yield* Effect.forEach([1, 2, 4], (index) => Fiber.join(fibers[index]!))
          assert.deepStrictEqual(idsOf(found), [1, 2, 4].map(Mapped.childId))
          assert.strictEqual(server.received.length, 1)
        }))
    }

    it.effect("a query that nobody waits for any more is ended", () =>
      Effect.gen(function*() {
        const { api, server } = yield* open
        const asked = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<void>()
        server.plan = () => ({ response }) => {
          response.on("close", () => Deferred.doneUnsafe(ended, Exit.void))
          Deferred.doneUnsafe(asked, Exit.void)
        }
        const fiber = yield* Effect.forkChild(together(numbers(5).map(Mapped.childId), api.taskRun))
        yield* Deferred.await(asked)
        yield* Fiber.interrupt(fiber)
        yield* Deferred.await(ended)
        assert.strictEqual(server.received.length, 1)
        // What it was asked for can be asked for again.
        server.plan = () => undefined
        assert.strictEqual((yield* api.taskRun(Mapped.childId(1))).taskRunId, Mapped.childId(1))
      }))

    it.effect("takes three of 1 000 children with one query", () =>
      Effect.gen(function*() {
        const { api, server } = yield* open
        const found = yield* Stream.runCollect(Stream.take(api.mappedChildren(Mapped), 3))
        assert.deepStrictEqual(idsOf(found), [0, 1, 2].map(Mapped.childId))
        assert.strictEqual(server.received.length, 1)
      }))

    it.effect("asks for less when an answer is too large", () =>
      Effect.gen(function*() {
        const { url } = yield* Server.Server
        const server = yield* Faults.make(url)
        const api = yield* GraphQLApi.make({ url: server.url, maxResponseBytes: 30_000 })
        const all = numbers(1000).slice(-200).map(Mapped.childId)
        const walked = yield* Stream.runCollect(api.mappedChildren(Mapped, { pageSize: 500, after: 799 }))
        assert.deepStrictEqual(idsOf(walked), all)
        const limits = server.received.map((request) => variablesOf(request)["limit"])
        assert.deepStrictEqual(limits.slice(0, 4), [500, 125, 31, 31])
        assert.deepStrictEqual(idsOf(yield* together(all, api.taskRun)), all)
        assert.strictEqual((yield* api.firstTaskRunOfEachTask(Mapped.flowRunId)).length, Mapped.singles + 1)
      }))

    it.effect("asks for pages after the last map index", () =>
      Effect.gen(function*() {
        const { api, server } = yield* open
        const found = yield* Stream.runCollect(api.mappedChildren(Mapped, { pageSize: 300 }))
        assert.deepStrictEqual(idsOf(found), numbers(1000).map(Mapped.childId))
        assert.deepStrictEqual(server.received.map((request) => variablesOf(request)["limit"]), [300, 300, 300, 300])
        const conditions = server.received.map((request) => JSON.stringify(variablesOf(request)["where"]))
        for (const [at, after] of [-1, 299, 599, 899].entries()) {
          assert.include(conditions[at], `"map_index":{"_gt":${after}}`)
          // Another child of the last map index may follow.
          if (after >= 0) assert.include(conditions[at], `"id":{"_gt":"${Mapped.childId(after)}"}`)
        }
      }))

    it.effect("reads every row of a server that gives fewer than were asked for", () =>
      Effect.gen(function*() {
        const { api, server } = yield* open
        server.plan = () => Faults.edited(({ data }) => ({ data: { task_run: data["task_run"]!.slice(0, 90) } }))
        const found = yield* Stream.runCollect(api.mappedChildren(Mapped, { after: 699 }))
        assert.deepStrictEqual(idsOf(found), numbers(1000).slice(700).map(Mapped.childId))
      }))
  })
})
