/**
 * The page's server, in this process and without the cost of HTTP: the states of 100 000 mapped children compared with
 * the backend's summaries alone, how long another request waits meanwhile, and a table of 1 000 000 rows compared with
 * decoding it.
 */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as InlineStorage from "@effect-prefect/results/InlineStorage"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as UiServer from "@effect-prefect/ui-server/UiServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ids, writeArchive } from "../conformance/ui/archive.ts"
import type { Contender, Row } from "./support/row.ts"

const children = 100_000
const rowCount = 1_000_000

interface World {
  readonly folder: string
  readonly get: (path: string) => Promise<Response>
  readonly api: PrefectApi["Service"]
  readonly close: () => Promise<void>
}

let users = 0
let opened: Promise<World> | undefined

/** The archive and its page, made once for all rows that use them. */
const open = (): Promise<World> => {
  users++
  opened ??= (async () => {
    const folder = mkdtempSync(join(tmpdir(), "effect-prefect-bench-ui-"))
    // As in the command, whose threads load what an earlier one compiled, and need not convert sources first.
    process.env["NODE_COMPILE_CACHE"] = join(folder, "compiled")
    writeArchive(folder, { children, rows: rowCount, lines: 100 })
    const scope = await Effect.runPromise(Scope.make())
    const services = await Effect.runPromise(Layer.buildWithScope(
      Layer.merge(
        ArchiveApi.layer(folder),
        ResultStorage.layerMerge([InlineStorage.layer, LocalStorage.layerArchive(folder)])
      ),
      scope
    ))
    const page = UiServer.layer({ authorize: () => Effect.succeed(true), about: { kind: "archive" } })
    const { dispose, handler } = HttpRouter.toWebHandler(Layer.provide(page, Layer.succeedContext(services)), {
      disableLogger: true
    })
    return {
      folder,
      api: Context.get(services, PrefectApi),
      get: (path) => handler(new Request(`http://localhost${path}`, { headers: { host: "localhost" } })),
      close: async () => {
        await dispose()
        await Effect.runPromise(Scope.close(scope, Exit.void))
        delete process.env["NODE_COMPILE_CACHE"]
        rmSync(folder, { recursive: true, force: true })
      }
    }
  })()
  return opened
}

const close = async (): Promise<void> => {
  if (--users > 0 || opened === undefined) return
  const world = await opened
  opened = undefined
  await world.close()
}

const contender = (name: string, run: (world: World) => Promise<void | { readonly measured: number }>): Contender => ({
  name,
  open,
  close,
  run: async () => run(await open().finally(() => users--))
})

const states = `/api/task-runs/${ids.parent}/children/states`
const table = `/api/task-runs/${ids.table}/result`

const text = async (world: World, path: string): Promise<string> => {
  const response = await world.get(path)
  if (!response.ok) throw new Error(`${path}: ${response.status}`)
  return response.text()
}

/** The longest wait of a small request while others are handled. */
const longestWait = async (world: World, work: Promise<unknown>): Promise<number> => {
  let isOver = false
  void work.finally(() => isOver = true)
  let longest = 0
  while (!isOver) {
    const start = performance.now()
    await text(world, "/api/backend")
    longest = Math.max(longest, performance.now() - start)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await work
  return longest
}

/** How long a page of a run is looked at before its result: its thread starts meanwhile. */
const lookMillis = 1_000

/**
 * The rows of the table from a server whose cache and thread are new, and the milliseconds they took: at once, or after the
 * page of its task run.
 */
const fresh = async (world: World, from: "its address" | "its task run"): Promise<{ readonly measured: number }> => {
  const page = UiServer.layer({ authorize: () => Effect.succeed(true) })
  const services = Layer.merge(
    Layer.succeed(PrefectApi, world.api),
    ResultStorage.layerMerge([InlineStorage.layer, LocalStorage.layerArchive(world.folder)])
  )
  const { dispose, handler } = HttpRouter.toWebHandler(
    Layer.provide(page, services) as Layer.Layer<never, never, HttpRouter.HttpRouter>,
    { disableLogger: true }
  )
  const get = (path: string) => handler(new Request(`http://localhost${path}`, { headers: { host: "localhost" } }))
  if (from === "its task run") {
    await (await get(`/task-runs/${ids.table}`)).text()
    await new Promise((resolve) => setTimeout(resolve, lookMillis))
  }
  const start = performance.now()
  const response = await get(`${table}/rows`)
  await response.text()
  const measured = performance.now() - start
  await dispose()
  if (!response.ok) throw new Error(`the rows: ${response.status}`)
  return { measured }
}

const decodingAlone = contender("decoding alone", async ({ folder }) => {
  const bytes = readFileSync(join(folder, "results/table.csv"))
  await Effect.runPromise(ResultFormat.decode(bytes, { name: "table.csv", maxBytes: 2 ** 28 }))
})

export const rows: ReadonlyArray<Row> = [
  {
    work: "states of 100 000 mapped children",
    count: children,
    ours: contender("the page's API", async (world) => void await text(world, states)),
    limit: contender("taskRunSummaries alone", async ({ api }) => {
      const view = await Effect.runPromise(api.taskRun(ids.parent))
      await Effect.runPromise(Stream.runDrain(
        api.taskRunSummaries({ flowRunId: ids.run, taskId: view.taskId ?? "", after: -1 })
      ))
    }),
    target: { limit: 1 / 1.5 },
    runs: 3
  },
  {
    work: "longest wait of another request meanwhile (100 ms allowed)",
    count: 1,
    show: "ms",
    ours: contender("the page's API", async (world) => ({ measured: await longestWait(world, text(world, states)) })),
    runs: 3
  },
  {
    work: "first rows of a CSV of 1 000 000 rows, a second after the page of its task run",
    count: rowCount,
    ours: contender("the page's API, in a thread", (world) => fresh(world, "its task run")),
    limit: decodingAlone,
    target: { limit: 1 / 1.5 },
    runs: 3
  },
  {
    work: "the same at once, the start of its thread included",
    count: rowCount,
    ours: contender("the page's API, in a thread", (world) => fresh(world, "its address")),
    limit: decodingAlone,
    runs: 3
  },
  {
    work: "longest wait of another request meanwhile (100 ms allowed)",
    count: 1,
    show: "ms",
    ours: contender(
      "the page's API",
      async (world) => ({ measured: await longestWait(world, fresh(world, "its address")) })
    ),
    runs: 3
  },
  {
    work: "a page of rows of that table (100 ms allowed)",
    count: 1,
    show: "ms",
    ours: contender("row 999 900 on", async (world) => {
      await text(world, `${table}/rows?limit=1`)
      const start = performance.now()
      await text(world, `${table}/rows?offset=${rowCount - 100}&limit=100`)
      return { measured: performance.now() - start }
    }),
    runs: 3
  }
]
