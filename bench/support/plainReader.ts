/**
 * The limit of the mapped rows: the code that a good engineer would write without this library. It requests page by
 * page, fetches the next page while this one is processed, and reads 64 files concurrently with callbacks, checking the
 * real path and the size of each. It only uses our decoder of pickles.
 */
import { loads } from "@effect-prefect/pickle"
import * as fs from "node:fs"
import { flowRunId } from "./stubApi.ts"

interface Row {
  readonly map_index: number
  readonly serialized_state: { readonly _result: { readonly location: string } }
}

const query = "query Children($after: Int!, $limit: Int!) { task_run(where: {map_index: {_gt: $after}}, " +
  "order_by: [{map_index: asc}], limit: $limit) { id name task { id slug } map_index serialized_state flow_run_id } }"

const page = async (url: string, after: number, limit: number): Promise<ReadonlyArray<Row>> => {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables: { flowRunId, after, limit } })
  })
  const { data } = await response.json() as { readonly data: { readonly task_run: ReadonlyArray<Row> } }
  return data.task_run
}

/** Calls `use` with each page of children, in order. */
export const walk = async (
  url: string,
  limit: number,
  use: (rows: ReadonlyArray<Row>) => void | Promise<void>
): Promise<number> => {
  let count = 0
  let next: Promise<ReadonlyArray<Row>> | undefined = page(url, -1, limit)
  while (next !== undefined) {
    const rows: ReadonlyArray<Row> = await next
    next = rows.length < limit ? undefined : page(url, rows[rows.length - 1]!.map_index, limit)
    count += rows.length
    await use(rows)
  }
  return count
}

const maxBytes = 256 * 1024 * 1024

const readChecked = (root: string, path: string, done: (error: Error | null, bytes?: Buffer) => void): void => {
  fs.realpath.native(path, (error, real) => {
    if (error !== null) return done(error)
    if (!real.startsWith(`${root}/`)) return done(new Error("outside the root"))
    fs.open(real, "r", (error, fd) => {
      if (error !== null) return done(error)
      const close = (error: Error | null, bytes?: Buffer) => fs.close(fd, () => done(error, bytes))
      fs.fstat(fd, (error, stat) => {
        if (error !== null) return close(error)
        if (!stat.isFile() || stat.size > maxBytes) return close(new Error("not a file of this size"))
        const bytes = Buffer.allocUnsafe(stat.size)
        fs.read(fd, bytes, 0, stat.size, 0, (error, read) => close(error, bytes.subarray(0, read)))
      })
    })
  })
}

/** The values of the files of some rows, in order, read 64 at a time. */
export const readAll = (root: string, rows: ReadonlyArray<Row>): Promise<Array<unknown>> =>
  new Promise((resolve, reject) => {
    const values: Array<unknown> = Array.from({ length: rows.length })
    let next = 0
    let left = rows.length
    if (left === 0) return resolve(values)
    const start = (): void => {
      const index = next++
      if (index >= rows.length) return
      readChecked(root, rows[index]!.serialized_state._result.location, (error, bytes) => {
        if (error !== null) return reject(error)
        values[index] = loads(bytes!)
        if (--left === 0) resolve(values)
        else start()
      })
    }
    for (let lane = 0; lane < 64; lane++) start()
  })

/** The fastest page size for `walk` here, among those that servers accept. */
export const bestPageSize = async (url: string): Promise<number> => {
  let best = { limit: 100, time: Number.POSITIVE_INFINITY }
  for (let round = 0; round < 2; round++) {
    for (const limit of [100, 200, 500, 1000, 2000]) {
      const start = performance.now()
      await walk(url, limit, () => {})
      const time = performance.now() - start
      if (time < best.time) best = { limit, time }
    }
  }
  return best.limit
}
