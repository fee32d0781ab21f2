/**
 * Streams the tables of an archive from the first row to the last, without an index and without holding them in memory.
 */
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Result from "effect/Result"
import { join } from "node:path"
import type { StorageBlock } from "../../Backend.ts"
import { isRowTooWide, rowTooWide } from "../depth.ts"
import { errorCode } from "../errorCode.ts"
import * as Block from "../prefect3/block.ts"
import * as Prefect3 from "../prefect3/rows.ts"
import * as Decoders from "../rows.ts"
import { piecesOf } from "./chunks.ts"
import { rowSplitter, scan } from "./jsonLines.ts"
import { complete, type Row } from "./rowIndex.ts"
import type { Problem } from "./tableFiles.ts"

const noTable = (error: unknown) => {
  if (errorCode(error) !== "ENOENT") throw error
}

/** The bytes of lines that are emitted together. */
const batchBytes = 1 << 18

/** The rows of a table, in batches; empty when there is no such file. */
const rowsOf = async function*<A>(
  root: string,
  table: string,
  make: (row: Row) => A | string
): AsyncGenerator<ReadonlyArray<A | Problem>> {
  const file = ArchiveFormat.tableFile(table)
  let found: Array<A | Problem> = []
  const { signal } = new AbortController()
  const lines = rowSplitter(signal, ({ number: line }, row) => {
    const made = typeof row === "string" ? row : make(row)
    found.push(typeof made === "string" ? { file, line, detail: made } : made)
  }, true)
  try {
    let read = 0
    for await (const piece of piecesOf(join(root, file), signal)) {
      const taken = lines.push(piece)
      if (taken !== undefined) await taken
      read += piece.length
      if (read < batchBytes) continue
      if (found.length > 0) yield found
      found = []
      read = 0
    }
  } catch (error) {
    noTable(error)
  }
  await lines.end()
  if (found.length > 0) yield found
}

const orDetail = <A>(value: A | Prefect3.Malformed): A | string => Prefect3.isMalformed(value) ? value.detail : value

/** Every task run, and the skipped lines between them. */
export const taskRuns = async function*(
  root: string
): AsyncGenerator<ReadonlyArray<TaskRunView.TaskRunView | Problem>> {
  yield* rowsOf(root, "prefect3_task_run", (row) => orDetail(Prefect3.taskRun(row)))
  const slugs = new Map<string, unknown>()
  await scan(join(root, ArchiveFormat.tableFile("task")), new AbortController().signal, (_, row) => {
    if (typeof row !== "string" && typeof row["id"] === "string" && !slugs.has(row["id"])) {
      slugs.set(row["id"], row["slug"] ?? null)
    }
  }).catch(noTable)
  yield* rowsOf(root, "task_run", (stored) => {
    const row = complete("task_run", stored)
    const id = row["task_id"]
    if (isRowTooWide(row)) return rowTooWide
    const view = TaskRunView.fromRow(
      typeof id === "string" && slugs.has(id) ? { ...row, task: { id, slug: slugs.get(id) } } : row
    )
    return view instanceof TaskRunView.TaskRunView ? view : view.detail
  })
}

/** Every flow run, and the skipped lines between them. */
export const flowRuns = async function*(root: string): AsyncGenerator<ReadonlyArray<FlowRunView | Problem>> {
  yield* rowsOf(root, "prefect3_flow_run", (row) => orDetail(Prefect3.flowRun(row)))
  yield* rowsOf(root, "flow_run", (row) => Result.merge(Decoders.decodeFlowRun(complete("flow_run", row))))
}

/** The storage blocks, by id. */
export const storageBlocks = async (root: string): Promise<ReadonlyMap<string, StorageBlock>> => {
  const blocks = new Map<string, StorageBlock>()
  const rows = rowsOf(root, "prefect3_block_document", (row) => Block.fromJson(row) ?? "it is no block document")
  for await (const some of rows) for (const block of some) if ("data" in block) blocks.set(block.id, block)
  return blocks
}
