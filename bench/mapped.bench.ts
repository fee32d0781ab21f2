/**
 * Mapped task runs with 10 000 children over HTTP: their results from local files, and the traversal alone. The peer is
 * Prefect 1.4.1 itself, the limit the plain code of support/plainReader.ts at its best page size.
 */
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import type { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import { join } from "node:path"
import { prefect1, prefect1Environment, venv } from "../conformance/support/python.ts"
import { pickleFolder, stubApi } from "./support/mappedWorld.ts"
import * as Plain from "./support/plainReader.ts"
import { type PythonPeer, pythonPeer } from "./support/python.ts"
import type { Contender, Row } from "./support/row.ts"
import { parentId } from "./support/stubApi.ts"

const count = 10_000

const same = (given: number, expected: number = count) => {
  if (given !== expected) throw new Error(`${given} children instead of ${expected}`)
}

/** A stub API and its files, opened by the row's first contender and closed with it. */
class World {
  readonly delay: number
  url = ""
  root = ""
  private closing: Array<() => void> = []
  constructor(delay: number) {
    this.delay = delay
  }
  async open(): Promise<void> {
    const folder = pickleFolder(count)
    const api = await stubApi({ count, delay: this.delay, root: folder.root })
    this.root = folder.root
    this.url = api.url
    this.closing = [api.close, folder.close]
  }
  close(): void {
    for (const close of this.closing) close()
  }
}

const ours = (
  world: World,
  use: (taskRun: TaskRun.TaskRun) => Effect.Effect<void, TaskRun.TaskRunError>
): Contender => {
  let runtime: ManagedRuntime.ManagedRuntime<PrefectApi | ResultStorage, unknown>
  return {
    name: "effect-prefect",
    open: async () => {
      await world.open()
      runtime = ManagedRuntime.make(Layer.merge(
        GraphQLApi.layer({ url: world.url }),
        LocalStorage.layer({ roots: [world.root] })
      ))
    },
    run: () => runtime.runPromise(Effect.flatMap(TaskRun.fromTaskRunId(parentId), use)),
    close: async () => {
      await runtime.dispose()
      world.close()
    }
  }
}

const prefect = (world: World, job: Readonly<Record<string, unknown>>): Contender => {
  let peer: PythonPeer
  return {
    name: "Prefect 1.4.1",
    python: true,
    open: async () => {
      peer = pythonPeer(
        await venv(prefect1),
        join(import.meta.dirname, "support/prefect1_mapped.py"),
        prefect1Environment(world.url)
      )
    },
    run: () => peer.run({ task_run_id: parentId, count, ...job }),
    close: () => peer.close()
  }
}

const limit = (world: World, run: (pageSize: number) => Promise<void>): Contender => {
  let pageSize = 0
  return {
    name: "plain code",
    open: async () => {
      pageSize = await Plain.bestPageSize(world.url)
    },
    run: () => run(pageSize)
  }
}

const results = (delay: number): Row => {
  const world = new World(delay)
  return {
    work: `getResult of ${count} local pickles, API ${delay} ms`,
    count,
    ours: ours(world, (taskRun) => Effect.map(taskRun.getResult, (values) => same((values as Array<unknown>).length))),
    peers: [prefect(world, { work: "result" })],
    limit: limit(world, async (pageSize) => {
      const values: Array<unknown> = []
      await Plain.walk(world.url, pageSize, async (rows) => {
        for (const value of await Plain.readAll(world.root, rows)) values.push(value)
      })
      same(values.length)
    }),
    target: { peer: 20, limit: 0.7 }
  }
}

const walkWorld = new World(5)
/** Python sends one query per child, so it traverses a hundredth of them, and its time is multiplied by a hundred. */
const part = 100

const walk: Row = {
  work: `iterMapped of ${count} children, API 5 ms`,
  count,
  ours: ours(walkWorld, (taskRun) => Effect.map(Stream.runCount(taskRun.iterMapped), (seen) => same(seen))),
  peers: [prefect(walkWorld, { work: "walk", take: count / part, scale: part })],
  limit: limit(walkWorld, async (pageSize) => same(await Plain.walk(walkWorld.url, pageSize, () => {}))),
  target: { peer: 300, limit: 0.8 }
}

export const rows: ReadonlyArray<Row> = [results(0), results(5), walk]
