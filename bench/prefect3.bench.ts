/**
 * A flow run with 250 results on a live Prefect 3 server: listing its task runs and reading every result like a program
 * that has just started, including its client, and the reads alone. The peer is Prefect 3.8.0 itself with one
 * `ResultStore` for all of them; with `--peers` the server is real too, otherwise it replays recorded responses. The
 * limit is the same requests and files with only the JSON decoded.
 */
import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import { loads } from "@effect-prefect/pickle"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
import type { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import {
  closeSync,
  constants,
  fstatSync,
  mkdtempSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  rmSync
} from "node:fs"
import { readFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort, startServer } from "../conformance/support/process.ts"
import { prefect3, venv } from "../conformance/support/python.ts"
import * as Recorded from "../packages/api/test/prefect3Server.ts"
import { type PythonPeer, pythonPeer } from "./support/python.ts"
import type { Contender, Row } from "./support/row.ts"

const count = 250

interface World {
  readonly url: string
  readonly mounts: ReadonlyArray<{ readonly from: string; readonly to: string }>
  readonly flowRunId: string
  readonly peer: PythonPeer | undefined
}

const recorded = async (): Promise<World> => {
  const server = await Recorded.start()
  return {
    url: server.url,
    mounts: [{ from: "/srv/prefect3", to: join(Recorded.fixtures, "files") }],
    flowRunId: Recorded.runs["map250"] ?? "",
    peer: undefined
  }
}

const live = async (): Promise<World> => {
  const python = await venv(prefect3)
  const home = mkdtempSync(join(tmpdir(), "prefect3-bench-"))
  const storage = join(home, "storage")
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/api`
  const env = {
    PREFECT_HOME: home,
    PREFECT_PROFILES_PATH: join(home, "profiles.toml"),
    PREFECT_RESULTS_LOCAL_STORAGE_PATH: storage,
    PREFECT_SERVER_MEMO_STORE_PATH: join(home, "memo.toml"),
    PREFECT_SERVER_DATABASE_CONNECTION_URL: `sqlite+aiosqlite:///${join(home, "prefect.db")}`,
    PREFECT_SERVER_ANALYTICS_ENABLED: "false",
    PREFECT_LOGGING_LEVEL: "ERROR",
    PREFECT_API_URL: url
  }
  // Servers have ended when this is called.
  process.once("exit", () => rmSync(home, { recursive: true, force: true }))
  const args = ["server", "start", "--no-ui", "--host", "127.0.0.1", "--port", String(port)]
  const probe = async () => (await fetch(`${url}/health`)).ok
  await startServer(python.bin("prefect"), args, { env, cwd: home, probe, timeout: 120_000 })
  const peer = pythonPeer(python, join(import.meta.dirname, "prefect3", "peer.py"), env)
  await peer.run({ job: "run", count })
  const flowRunId = await Effect.runPromise(
    Effect.flatMap(PrefectApi, (api) => Stream.runCollect(api.flowRuns({ flowName: "squares" }))).pipe(
      Effect.provide(Prefect3Api.layer({ url })),
      Effect.map((flowRuns) => flowRuns[0]?.flowRunId ?? "")
    )
  )
  return { url, mounts: [{ from: storage, to: storage }], flowRunId, peer }
}

/** The server is shared by the rows of one process, and ends with it: it takes half a minute to have its results. */
let world: Promise<World> | undefined
const open = (): Promise<World> => world ??= process.argv.includes("--peers") ? live() : recorded()

const all = (given: number) => {
  if (given !== count) throw new Error(`${given} results instead of ${count}`)
}

const live3 = ({ mounts, url }: World) =>
  Layer.provideMerge(Prefect3Storage.layer(LocalStorage.layer({ mounts })), Prefect3Api.layer({ url }))

const readOne = (view: TaskRunView) => Effect.flatMap(TaskRun.fromView(view), (run) => run.getResult)

/** From scratch: a client, the pages of the listing, and the results of a page while the next one is being fetched. */
const listAndRead = (
  read: (views: Stream.Stream<TaskRunView, PrefectApiError>) => Stream.Stream<
    unknown,
    TaskRun.TaskRunError,
    PrefectApi | ResultStorage
  >
): Contender => {
  let opened: World
  return {
    name: "effect-prefect",
    open: async () => {
      opened = await open()
    },
    run: () =>
      Effect.flatMap(PrefectApi, (api) => Stream.runCount(read(api.taskRuns({ flowRunId: opened.flowRunId })))).pipe(
        Effect.map(all),
        Effect.provide(live3(opened)),
        Effect.runPromise
      )
  }
}

/** The views are already loaded. */
const readAlone = (): Contender => {
  let runtime: ManagedRuntime.ManagedRuntime<PrefectApi | ResultStorage, unknown>
  let views: ReadonlyArray<TaskRunView>
  return {
    name: "effect-prefect",
    open: async () => {
      const opened = await open()
      runtime = ManagedRuntime.make(live3(opened))
      views = await runtime.runPromise(
        Effect.flatMap(PrefectApi, (api) => api.firstTaskRunOfEachTask(opened.flowRunId))
      )
    },
    run: () =>
      runtime.runPromise(
        Effect.map(Effect.forEach(views, readOne, { concurrency: 64 }), (values) => all(values.length))
      ),
    close: async () => {
      await runtime?.dispose()
    }
  }
}

const prefect = (job: string): Contender => {
  let opened: World
  return {
    name: "Prefect 3.8.0, one ResultStore",
    python: true,
    open: async () => {
      opened = await open()
    },
    run: async () => await opened.peer?.run({ job, flow_run_id: opened.flowRunId })
  }
}

/**
 * The plainest program that gives the same values from the same files with the same checks: the real place of the open
 * file, its type and its size, and the pickle in the record. If it lists them, too, the types of each row's fields.
 */
const checked = (lists: boolean): Contender => {
  let opened: World
  let paths: ReadonlyArray<string> = []
  let root = ""
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const read = (path: string): unknown => {
    const fd = openSync(path, flags)
    try {
      const stat = fstatSync(fd)
      if (!readlinkSync(`/proc/self/fd/${fd}`).startsWith(root) || !stat.isFile() || stat.size > 1 << 28) {
        throw new Error(`${path} is not a file of the storage`)
      }
      const bytes = Buffer.allocUnsafe(stat.size + 1)
      const record = JSON.parse(bytes.toString("latin1", 0, readSync(fd, bytes))) as { readonly result: string }
      return loads(Buffer.from(record.result, "base64"))
    } finally {
      closeSync(fd)
    }
  }
  const list = async () => {
    const mount = opened.mounts[0]
    paths = (await rowsOf(opened)).map((row) => {
      if (!isStored(row)) throw new Error("a row is no task run with a result")
      return row.state.data.storage_key.replace(mount?.from ?? "", mount?.to ?? "")
    })
  }
  return {
    name: "the same checks and values, without Effect",
    open: async () => {
      opened = await open()
      root = `${realpathSync(opened.mounts[0]?.to ?? "")}/`
      await list()
    },
    run: async () => {
      if (lists) await list()
      all(paths.map(read).length)
    }
  }
}

interface Stored {
  readonly state: { readonly data: { readonly storage_key: string } }
}

const texts = (row: Readonly<Record<string, unknown>>, ...keys: ReadonlyArray<string>) =>
  keys.every((key) => typeof row[key] === "string")

const isStored = (row: unknown): row is Stored => {
  const { start_time, state, tags, ...rest } = row as {
    readonly start_time: string
    readonly state: { readonly data: Readonly<Record<string, unknown>>; readonly type: string }
    readonly tags: unknown
  }
  return texts(rest, "id", "name", "flow_run_id", "task_key", "dynamic_key") && Array.isArray(tags) &&
    /^[A-Z]+$/.test(state.type) && !Number.isNaN(Date.parse(start_time)) && texts(state.data, "storage_key") &&
    typeof state.data["serializer"] === "object"
}

const rowsOf = async ({ flowRunId, url }: World): Promise<ReadonlyArray<Stored>> => {
  const rows: Array<Stored> = []
  for (let offset = 0; offset < count; offset += 200) {
    const response = await fetch(`${url}/task_runs/filter`, {
      method: "POST",
      headers: { "content-type": "application/json", "accept-encoding": "identity" },
      body: JSON.stringify({ flow_runs: { id: { any_: [flowRunId] } }, sort: "ID_DESC", limit: 200, offset })
    })
    rows.push(...await response.json() as ReadonlyArray<Stored>)
  }
  return rows
}

const limit = (lists: boolean): Contender => {
  let opened: World
  let paths: ReadonlyArray<string> = []
  const fetchAll = async () => {
    const rows = await rowsOf(opened)
    const mount = opened.mounts[0]
    paths = rows.map((row) => row.state.data.storage_key.replace(mount?.from ?? "", mount?.to ?? ""))
  }
  return {
    name: "fetch, readFile, JSON.parse",
    open: async () => {
      opened = await open()
      await fetchAll()
    },
    run: async () => {
      if (lists) await fetchAll()
      const values = await Promise.all(paths.map(async (path) => JSON.parse(await readFile(path, "utf8")) as unknown))
      all(values.length)
    }
  }
}

/** Runs of 250 results after which V8 has compiled what is called most. */
const untilCompiled = 40

export const rows: ReadonlyArray<Row> = [
  {
    work: "list 250 task runs of Prefect 3 and read their results",
    count,
    ours: listAndRead(Stream.mapEffect(readOne, { concurrency: 64, unordered: true })),
    peers: [prefect("list and read"), checked(true)],
    limit: limit(true),
    target: { peer: 3, limit: 0.95 },
    runs: 9
  },
  {
    work: "list 250 task runs of Prefect 3 and read them by outcomesOf, in a process that goes on",
    count,
    ours: listAndRead(TaskRun.outcomesOf),
    peers: [prefect("list and read"), checked(true)],
    limit: limit(true),
    target: { peer: 3, limit: 0.95 },
    runs: 15,
    warmUp: untilCompiled,
    keepsCode: true
  },
  {
    work: "read 250 results of Prefect 3, cold",
    count,
    ours: readAlone(),
    peers: [prefect("read"), checked(false)],
    limit: limit(false),
    target: { peer: 3, limit: 0.95 },
    runs: 9
  },
  {
    work: "read 250 results of Prefect 3, in a process that goes on",
    count,
    ours: readAlone(),
    peers: [prefect("read"), checked(false)],
    limit: limit(false),
    target: { peer: 3, limit: 0.95 },
    runs: 15,
    warmUp: untilCompiled,
    keepsCode: true
  }
]
