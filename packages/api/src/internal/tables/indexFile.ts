// Measured: bench/archive-index.bench.ts
/**
 * The index of an archive's tables: a SQLite file with, for each row, its position in the table's file and its lookup
 * and sort keys. With it a lookup reads one row, however many there are.
 */
import { createHash } from "node:crypto"
import type { DatabaseSync } from "node:sqlite"
import { openDatabase } from "../../Sqlite.ts"
import { piecesOf } from "./chunks.ts"
import { rowSplitter } from "./jsonLines.ts"
import { type Key, keyOf, taskKeyOf } from "./keys.ts"
import * as Prefect3 from "./prefect3Index.ts"
import type { TableName as Prefect3Name } from "./prefect3Names.ts"
import * as Rows from "./rowIndex.ts"

/** Changes with every change of the content of an index. */
export const formatVersion = 1

/** The identity of a file's bytes. */
export interface Digest {
  readonly bytes: number
  /** SHA-256 in hexadecimal. */
  readonly sha256: string
}

/** A table to index. */
export interface Source {
  readonly name: Rows.TableName | Prefect3Name
  readonly path: string
}

const common = `
  CREATE TABLE problem (tbl TEXT NOT NULL, line INT NOT NULL, detail TEXT NOT NULL);
  CREATE TABLE omitted (tbl TEXT PRIMARY KEY, lines INT NOT NULL);
`

const schema = `
  CREATE TABLE state (code INTEGER PRIMARY KEY, name TEXT NOT NULL);
  CREATE TABLE task (place INTEGER PRIMARY KEY, id, slug, flow);
  CREATE TABLE task_run (place INTEGER PRIMARY KEY, offset INT, length INT, id, run, task, map_index INT, state INT,
    start REAL, end REAL);
  CREATE TABLE mapped (run, task, state INT, n INT, PRIMARY KEY (run, task, state)) WITHOUT ROWID;
  CREATE TABLE flow_run (place INTEGER PRIMARY KEY, offset INT, length INT, id, created REAL, flow, name,
    state INT);
  CREATE TABLE flow (place INTEGER PRIMARY KEY, offset INT, length INT, id, created REAL, name);
  CREATE TABLE task_run_state (place INTEGER PRIMARY KEY, offset INT, length INT, run, time REAL, version REAL, id);
  CREATE TABLE flow_run_state (place INTEGER PRIMARY KEY, offset INT, length INT, run, time REAL, version REAL, id);
  CREATE TABLE log (place INTEGER PRIMARY KEY, offset INT, length INT, id, time REAL, level TEXT, flow_run, task_run);
  CREATE TABLE artifact (place INTEGER PRIMARY KEY, offset INT, length INT, id, created REAL, task_run);
  CREATE TABLE artifact_run (run, created REAL, id, place INT, PRIMARY KEY (run, created, id, place)) WITHOUT ROWID;
  CREATE TABLE edge (place INTEGER PRIMARY KEY, flow, upstream, downstream, key, mapped INT);
`

/** Built after the rows, because sorting once costs less than staying sorted. */
const indexes = `
  CREATE INDEX task_id ON task (id);
  CREATE INDEX task_slug ON task (slug);
  CREATE INDEX task_flow ON task (flow);
  CREATE INDEX task_run_id ON task_run (id);
  CREATE INDEX task_run_run ON task_run (run, task, map_index, id, state) WHERE run IS NOT NULL;
  CREATE INDEX flow_run_id ON flow_run (id);
  CREATE INDEX flow_run_created ON flow_run (created, id);
  CREATE INDEX flow_run_flow ON flow_run (flow, created, id);
  CREATE INDEX flow_run_state_created ON flow_run (state, created, id);
  CREATE INDEX flow_id ON flow (id);
  CREATE INDEX flow_created ON flow (created, id);
  CREATE INDEX flow_name ON flow (name);
  CREATE INDEX task_run_state_run ON task_run_state (run, time, version, id);
  CREATE INDEX flow_run_state_run ON flow_run_state (run, time, version, id);
  CREATE INDEX log_flow_run ON log (flow_run, time, id) WHERE flow_run IS NOT NULL;
  CREATE INDEX log_task_run ON log (task_run, time, id) WHERE task_run IS NOT NULL;
  CREATE INDEX log_time ON log (time, id);
  CREATE INDEX artifact_task_run ON artifact (task_run, created, id);
  CREATE INDEX artifact_created ON artifact (created, id);
  CREATE INDEX edge_flow ON edge (flow);
  INSERT OR IGNORE INTO artifact_run
    SELECT task_run.run, artifact.created, artifact.id, artifact.place
    FROM artifact CROSS JOIN task_run ON task_run.id = artifact.task_run WHERE task_run.run IS NOT NULL;
`

const maxProblems = 1000
const countsInMemory = 100_000

type Insert = (row: Rows.Row, place: number, offset: number, length: number) => string | undefined

/** The inserts into the index for each table. */
const inserts = (
  database: DatabaseSync
): { readonly tables: Readonly<Record<Rows.TableName, Insert>>; readonly end: () => void } => {
  const statement = (table: string, columns: number) =>
    database.prepare(`INSERT INTO ${table} VALUES (${Array.from({ length: columns }, () => "?").join(", ")})`)
  const keyOrNull = (id: string | null) => id === null ? null : keyOf(id)

  const states = new Map<string, number>()
  const insertState = statement("state", 2)
  const codeOf = (name: string): number => {
    let code = states.get(name)
    if (code === undefined) {
      states.set(name, code = states.size)
      insertState.run(code, name)
    }
    return code
  }

  interface Count {
    readonly runId: string
    readonly taskId: string
    readonly state: number
    readonly run: Key
    readonly task: Key
    n: number
  }
  const counts = new Map<string, Count>()
  let last: Count | undefined
  const addCount = database.prepare(
    "INSERT INTO mapped VALUES (?, ?, ?, ?) ON CONFLICT (run, task, state) DO UPDATE SET n = n + excluded.n"
  )
  const flush = () => {
    for (const { n, run, state, task } of counts.values()) addCount.run(run, task, state, n)
    counts.clear()
    last = undefined
  }
  const count = (runId: string, taskId: string, state: number, run: Key, task: Key) => {
    // Most rows are of the same task and state as the row before them.
    if (last === undefined || last.runId !== runId || last.taskId !== taskId || last.state !== state) {
      const key = `${runId}\n${taskId}\n${state}`
      last = counts.get(key)
      if (last === undefined) {
        if (counts.size >= countsInMemory) flush()
        counts.set(key, last = { runId, taskId, state, run, task, n: 0 })
      }
    }
    last.n++
  }

  const insertTask = statement("task", 4)
  const knownTask = database.prepare("SELECT 1 FROM task WHERE id = ? LIMIT 1")
  const insertTaskRun = statement("task_run", 10)
  const insertFlowRun = statement("flow_run", 8)
  const insertFlow = statement("flow", 6)
  const insertTaskRunState = statement("task_run_state", 7)
  const insertFlowRunState = statement("flow_run_state", 7)
  const insertLog = statement("log", 8)
  const insertArtifact = statement("artifact", 6)
  const insertEdge = statement("edge", 6)
  const insertStateOf =
    (statement: typeof insertTaskRunState, column: string): Insert => (row, place, offset, length) => {
      const found = Rows.stateEntry(row, place, column)
      if (typeof found === "string") return found
      const { entry, run } = found
      statement.run(place, offset, length, keyOf(run), entry.time, entry.version, keyOf(entry.id))
      return undefined
    }

  let lastRun: { readonly id: string | null; readonly key: Key | null } = { id: null, key: null }
  let lastTask: { readonly id: string | null; readonly key: Key } = { id: null, key: taskKeyOf(null) }
  const tables: Readonly<Record<Rows.TableName, Insert>> = {
    task: (row, place) => {
      const task = Rows.taskEntry(row)
      if (typeof task === "string") return task
      insertTask.run(place, keyOf(task.id), keyOrNull(task.slug), keyOrNull(task.flowId))
      return undefined
    },
    task_run: (row, place, offset, length) => {
      const found = Rows.taskRunEntry(row, place)
      if (typeof found === "string") return found
      const { flowRunId, id, mapIndex, state, taskId } = found.entry
      if (flowRunId !== lastRun.id) lastRun = { id: flowRunId, key: keyOrNull(flowRunId) }
      if (taskId !== lastTask.id) lastTask = { id: taskId, key: taskKeyOf(taskId) }
      const code = codeOf(state)
      const start = Number.isNaN(found.entry.startTime) ? null : found.entry.startTime
      const end = Number.isNaN(found.entry.endTime) ? null : found.entry.endTime
      insertTaskRun.run(place, offset, length, keyOf(id), lastRun.key, lastTask.key, mapIndex, code, start, end)
      if (flowRunId !== null && taskId !== null && mapIndex >= 0) {
        count(flowRunId, taskId, code, lastRun.key!, lastTask.key)
      }
      // A row may contain the slug of a task that has no row of its own.
      if (taskId !== null && found.taskSlug !== null && knownTask.get(lastTask.key) === undefined) {
        insertTask.run(null, lastTask.key, keyOf(found.taskSlug), null)
      }
      return undefined
    },
    flow_run: (row, place, offset, length) => {
      const entry = Rows.flowRunEntry(row, place)
      if (typeof entry === "string") return entry
      const { created, flowId, id, name, state } = entry
      insertFlowRun.run(
        place,
        offset,
        length,
        keyOf(id),
        created,
        keyOrNull(flowId),
        keyOrNull(name),
        codeOf(state)
      )
      return undefined
    },
    flow: (row, place, offset, length) => {
      const entry = Rows.flowEntry(row, place)
      if (typeof entry === "string") return entry
      insertFlow.run(place, offset, length, keyOf(entry.id), entry.created, keyOrNull(entry.name))
      return undefined
    },
    task_run_state: insertStateOf(insertTaskRunState, "task_run_id"),
    flow_run_state: insertStateOf(insertFlowRunState, "flow_run_id"),
    log: (row, place, offset, length) => {
      const entry = Rows.logEntry(row, place)
      if (typeof entry === "string") return entry
      const { flowRunId, id, level, taskRunId, time } = entry
      insertLog.run(place, offset, length, keyOf(id), time, level, keyOrNull(flowRunId), keyOrNull(taskRunId))
      return undefined
    },
    task_run_artifact: (row, place, offset, length) => {
      const entry = Rows.artifactEntry(row, place)
      if (typeof entry === "string") return entry
      insertArtifact.run(place, offset, length, keyOf(entry.id), entry.created, keyOf(entry.taskRunId))
      return undefined
    },
    edge: (row, place) => {
      const found = Rows.edgeEntry(row)
      if (typeof found === "string") return found
      const { downstreamTaskId, key, mapped, upstreamTaskId } = found.edge
      insertEdge.run(
        place,
        keyOf(found.flowId),
        keyOf(upstreamTaskId),
        keyOf(downstreamTaskId),
        keyOrNull(key),
        mapped ? 1 : 0
      )
      return undefined
    }
  }
  return { tables, end: flush }
}

const isPrefect3 = (name: Source["name"]): name is Prefect3Name => name.startsWith("prefect3_")

/** The inserts into the index for some tables, and the statements before and after them. */
const layoutOf = (database: DatabaseSync, sources: ReadonlyArray<Source>) => {
  if (sources.some(({ name }) => isPrefect3(name))) {
    database.exec(Prefect3.schema)
    return { tables: Prefect3.inserts(database), end: () => database.exec(Prefect3.indexes) }
  }
  database.exec(schema)
  const { end, tables } = inserts(database)
  // Slugs of tasks are looked up while task runs are read.
  database.exec("CREATE INDEX task_known ON task (id)")
  return {
    tables,
    end: () => {
      end()
      database.exec("DROP INDEX task_known")
      database.exec(indexes)
    }
  }
}

/** The bytes between two reports of progress, each of which is a message from another process. */
const reportedBytes = 1 << 20

/** Fills an empty database with the index of some tables, and hashes the tables in the same pass. */
export const fill = async (
  database: DatabaseSync,
  sources: ReadonlyArray<Source>,
  signal: AbortSignal,
  onProgress: (bytes: number) => void = () => {}
): Promise<Readonly<Record<string, Digest>>> => {
  database.exec(`PRAGMA user_version = ${formatVersion}`)
  database.exec(common)
  database.exec("BEGIN")
  const layout = layoutOf(database, sources)
  const insert: { readonly [table: string]: Insert } = layout.tables
  const insertProblem = database.prepare("INSERT INTO problem VALUES (?, ?, ?)")
  const insertOmitted = database.prepare("INSERT INTO omitted VALUES (?, ?)")
  const digests: Record<string, Digest> = {}
  const inOrder = [...sources.filter(({ name }) => name === "task"), ...sources.filter(({ name }) => name !== "task")]
  for (const { name, path } of inOrder) {
    const hash = createHash("sha256")
    let bytes = 0
    let unreported = 0
    let place = 0
    let problems = 0
    const lines = rowSplitter(signal, (line, row) => {
      const detail = typeof row === "string" ? row : insert[name]!(row, place, line.offset, line.length)
      if (detail === undefined) place++
      else if (++problems <= maxProblems) insertProblem.run(name, line.number, detail)
    }, "keys")
    for await (const piece of piecesOf(path, signal)) {
      hash.update(piece)
      bytes += piece.length
      const taken = lines.push(piece)
      if (taken !== undefined) await taken
      unreported += piece.length
      if (unreported < reportedBytes) continue
      onProgress(unreported)
      unreported = 0
    }
    onProgress(unreported)
    await lines.end()
    if (problems > maxProblems) insertOmitted.run(name, problems - maxProblems)
    digests[name] = { bytes, sha256: hash.digest("hex") }
  }
  layout.end()
  database.exec("COMMIT")
  return digests
}

/** SQLite's results that tell of the file system, as the system's own codes. */
const systemCodes = new Map([[8, "EROFS"], [10, "EIO"], [13, "ENOSPC"], [14, "ENOENT"]])

/** An error of SQLite with the code of the system's error that caused it, which SQLite does not keep. */
const systemError = (error: unknown): unknown => {
  const result = (error as { readonly errcode?: number } | null)?.errcode
  const code = result === undefined ? undefined : systemCodes.get(result & 0xff)
  return code === undefined ? error : Object.assign(new Error(code), { code })
}

/**
 * Builds the index of some tables in a new file, and hashes the tables in the same pass. The tables are read once;
 * neither they nor the index are held in memory.
 */
export const build = async (
  sources: ReadonlyArray<Source>,
  target: string,
  signal: AbortSignal,
  onProgress?: (bytes: number) => void
): Promise<Readonly<Record<string, Digest>>> => {
  const database = await openDatabase(target)
  try {
    database.exec("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384")
    return await fill(database, sources, signal, onProgress)
  } catch (error) {
    throw systemError(error)
  } finally {
    database.close()
  }
}
